//! Killed at any point, or run twice at once: the end is the same.

use std::convert::Infallible;
use std::time::Duration;

use sqlx::{PgConnection, PgPool};
use tenant_database::{MigrateError, RoleLimits};

use crate::server::{Server, Tenant, newest_migration, run, seed};

/// Everything that the catalogue and the first rows say of a schema, without what differs from one to the next by nature.
async fn fingerprint(connection: &mut PgConnection, tenant: &Tenant) -> anyhow::Result<String> {
    run(
        connection,
        &format!("SET search_path = {}", tenant.names.schema),
    )
    .await?;
    let text: String = sqlx::query_scalar(
        "SELECT md5(string_agg(line, E'\\n' ORDER BY line)) FROM (
             SELECT replace(concat_ws(' ', c.relname, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod),
                                      a.attnotnull, pg_get_expr(d.adbin, d.adrelid), c.relacl, a.attacl),
                            $1, 'T') AS line
             FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
             LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
             WHERE c.relnamespace = $1::regnamespace
             UNION ALL
             SELECT concat_ws(' ', conname, pg_get_constraintdef(oid)) FROM pg_constraint WHERE connamespace = $1::regnamespace
             UNION ALL
             SELECT replace(concat_ws(' ', proname, proconfig, proacl), $1, 'T') FROM pg_proc WHERE pronamespace = $1::regnamespace
             UNION ALL
             SELECT concat_ws(' ', 'migration', version, encode(checksum, 'hex')) FROM gotrs_schema_migration
             UNION ALL
             SELECT concat_ws(' ', 'rows', (SELECT count(*) FROM valid), (SELECT count(*) FROM users),
                              (SELECT count(*) FROM notification_event_item), (SELECT count(*) FROM gotrs_credential),
                              (SELECT last_value FROM queue_id_seq))
         ) AS lines",
    )
    .bind(tenant.names.schema.as_str())
    .fetch_one(connection)
    .await?;
    Ok(text)
}

#[tokio::test]
async fn stopping_after_any_migration_and_going_on_gives_the_same_schema() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let whole = server.provision().await?;
    let mut connection = server.superuser().await?;
    let expected = fingerprint(&mut connection, &whole).await?;
    let stepwise = Tenant::new();
    server.tenants.ensure_schema(stepwise.id).await?;
    server
        .tenants
        .ensure_roles(stepwise.id, &stepwise.credentials, &RoleLimits::default())
        .await?;
    for last in 1..=newest_migration() {
        let report = server.tenants.migrate_to(stepwise.id, last).await?;
        assert_eq!(report.applied, [last]);
        assert_eq!(report.version, last);
    }
    server
        .tenants
        .ensure_administrator(stepwise.id, &seed())
        .await?;
    assert_eq!(fingerprint(&mut connection, &stepwise).await?, expected);
    assert_eq!(server.tenants.verify(stepwise.id).await?, []);
    server.stop(&[&whole, &stepwise]).await
}

/// After `delay`, ends the first of our connections that is seen to have written something; then waits for ever.
async fn kill_one_writer(pool: PgPool, delay: Duration) -> anyhow::Result<Infallible> {
    tokio::time::sleep(delay).await;
    loop {
        let killed: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = 'gotrs-tenant-database' AND datname = current_database()
               AND backend_xid IS NOT NULL",
        )
        .fetch_one(&pool)
        .await?;
        if killed > 0 {
            return std::future::pending().await;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn connections_killed_at_any_moment_leave_what_the_next_run_completes() -> anyhow::Result<()>
{
    let server = Server::start().await?;
    let whole = server.provision().await?;
    let mut connection = server.superuser().await?;
    let expected = fingerprint(&mut connection, &whole).await?;
    let killers = server.test.pool().await?;
    let victim = Tenant::new();
    let mut killed = 0;
    let mut delay = Duration::ZERO;
    for turn in 0.. {
        assert!(turn < 100, "never came through after being interrupted");
        let result = tokio::select! {
            result = server.provision_again(&victim) => result,
            error = kill_one_writer(killers.clone(), delay) => anyhow::bail!("killing: {error:?}"),
        };
        match result {
            Ok(()) if killed >= 3 => break,
            // The kill came between two steps and hurt nothing: from the beginning, a little later.
            Ok(()) => server.tenants.drop_tenant(victim.id).await?,
            Err(_) => killed += 1,
        }
        // Dense at first, then wider: some twenty moments over the whole run.
        delay = delay * 5 / 4 + Duration::from_millis(8);
    }
    killers.close().await;
    server.provision_again(&victim).await?;
    assert_eq!(fingerprint(&mut connection, &victim).await?, expected);
    assert_eq!(server.tenants.verify(victim.id).await?, []);
    server.stop(&[&whole, &victim]).await
}

#[tokio::test]
async fn a_failing_migration_leaves_nothing_of_itself() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = Tenant::new();
    server.tenants.ensure_schema(tenant.id).await?;
    server.tenants.migrate_to(tenant.id, 4).await?;
    let mut connection = server.superuser().await?;
    let schema = &tenant.names.schema;
    // The last table of the fifth migration is in its way.
    run(
        &mut connection,
        &format!("CREATE TABLE {schema}.mention (id integer)"),
    )
    .await?;
    let error = server.tenants.migrate(tenant.id).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "migration 5 (tickets) failed; nothing of it was applied"
    );
    let tickets: bool = sqlx::query_scalar("SELECT to_regclass($1 || '.ticket') IS NOT NULL")
        .bind(schema.as_str())
        .fetch_one(&mut connection)
        .await?;
    assert!(!tickets);
    run(&mut connection, &format!("DROP TABLE {schema}.mention")).await?;
    let report = server.tenants.migrate(tenant.id).await?;
    assert_eq!(
        report.applied,
        (5..=newest_migration()).collect::<Vec<i64>>()
    );
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn a_migration_that_was_only_disturbed_has_not_failed() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = Tenant::new();
    server.tenants.ensure_schema(tenant.id).await?;
    server.tenants.migrate_to(tenant.id, 4).await?;
    // Somebody holds what the fifth one refers to, and its connection is ended while it waits.
    let mut holder = server.superuser().await?;
    let held = format!("BEGIN; LOCK TABLE {}.users", tenant.names.schema);
    run(&mut holder, &held).await?;
    let killers = server.test.pool().await?;
    let error = tokio::select! {
        result = server.tenants.migrate(tenant.id) => result.unwrap_err(),
        ended = kill_one_waiter(killers.clone()) => anyhow::bail!("killing: {ended:?}"),
    };
    assert!(matches!(error, MigrateError::Database(_)), "{error:?}");
    killers.close().await;
    run(&mut holder, "ROLLBACK").await?;
    let report = server.tenants.migrate(tenant.id).await?;
    assert_eq!(report.version, newest_migration());
    server.stop(&[&tenant]).await
}

/// Ends our connections that wait for a lock; then waits for ever.
async fn kill_one_waiter(pool: PgPool) -> anyhow::Result<Infallible> {
    loop {
        let killed: i64 = sqlx::query_scalar(
            "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
             WHERE application_name = 'gotrs-tenant-database' AND datname = current_database()
               AND wait_event_type = 'Lock'",
        )
        .fetch_one(&pool)
        .await?;
        if killed > 0 {
            std::future::pending::<()>().await;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn two_who_provision_the_same_tenant_at_once_both_succeed() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let whole = server.provision().await?;
    let tenant = Tenant::new();
    let (one, other, third) = tokio::join!(
        server.provision_again(&tenant),
        server.provision_again(&tenant),
        server.provision_again(&tenant)
    );
    one?;
    other?;
    third?;
    let mut connection = server.superuser().await?;
    let expected = fingerprint(&mut connection, &whole).await?;
    assert_eq!(fingerprint(&mut connection, &tenant).await?, expected);
    server.stop(&[&whole, &tenant]).await
}

#[tokio::test]
async fn several_tenants_can_be_made_and_dropped_at_once() -> anyhow::Result<()> {
    let server = Server::start_unprepared().await?;
    let (one, other) = tokio::join!(
        server.tenants.prepare_server(),
        server.tenants.prepare_server()
    );
    one?;
    other?;
    let (a, b, c) = tokio::join!(server.provision(), server.provision(), server.provision());
    let (a, b, c) = (a?, b?, c?);
    let (x, y, z) = tokio::join!(
        server.tenants.drop_tenant(a.id),
        server.tenants.drop_tenant(b.id),
        server.tenants.verify(c.id)
    );
    x?;
    y?;
    assert_eq!(z?, []);
    server.stop(&[&c]).await
}

#[tokio::test]
async fn a_schema_that_is_not_ours_is_left_alone() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = Tenant::new();
    let mut connection = server.superuser().await?;
    run(
        &mut connection,
        &format!("CREATE SCHEMA {}", tenant.names.schema),
    )
    .await?;
    let error = server.tenants.ensure_schema(tenant.id).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("belongs to postgres, not to its tenant"),
        "{error}"
    );
    server.stop(&[&tenant]).await
}
