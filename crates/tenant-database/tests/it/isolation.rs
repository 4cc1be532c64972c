//! What the credentials of tenant A get of tenant B: nothing.

use std::time::Duration;

use sqlx::{Connection as _, PgConnection};

use crate::server::{Server, Tenant, refusal, run};

/// `insufficient_privilege`
const DENIED: &str = "42501";
/// `undefined_table`: what the search path does not lead to does not exist
const UNKNOWN: &str = "42P01";

async fn two_tenants() -> anyhow::Result<(Server, Tenant, Tenant)> {
    let server = Server::start().await?;
    let (a, b) = (server.provision().await?, server.provision().await?);
    // Something of B that must not be seen.
    let mut connection = server.runtime(&b).await?;
    run(
        &mut connection,
        "UPDATE ticket SET title = 'secret of B';
         SELECT gotrs_apply_managed_table('safe', '[{\"name\": \"combination\", \"type\": \"text\"}]')",
    )
    .await?;
    Ok((server, a, b))
}

#[tokio::test]
async fn nothing_in_the_other_schema_can_be_read_written_locked_called_or_created()
-> anyhow::Result<()> {
    let (server, a, b) = two_tenants().await?;
    let other = &b.names.schema;
    let statements = [
        format!("SELECT * FROM {other}.ticket"),
        format!("SELECT count(*) FROM {other}.users"),
        format!("SELECT * FROM {other}.groups"),
        format!("SELECT * FROM {other}.x_safe"),
        format!("SELECT * FROM {other}.gotrs_credential"),
        format!("SELECT nextval('{other}.ticket_id_seq')"),
        format!("SELECT last_value FROM {other}.ticket_id_seq"),
        format!("INSERT INTO {other}.valid VALUES (9, 'x', now(), 1, now(), 1)"),
        format!("UPDATE {other}.ticket SET title = 'x'"),
        format!("DELETE FROM {other}.ticket_history"),
        format!("TRUNCATE {other}.sessions"),
        format!("BEGIN; LOCK TABLE {other}.ticket IN ACCESS SHARE MODE"),
        format!("BEGIN; LOCK TABLE {other}.ticket IN ACCESS EXCLUSIVE MODE"),
        format!("COPY {other}.ticket TO STDOUT"),
        format!("SELECT {other}.gotrs_apply_managed_table('x', '[]')"),
        format!("CREATE TABLE {other}.mine (id integer)"),
        format!("CREATE FUNCTION {other}.mine() RETURNS integer LANGUAGE sql RETURN 1"),
        format!("DROP TABLE {other}.x_safe"),
        format!("DROP SCHEMA {other} CASCADE"),
        format!("ALTER TABLE {other}.ticket ADD COLUMN x integer"),
        format!("GRANT SELECT ON {other}.ticket TO {}", a.names.runtime),
        format!("COMMENT ON TABLE {other}.ticket IS 'x'"),
    ];
    for connection in [
        &mut server.runtime(&a).await?,
        &mut server.lambda(&a).await?,
    ] {
        run(connection, "SET default_transaction_read_only = off").await?;
        for sql in &statements {
            assert_eq!(refusal(connection, sql).await, DENIED, "{sql}");
        }
    }
    // Nor does a search path lead there.
    let mut connection = server.runtime(&a).await?;
    run(&mut connection, &format!("SET search_path = {other}")).await?;
    assert_eq!(
        refusal(&mut connection, "SELECT * FROM ticket").await,
        UNKNOWN
    );
    server.stop(&[&a, &b]).await
}

#[tokio::test]
async fn nobody_fills_the_disk_of_all_with_temporary_files() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    for (mut connection, limit) in [
        (server.runtime(&tenant).await?, "1GB"),
        (server.lambda(&tenant).await?, "64MB"),
    ] {
        let value: String = sqlx::query_scalar("SHOW temp_file_limit")
            .fetch_one(&mut connection)
            .await?;
        assert_eq!(value, limit);
        for sql in [
            "SET temp_file_limit = -1",
            "ALTER ROLE CURRENT_USER SET temp_file_limit = -1",
        ] {
            let refused = refusal(&mut connection, sql).await;
            // Lambdas' transactions only read, which is said first.
            assert!([DENIED, "25006"].contains(&&*refused), "{sql}: {refused}");
        }
    }
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn a_transaction_that_outlives_its_limits_is_ended_and_no_other() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut old = server.runtime(&tenant).await?;
    // What keeps it short can be lifted by whoever has the role.
    run(
        &mut old,
        "SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; BEGIN; SELECT * FROM ticket",
    )
    .await?;
    let mut idle = server.runtime(&tenant).await?;
    let mut own = server.superuser().await?;
    run(&mut own, "BEGIN; SELECT 1").await?;
    let database = &server.tenants;
    let ended = database
        .end_old_transactions(Duration::from_mins(10))
        .await?;
    assert_eq!(ended, 0, "none is that old");
    tokio::time::sleep(Duration::from_millis(20)).await;
    let ended = database
        .end_old_transactions(Duration::from_millis(10))
        .await?;
    assert_eq!(ended, 1);
    assert!(old.ping().await.is_err(), "its connection is closed");
    idle.ping().await?;
    run(&mut own, "COMMIT").await?;
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn nobody_becomes_the_other_tenant_its_owner_or_a_superuser() -> anyhow::Result<()> {
    let (server, a, b) = two_tenants().await?;
    for connection in [
        &mut server.runtime(&a).await?,
        &mut server.lambda(&a).await?,
    ] {
        run(connection, "SET default_transaction_read_only = off").await?;
        for role in [
            b.names.owner.to_string(),
            b.names.runtime.to_string(),
            b.names.lambda.to_string(),
            a.names.owner.to_string(),
            "postgres".to_owned(),
            "gotrs_owner".to_owned(),
        ] {
            for sql in [
                format!("SET ROLE {role}"),
                format!("SET SESSION AUTHORIZATION {role}"),
                format!("GRANT {role} TO CURRENT_USER"),
            ] {
                assert_eq!(refusal(connection, &sql).await, DENIED, "{sql}");
            }
        }
        for sql in [
            format!("ALTER ROLE {} PASSWORD 'x'", b.names.runtime),
            format!("ALTER ROLE {} SET search_path = x", b.names.runtime),
            "ALTER ROLE CURRENT_USER CONNECTION LIMIT -1".to_owned(),
            "ALTER ROLE CURRENT_USER SUPERUSER".to_owned(),
            "CREATE ROLE mine".to_owned(),
            "SELECT rolpassword FROM pg_authid".to_owned(),
        ] {
            assert_eq!(refusal(connection, &sql).await, DENIED, "{sql}");
        }
    }
    // A's password opens no door of B's, in either direction, and the owner has no door.
    for role in [
        &b.names.owner,
        &b.names.runtime,
        &b.names.lambda,
        &a.names.owner,
    ] {
        for password in [&a.credentials.runtime, &a.credentials.lambda] {
            use secrecy::ExposeSecret as _;
            let options = server
                .test
                .options()
                .username(role.as_str())
                .password(password.expose_secret());
            let refused = PgConnection::connect_with(&options).await.unwrap_err();
            let code = refused
                .as_database_error()
                .unwrap()
                .code()
                .unwrap()
                .into_owned();
            assert!(
                ["28P01", "28000"].contains(&code.as_str()),
                "{code}: {refused}"
            );
        }
    }
    server.stop(&[&a, &b]).await
}

#[tokio::test]
async fn nothing_is_seen_of_the_other_tenant_where_rights_decide_what_is_listed()
-> anyhow::Result<()> {
    let (server, a, b) = two_tenants().await?;
    let _other = server.runtime(&b).await?;
    for connection in [
        &mut server.runtime(&a).await?,
        &mut server.lambda(&a).await?,
    ] {
        for query in [
            "SELECT count(*) FROM information_schema.tables WHERE table_schema = $1",
            "SELECT count(*) FROM information_schema.columns WHERE table_schema = $1",
            "SELECT count(*) FROM information_schema.sequences WHERE sequence_schema = $1",
            "SELECT count(*) FROM information_schema.table_privileges WHERE table_schema = $1",
            "SELECT count(*) FROM information_schema.routine_privileges WHERE routine_schema = $1",
            "SELECT count(*) FROM information_schema.schemata WHERE schema_name = $1",
            "SELECT count(*) FROM pg_stats WHERE schemaname = $1",
        ] {
            let seen: i64 = sqlx::query_scalar(query)
                .bind(b.names.schema.as_str())
                .fetch_one(&mut *connection)
                .await?;
            assert_eq!(seen, 0, "{query}");
        }
        for sql in [
            "SELECT * FROM pg_stat_activity",
            "SELECT * FROM pg_stat_user_tables",
            "SELECT * FROM pg_stat_all_tables",
            "SELECT * FROM pg_statio_all_tables",
            "SELECT * FROM pg_locks",
            "SELECT * FROM pg_stat_get_activity(NULL)",
            "SELECT * FROM pg_statistic",
        ] {
            assert_eq!(refusal(connection, sql).await, DENIED, "{sql}");
        }
    }
    server.stop(&[&a, &b]).await
}

#[tokio::test]
async fn nothing_outside_the_own_schema_can_be_made_and_nobody_else_be_disturbed()
-> anyhow::Result<()> {
    let (server, a, b) = two_tenants().await?;
    let mut other = server.runtime(&b).await?;
    let pid: i32 = sqlx::query_scalar("SELECT pg_backend_pid()")
        .fetch_one(&mut other)
        .await?;
    for connection in [
        &mut server.runtime(&a).await?,
        &mut server.lambda(&a).await?,
    ] {
        run(connection, "SET default_transaction_read_only = off").await?;
        for sql in [
            "CREATE TABLE public.mine (id integer)".to_owned(),
            "CREATE TABLE mine (id integer)".to_owned(),
            "CREATE VIEW mine AS SELECT 1".to_owned(),
            "CREATE TEMPORARY TABLE mine (id integer)".to_owned(),
            "CREATE SCHEMA mine".to_owned(),
            "CREATE EXTENSION dblink".to_owned(),
            "DO $$ BEGIN END $$".to_owned(),
            "SELECT pg_notify('channel', 'text')".to_owned(),
            "SELECT pg_advisory_lock(1)".to_owned(),
            "SELECT pg_advisory_xact_lock(1)".to_owned(),
            "SELECT pg_sleep(0)".to_owned(),
            "SELECT lo_create(0)".to_owned(),
            "SELECT lo_from_bytea(0, 'x')".to_owned(),
            "SELECT pg_read_file('PG_VERSION')".to_owned(),
            "SELECT pg_ls_dir('.')".to_owned(),
            "COPY valid TO PROGRAM 'cat'".to_owned(),
            "COPY valid TO '/tmp/x'".to_owned(),
            format!("SELECT pg_terminate_backend({pid})"),
            format!("SELECT pg_cancel_backend({pid})"),
        ] {
            assert_eq!(refusal(connection, &sql).await, DENIED, "{sql}");
        }
    }
    other.ping().await?;
    server.stop(&[&a, &b]).await
}

#[tokio::test]
async fn each_tenant_reads_and_writes_its_own_rows() -> anyhow::Result<()> {
    let (server, a, b) = two_tenants().await?;
    for (tenant, title) in [(&a, "Welcome"), (&b, "secret of B")] {
        for connection in [
            &mut server.runtime(tenant).await?,
            &mut server.lambda(tenant).await?,
        ] {
            let found: String = sqlx::query_scalar("SELECT title FROM ticket WHERE id = 1")
                .fetch_one(connection)
                .await?;
            assert_eq!(found, title);
        }
    }
    let mut connection = server.runtime(&a).await?;
    run(
        &mut connection,
        "BEGIN;
         INSERT INTO ticket_type (name, valid_id, create_time, create_by, change_time, change_by)
             VALUES ('incident', 1, localtimestamp, 1, localtimestamp, 1);
         UPDATE ticket SET type_id = (SELECT id FROM ticket_type WHERE name = 'incident');
         DELETE FROM ticket_history;
         INSERT INTO gotrs_signing_key VALUES (gen_random_uuid(), 'HS256', '\\x00', clock_timestamp());
         COMMIT",
    )
    .await?;
    for sql in [
        "DELETE FROM gotrs_schema_migration",
        "DELETE FROM gotrs_managed_table",
        "UPDATE gotrs_managed_column SET secret = false",
        "TRUNCATE ticket",
        "ALTER TABLE ticket ADD COLUMN x integer",
        "SELECT gotrs_managed_table_settle('valid', 'postgres')",
    ] {
        assert_eq!(refusal(&mut connection, sql).await, DENIED, "{sql}");
    }
    server.stop(&[&a, &b]).await
}
