//! Changes without an upload: bringing an old version back, and deleting.

use chrono::{DateTime, Utc};
use domain::diagnostic::Diagnostic;
use domain::id::ModuleVersionId;
use domain::name::ModuleName;

use super::error::RegistryError;
use super::upload::{Base, commit};
use crate::app::AppState;
use crate::db::DbError;
use crate::db::module::{self, ModuleVersion, VersionKind};
use crate::db::tenant::Tenant;
use crate::http::extract::Caller;

/// How often a change looks again when others change the same module meanwhile.
const ATTEMPTS: u32 = 3;

/// Makes the content of an earlier version the current one, as a new version. Whoever names a version has decided:
/// columns that only newer versions have are kept and not shown, so nothing is lost.
pub async fn roll_back(
    state: &AppState,
    caller: &Caller,
    tenant: &Tenant,
    name: &ModuleName,
    to: u32,
) -> Result<ModuleVersion, RegistryError> {
    if tenant.deletion.is_some() {
        return Err(RegistryError::TenantIsLeaving);
    }
    let target = {
        let mut db = state.pool.acquire().await.map_err(DbError::from)?;
        module::find_version(&mut db, tenant.id, name, to).await?
    };
    let target = target.ok_or_else(|| RegistryError::NoVersion {
        name: name.clone(),
        version: to,
    })?;
    let Some(content) = target.kind.content() else {
        return Err(RegistryError::NothingToRestore {
            name: name.clone(),
            version: to,
        });
    };
    for _ in 0..ATTEMPTS {
        let base = Base::read_current(state, tenant, name).await?;
        let now_live = base
            .current
            .as_ref()
            .and_then(|current| current.kind.content());
        if let Some(current) = &base.current
            && now_live.is_some_and(|live| live.sha256 == content.sha256)
        {
            return Ok(current.clone());
        }
        let kind = VersionKind::Rollback {
            restored_version: to,
            content,
        };
        let mut version = next(&base, caller, name, kind, state.clock.now());
        version.diagnostics.clone_from(&target.diagnostics);
        version.tests_skipped = target.tests_skipped;
        if let Some(version) = commit(state, caller, tenant, version, &base).await? {
            metrics::counter!("module_rollbacks_total").increment(1);
            tracing::info!(tenant.id = %tenant.id, module.name = %name, module.version = version.version,
                restored = to, generation = version.generation, "module rolled back");
            return Ok(version);
        }
    }
    Err(RegistryError::Contended)
}

/// Deletes a module, which is a version too. Its table, if it owns one, is kept.
pub async fn delete(
    state: &AppState,
    caller: &Caller,
    tenant: &Tenant,
    name: &ModuleName,
) -> Result<ModuleVersion, RegistryError> {
    if tenant.deletion.is_some() {
        return Err(RegistryError::TenantIsLeaving);
    }
    for _ in 0..ATTEMPTS {
        let base = Base::read_current(state, tenant, name).await?;
        let is_live = base
            .current
            .as_ref()
            .is_some_and(|current| current.kind.content().is_some());
        if !is_live {
            return Err(RegistryError::NoModule(name.clone()));
        }
        let version = next(&base, caller, name, VersionKind::Delete, state.clock.now());
        if let Some(version) = commit(state, caller, tenant, version, &base).await? {
            metrics::counter!("module_deletions_total").increment(1);
            tracing::info!(tenant.id = %tenant.id, module.name = %name, module.version = version.version,
                generation = version.generation, "module deleted");
            return Ok(version);
        }
    }
    Err(RegistryError::Contended)
}

fn next(
    base: &Base,
    caller: &Caller,
    name: &ModuleName,
    kind: VersionKind,
    now: DateTime<Utc>,
) -> ModuleVersion {
    ModuleVersion {
        id: ModuleVersionId::generate(),
        name: name.clone(),
        version: base.next_version(),
        kind,
        diagnostics: Vec::<Diagnostic>::new(),
        tests_skipped: false,
        generation: base.generation,
        created_by: caller.account,
        created_at: now,
    }
}
