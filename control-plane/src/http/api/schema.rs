//! `/schema/module.json`

use std::sync::LazyLock;

use axum::response::IntoResponse;
use http::header;

/// The same for everybody, as long as the process lives.
static MODULE: LazyLock<String> = LazyLock::new(|| module_spec::json_schema().to_string());

/// `GET /schema/module.json`: the JSON Schema of module files, for editors. Open to all: it tells what the documentation tells.
pub async fn module() -> impl IntoResponse {
    (
        [
            (header::CONTENT_TYPE, "application/schema+json"),
            (header::CACHE_CONTROL, "public, max-age=3600"),
            // Editors in a browser fetch it from wherever they run.
            (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
        ],
        MODULE.as_str(),
    )
}
