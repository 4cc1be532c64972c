//! Open pages hear of new modules.

use std::time::Duration;

use http_body_util::BodyExt as _;
use tenant_runtime::modules::LoadedModules;

use crate::harness::{TestApp, between};

async fn frame(body: &mut axum::body::Body) -> Option<String> {
    let frame = tokio::time::timeout(Duration::from_secs(5), body.frame())
        .await
        .expect("an event in time")?;
    Some(String::from_utf8(frame.unwrap().into_data().unwrap().to_vec()).unwrap())
}

#[tokio::test]
async fn a_page_that_is_open_is_told_and_one_that_was_away_catches_up() {
    let test = TestApp::start().await;
    let ann = test.browser("ann").await;
    let page = test.call(ann.get("/agent")).await;
    let path = between(&page.text, "sse-connect=\"", "\"").replace("&amp;", "&");
    let mut stream = test.open(ann.get(&path)).await.into_body();
    test.app
        .modules
        .publish(LoadedModules::new(7, std::collections::BTreeMap::new()));
    let first = frame(&mut stream).await.unwrap();
    assert!(
        first.contains("event: modules") && first.contains("\"generation\":7"),
        "{first}"
    );
    let second = frame(&mut stream).await.unwrap();
    assert!(second.contains("event: nav"), "{second}");
    // This page was made before the change and connects after it.
    let mut late = test.open(ann.get(&path)).await.into_body();
    assert!(frame(&mut late).await.unwrap().contains("event: modules"));
    // At the shutdown the stream ends, so that browsers come back to the next process.
    test.app.tasks.stop();
    assert_eq!(frame(&mut stream).await, None);
    test.stop().await;
}
