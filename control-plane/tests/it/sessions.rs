//! Signing in, staying signed in, signing out; API keys.

use chrono::TimeDelta;
use control_plane::service::session;
use domain::id::AccountId;
use http::{Method, header};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::fake::FakeProvisioner;
use crate::platform::{Owner, PASSWORD, Platform, request};

#[tokio::test]
async fn wrong_address_and_wrong_password_look_the_same() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let unknown = platform.sign_in("nobody@acme.example", PASSWORD).await;
    let wrong = platform.sign_in(&owner.email, "not the password").await;
    for answer in [&unknown, &wrong] {
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (401, "wrong_credentials")
        );
    }
    assert_eq!(unknown.body["detail"], wrong.body["detail"]);
    platform.end().await;
}

#[tokio::test]
async fn attempts_on_one_account_are_limited() {
    let rates = control_plane::rate_limit::Rates {
        sign_ins_per_minute: std::num::NonZeroU32::new(2).unwrap(),
        ..control_plane::rate_limit::Rates::default()
    };
    let platform = Platform::start_with(FakeProvisioner::eager(), rates).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        statuses.push(
            platform
                .sign_in("ann@acme.example", "guess number one")
                .await
                .status
                .as_u16(),
        );
    }
    assert_eq!(statuses, [401, 401, 429, 429]);
    platform.end().await;
}

#[tokio::test]
async fn a_refresh_token_is_good_once_and_its_reuse_ends_the_whole_session() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let refresh = async |token: &str| {
        platform
            .post("/v1/sessions/refresh", json!({"refresh_token": token}))
            .await
    };
    let next = refresh(&owner.refresh_token).await;
    assert_eq!(next.status, 200);
    assert_eq!(next.headers["cache-control"], "no-store");
    let access = next.body["access_token"].as_str().unwrap();
    assert_eq!(platform.get(access, "/v1/tenants").await.status, 200);

    // Somebody shows the old one: a thief, or the owner after a thief.
    let reused = refresh(&owner.refresh_token).await;
    assert_eq!(
        (reused.status.as_u16(), reused.code()),
        (401, "bad_refresh_token")
    );
    let newest = next.body["refresh_token"].as_str().unwrap();
    assert_eq!(refresh(newest).await.code(), "bad_refresh_token");
    assert_eq!(platform.get(access, "/v1/tenants").await.status, 401);
    assert_eq!(
        platform
            .get(&owner.access_token, "/v1/tenants")
            .await
            .status,
        401
    );
    assert_eq!(refresh("made up").await.code(), "bad_refresh_token");
    platform.end().await;
}

/// Of two refreshes at the same moment one is a reuse.
#[tokio::test]
async fn a_refresh_token_cannot_be_used_twice_at_once() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let body = json!({"refresh_token": owner.refresh_token});
    let (one, two) = tokio::join!(
        platform.post("/v1/sessions/refresh", body.clone()),
        platform.post("/v1/sessions/refresh", body.clone()),
    );
    let mut statuses = [one.status.as_u16(), two.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401]);
    platform.end().await;
}

#[tokio::test]
async fn access_tokens_end_with_their_time_and_with_their_session() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    platform.clock.advance(TimeDelta::minutes(14));
    assert_eq!(
        platform
            .get(&owner.access_token, "/v1/tenants")
            .await
            .status,
        200
    );
    platform.clock.advance(TimeDelta::minutes(2));
    assert_eq!(
        platform
            .get(&owner.access_token, "/v1/tenants")
            .await
            .status,
        401
    );

    let fresh = platform.sign_in(&owner.email, PASSWORD).await.body;
    let access = fresh["access_token"].as_str().unwrap();
    let end = platform
        .call(
            Some(access),
            Method::DELETE,
            "/v1/sessions/current",
            Value::Null,
        )
        .await;
    assert_eq!(end.status, 204);
    assert_eq!(platform.get(access, "/v1/tenants").await.status, 401);
    let refresh = json!({"refresh_token": fresh["refresh_token"]});
    assert_eq!(
        platform.post("/v1/sessions/refresh", refresh).await.status,
        401
    );
    platform.end().await;
}

#[tokio::test]
async fn what_is_no_token_of_ours_is_refused() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let runtime = control_plane::runtime_token::issue(&platform.state().keys, owner.tenant);
    let (head, rest) = owner.access_token.split_once('.').unwrap();
    let (payload, signature) = rest.split_once('.').unwrap();
    for token in [
        "",
        "x",
        "gotrs_",
        "gotrs_AAAA",
        runtime.expose_secret(),
        &owner.refresh_token,
        // {"alg":"none","typ":"JWT"}
        &format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}."),
        &format!("{head}.{payload}.{}", &signature[1..]),
        &format!("{head}.{payload}"),
    ] {
        let answer = platform.get(token, "/v1/tenants").await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (401, "unauthorized"),
            "{token:?}"
        );
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
    platform.end().await;
}

#[tokio::test]
async fn a_console_cookie_reads_but_writes_only_with_the_csrf_token() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let account = sqlx::query_scalar("SELECT account_id FROM tenant")
        .fetch_one(&platform.state().pool)
        .await
        .map(AccountId::from_uuid)
        .unwrap();
    let console = session::start_console(platform.state(), account)
        .await
        .unwrap();
    let cookie = format!(
        "theme=dark; gotrs_console={}",
        console.cookie.expose_secret()
    );
    let send = async |method: Method, path: &str, csrf: Option<&str>| {
        let mut request = request(None, method, path, &Value::Null);
        request
            .headers_mut()
            .insert(header::COOKIE, cookie.parse().unwrap());
        if let Some(csrf) = csrf {
            request
                .headers_mut()
                .insert("x-csrf-token", csrf.parse().unwrap());
        }
        platform.send(request).await
    };
    let suspend = format!("/v1/tenants/{}/suspend", owner.slug);
    assert_eq!(send(Method::GET, "/v1/tenants", None).await.status, 200);
    for csrf in [None, Some("AAAA")] {
        let refused = send(Method::POST, &suspend, csrf).await;
        assert_eq!((refused.status.as_u16(), refused.code()), (403, "csrf"));
    }
    let other = session::start_console(platform.state(), account)
        .await
        .unwrap();
    let foreign = session::csrf_token(platform.state(), other.id);
    assert_eq!(
        send(Method::POST, &suspend, Some(&foreign)).await.code(),
        "csrf"
    );
    let csrf = session::csrf_token(platform.state(), console.id);
    assert_eq!(send(Method::POST, &suspend, Some(&csrf)).await.status, 200);

    // A month without use, and it is over; with use, it goes on.
    platform.clock.advance(TimeDelta::days(29));
    assert_eq!(send(Method::GET, "/v1/tenants", None).await.status, 200);
    platform.clock.advance(TimeDelta::days(29));
    assert_eq!(send(Method::GET, "/v1/tenants", None).await.status, 200);
    platform.clock.advance(TimeDelta::days(31));
    assert_eq!(send(Method::GET, "/v1/tenants", None).await.status, 401);
    platform.end().await;
}

#[tokio::test]
async fn a_key_is_shown_once_does_what_its_scopes_say_and_ends() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let token = Some(owner.access_token.as_str());
    let new =
        json!({"name": " ci ", "scopes": ["tenants:read"], "expires_at": "2026-01-03T00:00:00Z"});
    let made = platform
        .call(token, Method::POST, "/v1/api-keys", new)
        .await;
    assert_eq!(made.status, 201);
    let key = made.body["key"].as_str().unwrap().to_owned();
    assert!(key.starts_with("gotrs_"));
    assert_eq!(made.body["name"], "ci");

    assert_eq!(platform.get(&key, "/v1/tenants").await.status, 200);
    let suspend = platform
        .call(
            Some(&key),
            Method::POST,
            "/v1/tenants/acme/suspend",
            Value::Null,
        )
        .await;
    assert_eq!(
        (suspend.status.as_u16(), suspend.code()),
        (403, "forbidden")
    );
    let more = json!({"name": "more", "scopes": ["tenants:write"]});
    let escalated = platform
        .call(Some(&key), Method::POST, "/v1/api-keys", more)
        .await;
    assert_eq!(escalated.code(), "forbidden", "a key makes no keys");

    let listed = platform.get(&owner.access_token, "/v1/api-keys").await;
    let item = &listed.body["items"][0];
    assert_eq!(item["prefix"], key[..14]);
    assert!(item["last_used_at"].is_string());
    assert!(!listed.body.to_string().contains(&key));

    platform.clock.advance(TimeDelta::days(1));
    assert_eq!(
        platform.get(&key, "/v1/tenants").await.status,
        401,
        "it has expired"
    );
    platform.end().await;
}

#[tokio::test]
async fn a_deleted_key_opens_nothing_and_bad_keys_get_their_findings() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let stranger = platform.make_owner("other").await;
    let token = Some(owner.access_token.as_str());
    let bad = json!({"name": "", "scopes": ["tenants:read", "root"], "expires_at": "2020-01-01T00:00:00Z"});
    let answer = platform
        .call(token, Method::POST, "/v1/api-keys", bad)
        .await;
    assert_eq!(answer.status, 422);
    assert_eq!(
        answer.findings(),
        [
            "/name required",
            "/scopes/1 unknown_scope",
            "/expires_at in_the_past"
        ]
    );
    let answer = platform
        .call(
            token,
            Method::POST,
            "/v1/api-keys",
            json!({"name": "x".repeat(101)}),
        )
        .await;
    assert_eq!(answer.findings(), ["/name too_long", "/scopes required"]);

    let new = json!({"name": "ci", "scopes": ["audit:read", "audit:read"]});
    let made = platform
        .call(token, Method::POST, "/v1/api-keys", new)
        .await
        .body;
    assert_eq!(made["scopes"], json!(["audit:read"]));
    let path = format!("/v1/api-keys/{}", made["id"].as_str().unwrap());
    let key = made["key"].as_str().unwrap();
    let foreign = platform
        .call(
            Some(&stranger.access_token),
            Method::DELETE,
            &path,
            Value::Null,
        )
        .await;
    assert_eq!(foreign.status, 404);
    assert_eq!(platform.get(key, "/v1/audit").await.status, 200);
    assert_eq!(
        platform
            .call(token, Method::DELETE, &path, Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(platform.get(key, "/v1/audit").await.status, 401);
    assert_eq!(
        platform
            .call(token, Method::DELETE, &path, Value::Null)
            .await
            .status,
        404
    );
    platform.end().await;
}

/// The answer is replayed with the key in it, and yet no key lies in the database.
#[tokio::test]
async fn a_repeated_creation_shows_the_same_key_and_stores_none() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let send = async || {
        let body = json!({"name": "ci", "scopes": ["tenants:read"]});
        let mut request = request(
            Some(&owner.access_token),
            Method::POST,
            "/v1/api-keys",
            &body,
        );
        request
            .headers_mut()
            .insert("idempotency-key", "once".parse().unwrap());
        platform.send(request).await
    };
    let first = send().await;
    let second = send().await;
    assert_eq!(first.status, 201);
    assert_eq!(first.body, second.body);
    let stored: Vec<u8> = sqlx::query_scalar("SELECT body FROM idempotency_key")
        .fetch_one(&platform.state().pool)
        .await
        .unwrap();
    let stored = String::from_utf8(stored).unwrap();
    assert!(
        !stored.contains(first.body["key"].as_str().unwrap()),
        "{stored}"
    );
    let listed = platform.get(&owner.access_token, "/v1/api-keys").await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 1);
    // Repeated by whoever may not do it, it is not answered with what somebody else was given.
    let key = first.body["key"].as_str().unwrap();
    let body = json!({"name": "ci", "scopes": ["tenants:read"]});
    let mut repeated = request(Some(key), Method::POST, "/v1/api-keys", &body);
    repeated
        .headers_mut()
        .insert("idempotency-key", "once".parse().unwrap());
    let answer = platform.send(repeated).await;
    assert_eq!(answer.status, 403, "{:?}", answer.body);
    platform.end().await;
}

/// Whoever has many modules checked, or many pages open, is told so; others do not notice.
#[tokio::test]
async fn one_account_takes_no_places_of_others() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let (ann, bob) = (
        platform.make_owner("acme").await,
        platform.make_owner_of("globex", "bob@globex.example").await,
    );
    let account: uuid::Uuid =
        sqlx::query_scalar("SELECT account_id FROM tenant WHERE slug = 'acme'")
            .fetch_one(&platform.state().pool)
            .await
            .unwrap();
    let account = AccountId::from_uuid(account);
    let checks = &platform.state().modules.checks_of_accounts;
    let streams = &platform.state().event_streams;
    let held: Vec<_> = std::iter::from_fn(|| checks.line_up(account)).collect();
    let open: Vec<_> = std::iter::from_fn(|| streams.line_up(account)).collect();
    assert_eq!((held.len(), open.len()), (16, 64));
    let module = json!(
        "module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}\nfields:\n  - {name: serial, type: string}\n"
    );
    let put = async |owner: &Owner| {
        let path = format!("/v1/tenants/{}/modules/laptop?dry_run=true", owner.slug);
        let token = Some(owner.access_token.as_str());
        platform
            .call(token, Method::PUT, &path, module.clone())
            .await
    };
    let events = async |owner: &Owner| {
        let path = format!("/v1/tenants/{}/events", owner.slug);
        let token = Some(owner.access_token.as_str());
        platform
            .status(request(token, Method::GET, &path, &Value::Null))
            .await
    };
    let refused = put(&ann).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (429, "rate_limited")
    );
    assert!(refused.headers.contains_key("retry-after"));
    assert_eq!(events(&ann).await, 429);
    assert_eq!(
        (put(&bob).await.status.as_u16(), events(&bob).await),
        (200, 200)
    );
    drop((held, open));
    assert_eq!(
        (put(&ann).await.status.as_u16(), events(&ann).await),
        (200, 200)
    );
    platform.end().await;
}
