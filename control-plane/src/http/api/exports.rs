//! `/v1/tenants/{slug}/export`, `/v1/tenants/{slug}/exports` and `/v1/exports`

use axum::extract::State;
use domain::id::ExportId;
use serde::Deserialize;
use service_kit::Problem;
use service_kit::extract::{Json, Path};

use super::page::{Page, PageRequest};
use crate::app::AppState;
use crate::http::extract::{Authorized, ExportTenants, ReadTenants, TenantAccess};
use crate::service::exports::{self, Download, ExportView};
use crate::service::tenants::{self, TenantView};

/// The part of the path that names an export; the tenant's part is read by [`TenantAccess`].
#[derive(Debug, Deserialize)]
pub struct ExportPath {
    id: ExportId,
}

/// `POST /v1/tenants/{slug}/export`: answers the tenant, whose `last_export` is the one that was asked for, or the one that is
/// under way.
pub async fn create(
    State(state): State<AppState>,
    access: TenantAccess<ExportTenants>,
) -> Result<Json<TenantView>, Problem> {
    let tenant = exports::request(&state, &access.caller, access.tenant.id).await?;
    Ok(Json(tenants::show(&state, tenant).await?))
}

/// `GET /v1/tenants/{slug}/exports`: newest first.
pub async fn list(
    State(state): State<AppState>,
    access: TenantAccess<ReadTenants>,
    request: PageRequest<ExportId>,
) -> Result<Json<Page<ExportView, ExportId>>, Problem> {
    let tenant = access.tenant.id;
    let views = exports::list(&state, tenant, request.cursor, request.fetch()).await?;
    Ok(Json(request.page(views, |view| view.id)))
}

/// `GET /v1/tenants/{slug}/exports/{id}`
pub async fn show(
    State(state): State<AppState>,
    access: TenantAccess<ReadTenants>,
    Path(path): Path<ExportPath>,
) -> Result<Json<ExportView>, Problem> {
    Ok(Json(
        exports::show(&state, access.tenant.id, path.id).await?,
    ))
}

/// `GET /v1/tenants/{slug}/exports/{id}/download`: a link, not a redirection, so that no client sends its token on to the object
/// store.
pub async fn download(
    State(state): State<AppState>,
    access: TenantAccess<ExportTenants>,
    Path(path): Path<ExportPath>,
) -> Result<Json<Download>, Problem> {
    let tenant = Some(access.tenant.id);
    Ok(Json(
        exports::download(&state, &access.caller, tenant, path.id).await?,
    ))
}

/// `GET /v1/exports`: of all tenants of the account, also of those that are gone; newest first.
pub async fn list_all(
    State(state): State<AppState>,
    access: Authorized<ReadTenants>,
    request: PageRequest<ExportId>,
) -> Result<Json<Page<ExportView, ExportId>>, Problem> {
    let account = access.caller.account;
    let views = exports::list_all(&state, account, request.cursor, request.fetch()).await?;
    Ok(Json(request.page(views, |view| view.id)))
}

/// `GET /v1/exports/{id}/download`: the same link, also for an archive of a tenant that is gone.
pub async fn download_any(
    State(state): State<AppState>,
    access: Authorized<ExportTenants>,
    Path(path): Path<ExportPath>,
) -> Result<Json<Download>, Problem> {
    Ok(Json(
        exports::download(&state, &access.caller, None, path.id).await?,
    ))
}
