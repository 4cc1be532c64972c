//! From the form to a verified account.

use std::time::Duration;

use axum::body::Body;
use chrono::TimeDelta;
use control_plane::service::signup;
use http::{Method, Request};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use crate::fake::FakeProvisioner;
use crate::platform::{Answer, PASSWORD, PATIENCE, Platform, form, request, token_of};

#[tokio::test]
async fn a_signup_waits_for_its_link_and_then_is_provisioned() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let answer = platform.sign_up("acme", "ann@acme.example").await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.body["tenant"]["phase"], "Pending");
    assert_eq!(answer.body["tenant"]["url"], "http://acme.localhost:8080");
    assert!(answer.body["account"]["id"].is_string());
    let tenant = answer.body["tenant"]["id"]
        .as_str()
        .unwrap()
        .parse()
        .unwrap();

    let mails = platform.mails().await;
    assert_eq!(mails.len(), 1);
    assert_eq!(mails[0].to, "ann@acme.example");
    let link = mails[0].links.last().unwrap();
    assert!(
        link.starts_with("http://localhost:8080/signup/verify?token="),
        "{link}"
    );
    let eml = std::fs::read_dir(platform.state().mailer.local_mailbox().unwrap().folder())
        .unwrap()
        .filter(|entry| {
            entry
                .as_ref()
                .unwrap()
                .path()
                .extension()
                .is_some_and(|e| e == "eml")
        })
        .count();
    assert_eq!(eml, 1);

    // Nothing is made before the address is proven.
    platform.run_jobs();
    assert!(platform.provisioner.applied(tenant).is_empty());
    let refused = platform.sign_in("ann@acme.example", PASSWORD).await;
    assert_eq!(
        (refused.status.as_u16(), refused.code()),
        (403, "email_not_verified")
    );

    let token = token_of(&mails[0]);
    let verified = platform
        .post("/v1/signup/verify", json!({"token": token}))
        .await;
    assert_eq!(verified.status, 200);
    assert_eq!(verified.body["tenant"]["phase"], "Provisioning");
    let again = platform
        .post("/v1/signup/verify", json!({"token": token}))
        .await;
    assert_eq!(
        again.status, 200,
        "opening a link again tells how far it is"
    );
    let signed_in = platform.sign_in(" Ann@ACME.example", PASSWORD).await;
    assert_eq!(signed_in.status, 201);
    platform.end().await;
}

/// Every field that is wrong is named, all at once.
#[tokio::test]
async fn each_bad_signup_gets_its_findings() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let with = |field: &str, value: Value| {
        let mut form = form("acme", "ann@acme.example");
        form[field] = value;
        form
    };
    let table: Vec<(Value, u16, &str, &[&str])> = vec![
        (
            json!({}),
            422,
            "invalid",
            &[
                "/organization required",
                "/slug required",
                "/email required",
                "/password required",
            ],
        ),
        (
            json!({"organization": " ", "slug": "A", "email": "x", "password": "tiny pw", "plan": "gold"}),
            422,
            "invalid",
            &[
                "/organization required",
                "/slug too_short",
                "/email bad_email",
                "/password too_short",
                "/plan unknown_plan",
            ],
        ),
        (
            with("organization", json!("x".repeat(101))),
            422,
            "invalid",
            &["/organization too_long"],
        ),
        (
            with("organization", json!("Acme\nBcc: x")),
            422,
            "invalid",
            &["/organization bad_character"],
        ),
        (
            with("slug", json!("Acme")),
            422,
            "invalid",
            &["/slug bad_character"],
        ),
        (
            with("slug", json!("a".repeat(41))),
            422,
            "invalid",
            &["/slug too_long"],
        ),
        (
            with("slug", json!("www")),
            422,
            "invalid",
            &["/slug reserved"],
        ),
        (
            with("slug", json!("acme\u{0}")),
            422,
            "invalid",
            &["/slug bad_character"],
        ),
        (
            with("email", json!("ann@localhost")),
            422,
            "invalid",
            &["/email bad_email"],
        ),
        (
            with("email", json!(format!("ann@{}.com", "x".repeat(300)))),
            422,
            "invalid",
            &["/email too_long"],
        ),
        (
            with("password", json!("password123")),
            422,
            "invalid",
            &["/password common_password"],
        ),
        (
            with("password", json!("acme corporation")),
            422,
            "invalid",
            &["/password personal_password"],
        ),
        (
            with("password", json!("ab1".repeat(100))),
            422,
            "invalid",
            &["/password too_long"],
        ),
        (
            with("plan", json!("gold")),
            422,
            "invalid",
            &["/plan unknown_plan"],
        ),
        (with("plan", json!(5)), 422, "invalid", &[]),
        (with("admin", json!(true)), 422, "invalid", &[]),
        (json!("acme"), 415, "unsupported_media_type", &[]),
    ];
    for (body, status, code, findings) in table {
        let answer = platform.post("/v1/signup", body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (status, code),
            "{body}: {}",
            answer.body
        );
        assert_eq!(answer.findings(), findings, "{body}");
        let password = body["password"].as_str().unwrap_or("nothing sent");
        assert!(
            password.is_empty() || !answer.body.to_string().contains(password),
            "{body}"
        );
    }
    assert!(platform.mails().await.is_empty());
    platform.end().await;
}

#[tokio::test]
async fn a_taken_slug_is_a_conflict_and_leaves_nothing_behind() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    platform.sign_up("acme", "ann@acme.example").await;
    let answer = platform.sign_up("acme", "bob@acme.example").await;
    assert_eq!((answer.status.as_u16(), answer.code()), (409, "slug_taken"));
    assert_eq!(answer.findings(), ["/slug slug_taken"]);
    assert_eq!(platform.mails().await.len(), 1);
    let accounts: i64 = sqlx::query_scalar("SELECT count(*) FROM account WHERE email <> ''")
        .fetch_one(&platform.state().pool)
        .await
        .unwrap();
    assert_eq!(accounts, 1);
    platform.end().await;
}

/// Whether an address has an account shows in no answer, and its tenant joins the account that is there.
#[tokio::test]
async fn a_second_signup_of_an_address_answers_the_same_and_joins_the_account() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let owner = platform.make_owner("acme").await;
    let mut second = form("acme-labs", "Ann@acme.example");
    second["password"] = json!("quite another phrase");
    let answer = platform.post("/v1/signup", second).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.body["tenant"]["phase"], "Pending");
    let listed = platform.get(&owner.access_token, "/v1/tenants").await;
    assert_eq!(
        listed.body["items"].as_array().unwrap().len(),
        1,
        "not before the link is opened"
    );

    let token = platform.newest_token("ann@acme.example").await;
    let verified = platform
        .post("/v1/signup/verify", json!({"token": token}))
        .await;
    assert_eq!(verified.status, 200);
    let listed = platform.get(&owner.access_token, "/v1/tenants").await;
    assert_eq!(listed.body["items"].as_array().unwrap().len(), 2);
    assert_eq!(
        platform.sign_in("ann@acme.example", PASSWORD).await.status,
        201
    );
    let stranger = platform
        .sign_in("ann@acme.example", "quite another phrase")
        .await;
    assert_eq!(
        stranger.code(),
        "wrong_credentials",
        "a signup never changes a password"
    );
    platform.end().await;
}

/// Somebody signs up with the address of another person, who then signs up too: the link decides whose account it is.
#[tokio::test]
async fn an_unopened_signup_gives_nobody_a_foot_in_the_door() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let mut planted = form("planted", "ann@acme.example");
    planted["password"] = json!("the intruders phrase");
    assert_eq!(platform.post("/v1/signup", planted).await.status, 201);
    platform.mails().await;
    let owner = platform.make_owner("acme").await;
    let intruder = platform.sign_in(&owner.email, "the intruders phrase").await;
    assert_eq!(intruder.code(), "wrong_credentials");
    platform.end().await;
}

#[tokio::test]
async fn bad_old_and_foreign_links_are_refused() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    platform.sign_up("acme", "ann@acme.example").await;
    let token = platform.newest_token("ann@acme.example").await;
    for bad in ["", "x", &token[1..], &format!("{token}A"), "gotrs_rt_AAAA"] {
        let answer = platform
            .post("/v1/signup/verify", json!({"token": bad}))
            .await;
        assert_eq!(
            (answer.status.as_u16(), answer.code()),
            (404, "bad_link"),
            "{bad:?}"
        );
    }
    platform.clock.advance(TimeDelta::hours(25));
    let answer = platform
        .post("/v1/signup/verify", json!({"token": token}))
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (410, "link_expired")
    );

    // The slug is free again.
    platform.clean_up().await;
    assert_eq!(
        platform.sign_up("acme", "bob@acme.example").await.status,
        201
    );
    platform.end().await;
}

#[tokio::test]
async fn a_mail_can_be_asked_for_again_without_telling_who_has_an_account() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    platform.sign_up("acme", "ann@acme.example").await;
    assert_eq!(platform.mails().await.len(), 1);
    platform.clock.advance(TimeDelta::hours(23));
    for email in ["ann@acme.example", "nobody@acme.example"] {
        let answer = platform
            .post("/v1/signup/resend", json!({"email": email}))
            .await;
        assert_eq!((answer.status.as_u16(), &answer.body), (202, &Value::Null));
    }
    let mails = platform.mails().await;
    assert_eq!(mails.len(), 2);
    platform.clock.advance(TimeDelta::hours(23));
    let verified = platform
        .post("/v1/signup/verify", json!({"token": token_of(&mails[0])}))
        .await;
    assert_eq!(verified.status, 200);
    let answer = platform
        .post("/v1/signup/resend", json!({"email": "no address"}))
        .await;
    assert_eq!(answer.findings(), ["/email bad_email"]);
    platform.end().await;
}

#[tokio::test]
async fn a_call_whose_caller_hangs_up_is_done_once_and_answered_later() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let call = || {
        let body = form("acme", "ann@acme.example");
        let mut call = request(None, Method::POST, "/v1/signup", &body);
        let key = "once".parse().unwrap();
        call.headers_mut().insert("idempotency-key", key);
        call
    };
    let has_begun = async {
        let claims = "SELECT count(*) FROM idempotency_key";
        while sqlx::query_scalar::<_, i64>(claims)
            .fetch_one(&platform.state().pool)
            .await
            .unwrap()
            == 0
        {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::select! {
        biased;
        () = has_begun => {}
        _ = platform.send(call()) => {}
    }
    let asking = async {
        loop {
            let again = platform.send(call()).await;
            if again.code() != "idempotency_in_progress" {
                return again;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let again = tokio::time::timeout(PATIENCE, asking).await.unwrap();
    assert_eq!(again.status, 201);
    assert_eq!(again.headers["idempotency-replayed"], "true");
    assert_eq!(platform.mails().await.len(), 1);
    platform.end().await;
}

#[tokio::test]
async fn nobody_is_sent_more_and_more_mail_by_signups_of_strangers() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    for n in 0..5 {
        platform
            .sign_up(&format!("acme-{n}"), "ann@acme.example")
            .await;
        platform.clock.advance(TimeDelta::minutes(1));
    }
    assert_eq!(platform.mails().await.len(), 5);
    let resend = async || {
        let body = json!({"email": "ann@acme.example"});
        platform.post("/v1/signup/resend", body).await.status
    };
    assert_eq!(resend().await, 202);
    let mails = platform.mails().await;
    assert_eq!(mails.len(), 8, "the newest three");
    let newest = token_of(&mails[0]);
    // Nobody keeps signups open for ever, nor the names that they hold.
    for mails in [11, 14, 14] {
        platform.clock.advance(TimeDelta::hours(20));
        assert_eq!(resend().await, 202);
        assert_eq!(platform.mails().await.len(), mails, "twice, then never");
    }
    let late = platform
        .post("/v1/signup/verify", json!({"token": newest}))
        .await;
    assert_eq!((late.status.as_u16(), late.code()), (410, "link_expired"));
    platform.end().await;
}

#[tokio::test]
async fn a_mailbox_that_cannot_be_written_delays_a_mail_and_does_not_lose_it() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let folder = platform
        .state()
        .mailer
        .local_mailbox()
        .unwrap()
        .folder()
        .to_owned();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::write(&folder, "in the way").unwrap();
    platform.sign_up("acme", "ann@acme.example").await;
    let sent = control_plane::jobs::send_mail::send_due(platform.state())
        .await
        .unwrap();
    assert_eq!(sent, 0);
    std::fs::remove_file(&folder).unwrap();
    assert!(
        platform.mails().await.is_empty(),
        "not before its time has come"
    );
    platform.clock.advance(TimeDelta::minutes(2));
    assert_eq!(platform.mails().await.len(), 1);
    platform.clock.advance(TimeDelta::minutes(30));
    assert_eq!(platform.mails().await.len(), 1, "and not twice");
    platform.end().await;
}

#[tokio::test]
async fn signups_are_limited_and_say_when_to_come_back() {
    let rates = control_plane::rate_limit::Rates {
        signups_per_hour: std::num::NonZeroU32::new(2).unwrap(),
        ..control_plane::rate_limit::Rates::default()
    };
    let platform = Platform::start_with(FakeProvisioner::eager(), rates).await;
    for slug in ["one", "two"] {
        assert_eq!(
            platform
                .sign_up(slug, &format!("ann@{slug}.example"))
                .await
                .status,
            201
        );
    }
    let answer = platform.sign_up("three", "ann@three.example").await;
    assert_eq!(
        (answer.status.as_u16(), answer.code()),
        (429, "rate_limited")
    );
    let seconds: u64 = answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap();
    assert!((1700..=1800).contains(&seconds), "{seconds}");
    platform.end().await;
}

#[tokio::test]
async fn a_repeated_call_is_answered_as_the_first_time() {
    let platform = Platform::start(FakeProvisioner::eager()).await;
    let send = async |key: &'static str, body: Value| {
        let mut request = request(None, Method::POST, "/v1/signup", &body);
        request
            .headers_mut()
            .insert("idempotency-key", key.parse().unwrap());
        platform.send(request).await
    };
    let first = send("k1", form("acme", "ann@acme.example")).await;
    let second = send("k1", form("acme", "ann@acme.example")).await;
    assert_eq!((first.status, &first.body), (second.status, &second.body));
    assert_eq!(second.headers["idempotency-replayed"], "true");
    assert!(!first.headers.contains_key("idempotency-replayed"));
    assert_eq!(platform.mails().await.len(), 1);
    let other = send("k1", form("other", "ann@acme.example")).await;
    assert_eq!(
        (other.status.as_u16(), other.code()),
        (422, "idempotency_key_reused")
    );
    // What nobody in particular is refused is not kept: anybody could have us keep any number of refusals.
    let taken = send("k2", form("acme", "bob@acme.example")).await;
    let again = send("k2", form("acme", "bob@acme.example")).await;
    assert_eq!((taken.code(), again.code()), ("slug_taken", "slug_taken"));
    assert!(!again.headers.contains_key("idempotency-replayed"));
    // After a day it is another call.
    platform.clock.advance(TimeDelta::hours(25));
    platform.clean_up().await;
    assert_eq!(
        send("k1", form("other", "ann@acme.example")).await.status,
        201
    );
    platform.end().await;
}

/// A form of a browser, or a page where there is none; with the cookie that it has.
async fn browse(
    platform: &Platform,
    cookie: Option<&str>,
    path: &str,
    form: Option<&str>,
) -> Answer {
    let mut request = match form {
        None => Request::get(path),
        Some(_) => Request::post(path)
            .header("content-type", "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin"),
    };
    if let Some(cookie) = cookie {
        request = request.header("cookie", cookie);
    }
    let body = Body::from(form.unwrap_or_default().to_owned());
    platform.send(request.body(body).unwrap()).await
}

/// Signs up by the form; the browser's cookie and the link of the mail.
async fn sign_up_in_browser(platform: &Platform, slug: &str, password: &str) -> (String, String) {
    let form = format!(
        "organization=Acme&slug={slug}&email=ann%40acme.example&password={password}&plan=team"
    );
    let sent = browse(platform, None, "/signup", Some(&form)).await;
    assert_eq!(sent.status, 303, "{:?}", sent.headers);
    let cookie = sent.headers["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("HttpOnly; SameSite=Lax"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let (id,): (uuid::Uuid,) = sqlx::query_as(
        "SELECT v.id FROM email_verification v JOIN tenant t ON t.id = v.tenant_id WHERE t.slug = $1",
    )
    .bind(slug)
    .fetch_one(&platform.state().pool)
    .await
    .unwrap();
    let token = signup::link_token(platform.state(), id);
    (
        cookie,
        format!("/signup/verify?token={}", token.expose_secret()),
    )
}

#[tokio::test]
async fn a_link_opens_at_once_only_in_the_browser_of_its_signup() {
    let platform = Platform::start_with_mail_server().await;
    let (_, others) = sign_up_in_browser(&platform, "theirs", "correct-horse-9-theirs").await;
    let (cookie, own) = sign_up_in_browser(&platform, "acme", "correct-horse-9-mine").await;

    // What follows links by itself, and a person whose address somebody else has typed, open nothing with them.
    for cookie in [None, Some(cookie.as_str()), Some("gotrs_signup=made-up")] {
        let page = browse(&platform, cookie, &others, None).await;
        assert_eq!(page.status, 200);
        assert!(page.headers.get("set-cookie").is_none());
    }
    let head = Request::head(&others).body(Body::empty()).unwrap();
    assert_eq!(platform.send(head).await.status, 200);
    let refused = platform
        .sign_in("ann@acme.example", "correct-horse-9-theirs")
        .await;
    assert_eq!(refused.code(), "email_not_verified");

    let opened = browse(&platform, Some(&cookie), &own, None).await;
    assert_eq!(opened.status, 303);
    assert_eq!(opened.headers["location"], "/tenants/acme/progress");
    assert!(
        opened.headers["set-cookie"]
            .to_str()
            .unwrap()
            .starts_with("gotrs_console=")
    );
    // The other one is nobody's still; its password opens nothing.
    let refused = platform
        .sign_in("ann@acme.example", "correct-horse-9-theirs")
        .await;
    assert_eq!(refused.code(), "wrong_credentials");
    let signed_in = platform
        .sign_in("ann@acme.example", "correct-horse-9-mine")
        .await;
    assert_eq!(signed_in.status, 201);
    platform.end().await;
}

#[tokio::test]
async fn in_another_browser_a_link_asks_for_the_password_of_its_signup() {
    let platform = Platform::start_with_mail_server().await;
    let (_, link) = sign_up_in_browser(&platform, "acme", "correct-horse-9-mine").await;
    let token = link.split_once('=').unwrap().1;
    let confirm = async |password: &str| {
        let form = format!("token={token}&password={password}");
        browse(&platform, None, "/signup/verify", Some(&form)).await
    };
    assert_eq!(confirm("correct-horse-9-wrong").await.status, 401);
    let opened = confirm("correct-horse-9-mine").await;
    assert_eq!(opened.status, 303);
    assert_eq!(opened.headers["location"], "/tenants/acme/progress");
    assert!(opened.headers.get("set-cookie").is_some());
    let again = confirm("correct-horse-9-mine").await;
    assert_eq!(again.status, 303);
    assert!(
        again.headers.get("set-cookie").is_none(),
        "a link signs in once"
    );
    // Nobody tries passwords by it for long.
    assert_eq!(confirm("correct-horse-9-wrong").await.status, 429);
    let wrong = "token=made-up&password=x";
    let unknown = browse(&platform, None, "/signup/verify", Some(wrong)).await;
    assert_eq!(unknown.status, 404);
    platform.end().await;
}
