//! What goes out comes in again, whole, and nothing else does.

use std::fs::File;
use std::path::Path;

use sqlx::PgConnection;
use tenant_database::{ExportError, ImportError, RoleLimits, TenantDatabase};

use crate::server::{Server, Tenant, newest_migration, run};

async fn export(
    tenants: &TenantDatabase,
    tenant: &Tenant,
    path: &Path,
) -> Result<tenant_database::ExportReport, ExportError> {
    let file = File::create(path).unwrap();
    tenants.export(tenant.id, Box::new(file)).await
}

/// Every row of every table that is exported, as text.
async fn contents(connection: &mut PgConnection, tenant: &Tenant) -> anyhow::Result<Vec<String>> {
    Ok(sqlx::query_scalar(
        "SELECT c.relname || ' ' || query_to_xml(format(
             'SELECT count(*) AS n, md5(string_agg(t::text, '','' ORDER BY t::text)) AS d FROM %I.%I t', $1::text, c.relname),
             true, false, '')::text
         FROM pg_class c
         WHERE c.relnamespace = $1::text::regnamespace AND c.relkind = 'r'
           AND c.relname NOT IN ('gotrs_refresh_token', 'gotrs_schema_migration', 'gotrs_session', 'gotrs_signing_key',
                                 'sessions', 'web_upload_cache')
         ORDER BY 1",
    )
    .bind(tenant.names.schema.as_str())
    .fetch_all(connection)
    .await?)
}

/// A tenant in which something happened: texts that CSV has to quote, a module's table, files.
async fn lived_in(server: &Server) -> anyhow::Result<Tenant> {
    let tenant = server.provision().await?;
    let mut runtime = server.runtime(&tenant).await?;
    run(
        &mut runtime,
        r#"SELECT gotrs_apply_managed_table('laptop', '[
               {"name": "serial-number", "type": "text", "unique": true},
               {"name": "old", "type": "integer", "unique": true},
               {"name": "pin", "type": "text", "secret": true},
               {"name": "photo", "type": "bytea"}]');
           SELECT gotrs_apply_managed_table('laptop', '[
               {"name": "serial-number", "type": "text", "unique": true},
               {"name": "pin", "type": "text", "secret": true},
               {"name": "photo", "type": "bytea"}]');
           INSERT INTO x_laptop ("serial-number", old, pin, photo, create_time, create_by, change_time, change_by)
           SELECT n::text, n / 2, CASE n % 3 WHEN 0 THEN NULL WHEN 1 THEN '' ELSE E'a,"b"\r\n\\.\nc\td' END,
                  -- Nothing that could be compressed: an export of it is larger than what a pipe holds.
                  (SELECT convert_to(string_agg(md5(n || '-' || m), ''), 'UTF8') FROM generate_series(1, 60) m),
                  now(), 1, now(), 1
           FROM generate_series(1, 3000) n;
           INSERT INTO gotrs_session (id, subject_kind, subject_id, login, created_at, expires_at, last_used_at, user_agent)
           VALUES (gen_random_uuid(), 'agent', 1, 'ada', now(), now(), now(), 'left out');
           UPDATE ticket SET title = E'日本 \\N "quoted", and so on'"#,
    )
    .await?;
    Ok(tenant)
}

#[tokio::test]
async fn a_tenant_survives_the_journey() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("acme.tar.zst");
    let tenant = lived_in(&server).await?;
    let written = export(&server.tenants, &tenant, &path).await?;
    assert!(written.rows > 3_000 && written.tables > 100, "{written:?}");
    assert_eq!(written.bytes, std::fs::metadata(&path)?.len());

    let copy = Tenant::new();
    let read = server
        .tenants
        .import(copy.id, Box::new(File::open(&path)?))
        .await?;
    assert_eq!((read.tables, read.rows), (written.tables, written.rows));
    server
        .tenants
        .ensure_roles(copy.id, &copy.credentials, &RoleLimits::default())
        .await?;
    assert_eq!(server.tenants.verify(copy.id).await?, []);
    let mut connection = server.superuser().await?;
    let (before, after) = (
        contents(&mut connection, &tenant).await?,
        contents(&mut connection, &copy).await?,
    );
    for (before, after) in before.iter().zip(&after) {
        assert_eq!(before, after);
    }
    assert_eq!(before.len(), after.len());

    // It works there: numbers go on where they were, rights and secrets are as they should be.
    let mut runtime = server.runtime(&copy).await?;
    let id: i64 = sqlx::query_scalar(
        "INSERT INTO x_laptop (\"serial-number\", create_time, create_by, change_time, change_by)
         VALUES ('next', now(), 1, now(), 1) RETURNING id",
    )
    .fetch_one(&mut runtime)
    .await?;
    assert_eq!(id, 3_001);
    let sessions: i64 = sqlx::query_scalar("SELECT count(*) FROM gotrs_session")
        .fetch_one(&mut runtime)
        .await?;
    assert_eq!(sessions, 0);
    let mut lambda = server.lambda(&copy).await?;
    assert_eq!(
        crate::server::refusal(&mut lambda, "SELECT pin FROM x_laptop").await,
        "42501"
    );
    // Rules between tables hold again.
    let orphan = "UPDATE x_laptop SET create_by = 999999";
    assert_eq!(crate::server::refusal(&mut runtime, orphan).await, "23503");

    let again = server
        .tenants
        .import(copy.id, Box::new(File::open(&path)?))
        .await
        .unwrap_err();
    assert!(matches!(again, ImportError::NotNew), "{again}");
    server.stop(&[&tenant, &copy]).await
}

#[tokio::test]
async fn an_export_is_of_one_moment_and_keeps_migrations_waiting() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = lived_in(&server).await?;
    // Nobody reads the other end of the pipe yet: the export stands still in the middle.
    let (mut source, destination) = std::io::pipe()?;
    let tenants = server.tenants.clone();
    let id = tenant.id;
    let exporting = tokio::spawn(async move { tenants.export(id, Box::new(destination)).await });
    let mut observer = server.superuser().await?;
    loop {
        let reading: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM pg_stat_activity
                            WHERE datname = current_database() AND query LIKE 'COPY %' AND pid <> pg_backend_pid())",
        )
        .fetch_one(&mut observer)
        .await?;
        if reading {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    let mut runtime = server.runtime(&tenant).await?;
    run(&mut runtime, "DELETE FROM x_laptop").await?;
    // A tenant may be exported for hours: meanwhile it is suspended, resumed and looked after as ever.
    let others = async {
        server.tenants.set_login_enabled(id, false).await?;
        server
            .tenants
            .ensure_roles(id, &tenant.credentials, &RoleLimits::default())
            .await?;
        server.tenants.migrate(id).await?;
        anyhow::Ok(())
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), others).await??;
    // But its schema stays as it is.
    let ledger = format!("{}.gotrs_schema_migration", tenant.names.schema);
    let newest = newest_migration();
    run(
        &mut observer,
        &format!(
            "CREATE TEMP TABLE kept AS SELECT * FROM {ledger} WHERE version = {newest};
             DELETE FROM {ledger} WHERE version = {newest}"
        ),
    )
    .await?;
    let schema_change = tokio::time::timeout(
        std::time::Duration::from_millis(300),
        server.tenants.migrate(id),
    );
    assert!(
        schema_change.await.is_err(),
        "the schema was changed meanwhile"
    );
    run(
        &mut observer,
        &format!("INSERT INTO {ledger} SELECT * FROM kept"),
    )
    .await?;
    let reading = std::thread::spawn(move || {
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut source, &mut content).map(|_| content)
    });
    exporting.await??;
    let content = reading.join().expect("it reads")?;
    server.tenants.migrate(id).await?;

    let copy = Tenant::new();
    server
        .tenants
        .import(copy.id, Box::new(std::io::Cursor::new(content)))
        .await?;
    let rows: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(format!(
        "SELECT count(*) FROM {}.x_laptop",
        copy.names.schema
    )))
    .fetch_one(&mut observer)
    .await?;
    assert_eq!(rows, 3_000);
    server.stop(&[&tenant, &copy]).await
}

#[tokio::test]
async fn what_cannot_be_written_or_read_is_said() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("acme.tar.zst");
    let nobody = Tenant::new();
    let refused = export(&server.tenants, &nobody, &path).await.unwrap_err();
    assert!(matches!(refused, ExportError::NoSchema { .. }), "{refused}");

    let tenant = lived_in(&server).await?;
    // A disk that is full.
    let full = File::options().write(true).open("/dev/full")?;
    let refused = server
        .tenants
        .export(tenant.id, Box::new(full))
        .await
        .unwrap_err();
    assert!(matches!(refused, ExportError::Archive(_)), "{refused}");

    export(&server.tenants, &tenant, &path).await?;
    let whole = std::fs::read(&path)?;
    let cut = whole[..whole.len() / 2].to_vec();
    let copy = Tenant::new();
    let refused = server
        .tenants
        .import(copy.id, Box::new(std::io::Cursor::new(cut)))
        .await
        .unwrap_err();
    assert!(matches!(refused, ImportError::Archive(_)), "{refused}");
    // Nothing of it was written, and the next try is free to begin.
    server
        .tenants
        .import(copy.id, Box::new(File::open(&path)?))
        .await?;
    server.stop(&[&tenant, &copy]).await
}
