//! A tenant's schema and who owns it.

use domain::id::TenantId;

use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited, run};
use crate::names::TenantNames;

/// Why a schema could not be made.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// A schema of this name is there and belongs to somebody else.
    #[error(
        "schema {schema} belongs to {owner}, not to its tenant; it was not made by us: rename or drop it"
    )]
    ForeignOwner {
        /// Which schema.
        schema: String,
        /// Whose it is.
        owner: String,
    },
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl TenantDatabase {
    /// Makes the owner role and the schema that it owns, where they are missing.
    pub async fn ensure_schema(&self, tenant: TenantId) -> Result<(), SchemaError> {
        limited(self.make_schema(tenant)).await
    }

    async fn make_schema(&self, tenant: TenantId) -> Result<(), SchemaError> {
        let names = TenantNames::of(tenant);
        let mut transaction = self.begin(tenant).await?;
        let owner_exists: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1)")
                .bind(names.owner.as_str())
                .fetch_one(&mut *transaction)
                .await
                .doing("looking for the owner role")?;
        let schema_owner: Option<String> = sqlx::query_scalar(
            "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1",
        )
        .bind(names.schema.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .doing("looking for the schema")?;
        run(&mut transaction, owner_sql(&names, owner_exists))
            .await
            .doing("making the owner role")?;
        match schema_owner {
            None => run(
                &mut transaction,
                format!(
                    "CREATE SCHEMA {} AUTHORIZATION {};",
                    names.schema, names.owner
                ),
            )
            .await
            .doing("making the schema")?,
            Some(owner) if owner == names.owner.as_str() => {}
            Some(owner) => {
                return Err(SchemaError::ForeignOwner {
                    schema: names.schema.as_str().to_owned(),
                    owner,
                });
            }
        }
        transaction.commit().await.doing("committing")?;
        Ok(())
    }
}

/// The owner never signs in: migrations switch to it, so that all they make is its. Its functions are nobody
/// else's until granted.
fn owner_sql(names: &TenantNames, exists: bool) -> String {
    let verb = if exists { "ALTER" } else { "CREATE" };
    let owner = &names.owner;
    format!(
        "{verb} ROLE {owner} NOLOGIN INHERIT NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS;
GRANT gotrs_owner TO {owner};
ALTER ROLE {owner} SET search_path = {schema};
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE EXECUTE ON ROUTINES FROM PUBLIC;
ALTER DEFAULT PRIVILEGES FOR ROLE {owner} REVOKE USAGE ON TYPES FROM PUBLIC;",
        schema = names.schema,
    )
}
