//! From nothing, or from whatever is there, to the tables that this version of the product needs.

use std::time::{Duration, Instant};

use domain::id::TenantId;
use sqlx::PgConnection;
use sqlx::migrate::{Migration, Migrator};

use crate::administrator::as_owner;
use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited, run, without_readers};
use crate::names::TenantNames;
use crate::privileges;

/// The migrations, embedded: `migrations/tenant/NNNN_what.sql`, forward only, never edited once released.
static MIGRATIONS: Migrator = sqlx::migrate!("../../migrations/tenant");

/// What `migrate` did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigrationReport {
    /// The versions that were applied now, in their order; empty when nothing was missing.
    pub applied: Vec<i64>,
    /// The newest version that the schema has.
    pub version: i64,
    /// How long it took, waiting for others included.
    pub elapsed: Duration,
}

/// Why a schema could not be migrated.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    /// One migration failed; those before it are applied, nothing of it is.
    #[error("migration {version} ({description}) failed; nothing of it was applied")]
    Apply {
        /// Which one.
        version: i64,
        /// Its name.
        description: String,
        /// What the database said.
        source: sqlx::Error,
    },
    /// A migration was edited after it was applied.
    #[error(
        "migration {version} was applied with another content; released migrations are never edited: add a new one"
    )]
    Changed {
        /// Which one.
        version: i64,
    },
    /// A newer version of the product was here.
    #[error(
        "the schema has migration {version}, which this version of the product does not know; run the newer version"
    )]
    Newer {
        /// Which one.
        version: i64,
    },
    /// The schema comes first.
    #[error("the tenant's schema {schema} does not exist; make it first")]
    NoSchema {
        /// Which schema.
        schema: String,
    },
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// All migrations in their order.
pub(crate) fn all() -> impl Iterator<Item = &'static Migration> {
    MIGRATIONS.iter()
}

impl TenantDatabase {
    /// Applies what is missing and brings rights in line. Each migration is one transaction together with the row that
    /// remembers it, so a kill at any point leaves a state from which this goes on.
    pub async fn migrate(&self, tenant: TenantId) -> Result<MigrationReport, MigrateError> {
        limited(self.migrate_up_to(tenant, i64::MAX)).await
    }

    /// Like [`migrate`](Self::migrate), but stops after version `last`: for tests of upgrades and for careful operators.
    pub async fn migrate_to(
        &self,
        tenant: TenantId,
        last: i64,
    ) -> Result<MigrationReport, MigrateError> {
        limited(self.migrate_up_to(tenant, last)).await
    }

    async fn migrate_up_to(
        &self,
        tenant: TenantId,
        last: i64,
    ) -> Result<MigrationReport, MigrateError> {
        let started = Instant::now();
        let names = TenantNames::of(tenant);
        let mut applied = Vec::new();
        // Found anew under the lock each time: somebody else may migrate the same tenant meanwhile.
        while let Some(version) = self.apply_next(tenant, &names, last).await? {
            applied.push(version);
        }
        let mut transaction = self.begin(tenant).await?;
        privileges::bring_in_line(&mut transaction, &names).await?;
        let version = newest(&mut transaction, &names).await?;
        transaction.commit().await.doing("committing")?;
        Ok(MigrationReport {
            applied,
            version,
            elapsed: started.elapsed(),
        })
    }

    /// Applies the first migration that is missing; `None` when none is.
    async fn apply_next(
        &self,
        tenant: TenantId,
        names: &TenantNames,
        last: i64,
    ) -> Result<Option<i64>, MigrateError> {
        let mut transaction = self.begin(tenant).await?;
        let schema_exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
                .bind(names.schema.as_str())
                .fetch_one(&mut *transaction)
                .await
                .doing("looking for the schema")?;
        if !schema_exists {
            return Err(MigrateError::NoSchema {
                schema: names.schema.as_str().to_owned(),
            });
        }
        run(&mut transaction, format!("{}\n{LEDGER}", as_owner(names)))
            .await
            .doing("preparing the list of migrations")?;
        let done = read_ledger(&mut transaction).await?;
        let Some(migration) = first_missing(&done, last)? else {
            transaction.rollback().await.doing("ending a transaction")?;
            return Ok(None);
        };
        // The tenant's owner may not lock.
        run(&mut transaction, "SET LOCAL ROLE NONE".to_owned())
            .await
            .doing("acting as ourselves")?;
        without_readers(&mut transaction, tenant).await?;
        run(&mut transaction, as_owner(names))
            .await
            .doing("acting as the tenant's owner")?;
        let applied = async {
            sqlx::raw_sql(migration.sql.clone())
                .execute(&mut *transaction)
                .await?;
            sqlx::query(
                "INSERT INTO gotrs_schema_migration (version, description, checksum) VALUES ($1, $2, $3)",
            )
            .bind(migration.version)
            .bind(migration.description.as_ref())
            .bind(migration.checksum.as_ref())
            .execute(&mut *transaction)
            .await
        };
        match applied.await {
            Ok(_) => {}
            Err(source) if is_of_the_moment(&source) => {
                let doing = "applying a migration";
                return Err(DatabaseError::Statement { doing, source }.into());
            }
            Err(source) => {
                return Err(MigrateError::Apply {
                    version: migration.version,
                    description: migration.description.to_string(),
                    source,
                });
            }
        }
        transaction.commit().await.doing("committing")?;
        tracing::debug!(
            tenant.id = %tenant,
            migration.version = migration.version,
            "applied a migration"
        );
        Ok(Some(migration.version))
    }
}

/// Whether the same migration may go through the next time: the connection broke, the server is stopped or full, somebody holds a table
/// for too long. Classes of SQLSTATE as in PostgreSQL's appendix A.
fn is_of_the_moment(error: &sqlx::Error) -> bool {
    const CLASSES: [&str; 8] = ["08", "25", "40", "53", "55", "57", "58", "XX"];
    match error {
        sqlx::Error::Database(error) => error
            .code()
            .is_some_and(|code| CLASSES.iter().any(|class| code.starts_with(class))),
        _ => true,
    }
}

/// Made before the first migration, in its transaction.
const LEDGER: &str = "\
CREATE TABLE IF NOT EXISTS gotrs_schema_migration (
    version bigint PRIMARY KEY,
    description text NOT NULL,
    checksum bytea NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
);";

/// Version and checksum of each applied migration.
pub(crate) type Ledger = Vec<(i64, Vec<u8>)>;

pub(crate) async fn read_ledger(connection: &mut PgConnection) -> Result<Ledger, DatabaseError> {
    sqlx::query_as("SELECT version, checksum FROM gotrs_schema_migration ORDER BY version")
        .fetch_all(connection)
        .await
        .doing("reading the list of migrations")
}

/// Pure: compares what is applied with what we have.
fn first_missing(done: &Ledger, last: i64) -> Result<Option<&'static Migration>, MigrateError> {
    for (version, checksum) in done {
        match all().find(|migration| migration.version == *version) {
            None => return Err(MigrateError::Newer { version: *version }),
            Some(migration) if migration.checksum.as_ref() != checksum.as_slice() => {
                return Err(MigrateError::Changed { version: *version });
            }
            Some(_) => {}
        }
    }
    Ok(all()
        .filter(|migration| migration.version <= last)
        .find(|migration| {
            done.iter()
                .all(|(version, _)| *version != migration.version)
        }))
}

async fn newest(connection: &mut PgConnection, names: &TenantNames) -> Result<i64, DatabaseError> {
    run(connection, as_owner(names))
        .await
        .doing("acting as the tenant's owner")?;
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass('gotrs_schema_migration') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await
            .doing("looking for the list of migrations")?;
    if !exists {
        return Ok(0);
    }
    sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM gotrs_schema_migration")
        .fetch_one(connection)
        .await
        .doing("reading the newest migration")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ledger_of(count: usize) -> Ledger {
        all()
            .take(count)
            .map(|migration| (migration.version, migration.checksum.to_vec()))
            .collect()
    }

    #[test]
    fn migrations_are_numbered_without_gaps() {
        let versions: Vec<i64> = all().map(|migration| migration.version).collect();
        let expected: Vec<i64> = (1..).take(versions.len()).collect();
        assert_eq!(versions, expected);
        assert!(
            all().all(|migration| !migration.no_tx),
            "each migration is one transaction"
        );
    }

    #[test]
    fn the_next_one_is_the_first_that_is_missing() {
        assert_eq!(
            first_missing(&ledger_of(0), i64::MAX)
                .unwrap()
                .unwrap()
                .version,
            1
        );
        assert_eq!(
            first_missing(&ledger_of(3), i64::MAX)
                .unwrap()
                .unwrap()
                .version,
            4
        );
        assert!(first_missing(&ledger_of(3), 3).unwrap().is_none());
        assert!(
            first_missing(&ledger_of(usize::MAX), i64::MAX)
                .unwrap()
                .is_none()
        );
    }

    #[test]
    fn an_edited_or_unknown_migration_stops_everything() {
        let mut edited = ledger_of(3);
        edited[1].1 = vec![1, 2, 3];
        assert!(matches!(
            first_missing(&edited, i64::MAX),
            Err(MigrateError::Changed { version: 2 })
        ));
        let mut newer = ledger_of(usize::MAX);
        newer.push((9999, vec![]));
        assert!(matches!(
            first_missing(&newer, i64::MAX),
            Err(MigrateError::Newer { version: 9999 })
        ));
    }
}
