//! A module with a table of its own, from the first record to the last.

use http::{Method, StatusCode};
use serde_json::json;

use crate::harness::TestApp;
use crate::support::LAPTOP;

const LIST: &str = "/api/v1/modules/laptop/records";

#[tokio::test]
async fn a_program_keeps_records() {
    let test = TestApp::start().await;
    test.publish(&[LAPTOP]).await;
    let (token, _) = test.tokens("ann").await;
    let post = |body| test.json(Method::POST, LIST, Some(&token), body);

    let made = post(json!({"serial": "ab-1", "model": "x1", "owner_id": 1, "bought": "2026-01-02", "price": "1299.90", "leased": true, "pin": "1234"})).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let data = &made.value()["data"];
    assert_eq!(data["serial"], "AB-1");
    assert_eq!(data["price"], 1299.9);
    assert_eq!(data["leased"], true);
    assert_eq!(data["model_display"], "Model X1");
    assert_eq!(data["owner_id_display"], "root@localhost");
    assert_eq!(data["valid_id"], 1);
    assert_eq!(data["colleagues"], 2);
    assert!(
        !made.text.contains("pin") && !made.text.contains("1234"),
        "{}",
        made.text
    );
    let kept: String = sqlx::query_scalar("SELECT pin FROM x_laptop")
        .fetch_one(&test.pool)
        .await
        .unwrap();
    assert!(kept.starts_with("$argon2id$"), "{kept}");
    let (by, at): (i32, String) =
        sqlx::query_as("SELECT create_by, create_time::text FROM x_laptop")
            .fetch_one(&test.pool)
            .await
            .unwrap();
    assert_ne!(by, 1);
    assert_eq!(at, "2026-01-02 03:04:05");

    for serial in ["AB-2", "AB-3", "BOOM"] {
        assert_eq!(
            post(json!({"serial": serial, "model": "t14"})).await.status,
            StatusCode::CREATED
        );
    }
    let list = test
        .get(
            &format!("{LIST}?page_size=2&sort=serial&order=desc"),
            &token,
        )
        .await
        .value();
    assert_eq!(
        (&list["total"], &list["page"], &list["page_size"]),
        (&json!(4), &json!(1), &json!(2))
    );
    assert_eq!(list["data"][0]["serial"], "BOOM");
    assert!(
        list["data"][0]["age_error"]["message"]
            .as_str()
            .unwrap()
            .contains("no age for this one"),
        "{list}"
    );
    assert_eq!(
        list["data"][1]["age"],
        "<b>AB-3</b><script>alert(1)</script> of nobody"
    );
    let serials = |query: &'static str| {
        let (test, token) = (&test, &token);
        async move {
            let answer = test.get(&format!("{LIST}?{query}"), token).await;
            assert_eq!(answer.status, StatusCode::OK, "{query}: {}", answer.text);
            let value = answer.value();
            let names: Vec<String> = value["data"]
                .as_array()
                .unwrap()
                .iter()
                .map(|row| row["serial"].as_str().unwrap().to_owned())
                .collect();
            names.join(" ")
        }
    };
    assert_eq!(serials("search=ab-").await, "AB-1 AB-2 AB-3");
    assert_eq!(serials("search=%25").await, "");
    assert_eq!(
        serials("filter_model=t14&filter_serial=-").await,
        "AB-2 AB-3"
    );
    assert_eq!(serials("filter_owner_id=1").await, "AB-1");
    assert_eq!(
        serials("filter_bought_from=2026-01-01&filter_bought_to=2026-01-02").await,
        "AB-1"
    );
    assert_eq!(serials("filter_bought_from=2026-01-03").await, "");
    assert_eq!(serials("page=99&page_size=3").await, "BOOM");

    let id = data["id"].as_i64().unwrap();
    let one = format!("{LIST}/{id}");
    let put = |body| test.json(Method::PUT, &one, Some(&token), body);
    let changed = put(json!({"price": 7})).await.value();
    assert_eq!(
        (&changed["data"]["price"], &changed["data"]["serial"]),
        (&json!(7.0), &json!("AB-1"))
    );
    // What a GET answers may come back.
    let same = test.get(&one, &token).await.value()["data"].clone();
    assert_eq!(put(same).await.status, StatusCode::OK);
    let kept_after: String = sqlx::query_scalar("SELECT pin FROM x_laptop WHERE serial = 'AB-1'")
        .fetch_one(&test.pool)
        .await
        .unwrap();
    assert_eq!(kept_after, kept);

    // The hook has a word in it; then the record is disabled, not gone.
    let refused = test
        .json(Method::DELETE, &one, Some(&token), json!(null))
        .await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "in_use")
    );
    assert_eq!(put(json!({"leased": false})).await.status, StatusCode::OK);
    assert_eq!(
        test.json(Method::DELETE, &one, Some(&token), json!(null))
            .await
            .status,
        StatusCode::OK
    );
    assert_eq!(test.get(&one, &token).await.value()["data"]["valid_id"], 2);
    test.stop().await;
}

#[tokio::test]
async fn every_wrong_input_gets_its_answer() {
    let test = TestApp::start().await;
    test.publish(&[LAPTOP]).await;
    let (token, _) = test.tokens("ann").await;
    test.json(Method::POST, LIST, Some(&token), json!({"serial": "A-1"}))
        .await;
    for (body, field, message) in [
        (json!({}), "/serial", "This is required."),
        (
            json!({"serial": "A-1"}),
            "/serial",
            "Another record has this already.",
        ),
        (
            json!({"serial": "a b"}),
            "/serial",
            "This does not have the expected form.",
        ),
        (
            json!({"serial": "A".repeat(21)}),
            "/serial",
            "This may have at most 20 characters; it has 21.",
        ),
        (
            json!({"serial": "A-2", "model": "t15"}),
            "/model",
            "Choose one of the options.",
        ),
        (
            json!({"serial": "A-2", "owner_id": 4711}),
            "/owner_id",
            "Choose one of the options.",
        ),
        (
            json!({"serial": "A-2", "owner_id": "x'; DROP TABLE users"}),
            "/owner_id",
            "Choose one of the options.",
        ),
        (
            json!({"serial": "A-2", "bought": "2026-02-30"}),
            "/bought",
            "This must be a date such as 2026-01-31.",
        ),
        (
            json!({"serial": "A-2", "price": -1}),
            "/price",
            "This must be at least 0.",
        ),
        (
            json!({"serial": "A-2", "price": "cheap"}),
            "/price",
            "This must be a number.",
        ),
        (
            json!({"serial": "A-2", "price": 5001}),
            "/price",
            "Nobody needs a laptop of that price.",
        ),
        (
            json!({"serial": "A-2", "leased": "perhaps"}),
            "/leased",
            "This must be yes or no.",
        ),
        (
            json!({"serial": "A-2", "valid_id": 9}),
            "/valid_id",
            "Choose one of the options.",
        ),
        (
            json!({"serial": "A-2", "colour": "red"}),
            "/colour",
            "There is no such field.",
        ),
        (
            json!({"serial": {"a": 1}}),
            "/serial",
            "This must be a single value.",
        ),
    ] {
        let answer = test
            .json(Method::POST, LIST, Some(&token), body.clone())
            .await;
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{body}: {}",
            answer.text
        );
        let errors = answer.value()["errors"].clone();
        assert_eq!(
            (&errors[0]["pointer"], &errors[0]["message"]),
            (&json!(field), &json!(message)),
            "{body}: {}",
            answer.text
        );
    }
    // All at once.
    let answer = test
        .json(
            Method::POST,
            LIST,
            Some(&token),
            json!({"price": "x", "bought": "y"}),
        )
        .await;
    assert_eq!(
        answer.value()["errors"].as_array().unwrap().len(),
        3,
        "{}",
        answer.text
    );

    for (method, path, body, status) in [
        (Method::GET, format!("{LIST}/99"), json!(null), 404),
        (
            Method::GET,
            format!("{LIST}/x'%20OR%201=1"),
            json!(null),
            404,
        ),
        (
            Method::PUT,
            format!("{LIST}/99"),
            json!({"serial": "B"}),
            404,
        ),
        (Method::DELETE, format!("{LIST}/99"), json!(null), 404),
        (Method::GET, format!("{LIST}/1/unknown"), json!(null), 404),
        (
            Method::GET,
            "/api/v1/modules/nothing/records".to_owned(),
            json!(null),
            404,
        ),
        (Method::PUT, LIST.to_owned(), json!({}), 405),
        (Method::POST, LIST.to_owned(), json!([1]), 400),
        (Method::POST, LIST.to_owned(), json!(null), 400),
        (Method::GET, format!("{LIST}?page=0"), json!(null), 400),
        (Method::GET, format!("{LIST}?sort=pin"), json!(null), 400),
        (
            Method::GET,
            format!("{LIST}?sort=serial;--"),
            json!(null),
            400,
        ),
        (Method::GET, format!("{LIST}?order=up"), json!(null), 400),
        (
            Method::GET,
            format!("{LIST}?filter_price=1"),
            json!(null),
            400,
        ),
        (
            Method::GET,
            format!("{LIST}?filter_bought_from=soon"),
            json!(null),
            400,
        ),
        (
            Method::GET,
            format!("{LIST}/export?format=xml"),
            json!(null),
            400,
        ),
    ] {
        let answer = test.json(method.clone(), &path, Some(&token), body).await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path}: {}",
            answer.text
        );
    }
    let total: i64 = sqlx::query_scalar("SELECT count(*) FROM x_laptop")
        .fetch_one(&test.pool)
        .await
        .unwrap();
    assert_eq!(total, 1);
    test.stop().await;
}

#[tokio::test]
async fn a_person_keeps_records() {
    let test = TestApp::start().await;
    test.publish(&[LAPTOP]).await;
    let ann = test.browser("ann").await;
    let empty = test.call(ann.get("/admin/laptop")).await;
    assert!(empty.text.contains("No Laptops yet"), "{}", empty.text);
    let form = test.call(ann.get("/admin/laptop/new")).await;
    for part in [
        "<h1>New laptop</h1>",
        "name=\"serial\"",
        "Model T14",
        "type=\"date\"",
        "name=\"pin\"",
        "pattern=\"[A-Z0-9-]+\"",
        "root@localhost",
    ] {
        assert!(form.text.contains(part), "{part}: {}", form.text);
    }
    // A wrong form comes back with what was typed, but for the password.
    let wrong = test
        .send(
            &ann,
            "/admin/laptop",
            &[
                ("serial", "x y"),
                ("notes", "typed <i>text</i>"),
                ("leased", "1"),
                ("model", "t14"),
                ("pin", "98765432"),
            ],
        )
        .await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "typed &lt;i&gt;text",
        "This does not have the expected form.",
        "value=\"X Y\"",
        " checked",
        "value=\"t14\" selected",
    ] {
        assert!(
            wrong.text.contains(part)
                || part == "value=\"X Y\"" && wrong.text.contains("value=\"x y\""),
            "{part}: {}",
            wrong.text
        );
    }
    assert!(!wrong.text.contains("98765432"));
    let made = test
        .send(
            &ann,
            "/admin/laptop",
            &[("serial", "AB-1"), ("model", "t14"), ("notes", "a\r\nb")],
        )
        .await;
    assert_eq!(made.status, StatusCode::SEE_OTHER, "{}", made.text);
    let path = made.location().split('?').next().unwrap().to_owned();
    let page = test.call(ann.get(made.location())).await;
    for part in [
        "Saved.",
        "<h1>AB-1</h1>",
        "Model T14",
        "<b>AB-1</b> of nobody",
    ] {
        assert!(page.text.contains(part), "{part}: {}", page.text);
    }
    assert!(!page.text.contains("alert(1)"));

    let list = test
        .call(ann.get("/admin/laptop?sort=serial&order=asc"))
        .await;
    for part in [
        "aria-sort=\"ascending\"",
        "order=desc",
        ">AB-1</a>",
        "badge tone-positive",
        "1–1 of 1",
    ] {
        assert!(list.text.contains(part), "{part}: {}", list.text);
    }
    let fragment = test.fragment(&ann, "/admin/laptop?search=ab").await;
    assert!(
        fragment
            .text
            .trim_start()
            .starts_with("<div id=\"records\""),
        "{}",
        fragment.text
    );
    assert!(!fragment.text.contains("<html") && fragment.text.contains(">AB-1</a>"));

    // An unchecked box is a no, an empty password field keeps the password, an empty text is nothing.
    let saved = test
        .send(
            &ann,
            &path,
            &[
                ("serial", "AB-9"),
                ("model", "x1"),
                ("notes", ""),
                ("pin", ""),
            ],
        )
        .await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.text);
    let csv = test.call(ann.get("/admin/laptop/export")).await;
    assert_eq!(csv.headers["content-type"], "text/csv; charset=utf-8");
    insta::assert_snapshot!(csv.text, @r"
    id,serial,model,owner_id,bought,price,leased,notes,valid_id,age,colleagues
    1,AB-9,Model X1,,,,No,,valid,<b>AB-9</b><script>alert(1)</script> of nobody,3
    ");
    assert_eq!(
        test.send(&ann, &format!("{path}/status"), &[]).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(test.call(ann.get(&path)).await.text.contains(">Enable<"));
    assert_eq!(
        test.send(&ann, &format!("{path}/status"), &[]).await.status,
        StatusCode::SEE_OTHER
    );
    assert!(
        test.call(ann.get(&format!("{path}/delete")))
            .await
            .text
            .contains("can be enabled again")
    );
    let deleted = test.send(&ann, &format!("{path}/delete"), &[]).await;
    assert_eq!(deleted.location(), "/admin/laptop?deleted=1");
    assert_eq!(
        test.call(ann.get("/admin/laptop/4711")).await.status,
        StatusCode::NOT_FOUND
    );
    // Without the token of a page of ours nothing happens.
    assert_eq!(
        test.call(ann.post(&path, &[("serial", "AB-7")]))
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    test.stop().await;
}

#[tokio::test]
async fn groups_decide_who_may_do_what() {
    let test = TestApp::start().await;
    let notes = LAPTOP.replace(
        "{name: notes, type: textarea}",
        "{name: notes, type: textarea, access: {read: [stats], write: [stats]}}",
    );
    let module = format!(
        "{notes}access: {{view: [users], create: [admin], update: [users], delete: [stats]}}\n"
    )
    .replace("storage: managed", "storage: managed, portals: [agent]");
    test.publish(&[&module]).await;
    let (ann, _) = test.tokens("ann").await;
    let (bob, _) = test.tokens("bob").await;
    let made = test
        .json(Method::POST, LIST, Some(&ann), json!({"serial": "A-1"}))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert!(!made.text.contains("notes"));
    let hidden = test
        .json(
            Method::PUT,
            &format!("{LIST}/1"),
            Some(&ann),
            json!({"notes": "x"}),
        )
        .await;
    assert_eq!(
        hidden.value()["errors"][0]["message"],
        "You may not set this field."
    );
    for (token, method, path, status) in [
        (&bob, Method::GET, LIST, 200),
        (&bob, Method::POST, LIST, 403),
        (&bob, Method::PUT, "/api/v1/modules/laptop/records/1", 403),
        (
            &bob,
            Method::DELETE,
            "/api/v1/modules/laptop/records/1",
            403,
        ),
        (
            &ann,
            Method::DELETE,
            "/api/v1/modules/laptop/records/1",
            403,
        ),
    ] {
        let answer = test
            .json(method.clone(), path, Some(token), json!({"serial": "A-2"}))
            .await;
        assert_eq!(
            answer.status.as_u16(),
            status,
            "{method} {path}: {}",
            answer.text
        );
    }
    assert_eq!(
        test.json(Method::GET, LIST, None, json!(null)).await.status,
        StatusCode::UNAUTHORIZED
    );
    test.publish(&[&LAPTOP.replace("storage: managed", "storage: managed, read_only: true")])
        .await;
    assert_eq!(
        test.json(Method::POST, LIST, Some(&ann), json!({"serial": "A-2"}))
            .await
            .status,
        StatusCode::FORBIDDEN
    );
    assert_eq!(test.get(LIST, &bob).await.status, StatusCode::FORBIDDEN);
    test.stop().await;
}

#[tokio::test]
async fn of_two_saves_of_a_unique_value_at_once_one_wins() {
    let test = TestApp::start().await;
    test.publish(&[LAPTOP]).await;
    let (token, _) = test.tokens("ann").await;
    let post =
        |serial: &str| test.json(Method::POST, LIST, Some(&token), json!({"serial": serial}));
    let is_taken = |answer: &crate::harness::Answer| {
        assert_eq!(
            answer.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{}",
            answer.text
        );
        assert_eq!(answer.value()["errors"][0]["pointer"], "/serial");
        assert!(
            answer.text.contains("Another record has this already."),
            "{}",
            answer.text
        );
    };
    for round in 0..5 {
        let serial = format!("R-{round}");
        let (one, two) = tokio::join!(post(&serial), post(&serial));
        let (won, lost) = if one.status == StatusCode::CREATED {
            (one, two)
        } else {
            (two, one)
        };
        assert_eq!(won.status, StatusCode::CREATED, "{}", won.text);
        is_taken(&lost);
    }

    // The other one saves after this one looked whether the value is free, and before it saves itself.
    assert_eq!(post("OLD").await.status, StatusCode::CREATED);
    let mut other = test.pool.begin().await.unwrap();
    sqlx::query("UPDATE x_laptop SET serial = 'NEW' WHERE serial = 'OLD'")
        .execute(&mut *other)
        .await
        .unwrap();
    let commit_when_waited_for = async {
        let mut is_waiting = false;
        while !is_waiting {
            is_waiting = sqlx::query_scalar(
                "SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_stat_activity a USING (pid)
                 WHERE NOT l.granted AND a.datname = current_database())",
            )
            .fetch_one(&mut *other)
            .await
            .unwrap();
        }
        other.commit().await.unwrap();
    };
    let (lost, ()) = tokio::join!(post("NEW"), commit_when_waited_for);
    is_taken(&lost);
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM x_laptop WHERE serial = 'NEW'")
        .fetch_one(&test.pool)
        .await
        .unwrap();
    assert_eq!(kept, 1);
    test.stop().await;
}
