//! The two roles of a tenant that sign in: its runtime and its code.

use std::time::Duration;

use domain::id::TenantId;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgConnection;

use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited, run};
use crate::credentials::Credentials;
use crate::names::TenantNames;
use crate::{note, privileges, scram};

/// What a tenant's roles may use of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleLimits {
    /// Connections of all replicas of the runtime together.
    pub runtime_connections: u16,
    /// Longest statement of the runtime.
    pub runtime_statement_timeout: Duration,
    /// Temporary files of one connection of the runtime, in KiB. Unlike the timeouts this is nothing that the role can lift by itself: a
    /// disk that is full stops the server for every tenant.
    pub runtime_temp_file_kib: u32,
    /// Connections for the queries of tenant code; 2 to 5 are sensible.
    pub lambda_connections: u16,
    /// Longest query of tenant code.
    pub lambda_statement_timeout: Duration,
    /// Memory of one sort or hash in a query of tenant code, in KiB.
    pub lambda_work_mem_kib: u32,
    /// Temporary files of one query of tenant code, in KiB.
    pub lambda_temp_file_kib: u32,
}

impl Default for RoleLimits {
    fn default() -> Self {
        Self {
            runtime_connections: 12,
            runtime_statement_timeout: Duration::from_secs(30),
            // Sorting all articles of a large tenant once.
            runtime_temp_file_kib: 1024 * 1024,
            lambda_connections: 3,
            // The default wall clock of one invocation (`LambdaLimits`): nobody waits for a longer query.
            lambda_statement_timeout: Duration::from_secs(5),
            lambda_work_mem_kib: 4 * 1024,
            lambda_temp_file_kib: 64 * 1024,
        }
    }
}

/// Why roles could not be made or changed.
#[derive(Debug, thiserror::Error)]
pub enum RolesError {
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

impl TenantDatabase {
    /// Makes the runtime and the lambda role or brings them in line: sign-in allowed, passwords, limits, rights on the schema and
    /// on every table that is or will be in it. A password is only written when it changed.
    pub async fn ensure_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
    ) -> Result<(), RolesError> {
        limited(self.make_roles(tenant, credentials, limits)).await
    }

    async fn make_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
    ) -> Result<(), RolesError> {
        let names = TenantNames::of(tenant);
        let mut transaction = self.begin(tenant).await?;
        let schema_exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = $1)")
                .bind(names.schema.as_str())
                .fetch_one(&mut *transaction)
                .await
                .doing("looking for the schema")?;
        if !schema_exists {
            return Err(RolesError::NoSchema {
                schema: names.schema.as_str().to_owned(),
            });
        }
        let both = both_sql(&mut transaction, &names, credentials, limits).await?;
        run(&mut transaction, both + &default_privileges_sql(&names))
            .await
            .doing("making the runtime and the lambda role")?;
        // Tables that were there before their roles.
        privileges::bring_in_line(&mut transaction, &names).await?;
        transaction.commit().await.doing("committing")?;
        Ok(())
    }

    /// Gives the two roles other passwords or limits, and looks at nothing else: short enough for somebody who waits. Only where the
    /// tenant's stamp still is `stamp`, which says that all else is as it was made; answers the new stamp, or `None` where it is not.
    pub async fn change_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
        stamp: &str,
    ) -> Result<Option<String>, RolesError> {
        limited(async {
            let names = TenantNames::of(tenant);
            let mut transaction = self.begin(tenant).await?;
            if note::stamp_of(&mut transaction, &names).await? != stamp {
                return Ok(None);
            }
            let both = both_sql(&mut transaction, &names, credentials, limits).await?;
            run(&mut transaction, both)
                .await
                .doing("changing the runtime and the lambda role")?;
            // Of rows that this transaction wrote: nobody else can have come in between.
            let stamp = note::stamp_of(&mut transaction, &names).await?;
            transaction.commit().await.doing("committing")?;
            Ok(Some(stamp))
        })
        .await
    }

    /// Lets a tenant's roles sign in or not; when not, ends the connections that they have.
    /// A tenant without roles has nothing to switch.
    pub async fn set_login_enabled(
        &self,
        tenant: TenantId,
        enabled: bool,
    ) -> Result<(), RolesError> {
        limited(async {
            let names = TenantNames::of(tenant);
            let mut transaction = self.begin(tenant).await?;
            let roles = existing_roles(&mut transaction, &names).await?;
            let word = if enabled { "LOGIN" } else { "NOLOGIN" };
            let statements = roles
                .iter()
                .map(|role| format!("ALTER ROLE \"{role}\" {word};\n"))
                .collect::<Vec<_>>()
                .concat();
            run(&mut transaction, statements)
                .await
                .doing("changing who may sign in")?;
            transaction.commit().await.doing("committing")?;
            if !enabled {
                end_connections(self, &names).await?;
            }
            Ok(())
        })
        .await
    }
}

/// Which of the roles that sign in are there.
pub(crate) async fn existing_roles(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<Vec<String>, DatabaseError> {
    sqlx::query_scalar("SELECT rolname::text FROM pg_roles WHERE rolname IN ($1, $2) ORDER BY 1")
        .bind(names.runtime.as_str())
        .bind(names.lambda.as_str())
        .fetch_all(connection)
        .await
        .doing("looking for the roles")
}

impl TenantDatabase {
    /// Ends the connections of all tenants whose transaction began longer than `longest` ago; answers how many. Their own timeouts end them
    /// much earlier, but a role can lift those, and what one old transaction may still see cannot be cleaned up for anybody in
    /// the database.
    pub async fn end_old_transactions(&self, longest: Duration) -> Result<i64, DatabaseError> {
        limited(async {
            sqlx::query_scalar(
                "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
                 WHERE datname = current_database()
                   AND xact_start < clock_timestamp() - make_interval(secs => $1)
                   AND usesysid IN (SELECT member FROM pg_auth_members
                                    WHERE roleid IN (to_regrole('gotrs_runtime'), to_regrole('gotrs_lambda')))",
            )
            .bind(longest.as_secs_f64())
            .fetch_one(self.pool())
            .await
            .doing("ending old transactions of tenants")
        })
        .await
    }
}

/// Ends every connection of a tenant's roles; says how many there were.
pub(crate) async fn end_connections(
    database: &TenantDatabase,
    names: &TenantNames,
) -> Result<i64, DatabaseError> {
    sqlx::query_scalar(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usename IN ($1, $2, $3)",
    )
    .bind(names.owner.as_str())
    .bind(names.runtime.as_str())
    .bind(names.lambda.as_str())
    .fetch_one(database.pool())
    .await
    .doing("ending the tenant's connections")
}

/// Makes both roles or brings them in line, whatever they may read.
async fn both_sql(
    connection: &mut PgConnection,
    names: &TenantNames,
    credentials: &Credentials,
    limits: &RoleLimits,
) -> Result<String, DatabaseError> {
    let runtime = role_verb(connection, names.runtime.as_str(), &credentials.runtime).await?;
    let lambda = role_verb(connection, names.lambda.as_str(), &credentials.lambda).await?;
    Ok(runtime_sql(names, &runtime, limits) + &lambda_sql(names, &lambda, limits))
}

/// `CREATE ROLE` or `ALTER ROLE`, with a password where the stored one differs.
struct RoleVerb {
    verb: &'static str,
    password: String,
}

async fn role_verb(
    connection: &mut PgConnection,
    role: &str,
    password: &SecretString,
) -> Result<RoleVerb, DatabaseError> {
    let stored: Option<Option<String>> =
        sqlx::query_scalar("SELECT rolpassword FROM pg_authid WHERE rolname = $1")
            .bind(role)
            .fetch_optional(connection)
            .await
            .doing("looking for a role")?;
    let password = password.expose_secret();
    let current = stored.as_ref().and_then(Option::as_deref);
    let clause = match current {
        Some(verifier) if scram::matches(verifier, password) => String::new(),
        _ => format!(" PASSWORD '{}'", scram::verifier(password)),
    };
    Ok(RoleVerb {
        verb: if stored.is_some() { "ALTER" } else { "CREATE" },
        password: clause,
    })
}

const PLAIN: &str = "INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";

fn runtime_sql(names: &TenantNames, role: &RoleVerb, limits: &RoleLimits) -> String {
    let runtime = &names.runtime;
    format!(
        "{verb} ROLE {runtime} LOGIN {PLAIN} CONNECTION LIMIT {connections}{password};
GRANT gotrs_runtime TO {runtime};
ALTER ROLE {runtime} SET search_path = {schema};
ALTER ROLE {runtime} SET statement_timeout = {statement};
ALTER ROLE {runtime} SET lock_timeout = '10s';
ALTER ROLE {runtime} SET idle_in_transaction_session_timeout = '60s';
ALTER ROLE {runtime} SET temp_file_limit = '{temp_file}kB';
GRANT USAGE ON SCHEMA {schema} TO {runtime};
",
        verb = role.verb,
        password = role.password,
        connections = limits.runtime_connections,
        schema = names.schema,
        statement = limits.runtime_statement_timeout.as_millis(),
        temp_file = limits.runtime_temp_file_kib,
    )
}

/// `INHERIT` because the right to connect comes through the group `gotrs_lambda`, which has no other
/// right; `verify` reports any further membership.
fn lambda_sql(names: &TenantNames, role: &RoleVerb, limits: &RoleLimits) -> String {
    let lambda = &names.lambda;
    format!(
        "{verb} ROLE {lambda} LOGIN {PLAIN} CONNECTION LIMIT {connections}{password};
GRANT gotrs_lambda TO {lambda};
ALTER ROLE {lambda} SET search_path = {schema};
ALTER ROLE {lambda} SET default_transaction_read_only = on;
ALTER ROLE {lambda} SET statement_timeout = {statement};
ALTER ROLE {lambda} SET lock_timeout = '1s';
ALTER ROLE {lambda} SET idle_in_transaction_session_timeout = '10s';
ALTER ROLE {lambda} SET work_mem = '{work_mem}kB';
ALTER ROLE {lambda} SET temp_file_limit = '{temp_file}kB';
ALTER ROLE {lambda} SET max_parallel_workers_per_gather = 0;
ALTER ROLE {lambda} SET jit = off;
GRANT USAGE ON SCHEMA {schema} TO {lambda};
",
        verb = role.verb,
        password = role.password,
        connections = limits.lambda_connections,
        schema = names.schema,
        statement = limits.lambda_statement_timeout.as_millis(),
        work_mem = limits.lambda_work_mem_kib,
        temp_file = limits.lambda_temp_file_kib,
    )
}

/// Before the tables, so that there is no moment in which a table is there and its rights are not.
fn default_privileges_sql(names: &TenantNames) -> String {
    let TenantNames {
        schema,
        owner,
        runtime,
        ..
    } = names;
    format!(
        "ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {runtime};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA {schema}
    GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {runtime};
"
    )
}
