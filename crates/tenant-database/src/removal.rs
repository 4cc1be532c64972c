//! The end of a tenant.

use std::time::Duration;

use domain::id::TenantId;

use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited, run, without_readers};
use crate::names::TenantNames;
use crate::roles::{RolesError, end_connections};

/// How often ended connections are looked at, and how many times: 5 s in all.
const POLL: Duration = Duration::from_millis(20);
const POLLS: u32 = 250;

/// Why a tenant could not be removed.
#[derive(Debug, thiserror::Error)]
pub enum RemovalError {
    /// Its roles cannot be kept out.
    #[error("the tenant's roles could not be locked out")]
    LockOut(#[source] RolesError),
    /// A connection does not end.
    #[error("{connections} connections of the tenant did not end within 5 s; try again")]
    StillConnected {
        /// How many.
        connections: i64,
    },
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl TenantDatabase {
    /// Ends the tenant's connections and removes its schema with everything in it and its three roles. What is
    /// already gone is fine.
    pub async fn drop_tenant(&self, tenant: TenantId) -> Result<(), RemovalError> {
        self.set_login_enabled(tenant, false)
            .await
            .map_err(RemovalError::LockOut)?;
        limited(self.remove(tenant)).await
    }

    async fn remove(&self, tenant: TenantId) -> Result<(), RemovalError> {
        let names = TenantNames::of(tenant);
        self.wait_until_disconnected(&names).await?;
        let mut transaction = self.begin(tenant).await?;
        without_readers(&mut transaction, tenant).await?;
        let roles: Vec<String> =
            sqlx::query_scalar("SELECT rolname::text FROM pg_roles WHERE rolname IN ($1, $2, $3)")
                .bind(names.owner.as_str())
                .bind(names.runtime.as_str())
                .bind(names.lambda.as_str())
                .fetch_all(&mut *transaction)
                .await
                .doing("looking for the tenant's roles")?;
        run(&mut transaction, removal_sql(&names, &roles))
            .await
            .doing("removing the tenant's schema and roles")?;
        transaction.commit().await.doing("committing")?;
        Ok(())
    }

    async fn wait_until_disconnected(&self, names: &TenantNames) -> Result<(), RemovalError> {
        let mut connections = 0;
        for _ in 0..POLLS {
            connections = end_connections(self, names).await?;
            if connections == 0 {
                return Ok(());
            }
            tokio::time::sleep(POLL).await;
        }
        Err(RemovalError::StillConnected { connections })
    }
}

/// `DROP OWNED` takes the rights and default rights of the roles along, without which they could not be dropped.
fn removal_sql(names: &TenantNames, roles: &[String]) -> String {
    let schema = format!("DROP SCHEMA IF EXISTS {} CASCADE;\n", names.schema);
    let roles = roles
        .iter()
        .map(|role| format!("DROP OWNED BY \"{role}\" CASCADE;\nDROP ROLE \"{role}\";\n"));
    std::iter::once(schema).chain(roles).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_roles_that_exist_are_dropped() {
        let tenant = "0198c0de-0000-7000-8000-00000000002a".parse().unwrap();
        let names = TenantNames::of(tenant);
        assert_eq!(
            removal_sql(&names, &[]),
            "DROP SCHEMA IF EXISTS \"t_0198c0de00007000800000000000002a\" CASCADE;\n"
        );
        let both = removal_sql(&names, &["a".to_owned(), "b".to_owned()]);
        assert_eq!(both.matches("DROP ROLE").count(), 2);
    }
}
