//! What goes on without a request. Every job is level-triggered: it looks at the database, does what is missing, and
//! may be killed at any point.

use crate::app::AppState;

/// Starts all jobs.
pub fn spawn(state: &AppState) {
    let _ = state;
}
