//! What lambdas ask of a real database.

use http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::TestApp;

/// Each computed field answers a question about lists as parameters.
const LISTS: &str = r#"
module: {name: lists, singular: List, plural: Lists, storage: managed}
fields:
  - {name: title, type: string}
  - {name: done, type: bool}
  - {name: price, type: decimal}
  - {name: day, type: date}
computed_fields:
  - name: integers
    lambda: |
      return db.query('SELECT login FROM users WHERE id = ANY($1) ORDER BY id', [1, 2, 4711]).map((row) => row.login).join(' ');
  - name: none
    lambda: |
      return db.query('SELECT login FROM users WHERE id = ANY($1)', []).length;
  - name: texts
    lambda: |
      return db.queryRow('SELECT count(*) AS n FROM x_lists WHERE title = ANY($1)', ['a "b" \\ {c}, d', 'NULL', "it's", '', null]).n;
  - name: booleans
    lambda: |
      return db.queryRow('SELECT count(*) AS n FROM x_lists WHERE done = ANY($1)', [true, null]).n;
  - name: decimals
    lambda: |
      return db.queryRow('SELECT count(*) AS n FROM x_lists WHERE price = ANY($1) AND day = ANY($2)', [1.5, 2], ['2026-01-02']).n;
  - name: others
    lambda: |
      return db.queryRow('SELECT count(*) AS n FROM x_lists WHERE title <> ALL($1) AND id = $2', ['x'], 1).n;
  - name: unnested
    lambda: |
      return db.queryRow('SELECT sum(n) AS total FROM unnest($1::integer[]) AS u (n)', [1, 2, 39]).total;
  - name: refused
    lambda: |
      const refused = [];
      for (const [sql, value] of [['SELECT 1 AS x FROM users WHERE id = $1', [1]], ['SELECT 1 AS x FROM users WHERE id = ANY($1)', [[1]]],
          ['SELECT 1 AS x FROM users WHERE id = ANY($1)', ['1) OR (true']]]) {
        try { db.query(sql, value); } catch (error) { refused.push(error.message); }
      }
      return refused.join('; ');
"#;

#[tokio::test]
async fn lists_are_parameters() {
    let test = TestApp::start().await;
    test.publish(&[LISTS]).await;
    let (token, _) = test.tokens("ann").await;
    for title in [r#"a "b" \ {c}, d"#, "NULL", "it's", "x"] {
        let body = json!({"title": title, "done": title == "x", "price": 1.5, "day": "2026-01-02"});
        let path = "/api/v1/modules/lists/records";
        let made = test.json(Method::POST, path, Some(&token), body).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    }
    let record = test
        .get("/api/v1/modules/lists/records/1", &token)
        .await
        .value()["data"]
        .clone();
    for (name, expected) in [
        ("integers", json!("root@localhost ann")),
        ("none", json!(0)),
        ("texts", json!(3)),
        ("booleans", json!(1)),
        ("decimals", json!(4)),
        ("others", json!(1)),
        ("unnested", json!(42)),
    ] {
        assert_eq!(record[name], expected, "{name}: {record}");
    }
    let refused = record["refused"].as_str().unwrap();
    let refused: Vec<&str> = refused.split("; ").collect();
    assert_eq!(refused.len(), 4, "{record}");
    assert!(refused[0].contains("a list cannot be a value of the type int4"));
    assert!(refused[1].contains("compare with = ANY ($1)"));
    assert!(refused[2].contains("a list within a list"));
    assert!(refused[3].contains("invalid input syntax for type integer"));
    test.stop().await;
}

#[tokio::test]
async fn what_a_table_has_is_asked_once_per_state_of_the_modules() {
    const FINDS: &str = "\
module: {name: finds, singular: F, plural: Fs, storage: managed}
fields:
  - {name: title, type: string}
computed_fields:
  - name: seen
    lambda: |
      return Object.keys(db.find('valid')[0]).sort().join(' ');
";
    let test = TestApp::start().await;
    test.publish(&[FINDS]).await;
    let (token, _) = test.tokens("ann").await;
    let path = "/api/v1/modules/finds/records";
    let body = json!({"title": "a"});
    let made = test.json(Method::POST, path, Some(&token), body).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
    let seen = || async {
        let record = test.get(&format!("{path}/1"), &token).await.value();
        match &record["data"]["seen"] {
            Value::String(text) => text.clone(),
            _ => panic!("{record}"),
        }
    };
    let alter = |sql: &'static str| sqlx::query(sql).execute(&test.pool);
    let before = seen().await;
    assert!(before.contains("id name"), "{before}");
    alter("ALTER TABLE valid ADD COLUMN colour text")
        .await
        .unwrap();
    // The catalogue is not asked again ...
    assert_eq!(seen().await, before);
    // ... until modules change, which is what changes tables,
    test.publish(&[FINDS]).await;
    assert_eq!(
        seen()
            .await
            .split(' ')
            .filter(|name| *name != "colour")
            .collect::<Vec<_>>()
            .join(" "),
        before
    );
    assert!(seen().await.contains("colour"));
    // ... or a column is gone: that costs one answer.
    alter("ALTER TABLE valid DROP COLUMN colour").await.unwrap();
    let record = test.get(&format!("{path}/1"), &token).await.value();
    assert_eq!(record["data"]["seen_error"]["code"], "lambda_failed");
    assert_eq!(seen().await, before);
    test.stop().await;
}
