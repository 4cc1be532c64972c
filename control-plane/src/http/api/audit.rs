//! `/v1/audit`

use axum::extract::State;
use service_kit::Problem;
use service_kit::extract::Json;

use super::page::{Page, PageRequest};
use crate::app::AppState;
use crate::http::extract::{Authorized, ReadAudit};
use crate::service::audit::{self, AuditEntry};

/// `GET /v1/audit`: newest first.
pub async fn list(
    State(state): State<AppState>,
    access: Authorized<ReadAudit>,
    request: PageRequest,
) -> Result<Json<Page<AuditEntry>>, Problem> {
    let account = access.caller.account;
    let entries = audit::list(&state, account, request.cursor, request.fetch()).await?;
    Ok(Json(request.page(entries, |entry| entry.id.as_uuid())))
}
