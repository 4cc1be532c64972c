//! A tenant's place in PostgreSQL, as the reconciler needs it.

use std::collections::HashMap;
use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use async_trait::async_trait;
use domain::id::TenantId;
use domain::plan::Plan;
use secrecy::SecretString;
use tenant_database::{
    AdministratorError, AdministratorSeed, Credentials, DatabaseError, ExportError, MigrateError,
    Note, NoteError, RemovalError, RoleLimits, RolesError, SchemaError, TenantDatabase,
    VerifyError,
};
use tenant_export::{Source, SourceError};

use crate::reconcile::validate::Run;

/// Reason of a step that was refused because another operator leads.
const FENCED: &str = "Fenced";
/// Reason of an export of a tenant that has no schema.
const NOTHING_TO_EXPORT: &str = "NothingToExport";

/// A step in the database that did not succeed.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct StoreError {
    /// Word for conditions and metrics.
    pub reason: &'static str,
    /// For people; what the database said is in the source, for the log.
    message: String,
    /// Whether trying again with the same inputs is in vain.
    pub is_final: bool,
    #[source]
    source: Box<dyn Error + Send + Sync>,
}

impl StoreError {
    /// A failure that may pass.
    pub fn passing(reason: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            reason,
            message: source.to_string(),
            is_final: false,
            source: Box::new(source),
        }
    }

    /// Another operator has begun: this one must stop.
    pub fn fenced(source: impl Error + Send + Sync + 'static) -> Self {
        Self::passing(FENCED, source)
    }

    /// Whether this operator must stop.
    pub fn is_fenced(&self) -> bool {
        self.reason == FENCED
    }

    /// The tenant has no schema.
    #[cfg(test)]
    pub(crate) fn nothing_to_export() -> Self {
        Self::lasting(NOTHING_TO_EXPORT, std::io::Error::other("no schema"))
    }

    /// Whether a tenant was to be exported that has no schema.
    pub fn is_nothing_to_export(&self) -> bool {
        self.reason == NOTHING_TO_EXPORT
    }

    /// A failure that stays until a person or another version comes.
    pub fn lasting(reason: &'static str, source: impl Error + Send + Sync + 'static) -> Self {
        Self {
            is_final: true,
            ..Self::passing(reason, source)
        }
    }
}

/// What the reconciler does in a database. Each call is safe to repeat.
#[async_trait]
pub trait TenantStore: Send + Sync + 'static {
    /// The schema and its owner.
    async fn ensure_schema(&self, tenant: TenantId) -> Result<(), StoreError>;
    /// The roles that sign in: passwords, limits, rights.
    async fn ensure_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
    ) -> Result<(), StoreError>;
    /// Other passwords or limits for roles that are otherwise as they were made: where their stamp is `stamp`. Answers the new one.
    async fn change_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
        stamp: &str,
    ) -> Result<Option<String>, StoreError>;
    /// Tables and default rows; answers the newest migration.
    async fn migrate(&self, tenant: TenantId) -> Result<i64, StoreError>;
    /// The first administrator, where none was made yet; answers whether it was made now.
    async fn ensure_administrator(
        &self,
        tenant: TenantId,
        seed: &AdministratorSeed,
    ) -> Result<bool, StoreError>;
    /// What differs from how it should be, for people.
    async fn differences(&self, tenant: TenantId) -> Result<Vec<String>, StoreError>;
    /// Keeps the roles from signing in and ends their connections.
    async fn lock(&self, tenant: TenantId) -> Result<(), StoreError>;
    /// What changes when somebody changes roles or schema.
    async fn stamp(&self, tenant: TenantId) -> Result<String, StoreError>;
    /// Writes down what the next operator may need.
    async fn keep_note(&self, tenant: TenantId, content: &str) -> Result<(), StoreError>;
    /// What operators before wrote down.
    async fn notes(&self) -> Result<Vec<Note>, StoreError>;
    /// Removes schema and roles, and the note.
    async fn remove(&self, tenant: TenantId) -> Result<(), StoreError>;
    /// Writes all rows to `destination` as one archive; answers its size. Without a deadline of its own.
    async fn export(
        &self,
        tenant: TenantId,
        destination: Box<dyn Write + Send>,
    ) -> Result<u64, StoreError>;
    /// Where the runtime role signs in.
    fn runtime_url(&self, tenant: TenantId, credentials: &Credentials) -> SecretString;
    /// Where the lambda role signs in.
    fn lambda_url(&self, tenant: TenantId, credentials: &Credentials) -> SecretString;
}

#[async_trait]
impl TenantStore for TenantDatabase {
    async fn ensure_schema(&self, tenant: TenantId) -> Result<(), StoreError> {
        Self::ensure_schema(self, tenant)
            .await
            .map_err(|error| match error {
                SchemaError::Database(DatabaseError::Fenced { .. }) => StoreError::fenced(error),
                SchemaError::ForeignOwner { .. } => StoreError::lasting("SchemaTaken", error),
                SchemaError::Database(_) => StoreError::passing("SchemaFailed", error),
            })
    }

    async fn ensure_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
    ) -> Result<(), StoreError> {
        Self::ensure_roles(self, tenant, credentials, limits)
            .await
            .map_err(roles_error)
    }

    async fn change_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
        stamp: &str,
    ) -> Result<Option<String>, StoreError> {
        Self::change_roles(self, tenant, credentials, limits, stamp)
            .await
            .map_err(roles_error)
    }

    async fn migrate(&self, tenant: TenantId) -> Result<i64, StoreError> {
        match Self::migrate(self, tenant).await {
            Ok(report) => Ok(report.version),
            Err(error @ MigrateError::Database(DatabaseError::Fenced { .. })) => {
                Err(StoreError::fenced(error))
            }
            Err(
                error @ (MigrateError::Apply { .. }
                | MigrateError::Changed { .. }
                | MigrateError::Newer { .. }),
            ) => Err(StoreError::lasting("MigrationFailed", error)),
            Err(error) => Err(StoreError::passing("MigrationFailed", error)),
        }
    }

    async fn ensure_administrator(
        &self,
        tenant: TenantId,
        seed: &AdministratorSeed,
    ) -> Result<bool, StoreError> {
        Self::ensure_administrator(self, tenant, seed)
            .await
            .map_err(|error| match error {
                AdministratorError::Database(DatabaseError::Fenced { .. }) => {
                    StoreError::fenced(error)
                }
                // Another address or another hash is needed.
                AdministratorError::EmailLength { .. } | AdministratorError::PasswordFormat => {
                    StoreError::lasting("AdministratorFailed", error)
                }
                AdministratorError::Database(_) => {
                    StoreError::passing("AdministratorFailed", error)
                }
            })
    }

    async fn differences(&self, tenant: TenantId) -> Result<Vec<String>, StoreError> {
        match self.verify(tenant).await {
            Ok(found) => Ok(found.iter().map(ToString::to_string).collect()),
            Err(error @ VerifyError::Database(DatabaseError::Fenced { .. })) => {
                Err(StoreError::fenced(error))
            }
            Err(error) => Err(StoreError::passing("VerificationFailed", error)),
        }
    }

    async fn lock(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.set_login_enabled(tenant, false)
            .await
            .map_err(roles_error)
    }

    async fn stamp(&self, tenant: TenantId) -> Result<String, StoreError> {
        Self::stamp(self, tenant).await.map_err(note_error)
    }

    async fn keep_note(&self, tenant: TenantId, content: &str) -> Result<(), StoreError> {
        Self::keep_note(self, tenant, content)
            .await
            .map_err(note_error)
    }

    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        Self::notes(self).await.map_err(note_error)
    }

    async fn remove(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.drop_tenant(tenant)
            .await
            .map_err(|error| match error {
                RemovalError::Database(DatabaseError::Fenced { .. })
                | RemovalError::LockOut(RolesError::Database(DatabaseError::Fenced { .. })) => {
                    StoreError::fenced(error)
                }
                error => StoreError::passing("RemovalFailed", error),
            })?;
        self.forget_note(tenant).await.map_err(note_error)
    }

    async fn export(
        &self,
        tenant: TenantId,
        destination: Box<dyn Write + Send>,
    ) -> Result<u64, StoreError> {
        match Self::export(self, tenant, destination).await {
            Ok(report) => Ok(report.bytes),
            Err(error @ ExportError::NoSchema { .. }) => {
                Err(StoreError::lasting(NOTHING_TO_EXPORT, error))
            }
            Err(error @ ExportError::Database(DatabaseError::Fenced { .. })) => {
                Err(StoreError::fenced(error))
            }
            Err(error) => Err(StoreError::passing("ExportFailed", error)),
        }
    }

    fn runtime_url(&self, tenant: TenantId, credentials: &Credentials) -> SecretString {
        Self::runtime_url(self, tenant, credentials)
    }

    fn lambda_url(&self, tenant: TenantId, credentials: &Credentials) -> SecretString {
        Self::lambda_url(self, tenant, credentials)
    }
}

fn roles_error(error: RolesError) -> StoreError {
    match error {
        RolesError::Database(DatabaseError::Fenced { .. }) => StoreError::fenced(error),
        error => StoreError::passing("RolesFailed", error),
    }
}

fn note_error(error: NoteError) -> StoreError {
    match error {
        NoteError::Database(DatabaseError::Fenced { .. }) => StoreError::fenced(error),
        NoteError::Database(_) => StoreError::passing("NoteFailed", error),
    }
}

/// A store as exports read from it.
pub struct Rows(pub Arc<dyn TenantStore>);

#[async_trait]
impl Source for Rows {
    async fn export(
        &self,
        tenant: TenantId,
        destination: Box<dyn Write + Send>,
    ) -> Result<(), SourceError> {
        match self.0.export(tenant, destination).await {
            Ok(_bytes) => Ok(()),
            Err(error) if error.is_nothing_to_export() => Err(SourceError::Nothing),
            Err(error) => Err(SourceError::Failed(error.into())),
        }
    }
}

/// The databases by the name of their cluster.
pub type Stores = HashMap<String, Arc<dyn TenantStore>>;

/// Connections for every pod that serves, and for the one that a rollout starts before an old one ends.
pub fn role_limits(plan: Plan, run: Run) -> RoleLimits {
    let pods = run.most() + 1;
    let one = RoleLimits::default();
    RoleLimits {
        runtime_connections: plan.runtime_connections().saturating_mul(pods),
        lambda_connections: one.lambda_connections.saturating_mul(pods),
        ..one
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_finds_connections() {
        let limits = role_limits(Plan::Team, Run::Fixed(3));
        assert_eq!(limits.runtime_connections, 40);
        assert_eq!(limits.lambda_connections, 12);
        assert_eq!(
            limits.lambda_statement_timeout,
            RoleLimits::default().lambda_statement_timeout
        );
    }
}
