//! Sees to it that exports are made, and that archives go when their time is over.
//!
//! Level-triggered: what is under way is in the database, what is there is in the object store, and everything is asked
//! for again until it has ended. Any replica may do any of it, also at the same time.

use std::collections::HashSet;
use std::time::Duration;

use anyhow::bail;
use blob_store::store::MAX_LISTED;
use blob_store::{BlobError, BlobKey};
use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{ExportId, TenantId};
use futures_util::stream::{self, StreamExt as _};
use service_kit::Chain;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, MissedTickBehavior, timeout};
use uuid::Uuid;

use crate::app::AppState;
use crate::db::export::{self, Export, ExportKind, ExportState, Made, Origin};
use crate::db::tenant::{self, Tenant};
use crate::db::{DbError, DbResult};
use crate::provision::{ExportProgress, ExportedArchive, FinishedExport, ProvisionError};
use crate::service::exports::may_be_exported;

/// How often exports that are under way are looked at if nobody tells of a change.
const PERIOD: Duration = Duration::from_secs(3);
/// What comes within this time is looked at together; never later than planned, however much comes.
const GATHER: Duration = Duration::from_millis(100);
/// How often archives are looked for whose time is over.
const EXPIRY_PERIOD: Duration = Duration::from_mins(10);
/// Exports that are asked for at once; each takes a call to the provisioner.
const AT_ONCE: usize = 8;
/// The provisioner only records and reads, so it answers soon or not at all.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Rows that are read at once.
const PAGE: i64 = 100;
/// Archives that one run removes at most; the next goes on.
const REMOVED_AT_ONCE: usize = 1_000;
/// An export that is not there by then never will be: its longest making, and as long again to wait for others.
const OVERDUE: TimeDelta = TimeDelta::hours(12);
/// Longest reason that is kept.
const MAX_REASON: usize = 500;
/// Exports of others that this process remembers to have written down; whoever is forgotten is written down again, in vain.
const SEEN_KEPT: usize = 10_000;
/// Why an export ends when its tenant does.
const TENANT_GONE: &str = "the tenant was deleted before it was made";

/// Runs until the process stops.
pub async fn run(state: AppState) -> anyhow::Result<()> {
    let stopping = state.tasks.stopping();
    // Subscribed before the first look, so that no change falls in between.
    let mut changes = state.tenant_changes.subscribe();
    let mut observations = state.provisioner.changes();
    let mut next_look = Instant::now();
    let mut expiry = tokio::time::interval(EXPIRY_PERIOD);
    expiry.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut seen = HashSet::new();
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep_until(next_look) => {
                complain("looked at", advance(&state).await);
                next_look = Instant::now() + PERIOD;
            }
            _ = expiry.tick() => complain("expired", remove_expired(&state).await.map(drop)),
            changed = changes.recv() => match changed {
                Ok(_) | Err(RecvError::Lagged(_)) => next_look = next_look.min(Instant::now() + GATHER),
                Err(RecvError::Closed) => bail!("the state is gone"),
            },
            observed = observations.recv() => match observed {
                Ok(tenant) => {
                    complain("written down", note_finished(&state, &mut seen, tenant).await);
                    next_look = next_look.min(Instant::now() + GATHER);
                }
                Err(RecvError::Lagged(_)) => next_look = next_look.min(Instant::now() + GATHER),
                Err(RecvError::Closed) => bail!("the provisioner is gone"),
            },
        }
    }
}

fn complain(what: &'static str, outcome: DbResult<()>) {
    if let Err(error) = outcome {
        tracing::warn!(error = %Chain(&error), "exports could not be {what}, they are tried again");
    }
}

/// Brings every export that is under way a step further.
pub async fn advance(state: &AppState) -> DbResult<()> {
    let mut after = ExportId::from_uuid(Uuid::nil());
    loop {
        let page = {
            let mut db = state.pool.acquire().await?;
            export::list_under_way(&mut db, after, PAGE).await?
        };
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = last.id;
        stream::iter(page)
            .for_each_concurrent(AT_ONCE, async |export| {
                if let Err(error) = advance_one(state, &export).await {
                    tracing::warn!(
                        tenant.id = %export.tenant, export.id = %export.id, error = %Chain(&error),
                        "an export could not be looked at, it is tried again"
                    );
                }
            })
            .await;
    }
}

/// Why an export could not be looked at.
#[derive(Debug, thiserror::Error)]
enum AdvanceError {
    #[error("its row could not be read or written")]
    Database(#[from] DbError),
    #[error("the provisioner could not be asked")]
    Provisioner(#[source] ProvisionError),
    #[error("the provisioner did not answer within {} seconds", CALL_TIMEOUT.as_secs())]
    ProvisionerSilent,
}

async fn advance_one(state: &AppState, export: &Export) -> Result<(), AdvanceError> {
    let tenant = {
        let mut db = state.pool.acquire().await.map_err(DbError::from)?;
        tenant::find(&mut db, export.tenant).await?
    };
    let can_be_made = tenant.is_some_and(|tenant| may_be_exported(&tenant).is_ok());
    let progress = if !can_be_made {
        failed(TENANT_GONE)
    } else if state.clock.now() - export.requested_at > OVERDUE {
        failed("it was not made within twelve hours; the platform's operators can tell why")
    } else {
        timeout(
            CALL_TIMEOUT,
            state.provisioner.export(export.tenant, export.id),
        )
        .await
        .map_err(|_elapsed| AdvanceError::ProvisionerSilent)?
        .map_err(AdvanceError::Provisioner)?
    };
    Ok(write(state, export, progress).await?)
}

fn failed(reason: &str) -> ExportProgress {
    ExportProgress::Failed {
        reason: reason.to_owned(),
    }
}

/// Writes down how far an export is, if that is news, and wakes whoever watches.
async fn write(state: &AppState, export: &Export, progress: ExportProgress) -> DbResult<()> {
    let now = state.clock.now();
    let mut tx = state.pool.begin().await?;
    let (is_news, outcome) = match progress {
        ExportProgress::Waiting => (false, None),
        ExportProgress::Running => (export::set_running(&mut tx, export.id, now).await?, None),
        ExportProgress::Done(archive) => {
            let made = made(archive, now, state.settings.exports.kept);
            let is_news = export::set_ready(&mut tx, export.id, made).await?;
            (is_news, Some("ready"))
        }
        ExportProgress::Failed { reason } => {
            let reason: String = reason.chars().take(MAX_REASON).collect();
            let is_news = export::set_failed(&mut tx, export.id, &reason, now).await?;
            (is_news, Some("failed"))
        }
    };
    if !is_news {
        return Ok(());
    }
    tenant::notify_changed(&mut tx, export.tenant).await?;
    tx.commit().await?;
    if let Some(outcome) = outcome {
        metrics::counter!("control_plane_exports_total", "outcome" => outcome).increment(1);
        tracing::info!(tenant.id = %export.tenant, tenant.slug = %export.slug, export.id = %export.id, outcome, "an export ended");
    }
    Ok(())
}

fn made(archive: ExportedArchive, at: DateTime<Utc>, kept: TimeDelta) -> Made {
    Made {
        size: archive.size,
        sha256: archive.sha256,
        at,
        expires_at: at + kept,
    }
}

/// Writes down the export of a tenant that ended last, if somebody else has asked for it.
async fn note_finished(
    state: &AppState,
    seen: &mut HashSet<ExportId>,
    id: TenantId,
) -> DbResult<()> {
    let Some(finished) = state.provisioner.last_export(id) else {
        return Ok(());
    };
    if seen.contains(&finished.id) {
        return Ok(());
    }
    let mut tx = state.pool.begin().await?;
    let Some(tenant) = tenant::find(&mut tx, id).await? else {
        // Not adopted yet; told again by its next change.
        return Ok(());
    };
    note_one(state, &mut tx, &tenant, finished).await?;
    tx.commit().await?;
    if seen.len() >= SEEN_KEPT {
        seen.clear();
    }
    seen.insert(finished.id);
    Ok(())
}

async fn note_one(
    state: &AppState,
    db: &mut sqlx::PgConnection,
    tenant: &Tenant,
    finished: FinishedExport,
) -> DbResult<()> {
    let retention = state.settings.exports;
    let (kind, kept) = if finished.is_final {
        (ExportKind::Final, retention.final_kept)
    } else {
        (ExportKind::OnRequest, retention.kept)
    };
    let made = made(finished.archive, state.clock.now(), kept);
    if export::insert_made(db, finished.id, origin(tenant), kind, made).await? {
        tenant::notify_changed(db, tenant.id).await?;
        tracing::info!(tenant.id = %tenant.id, tenant.slug = %tenant.slug, export.id = %finished.id, "an export that somebody else asked for is there");
    }
    Ok(())
}

const fn origin(tenant: &Tenant) -> Origin<'_> {
    Origin {
        tenant: tenant.id,
        account: tenant.account,
        slug: &tenant.slug,
    }
}

/// What a tenant that is gone leaves behind: archives, which are the account's from now on.
#[derive(Debug, Default)]
pub struct Legacy(Vec<(ExportId, i64)>);

/// The archives of a tenant, as they lie in the object store.
pub async fn find_legacy(state: &AppState, tenant: TenantId) -> Result<Legacy, BlobError> {
    let folder = BlobKey::export_folder(tenant);
    let mut legacy = Legacy::default();
    let mut after: Option<BlobKey> = None;
    loop {
        let page = state
            .blobs
            .list(&folder, after.as_ref(), MAX_LISTED)
            .await?;
        let Some(last) = page.last() else {
            return Ok(legacy);
        };
        after = Some(last.key.clone());
        legacy.0.extend(page.iter().filter_map(|object| {
            let (_tenant, export) = object.key.as_export()?;
            Some((export, i64::try_from(object.size).unwrap_or(i64::MAX)))
        }));
    }
}

/// Hands a tenant's archives to its account, in the transaction in which the tenant goes. One that nobody has asked the control
/// plane for is the final one, and is kept as such from now on.
pub async fn leave_behind(
    state: &AppState,
    db: &mut sqlx::PgConnection,
    tenant: &Tenant,
    legacy: &Legacy,
) -> DbResult<()> {
    let now = state.clock.now();
    let kept = state.settings.exports.final_kept;
    for (id, size) in &legacy.0 {
        let archive = ExportedArchive {
            size: *size,
            sha256: None,
        };
        let made = made(archive, now, kept);
        export::insert_made(db, *id, origin(tenant), ExportKind::Final, made).await?;
        let row = export::find(db, *id).await?;
        if row.is_some_and(|row| row.kind == ExportKind::Final) {
            export::keep_until(db, *id, now + kept).await?;
        }
    }
    export::leave_behind(db, origin(tenant), TENANT_GONE, now).await
}

/// Removes archives whose time is over, some at a time; returns how many.
///
/// First the object, then the row: who ends in between removes an object that is not there, which is no error. One archive that cannot
/// be removed keeps no other of its page from it.
pub async fn remove_expired(state: &AppState) -> DbResult<usize> {
    let mut removed = 0;
    loop {
        let now = state.clock.now();
        let due = {
            let mut db = state.pool.acquire().await?;
            export::list_expired(&mut db, now, PAGE).await?
        };
        let mut has_failed = false;
        for export in &due {
            let key = BlobKey::export(export.tenant, export.id);
            if let Err(error) = state.blobs.delete(&key).await {
                has_failed = true;
                metrics::counter!("control_plane_exports_expired_total", "outcome" => "error")
                    .increment(1);
                tracing::warn!(%key, error = %Chain(&error), "an archive whose time is over could not be removed, it is tried again");
                continue;
            }
            let mut tx = state.pool.begin().await?;
            if export::set_removed(&mut tx, export.id, ExportState::Expired, now).await? {
                tenant::notify_changed(&mut tx, export.tenant).await?;
            }
            tx.commit().await?;
            removed += 1;
            metrics::counter!("control_plane_exports_expired_total", "outcome" => "ok")
                .increment(1);
            tracing::info!(tenant.id = %export.tenant, tenant.slug = %export.slug, %key, "the time of an archive was over: it is removed");
        }
        if due.is_empty() || has_failed || removed >= REMOVED_AT_ONCE {
            return Ok(removed);
        }
    }
}
