//! Signing in, staying in, getting out.

use chrono::TimeDelta;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{PASSWORD, TestApp};

#[tokio::test]
async fn a_program_signs_in_learns_who_it_is_and_out() {
    let test = TestApp::start().await;
    let (access, refresh) = test.tokens("ANN ").await;
    let me = test
        .json(Method::GET, "/api/v1/auth/me", Some(&access), Value::Null)
        .await;
    insta::assert_json_snapshot!(me.value(), {".id" => "[id]"}, @r#"
    {
      "id": "[id]",
      "login": "ann",
      "name": "Ann Example",
      "admin": true,
      "permissions": {
        "admin": [
          "rw"
        ],
        "users": [
          "rw"
        ]
      }
    }
    "#);
    let out = test
        .json(
            Method::POST,
            "/api/v1/auth/logout",
            Some(&access),
            Value::Null,
        )
        .await;
    assert_eq!(out.status, StatusCode::NO_CONTENT);
    let me = test
        .json(Method::GET, "/api/v1/auth/me", Some(&access), Value::Null)
        .await;
    assert_eq!(
        me.status,
        StatusCode::UNAUTHORIZED,
        "the access token dies with its session"
    );
    let again = test
        .json(
            Method::POST,
            "/api/v1/auth/refresh",
            None,
            json!({"refresh_token": refresh}),
        )
        .await;
    assert_eq!(again.code(), "bad_refresh_token");
    test.stop().await;
}

#[tokio::test]
async fn who_must_not_come_in_is_told_the_same_in_every_case() {
    let test = TestApp::start().await;
    let gone = test.add_agent("gone", "Gone", &[]).await;
    sqlx::query("UPDATE users SET valid_id = 2 WHERE id = $1")
        .bind(gone)
        .execute(&test.pool)
        .await
        .unwrap();
    for (login, password) in [
        ("ann", "wrong"),
        ("ann", ""),
        ("nobody", PASSWORD),
        ("gone", PASSWORD),
        ("", ""),
    ] {
        let answer = test
            .json(
                Method::POST,
                "/api/v1/auth/login",
                None,
                json!({"login": login, "password": password}),
            )
            .await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::UNAUTHORIZED, "wrong_credentials"),
            "{login}"
        );
    }
    let answer = test
        .json(
            Method::POST,
            "/api/v1/auth/login",
            None,
            json!({"login": "ann"}),
        )
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    test.stop().await;
}

#[tokio::test]
async fn an_imported_password_becomes_ours_and_a_new_one_ends_every_session() {
    let test = TestApp::start().await;
    let (access, _) = test.tokens("bob").await;
    let stored: String =
        sqlx::query_scalar("SELECT password_hash FROM gotrs_credential WHERE login = 'bob'")
            .fetch_one(&test.pool)
            .await
            .unwrap();
    assert!(stored.starts_with("$argon2id$"), "{stored}");
    // Ours wins from now on, whatever OTRS' column says.
    sqlx::query("UPDATE users SET pw = 'x' WHERE login = 'bob'")
        .execute(&test.pool)
        .await
        .unwrap();
    test.tokens("bob").await;
    let id: i32 = sqlx::query_scalar("SELECT id FROM users WHERE login = 'bob'")
        .fetch_one(&test.pool)
        .await
        .unwrap();
    let hash = tenant_runtime::auth::password::hash("another one").unwrap();
    let mut connection = test.pool.acquire().await.unwrap();
    let now = domain::clock::Clock::now(&test.clock);
    tenant_runtime::auth::session::set_agent_password(&mut connection, id, "bob", &hash, now)
        .await
        .unwrap();
    drop(connection);
    test.app.auth.forget_accounts();
    let me = test
        .json(Method::GET, "/api/v1/auth/me", Some(&access), Value::Null)
        .await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
    let old = test
        .json(
            Method::POST,
            "/api/v1/auth/login",
            None,
            json!({"login": "bob", "password": PASSWORD}),
        )
        .await;
    assert_eq!(old.code(), "wrong_credentials");
    test.stop().await;
}

#[tokio::test]
async fn a_refresh_token_works_once_and_using_it_twice_ends_the_family() {
    let test = TestApp::start().await;
    let (_, first) = test.tokens("ann").await;
    let refresh = |token: String| {
        let test = &test;
        async move {
            test.json(
                Method::POST,
                "/api/v1/auth/refresh",
                None,
                json!({"refresh_token": token}),
            )
            .await
        }
    };
    let second = refresh(first.clone()).await;
    assert_eq!(second.status, StatusCode::OK, "{}", second.text);
    let second = second.value();
    let access = second["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        test.json(Method::GET, "/api/v1/auth/me", Some(&access), Value::Null)
            .await
            .status,
        StatusCode::OK
    );
    let stolen = refresh(first).await;
    assert_eq!(
        (stolen.status, stolen.code().as_str()),
        (StatusCode::UNAUTHORIZED, "bad_refresh_token")
    );
    let rest = refresh(second["refresh_token"].as_str().unwrap().to_owned()).await;
    assert_eq!(
        rest.code(),
        "bad_refresh_token",
        "the honest one is out as well"
    );
    let me = test
        .json(Method::GET, "/api/v1/auth/me", Some(&access), Value::Null)
        .await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
    for nonsense in ["", "abc", &"A".repeat(43)] {
        assert_eq!(
            refresh(nonsense.to_owned()).await.code(),
            "bad_refresh_token"
        );
    }
    test.stop().await;
}

#[tokio::test]
async fn two_exchanges_at_once_give_one_new_pair_at_most() {
    let test = TestApp::start().await;
    let (_, token) = test.tokens("ann").await;
    let exchange = || {
        test.json(
            Method::POST,
            "/api/v1/auth/refresh",
            None,
            json!({"refresh_token": token}),
        )
    };
    let (one, other) = tokio::join!(exchange(), exchange());
    let good = [one.status, other.status]
        .into_iter()
        .filter(|status| *status == StatusCode::OK)
        .count();
    assert_eq!(good, 1);
    test.stop().await;
}

#[tokio::test]
async fn tokens_and_sessions_end_with_time() {
    let test = TestApp::start().await;
    let (access, refresh) = test.tokens("ann").await;
    let browser = test.browser("ann").await;
    test.clock.advance(TimeDelta::minutes(15));
    let me = test
        .json(Method::GET, "/api/v1/auth/me", Some(&access), Value::Null)
        .await;
    assert_eq!(me.status, StatusCode::UNAUTHORIZED);
    test.clock.advance(TimeDelta::hours(12));
    test.app.auth.forget_accounts();
    assert_eq!(
        test.call(browser.get("/agent")).await.status,
        StatusCode::SEE_OTHER,
        "idle for too long"
    );
    test.clock.advance(TimeDelta::days(30));
    let late = test
        .json(
            Method::POST,
            "/api/v1/auth/refresh",
            None,
            json!({"refresh_token": refresh}),
        )
        .await;
    assert_eq!(late.code(), "bad_refresh_token");
    test.stop().await;
}

#[tokio::test]
async fn a_cookie_is_no_refresh_token_and_the_other_way_round() {
    let test = TestApp::start().await;
    let browser = test.browser("ann").await;
    let cookie = browser.cookie.split_once('=').unwrap().1;
    let answer = test
        .json(
            Method::POST,
            "/api/v1/auth/refresh",
            None,
            json!({"refresh_token": cookie}),
        )
        .await;
    assert_eq!(answer.code(), "bad_refresh_token");
    assert_eq!(
        test.call(browser.get("/agent")).await.status,
        StatusCode::OK
    );
    let (_, refresh) = test.tokens("ann").await;
    let thief = crate::harness::Browser {
        cookie: format!("gotrs-agent={refresh}"),
        csrf: String::new(),
    };
    assert_eq!(
        test.call(thief.get("/agent")).await.status,
        StatusCode::SEE_OTHER
    );
    test.stop().await;
}

#[tokio::test]
async fn the_page_keeps_the_login_and_says_what_is_wrong() {
    let test = TestApp::start().await;
    let (cookie, token) = test.sign_in_form().await;
    let wrong = test.submit(&cookie, &token, "ann<b>", "wrong").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(
        wrong.text.contains("value=\"ann&lt;b&gt;\""),
        "{}",
        wrong.text
    );
    assert!(wrong.text.contains("Login or password is wrong"));
    assert!(wrong.cookie("gotrs-agent").is_none());
    let forged = test.submit("gotrs-form=x", &token, "ann", PASSWORD).await;
    assert_eq!(forged.status, StatusCode::FORBIDDEN);
    let right = test.submit(&cookie, &token, "ann", PASSWORD).await;
    assert_eq!(
        (right.status, right.location()),
        (StatusCode::SEE_OTHER, "/admin?q=a b")
    );
    test.stop().await;
}

#[tokio::test]
async fn guessing_is_slowed_down_on_both_doors_together() {
    let test = TestApp::start().await;
    let (cookie, token) = test.sign_in_form().await;
    for _ in 0..10 {
        test.submit(&cookie, &token, "ann", "").await;
        test.json(
            Method::POST,
            "/api/v1/auth/login",
            None,
            json!({"login": "ann", "password": ""}),
        )
        .await;
    }
    let page = test.submit(&cookie, &token, "ann", PASSWORD).await;
    assert_eq!(page.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(page.headers.contains_key("retry-after"));
    let body = json!({"login": "ann", "password": PASSWORD});
    let program = test
        .json(Method::POST, "/api/v1/auth/login", None, body)
        .await;
    assert_eq!(program.code(), "rate_limited");
    test.tokens("bob").await;
    test.stop().await;
}
