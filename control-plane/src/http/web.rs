//! Pages of the console.

use axum::Router;

use crate::app::AppState;

/// Every page.
pub fn router() -> Router<AppState> {
    Router::new()
}
