//! Every route of the server.

use axum::extract::DefaultBodyLimit;
use axum::handler::Handler as _;
use axum::routing::any;
use axum::{Router, middleware};
use service_kit::http::FORM_LIMIT;
use service_kit::pages::{ErrorPages, assets, error_pages, security_headers};

use crate::app::AppState;
use crate::http::routes::Routes;
use crate::http::{api_auth, csrf, events, login, portal, records, session};

/// All routes, as a list that tests hold against the table of who may call what.
pub fn routes() -> Routes {
    Routes::new()
        .get("/", portal::root)
        .get("/login", login::show)
        .post("/login", login::submit.layer(small()))
        .post("/logout", login::sign_out)
        .get("/agent", portal::agent_home)
        .get("/admin", portal::admin_overview)
        .get("/events", events::stream)
        .post("/api/v1/auth/login", api_auth::login.layer(small()))
        .post("/api/v1/auth/refresh", api_auth::refresh.layer(small()))
        .post("/api/v1/auth/logout", api_auth::logout.layer(small()))
        .get("/api/v1/auth/me", api_auth::me)
        // What a path below these means is the modules' business.
        .get("/admin/{*path}", records::handle)
        .post("/admin/{*path}", records::handle)
        .put("/admin/{*path}", records::handle)
        .delete("/admin/{*path}", records::handle)
        .get("/api/v1/modules/{*path}", records::handle)
        .post("/api/v1/modules/{*path}", records::handle)
        .put("/api/v1/modules/{*path}", records::handle)
        .delete("/api/v1/modules/{*path}", records::handle)
}

/// For what anybody may send: many of these at once must not fill the memory of a small tenant's server.
fn small() -> DefaultBodyLimit {
    DefaultBodyLimit::max(FORM_LIMIT)
}

/// The whole server.
pub fn app(app: AppState) -> Router {
    let errors = ErrorPages {
        pages: app.pages.clone(),
        sign_in: Some("/login"),
    };
    // Innermost first. The visitor is found outside of the error pages, which show the visitor's own frame; the check
    // of forms is inside of them, so that its refusal is a page too.
    let router = routes()
        .into_router()
        .with_state(app.clone())
        .merge(assets())
        // A route and not a fallback: the middleware below brings its own fallback, which knows no pages.
        .route("/{*path}", any(no_such_page))
        .layer(middleware::from_fn(csrf::protect))
        .layer(middleware::from_fn_with_state(errors, error_pages))
        .layer(middleware::from_fn_with_state(app, session::find_visitor))
        .layer(middleware::from_fn(security_headers));
    service_kit::http::with_middleware(router)
}

async fn no_such_page(uri: http::Uri) -> service_kit::Problem {
    service_kit::Problem::not_found(format!("No page and no call has the path {}.", uri.path()))
}
