//! Exports of tenants: what was asked for and what became of it. A row outlives its tenant.

use chrono::{DateTime, Utc};
use domain::digest::Sha256Digest;
use domain::id::{AccountId, ExportId, TenantId};
use domain::name::TenantSlug;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::module::read_digest;
use super::{DbError, DbResult};

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportState {
    /// Asked for, not begun.
    Requested,
    /// Being made.
    Running,
    /// There.
    Ready,
    /// Not made.
    Failed,
    /// It had its time and was removed.
    Expired,
    /// Somebody else has removed it.
    Absent,
}

impl ExportState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Requested,
        Self::Running,
        Self::Ready,
        Self::Failed,
        Self::Expired,
        Self::Absent,
    ];

    /// As it is stored and written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Running => "running",
            Self::Ready => "ready",
            Self::Failed => "failed",
            Self::Expired => "expired",
            Self::Absent => "absent",
        }
    }

    /// Whether something will still become of it by itself.
    pub const fn is_under_way(self) -> bool {
        matches!(self, Self::Requested | Self::Running)
    }
}

/// Why an export is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportKind {
    /// Somebody asked for it.
    OnRequest,
    /// The tenant's data was to be dropped.
    Final,
}

impl ExportKind {
    /// As it is stored and written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OnRequest => "on_request",
            Self::Final => "final",
        }
    }
}

/// A value of a column that the program does not know.
#[derive(Debug, thiserror::Error)]
#[error("unknown value {0:?}")]
struct Unknown(String);

/// An export's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its id; names its object.
    pub id: ExportId,
    /// Of which tenant.
    pub tenant: TenantId,
    /// Whose it is once the tenant is gone.
    pub account: AccountId,
    /// The tenant's slug when it was asked for.
    pub slug: TenantSlug,
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
    /// Its digest, where whoever made it told.
    pub sha256: Option<Sha256Digest>,
    /// Why it failed.
    pub reason: Option<String>,
    /// When it is removed.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was removed, or found to be missing.
    pub removed_at: Option<DateTime<Utc>>,
}

struct Row {
    id: Uuid,
    tenant_id: Uuid,
    account_id: Uuid,
    slug: String,
    kind: String,
    state: String,
    requested_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    size: Option<i64>,
    sha256: Option<Vec<u8>>,
    reason: Option<String>,
    expires_at: Option<DateTime<Utc>>,
    removed_at: Option<DateTime<Utc>>,
}

impl TryFrom<Row> for Export {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let state = ExportState::ALL
            .into_iter()
            .find(|state| state.as_str() == row.state)
            .ok_or_else(|| Unknown(row.state.clone()))
            .map_err(DbError::inconsistent("tenant_export", "state", row.id))?;
        let kind = [ExportKind::OnRequest, ExportKind::Final]
            .into_iter()
            .find(|kind| kind.as_str() == row.kind)
            .ok_or_else(|| Unknown(row.kind.clone()))
            .map_err(DbError::inconsistent("tenant_export", "kind", row.id))?;
        let sha256 = row
            .sha256
            .map(|bytes| {
                read_digest(&bytes).ok_or_else(|| Unknown(format!("{} bytes", bytes.len())))
            })
            .transpose()
            .map_err(DbError::inconsistent("tenant_export", "sha256", row.id))?;
        Ok(Self {
            slug: row.slug.parse().map_err(DbError::inconsistent(
                "tenant_export",
                "slug",
                row.id,
            ))?,
            id: ExportId::from_uuid(row.id),
            tenant: TenantId::from_uuid(row.tenant_id),
            account: AccountId::from_uuid(row.account_id),
            kind,
            state,
            requested_at: row.requested_at,
            started_at: row.started_at,
            finished_at: row.finished_at,
            size: row.size,
            sha256,
            reason: row.reason,
            expires_at: row.expires_at,
            removed_at: row.removed_at,
        })
    }
}

/// Of which tenant an export is, and whose.
#[derive(Debug, Clone, Copy)]
pub struct Origin<'a> {
    /// The tenant.
    pub tenant: TenantId,
    /// Who pays for it.
    pub account: AccountId,
    /// Its slug.
    pub slug: &'a TenantSlug,
}

/// An archive that is there.
#[derive(Debug, Clone, Copy)]
pub struct Made {
    /// Its size in bytes.
    pub size: i64,
    /// Its digest, where it is known.
    pub sha256: Option<Sha256Digest>,
    /// When it was seen.
    pub at: DateTime<Utc>,
    /// When it is removed.
    pub expires_at: DateTime<Utc>,
}

/// Writes down that somebody wants an export; to be called with the tenant's row locked and none under way.
pub async fn insert_requested(
    db: &mut PgConnection,
    id: ExportId,
    of: Origin<'_>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO tenant_export (id, tenant_id, account_id, slug, kind, state, requested_at)
         VALUES ($1, $2, $3, $4, 'on_request', 'requested', $5)",
        id.as_uuid(),
        of.tenant.as_uuid(),
        of.account.as_uuid(),
        of.slug.as_str(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Writes down an export that nobody asked the control plane for; answers whether it is new to it.
pub async fn insert_made(
    db: &mut PgConnection,
    id: ExportId,
    of: Origin<'_>,
    kind: ExportKind,
    made: Made,
) -> DbResult<bool> {
    let done = sqlx::query!(
        "INSERT INTO tenant_export (id, tenant_id, account_id, slug, kind, state, requested_at, finished_at, size, sha256, expires_at)
         VALUES ($1, $2, $3, $4, $5, 'ready', $6, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING",
        id.as_uuid(),
        of.tenant.as_uuid(),
        of.account.as_uuid(),
        of.slug.as_str(),
        kind.as_str(),
        made.at,
        made.size,
        made.sha256.as_ref().map(|digest| digest.as_bytes().as_slice()),
        made.expires_at,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// One export, whoever owns it.
pub async fn find(db: &mut PgConnection, id: ExportId) -> DbResult<Option<Export>> {
    sqlx::query_as!(
        Row,
        "SELECT id, tenant_id, account_id, slug, kind, state, requested_at, started_at, finished_at, size, sha256, reason,
             expires_at, removed_at
         FROM tenant_export WHERE id = $1",
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?
    .map(Export::try_from)
    .transpose()
}

/// One export if the account may see it: of a tenant that it is a member of, or its own of one that is gone.
pub async fn find_for_account(
    db: &mut PgConnection,
    account: AccountId,
    id: ExportId,
) -> DbResult<Option<Export>> {
    sqlx::query_as!(
        Row,
        "SELECT id, tenant_id, account_id, slug, kind, state, requested_at, started_at, finished_at, size, sha256, reason,
             expires_at, removed_at
         FROM tenant_export e
         WHERE id = $2
           AND (EXISTS (SELECT 1 FROM tenant_member m WHERE m.tenant_id = e.tenant_id AND m.account_id = $1)
                OR (account_id = $1 AND NOT EXISTS (SELECT 1 FROM tenant t WHERE t.id = e.tenant_id)))",
        account.as_uuid(),
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?
    .map(Export::try_from)
    .transpose()
}

/// The tenant's exports before the export `before`, newest first.
pub async fn list_of_tenant(
    db: &mut PgConnection,
    tenant: TenantId,
    before: Option<ExportId>,
    limit: i64,
) -> DbResult<Vec<Export>> {
    sqlx::query_as!(
        Row,
        "SELECT id, tenant_id, account_id, slug, kind, state, requested_at, started_at, finished_at, size, sha256, reason,
             expires_at, removed_at
         FROM tenant_export
         WHERE tenant_id = $1
           AND ($2::uuid IS NULL OR (requested_at, id) < (SELECT c.requested_at, c.id FROM tenant_export c WHERE c.id = $2))
         ORDER BY requested_at DESC, id DESC LIMIT $3",
        tenant.as_uuid(),
        before.map(ExportId::as_uuid),
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Export::try_from)
    .collect()
}

/// The exports that the account may see, as in [`find_for_account`], before the export `before`, newest first.
pub async fn list_for_account(
    db: &mut PgConnection,
    account: AccountId,
    before: Option<ExportId>,
    limit: i64,
) -> DbResult<Vec<Export>> {
    sqlx::query_as!(
        Row,
        "SELECT id, tenant_id, account_id, slug, kind, state, requested_at, started_at, finished_at, size, sha256, reason,
             expires_at, removed_at
         FROM tenant_export e
         WHERE (tenant_id IN (SELECT m.tenant_id FROM tenant_member m WHERE m.account_id = $1)
                OR (account_id = $1 AND NOT EXISTS (SELECT 1 FROM tenant t WHERE t.id = e.tenant_id)))
           AND ($2::uuid IS NULL OR (requested_at, id) < (SELECT c.requested_at, c.id FROM tenant_export c WHERE c.id = $2))
         ORDER BY requested_at DESC, id DESC LIMIT $3",
        account.as_uuid(),
        before.map(ExportId::as_uuid),
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Export::try_from)
    .collect()
}

/// The account's exports of tenants that are gone and that can still be had, newest first.
pub async fn list_left_behind(
    db: &mut PgConnection,
    account: AccountId,
    limit: i64,
) -> DbResult<Vec<Export>> {
    sqlx::query_as!(
        Row,
        "SELECT id, tenant_id, account_id, slug, kind, state, requested_at, started_at, finished_at, size, sha256, reason,
             expires_at, removed_at
         FROM tenant_export e
         WHERE account_id = $1 AND state = 'ready' AND NOT EXISTS (SELECT 1 FROM tenant t WHERE t.id = e.tenant_id)
         ORDER BY requested_at DESC, id DESC LIMIT $2",
        account.as_uuid(),
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Export::try_from)
    .collect()
}

/// The exports that are under way after the export `after`, in the order of their ids.
pub async fn list_under_way(
    db: &mut PgConnection,
    after: ExportId,
    limit: i64,
) -> DbResult<Vec<Export>> {
    sqlx::query_as!(
        Row,
        "SELECT id, tenant_id, account_id, slug, kind, state, requested_at, started_at, finished_at, size, sha256, reason,
             expires_at, removed_at
         FROM tenant_export WHERE state IN ('requested', 'running') AND id > $1 ORDER BY id LIMIT $2",
        after.as_uuid(),
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Export::try_from)
    .collect()
}

/// Archives whose time is over, longest first.
pub async fn list_expired(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    limit: i64,
) -> DbResult<Vec<Export>> {
    sqlx::query_as!(
        Row,
        "SELECT id, tenant_id, account_id, slug, kind, state, requested_at, started_at, finished_at, size, sha256, reason,
             expires_at, removed_at
         FROM tenant_export WHERE state = 'ready' AND expires_at <= $1 ORDER BY expires_at, id LIMIT $2",
        now,
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Export::try_from)
    .collect()
}

/// It was seen at work; answers whether that is news.
pub async fn set_running(
    db: &mut PgConnection,
    id: ExportId,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    let done = sqlx::query!(
        "UPDATE tenant_export SET state = 'running', started_at = $2 WHERE id = $1 AND state = 'requested'",
        id.as_uuid(),
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// It is there; answers whether that is news.
pub async fn set_ready(db: &mut PgConnection, id: ExportId, made: Made) -> DbResult<bool> {
    let done = sqlx::query!(
        "UPDATE tenant_export SET state = 'ready', finished_at = $2, size = $3, sha256 = $4, expires_at = $5
         WHERE id = $1 AND state IN ('requested', 'running')",
        id.as_uuid(),
        made.at,
        made.size,
        made.sha256.as_ref().map(|digest| digest.as_bytes().as_slice()),
        made.expires_at,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// It was not made; answers whether that is news.
pub async fn set_failed(
    db: &mut PgConnection,
    id: ExportId,
    reason: &str,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    let done = sqlx::query!(
        "UPDATE tenant_export SET state = 'failed', finished_at = $2, reason = $3
         WHERE id = $1 AND state IN ('requested', 'running')",
        id.as_uuid(),
        now,
        reason,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The archive is not there any more: `state` says why. Answers whether that is news.
pub async fn set_removed(
    db: &mut PgConnection,
    id: ExportId,
    state: ExportState,
    now: DateTime<Utc>,
) -> DbResult<bool> {
    let done = sqlx::query!(
        "UPDATE tenant_export SET state = $2, removed_at = $3 WHERE id = $1 AND state = 'ready'",
        id.as_uuid(),
        state.as_str(),
        now,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() > 0)
}

/// The tenant is gone: what is under way will never end, and what is there belongs to the account that had the tenant.
pub async fn leave_behind(
    db: &mut PgConnection,
    of: Origin<'_>,
    reason: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE tenant_export SET account_id = $2, slug = $3 WHERE tenant_id = $1",
        of.tenant.as_uuid(),
        of.account.as_uuid(),
        of.slug.as_str(),
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "UPDATE tenant_export SET state = 'failed', finished_at = $2, reason = $3
         WHERE tenant_id = $1 AND state IN ('requested', 'running')",
        of.tenant.as_uuid(),
        now,
        reason,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Keeps an archive at least until then.
pub async fn keep_until(
    db: &mut PgConnection,
    id: ExportId,
    expires_at: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE tenant_export SET expires_at = greatest(expires_at, $2) WHERE id = $1 AND state = 'ready'",
        id.as_uuid(),
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Forgets exports of which nothing is there and that ended before `before`; returns how many.
pub async fn delete_ended(db: &mut PgConnection, before: DateTime<Utc>) -> DbResult<u64> {
    let done = sqlx::query!(
        "DELETE FROM tenant_export
         WHERE state IN ('failed', 'expired', 'absent') AND finished_at < $1 AND coalesce(removed_at, finished_at) < $1",
        before,
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
