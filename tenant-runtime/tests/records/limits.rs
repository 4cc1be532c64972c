//! Modules that hit their limits: what becomes of them, of their neighbours, and who is told what.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use chrono::TimeDelta;
use domain::clock::Clock as _;
use http::{Method, StatusCode};
use module_engine::breaker::{COOL_DOWN, THRESHOLD};
use serde_json::{Value, json};

use crate::harness::{Answer, TestApp};
use crate::support::LAPTOP;

/// Whoever may see it may also be somebody else than an administrator.
pub(crate) const GREEDY: &str = "\
module: {name: greedy, singular: Thing, plural: Things, storage: managed, portals: [admin, agent]}
fields:
  - {name: title, type: string}
  - {name: pin, type: password}
computed_fields:
  - name: sum
    label: Sum
    lambda: |
      for (let asked = 0; asked < (item.title === 'ask' ? 3 : 1); asked++) {
        db.query('SELECT 1 AS one');
      }
      return 7;
hooks:
  before_save: |
    if (item.title === 'throw') {
      const refuse = (pin) => { throw new Error('no ' + pin); };
      refuse(item.pin);
    }
    if (item.title === 'empty') fail('title', 'Say something.');
limits: {max_queries: 2}
";

const LIST: &str = "/api/v1/modules/greedy/records";

/// A server with the greedy module, its neighbour, and one record each.
async fn start() -> (TestApp, String, String) {
    let test = TestApp::start().await;
    let neighbour = LAPTOP.replace(
        "storage: managed",
        "storage: managed, portals: [admin, agent]",
    );
    test.publish(&[GREEDY, &neighbour]).await;
    let (ann, _) = test.tokens("ann").await;
    let (bob, _) = test.tokens("bob").await;
    let made = test
        .json(Method::POST, LIST, Some(&ann), json!({"title": "a"}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert_eq!(made.value()["data"]["sum"], 7);
    let made = test
        .json(
            Method::POST,
            "/api/v1/modules/laptop/records",
            Some(&ann),
            json!({"serial": "A-1"}),
        )
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    (test, ann, bob)
}

async fn set_title(test: &TestApp, title: &str) {
    sqlx::query("UPDATE x_greedy SET title = $1")
        .bind(title)
        .execute(&test.pool)
        .await
        .unwrap();
}

async fn suspend(test: &TestApp, token: &str) {
    set_title(test, "ask").await;
    for _ in 0..THRESHOLD {
        let list = test.get(LIST, token).await;
        assert_eq!(list.status, StatusCode::OK, "{}", list.text);
        let error = &list.value()["data"][0]["sum_error"];
        assert_eq!(error["code"], "lambda_failed", "{}", list.text);
    }
}

fn retry_after(answer: &Answer) -> i64 {
    answer.headers["retry-after"]
        .to_str()
        .unwrap()
        .parse()
        .unwrap()
}

#[tokio::test]
async fn a_module_that_keeps_hitting_limits_is_suspended_and_its_owner_sees_why() {
    let (test, ann, bob) = start().await;
    suspend(&test, &ann).await;

    let until = (test.clock.now() + COOL_DOWN).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
    let list = test.get(LIST, &ann).await;
    assert_eq!(list.status, StatusCode::OK, "{}", list.text);
    let list = list.value();
    assert_eq!(list["data"][0]["title"], "ask", "the records are there");
    assert_eq!(list["data"][0]["sum"], Value::Null);
    assert_eq!(list["data"][0]["sum_error"]["code"], "module_suspended");
    assert_eq!(list["suspension"]["until"], *until);
    let reason = list["suspension"]["reason"].as_str().unwrap();
    for part in [
        "10 times within 5 minutes",
        "made more than 2 queries",
        "computed_fields[0].lambda, line ",
    ] {
        assert!(reason.contains(part), "{part}: {reason}");
    }
    // Others learn that, not why.
    let others = test.get(LIST, &bob).await;
    assert_eq!(others.value()["suspension"], json!({"until": until}));
    for secret in ["queries", "lambda,", "10 times"] {
        assert!(!others.text.contains(secret), "{secret}: {}", others.text);
    }

    // What a hook has to check first is refused, not written unchecked.
    let save = |token: String| {
        let test = &test;
        async move {
            test.json(Method::POST, LIST, Some(&token), json!({"title": "empty"}))
                .await
        }
    };
    let refused = save(ann.clone()).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(refused.headers["content-type"], "application/problem+json");
    assert_eq!(retry_after(&refused), COOL_DOWN.num_seconds());
    let problem = refused.value();
    assert_eq!(problem["code"], "module_suspended");
    assert_eq!(problem["type"], "/docs/errors#module_suspended");
    let detail = problem["detail"].as_str().unwrap();
    assert!(
        detail.starts_with("Nothing was changed.") && detail.contains("made more than 2 queries"),
        "{detail}"
    );
    assert_eq!(problem["fault"]["until"], *until);
    let refused = save(bob).await;
    assert_eq!(refused.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!refused.text.contains("queries"), "{}", refused.text);
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM x_greedy")
        .fetch_one(&test.pool)
        .await
        .unwrap();
    assert_eq!(kept, 1);

    // On pages: the administrator has the reason, others a sentence; what was typed is still there.
    let (admin, agent) = (test.browser("ann").await, test.browser("bob").await);
    for path in ["/admin/greedy", "/admin/greedy/1", "/admin/greedy/new"] {
        let page = test.call(admin.get(path)).await;
        assert_eq!(page.status, StatusCode::OK, "{path}: {}", page.text);
        for part in [
            "The code of this module is suspended",
            "made more than 2 queries",
            "03:14 UTC",
        ] {
            assert!(page.text.contains(part), "{path}: {part}: {}", page.text);
        }
        let page = test.call(agent.get(path)).await;
        assert!(
            page.text.contains("is paused at the moment"),
            "{path}: {}",
            page.text
        );
        assert!(!page.text.contains("queries"), "{path}: {}", page.text);
    }
    assert!(
        test.call(admin.get("/admin/greedy"))
            .await
            .text
            .contains("Paused")
    );
    let form = test
        .send(&admin, "/admin/greedy", &[("title", "typed by me")])
        .await;
    assert_eq!(form.status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(retry_after(&form), COOL_DOWN.num_seconds());
    for part in [
        "This was not saved",
        "value=\"typed by me\"",
        "made more than 2 queries",
    ] {
        assert!(form.text.contains(part), "{part}: {}", form.text);
    }
    let overview = test.call(admin.get("/admin")).await;
    assert_eq!(overview.text.matches("Suspended").count(), 1);
    test.stop().await;
}

#[tokio::test]
async fn its_neighbours_go_on_and_a_new_version_starts_anew() {
    let (test, ann, _) = start().await;
    suspend(&test, &ann).await;
    assert!(test.get(LIST, &ann).await.value()["suspension"].is_object());

    let laptop = "/api/v1/modules/laptop/records";
    let other = test.get(laptop, &ann).await.value();
    assert!(other["data"][0]["age"].is_string(), "{other}");
    assert_eq!(other["suspension"], Value::Null);
    let made = test
        .json(
            Method::POST,
            laptop,
            Some(&ann),
            json!({"serial": "a-2", "price": 9000}),
        )
        .await;
    assert_eq!(
        made.value()["errors"][0]["message"],
        "Nobody needs a laptop of that price."
    );

    // The trial after the time of rest hits the limit again.
    test.clock.advance(COOL_DOWN - TimeDelta::seconds(1));
    let list = test.get(LIST, &ann).await.value();
    assert_eq!(list["data"][0]["sum_error"]["code"], "module_suspended");
    test.clock.advance(TimeDelta::seconds(1));
    let list = test.get(LIST, &ann).await.value();
    assert_eq!(list["data"][0]["sum_error"]["code"], "lambda_failed");
    let reason = list["suspension"]["reason"].as_str().unwrap();
    assert!(reason.contains("still hits limits"), "{reason}");
    // The next one is good.
    set_title(&test, "a").await;
    test.clock.advance(COOL_DOWN);
    // The token is older than one may be by now.
    let (ann, _) = test.tokens("ann").await;
    let list = test.get(LIST, &ann).await.value();
    assert_eq!(list["data"][0]["sum"], 7, "{list}");
    assert_eq!(list["suspension"], Value::Null);

    // Suspended again, a corrected version runs at once.
    suspend(&test, &ann).await;
    test.publish(&[&GREEDY.replace("'ask' ? 3", "'ask' ? 2")])
        .await;
    let list = test.get(LIST, &ann).await.value();
    assert_eq!(list["data"][0]["sum"], 7, "{list}");
    assert_eq!(list["suspension"], Value::Null);
    test.stop().await;
}

#[tokio::test]
async fn errors_are_told_in_full_to_the_author_and_to_nobody_else() {
    let (test, ann, bob) = start().await;
    test.publish(&[&GREEDY.replace(
        "return 7;",
        "if (item.title === 'bad') { const inner = () => { throw new Error('not ' + item.title); }; inner(); }\n      return 1;",
    )])
    .await;
    set_title(&test, "bad").await;
    let one = format!("{LIST}/1");

    // A computed field: by program.
    let error = test.get(&one, &ann).await.value()["data"]["sum_error"].clone();
    assert_eq!(error["code"], "lambda_failed");
    assert_eq!(error["message"], "Error: not bad");
    assert_eq!(error["lambda"], "computed_fields[0].lambda");
    assert_eq!(
        (&error["line"], error["column"].is_u64()),
        (&json!(12), true)
    );
    let stack = error["stack"].as_array().unwrap();
    assert!(stack[0].as_str().unwrap().starts_with("inner ("), "{error}");
    assert_eq!(stack.len(), 2, "{error}");
    assert_eq!(error["item"]["title"], "bad");
    let error = test.get(LIST, &ann).await.value()["data"][0]["sum_error"].clone();
    assert_eq!(error["line"], 12);
    assert_eq!(error["item"], Value::Null, "the record stands beside it");
    for path in [
        LIST,
        one.as_str(),
        "/api/v1/modules/greedy/records/export?format=json",
    ] {
        let answer = test.get(path, &bob).await;
        assert!(
            answer
                .text
                .contains(r#""sum_error":{"code":"lambda_failed","message":"The computed field \"Sum\" failed."}"#),
            "{path}: {}",
            answer.text
        );
        assert!(!answer.text.contains("not bad"), "{path}: {}", answer.text);
    }

    // And on pages.
    let (admin, agent) = (test.browser("ann").await, test.browser("bob").await);
    let page = test.call(admin.get("/admin/greedy/1")).await.text;
    for part in [
        "Error: not bad",
        "at computed_fields[0].lambda, line 12, column",
        "called from lambda (computed_fields[0].lambda, line 12",
        "item = {",
    ] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let page = test.call(admin.get("/admin/greedy")).await.text;
    assert!(
        page.contains("Error: not bad (computed_fields[0].lambda, line 12")
            && !page.contains("item ="),
        "{page}"
    );
    for path in ["/admin/greedy", "/admin/greedy/1", "/admin/greedy/1/edit"] {
        let page = test.call(agent.get(path)).await.text;
        assert!(
            !page.contains("not bad") && !page.contains("line 12"),
            "{path}: {page}"
        );
    }

    // A hook, with a secret in the record and in what it throws.
    let record = json!({"title": "throw", "pin": "Pa55word-4711"});
    let post = |token: String| {
        let (test, record) = (&test, record.clone());
        async move { test.json(Method::POST, LIST, Some(&token), record).await }
    };
    let refused = post(ann).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::UNPROCESSABLE_ENTITY, "hook_failed")
    );
    let problem = refused.value();
    let fault = &problem["fault"];
    assert_eq!(fault["message"], "Error: no (secret)", "{problem}");
    assert_eq!(fault["lambda"], "hooks.before_save");
    assert_eq!(fault["line"], 17);
    assert_eq!(fault["item"]["title"], "throw");
    assert_eq!(fault["item"]["pin"], "(secret)");
    assert!(fault["stack"][0].as_str().unwrap().starts_with("refuse ("));
    assert!(!refused.text.contains("Pa55word"), "{}", refused.text);
    let refused = post(bob).await;
    assert_eq!(refused.code(), "hook_failed");
    assert_eq!(
        refused.value()["fault"],
        json!({"code": "lambda_failed", "message": "The check of Things before they are saved failed."})
    );
    let fields = [("title", "throw"), ("pin", "Pa55word-4711")];
    let form = test.send(&admin, "/admin/greedy", &fields).await;
    assert_eq!(form.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "This was not saved",
        "Error: no (secret) (hooks.before_save, line 17",
        "called from lambda (hooks.before_save, line 18",
        "value=\"throw\"",
    ] {
        assert!(form.text.contains(part), "{part}: {}", form.text);
    }
    assert!(!form.text.contains("Pa55word"), "{}", form.text);
    let form = test.send(&agent, "/admin/greedy", &fields).await;
    assert!(
        form.text
            .contains("The check of Things before they are saved failed."),
        "{}",
        form.text
    );
    for secret in ["line 17", "Error: no", "Pa55word"] {
        assert!(!form.text.contains(secret), "{secret}: {}", form.text);
    }
    test.stop().await;
}

/// Lambdas that use up all that they may, and more of them than there are sandboxes: meanwhile everybody else is served.
#[tokio::test]
async fn others_are_answered_while_lambdas_run_to_their_limits() {
    let test = TestApp::start().await;
    let hostile = |name: &str, body: &str| {
        format!(
            "module: {{name: {name}, singular: X, plural: Xs, storage: managed}}\nfields:\n  - {{name: title, type: string}}\n\
             computed_fields:\n  - name: bad\n    lambda: |\n      {body}\n\
             hooks:\n  before_save: |\n    if (item.title === 'check') fail('title', 'checked');\n"
        )
    };
    let modules = [
        hostile("spins", "for (;;);"),
        hostile("joins", "return Array(1e9).join('x');"),
        hostile(
            "grows",
            "const all = []; for (;;) all.push(new Array(1e5).fill(1));",
        ),
        hostile(
            "asks",
            "for (;;) db.query('SELECT count(*) AS n FROM users');",
        ),
    ];
    let mut texts: Vec<&str> = modules.iter().map(String::as_str).collect();
    texts.push(LAPTOP);
    test.publish(&texts).await;
    let (token, _) = test.tokens("ann").await;
    let path = |name: &str| format!("/api/v1/modules/{name}/records");
    let names = ["spins", "joins", "grows", "asks"];
    // Not through the server, which would compute the field for the answer.
    for statement in [
        "INSERT INTO x_spins (title, create_time, create_by, change_time, change_by) VALUES ('a', now(), 1, now(), 1)",
        "INSERT INTO x_joins (title, create_time, create_by, change_time, change_by) VALUES ('a', now(), 1, now(), 1)",
        "INSERT INTO x_grows (title, create_time, create_by, change_time, change_by) VALUES ('a', now(), 1, now(), 1)",
        "INSERT INTO x_asks (title, create_time, create_by, change_time, change_by) VALUES ('a', now(), 1, now(), 1)",
    ] {
        sqlx::query(statement).execute(&test.pool).await.unwrap();
    }
    let laptop = path("laptop");
    let body = json!({"serial": "A-1"});
    let made = test.json(Method::POST, &laptop, Some(&token), body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);

    let are_done = AtomicBool::new(false);
    let limits = async {
        // Twice as many as there are sandboxes.
        let calls = names.iter().chain(&names).map(|name| {
            let (test, token, path) = (&test, &token, path(name));
            async move { (*name, test.get(&path, token).await.value()) }
        });
        let ended = futures_util::future::join_all(calls).await;
        are_done.store(true, Ordering::Relaxed);
        ended
    };
    let others = async {
        let mut took = Vec::new();
        while !are_done.load(Ordering::Relaxed) {
            let round = Instant::now();
            // A password is hashed on the same threads as lambdas run. (Nobody may sign in more than twenty times in a row.)
            if took.len() < 10 {
                test.tokens("ann").await;
            }
            let list = test.get(&laptop, &token).await;
            assert_eq!(list.value()["data"][0]["serial"], "A-1");
            let me = test.get("/api/v1/auth/me", &token).await;
            assert_eq!(me.status, StatusCode::OK);
            if !are_done.load(Ordering::Relaxed) {
                took.push(round.elapsed());
            }
        }
        took
    };
    let (ended, took) = tokio::join!(limits, others);
    // The hostile ones take many seconds. Had others waited for them, none would have been answered meanwhile.
    assert!(!took.is_empty(), "nobody else was answered meanwhile");
    let slowest = took.iter().max();
    assert!(slowest < Some(&Duration::from_secs(20)), "{took:?}");
    for (name, list) in ended {
        let error = &list["data"][0]["bad_error"];
        // Every end is typed: a limit with its value, or no place in time.
        match error["code"].as_str() {
            Some("lambda_failed") => {
                let limit = error["limit"].as_str().unwrap();
                let expected: &[&str] = match name {
                    "spins" | "joins" => &["cpu", "wall", "memory"],
                    "grows" => &["memory", "cpu", "wall"],
                    _ => &["queries", "wall", "cpu"],
                };
                assert!(expected.contains(&limit), "{name}: {error}");
                assert!(error["value"].is_u64(), "{name}: {error}");
            }
            Some("busy") => {}
            _ => panic!("{name}: {list}"),
        }
    }

    // The next invocation works, also of a module that hit its limits just now.
    let list = test.get(&laptop, &token).await.value();
    assert!(list["data"][0]["age"].is_string(), "{list}");
    let body = json!({"title": "check"});
    let checked = test
        .json(Method::POST, &path("spins"), Some(&token), body)
        .await;
    assert_eq!(checked.value()["errors"][0]["message"], "checked");
    test.stop().await;
}
