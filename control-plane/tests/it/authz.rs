//! Every route × {anonymous, another account, the owner, a key without scopes for it}. A route that is missing here fails.

use std::collections::BTreeSet;

use control_plane::runtime_token;
use http::Method;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::fake::FakeProvisioner;
use crate::platform::{Platform, request};

/// What each caller gets: anonymous, another account, the owner, a key of the owner that may only read the audit log.
struct Row {
    method: Method,
    path: &'static str,
    body: Value,
    expected: [u16; 4],
}

fn row(method: Method, path: &'static str, body: Value, expected: [u16; 4]) -> Row {
    Row {
        method,
        path,
        body,
        expected,
    }
}

/// The order matters: what ends the tenant comes last.
fn table() -> Vec<Row> {
    use Method as M;
    let none = || Value::Null;
    vec![
        row(M::POST, "/v1/signup", json!({}), [422, 422, 422, 422]),
        row(
            M::POST,
            "/v1/signup/verify",
            json!({"token": "x"}),
            [404, 404, 404, 404],
        ),
        row(
            M::POST,
            "/v1/signup/resend",
            json!({"email": "x"}),
            [422, 422, 422, 422],
        ),
        row(
            M::POST,
            "/v1/sessions",
            json!({"email": "x", "password": "x"}),
            [401, 401, 401, 401],
        ),
        row(
            M::POST,
            "/v1/sessions/refresh",
            json!({"refresh_token": "x"}),
            [401, 401, 401, 401],
        ),
        row(M::GET, "/v1/api-keys", none(), [401, 200, 200, 403]),
        row(
            M::POST,
            "/v1/api-keys",
            json!({"name": "k", "scopes": ["audit:read"]}),
            [401, 201, 201, 403],
        ),
        row(M::DELETE, "/v1/api-keys/{id}", none(), [401, 404, 404, 403]),
        row(M::GET, "/v1/tenants", none(), [401, 200, 200, 403]),
        row(M::GET, "/v1/tenants/{slug}", none(), [401, 404, 200, 403]),
        row(
            M::GET,
            "/v1/tenants/{slug}/events",
            none(),
            [401, 404, 200, 403],
        ),
        row(
            M::GET,
            "/v1/tenants/{slug}/modules",
            none(),
            [401, 404, 200, 403],
        ),
        row(
            M::PUT,
            "/v1/tenants/{slug}/modules/{name}",
            json!("x: ["),
            [401, 404, 422, 403],
        ),
        row(
            M::GET,
            "/v1/tenants/{slug}/modules/{name}",
            none(),
            [401, 404, 404, 403],
        ),
        row(
            M::GET,
            "/v1/tenants/{slug}/modules/{name}/versions",
            none(),
            [401, 404, 404, 403],
        ),
        row(
            M::GET,
            "/v1/tenants/{slug}/modules/{name}/status",
            none(),
            [401, 404, 404, 403],
        ),
        row(
            M::POST,
            "/v1/tenants/{slug}/modules/{name}/rollback",
            json!({"version": 1}),
            [401, 404, 404, 403],
        ),
        row(
            M::DELETE,
            "/v1/tenants/{slug}/modules/{name}",
            none(),
            [401, 404, 404, 403],
        ),
        row(
            M::POST,
            "/v1/tenants/{slug}/export",
            none(),
            [401, 404, 200, 403],
        ),
        row(
            M::GET,
            "/v1/tenants/{slug}/exports",
            none(),
            [401, 404, 200, 403],
        ),
        row(
            M::GET,
            "/v1/tenants/{slug}/exports/{id}",
            none(),
            [401, 404, 404, 403],
        ),
        row(
            M::GET,
            "/v1/tenants/{slug}/exports/{id}/download",
            none(),
            [401, 404, 404, 403],
        ),
        row(M::GET, "/v1/exports", none(), [401, 200, 200, 403]),
        row(
            M::GET,
            "/v1/exports/{id}/download",
            none(),
            [401, 404, 404, 403],
        ),
        row(
            M::POST,
            "/v1/tenants/{slug}/suspend",
            none(),
            [401, 404, 200, 403],
        ),
        row(
            M::POST,
            "/v1/tenants/{slug}/resume",
            none(),
            [401, 404, 200, 403],
        ),
        row(
            M::DELETE,
            "/v1/tenants/{slug}",
            none(),
            [401, 404, 200, 403],
        ),
        row(
            M::POST,
            "/v1/tenants/{slug}/undelete",
            none(),
            [401, 404, 200, 403],
        ),
        // Only a runtime's token opens these, whoever else somebody is.
        row(
            M::GET,
            "/v1/runtime/modules/watch",
            none(),
            [401, 401, 401, 401],
        ),
        row(
            M::POST,
            "/v1/runtime/modules/ack",
            json!({}),
            [401, 401, 401, 401],
        ),
        row(
            M::POST,
            "/v1/runtime/sleep",
            json!({"next_due_at": null}),
            [401, 401, 401, 401],
        ),
        row(M::GET, "/v1/audit", none(), [401, 200, 200, 200]),
        row(M::GET, "/schema/module.json", none(), [200, 200, 200, 200]),
        row(
            M::DELETE,
            "/v1/sessions/current",
            none(),
            [401, 204, 204, 403],
        ),
    ]
}

#[tokio::test]
async fn every_route_refuses_whom_it_must() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let stranger = platform.make_owner("other").await;
    let new = json!({"name": "audit", "scopes": ["audit:read"]});
    let key = platform
        .call(Some(&owner.access_token), Method::POST, "/v1/api-keys", new)
        .await;
    let key = key.body["key"].as_str().unwrap().to_owned();
    let callers = [
        None,
        Some(stranger.access_token),
        Some(owner.access_token),
        Some(key),
    ];
    for row in table() {
        let path = row
            .path
            .replace("{slug}", "acme")
            .replace("{name}", "laptop")
            .replace("{id}", "0198c0de-0000-7000-8000-000000000000");
        for (caller, expected) in ["anonymous", "another account", "owner", "key"]
            .into_iter()
            .zip(row.expected)
        {
            let token = match caller {
                "anonymous" => &callers[0],
                "another account" => &callers[1],
                "owner" => &callers[2],
                _ => &callers[3],
            };
            let request = request(token.as_deref(), row.method.clone(), &path, &row.body);
            let status = platform.status(request).await;
            assert_eq!(status, expected, "{} {} as {caller}", row.method, row.path);
        }
    }
    platform.end().await;
}

/// The list of routes is read from the one place where all of them are.
#[test]
fn every_route_is_in_the_table() {
    let known: BTreeSet<String> = table()
        .iter()
        .map(|row| format!("{} {}", row.method, row.path))
        .collect();
    let listed = routes(include_str!("../../src/http/router.rs"));
    assert!(listed.len() > 20, "the list could not be read: {listed:?}");
    // Exist on development machines only, where mail is everybody's who can reach the port.
    let open: BTreeSet<String> = listed
        .iter()
        .filter(|route| route.contains("/dev/"))
        .cloned()
        .collect();
    let missing: Vec<_> = listed
        .difference(&known)
        .filter(|route| !open.contains(*route))
        .collect();
    assert!(missing.is_empty(), "not in the table: {missing:?}");
    let stale: Vec<_> = known.difference(&listed).collect();
    assert!(stale.is_empty(), "in the table, but no routes: {stale:?}");
}

/// `METHOD path` of every `.route("path", get(..).delete(..))` in the source.
fn routes(source: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for part in source.split(".route(").skip(1) {
        let path = part.split('"').nth(1).unwrap();
        let mut depth = 1_usize;
        let call: String = part
            .chars()
            .take_while(|c| {
                match c {
                    '(' => depth += 1,
                    ')' => depth -= 1,
                    _ => {}
                }
                depth > 0
            })
            .collect();
        for (word, method) in [
            ("get(", "GET"),
            ("post(", "POST"),
            ("put(", "PUT"),
            ("delete(", "DELETE"),
            ("patch(", "PATCH"),
        ] {
            let starts = call.match_indices(word).any(|(at, _)| {
                !call[..at].ends_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
            });
            if starts {
                found.insert(format!("{method} {path}"));
            }
        }
    }
    found
}

/// What a runtime may reach is its own tenant's and nothing of the account's.
#[tokio::test]
async fn a_runtime_token_opens_no_account() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let token = runtime_token::issue(&platform.state().keys, owner.tenant);
    for path in [
        "/v1/tenants",
        "/v1/tenants/acme",
        "/v1/audit",
        "/v1/api-keys",
    ] {
        assert_eq!(
            platform.get(token.expose_secret(), path).await.status,
            401,
            "{path}"
        );
    }
    platform.end().await;
}

#[tokio::test]
async fn names_that_cannot_exist_are_not_found() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    for path in [
        "/v1/tenants/Acme",
        "/v1/tenants/%00",
        "/v1/tenants/%FF%FE",
        "/v1/tenants/a'b",
        "/v1/tenants/..%2f..",
        "/v1/api-keys/not-a-uuid",
    ] {
        let method = if path.contains("api-keys") {
            Method::DELETE
        } else {
            Method::GET
        };
        let answer = platform
            .call(Some(&owner.access_token), method, path, Value::Null)
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "not_found"),
            "{path}"
        );
    }
    for query in ["?limit=0", "?limit=201", "?limit=x", "?cursor=x"] {
        let answer = platform
            .get(&owner.access_token, &format!("/v1/tenants{query}"))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (400, "bad_request"),
            "{query}"
        );
    }
    platform.end().await;
}

#[tokio::test]
async fn lists_come_in_pages_without_gaps() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let token = Some(owner.access_token.as_str());
    for number in 0..5 {
        let new = json!({"name": format!("key {number}"), "scopes": ["audit:read"]});
        platform
            .call(token, Method::POST, "/v1/api-keys", new)
            .await;
    }
    let mut names = Vec::new();
    let mut path = "/v1/api-keys?limit=2".to_owned();
    loop {
        let page = platform.get(&owner.access_token, &path).await.body;
        names.extend(
            page["items"]
                .as_array()
                .unwrap()
                .iter()
                .map(|key| key["name"].clone()),
        );
        match page["next"].as_str() {
            Some(cursor) => path = format!("/v1/api-keys?limit=2&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(names, ["key 0", "key 1", "key 2", "key 3", "key 4"]);
    platform.end().await;
}

/// With a listener for runtimes of its own, code in a tenant's pod gets to nothing else, and nobody else to what is there.
#[tokio::test]
async fn runtimes_and_people_have_nothing_in_common_but_the_process() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let for_people = platform.app.http_router_for_people();
    let for_runtimes = platform.app.http_router_for_runtimes();
    let status = async |router: &axum::Router, row: &Row| {
        let call = request(None, row.method.clone(), row.path, &row.body);
        router
            .clone()
            .oneshot(call)
            .await
            .unwrap()
            .status()
            .as_u16()
    };
    let rows = table();
    assert!(rows.iter().any(|row| row.path.starts_with("/v1/runtime/")));
    for row in rows {
        let (here, elsewhere) = if row.path.starts_with("/v1/runtime/") {
            (&for_runtimes, &for_people)
        } else {
            (&for_people, &for_runtimes)
        };
        assert_eq!(status(here, &row).await, row.expected[0], "{}", row.path);
        assert_eq!(status(elsewhere, &row).await, 404, "{}", row.path);
    }
    platform.end().await;
}
