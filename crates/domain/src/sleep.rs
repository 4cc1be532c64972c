//! What a runtime says about when its tenant must be awake.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Body of `POST /v1/runtime/sleep`: a tenant that sleeps is woken at this time, and one that was woken for it may sleep again once a
/// later time (or none) is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SleepNotice {
    /// When time alone makes something due next; `None` when nothing will.
    pub next_due_at: Option<DateTime<Utc>>,
}
