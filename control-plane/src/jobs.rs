//! What goes on without a request. Every job is level-triggered: it looks at the database, does what is missing, and
//! may be killed at any point.

pub mod module_feed;

use crate::app::AppState;

/// Starts all jobs.
pub fn spawn(state: &AppState) {
    module_feed::spawn(state);
}
