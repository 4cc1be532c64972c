//! Tells the control plane when this tenant must be awake, so that it can sleep in between and nothing is missed.
//!
//! Said when it changes, again now and then (the other side may have lost it), and once more before the process ends: what
//! happened since the last word counts too.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::sleep::SleepNotice;
use service_kit::Chain;
use tokio::time::Instant;

use crate::app::AppState;
use crate::db::due;
use crate::modules::watch::{ControlPlane, WatchError};

/// How late a change may be said. It is one small query, as often as the sign of life of the database.
const PERIOD: Duration = Duration::from_mins(1);
/// The same time is said again after this.
const AGAIN: Duration = Duration::from_hours(1);
/// What a tenant was woken for has this long before the next time is said, with which it may be put to sleep again.
const HEAD_START: Duration = Duration::from_secs(45);
/// The last word must not hold up the shutdown.
const LAST_WORD: Duration = Duration::from_secs(5);

/// Why nothing could be said.
#[derive(Debug, thiserror::Error)]
pub enum DueError {
    /// The tenant's database.
    #[error("what is due next could not be read")]
    Read(#[source] sqlx::Error),
    /// The control plane.
    #[error("what is due next could not be told")]
    Tell(#[from] WatchError),
}

/// What was said last, and when: pure.
#[derive(Debug, Default)]
struct Said(Option<(Option<DateTime<Utc>>, Instant)>);

impl Said {
    /// Whether this is to be said now.
    fn is_news(&self, next: Option<DateTime<Utc>>, now: Instant) -> bool {
        self.0
            .is_none_or(|(last, at)| last != next || now.duration_since(at) >= AGAIN)
    }

    fn said(&mut self, next: Option<DateTime<Utc>>, now: Instant) {
        self.0 = Some((next, now));
    }
}

/// Runs until the shutdown.
pub async fn run(app: AppState, control_plane: ControlPlane) -> anyhow::Result<()> {
    let stopping = app.tasks.stopping();
    // What it was woken for comes first.
    if stopping
        .run_until_cancelled(tokio::time::sleep(HEAD_START))
        .await
        .is_some()
    {
        watch(&app, &control_plane, PERIOD).await;
    }
    Ok(())
}

/// Looks every `period` until the shutdown.
pub async fn watch(app: &AppState, control_plane: &ControlPlane, period: Duration) {
    let stopping = app.tasks.stopping();
    let mut said = Said::default();
    let mut ticks = tokio::time::interval(period);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stopping.cancelled() => break,
        }
        if let Err(error) = tell(app, control_plane, &mut said).await {
            tracing::warn!(error = %Chain(&error), "when this tenant must be awake cannot be told, trying again");
        }
    }
    // What changed since counts too.
    if said.0.is_some() {
        match tokio::time::timeout(LAST_WORD, tell(app, control_plane, &mut said)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = %Chain(&error), "when this tenant must be awake was not told at the end");
            }
            Err(_elapsed) => {
                tracing::warn!("when this tenant must be awake was not told at the end in time");
            }
        }
    }
}

async fn tell(
    app: &AppState,
    control_plane: &ControlPlane,
    said: &mut Said,
) -> Result<(), DueError> {
    let next = due::next_due(&app.database, app.clock.now())
        .await
        .map_err(DueError::Read)?;
    let now = Instant::now();
    if said.is_news(next, now) {
        control_plane
            .tell_next_due(SleepNotice { next_due_at: next })
            .await?;
        said.said(next, now);
        tracing::debug!(next_due_at = ?next, "told when this tenant must be awake");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_news_are_said_and_the_same_after_an_hour() {
        let start = Instant::now();
        let at = |second| DateTime::from_timestamp(second, 0);
        let mut said = Said::default();
        assert!(
            said.is_news(None, start),
            "that nothing is due is said once"
        );
        said.said(None, start);
        assert!(!said.is_news(None, start + PERIOD));
        assert!(said.is_news(at(100), start + PERIOD));
        said.said(at(100), start + PERIOD);
        assert!(!said.is_news(at(100), start + AGAIN));
        assert!(said.is_news(at(100), start + PERIOD + AGAIN));
        assert!(said.is_news(None, start + PERIOD));
    }
}
