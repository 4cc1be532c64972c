//! `/v1/tenants`

use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures_util::{Stream, StreamExt as _};
use service_kit::Problem;
use service_kit::extract::Json;

use super::page::{Page, PageRequest};
use crate::app::AppState;
use crate::http::extract::{Authorized, ReadTenants, TenantAccess, WriteTenants};
use crate::service::tenants::{self, TenantView, Wish};

/// When whoever has as many streams of events open as may be may try again: tabs are closed at some time.
const STREAMS_PAUSE: Duration = Duration::from_secs(30);

/// `GET /v1/tenants`
pub async fn list(
    State(state): State<AppState>,
    access: Authorized<ReadTenants>,
    request: PageRequest,
) -> Result<Json<Page<TenantView>>, Problem> {
    let account = access.caller.account;
    let views = tenants::list(&state, account, request.cursor, request.fetch()).await?;
    Ok(Json(request.page(views, |view| view.id.as_uuid())))
}

/// `GET /v1/tenants/{slug}`
pub async fn show(
    State(state): State<AppState>,
    access: TenantAccess<ReadTenants>,
) -> Result<Json<TenantView>, Problem> {
    Ok(Json(tenants::show(&state, access.tenant).await?))
}

/// `GET /v1/tenants/{slug}/events`: the tenant as it is now and after every change, as server-sent events.
pub async fn events(
    State(state): State<AppState>,
    access: TenantAccess<ReadTenants>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let place = state
        .event_streams
        .line_up(access.caller.account)
        .ok_or_else(|| Problem::too_many_requests(STREAMS_PAUSE))?;
    let changes = tenants::watch_progress(&state, access.tenant.id);
    // Its place is given up with the stream.
    let events = changes.filter_map(move |view| {
        let _held = &place;
        let event = match Event::default().event("tenant").json_data(&view) {
            Ok(event) => Some(Ok(event)),
            Err(error) => {
                tracing::error!(%error, "a tenant cannot be written as JSON");
                None
            }
        };
        std::future::ready(event)
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::default()))
}

/// `POST /v1/tenants/{slug}/suspend`
pub async fn suspend(
    state: State<AppState>,
    access: TenantAccess<WriteTenants>,
) -> Result<Json<TenantView>, Problem> {
    change(state, access, Wish::Suspend).await
}

/// `POST /v1/tenants/{slug}/resume`
pub async fn resume(
    state: State<AppState>,
    access: TenantAccess<WriteTenants>,
) -> Result<Json<TenantView>, Problem> {
    change(state, access, Wish::Resume).await
}

/// `DELETE /v1/tenants/{slug}`
pub async fn remove(
    state: State<AppState>,
    access: TenantAccess<WriteTenants>,
) -> Result<Json<TenantView>, Problem> {
    change(state, access, Wish::Delete).await
}

/// `POST /v1/tenants/{slug}/undelete`
pub async fn undelete(
    state: State<AppState>,
    access: TenantAccess<WriteTenants>,
) -> Result<Json<TenantView>, Problem> {
    change(state, access, Wish::Undelete).await
}

async fn change(
    State(state): State<AppState>,
    access: TenantAccess<WriteTenants>,
    wish: Wish,
) -> Result<Json<TenantView>, Problem> {
    let tenant = tenants::change(&state, &access.caller, access.tenant.id, wish).await?;
    Ok(Json(tenants::show(&state, tenant).await?))
}
