use std::collections::BTreeSet;

use axum::body::{Body, to_bytes};
use axum::routing::get;
use axum::{Router, middleware};
use http::{HeaderName, Request, StatusCode};
use tower::ServiceExt as _;

use super::*;
use crate::http::with_middleware;

#[derive(RustEmbed)]
#[folder = "$CARGO_MANIFEST_DIR/src/pages/test-templates"]
struct TestTemplates;

#[derive(Serialize)]
struct Sample {
    name: &'static str,
    rows: Vec<u32>,
}

impl Page for Sample {
    const TEMPLATE: &'static str = "page.html";
}

#[derive(Serialize)]
struct Broken {}

impl Page for Broken {
    const TEMPLATE: &'static str = "broken.html";
}

fn pages() -> Pages {
    Pages::new::<TestTemplates>().unwrap_or_else(|error| panic!("{}", Chain(&error)))
}

fn sample() -> Sample {
    Sample {
        name: "<script>alert(1)</script>\"",
        rows: vec![1, 2],
    }
}

fn render(change: impl FnOnce(&mut RequestContext)) -> String {
    let mut request = RequestContext::of_path("/");
    change(&mut request);
    pages().try_render(&sample(), &request).unwrap()
}

#[test]
fn everything_is_escaped_and_attributes_pass_through() {
    let text = render(|request| request.csrf = "tok\"en".to_owned());
    assert!(!text.contains("<script>alert"));
    assert!(text.contains("&lt;script&gt;"));
    assert!(text.contains("value=\"tok&quot;en\""));
    assert!(text.contains(" hx-get=\"/check\" autofocus"));
    assert!(!text.contains(" hidden"), "false leaves the attribute out");
}

#[test]
fn htmx_gets_the_block_of_its_target_and_else_the_content() {
    let list = render(|request| request.fragment = Some("list".to_owned()));
    assert_eq!(list, "<ul id=\"list\"><li>1</li><li>2</li></ul>");
    let other = render(|request| request.fragment = Some("no-such-block".to_owned()));
    assert!(other.contains("<h1>") && !other.contains("<html"));
    assert!(render(|_| {}).contains("<html"));
}

#[test]
fn the_person_chooses_theme_density_and_direction() {
    let text = render(|request| {
        request.theme = Theme::Dark;
        request.direction = "rtl";
        request.nav_folded = true;
        request.shell = Arc::new(Shell {
            density: Density::Compact,
            ..Shell::default()
        });
    });
    for part in [
        "data-theme=\"dark\"",
        "dir=\"rtl\"",
        "data-density=\"compact\"",
        "app-folded",
    ] {
        assert!(text.contains(part), "{part}");
    }
}

#[test]
fn every_asset_of_a_page_exists_and_nothing_is_inline() {
    let text = render(|_| {});
    let used: BTreeSet<&str> = text
        .split('"')
        .filter(|part| part.starts_with("/assets/"))
        .collect();
    assert_eq!(used.len(), 3, "style sheet, script and font: {used:?}");
    for path in used {
        let name = path.trim_start_matches("/assets/");
        assert_eq!(asset(name, &HeaderMap::new()).status(), StatusCode::OK);
    }
    assert!(!text.contains(" style=") && !text.contains("<style"));
    assert!(!text.contains("<script>"));
}

fn app() -> Router {
    let state = ErrorPages {
        pages: pages(),
        sign_in: Some("/sign-in"),
    };
    let shown = pages();
    let router = Router::new()
        .route(
            "/page",
            get(move |request: RequestContext| async move { shown.render(&sample(), &request) }),
        )
        .route("/broken", {
            let pages = pages();
            get(move |request: RequestContext| async move { pages.render(&Broken {}, &request) })
        })
        .route("/private", get(|| async { Problem::unauthorized() }))
        .route(
            "/busy",
            get(|| async { Problem::too_many_requests(std::time::Duration::from_secs(9)) }),
        );
    with_middleware(router)
        .layer(middleware::from_fn_with_state(state, error_pages))
        .layer(middleware::from_fn(security_headers))
}

async fn call(path: &str, headers: &[(&str, &str)]) -> (StatusCode, HeaderMap, String) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = app()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    let (parts, body) = response.into_parts();
    let bytes = to_bytes(body, 1_000_000).await.unwrap();
    (
        parts.status,
        parts.headers,
        String::from_utf8(bytes.to_vec()).unwrap(),
    )
}

const BROWSER: (&str, &str) = ("accept", "text/html,application/xhtml+xml,*/*;q=0.8");

#[tokio::test]
async fn people_get_error_pages_and_programs_problems() {
    let id = ("x-request-id", "req-00000001");
    for (path, status) in [("/nowhere", 404), ("/broken", 500), ("/busy", 429)] {
        let (got, headers, text) = call(path, &[BROWSER, id]).await;
        assert_eq!(got.as_u16(), status, "{path}");
        assert!(
            headers["content-type"]
                .to_str()
                .unwrap()
                .starts_with("text/html")
        );
        assert!(text.contains("req-00000001"), "{path}: {text}");
        let (got, headers, _) = call(path, &[("accept", "application/json"), id]).await;
        assert_eq!(got.as_u16(), status, "{path}");
        assert_eq!(headers["content-type"], "application/problem+json");
    }
    let (_, headers, _) = call("/busy", &[BROWSER]).await;
    assert_eq!(headers["retry-after"], "9");
}

#[tokio::test]
async fn htmx_gets_a_toast_in_the_place_for_toasts() {
    let hx = [
        ("hx-request", "true"),
        ("hx-target", "list"),
        ("accept", "*/*"),
    ];
    let (status, headers, text) = call("/busy", &hx).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(headers["hx-retarget"], "#toasts");
    assert_eq!(headers["hx-reswap"], "beforeend");
    assert!(text.contains("role=\"alert\"") && !text.contains("<html"));
}

#[tokio::test]
async fn who_is_not_signed_in_is_sent_there_with_the_way_back() {
    let (status, headers, _) = call("/private?tab=1", &[BROWSER]).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    assert_eq!(headers["location"], "/sign-in?next=%2Fprivate%3Ftab%3D1");
    let (status, headers, _) = call(
        "/private",
        &[
            ("hx-request", "true"),
            ("hx-current-url", "http://localhost/open?x=1"),
        ],
    )
    .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["hx-redirect"], "/sign-in?next=%2Fopen%3Fx%3D1");
    let (status, _, _) = call("/private", &[("accept", "application/json")]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn every_answer_has_the_security_headers() {
    for path in ["/page", "/nowhere"] {
        let (_, headers, _) = call(path, &[BROWSER]).await;
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(headers["x-content-type-options"], "nosniff");
        assert_eq!(headers["cache-control"], "no-store");
    }
    let (_, headers, _) = call("/page", &[BROWSER]).await;
    assert!(headers.contains_key(HeaderName::from_static("vary")));
}

#[test]
fn a_whole_page_stays_small() {
    let page = render(|_| {});
    assert!(page.len() < 12_000, "{} bytes before packing", page.len());
}
