//! Exports of tenants: asked for, looked at and downloaded by their owners. The job `exports` sees to it that they are made.

use std::time::{Duration, SystemTime};

use blob_store::{BlobError, BlobKey};
use chrono::{DateTime, TimeDelta, Utc};
use domain::digest::Sha256Digest;
use domain::id::{AccountId, ExportId, TenantId};
use domain::name::TenantSlug;
use http::StatusCode;
use serde::Serialize;
use service_kit::{Chain, Problem};

use crate::app::AppState;
use crate::db::export::{self, Export, ExportKind, ExportState, Origin};
use crate::db::tenant::{self, Tenant};
use crate::db::{DbError, DbResult};
use crate::http::extract::Caller;
use crate::rate_limit::TooMany;
use crate::service::audit::{self, Deed};
use crate::service::tenants::LifecycleError;
use crate::status::Intent;

/// How long a link to an archive is good: long enough to begin a download, which may then take as long as it takes.
pub const LINK_LIFE: Duration = Duration::from_mins(5);
/// When whoever asks for an archive that is not there yet should ask again.
const LOOK_AGAIN: Duration = Duration::from_secs(2);

/// An export as the API and the pages show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExportView {
    /// Its id.
    pub id: ExportId,
    /// Of which tenant.
    pub tenant_id: TenantId,
    /// The tenant's slug when it was asked for.
    pub tenant: TenantSlug,
    /// Why it is made.
    pub kind: ExportKind,
    /// How far it is.
    pub state: ExportState,
    /// When it was asked for.
    pub requested_at: DateTime<Utc>,
    /// When it was seen at work.
    pub started_at: Option<DateTime<Utc>>,
    /// When it was seen to have ended.
    pub finished_at: Option<DateTime<Utc>>,
    /// Its size in bytes.
    pub size: Option<i64>,
    /// SHA-256 of the archive, where it is known.
    pub sha256: Option<Sha256Digest>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it is removed.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was removed, or found to be missing.
    pub removed_at: Option<DateTime<Utc>>,
}

impl From<Export> for ExportView {
    fn from(export: Export) -> Self {
        Self {
            id: export.id,
            tenant_id: export.tenant,
            tenant: export.slug,
            kind: export.kind,
            state: export.state,
            requested_at: export.requested_at,
            started_at: export.started_at,
            finished_at: export.finished_at,
            size: export.size,
            sha256: export.sha256,
            reason: export.reason,
            expires_at: export.expires_at,
            removed_at: export.removed_at,
        }
    }
}

/// Where an archive is for the next minutes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Download {
    /// Reads the archive without further credentials: as secret as the archive.
    pub url: String,
    /// Until when a download can begin.
    pub expires_at: DateTime<Utc>,
    /// How the file is called.
    pub file_name: String,
    /// Its size in bytes.
    pub size: Option<i64>,
    /// Its SHA-256, where it is known.
    pub sha256: Option<Sha256Digest>,
}

/// Why an export cannot be made or had.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// The tenant is not in the right phase, or gone.
    #[error(transparent)]
    Tenant(#[from] LifecycleError),
    /// Too many of one tenant.
    #[error(transparent)]
    TooMany(#[from] TooMany),
    /// Absent or somebody else's.
    #[error("no such export")]
    NotFound,
    /// It is not there yet, or never will be.
    #[error("the export is {}", .0.as_str())]
    NotReady(ExportState),
    /// It was there.
    #[error("the archive is gone")]
    Gone(ExportState),
    /// The object store.
    #[error("the object store could not be asked")]
    Store(#[source] BlobError),
    /// The database.
    #[error("exports could not be read or written")]
    Database(#[from] DbError),
}

impl From<ExportError> for Problem {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Tenant(error) => error.into(),
            ExportError::TooMany(refused) => refused.into(),
            ExportError::NotFound => Self::not_found("You have no export of this id."),
            ExportError::NotReady(state) => {
                let problem = Self::conflict(
                    "export_not_ready",
                    match state {
                        ExportState::Failed => {
                            "It failed, and its reason says why. Ask for another one."
                        }
                        _ => "It is still being made. Look at its state.",
                    },
                );
                if state.is_under_way() {
                    problem.with_retry_after(LOOK_AGAIN)
                } else {
                    problem
                }
            }
            ExportError::Gone(state) => Self::new(
                StatusCode::GONE,
                "export_gone",
                "The archive is not there any more",
            )
            .with_detail(match state {
                ExportState::Expired => "It had its time and was removed. Make another export.",
                _ => "Somebody has removed it from the object store. Make another export.",
            }),
            error @ ExportError::Store(_) => {
                tracing::warn!(error = %Chain(&error), "an archive cannot be looked for");
                Self::unavailable("The object store cannot be asked. Try again in a moment.")
            }
            ExportError::Database(error) => error.into(),
        }
    }
}

/// Asks for an export. While one is under way nothing is begun: that is the one.
pub async fn request(
    state: &AppState,
    caller: &Caller,
    id: TenantId,
) -> Result<Tenant, ExportError> {
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let tenant = tenant::lock(&mut tx, id)
        .await?
        .ok_or(LifecycleError::NotFound)?;
    may_be_exported(&tenant)?;
    let newest = export::list_of_tenant(&mut tx, id, None, 1).await?;
    if newest.iter().any(|newest| newest.state.is_under_way()) {
        return Ok(tenant);
    }
    state.limits.check_export(id)?;
    let export = ExportId::generate();
    let origin = Origin {
        tenant: id,
        account: tenant.account,
        slug: &tenant.slug,
    };
    export::insert_requested(&mut tx, export, origin, now).await?;
    let deed = Deed {
        account: tenant.account,
        tenant: Some(id),
        actor: &caller.actor(),
        action: "tenant.export",
        detail: serde_json::json!({"slug": tenant.slug, "export": export}),
    };
    audit::record(&mut tx, deed, now).await?;
    tenant::notify_changed(&mut tx, id).await?;
    tx.commit().await.map_err(DbError::from)?;
    tracing::info!(tenant.id = %id, tenant.slug = %tenant.slug, export.id = %export, "an export was asked for");
    Ok(tenant)
}

/// Whether there is something that can be exported: also while its owner has had it deleted and could still bring it back.
pub fn may_be_exported(tenant: &Tenant) -> Result<(), LifecycleError> {
    let is_leaving = tenant.resource.as_ref().is_some_and(|row| row.is_leaving);
    match tenant.intent {
        Intent::Running | Intent::Suspended if !is_leaving => Ok(()),
        _ => Err(LifecycleError::WrongPhase {
            wish: "be exported",
            phase: tenant.phase,
        }),
    }
}

/// The tenant's exports before the export `before`, newest first. Ask for access first.
pub async fn list(
    state: &AppState,
    tenant: TenantId,
    before: Option<ExportId>,
    limit: i64,
) -> DbResult<Vec<ExportView>> {
    let mut db = state.pool.acquire().await?;
    let exports = export::list_of_tenant(&mut db, tenant, before, limit).await?;
    Ok(exports.into_iter().map(ExportView::from).collect())
}

/// The account's exports of all tenants, also of those that are gone, newest first.
pub async fn list_all(
    state: &AppState,
    account: AccountId,
    before: Option<ExportId>,
    limit: i64,
) -> DbResult<Vec<ExportView>> {
    let mut db = state.pool.acquire().await?;
    let exports = export::list_for_account(&mut db, account, before, limit).await?;
    Ok(exports.into_iter().map(ExportView::from).collect())
}

/// The account's archives of tenants that are gone, newest first.
pub async fn list_left_behind(
    state: &AppState,
    account: AccountId,
    limit: i64,
) -> DbResult<Vec<ExportView>> {
    let mut db = state.pool.acquire().await?;
    let exports = export::list_left_behind(&mut db, account, limit).await?;
    Ok(exports.into_iter().map(ExportView::from).collect())
}

/// One export of a tenant. Ask for access to the tenant first.
pub async fn show(
    state: &AppState,
    tenant: TenantId,
    id: ExportId,
) -> Result<ExportView, ExportError> {
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    export::find(&mut db, id)
        .await?
        .filter(|export| export.tenant == tenant)
        .map(ExportView::from)
        .ok_or(ExportError::NotFound)
}

/// A link to the archive of an export that the caller may see; of this tenant, if one is given.
pub async fn download(
    state: &AppState,
    caller: &Caller,
    tenant: Option<TenantId>,
    id: ExportId,
) -> Result<Download, ExportError> {
    let export = {
        let mut db = state.pool.acquire().await.map_err(DbError::from)?;
        export::find_for_account(&mut db, caller.account, id).await?
    };
    let export = export
        .filter(|export| tenant.is_none_or(|tenant| export.tenant == tenant))
        .ok_or(ExportError::NotFound)?;
    match export.state {
        ExportState::Ready => {}
        ExportState::Expired | ExportState::Absent => return Err(ExportError::Gone(export.state)),
        ExportState::Requested | ExportState::Running | ExportState::Failed => {
            return Err(ExportError::NotReady(export.state));
        }
    }
    let now = state.clock.now();
    let key = BlobKey::export(export.tenant, export.id);
    // A link to nothing would tell so in the object store's words.
    let found = state.blobs.find_size(&key).await;
    if found.map_err(ExportError::Store)?.is_none() {
        note_absent(state, &export, now).await?;
        return Err(ExportError::Gone(ExportState::Absent));
    }
    let file_name = file_name(&export);
    let url = state
        .blobs
        .presign_download(&key, &file_name, SystemTime::from(now), LINK_LIFE)
        .await
        .map_err(ExportError::Store)?;
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    let deed = Deed {
        account: export.account,
        tenant: Some(export.tenant),
        actor: &caller.actor(),
        action: "tenant.export_download",
        detail: serde_json::json!({"slug": export.slug, "export": export.id}),
    };
    audit::record(&mut db, deed, now).await?;
    Ok(Download {
        url,
        expires_at: now + TimeDelta::from_std(LINK_LIFE).unwrap_or_default(),
        file_name,
        size: export.size,
        sha256: export.sha256,
    })
}

async fn note_absent(state: &AppState, export: &Export, now: DateTime<Utc>) -> DbResult<()> {
    let mut tx = state.pool.begin().await?;
    if export::set_removed(&mut tx, export.id, ExportState::Absent, now).await? {
        tracing::warn!(tenant.id = %export.tenant, export.id = %export.id, "somebody else has removed an archive");
        tenant::notify_changed(&mut tx, export.tenant).await?;
    }
    tx.commit().await?;
    Ok(())
}

/// Sorts by tenant and time in a folder of downloads.
fn file_name(export: &Export) -> String {
    let at = export.finished_at.unwrap_or(export.requested_at);
    format!("{}-{}.tar.zst", export.slug, at.format("%Y%m%dT%H%M%SZ"))
}
