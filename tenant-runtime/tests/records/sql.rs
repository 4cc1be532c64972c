//! SQL of module authors against each wall alone: the gate, the lambda role, and the connection that others get next.

#![expect(
    clippy::disallowed_types,
    reason = "hostile statements are put together here, on databases made for it"
)]

mod walls;

use std::borrow::Cow;
use std::time::Duration;

use domain::id::TenantId;
use futures_util::TryStreamExt as _;
use secrecy::ExposeSecret as _;
use sqlx::{
    AssertSqlSafe, Connection as _, Executor as _, PgConnection, PgPool, Row as _, ValueRef as _,
};
use tenant_database::{AdministratorSeed, Credentials, RoleLimits, TenantDatabase, TenantNames};
use tenant_runtime::app::lambda_pool;
use tenant_runtime::data::readable;
use test_kit::postgres::TestDatabase;

use crate::harness::TestApp;

/// In everything that is secret; no answer may have it in it.
const SECRET: &str = "SECRET-4711";

struct Case {
    passes: bool,
    server: &'static str,
    sql: &'static str,
}

/// The statements of `statements.txt`.
fn cases() -> Vec<Case> {
    let cases: Vec<Case> = include_str!("sql/statements.txt")
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let mut parts = line.splitn(3, " | ");
            let mut part = || parts.next().unwrap_or_else(|| panic!("too short: {line}"));
            let passes = match part() {
                "passes" => true,
                "refused" => false,
                other => panic!("{other} is no word of the gate: {line}"),
            };
            Case {
                passes,
                server: part(),
                sql: part(),
            }
        })
        .collect();
    assert!(cases.len() >= 100);
    cases
}

/// With what stands in braces put in.
fn written_out(sql: &str, own: &str, other: &str) -> String {
    let mut text = String::new();
    let mut rest = sql;
    while let Some((before, behind)) = rest.split_once('{') {
        let (name, behind) = behind.split_once('}').unwrap();
        text.push_str(before);
        text.push_str(&match name {
            "own" => Cow::from(own),
            "other" => Cow::from(other),
            "LF" => Cow::from("\n"),
            "CR" => Cow::from("\r"),
            "TAB" => Cow::from("\t"),
            "NBSP" => Cow::from("\u{a0}"),
            "BOM" => Cow::from("\u{feff}"),
            "NUL" => Cow::from("\0"),
            repeated => {
                let (part, times) = repeated.rsplit_once('*').unwrap();
                Cow::from(part.repeat(times.parse().unwrap()))
            }
        });
        rest = behind;
    }
    text + rest
}

fn shortened(sql: &str) -> String {
    sql.chars().take(120).collect()
}

/// With what the lambda role may really see.
#[tokio::test]
async fn the_gate_alone_refuses_everything_but_plain_reading() -> anyhow::Result<()> {
    let database = TestDatabase::create().await?;
    let server = TenantDatabase::connect(&database.url().into()).await?;
    server.prepare_server().await?;
    let own = provision(&server).await?;
    let mut lambda = PgConnection::connect(&own.lambda_url).await?;
    let readable = readable::read(&mut lambda).await?;
    lambda.close().await?;
    let mut administrator = PgConnection::connect_with(&database.options()).await?;
    administrator
        .execute(sqlx::raw_sql(AssertSqlSafe(format!(
            "SET search_path = {}",
            own.schema
        ))))
        .await?;
    // Whoever loads a module asks for the lambda role, not for itself.
    assert_eq!(readable::read(&mut administrator).await?, readable);
    administrator.close().await?;
    let users = readable.relation("users").unwrap();
    assert!(users.has_hidden && users.columns.iter().any(|column| column == "login"));
    assert!(!users.columns.iter().any(|column| column == "pw"));
    assert!(readable.relation("gotrs_credential").is_none());

    let mut wrong = Vec::new();
    for case in cases() {
        let sql = written_out(case.sql, &own.schema, "t_other");
        let answer = sql_gate::check_query(&sql, &readable);
        if answer.is_ok() != case.passes {
            wrong.push(format!("{}\n    {answer:?}", shortened(&sql)));
        }
        // What was refused as a query is none as a part of one.
        if !case.passes {
            let inside = format!("id IN ({sql})");
            if sql_gate::check_condition(&inside, "queue", &readable).is_ok() {
                wrong.push(format!("as a condition: {}", shortened(&inside)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    server.drop_tenant(own.id).await?;
    server.close().await;
    database.drop_database().await
}

/// A complete tenant, as the platform makes it.
struct Provisioned {
    id: TenantId,
    schema: String,
    lambda_url: String,
    runtime_url: String,
}

async fn provision(server: &TenantDatabase) -> anyhow::Result<Provisioned> {
    let id = TenantId::generate();
    let credentials = Credentials::generate();
    let limits = RoleLimits {
        lambda_statement_timeout: Duration::from_secs(2),
        ..RoleLimits::default()
    };
    server.ensure_schema(id).await?;
    server.ensure_roles(id, &credentials, &limits).await?;
    server.migrate(id).await?;
    let seed = AdministratorSeed {
        email: "ada@acme.example".to_owned(),
        organization: "Acme".to_owned(),
        password_hash: format!("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ${SECRET}").into(),
    };
    server.ensure_administrator(id, &seed).await?;
    Ok(Provisioned {
        id,
        schema: TenantNames::of(id).schema.as_str().to_owned(),
        lambda_url: server
            .lambda_url(id, &credentials)
            .expose_secret()
            .to_owned(),
        runtime_url: server
            .runtime_url(id, &credentials)
            .expose_secret()
            .to_owned(),
    })
}

/// Runs statements that a test put together; the SQLSTATE of the first refusal, or `rows` or `none`.
async fn outcome(connection: &mut PgConnection, sql: &str) -> String {
    let mut rows = sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).fetch(connection);
    let mut word = "none";
    loop {
        match rows.try_next().await {
            Ok(None) => return word.to_owned(),
            Ok(Some(row)) => {
                word = "rows";
                for at in 0..row.len() {
                    let value = row.try_get_raw(at).unwrap();
                    let text = if value.is_null() {
                        Cow::from("")
                    } else {
                        String::from_utf8_lossy(value.as_bytes().unwrap())
                    };
                    let hex = hex::encode(SECRET);
                    assert!(
                        !text.contains(SECRET) && !text.contains(&hex),
                        "{sql} leaked {text}"
                    );
                }
            }
            Err(sqlx::Error::Database(error)) => return error.code().unwrap().into_owned(),
            Err(error) => panic!("{sql}: {error}"),
        }
    }
}

/// Everything in the schemas, and what else could have been made, as one text.
async fn everything(
    administrator: &mut PgConnection,
    schemas: &[&str],
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar(
        "SELECT format('%s.%s %s', n.nspname, c.relname, query_to_xml(format(
             'SELECT count(*) AS n, md5(string_agg(t::text, '','' ORDER BY t::text)) AS d FROM %I.%I t', n.nspname, c.relname),
             true, false, '')::text)
         FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
         WHERE n.nspname = ANY ($1) AND c.relkind = 'r'
         UNION ALL SELECT format('%s.%s %s', schemaname, sequencename, last_value) FROM pg_sequences WHERE schemaname = ANY ($1)
         UNION ALL SELECT format('classes %s', count(*)) FROM pg_class WHERE relnamespace::regnamespace::text NOT LIKE 'pg_t%'
         UNION ALL SELECT format('functions %s', count(*)) FROM pg_proc
         UNION ALL SELECT format('large objects %s', count(*)) FROM pg_largeobject_metadata
         UNION ALL SELECT format('settings %s', count(*)) FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole
             WHERE r.rolname LIKE ANY (SELECT a || '%' FROM unnest($1) a)
         ORDER BY 1",
    )
    .bind(schemas)
    .fetch_all(administrator)
    .await
}

const BACKEND: &str = "SELECT pg_backend_pid()";

/// How many session locks a connection holds. Asked by a superuser, for the lambda role may not look.
async fn session_locks(observer: &mut PgConnection, backend: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar("SELECT count(*) FROM pg_locks WHERE pid = $1 AND locktype = 'advisory'")
        .bind(backend)
        .persistent(false)
        .fetch_one(observer)
        .await
}

/// What a connection carries along: its role, settings, statements, cursors.
async fn carried(connection: &mut PgConnection) -> sqlx::Result<String> {
    sqlx::query_scalar(
        "SELECT concat_ws('; ', current_user,
             (SELECT string_agg(name || '=' || setting, ',') FROM pg_settings WHERE source = 'session'),
             (SELECT string_agg('statement ' || name, ',') FROM pg_prepared_statements WHERE from_sql),
             (SELECT string_agg('cursor ' || name, ',') FROM pg_cursors WHERE is_holdable))",
    )
    .persistent(false)
    .fetch_one(connection)
    .await
}

#[tokio::test]
async fn the_lambda_role_alone_writes_nothing_and_reads_no_secret() -> anyhow::Result<()> {
    let database = TestDatabase::create().await?;
    let server = TenantDatabase::connect(&database.url().into()).await?;
    server.prepare_server().await?;
    let (own, other) = (provision(&server).await?, provision(&server).await?);
    let mut administrator = PgConnection::connect_with(&database.options()).await?;
    for (schema, whose) in [(&own.schema, "own"), (&other.schema, "other")] {
        let mut secrets = format!(
            "SET search_path = {schema};
             UPDATE users SET pw = '{SECRET}';
             INSERT INTO gotrs_signing_key (id, algorithm, secret, created_at)
                 VALUES (gen_random_uuid(), 'HS256', '{SECRET}', now());
             INSERT INTO gotrs_session (id, subject_kind, subject_id, login, created_at, expires_at, last_used_at, user_agent)
                 VALUES (gen_random_uuid(), 'agent', 1, 'ada', now(), now(), now(), '{SECRET}');"
        );
        if whose == "other" {
            secrets.push_str(&format!("UPDATE ticket SET title = '{SECRET}';"));
        }
        // Statistics hold values of columns, too.
        secrets.push_str("ANALYZE users; RESET search_path");
        administrator
            .execute(sqlx::raw_sql(AssertSqlSafe(secrets)))
            .await?;
    }
    let schemas = [own.schema.as_str(), other.schema.as_str()];
    let before = everything(&mut administrator, &schemas).await?;
    assert!(before.len() > 150, "{}", before.len());

    let mut lambda = PgConnection::connect(&own.lambda_url).await?;
    let backend: i32 = sqlx::query_scalar(BACKEND).fetch_one(&mut lambda).await?;
    let clean = carried(&mut lambda).await?;
    let mut wrong = Vec::new();
    for case in cases() {
        let sql = written_out(case.sql, &own.schema, &other.schema);
        // The protocol itself ends a text at this character.
        if sql.contains('\0') {
            continue;
        }
        assert_eq!(outcome(&mut lambda, "BEGIN READ ONLY").await, "none");
        let found = outcome(&mut lambda, &sql).await;
        outcome(&mut lambda, "ROLLBACK").await;
        assert_eq!(outcome(&mut lambda, "DISCARD ALL").await, "none", "{sql}");
        if !case.server.split('/').any(|expected| expected == found) {
            wrong.push(format!(
                "{found} instead of {}: {}",
                case.server,
                shortened(&sql)
            ));
        }
        let left = carried(&mut lambda).await?;
        if left != clean || session_locks(&mut administrator, backend).await? != 0 {
            wrong.push(format!("left {left}: {}", shortened(&sql)));
        }
        // The protocol that lambdas use takes one statement only.
        if sql.trim_end_matches(';').contains("; ") && !sql.contains("$$") {
            let several = sqlx::query(AssertSqlSafe(sql.clone()))
                .persistent(false)
                .execute(&mut lambda)
                .await;
            let code = several
                .err()
                .and_then(|error| Some(error.as_database_error()?.code()?.into_owned()));
            let harmless = found == "rows" || case.passes;
            if code.as_deref() != Some("42601") && !harmless {
                wrong.push(format!("several at once, {code:?}: {}", shortened(&sql)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(everything(&mut administrator, &schemas).await?, before);

    lambda.close().await?;
    administrator.close().await?;
    for tenant in [own, other] {
        server.drop_tenant(tenant.id).await?;
    }
    server.close().await;
    database.drop_database().await
}

/// Until what was given back is there again.
async fn until_idle(pool: &PgPool) {
    let idle = async {
        while pool.num_idle() == 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), idle)
        .await
        .expect("the connection comes back");
}

#[tokio::test]
async fn nothing_stays_on_a_connection_for_the_next_invocation() -> anyhow::Result<()> {
    let database = TestDatabase::create().await?;
    // A role that may do all of this: the reset is the only wall here.
    let pool = lambda_pool(database.options());
    let mut connection = pool.acquire().await?;
    let clean = carried(&mut connection).await?;
    let first: i32 = sqlx::query_scalar(BACKEND)
        .fetch_one(&mut *connection)
        .await?;
    drop(connection);
    for sql in [
        "SELECT set_config('statement_timeout', '0', false)",
        "SET default_transaction_read_only = off",
        "SET search_path = pg_catalog",
        "SELECT pg_advisory_lock(1)",
        "PREPARE mine AS SELECT 1",
        "DECLARE mine CURSOR WITH HOLD FOR SELECT 1",
        "SET ROLE pg_monitor",
        "LISTEN mine",
    ] {
        until_idle(&pool).await;
        let mut connection = pool.acquire().await?;
        assert_eq!(outcome(&mut connection, sql).await.len(), 4, "{sql}");
        let dirty = sql == "LISTEN mine"
            || carried(&mut connection).await? != clean
            || session_locks(&mut connection, first).await? == 1;
        assert!(dirty, "{sql} left nothing to clean");
        drop(connection);
        until_idle(&pool).await;
        let mut connection = pool.acquire().await?;
        assert_eq!(carried(&mut connection).await?, clean, "{sql}");
        assert_eq!(session_locks(&mut connection, first).await?, 0, "{sql}");
        let channels: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_listening_channels()")
            .fetch_one(&mut *connection)
            .await?;
        let prepared: i64 = sqlx::query_scalar("SELECT count(*) FROM pg_prepared_statements")
            .persistent(false)
            .fetch_one(&mut *connection)
            .await?;
        // The one that counted the channels.
        assert_eq!((channels, prepared), (0, 1), "{sql}");
        let again: i32 = sqlx::query_scalar(BACKEND)
            .fetch_one(&mut *connection)
            .await?;
        assert_eq!(again, first, "the pool has one connection");
        drop(connection);
    }
    // Given up in the middle of a transaction, and of an answer.
    until_idle(&pool).await;
    let mut transaction = pool.begin_with("BEGIN READ ONLY").await?;
    {
        let mut rows = sqlx::query("SELECT generate_series(1, 100000), pg_advisory_lock(7)")
            .fetch(&mut *transaction);
        rows.try_next().await?.expect("a row");
    }
    drop(transaction);
    until_idle(&pool).await;
    let mut connection = pool.acquire().await?;
    assert_eq!(carried(&mut connection).await?, clean);
    assert_eq!(session_locks(&mut connection, first).await?, 0);
    drop(connection);
    pool.close().await;
    database.drop_database().await
}

#[tokio::test]
async fn choices_are_read_in_a_transaction_that_only_reads_and_ends() {
    let test = TestApp::start().await;
    let mut transaction = test.app.read_as_lambda().await.unwrap();
    let timeout: String = sqlx::query_scalar("SHOW statement_timeout")
        .fetch_one(&mut *transaction)
        .await
        .unwrap();
    assert_eq!(timeout, "5s");
    assert_eq!(
        outcome(&mut transaction, "UPDATE users SET login = 'x'").await,
        "25006"
    );
    drop(transaction);
    test.stop().await;
}

const PROBE: &str = "\
module: {name: probe, singular: Probe, plural: Probes, storage: managed}
fields:
  - {name: title, type: string, required: true}
computed_fields:
  - name: answers
    lambda: |
      const ask = (sql) => {
        try { return String(db.queryRow(sql).n); } catch (error) { return 'refused'; }
      };
      return [
        ask('SELECT count(*) AS n FROM x_probe'),
        ask('SELECT pg_advisory_lock(1) AS n'),
        ask(\"SELECT set_config('statement_timeout', '0', false) AS n\"),
        ask('SELECT 1 AS n; SET statement_timeout = 0'),
        ask('SELECT 1 / 0 AS n'),
        ask('SELECT 7 AS n'),
      ].join(' ');
";

#[tokio::test]
async fn a_lambda_goes_on_after_a_refusal_and_leaves_nothing() {
    let test = TestApp::start().await;
    test.publish(&[PROBE]).await;
    let (token, _) = test.tokens("ann").await;
    let list = "/api/v1/modules/probe/records";
    let body = serde_json::json!({"title": "a"});
    let made = test
        .json(http::Method::POST, list, Some(&token), body)
        .await
        .value();
    assert_eq!(
        made["data"]["answers"], "1 refused refused refused refused 7",
        "{made}"
    );
    let pool = &test.app.lambda_database;
    until_idle(pool).await;
    let mut connection = pool.acquire().await.unwrap();
    let fresh = lambda_pool((*pool.connect_options()).clone());
    let mut unused = fresh.acquire().await.unwrap();
    assert_eq!(
        carried(&mut connection).await.unwrap(),
        carried(&mut unused).await.unwrap()
    );
    let backend: i32 = sqlx::query_scalar(BACKEND)
        .fetch_one(&mut *connection)
        .await
        .unwrap();
    assert_eq!(session_locks(&mut connection, backend).await.unwrap(), 0);
    drop((connection, unused));
    fresh.close().await;
    test.stop().await;
}
