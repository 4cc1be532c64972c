//! The one connection to the server, and how everything reaches it.

use std::time::Duration;

use domain::id::TenantId;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, Postgres};
use sqlx::{ConnectOptions as _, PgConnection, Transaction};

use crate::credentials::Credentials;
use crate::fence::{self, FencingEpoch};
use crate::names::TenantNames;

/// Most connections of one [`TenantDatabase`]: whoever does more at once waits. None lives longer than a quarter of a minute.
pub const CONNECTIONS: u32 = 6;
/// Longest life of a connection. A server process keeps a plan for each foreign key whose table it ever filled, and goes through all
/// of them for each table, index and sequence that anybody makes: one that lived on while hundreds of tenants were made used
/// nine tenths of the processors for that, so that each new tenant took longer than the one before.
const LONGEST_LIFE: Duration = Duration::from_secs(15);
/// Longest wait for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest time for one whole operation; the server's own limits (below) end a statement much earlier. It
/// only strikes when the server stops answering at all.
const OPERATION_TIMEOUT: Duration = Duration::from_mins(2);
/// First half of our advisory locks: "gotr" in ASCII. The second half is a tenant's.
const LOCK_CLASS: i32 = 0x676f_7472;
/// The same of those who read a whole tenant, which takes hours at times, and of those who change what they read: "gotx". Whoever
/// changes roles or notes does not wait for them.
const READING_CLASS: i32 = 0x676f_7478;

/// The database in which tenants live, seen by the one who makes and removes them.
#[derive(Debug, Clone)]
pub struct TenantDatabase {
    pool: PgPool,
    options: PgConnectOptions,
    database: String,
    /// In which term of office it writes; `None` where nobody else can be.
    epoch: Option<FencingEpoch>,
}

/// Why the database cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Not an address of a PostgreSQL database.
    #[error(
        "the address of the tenants' database is not a PostgreSQL URL; a good one: \
         postgres://user:password@host:5432/database or postgres:///database?user=postgres&host=/run/postgresql"
    )]
    ParseUrl(#[source] sqlx::Error),
    /// Nobody answers, or not to us.
    #[error("the tenants' database cannot be reached")]
    Reach(#[source] sqlx::Error),
}

/// Why the database did not do something.
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// A statement failed.
    #[error("{doing} failed")]
    Statement {
        /// What it was for.
        doing: &'static str,
        /// What the driver says.
        source: sqlx::Error,
    },
    /// Another leader has taken over; whoever gets this must stop working.
    #[error(
        "epoch {ours} is over: the tenants' database is in epoch {current} of another leader now"
    )]
    Fenced {
        /// In which one the refused handle works.
        ours: FencingEpoch,
        /// Which one it is.
        current: FencingEpoch,
    },
}

impl DatabaseError {
    /// What the database said.
    pub fn database_message(&self) -> Option<&str> {
        match self {
            Self::Statement { source, .. } => source
                .as_database_error()
                .map(sqlx::error::DatabaseError::message),
            Self::Fenced { .. } => None,
        }
    }
}

/// Says what a statement was for.
pub(crate) trait Doing<T> {
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError>;
}

impl<T> Doing<T> for sqlx::Result<T> {
    fn doing(self, doing: &'static str) -> Result<T, DatabaseError> {
        self.map_err(|source| DatabaseError::Statement { doing, source })
    }
}

impl TenantDatabase {
    /// Connects as superuser to the database that `admin_url` names; directly, not through a pooler.
    pub async fn connect(admin_url: &SecretString) -> Result<Self, ConnectError> {
        let options: PgConnectOptions = admin_url
            .expose_secret()
            .parse()
            .map_err(ConnectError::ParseUrl)?;
        let admin = options
            .clone()
            .application_name("gotrs-tenant-database")
            .options([
                ("statement_timeout", "60s"),
                ("lock_timeout", "20s"),
                ("idle_in_transaction_session_timeout", "60s"),
                ("client_min_messages", "warning"),
            ])
            // Statements of this crate hold verifiers and are long; errors carry what is needed.
            .disable_statement_logging();
        let pool = PgPoolOptions::new()
            .max_connections(CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .max_lifetime(LONGEST_LIFE)
            .connect_with(admin)
            .await
            .map_err(ConnectError::Reach)?;
        let database = sqlx::query_scalar("SELECT current_database()::text")
            .fetch_one(&pool)
            .await
            .map_err(ConnectError::Reach)?;
        Ok(Self {
            pool,
            options,
            database,
            epoch: None,
        })
    }

    /// Closes all connections; for tests and for an orderly end.
    pub async fn close(&self) {
        self.pool.close().await;
    }

    /// Where a tenant's runtime signs in.
    pub fn runtime_url(&self, tenant: TenantId, credentials: &Credentials) -> SecretString {
        self.url(
            TenantNames::of(tenant).runtime.as_str(),
            &credentials.runtime,
        )
    }

    /// Where the queries of a tenant's code sign in.
    pub fn lambda_url(&self, tenant: TenantId, credentials: &Credentials) -> SecretString {
        self.url(TenantNames::of(tenant).lambda.as_str(), &credentials.lambda)
    }

    fn url(&self, role: &str, password: &SecretString) -> SecretString {
        self.options
            .clone()
            .username(role)
            .password(password.expose_secret())
            .database(&self.database)
            .to_url_lossy()
            .to_string()
            .into()
    }

    /// Connections as superuser.
    pub(crate) const fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// The same connections, writing only as long as `epoch` is the current one.
    pub(crate) fn in_epoch(self, epoch: FencingEpoch) -> Self {
        Self {
            epoch: Some(epoch),
            ..self
        }
    }

    /// Whether this handle works in an epoch.
    pub(crate) const fn is_fenced(&self) -> bool {
        self.epoch.is_some()
    }

    /// A transaction that nobody else has for this tenant at the same time, and no other epoch can begin during it.
    pub(crate) async fn begin(
        &self,
        tenant: TenantId,
    ) -> Result<Transaction<'static, Postgres>, DatabaseError> {
        let mut transaction = self.pool.begin().await.doing("beginning a transaction")?;
        sqlx::query("SELECT pg_advisory_xact_lock($1, $2)")
            .bind(LOCK_CLASS)
            .bind(lock_key(tenant))
            .execute(&mut *transaction)
            .await
            .doing("waiting for others who work on the same tenant")?;
        if let Some(epoch) = self.epoch {
            fence::hold(&mut transaction, epoch).await?;
        }
        Ok(transaction)
    }
}

/// Waits until nobody reads the whole tenant, and keeps them from beginning until the transaction ends.
pub(crate) async fn without_readers(
    transaction: &mut Transaction<'static, Postgres>,
    tenant: TenantId,
) -> Result<(), DatabaseError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1, $2)")
        .bind(READING_CLASS)
        .bind(lock_key(tenant))
        .execute(&mut **transaction)
        .await
        .doing("waiting for an export of the same tenant")?;
    Ok(())
}

impl TenantDatabase {
    /// A connection beside the pool, during whose life nobody changes the tenant's schema.
    pub(crate) async fn lock_for_reading(
        &self,
        tenant: TenantId,
    ) -> Result<PgConnection, DatabaseError> {
        limited(async {
            let mut connection = self.pool.acquire().await.doing("connecting")?.detach();
            sqlx::query("SELECT pg_advisory_lock_shared($1, $2)")
                .bind(READING_CLASS)
                .bind(lock_key(tenant))
                .execute(&mut connection)
                .await
                .doing("waiting for others who work on the same tenant")?;
            Ok(connection)
        })
        .await
    }
}

/// Ends an operation whose server stopped answering.
pub(crate) async fn limited<T, E: From<DatabaseError>>(
    operation: impl Future<Output = Result<T, E>>,
) -> Result<T, E> {
    match tokio::time::timeout(OPERATION_TIMEOUT, operation).await {
        Ok(result) => result,
        Err(elapsed) => Err(DatabaseError::Statement {
            doing: "waiting for the database",
            source: sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, elapsed)),
        }
        .into()),
    }
}

/// Runs statements that were put together here. Values in them are our own constants, numbers and `SqlIdent`s.
pub(crate) async fn run(connection: &mut PgConnection, statements: String) -> sqlx::Result<()> {
    // Roles and schemas cannot be bound parameters.
    let statements = sqlx::AssertSqlSafe(statements);
    sqlx::raw_sql(statements).execute(connection).await?;
    Ok(())
}

/// The random end of the id: two tenants that share it only wait for each other.
fn lock_key(tenant: TenantId) -> i32 {
    let [.., a, b, c, d] = *tenant.as_uuid().as_bytes();
    i32::from_be_bytes([a, b, c, d])
}
