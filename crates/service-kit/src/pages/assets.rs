//! CSS, JavaScript, fonts and icons: made by `cargo xtask assets`, embedded, served from `/assets/` for ever.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::Problem;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/assets/dist"]
struct Dist;

/// Logical name (`app.css`) → path (`/assets/app-1f2e3d4c.css`).
static MANIFEST: LazyLock<BTreeMap<String, String>> = LazyLock::new(|| {
    let Some(file) = Dist::get("manifest.json") else {
        return BTreeMap::new();
    };
    match serde_json::from_slice::<BTreeMap<String, String>>(&file.data) {
        Ok(names) => names
            .into_iter()
            .map(|(name, file)| (name, format!("/assets/{file}")))
            .collect(),
        Err(error) => {
            tracing::error!(%error, "the manifest of the assets cannot be read");
            BTreeMap::new()
        }
    }
});

/// All icons of Lucide, one per line, sorted: name, tab, shapes. Never copied: it stays in the binary.
static ICONS: LazyLock<Vec<(&'static str, &'static str)>> = LazyLock::new(|| {
    let Some(file) = Dist::get("icons.tsv") else {
        return Vec::new();
    };
    let text: &'static [u8] = match file.data {
        std::borrow::Cow::Borrowed(bytes) => bytes,
        std::borrow::Cow::Owned(bytes) => bytes.leak(),
    };
    std::str::from_utf8(text)
        .unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once('\t'))
        .collect()
});

/// Where an asset is served, by its name without hash; `None` when there is no such asset.
pub fn asset_path(name: &str) -> Option<&'static str> {
    MANIFEST.get(name).map(String::as_str)
}

/// The shapes of an icon.
pub(super) fn icon(name: &str) -> Option<&'static str> {
    let index = ICONS
        .binary_search_by(|(candidate, _)| (*candidate).cmp(name))
        .ok()?;
    ICONS.get(index).map(|(_, shapes)| *shapes)
}

/// The routes under `/assets/`.
pub fn assets<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{name}", get(serve))
}

async fn serve(Path(name): Path<String>, headers: HeaderMap) -> Response {
    asset(&name, &headers)
}

/// The answer to `GET /assets/{name}`; for those who serve assets without a router.
pub fn asset(name: &str, headers: &HeaderMap) -> Response {
    // Only what the manifest names is public; the other files are ours.
    let path = format!("/assets/{name}");
    let public = MANIFEST.values().any(|known| *known == path);
    let Some(file) = public.then(|| Dist::get(name)).flatten() else {
        return Problem::not_found("No asset has this name. Reload the page.").into_response();
    };
    let tag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    let mut answer = HeaderMap::new();
    answer.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=31536000, immutable"),
    );
    answer.insert(header::VARY, HeaderValue::from_static("Accept-Encoding"));
    if let Ok(tag) = HeaderValue::try_from(&tag) {
        answer.insert(header::ETAG, tag);
    }
    if headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains(&tag))
    {
        return (StatusCode::NOT_MODIFIED, answer).into_response();
    }
    answer.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(content_type(name)),
    );
    let packed = accepts_gzip(headers)
        .then(|| Dist::get(&format!("{name}.gz")))
        .flatten();
    if packed.is_some() {
        answer.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    (answer, body(packed.unwrap_or(file))).into_response()
}

fn body(file: EmbeddedFile) -> Bytes {
    match file.data {
        std::borrow::Cow::Borrowed(bytes) => Bytes::from_static(bytes),
        std::borrow::Cow::Owned(bytes) => Bytes::from(bytes),
    }
}

fn accepts_gzip(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(|coding| coding.replace(' ', ""))
        .any(|coding| coding == "gzip" || coding.starts_with("gzip;") && !coding.ends_with("q=0"))
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit('.').next() {
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        write!(text, "{byte:02x}").ok();
        text
    })
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use http_body_util::BodyExt as _;
    use tower::ServiceExt as _;

    use super::*;

    async fn get(path: &str, name: &str, value: &str) -> (StatusCode, HeaderMap, Bytes) {
        let request = http::Request::get(path)
            .header(name, value)
            .body(Body::empty())
            .unwrap();
        let (parts, body) = assets::<()>().oneshot(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (parts.status, parts.headers, body)
    }

    #[tokio::test]
    async fn an_asset_is_served_packed_for_ever_and_not_twice() {
        let path = asset_path("app.css").unwrap();
        let (status, headers, packed) = get(path, "accept-encoding", "br, gzip").await;
        assert_eq!(status, StatusCode::OK);
        assert_eq!(headers["content-type"], "text/css; charset=utf-8");
        assert_eq!(headers["content-encoding"], "gzip");
        assert!(
            headers["cache-control"]
                .to_str()
                .unwrap()
                .contains("immutable")
        );
        let (_, plain, text) = get(path, "accept-encoding", "identity, gzip;q=0").await;
        assert!(!plain.contains_key("content-encoding"));
        assert!(text.len() > packed.len());
        let tag = headers["etag"].to_str().unwrap();
        let (status, _, body) = get(path, "if-none-match", tag).await;
        assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0));
    }

    #[tokio::test]
    async fn what_is_not_in_the_manifest_is_not_served() {
        for path in [
            "/assets/manifest.json",
            "/assets/icons.tsv",
            "/assets/nope.css",
        ] {
            let (status, _, _) = get(path, "accept", "*/*").await;
            assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[test]
    fn our_css_and_javascript_stay_small() {
        let packed = |name: &str| {
            let file = asset_path(name).unwrap().trim_start_matches("/assets/");
            Dist::get(&format!("{file}.gz")).unwrap().data.len()
        };
        let sum = packed("app.css") + packed("app.js");
        assert!(
            sum < 85_000,
            "{sum} bytes leave too little for the page within 100 kB"
        );
    }

    #[test]
    fn icons_are_found_by_name() {
        assert!(icon("check").unwrap().starts_with("<path"));
        assert_eq!(icon("no-such-icon"), None);
    }
}
