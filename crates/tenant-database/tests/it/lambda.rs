//! What tenant code can do with its role, should everything in front of it fail: read what is not secret.

use crate::server::{Server, refusal, run};

const DENIED: &str = "42501";
const READ_ONLY: &str = "25006";

#[tokio::test]
async fn it_reads_rows_but_no_secret() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut connection = server.lambda(&tenant).await?;
    for sql in [
        "SELECT * FROM ticket",
        "SELECT id, login, first_name, last_name FROM users",
        "SELECT id, login, email FROM customer_user",
        "SELECT id, login, host FROM mail_account",
        "SELECT user_id, preferences_key FROM user_preferences",
        "SELECT q.name, count(*) FROM queue q JOIN ticket t ON t.queue_id = q.id GROUP BY q.name",
        "SELECT a_subject FROM article_data_mime",
    ] {
        run(&mut connection, sql).await?;
    }
    for sql in [
        "SELECT * FROM users",
        "SELECT pw FROM users",
        "SELECT users FROM users",
        "SELECT to_jsonb(users) FROM users",
        "SELECT id FROM users WHERE pw = '*'",
        "SELECT id FROM users ORDER BY pw",
        "SELECT pw FROM customer_user",
        "SELECT pw FROM mail_account",
        "SELECT preferences_value FROM user_preferences",
        "SELECT preferences_value FROM customer_preferences",
        "SELECT salt_string FROM calendar",
        "SELECT * FROM sessions",
        "SELECT * FROM oauth2_token",
        "SELECT * FROM oauth2_token_config",
        "SELECT * FROM smime_keys",
        "SELECT * FROM sysconfig_modified",
        "SELECT * FROM gi_webservice_config",
        "SELECT * FROM system_data",
        "SELECT * FROM gotrs_credential",
        "SELECT * FROM gotrs_session",
        "SELECT * FROM gotrs_refresh_token",
        "SELECT * FROM gotrs_signing_key",
        "SELECT * FROM gotrs_setting",
        "SELECT * FROM gotrs_schema_migration",
        "SELECT table_to_xml('users', true, false, '')",
        "SELECT query_to_xml('SELECT 1', true, false, '')",
        "SELECT schema_to_xml(current_schema()::name, true, false, '')",
    ] {
        assert_eq!(refusal(&mut connection, sql).await, DENIED, "{sql}");
    }
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn it_writes_nothing_even_after_leaving_read_only_mode() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut connection = server.lambda(&tenant).await?;
    assert_eq!(
        refusal(&mut connection, "INSERT INTO ticket_flag SELECT").await,
        READ_ONLY
    );
    run(&mut connection, "SET default_transaction_read_only = off").await?;
    for sql in [
        "UPDATE ticket SET title = 'x'",
        "DELETE FROM ticket",
        "INSERT INTO ticket_loop_protection VALUES ('a', 'b')",
        "SELECT * FROM ticket FOR UPDATE",
        "SELECT * FROM ticket FOR KEY SHARE",
        "BEGIN; LOCK TABLE ticket IN ROW EXCLUSIVE MODE",
        "SELECT nextval('ticket_id_seq')",
        "SELECT setval('ticket_id_seq', 99)",
        "SELECT last_value FROM ticket_id_seq",
        "SELECT gotrs_apply_managed_table('mine', '[]')",
        "CREATE TABLE mine (id integer)",
        "CREATE TEMPORARY TABLE mine (id integer)",
        "SELECT 1 INTO mine",
    ] {
        assert_eq!(refusal(&mut connection, sql).await, DENIED, "{sql}");
    }
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn it_calls_nothing_that_waits_locks_signals_or_changes_settings() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut connection = server.lambda(&tenant).await?;
    for sql in [
        "SELECT pg_sleep(1)",
        "SELECT pg_sleep_for('1 s')",
        "SELECT set_config('statement_timeout', '0', false)",
        "SELECT pg_advisory_lock(1)",
        "SELECT pg_try_advisory_lock(1)",
        "SELECT pg_advisory_xact_lock_shared(1)",
        "SELECT lo_create(0)",
        "SELECT lo_get(1)",
        "SELECT pg_notify('a', 'b')",
        "SELECT pg_terminate_backend(1)",
        "SELECT pg_reload_conf()",
        "SELECT pg_export_snapshot()",
        "SELECT random()",
        "SELECT currval('ticket_id_seq')",
        "SELECT pg_logical_emit_message(false, 'a', 'b')",
    ] {
        assert_eq!(refusal(&mut connection, sql).await, DENIED, "{sql}");
    }
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn no_volatile_function_is_open_to_everybody() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let mut connection = server.superuser().await?;
    let open: Vec<String> = sqlx::query_scalar(
        "SELECT oid::regprocedure::text FROM pg_proc
         WHERE provolatile = 'v' AND has_function_privilege('public', oid, 'EXECUTE')
           AND pronamespace IN ('pg_catalog'::regnamespace, 'public'::regnamespace)",
    )
    .fetch_all(&mut connection)
    .await?;
    assert_eq!(open, Vec::<String>::new());
    server.stop(&[]).await
}

#[tokio::test]
async fn its_connections_start_with_limits_and_are_few() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut connection = server.lambda(&tenant).await?;
    for (setting, expected) in [
        ("search_path", tenant.names.schema.as_str()),
        ("default_transaction_read_only", "on"),
        ("statement_timeout", "5s"),
        ("lock_timeout", "1s"),
        ("idle_in_transaction_session_timeout", "10s"),
        ("work_mem", "4MB"),
        ("temp_file_limit", "64MB"),
        ("max_parallel_workers_per_gather", "0"),
    ] {
        let value: String = sqlx::query_scalar("SELECT current_setting($1)")
            .bind(setting)
            .fetch_one(&mut connection)
            .await?;
        assert_eq!(value.trim_matches('"'), expected, "{setting}");
    }
    assert_eq!(
        refusal(&mut connection, "SET temp_file_limit = -1").await,
        DENIED
    );
    let _second = server.lambda(&tenant).await?;
    let _third = server.lambda(&tenant).await?;
    assert!(server.lambda(&tenant).await.is_err(), "a fourth connection");
    server.stop(&[&tenant]).await
}
