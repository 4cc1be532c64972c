//! Every route × who calls it. A route that is missing here fails the test.

use std::collections::BTreeSet;

use axum::body::Body;
use http::{Method, Request};
use tenant_runtime::http::router;

use crate::harness::{Browser, TestApp};

/// Path to call (parameters filled), pattern, method, and the status for: nobody, an agent, an administrator.
/// Agents send a good CSRF token; what they may do is the question here.
const TABLE: &[(&str, &str, &str, [u16; 3])] = &[
    ("/", "/", "GET", [303, 303, 303]),
    ("/login", "/login", "GET", [200, 303, 303]),
    // Without the form's own cookie nobody gets further.
    ("/login", "/login", "POST", [403, 403, 403]),
    ("/logout", "/logout", "POST", [303, 303, 303]),
    ("/agent", "/agent", "GET", [303, 200, 200]),
    ("/admin", "/admin", "GET", [303, 403, 200]),
    ("/events", "/events", "GET", [303, 200, 200]),
    (
        "/api/v1/auth/login",
        "/api/v1/auth/login",
        "POST",
        [415, 415, 415],
    ),
    (
        "/api/v1/auth/refresh",
        "/api/v1/auth/refresh",
        "POST",
        [415, 415, 415],
    ),
    (
        "/api/v1/auth/logout",
        "/api/v1/auth/logout",
        "POST",
        [401, 204, 204],
    ),
    ("/api/v1/auth/me", "/api/v1/auth/me", "GET", [401, 200, 200]),
    // Without modules there is nothing at these paths; who may not look is not told so.
    ("/admin/nope", "/admin/{*path}", "GET", [303, 404, 404]),
    ("/admin/nope", "/admin/{*path}", "POST", [303, 404, 404]),
    ("/admin/nope/1", "/admin/{*path}", "PUT", [303, 404, 404]),
    ("/admin/nope/1", "/admin/{*path}", "DELETE", [303, 404, 404]),
    (
        "/api/v1/modules/nope/records",
        "/api/v1/modules/{*path}",
        "GET",
        [401, 404, 404],
    ),
    (
        "/api/v1/modules/nope/records",
        "/api/v1/modules/{*path}",
        "POST",
        [401, 404, 404],
    ),
    (
        "/api/v1/modules/nope/records/1",
        "/api/v1/modules/{*path}",
        "PUT",
        [401, 404, 404],
    ),
    (
        "/api/v1/modules/nope/records/1",
        "/api/v1/modules/{*path}",
        "DELETE",
        [401, 404, 404],
    ),
];

fn request(method: &str, path: &str, browser: Option<&Browser>) -> Request<Body> {
    let program = path.starts_with("/api/");
    let mut request = Request::builder()
        .method(Method::from_bytes(method.as_bytes()).unwrap())
        .uri(path)
        .header(
            "accept",
            if program {
                "application/json"
            } else {
                "text/html"
            },
        );
    if method != "GET" && !program {
        request = request.header("content-type", "application/x-www-form-urlencoded");
    }
    if let Some(browser) = browser {
        request = request
            .header("cookie", &browser.cookie)
            .header("x-csrf-token", &browser.csrf);
    }
    request.body(Body::empty()).unwrap()
}

#[tokio::test]
async fn every_route_lets_in_whom_the_table_says() {
    let test = TestApp::start().await;
    for (path, _, method, expected) in TABLE {
        for (who, expected) in ["nobody", "bob", "ann"].into_iter().zip(expected) {
            // A fresh sign-in each time, because some routes end it.
            let browser = match who {
                "nobody" => None,
                login => Some(test.browser(login).await),
            };
            let response = test.open(request(method, path, browser.as_ref())).await;
            assert_eq!(
                response.status().as_u16(),
                *expected,
                "{method} {path} as {who}"
            );
            if who == "nobody" && *expected == 303 && *path != "/" && *path != "/logout" {
                let place = response.headers()["location"].to_str().unwrap();
                assert!(
                    place.starts_with("/login?next="),
                    "{method} {path}: {place}"
                );
            }
        }
    }
    test.stop().await;
}

#[test]
fn no_route_is_missing_in_the_table() {
    let routes = router::routes();
    let real: BTreeSet<_> = routes
        .list()
        .iter()
        .map(|route| (route.path, route.method))
        .collect();
    let tested: BTreeSet<_> = TABLE
        .iter()
        .map(|(_, pattern, method, _)| (*pattern, *method))
        .collect();
    assert_eq!(real, tested);
}
