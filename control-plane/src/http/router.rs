//! Every route of the control plane.

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{delete, get, post, put};

use service_kit::http::FORM_LIMIT;

use super::api::{api_keys, audit, exports, modules, runtime, schema, sessions, signup, tenants};
use super::{idempotency, web};
use crate::app::AppState;

/// Everything, for one listener.
pub fn routes(state: &AppState) -> Router {
    bounded(state, for_people(state).merge(for_runtimes()))
}

/// What people and their programs come for.
pub fn routes_for_people(state: &AppState) -> Router {
    bounded(state, for_people(state))
}

/// What tenants' runtimes come for.
pub fn routes_for_runtimes(state: &AppState) -> Router {
    bounded(state, for_runtimes())
}

fn bounded(state: &AppState, routes: Router<AppState>) -> Router {
    routes
        .layer(DefaultBodyLimit::max(FORM_LIMIT))
        .with_state(state.clone())
}

/// Calls that create something honour `Idempotency-Key`; refreshing a session must never be replayed.
fn for_people(state: &AppState) -> Router<AppState> {
    let creating = Router::new()
        .route("/v1/signup", post(signup::sign_up))
        .route("/v1/api-keys", post(api_keys::create))
        .route("/v1/tenants/{slug}/export", post(exports::create))
        .route(
            "/v1/tenants/{slug}/modules/{name}/rollback",
            post(modules::roll_back),
        )
        .route_layer(middleware::from_fn_with_state(
            state.clone(),
            idempotency::replay,
        ));
    Router::new()
        .merge(creating)
        .route("/v1/signup/verify", post(signup::verify))
        .route("/v1/signup/resend", post(signup::resend))
        .route("/v1/sessions", post(sessions::create))
        .route("/v1/sessions/refresh", post(sessions::refresh))
        .route("/v1/sessions/current", delete(sessions::end))
        .route("/v1/api-keys", get(api_keys::list))
        .route("/v1/api-keys/{id}", delete(api_keys::remove))
        .route("/v1/tenants", get(tenants::list))
        .route(
            "/v1/tenants/{slug}",
            get(tenants::show).delete(tenants::remove),
        )
        .route("/v1/tenants/{slug}/suspend", post(tenants::suspend))
        .route("/v1/tenants/{slug}/resume", post(tenants::resume))
        .route("/v1/tenants/{slug}/undelete", post(tenants::undelete))
        .route("/v1/tenants/{slug}/events", get(tenants::events))
        .route("/v1/tenants/{slug}/exports", get(exports::list))
        .route("/v1/tenants/{slug}/exports/{id}", get(exports::show))
        .route(
            "/v1/tenants/{slug}/exports/{id}/download",
            get(exports::download),
        )
        .route("/v1/exports", get(exports::list_all))
        .route("/v1/exports/{id}/download", get(exports::download_any))
        .route("/v1/tenants/{slug}/modules", get(modules::list))
        .merge(uploads())
        .route(
            "/v1/tenants/{slug}/modules/{name}/versions",
            get(modules::versions),
        )
        .route(
            "/v1/tenants/{slug}/modules/{name}/status",
            get(modules::status),
        )
        .route("/v1/audit", get(audit::list))
        .route("/schema/module.json", get(schema::module))
        .merge(web::router(state))
}

fn for_runtimes() -> Router<AppState> {
    Router::new()
        .route("/v1/runtime/modules/watch", get(runtime::watch))
        .route(
            "/v1/runtime/modules/ack",
            post(runtime::acknowledge).layer(DefaultBodyLimit::max(MAX_ACKNOWLEDGEMENT)),
        )
        .route("/v1/runtime/sleep", post(runtime::sleep))
}

/// Some words about each module of a tenant that has as many as it may have.
const MAX_ACKNOWLEDGEMENT: usize = 512 * 1024;

/// A module file may be smaller than other bodies.
fn uploads() -> Router<AppState> {
    Router::new()
        .route(
            "/v1/tenants/{slug}/modules/{name}",
            put(modules::put).get(modules::show).delete(modules::remove),
        )
        .layer(DefaultBodyLimit::max(module_spec::MAX_BYTES))
}
