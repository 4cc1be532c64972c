//! A leader that lost its office cannot write, however late it wakes up.

use std::time::Duration;

use tenant_database::{DatabaseError, RoleLimits, SchemaError};

use crate::server::{Server, Tenant, refusal, run, seed};

#[tokio::test]
async fn only_the_newest_epoch_writes() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = Tenant::new();
    let (first, first_epoch) = server.tenants.take_over().await?;
    first.ensure_schema(tenant.id).await?;
    let (second, second_epoch) = server.tenants.take_over().await?;
    assert!(second_epoch > first_epoch);

    let refused = first.ensure_schema(Tenant::new().id).await.unwrap_err();
    let SchemaError::Database(DatabaseError::Fenced { ours, current }) = refused else {
        panic!("refused for another reason: {refused:?}");
    };
    assert_eq!((ours, current), (first_epoch, second_epoch));
    let limits = RoleLimits::default();
    let refused = first
        .ensure_roles(tenant.id, &tenant.credentials, &limits)
        .await
        .unwrap_err();
    assert_eq!(
        refused.to_string(),
        "epoch 1 is over: the tenants' database is in epoch 2 of another leader now"
    );
    assert!(first.migrate(tenant.id).await.is_err());
    assert!(
        first
            .ensure_administrator(tenant.id, &seed())
            .await
            .is_err()
    );
    assert!(first.set_login_enabled(tenant.id, false).await.is_err());
    assert!(first.drop_tenant(tenant.id).await.is_err());

    second
        .ensure_roles(tenant.id, &tenant.credentials, &limits)
        .await?;
    second.migrate(tenant.id).await?;
    second.ensure_administrator(tenant.id, &seed()).await?;
    assert_eq!(second.verify(tenant.id).await?, []);
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn a_new_epoch_waits_for_the_transactions_of_the_old_one() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = Tenant::new();
    let (first, _) = server.tenants.take_over().await?;
    first.ensure_schema(tenant.id).await?;
    // Somebody has a table of the tenant, so that the old leader waits in the middle of its transaction.
    first.migrate_to(tenant.id, 1).await?;
    let mut blocker = server.superuser().await?;
    let schema = &tenant.names.schema;
    run(
        &mut blocker,
        &format!("BEGIN; LOCK TABLE {schema}.gotrs_schema_migration"),
    )
    .await?;
    let id = tenant.id;
    let writing = tokio::spawn(async move { first.migrate(id).await });
    let mut observer = server.superuser().await?;
    loop {
        let waits: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'gotrs-tenant-database'
                            AND datname = current_database() AND wait_event_type = 'Lock')",
        )
        .fetch_one(&mut observer)
        .await?;
        if waits {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let tenants = server.tenants.clone();
    let mut taking_over = tokio::spawn(async move { tenants.take_over().await });
    assert!(
        tokio::time::timeout(Duration::from_millis(300), &mut taking_over)
            .await
            .is_err(),
        "it took over while the old leader was writing"
    );
    run(&mut blocker, "COMMIT").await?;
    let (second, _) = taking_over.await??;
    // The old one did what it had begun, and its next transaction was refused.
    let error = writing.await?.unwrap_err();
    assert!(error.to_string().starts_with("epoch 1 is over"), "{error}");
    second.migrate(id).await?;
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn a_tenants_roles_neither_see_nor_move_the_epoch() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    server.tenants.take_over().await?;
    for mut connection in [
        server.runtime(&tenant).await?,
        server.lambda(&tenant).await?,
    ] {
        for statement in [
            "SELECT * FROM gotrs_operator.fence",
            "UPDATE gotrs_operator.fence SET epoch = 99",
        ] {
            let refused = refusal(&mut connection, statement).await;
            assert!(["42501", "25006"].contains(&refused.as_str()), "{refused}");
        }
    }
    server.stop(&[&tenant]).await
}
