//! Tables of the helpdesk, through the stock modules and through modules that go wrong.

use http::{Method, StatusCode};
use serde_json::json;
use tenant_runtime::modules::loader::LoadError;
use tenant_runtime::modules::stock;

use crate::harness::{PASSWORD, TestApp};

#[tokio::test]
async fn every_stock_module_has_its_pages() {
    let test = TestApp::start().await;
    let sources = stock::sources();
    let texts: Vec<&str> = sources.iter().map(|(_, text)| text.as_str()).collect();
    assert!(texts.len() >= 20);
    test.publish(&texts).await;
    let ann = test.browser("ann").await;
    for module in test.app.modules.current().iter() {
        let name = module.spec().name();
        for path in [
            format!("/admin/{name}"),
            format!("/admin/{name}/new"),
            format!("/admin/{name}/export?format=json"),
        ] {
            let answer = test.call(ann.get(&path)).await;
            let read_only = path.ends_with("/new") && !module.spec().permissions().create;
            let expected = if read_only {
                StatusCode::FORBIDDEN
            } else {
                StatusCode::OK
            };
            let no_export = path.contains("/export") && !module.spec().features().export_csv;
            let expected = if no_export {
                StatusCode::FORBIDDEN
            } else {
                expected
            };
            assert_eq!(answer.status, expected, "{path}: {}", answer.text);
            assert!(
                !answer.text.contains("tone-critical"),
                "{path}: {}",
                answer.text
            );
        }
        let rows = test
            .call(ann.get(&format!("/admin/{name}/export?format=json")))
            .await;
        if rows.status == StatusCode::OK
            && let Some(first) = rows.value()["data"][0].get("id")
        {
            let key = first.to_string().trim_matches('"').to_owned();
            for path in [
                format!("/admin/{name}/{key}"),
                format!("/admin/{name}/{key}/edit"),
            ] {
                let answer = test.call(ann.get(&path)).await;
                let closed = path.ends_with("/edit") && !module.spec().permissions().update;
                assert_eq!(
                    answer.status,
                    if closed {
                        StatusCode::FORBIDDEN
                    } else {
                        StatusCode::OK
                    },
                    "{path}: {}",
                    answer.text
                );
            }
        }
    }
    test.stop().await;
}

const AGENTS: &str = "\
module: {name: agents, singular: Agent, plural: Agents, table: users}
fields:
  - {name: login, type: string, required: true}
  - {name: pw, type: password, required: true, label: Password}
  - {name: first_name, type: string, required: true}
  - {name: last_name, type: string, required: true}
  - {name: valid_id, type: select, default: 1}
";

#[tokio::test]
async fn a_new_agent_signs_in_with_the_password_of_the_form() {
    let test = TestApp::start().await;
    test.publish(&[AGENTS]).await;
    let (token, _) = test.tokens("ann").await;
    let list = "/api/v1/modules/agents/records";
    let carl = json!({"login": "carl", "pw": PASSWORD, "first_name": "Carl", "last_name": "C"});
    let made = test
        .json(Method::POST, list, Some(&token), carl.clone())
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    assert!(!made.text.contains("\"pw\""), "{}", made.text);
    let pw: String = sqlx::query_scalar("SELECT pw FROM users WHERE login = 'carl'")
        .fetch_one(&test.pool)
        .await
        .unwrap();
    assert_eq!(pw, "*");
    test.tokens("carl").await;
    // A new login keeps the password.
    let one = format!("{list}/{}", made.value()["data"]["id"]);
    assert_eq!(
        test.json(Method::PUT, &one, Some(&token), json!({"login": "charles"}))
            .await
            .status,
        StatusCode::OK
    );
    test.tokens("charles").await;
    for (body, field, message) in [
        (
            json!({"login": "dora", "first_name": "D", "last_name": "D"}),
            "/pw",
            "This is required.",
        ),
        (
            json!({"login": "dora", "pw": "short", "first_name": "D", "last_name": "D"}),
            "/pw",
            "A password has at least 8 characters.",
        ),
        (
            json!({"login": "ann", "pw": PASSWORD, "first_name": "D", "last_name": "D"}),
            "/login",
            "Another record has this already.",
        ),
        (
            json!({"login": "e".repeat(201), "pw": PASSWORD, "first_name": "D", "last_name": "D"}),
            "/login",
            "This may have at most 200 characters; it has 201.",
        ),
    ] {
        let answer = test.json(Method::POST, list, Some(&token), body).await;
        let error = &answer.value()["errors"][0];
        assert_eq!(
            (&error["pointer"], &error["message"]),
            (&json!(field), &json!(message)),
            "{}",
            answer.text
        );
    }
    // In use: the database says by whom, we say it in words.
    let root = test
        .json(
            Method::DELETE,
            &format!("{list}/1"),
            Some(&token),
            json!(null),
        )
        .await;
    assert_eq!(root.status, StatusCode::CONFLICT);
    assert!(
        root.value()["detail"]
            .as_str()
            .unwrap()
            .starts_with("This cannot be deleted: it is used by"),
        "{}",
        root.text
    );
    let ann: i32 = sqlx::query_scalar("SELECT id FROM users WHERE login = 'ann'")
        .fetch_one(&test.pool)
        .await
        .unwrap();
    let own = test
        .json(
            Method::DELETE,
            &format!("{list}/{ann}"),
            Some(&token),
            json!(null),
        )
        .await;
    assert!(own.text.contains("your own account"), "{}", own.text);
    assert_eq!(
        test.json(Method::DELETE, &one, Some(&token), json!(null))
            .await
            .status,
        StatusCode::OK
    );
    let left: i64 =
        sqlx::query_scalar("SELECT count(*) FROM gotrs_credential WHERE login = 'charles'")
            .fetch_one(&test.pool)
            .await
            .unwrap();
    assert_eq!(left, 0);
    test.stop().await;
}

#[tokio::test]
async fn a_module_that_does_not_fit_the_schema_is_told_where() {
    let test = TestApp::start().await;
    let field = "fields:\n  - {name: name, type: string}\n";
    for (text, code, needle) in [
        (
            format!("module: {{name: m, table: nowhere}}\n{field}"),
            "unknown-table",
            "nowhere}",
        ),
        (
            format!("module: {{name: m, table: gotrs_signing_key}}\n{field}"),
            "reserved-table",
            "gotrs_",
        ),
        (
            format!("module: {{name: m, table: group_user}}\n{field}"),
            "table-without-key",
            "group_user",
        ),
        (
            "module: {name: m, table: queue}\nfields:\n  - name: nmae\n    type: string\n"
                .to_owned(),
            "unknown-column",
            "nmae",
        ),
        (
            format!(
                "module: {{name: m, table: queue}}\n{field}  - {{name: group_id, type: select, lookup_table: nowhere}}\n"
            ),
            "unknown-table",
            "nowhere",
        ),
        (
            format!(
                "module: {{name: m, table: queue}}\n{field}  - {{name: group_id, type: select, lookup_table: valid, lookup_display: label}}\n"
            ),
            "unknown-column",
            "label",
        ),
        (
            format!(
                "module: {{name: m, table: queue}}\n{field}  - {{name: group_id, type: select, lookup_table: valid, lookup_condition: pg_sleep(1) IS NULL}}\n"
            ),
            "bad-sql",
            "pg_sleep",
        ),
        (
            format!(
                "module: {{name: m, table: queue}}\n{field}filters:\n  - {{field: name, query: DELETE FROM queue}}\n"
            ),
            "bad-sql",
            "DELETE",
        ),
    ] {
        let before = text.split(needle).next().unwrap();
        let line = u32::try_from(before.split('\n').count()).unwrap();
        let column = u32::try_from(before.rsplit('\n').next().unwrap().len() + 1).unwrap();
        match test.load(&text).await {
            Err(LoadError::Refused(findings)) => {
                let found: Vec<_> = findings
                    .iter()
                    .filter(|one| one.is_error())
                    .map(|one| (one.code.as_str(), one.line, one.column))
                    .collect();
                assert!(found.contains(&(code, line, column)), "{text}: {found:?}");
            }
            other => panic!("{text}: {other:?}"),
        }
    }
    test.stop().await;
}
