//! From a YAML file to a stored version.

use std::sync::Arc;

use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::diagnostic::{Diagnostic, Severity};
use domain::digest::Sha256Digest;
use domain::id::ModuleVersionId;
use domain::name::ModuleName;
use module_spec::{Change, ModuleSpec};
use service_kit::Chain;
use sqlx::PgConnection;

use blob_store::BlobKey;

use super::check::{CheckReport, Tests, check_source};
use super::error::{MAX_MODULES, RegistryError};
use crate::app::AppState;
use crate::db::module::{self, Content, ModuleVersion, VersionKind};
use crate::db::tenant::Tenant;
use crate::db::{DbError, DbResult};
use crate::http::extract::Caller;
use crate::service::audit::{self, Deed};

/// What a stored module is called when it is read.
pub const CONTENT_TYPE: &str = "application/yaml";

/// How often an upload looks again when others change the same module meanwhile.
const ATTEMPTS: u32 = 3;

/// An upload.
#[derive(Debug)]
pub struct Upload {
    /// Where it is put; the file must say the same.
    pub name: ModuleName,
    /// The file.
    pub source: Arc<str>,
    /// Whether it is kept.
    pub mode: Mode,
    /// Whether its tests run.
    pub tests: Tests,
    /// Whether it may drop or narrow what records hold.
    pub data: DataLoss,
}

/// Whether an upload is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It becomes the current version.
    Store,
    /// It is only checked.
    DryRun,
}

/// Whether a change may drop or narrow what records hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataLoss {
    /// It is refused, with what it would lose.
    Refuse,
    /// It was asked for.
    Allow,
}

/// What became of an upload.
#[derive(Debug)]
pub struct Uploaded {
    /// The version; of a dry run, the one that would have been made.
    pub version: ModuleVersion,
    /// How it came about.
    pub outcome: Outcome,
    /// What is different from the version before.
    pub changes: Vec<Change>,
}

/// How the version of an answer came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The module was not live before.
    Created,
    /// It replaced another version.
    Updated,
    /// The current version has the same content.
    Unchanged,
    /// Nothing was stored.
    Checked,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Updated => "updated",
            Self::Unchanged => "unchanged",
            Self::Checked => "checked",
        }
    }
}

/// Checks a module and, unless only that was asked for, makes it the current version.
pub async fn upload(
    state: &AppState,
    caller: &Caller,
    tenant: &Tenant,
    upload: Upload,
) -> Result<Uploaded, RegistryError> {
    let name = upload.name.clone();
    let result = run(state, caller, tenant, upload).await;
    match &result {
        Ok(uploaded) => {
            metrics::counter!("module_uploads_total", "outcome" => uploaded.outcome.as_str())
                .increment(1);
            tracing::info!(
                tenant.id = %tenant.id,
                module.name = %name,
                module.version = uploaded.version.version,
                generation = uploaded.version.generation,
                outcome = uploaded.outcome.as_str(),
                "module uploaded"
            );
        }
        Err(error) => {
            metrics::counter!("module_upload_refusals_total", "code" => error.code()).increment(1);
            tracing::info!(tenant.id = %tenant.id, module.name = %name, code = error.code(), "module upload refused");
        }
    }
    result
}

async fn run(
    state: &AppState,
    caller: &Caller,
    tenant: &Tenant,
    upload: Upload,
) -> Result<Uploaded, RegistryError> {
    if tenant.deletion.is_some() {
        return Err(RegistryError::TenantIsLeaving);
    }
    let report = check(state, caller, &upload).await?;
    let Some(spec) = report.spec().filter(|_| report.is_good()) else {
        return Err(RegistryError::Invalid(report.diagnostics));
    };
    let digest = Sha256Digest::of(upload.source.as_bytes());
    let mut is_stored = false;
    for _ in 0..ATTEMPTS {
        let base = Base::read(state, tenant, &upload.name).await?;
        let live = base
            .current
            .as_ref()
            .and_then(|version| version.kind.content());
        if let Some(current) = &base.current
            && live.is_some_and(|content| content.sha256 == digest)
        {
            return Ok(Uploaded {
                version: ModuleVersion {
                    diagnostics: report.diagnostics,
                    ..current.clone()
                },
                outcome: match upload.mode {
                    Mode::Store => Outcome::Unchanged,
                    Mode::DryRun => Outcome::Checked,
                },
                changes: Vec::new(),
            });
        }
        let changes = changes_from(&base, spec);
        let losses: Vec<Change> = changes
            .iter()
            .filter(|change| change.stored)
            .cloned()
            .collect();
        if !losses.is_empty() && base.owns_data(spec) && upload.data == DataLoss::Refuse {
            return Err(RegistryError::Destructive(losses));
        }
        let version = ModuleVersion {
            id: ModuleVersionId::generate(),
            name: upload.name.clone(),
            version: base.next_version(),
            kind: VersionKind::Put(Content {
                sha256: digest,
                size: u32::try_from(upload.source.len()).unwrap_or(u32::MAX),
            }),
            diagnostics: report.diagnostics.clone(),
            tests_skipped: upload.tests == Tests::Skip,
            generation: base.generation,
            created_by: caller.account,
            created_at: state.clock.now(),
        };
        if upload.mode == Mode::DryRun {
            return Ok(Uploaded {
                version,
                outcome: Outcome::Checked,
                changes,
            });
        }
        if !is_stored {
            store(state, tenant, &upload, digest).await?;
            is_stored = true;
        }
        let outcome = match live {
            Some(_) => Outcome::Updated,
            None => Outcome::Created,
        };
        if let Some(version) = commit(state, caller, tenant, version, &base).await? {
            return Ok(Uploaded {
                version,
                outcome,
                changes,
            });
        }
    }
    Err(RegistryError::Contended)
}

async fn check(
    state: &AppState,
    caller: &Caller,
    upload: &Upload,
) -> Result<CheckReport, RegistryError> {
    let places = &state.modules.checks_of_accounts;
    let place = places
        .line_up(caller.account)
        .ok_or(RegistryError::TooManyChecks)?;
    let turn = place.turn().await;
    let permit = Arc::clone(&state.modules.checks).acquire_owned().await;
    let engine = Arc::clone(&state.modules.engine);
    let name = upload.name.clone();
    let source = Arc::clone(&upload.source);
    let tests = upload.tests;
    state
        .tasks
        .spawn_blocking("check-module", move || {
            // Held by the work, not by the request: who hangs up does not make room for another check.
            let _held = (place, turn, permit);
            check_source(&engine, Some(&name), &source, tests)
        })
        .await
        .map_err(RegistryError::Check)
}

async fn store(
    state: &AppState,
    tenant: &Tenant,
    upload: &Upload,
    digest: Sha256Digest,
) -> Result<(), RegistryError> {
    let key = BlobKey::module(tenant.id, &upload.name, &digest);
    let content = Bytes::copy_from_slice(upload.source.as_bytes());
    state
        .blobs
        .put_if_absent(&key, CONTENT_TYPE, content)
        .await
        .map_err(RegistryError::Store)?;
    state.modules.keep_source(digest, &upload.source);
    Ok(())
}

/// What a new version is built on.
#[derive(Debug)]
pub(super) struct Base {
    /// The current version, which may be a deletion.
    pub(super) current: Option<ModuleVersion>,
    /// The tenant's generation.
    pub(super) generation: u64,
    /// The newest content, be it deleted since or not.
    last_spec: Option<ModuleSpec>,
}

impl Base {
    pub(super) async fn read(
        state: &AppState,
        tenant: &Tenant,
        name: &ModuleName,
    ) -> Result<Self, RegistryError> {
        let mut db = state.pool.acquire().await.map_err(DbError::from)?;
        let current = module::find_current(&mut db, tenant.id, name).await?;
        let last = match current.as_ref().map(|version| version.kind.content()) {
            Some(Some(content)) => Some(content),
            Some(None) => module::find_last_content(&mut db, tenant.id, name).await?,
            None => None,
        };
        let generation = module::generation(&mut db, tenant.id).await?;
        drop(db);
        let last_spec = match last {
            Some(content) => read_spec(state, tenant, name, content).await?,
            None => None,
        };
        Ok(Self {
            current,
            generation,
            last_spec,
        })
    }

    /// Without the content, for changes that compare nothing.
    pub(super) async fn read_current(
        state: &AppState,
        tenant: &Tenant,
        name: &ModuleName,
    ) -> Result<Self, RegistryError> {
        let mut db = state.pool.acquire().await.map_err(DbError::from)?;
        Ok(Self {
            current: module::find_current(&mut db, tenant.id, name).await?,
            generation: module::generation(&mut db, tenant.id).await?,
            last_spec: None,
        })
    }

    /// The number of the version after this.
    pub(super) fn next_version(&self) -> u32 {
        self.current
            .as_ref()
            .map_or(1, |version| version.version + 1)
    }

    /// Whether records lie in a table that the module owns: only then can an upload lose any.
    fn owns_data(&self, new: &ModuleSpec) -> bool {
        new.is_managed() || self.last_spec.as_ref().is_some_and(ModuleSpec::is_managed)
    }
}

/// A stored module. What is damaged or unreadable by now must not stop a good upload: then there is nothing to compare with.
async fn read_spec(
    state: &AppState,
    tenant: &Tenant,
    name: &ModuleName,
    content: Content,
) -> Result<Option<ModuleSpec>, RegistryError> {
    let read = state
        .modules
        .read_source(&state.blobs, tenant.id, name, content.sha256)
        .await;
    let source = match read {
        Ok(source) => source,
        Err(error) if error.is_permanent() => {
            tracing::error!(tenant.id = %tenant.id, error = %Chain(&error), "a stored module is lost");
            return Ok(None);
        }
        Err(error) => return Err(RegistryError::ReadSource(error)),
    };
    let (spec, findings) = module_spec::parse(&source);
    if spec.is_none() {
        tracing::warn!(
            tenant.id = %tenant.id,
            module.name = %name,
            findings = findings.len(),
            "a stored module cannot be parsed any more"
        );
    }
    Ok(spec)
}

/// What is different from the newest content that the module ever had.
fn changes_from(base: &Base, new: &ModuleSpec) -> Vec<Change> {
    match &base.last_spec {
        Some(old) => module_spec::diff(old, new),
        None => Vec::new(),
    }
}

/// Makes `version` the current one, unless another has become it since `base` was read.
pub(super) async fn commit(
    state: &AppState,
    caller: &Caller,
    tenant: &Tenant,
    mut version: ModuleVersion,
    base: &Base,
) -> Result<Option<ModuleVersion>, RegistryError> {
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    // Locks: from here on nobody else changes a module of this tenant.
    version.generation = module::next_generation(&mut tx, tenant.id).await?;
    let current = module::find_current(&mut tx, tenant.id, &version.name).await?;
    if current.as_ref().map(|current| current.version)
        != base.current.as_ref().map(|base| base.version)
    {
        return Ok(None);
    }
    let was_live = current.is_some_and(|current| current.kind.content().is_some());
    if !was_live
        && version.kind.content().is_some()
        && module::count_live(&mut tx, tenant.id).await? >= MAX_MODULES
    {
        return Err(RegistryError::TooMany);
    }
    module::insert(&mut tx, tenant.id, &version).await?;
    record(&mut tx, caller, tenant, &version, state.clock.now()).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(Some(version))
}

async fn record(
    db: &mut PgConnection,
    caller: &Caller,
    tenant: &Tenant,
    version: &ModuleVersion,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let deed = Deed {
        account: tenant.account,
        tenant: Some(tenant.id),
        actor: &caller.actor(),
        action: match version.kind {
            VersionKind::Put(_) => "module.put",
            VersionKind::Rollback { .. } => "module.rollback",
            VersionKind::Delete => "module.delete",
        },
        detail: serde_json::json!({
            "module": version.name,
            "version": version.version,
            "tests_skipped": version.tests_skipped,
        }),
    };
    audit::record(db, deed, now).await
}

/// A finding about a body that is no text.
pub fn not_text() -> RegistryError {
    RegistryError::Invalid(vec![Diagnostic {
        severity: Severity::Error,
        code: "not-utf8".to_owned(),
        message: "the file is not UTF-8".to_owned(),
        help: Some("save it as UTF-8".to_owned()),
        line: 0,
        column: 0,
        length: 0,
        path: String::new(),
    }])
}
