//! A router that remembers its routes, so that a test can hold the list against the table of who may call what.

use axum::Router;
use axum::handler::Handler;
use axum::routing::{MethodFilter, MethodRouter, on};
use http::Method;

use crate::app::AppState;

/// One route.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Route {
    /// Its path pattern.
    pub path: &'static str,
    /// Its method.
    pub method: &'static str,
}

/// Routes under construction.
#[derive(Debug, Default)]
pub struct Routes {
    router: Router<AppState>,
    list: Vec<Route>,
}

impl Routes {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a GET (and HEAD).
    #[must_use]
    pub fn get<H: Handler<T, AppState>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(path, "GET", on(MethodFilter::GET, handler))
    }

    /// Adds a POST.
    #[must_use]
    pub fn post<H: Handler<T, AppState>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(path, "POST", on(MethodFilter::POST, handler))
    }

    /// Adds a PUT.
    #[must_use]
    pub fn put<H: Handler<T, AppState>, T: 'static>(self, path: &'static str, handler: H) -> Self {
        self.add(path, "PUT", on(MethodFilter::PUT, handler))
    }

    /// Adds a DELETE.
    #[must_use]
    pub fn delete<H: Handler<T, AppState>, T: 'static>(
        self,
        path: &'static str,
        handler: H,
    ) -> Self {
        self.add(path, "DELETE", on(MethodFilter::DELETE, handler))
    }

    /// Adds a route whose method router was made elsewhere (with a layer of its own).
    #[must_use]
    pub fn add(
        mut self,
        path: &'static str,
        method: &'static str,
        handler: MethodRouter<AppState>,
    ) -> Self {
        debug_assert!(Method::from_bytes(method.as_bytes()).is_ok());
        self.list.push(Route { path, method });
        self.router = self.router.route(path, handler);
        self
    }

    /// What was added.
    pub fn list(&self) -> &[Route] {
        &self.list
    }

    /// The router.
    pub fn into_router(self) -> Router<AppState> {
        self.router
    }
}
