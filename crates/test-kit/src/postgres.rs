//! A database of its own for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context as _;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};

/// A fresh database on the test server. Call [`TestDatabase::drop_database`] at the end of the test; the whole
/// server is thrown away after the run in any case.
#[derive(Debug)]
pub struct TestDatabase {
    name: String,
    server: PgConnectOptions,
}

impl TestDatabase {
    /// Creates an empty database.
    pub async fn create() -> anyhow::Result<Self> {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        #[expect(
            clippy::disallowed_methods,
            reason = "cargo's way of telling tests about the server"
        )]
        let url = std::env::var("DATABASE_URL").context(
            "DATABASE_URL is not set: run `cargo xtask with-postgres -- cargo test ...`",
        )?;
        let server: PgConnectOptions = url
            .parse()
            .context("DATABASE_URL is not a PostgreSQL URL")?;
        let name = format!(
            "test_{}_{}",
            std::process::id(),
            COUNTER.fetch_add(1, Ordering::Relaxed)
        );
        let database = Self { name, server };
        database
            .on_server("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            .await?;
        database.on_server("CREATE DATABASE {}").await?;
        Ok(database)
    }

    /// How to connect to it as superuser.
    pub fn options(&self) -> PgConnectOptions {
        self.server.clone().database(&self.name)
    }

    /// The same as a URL.
    pub fn url(&self) -> String {
        self.options().to_url_lossy().to_string()
    }

    /// A small pool on it as superuser.
    pub async fn pool(&self) -> anyhow::Result<PgPool> {
        PgPoolOptions::new()
            .max_connections(5)
            .connect_with(self.options())
            .await
            .context("connecting")
    }

    /// Removes it, ending whatever is still connected.
    pub async fn drop_database(self) -> anyhow::Result<()> {
        self.on_server("DROP DATABASE IF EXISTS {} WITH (FORCE)")
            .await
    }

    async fn on_server(&self, statement: &str) -> anyhow::Result<()> {
        let mut connection = PgConnection::connect_with(&self.server)
            .await
            .context("connecting to the test server")?;
        let statement = statement.replace("{}", &self.name);
        sqlx::query(sqlx::AssertSqlSafe(statement.clone()))
            .execute(&mut connection)
            .await
            .with_context(|| statement.clone())?;
        connection.close().await.context("closing")
    }
}

/// The answer to a query of one column of text, for tests that know no driver, by whoever the URL names.
pub async fn texts(url: &str, query: &str) -> anyhow::Result<Vec<String>> {
    let mut connection = PgConnection::connect(url).await.context("connecting")?;
    let found = sqlx::query_scalar(sqlx::AssertSqlSafe(query.to_owned()))
        .fetch_all(&mut connection)
        .await
        .with_context(|| query.to_owned())?;
    connection.close().await.context("closing")?;
    Ok(found)
}
