//! Pages of the console: structs that templates show, and handlers that call the same services as the API.

mod api_keys;
mod components;
mod errors;
mod exports;
mod form;
mod landing;
mod mailbox;
mod modules;
mod session;
mod shell;
mod sign_in;
mod signup;
mod tenants;
mod visitor;

use anyhow::Context as _;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use rust_embed::RustEmbed;
use service_kit::http::BODY_LIMIT;
use service_kit::pages::{self, ErrorPages, Pages};

use crate::app::AppState;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/templates"]
#[include = "*.html"]
struct Templates;

/// The templates of the console and of the router's pages.
pub fn templates() -> anyhow::Result<Pages> {
    Pages::new::<Templates>().context("compiling the templates of the console")
}

/// Every page.
pub fn router(state: &AppState) -> Router<AppState> {
    let router = Router::new()
        .route("/", get(landing::show))
        .route("/docs/errors", get(errors::show))
        .route("/signup", get(signup::show).post(signup::submit))
        .route("/signup/check-mail", get(signup::check_mail))
        .route("/signup/resend", post(signup::resend))
        .route("/signup/verify", get(signup::verify).post(signup::confirm))
        .route("/sign-in", get(sign_in::show).post(sign_in::submit))
        .route("/sign-out", post(sign_in::sign_out))
        .route("/tenants", get(tenants::list))
        .route("/tenants/{slug}", get(tenants::show))
        .route("/tenants/{slug}/progress", get(tenants::progress))
        .route("/tenants/{slug}/settings", get(tenants::settings))
        .route(
            "/tenants/{slug}/exports",
            get(exports::card).post(exports::create),
        )
        .route(
            "/tenants/{slug}/exports/{id}/download",
            get(exports::download),
        )
        .route("/exports/{id}/download", get(exports::download_any))
        .route("/tenants/{slug}/suspend", post(tenants::suspend))
        .route("/tenants/{slug}/resume", post(tenants::resume))
        .route("/tenants/{slug}/delete", post(tenants::delete))
        .route("/tenants/{slug}/undelete", post(tenants::undelete))
        .route(
            "/tenants/{slug}/modules",
            get(modules::list)
                .post(modules::upload)
                .layer(DefaultBodyLimit::max(BODY_LIMIT)),
        )
        .route("/tenants/{slug}/upload", get(modules::new))
        .route("/tenants/{slug}/modules/{name}", get(modules::show))
        .route(
            "/tenants/{slug}/modules/{name}/rollback",
            post(modules::roll_back),
        )
        .route(
            "/tenants/{slug}/modules/{name}/delete",
            post(modules::delete),
        )
        .route("/api-keys", get(api_keys::list).post(api_keys::create))
        .route("/api-keys/{id}/delete", post(api_keys::delete));
    development(state, router)
        .layer(middleware::from_fn_with_state(
            state.clone(),
            visitor::recognise,
        ))
        .layer(middleware::from_fn_with_state(state.clone(), form::guard))
        .merge(pages::assets())
}

/// Pages that exist only where mail stays on this machine.
fn development(state: &AppState, router: Router<AppState>) -> Router<AppState> {
    if state.mailer.local_mailbox().is_none() {
        return router;
    }
    router
        .route("/dev/mail", get(mailbox::list))
        .route("/dev/mail/{id}", get(mailbox::show))
        .route("/dev/components", get(components::show))
}

/// Security headers, and error pages for people, around everything else.
pub fn dress(state: &AppState, router: Router) -> Router {
    let errors = ErrorPages {
        pages: state.pages.clone(),
        sign_in: Some("/sign-in"),
    };
    router
        .layer(middleware::from_fn_with_state(errors, pages::error_pages))
        .layer(middleware::from_fn(pages::security_headers))
}

#[cfg(test)]
mod tests;
