//! Looking things up in the registry.

use std::sync::Arc;

use domain::name::ModuleName;

use super::error::RegistryError;
use crate::app::AppState;
use crate::db::module::{self, ModuleVersion};
use crate::db::tenant::Tenant;
use crate::db::{DbError, DbResult};

/// The tenant's live modules with names after `after`, by name.
pub async fn list(
    state: &AppState,
    tenant: &Tenant,
    after: Option<&ModuleName>,
    limit: i64,
) -> DbResult<Vec<ModuleVersion>> {
    let mut db = state.pool.acquire().await?;
    let after = after.map(ModuleName::as_str).unwrap_or_default();
    module::list_live(&mut db, tenant.id, after, limit).await
}

/// The current version of a live module.
pub async fn get(
    state: &AppState,
    tenant: &Tenant,
    name: &ModuleName,
) -> Result<ModuleVersion, RegistryError> {
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    module::find_current(&mut db, tenant.id, name)
        .await?
        .filter(|version| version.kind.content().is_some())
        .ok_or_else(|| RegistryError::NoModule(name.clone()))
}

/// The YAML of a live module.
pub async fn source(
    state: &AppState,
    tenant: &Tenant,
    version: &ModuleVersion,
) -> Result<Arc<str>, RegistryError> {
    let content = version
        .kind
        .content()
        .ok_or_else(|| RegistryError::NoModule(version.name.clone()))?;
    state
        .modules
        .read_source(&state.blobs, tenant.id, &version.name, content.sha256)
        .await
        .map_err(RegistryError::ReadSource)
}

/// A module's versions below `before`, newest first, deletions too.
pub async fn versions(
    state: &AppState,
    tenant: &Tenant,
    name: &ModuleName,
    before: Option<u32>,
    limit: i64,
) -> Result<Vec<ModuleVersion>, RegistryError> {
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    if module::find_current(&mut db, tenant.id, name)
        .await?
        .is_none()
    {
        return Err(RegistryError::NoModule(name.clone()));
    }
    let before = before.unwrap_or(u32::MAX);
    Ok(module::list_versions(&mut db, tenant.id, name, before, limit).await?)
}
