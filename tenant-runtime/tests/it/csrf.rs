//! No unsafe request of a browser works without its token.

use axum::body::Body;
use http::{Request, StatusCode};

use crate::harness::TestApp;

#[tokio::test]
async fn a_form_without_a_good_token_is_refused_and_the_session_lives_on() {
    let test = TestApp::start().await;
    let ann = test.browser("ann").await;
    let bob = test.browser("bob").await;
    for fields in [
        &[][..],
        &[("csrf_token", "")],
        &[("csrf_token", "wrong")],
        &[("csrf_token", bob.csrf.as_str())],
    ] {
        let answer = test.call(ann.post("/logout", fields)).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{fields:?}");
        assert!(
            answer
                .text
                .contains("did not come from a page of this helpdesk"),
            "{}",
            answer.text
        );
    }
    assert_eq!(test.call(ann.get("/agent")).await.status, StatusCode::OK);
    let answer = test
        .call(ann.post("/logout", &[("csrf_token", &ann.csrf)]))
        .await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, "/login")
    );
    assert_eq!(
        test.call(ann.get("/agent")).await.status,
        StatusCode::SEE_OTHER
    );
    test.stop().await;
}

#[tokio::test]
async fn the_header_works_too_and_another_site_never_does() {
    let test = TestApp::start().await;
    let ann = test.browser("ann").await;
    let request = |site: &str, token: &str| {
        Request::post("/api/v1/auth/logout")
            .header("cookie", &ann.cookie)
            .header("sec-fetch-site", site)
            .header("x-csrf-token", token)
            .body(Body::empty())
            .unwrap()
    };
    for (site, token) in [
        ("cross-site", ann.csrf.as_str()),
        ("same-site", &ann.csrf),
        ("same-origin", "wrong"),
    ] {
        let answer = test.call(request(site, token)).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "csrf"),
            "{site}"
        );
    }
    assert_eq!(
        test.call(request("same-origin", &ann.csrf)).await.status,
        StatusCode::NO_CONTENT
    );
    test.stop().await;
}

#[tokio::test]
async fn a_program_needs_no_csrf_token_and_its_token_beats_a_cookie() {
    let test = TestApp::start().await;
    let ann = test.browser("ann").await;
    let (access, _) = test.tokens("bob").await;
    let request = Request::post("/api/v1/auth/logout")
        .header("cookie", &ann.cookie)
        .header("authorization", format!("Bearer {access}"))
        .body(Body::empty())
        .unwrap();
    assert_eq!(test.call(request).await.status, StatusCode::NO_CONTENT);
    assert_eq!(
        test.call(ann.get("/agent")).await.status,
        StatusCode::OK,
        "the cookie's session is another one"
    );
    let request = Request::get("/api/v1/auth/me")
        .header("cookie", &ann.cookie)
        .header("authorization", "Bearer nonsense")
        .body(Body::empty())
        .unwrap();
    assert_eq!(test.call(request).await.status, StatusCode::UNAUTHORIZED);
    test.stop().await;
}

#[tokio::test]
async fn a_form_over_the_limit_is_413_and_a_form_with_files_is_understood() {
    let test = TestApp::start().await;
    let ann = test.browser("ann").await;
    let large = "x".repeat(service_kit::http::BODY_LIMIT + 1);
    let answer = test.call(ann.post("/logout", &[("a", &large)])).await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
    let body = format!(
        "--b\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\n{}\r\n--b--\r\n",
        ann.csrf
    );
    let request = Request::post("/logout")
        .header("cookie", &ann.cookie)
        .header("content-type", "multipart/form-data; boundary=b")
        .body(Body::from(body))
        .unwrap();
    assert_eq!(test.call(request).await.status, StatusCode::SEE_OTHER);
    test.stop().await;
}
