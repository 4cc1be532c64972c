//! The audit log.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, AuditEventId, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::DbResult;

/// One entry.
#[derive(Debug, Clone)]
pub struct AuditEvent {
    /// Ordered by time.
    pub id: AuditEventId,
    /// Whose log it belongs to.
    pub account: AccountId,
    /// Which tenant it is about.
    pub tenant: Option<TenantId>,
    /// Who did it: `session <id>`, `api_key <id>`, `visitor` or `platform`.
    pub actor: String,
    /// What was done, such as `tenant.suspend`.
    pub action: String,
    /// More about it; never a secret.
    pub detail: serde_json::Value,
    /// The request that did it.
    pub request_id: Option<String>,
    /// When.
    pub created_at: DateTime<Utc>,
}

/// Adds an entry, in the transaction of what it is about.
pub async fn insert(db: &mut PgConnection, event: &AuditEvent) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO audit_event (id, account_id, tenant_id, actor, action, detail, request_id, created_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        event.id.as_uuid(),
        event.account.as_uuid(),
        event.tenant.map(TenantId::as_uuid),
        event.actor,
        event.action,
        event.detail,
        event.request_id,
        event.created_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An account's entries before `before`, newest first.
pub async fn list(
    db: &mut PgConnection,
    account: AccountId,
    before: Uuid,
    limit: i64,
) -> DbResult<Vec<AuditEvent>> {
    let rows = sqlx::query!(
        "SELECT id, account_id, tenant_id, actor, action, detail, request_id, created_at FROM audit_event
         WHERE account_id = $1 AND id < $2 ORDER BY id DESC LIMIT $3",
        account.as_uuid(),
        before,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| AuditEvent {
            id: AuditEventId::from_uuid(row.id),
            account: AccountId::from_uuid(row.account_id),
            tenant: row.tenant_id.map(TenantId::from_uuid),
            actor: row.actor,
            action: row.action,
            detail: row.detail,
            request_id: row.request_id,
            created_at: row.created_at,
        })
        .collect())
}
