//! What an operator writes down, and whether it is still so.

use secrecy::ExposeSecret as _;
use tenant_database::{Credentials, RoleLimits};
use test_kit::postgres::texts;

use crate::server::{Server, run};

#[tokio::test]
async fn a_note_is_found_again_with_the_stamp_of_now() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let (leader, _) = server.tenants.take_over().await?;
    let tenant = server.provision().await?;
    assert_eq!(leader.notes().await?, []);
    let stamp = leader.stamp(tenant.id).await?;
    leader.keep_note(tenant.id, "first").await?;
    leader.keep_note(tenant.id, "second").await?;
    let found = leader.notes().await?;
    assert_eq!(found.len(), 1);
    assert_eq!(
        (found[0].tenant, found[0].content.as_str()),
        (tenant.id, "second")
    );
    // Made by one query for all, equal to the one that was made for this tenant.
    assert_eq!(found[0].stamp, stamp);
    leader.forget_note(tenant.id).await?;
    leader.forget_note(tenant.id).await?;
    assert_eq!(leader.notes().await?, []);
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn whatever_is_done_to_roles_and_schema_changes_the_stamp() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let id = tenant.id.as_uuid().simple();
    let mut stamps = vec![server.tenants.stamp(tenant.id).await?];
    server.provision_again(&tenant).await?;
    let mut admin = server.superuser().await?;
    for change in [
        format!("ALTER ROLE t_{id}_runtime NOLOGIN"),
        format!("ALTER ROLE t_{id}_runtime PASSWORD 'other'"),
        format!("ALTER ROLE t_{id}_lambda SET statement_timeout = '1h'"),
        format!("ALTER ROLE t_{id}_lambda RESET search_path"),
        format!("GRANT pg_read_all_data TO t_{id}_lambda"),
        format!("ALTER ROLE t_{id}_owner SUPERUSER"),
        format!("GRANT USAGE ON SCHEMA t_{id} TO PUBLIC"),
        format!("DROP TABLE t_{id}.gotrs_setting CASCADE"),
        format!("CREATE TABLE t_{id}.other (); ALTER TABLE t_{id}.other OWNER TO t_{id}_owner"),
        format!("DROP SCHEMA t_{id} CASCADE"),
        format!("DROP OWNED BY t_{id}_lambda CASCADE; DROP ROLE t_{id}_lambda"),
    ] {
        run(&mut admin, &change).await?;
        let stamp = server.tenants.stamp(tenant.id).await?;
        assert!(!stamps.contains(&stamp), "{change} changes nothing");
        stamps.push(stamp);
    }
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn whoever_leads_no_more_writes_no_note() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let (old, _) = server.tenants.take_over().await?;
    let (new, _) = server.tenants.take_over().await?;
    old.keep_note(tenant.id, "late").await.unwrap_err();
    assert_eq!(new.notes().await?, []);
    server.stop(&[&tenant]).await
}

/// The short way for whoever waits: the same roles as by the long way, the same stamp as is read afterwards.
#[tokio::test]
async fn roles_are_changed_only_where_all_else_is_as_it_was() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let tenants = &server.tenants;
    let before = tenants.stamp(tenant.id).await?;
    let (credentials, limits) = (
        Credentials::generate(),
        RoleLimits {
            runtime_connections: 47,
            ..RoleLimits::default()
        },
    );
    let after = tenants
        .change_roles(tenant.id, &credentials, &limits, &before)
        .await?
        .expect("nobody else was there");
    assert_ne!(after, before);
    assert_eq!(tenants.stamp(tenant.id).await?, after);
    assert_eq!(tenants.verify(tenant.id).await?, []);
    let url = tenants.runtime_url(tenant.id, &credentials);
    let limit = texts(
        url.expose_secret(),
        "SELECT rolconnlimit::text FROM pg_roles WHERE rolname = current_user",
    )
    .await?;
    assert_eq!(
        limit,
        ["47"],
        "the new password opens, the new limit is set"
    );

    let stale = tenants
        .change_roles(tenant.id, &Credentials::generate(), &limits, &before)
        .await?;
    assert_eq!(stale, None);
    assert_eq!(
        tenants.stamp(tenant.id).await?,
        after,
        "nothing was changed"
    );
    server.stop(&[&tenant]).await
}
