//! Tables of modules: made and widened by a role that can create nothing itself.

use serde_json::{Value, json};
use sqlx::PgConnection;

use crate::server::{Server, refusal, run};

async fn apply(
    connection: &mut PgConnection,
    module: &str,
    columns: &Value,
) -> sqlx::Result<Value> {
    sqlx::query_scalar("SELECT gotrs_apply_managed_table($1, $2)")
        .bind(module)
        .bind(columns)
        .fetch_one(connection)
        .await
}

/// SQLSTATE and message of a refused call.
async fn refused(connection: &mut PgConnection, module: &str, columns: &Value) -> (String, String) {
    let error = apply(connection, module, columns)
        .await
        .expect_err(&format!("was allowed: {module} {columns}"));
    let error = error.as_database_error().expect("an answer of the server");
    (
        error.code().unwrap().into_owned(),
        error.message().to_owned(),
    )
}

#[tokio::test]
async fn a_table_is_made_used_and_widened_and_repeating_changes_nothing() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut runtime = server.runtime(&tenant).await?;
    let mut lambda = server.lambda(&tenant).await?;
    let first = json!([
        {"name": "serial_number", "type": "text", "required": true, "unique": true},
        {"name": "bought_on", "type": "date"},
        {"name": "pin", "type": "text", "secret": true},
    ]);
    assert_eq!(
        apply(&mut runtime, "laptop", &first).await?,
        json!({"table": "x_laptop", "created": true, "added": ["serial_number", "bought_on", "pin"]})
    );
    assert_eq!(
        apply(&mut runtime, "laptop", &first).await?,
        json!({"table": "x_laptop", "created": false, "added": []})
    );
    run(
        &mut runtime,
        "INSERT INTO x_laptop (serial_number, pin, create_time, create_by, change_time, change_by)
         VALUES ('A1', '1234', localtimestamp, 1, localtimestamp, 1)",
    )
    .await?;
    let (id, valid): (i64, i16) = sqlx::query_as("SELECT id, valid_id FROM x_laptop")
        .fetch_one(&mut lambda)
        .await?;
    assert_eq!((id, valid), (1, 1));
    assert_eq!(
        refusal(&mut lambda, "SELECT pin FROM x_laptop").await,
        "42501"
    );
    assert_eq!(
        refusal(&mut lambda, "SELECT * FROM x_laptop").await,
        "42501"
    );
    for (sql, code) in [
        (
            "INSERT INTO x_laptop (serial_number, create_time, create_by, change_time, change_by)
             VALUES ('A1', now(), 1, now(), 1)",
            "23505",
        ),
        ("UPDATE x_laptop SET valid_id = 99", "23503"),
        ("UPDATE x_laptop SET create_by = 99", "23503"),
    ] {
        assert_eq!(refusal(&mut runtime, sql).await, code, "{sql}");
    }

    let second = json!([
        {"name": "serial_number", "type": "text", "required": true, "unique": true},
        {"name": "bought_on", "type": "date"},
        {"name": "pin", "type": "text", "secret": true},
        {"name": "price", "type": "numeric"},
    ]);
    assert_eq!(
        apply(&mut runtime, "laptop", &second).await?,
        json!({"table": "x_laptop", "created": false, "added": ["price"]})
    );
    run(&mut runtime, "UPDATE x_laptop SET price = 12.5").await?;
    let price: String = sqlx::query_scalar("SELECT price::text FROM x_laptop")
        .fetch_one(&mut lambda)
        .await?;
    assert_eq!(price, "12.5");
    assert_eq!(server.tenants.verify(tenant.id).await?, []);
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn every_type_of_the_list_can_be_had() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut runtime = server.runtime(&tenant).await?;
    let types = [
        ("text", "text"),
        ("smallint", "smallint"),
        ("integer", "integer"),
        ("bigint", "bigint"),
        ("numeric", "numeric"),
        ("double", "double precision"),
        ("boolean", "boolean"),
        ("date", "date"),
        ("time", "time(0) without time zone"),
        ("timestamp", "timestamp(0) without time zone"),
        ("timestamptz", "timestamp with time zone"),
        ("uuid", "uuid"),
        ("bytea", "bytea"),
        ("jsonb", "jsonb"),
    ];
    let columns: Vec<Value> = types
        .iter()
        .map(|(name, _)| json!({"name": format!("c_{name}"), "type": name}))
        .collect();
    // Twice: the types must also be recognised as what they are.
    apply(&mut runtime, "all-types", &json!(columns)).await?;
    apply(&mut runtime, "all-types", &json!(columns)).await?;
    for (name, expected) in types {
        let actual: String = sqlx::query_scalar(
            "SELECT format_type(atttypid, atttypmod) FROM pg_attribute
             WHERE attrelid = '\"x_all-types\"'::regclass AND attname = 'c_' || $1",
        )
        .bind(name)
        .fetch_one(&mut runtime)
        .await?;
        assert_eq!(actual, expected);
    }
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn nothing_is_ever_lost_narrowed_or_uncovered() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut runtime = server.runtime(&tenant).await?;
    let mut lambda = server.lambda(&tenant).await?;
    apply(
        &mut runtime,
        "laptop",
        &json!([
            {"name": "serial", "type": "text", "required": true},
            {"name": "pin", "type": "text", "secret": true, "required": true},
        ]),
    )
    .await?;
    let (code, message) = refused(
        &mut runtime,
        "laptop",
        &json!([{"name": "serial", "type": "integer"}]),
    )
    .await;
    assert_eq!(code, "42804");
    assert_eq!(
        message,
        "column serial of module laptop holds text; it cannot become integer"
    );

    // A field that is gone keeps its column and values; what was secret once stays so.
    let insert = "INSERT INTO x_laptop (serial, create_time, create_by, change_time, change_by)
                  VALUES ('A1', now(), 1, now(), 1)";
    run(&mut runtime, insert).await?;
    apply(
        &mut runtime,
        "laptop",
        &json!([{"name": "pin", "type": "text"}]),
    )
    .await?;
    assert_eq!(
        refusal(&mut lambda, "SELECT pin FROM x_laptop").await,
        "42501"
    );
    let serial: String = sqlx::query_scalar("SELECT serial FROM x_laptop")
        .fetch_one(&mut lambda)
        .await?;
    assert_eq!(serial, "A1");

    // Unique comes and goes, but not over repeated values.
    let unique = json!([{"name": "serial", "type": "text", "unique": true}]);
    run(&mut runtime, insert).await?;
    let (code, message) = refused(&mut runtime, "laptop", &unique).await;
    assert_eq!(code, "22023");
    assert_eq!(
        message,
        "column serial of table x_laptop has the same value in several rows; it cannot become unique"
    );
    run(&mut runtime, "DELETE FROM x_laptop WHERE id = 2").await?;
    apply(&mut runtime, "laptop", &unique).await?;
    assert_eq!(refusal(&mut runtime, insert).await, "23505");
    apply(
        &mut runtime,
        "laptop",
        &json!([{"name": "serial", "type": "text"}]),
    )
    .await?;
    run(&mut runtime, insert).await?;
    assert_eq!(server.tenants.verify(tenant.id).await?, []);
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn whatever_is_not_plainly_allowed_is_refused() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut runtime = server.runtime(&tenant).await?;
    let good = json!([{"name": "a", "type": "text"}]);
    let long = "a".repeat(51);
    for module in [
        "",
        "Laptop",
        "1a",
        "a b",
        "a\"b",
        "a';DROP TABLE users;--",
        "a\nb",
        "a\n",
        "pg.users",
        &long,
    ] {
        let (code, message) = refused(&mut runtime, module, &good).await;
        assert_eq!(code, "22023", "{module:?}: {message}");
    }
    let longer = "a".repeat(64);
    for name in [
        "",
        "1a",
        "a b",
        "a\"",
        "a\" integer); DROP TABLE users; --",
        "a;b",
        "a\n",
        "ä",
        "id",
        "ID",
        "valid_id",
        "create_by",
        "xmin",
        "ctid",
        &longer,
    ] {
        let (code, message) =
            refused(&mut runtime, "m", &json!([{"name": name, "type": "text"}])).await;
        assert_eq!(code, "22023", "{name:?}: {message}");
    }
    for kind in [
        "",
        "TEXT",
        "varchar(10)",
        "text; DROP TABLE users",
        "text NOT NULL",
        "serial",
        "regclass",
        "public.text",
        "text[]",
    ] {
        let (code, message) =
            refused(&mut runtime, "m", &json!([{"name": "a", "type": kind}])).await;
        assert_eq!(code, "22023", "{kind:?}: {message}");
    }
    for columns in [
        json!(null),
        json!({}),
        json!("a"),
        json!([1]),
        json!([null]),
        json!([{}]),
        json!([{"name": "a"}]),
        json!([{"type": "text"}]),
        json!([{"name": 1, "type": "text"}]),
        json!([{"name": "a", "type": "text", "required": "yes"}]),
        json!([{"name": "a", "type": "text", "default": "1); DROP TABLE users"}]),
        json!([{"name": "a", "type": "text"}, {"name": "a", "type": "text"}]),
        json!(
            (0..201)
                .map(|n| json!({"name": format!("c{n}"), "type": "text"}))
                .collect::<Vec<_>>()
        ),
    ] {
        let (code, message) = refused(&mut runtime, "m", &columns).await;
        assert_eq!(code, "22023", "{columns}: {message}");
    }
    for sql in [
        "SELECT gotrs_apply_managed_table(NULL, '[]')",
        "SELECT gotrs_apply_managed_table('m', NULL)",
    ] {
        assert_eq!(refusal(&mut runtime, sql).await, "22023");
    }
    let tables: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_class WHERE relname LIKE 'x\\_%' AND relnamespace = $1::regnamespace")
        .bind(tenant.names.schema.as_str())
        .fetch_one(&mut runtime)
        .await?;
    assert_eq!(tables, 0);
    assert_eq!(server.tenants.verify(tenant.id).await?, []);
    server.stop(&[&tenant]).await
}

/// A caller cannot smuggle in tables or operators of its own: the function's search path is pinned.
#[tokio::test]
async fn the_callers_search_path_does_not_matter() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (tenant, other) = (server.provision().await?, server.provision().await?);
    let mut runtime = server.runtime(&tenant).await?;
    let call = format!(
        "SET search_path = {}, public; SELECT {}.gotrs_apply_managed_table('laptop', '[]')",
        other.names.schema, tenant.names.schema
    );
    run(&mut runtime, &call).await?;
    let place: String = sqlx::query_scalar(
        "SELECT relnamespace::regnamespace::text FROM pg_class WHERE relname = 'x_laptop'",
    )
    .fetch_one(&mut runtime)
    .await?;
    assert_eq!(place, tenant.names.schema.as_str());
    server.stop(&[&tenant, &other]).await
}

#[tokio::test]
async fn replicas_that_apply_at_the_same_time_agree() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let columns = json!([{"name": "serial", "type": "text", "required": true}, {"name": "pin", "type": "text", "secret": true}]);
    let (mut a, mut b, mut c) = (
        server.runtime(&tenant).await?,
        server.runtime(&tenant).await?,
        server.runtime(&tenant).await?,
    );
    let (x, y, z) = tokio::join!(
        apply(&mut a, "laptop", &columns),
        apply(&mut b, "laptop", &columns),
        apply(&mut c, "laptop", &columns)
    );
    let created = [x?, y?, z?]
        .iter()
        .filter(|answer| answer["created"] == json!(true))
        .count();
    assert_eq!(created, 1);
    assert_eq!(server.tenants.verify(tenant.id).await?, []);
    server.stop(&[&tenant]).await
}

/// Not managed tables, but the same need: `calendar` has a column that only the database may fill.
#[tokio::test]
async fn a_calendar_gets_its_salt_from_the_database() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut runtime = server.runtime(&tenant).await?;
    for (name, salt) in [("ours", "NULL"), ("imported", "'kept'")] {
        let sql = format!(
            "INSERT INTO calendar (group_id, name, salt_string, color, valid_id, create_time, create_by, change_time, change_by)
             VALUES (1, '{name}', {salt}, '#000000', 1, now(), 1, now(), 1)"
        );
        run(&mut runtime, &sql).await?;
    }
    let salts: Vec<String> = sqlx::query_scalar("SELECT salt_string FROM calendar ORDER BY id")
        .fetch_all(&mut runtime)
        .await?;
    assert_eq!(salts[0].len(), 64);
    assert_eq!(salts[1], "kept");
    server.stop(&[&tenant]).await
}
