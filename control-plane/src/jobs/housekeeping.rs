//! Removes what has had its time.

use std::time::Duration;

use chrono::TimeDelta;
use service_kit::Chain;

use crate::app::AppState;
use crate::db::{self, DbResult};
use crate::http::idempotency;

const PERIOD: Duration = Duration::from_mins(10);
/// Ended sessions are kept for a while, so that the reuse of an old refresh token is still recognised.
const SESSIONS_KEPT: TimeDelta = TimeDelta::days(7);
/// Exports of which nothing is there stay in the lists for so long.
const EXPORTS_REMEMBERED: TimeDelta = TimeDelta::days(90);

/// Runs until the process stops.
pub async fn run(state: AppState) -> anyhow::Result<()> {
    let stopping = state.tasks.stopping();
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopping.cancelled() => return Ok(()),
        }
        state.limits.forget_idle();
        if let Err(error) = remove_old(&state).await {
            tracing::warn!(error = %Chain(&error), "old rows could not be removed, they are tried again");
        }
    }
}

/// Removes it once.
pub async fn remove_old(state: &AppState) -> DbResult<()> {
    let now = state.clock.now();
    let mut tx = state.pool.begin().await?;
    let signups = db::verification::delete_expired(&mut tx, now).await?;
    let answers = db::idempotency::delete_old(&mut tx, now - idempotency::KEPT).await?;
    let sessions = db::session::delete_ended(&mut tx, now - SESSIONS_KEPT).await?;
    let exports = db::export::delete_ended(&mut tx, now - EXPORTS_REMEMBERED).await?;
    tx.commit().await?;
    if signups + answers + sessions + exports > 0 {
        tracing::info!(signups, answers, sessions, exports, "old rows removed");
    }
    Ok(())
}
