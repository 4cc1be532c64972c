//! Makes what is true of tenants what is wanted of them: tells the provisioner what is wanted, reads what it has made of
//! it, and writes that down where it differs from what is written.
//!
//! Woken by changes in the database (of any replica), by the provisioner and by timers; takes no input but the
//! state, so it may be killed at any point and started again, also twice at once.

mod adopt;
pub mod schedule;
pub mod tenant;

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use anyhow::bail;
use domain::id::TenantId;
use futures_util::FutureExt as _;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use service_kit::Chain;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use self::schedule::{Outcome, Schedule};
use super::backoff::Backoff;
use crate::app::AppState;
use crate::db::{self, DbResult};

/// Tenants that are looked at at once: each holds a database connection for moments.
const AT_ONCE: usize = 8;
/// A look that takes longer is stuck and is begun again after a pause.
const DEADLINE: Duration = Duration::from_mins(1);
/// A net under the notifications, for tenants on which something is still to be done.
const UNSETTLED_PERIOD: Duration = Duration::from_secs(10);
/// And for all others.
const EVERYTHING_PERIOD: Duration = Duration::from_mins(5);
const BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(250),
    longest: Duration::from_mins(1),
};

/// The generation of each tenant that this process has told the provisioner. Empty at the start, so that everything is
/// told once to a provisioner that may have forgotten it.
#[derive(Debug, Default)]
pub struct Applied(Mutex<HashMap<TenantId, i64>>);

impl Applied {
    fn get(&self, tenant: TenantId) -> Option<i64> {
        let map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        map.get(&tenant).copied()
    }

    fn set(&self, tenant: TenantId, generation: Option<i64>) {
        let mut map = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match generation {
            Some(generation) => map.insert(tenant, generation),
            None => map.remove(&tenant),
        };
    }
}

/// Runs until the process stops.
pub async fn run(state: AppState) -> anyhow::Result<()> {
    let stopping = state.tasks.stopping();
    // Subscribed before the first look, so that no change falls in between.
    let mut changes = state.tenant_changes.subscribe();
    let mut observations = state.provisioner.changes();
    let mut unsettled = tokio::time::interval(UNSETTLED_PERIOD);
    let mut everything = tokio::time::interval(EVERYTHING_PERIOD);
    let applied = Applied::default();
    let mut schedule = Schedule::new(BACKOFF);
    let mut looks = FuturesUnordered::new();
    loop {
        while looks.len() < AT_ONCE
            && let Some(tenant) = schedule.start_next(Instant::now())
        {
            looks.push(look_at(&state, &applied, tenant));
        }
        let next_due = schedule.next_due().filter(|_| looks.len() < AT_ONCE);
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            changed = changes.recv() => match changed {
                Ok(tenant) => schedule.wake(tenant, Instant::now()),
                Err(RecvError::Lagged(_)) => everything.reset_immediately(),
                Err(RecvError::Closed) => bail!("the state is gone"),
            },
            changed = observations.recv() => match changed {
                Ok(tenant) => schedule.wake(tenant, Instant::now()),
                Err(RecvError::Lagged(_)) => everything.reset_immediately(),
                Err(RecvError::Closed) => bail!("the provisioner is gone"),
            },
            () = state.everything_changed.notified() => everything.reset_immediately(),
            _ = everything.tick() => remind(&mut schedule, list_all(&state).await),
            _ = unsettled.tick() => remind(&mut schedule, list_unsettled(&state).await),
            Some((tenant, outcome)) = looks.next() => schedule.finish(tenant, outcome, Instant::now()),
            () = sleep_until(next_due) => {}
        }
    }
}

async fn sleep_until(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn remind(schedule: &mut Schedule, tenants: DbResult<Vec<TenantId>>) {
    match tenants {
        Ok(tenants) => {
            for tenant in tenants {
                schedule.remind(tenant, Instant::now());
            }
        }
        Err(error) => tracing::warn!(error = %Chain(&error), "tenants cannot be listed now"),
    }
}

async fn list_all(state: &AppState) -> DbResult<Vec<TenantId>> {
    let mut db = state.pool.acquire().await?;
    let mut tenants = db::tenant::list_wanted(&mut db).await?;
    // Those that others have made and that have no row yet.
    if let Some(resources) = state.provisioner.resources() {
        tenants.extend(resources.ids());
        tenants.sort_unstable();
        tenants.dedup();
    }
    Ok(tenants)
}

async fn list_unsettled(state: &AppState) -> DbResult<Vec<TenantId>> {
    let mut db = state.pool.acquire().await?;
    db::tenant::list_unsettled(&mut db, state.clock.now()).await
}

async fn look_at(state: &AppState, applied: &Applied, id: TenantId) -> (TenantId, Outcome) {
    let look = AssertUnwindSafe(tenant::reconcile(state, applied, id)).catch_unwind();
    let outcome = match tokio::time::timeout(DEADLINE, look).await {
        Ok(Ok(Ok(outcome))) => outcome,
        Ok(Ok(Err(error))) => {
            tracing::warn!(tenant.id = %id, error = %Chain(&error), "a tenant could not be reconciled, it is tried again");
            Outcome::Failed
        }
        Ok(Err(_panic)) => {
            tracing::error!(tenant.id = %id, "reconciling a tenant panicked");
            Outcome::Failed
        }
        Err(_elapsed) => {
            tracing::warn!(tenant.id = %id, "reconciling a tenant took too long, it is tried again");
            Outcome::Failed
        }
    };
    (id, outcome)
}
