//! The module registry from upload to acknowledgement.

use domain::digest::Sha256Digest;
use domain::watch::{Acknowledgement, Suspension, WatchEvent};
use http::{Method, Request, StatusCode, header};
use serde_json::{Value, json};

use crate::world::{CallBody, World, answer_to};

mod delivery;
mod live;
mod refusals;

const LAPTOP: &str = "\
module:
  name: laptop
  singular: Laptop
  plural: Laptops
  storage: managed
fields:
  - {name: serial, type: string, required: true}
  - {name: weight, type: integer}
computed_fields:
  - name: shout
    lambda: return item.serial.toUpperCase();
tests:
  - {name: it shouts, item: {serial: abc}, field: shout, expect: ABC}
";

fn with_colour() -> String {
    LAPTOP.replace(
        "\nfields:\n",
        "\nfields:\n  - {name: colour, type: string}\n",
    )
}

/// A small module of another name.
fn other(name: &str) -> String {
    LAPTOP.replace("laptop", name)
}

fn names(event: &WatchEvent) -> Vec<String> {
    match event {
        WatchEvent::Snapshot { modules, .. } => modules
            .iter()
            .map(|module| module.name.to_string())
            .collect(),
        WatchEvent::Put { module, .. } => vec![module.name.to_string()],
        WatchEvent::Delete { name, .. } => vec![name.to_string()],
        WatchEvent::Bookmark { .. } => Vec::new(),
    }
}

#[tokio::test]
async fn an_upload_is_kept_and_the_same_again_is_no_new_version() {
    let world = World::start().await;
    let (status, body) = world.put("laptop", LAPTOP).await;
    assert_eq!(status, StatusCode::CREATED, "{body}");
    assert_eq!(body["version"], 1);
    assert_eq!(body["generation"], 1);
    assert_eq!(
        body["sha256"],
        Sha256Digest::of(LAPTOP.as_bytes()).to_string()
    );
    assert_eq!(body["diagnostics"], json!([]));
    assert_eq!(body["created_by"], world.account.to_string());

    let (status, body) = world.put("laptop", LAPTOP).await;
    assert_eq!(
        (status, &body["version"], &body["generation"]),
        (StatusCode::OK, &json!(1), &json!(1))
    );

    let (status, body) = world.put("laptop", &with_colour()).await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(
        (&body["version"], &body["generation"]),
        (&json!(2), &json!(2))
    );
    assert_eq!(body["changes"][0]["path"], "fields.colour", "{body}");

    let (_, list) = world.get("/v1/tenants/acme/modules").await;
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    assert_eq!(list["items"][0]["version"], 2);
    assert_eq!(list["next"], Value::Null);
    world.end().await;
}

#[tokio::test]
async fn the_yaml_comes_back_as_it_was_sent() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    let (status, body) = world.get("/v1/tenants/acme/modules/laptop").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(body["name"], "laptop");
    let token = world.token();
    let request = Request::get("/v1/tenants/acme/modules/laptop")
        .header(header::AUTHORIZATION, format!("Bearer {token}"))
        .header(header::ACCEPT, "application/yaml")
        .body(axum::body::Body::empty())
        .unwrap();
    let response = world.send(request).await;
    assert_eq!(response.headers()["content-type"], "application/yaml");
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20)
        .await
        .unwrap();
    assert_eq!(bytes, LAPTOP.as_bytes());
    world.end().await;
}

#[tokio::test]
async fn versions_roll_back_and_deletion_is_a_version_too() {
    let world = World::start().await;
    world.put("laptop", LAPTOP).await;
    world.put("laptop", &with_colour()).await;
    let rollback = "/v1/tenants/acme/modules/laptop/rollback";
    let (status, body) = world
        .call(Method::POST, rollback, json!({"version": 1}))
        .await;
    assert_eq!(status, StatusCode::OK, "{body}");
    assert_eq!(
        (&body["version"], &body["kind"], &body["restored_version"]),
        (&json!(3), &json!("rollback"), &json!(1))
    );
    assert_eq!(
        body["sha256"],
        Sha256Digest::of(LAPTOP.as_bytes()).to_string()
    );

    let module = "/v1/tenants/acme/modules/laptop";
    let (status, body) = world.call(Method::DELETE, module, CallBody::none()).await;
    assert_eq!(
        (status, &body["version"], &body["kind"]),
        (StatusCode::OK, &json!(4), &json!("delete"))
    );
    assert_eq!(world.get(module).await.0, StatusCode::NOT_FOUND);
    let (status, body) = world.call(Method::DELETE, module, CallBody::none()).await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::NOT_FOUND, &json!("not_found"))
    );
    let (_, list) = world.get("/v1/tenants/acme/modules").await;
    assert_eq!(list["items"], json!([]));

    let (_, versions) = world.get(&format!("{module}/versions?limit=3")).await;
    let kinds: Vec<&str> = versions["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["delete", "rollback", "put"]);
    let (_, rest) = world
        .get(&format!(
            "{module}/versions?limit=3&cursor={}",
            versions["next"]
        ))
        .await;
    assert_eq!(
        (&rest["items"][0]["version"], &rest["next"]),
        (&json!(1), &Value::Null)
    );

    let (status, body) = world
        .call(Method::POST, rollback, json!({"version": 4}))
        .await;
    assert_eq!(
        (status, &body["code"]),
        (StatusCode::CONFLICT, &json!("nothing_to_restore"))
    );
    let (status, _) = world
        .call(Method::POST, rollback, json!({"version": 9}))
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let (status, body) = world
        .call(Method::POST, rollback, json!({"version": 2}))
        .await;
    assert_eq!((status, &body["version"]), (StatusCode::OK, &json!(5)));
    assert_eq!(world.get(module).await.0, StatusCode::OK);
    world.end().await;
}

#[tokio::test]
async fn the_list_goes_page_by_page_in_the_order_of_names() {
    let world = World::start().await;
    for name in ["zebra", "ant", "monkey-2", "monkey_1"] {
        assert_eq!(world.put(name, &other(name)).await.0, StatusCode::CREATED);
    }
    let (_, first) = world.get("/v1/tenants/acme/modules?limit=3").await;
    let (_, rest) = world
        .get(&format!(
            "/v1/tenants/acme/modules?limit=3&cursor={}",
            first["next"].as_str().unwrap()
        ))
        .await;
    let names: Vec<&str> = first["items"]
        .as_array()
        .unwrap()
        .iter()
        .chain(rest["items"].as_array().unwrap())
        .map(|module| module["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["ant", "monkey-2", "monkey_1", "zebra"]);
    assert_eq!(rest["next"], Value::Null);
    world.end().await;
}

#[tokio::test]
async fn a_dry_run_tells_everything_and_stores_nothing() {
    let world = World::start().await;
    let (status, body) = world.put("laptop?dry_run=true", LAPTOP).await;
    assert_eq!(
        (status, &body["version"], &body["dry_run"]),
        (StatusCode::OK, &json!(1), &json!(true))
    );
    assert_eq!(
        world.get("/v1/tenants/acme/modules/laptop").await.0,
        StatusCode::NOT_FOUND
    );
    let (status, _) = world.put("laptop?dry_run=true", "module: {").await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    world.end().await;
}

#[tokio::test]
async fn uploads_at_the_same_time_get_generations_of_their_own() {
    let world = World::start().await;
    let names: Vec<String> = (0..8).map(|n| format!("module-{n}")).collect();
    let uploads = names.iter().map(|name| {
        let yaml = other(name);
        let world = &world;
        async move { world.put(name, &yaml).await }
    });
    let answers = futures_util::future::join_all(uploads).await;
    let mut generations: Vec<u64> = answers
        .iter()
        .map(|(_, body)| body["generation"].as_u64().unwrap())
        .collect();
    generations.sort_unstable();
    assert_eq!(generations, (1..=8).collect::<Vec<_>>());

    // The same module: each becomes a version of its own, one after the other.
    let uploads = (0..3).map(|n| {
        let yaml = LAPTOP.replace("Laptops", &format!("Laptops {n}"));
        let world = &world;
        async move { world.put("laptop", &yaml).await }
    });
    let answers = futures_util::future::join_all(uploads).await;
    let mut versions: Vec<u64> = answers
        .iter()
        .map(|(status, body)| {
            assert!(status.is_success(), "{body}");
            body["version"].as_u64().unwrap()
        })
        .collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3]);
    world.end().await;
}

#[tokio::test]
async fn every_change_is_in_the_audit_log() {
    let world = World::start().await;
    world.put("laptop?no_tests=true", LAPTOP).await;
    world
        .call(
            Method::DELETE,
            "/v1/tenants/acme/modules/laptop",
            CallBody::none(),
        )
        .await;
    let (_, log) = world.get("/v1/audit").await;
    let entries = log["items"].as_array().unwrap();
    assert_eq!(entries[0]["action"], "module.delete");
    assert_eq!(entries[1]["action"], "module.put");
    assert_eq!(
        entries[1]["detail"],
        json!({"module": "laptop", "version": 1, "tests_skipped": true})
    );
    world.end().await;
}
