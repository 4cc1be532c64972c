//! What people are told on the pages of a module whose code is suspended.

use chrono::SecondsFormat;
use domain::watch::Suspension;
use serde::Serialize;
use serde_json::{Value, json};

use super::Call;

/// The code of the module does not run.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Notice {
    /// Why; for administrators only, and empty for others.
    pub reason: String,
    /// When it is tried again (RFC 3339).
    pub until: String,
    /// The same for people, without the day.
    pub time: String,
    /// That time is over: the next use is a trial.
    pub over: bool,
    /// The module is the tenant's own: a corrected version can be uploaded.
    pub own: bool,
}

impl Notice {
    /// For who asks; `None` while the code runs. Ask at the end of a request, which may itself have changed it.
    pub(super) fn of(call: Call<'_>) -> Option<Self> {
        let Suspension { reason, until } = call.desk.module.supervision.suspension()?;
        Some(Self {
            reason: if call.desk.is_author() {
                capitalised(&reason)
            } else {
                String::new()
            },
            until: until.to_rfc3339_opts(SecondsFormat::Secs, true),
            time: until.format("%H:%M UTC").to_string(),
            over: until <= call.desk.app.clock.now(),
            own: call.desk.module.is_own(),
        })
    }
}

/// For programs: the member `suspension` of answers about records; `None` while the code runs.
pub(super) fn for_programs(call: Call<'_>) -> Option<Value> {
    let suspension = call.desk.module.supervision.suspension()?;
    Some(if call.desk.is_author() {
        json!(suspension)
    } else {
        json!({ "until": suspension.until })
    })
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}
