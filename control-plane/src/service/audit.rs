//! The audit log: who did what to what is an account's.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, AuditEventId, TenantId};
use serde::Serialize;
use service_kit::request_id;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::AppState;
use crate::db::audit::AuditEvent;
use crate::db::{self, DbResult};

/// Something that is written into the log.
#[derive(Debug)]
pub struct Deed<'a> {
    /// Whose log.
    pub account: AccountId,
    /// Which tenant it is about.
    pub tenant: Option<TenantId>,
    /// Who did it; see [`crate::http::extract::Caller::actor`].
    pub actor: &'a str,
    /// What was done, such as `tenant.suspend`.
    pub action: &'a str,
    /// More about it; never a secret.
    pub detail: serde_json::Value,
}

/// One entry as the API shows it.
#[derive(Debug, Serialize)]
pub struct AuditEntry {
    /// Ordered by time.
    pub id: AuditEventId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// Which tenant.
    pub tenant_id: Option<TenantId>,
    /// More about it.
    pub detail: serde_json::Value,
    /// The request that did it.
    pub request_id: Option<String>,
}

/// Who acts when nobody is signed in.
pub const VISITOR: &str = "visitor";
/// Who acts when nobody asked.
pub const PLATFORM: &str = "platform";

/// Writes an entry in the transaction of what it is about.
pub async fn record(db: &mut PgConnection, deed: Deed<'_>, now: DateTime<Utc>) -> DbResult<()> {
    let event = AuditEvent {
        id: AuditEventId::generate(),
        account: deed.account,
        tenant: deed.tenant,
        actor: deed.actor.to_owned(),
        action: deed.action.to_owned(),
        detail: deed.detail,
        request_id: request_id::current(),
        created_at: now,
    };
    db::audit::insert(db, &event).await
}

/// An account's entries before `before`, newest first.
pub async fn list(
    state: &AppState,
    account: AccountId,
    before: Option<Uuid>,
    limit: i64,
) -> DbResult<Vec<AuditEntry>> {
    let mut db = state.pool.acquire().await?;
    let events = db::audit::list(&mut db, account, before.unwrap_or(Uuid::max()), limit).await?;
    Ok(events
        .into_iter()
        .map(|event| AuditEntry {
            id: event.id,
            created_at: event.created_at,
            actor: event.actor,
            action: event.action,
            tenant_id: event.tenant,
            detail: event.detail,
            request_id: event.request_id,
        })
        .collect())
}
