//! A prepared database with tenants in it.

use domain::id::TenantId;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection};
use tenant_database::{AdministratorSeed, Credentials, RoleLimits, TenantDatabase, TenantNames};
use test_kit::postgres::TestDatabase;

pub(crate) const HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ$aGFzaA";

pub(crate) struct Server {
    pub(crate) test: TestDatabase,
    pub(crate) tenants: TenantDatabase,
}

#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) id: TenantId,
    pub(crate) names: TenantNames,
    pub(crate) credentials: Credentials,
}

impl Tenant {
    pub(crate) fn new() -> Self {
        let id = TenantId::generate();
        Self {
            id,
            names: TenantNames::of(id),
            credentials: Credentials::generate(),
        }
    }
}

impl Server {
    /// A database where `prepare_server` was called.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let server = Self::start_unprepared().await?;
        server.tenants.prepare_server().await?;
        Ok(server)
    }

    pub(crate) async fn start_unprepared() -> anyhow::Result<Self> {
        let test = TestDatabase::create().await?;
        let tenants = TenantDatabase::connect(&test.url().into()).await?;
        Ok(Self { test, tenants })
    }

    /// A complete tenant.
    pub(crate) async fn provision(&self) -> anyhow::Result<Tenant> {
        let tenant = Tenant::new();
        self.provision_again(&tenant).await?;
        Ok(tenant)
    }

    pub(crate) async fn provision_again(&self, tenant: &Tenant) -> anyhow::Result<()> {
        self.tenants.ensure_schema(tenant.id).await?;
        self.tenants
            .ensure_roles(tenant.id, &tenant.credentials, &RoleLimits::default())
            .await?;
        self.tenants.migrate(tenant.id).await?;
        self.tenants
            .ensure_administrator(tenant.id, &seed())
            .await?;
        Ok(())
    }

    pub(crate) async fn superuser(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.test.options()).await?)
    }

    pub(crate) async fn runtime(&self, tenant: &Tenant) -> anyhow::Result<PgConnection> {
        connect(&self.tenants.runtime_url(tenant.id, &tenant.credentials)).await
    }

    pub(crate) async fn lambda(&self, tenant: &Tenant) -> anyhow::Result<PgConnection> {
        connect(&self.tenants.lambda_url(tenant.id, &tenant.credentials)).await
    }

    /// Removes the tenants (their roles belong to the whole server) and the database.
    pub(crate) async fn stop(self, tenants: &[&Tenant]) -> anyhow::Result<()> {
        for tenant in tenants {
            self.tenants.drop_tenant(tenant.id).await?;
        }
        self.tenants.close().await;
        self.test.drop_database().await
    }
}

pub(crate) fn seed() -> AdministratorSeed {
    AdministratorSeed {
        email: "ada@acme.example".to_owned(),
        organization: "Acme".to_owned(),
        password_hash: HASH.to_owned().into(),
    }
}

pub(crate) async fn connect(url: &SecretString) -> anyhow::Result<PgConnection> {
    Ok(PgConnection::connect(url.expose_secret()).await?)
}

/// Runs statements that a test put together.
pub(crate) async fn run(connection: &mut PgConnection, sql: &str) -> sqlx::Result<()> {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    sqlx::raw_sql(sql).execute(connection).await.map(drop)
}

/// The SQLSTATE with which a statement is refused; a statement that succeeds fails the test. What was begun is undone.
pub(crate) async fn refusal(connection: &mut PgConnection, sql: &str) -> String {
    let Err(error) = run(connection, sql).await else {
        panic!("was allowed: {sql}");
    };
    run(connection, "ROLLBACK").await.expect("still connected");
    let database = error.as_database_error().expect("an answer of the server");
    database
        .code()
        .expect("every error has a code")
        .into_owned()
}

/// The number of the newest file among the migrations.
pub(crate) fn newest_migration() -> i64 {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/tenant");
    std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| {
            let name = entry.unwrap().file_name().into_string().unwrap();
            name.split_once('_')?.0.parse().ok()
        })
        .max()
        .unwrap()
}
