//! What people see.

use axum::body::Body;
use http::{Request, StatusCode};

use crate::harness::TestApp;

#[tokio::test]
async fn the_home_page_counts_real_tickets_and_links_what_the_agent_may_do() {
    let test = TestApp::start().await;
    let ann = test.browser("ann").await;
    let page = test.call(ann.get("/agent")).await;
    // The welcome ticket of OTRS is in a queue of group users.
    assert!(page.text.contains("Welcome, Ann Example"), "{}", page.text);
    assert!(page.text.contains("href=\"/admin\""), "{}", page.text);
    assert!(
        page.headers["content-security-policy"]
            .to_str()
            .unwrap()
            .starts_with("default-src 'self'")
    );
    let bob = test.browser("bob").await;
    let page = test.call(bob.get("/agent")).await;
    assert!(!page.text.contains("href=\"/admin\""), "{}", page.text);
    let refused = test.call(bob.get("/admin")).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(
        refused.text.contains("This is not allowed"),
        "{}",
        refused.text
    );
    test.stop().await;
}

#[tokio::test]
async fn an_error_is_a_page_for_people_and_a_problem_for_programs() {
    let test = TestApp::start().await;
    let ann = test.browser("ann").await;
    let page = test.call(ann.get("/nope")).await;
    assert_eq!(page.status, StatusCode::NOT_FOUND);
    assert!(
        page.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/html")
    );
    let request = Request::get("/nope")
        .header("accept", "application/json")
        .body(Body::empty())
        .unwrap();
    let problem = test.call(request).await;
    assert_eq!(problem.headers["content-type"], "application/problem+json");
    assert_eq!(problem.code(), "not_found");
    test.stop().await;
}
