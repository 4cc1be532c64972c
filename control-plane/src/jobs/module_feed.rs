//! Hears of changes of modules, from any replica of the control plane, and passes them on to this process's watchers.
//!
//! Notifications are for speed only. What the database says is asked after every connection loss and, should a
//! notification get lost all the same, now and then.

use std::time::Duration;

use chrono::TimeDelta;
use domain::id::TenantId;
use service_kit::Chain;
use sqlx::postgres::{PgListener, PgNotification};

use crate::app::AppState;
use crate::db::module::GENERATION_CHANGED;
use crate::db::module_replica::ACKNOWLEDGED;
use crate::db::{DbResult, module, module_replica};

/// The net: how late a change may be whose notification was lost.
const LOOK_PERIOD: Duration = Duration::from_secs(5);
/// The same while there is no connection that listens.
const DEAF_PERIOD: Duration = Duration::from_secs(1);
/// Replicas that were silent for this long are forgotten.
const FORGET_AFTER: TimeDelta = TimeDelta::hours(1);

/// Starts the job.
pub fn spawn(state: &AppState) {
    let state = state.clone();
    state
        .tasks
        .clone()
        .spawn_service("module-feed", async move {
            let stopping = state.tasks.stopping();
            // Boxed: it holds a connection and what it reads, 17 kB.
            let feed = Box::pin(run(&state));
            stopping.run_until_cancelled(feed).await;
            Ok(())
        });
}

async fn run(state: &AppState) {
    loop {
        let error = match listen(state).await {
            Ok(never) => match never {},
            Err(error) => error,
        };
        tracing::warn!(error = %Chain(&error), "the module feed does not hear notifications, trying again");
        // Watchers are served all the same, only later.
        look(state).await;
        tokio::time::sleep(DEAF_PERIOD).await;
    }
}

async fn listen(state: &AppState) -> Result<std::convert::Infallible, sqlx::Error> {
    let mut listener = PgListener::connect_with(&state.pool).await?;
    listener
        .listen_all([GENERATION_CHANGED, ACKNOWLEDGED])
        .await?;
    // What happened while nobody listened.
    look(state).await;
    // Side by side, not in turns: a read that is given up in its middle would lose what it has read.
    tokio::select! {
        error = hear(state, &mut listener) => error,
        never = look_now_and_then(state) => match never {},
    }
}

async fn hear(
    state: &AppState,
    listener: &mut PgListener,
) -> Result<std::convert::Infallible, sqlx::Error> {
    loop {
        match listener.try_recv().await? {
            Some(notification) => pass_on(state, &notification),
            // The connection was lost; the next call makes another one.
            None => look(state).await,
        }
    }
}

async fn look_now_and_then(state: &AppState) -> std::convert::Infallible {
    let mut period = tokio::time::interval(LOOK_PERIOD);
    period.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        period.tick().await;
        look(state).await;
        forget(state).await;
    }
}

fn pass_on(state: &AppState, notification: &PgNotification) {
    let feed = &state.modules.feed;
    let understood = match notification.channel() {
        GENERATION_CHANGED => {
            parse_generation(notification.payload()).map(|(tenant, generation)| {
                feed.advance(tenant, generation);
                // What is said about the tenant speaks of its modules too. Fails only when nobody listens.
                drop(state.tenant_changes.send(tenant));
            })
        }
        ACKNOWLEDGED => notification
            .payload()
            .parse()
            .ok()
            .map(|tenant| feed.acknowledged(tenant)),
        _ => None,
    };
    if understood.is_none() {
        tracing::warn!(
            channel = notification.channel(),
            "a notification that is not ours"
        );
    }
}

fn parse_generation(payload: &str) -> Option<(TenantId, u64)> {
    let (tenant, generation) = payload.split_once(' ')?;
    Some((tenant.parse().ok()?, generation.parse().ok()?))
}

/// Asks the database for what watchers may have missed.
async fn look(state: &AppState) {
    let feed = &state.modules.feed;
    let tenants = feed.tenants();
    if tenants.is_empty() {
        return;
    }
    match generations(state, &tenants).await {
        Ok(found) => {
            for (tenant, generation) in found {
                feed.advance(tenant, generation);
            }
            feed.wake_all();
        }
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "the module feed could not look for changes");
        }
    }
}

async fn generations(state: &AppState, tenants: &[TenantId]) -> DbResult<Vec<(TenantId, u64)>> {
    let mut db = state.pool.acquire().await?;
    module::generations(&mut db, tenants).await
}

async fn forget(state: &AppState) {
    let forgotten = async {
        let mut db = state.pool.acquire().await?;
        module_replica::forget(&mut db, state.clock.now() - FORGET_AFTER).await
    };
    match forgotten.await {
        Ok(0) => {}
        Ok(count) => tracing::debug!(count, "forgot runtimes that were silent for long"),
        Err(error) => {
            tracing::warn!(error = %Chain(&error), "silent runtimes could not be forgotten");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn payloads_are_a_tenant_and_a_generation() {
        let tenant = TenantId::generate();
        assert_eq!(parse_generation(&format!("{tenant} 7")), Some((tenant, 7)));
        for bad in [
            "",
            "x 7",
            &tenant.to_string(),
            &format!("{tenant} -1"),
            &format!("{tenant} "),
        ] {
            assert_eq!(parse_generation(bad), None, "{bad:?}");
        }
    }
}
