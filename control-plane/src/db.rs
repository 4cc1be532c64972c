//! SQL of the control plane: one file per table, free functions on a connection, so that they compose in a transaction.

pub mod account;
pub mod adoption;
pub mod api_key;
pub mod audit;
pub mod export;
pub mod idempotency;
pub mod module;
pub mod module_replica;
pub mod session;
pub mod tenant;
pub mod tenant_status;
pub mod verification;

use service_kit::{Chain, Problem};
use sqlx::PgPool;
use sqlx::migrate::{Migrate as _, MigrateError, Migrator};

/// All migrations, in the program.
pub static MIGRATOR: Migrator = sqlx::migrate!("../migrations/control-plane");

/// Whether the database has every migration of this program. It may have more: those of a newer version, which are made so that
/// this one goes on working.
pub async fn is_migrated(pool: &PgPool) -> DbResult<bool> {
    /// PostgreSQL's code for a table that is not there: nobody has migrated anything yet.
    const UNDEFINED_TABLE: &str = "42P01";
    let mut db = pool.acquire().await?;
    let applied = match db.list_applied_migrations(&MIGRATOR.table_name).await {
        Ok(applied) => applied,
        Err(MigrateError::Execute(sqlx::Error::Database(error)))
            if error.code().as_deref() == Some(UNDEFINED_TABLE) =>
        {
            return Ok(false);
        }
        Err(error) => return Err(sqlx::Error::from(error).into()),
    };
    Ok(MIGRATOR
        .iter()
        .all(|migration| applied.iter().any(|done| done.version == migration.version)))
}

/// The channel on which changes of tenants are told to all replicas; the payload is the tenant's id.
pub const TENANT_CHANGED: &str = "tenant_changed";

/// The channel that tells that a mail waits to be sent.
pub const MAIL_DUE: &str = "mail_due";

/// A query did not work.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// The server refused, or was not reached.
    #[error("the database query failed")]
    Query(#[source] sqlx::Error),
    /// A row holds what its type does not allow: the database contradicts the program.
    #[error("{table}.{column} of {id} holds what the program does not know")]
    Inconsistent {
        /// Which table.
        table: &'static str,
        /// Which column.
        column: &'static str,
        /// Which row.
        id: String,
        /// What was found.
        #[source]
        source: anyhow::Error,
    },
}

/// What the functions of this module return.
pub type DbResult<T> = Result<T, DbError>;

impl DbError {
    /// For values that the program does not know.
    pub fn inconsistent<E>(
        table: &'static str,
        column: &'static str,
        id: impl ToString,
    ) -> impl FnOnce(E) -> Self
    where
        E: Into<anyhow::Error>,
    {
        move |error| Self::Inconsistent {
            table,
            column,
            id: id.to_string(),
            source: error.into(),
        }
    }

    /// The name of the constraint that a change ran into.
    pub fn constraint(&self) -> Option<&str> {
        match self {
            Self::Query(sqlx::Error::Database(error)) => error.constraint(),
            _ => None,
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self::Query(error)
    }
}

impl From<DbError> for Problem {
    fn from(error: DbError) -> Self {
        match &error {
            DbError::Query(
                sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::Io(_),
            ) => {
                tracing::warn!(error = %Chain(&error), "the database is not reachable");
                Self::unavailable("The database cannot be reached. Try again in a moment.")
            }
            _ => {
                tracing::error!(error = %Chain(&error), "a database query failed");
                Self::internal()
            }
        }
    }
}
