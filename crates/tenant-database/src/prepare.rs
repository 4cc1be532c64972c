//! What is done once for a database before the first tenant comes: taking away what PostgreSQL gives to everybody.

use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited, run};

/// Why the database could not be made safe.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The rights of `pg_catalog` belong to superusers.
    #[error(
        "{user} is not a superuser of the tenants' database: rights that PostgreSQL gives to everybody could not be taken \
         away; connect as a superuser"
    )]
    NotSuperuser {
        /// Who we are.
        user: String,
    },
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// The three groups. A tenant's roles get what they need of the database through membership: an access list with two
/// entries per tenant would outgrow its row (`pg_database` has no TOAST table) at some hundred tenants.
pub(crate) const GROUPS: [&str; 3] = ["gotrs_owner", "gotrs_runtime", "gotrs_lambda"];

/// Volatile functions of `pg_catalog` that only owners and runtimes may call. Advisory locks are for the owner alone
/// (inside our own functions): their keys are shared by the whole database.
const GRANTS: &str = "\
GRANT EXECUTE ON FUNCTION nextval(regclass), currval(regclass), lastval(), setval(regclass, bigint),
    setval(regclass, bigint, boolean), random(), gen_random_uuid(), clock_timestamp()
    TO gotrs_owner, gotrs_runtime;
GRANT EXECUTE ON FUNCTION pg_advisory_xact_lock(bigint) TO gotrs_owner;";

/// Everything that PUBLIC can do in a new database and no tenant needs. Idempotent: only what is still granted is touched,
/// so that starting again writes nothing.
const REVOKES: &str = "\
DO $body$
DECLARE
    routine regprocedure;
    relation regclass;
BEGIN
    FOR routine IN
        SELECT p.oid::regprocedure
        FROM pg_proc p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace
          AND (p.provolatile = 'v' OR p.proname IN (
              -- Who else is connected and what they do; whole tables and schemas in one value.
              'pg_stat_get_activity', 'pg_stat_get_backend_activity', 'pg_stat_get_progress_info',
              'table_to_xml', 'schema_to_xml', 'database_to_xml', 'query_to_xml', 'cursor_to_xml',
              'table_to_xml_and_xmlschema', 'schema_to_xml_and_xmlschema', 'database_to_xml_and_xmlschema',
              'query_to_xml_and_xmlschema'))
          AND has_function_privilege('public', p.oid, 'EXECUTE')
    LOOP
        EXECUTE format('REVOKE EXECUTE ON ROUTINE %s FROM PUBLIC', routine);
    END LOOP;
    FOR relation IN
        SELECT c.oid::regclass
        FROM pg_class c
        WHERE c.relnamespace = 'pg_catalog'::regnamespace
          AND c.relkind = 'v'
          AND (c.relname LIKE 'pg\\_stat\\_%' OR c.relname LIKE 'pg\\_statio\\_%' OR c.relname = 'pg_locks')
          AND has_table_privilege('public', c.oid, 'SELECT')
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM PUBLIC', relation);
    END LOOP;
    IF has_schema_privilege('public', 'public', 'USAGE') OR has_schema_privilege('public', 'public', 'CREATE') THEN
        REVOKE ALL ON SCHEMA public FROM PUBLIC;
    END IF;
    IF has_language_privilege('public', 'plpgsql', 'USAGE') THEN
        REVOKE USAGE ON LANGUAGE plpgsql FROM PUBLIC;
        GRANT USAGE ON LANGUAGE plpgsql TO gotrs_owner;
    END IF;
    IF has_database_privilege('public', current_database(), 'CONNECT')
       OR has_database_privilege('public', current_database(), 'TEMPORARY') THEN
        EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
    END IF;
    IF NOT has_database_privilege('gotrs_runtime', current_database(), 'CONNECT')
       OR NOT has_database_privilege('gotrs_lambda', current_database(), 'CONNECT') THEN
        EXECUTE format('GRANT CONNECT ON DATABASE %I TO gotrs_runtime, gotrs_lambda', current_database());
    END IF;
END
$body$;";

impl TenantDatabase {
    /// Prepares the database for tenants: nobody may connect, create or call anything volatile by default. Once per
    /// start of the process is fine; a prepared database is only looked at.
    ///
    /// Others who use the same database lose these rights too, unless they are superusers or own what they use: give
    /// tenants a database of their own.
    pub async fn prepare_server(&self) -> Result<(), PrepareError> {
        limited(self.prepare()).await
    }

    async fn prepare(&self) -> Result<(), PrepareError> {
        let (user, superuser): (String, bool) = sqlx::query_as(
            "SELECT rolname::text, rolsuper FROM pg_roles WHERE rolname = current_user",
        )
        .fetch_one(self.pool())
        .await
        .doing("asking who we are")?;
        if !superuser {
            return Err(PrepareError::NotSuperuser { user });
        }
        let mut transaction = self.pool().begin().await.doing("beginning a transaction")?;
        // The lock of no tenant: its second half is 0.
        sqlx::query("SELECT pg_advisory_xact_lock(1735357554, 0)")
            .execute(&mut *transaction)
            .await
            .doing("waiting for others who prepare the same database")?;
        run(&mut transaction, groups())
            .await
            .doing("making the groups of tenants' roles")?;
        run(&mut transaction, format!("{REVOKES}\n{GRANTS}"))
            .await
            .doing("taking away what PostgreSQL gives to everybody")?;
        transaction.commit().await.doing("committing")?;
        Ok(())
    }
}

/// Roles belong to the whole server: another database's preparation may make them at the same moment.
fn groups() -> String {
    GROUPS
        .map(|group| {
            format!(
                "DO $body$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{group}') THEN
        CREATE ROLE {group} NOLOGIN;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;
END $body$;\n"
            )
        })
        .concat()
}
