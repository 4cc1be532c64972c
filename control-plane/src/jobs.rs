//! What goes on without a request. Every job is level-triggered: it looks at the database, does what is missing, and
//! may be killed at any point.

pub mod backoff;
pub mod exports;
pub mod housekeeping;
pub mod listen;
pub mod module_feed;
pub mod reconcile;
pub mod send_mail;

use crate::app::AppState;

/// Starts all jobs.
pub fn spawn(state: &AppState) {
    let tasks = &state.tasks;
    tasks.spawn_service("listen", listen::run(state.clone()));
    tasks.spawn_service("reconcile", reconcile::run(state.clone()));
    tasks.spawn_service("send mail", send_mail::run(state.clone()));
    tasks.spawn_service("housekeeping", housekeeping::run(state.clone()));
    tasks.spawn_service("exports", exports::run(state.clone()));
    module_feed::spawn(state);
}
