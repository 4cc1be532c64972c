//! What the API says about modules.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::diagnostic::Diagnostic;
use domain::digest::Sha256Digest;
use domain::id::AccountId;
use domain::name::ModuleName;
use domain::watch::Suspension;
use module_spec::Change;
use serde::Serialize;

use super::live::Live;
use crate::db::module::ModuleVersion;

/// A version as the API shows it.
#[derive(Debug, Serialize)]
pub struct VersionView {
    /// Which module.
    pub name: ModuleName,
    /// Counts from 1.
    pub version: u32,
    /// `put`, `rollback` or `delete`.
    pub kind: &'static str,
    /// Digest of the YAML; absent for a deletion.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256Digest>,
    /// Its size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u32>,
    /// The version that a rollback brought back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restored_version: Option<u32>,
    /// The tenant's module generation that it made.
    pub generation: u64,
    /// Whether the module's own tests were not run.
    pub tests_skipped: bool,
    /// Who made it.
    pub created_by: AccountId,
    /// When.
    pub created_at: DateTime<Utc>,
    /// Warnings.
    pub diagnostics: Vec<Diagnostic>,
    /// In lists of modules: why and until when its code does not run in one of the tenant's runtimes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
}

impl VersionView {
    /// Live modules, each with its suspension.
    pub fn of_live(
        versions: Vec<ModuleVersion>,
        mut suspended: BTreeMap<String, Suspension>,
    ) -> Vec<Self> {
        versions
            .into_iter()
            .map(|version| Self {
                suspension: suspended.remove(version.name.as_str()),
                ..Self::from(version)
            })
            .collect()
    }
}

impl From<ModuleVersion> for VersionView {
    fn from(version: ModuleVersion) -> Self {
        let content = version.kind.content();
        Self {
            kind: version.kind.as_str(),
            sha256: content.map(|content| content.sha256),
            size: content.map(|content| content.size),
            restored_version: version.kind.restored_version(),
            name: version.name,
            version: version.version,
            generation: version.generation,
            tests_skipped: version.tests_skipped,
            created_by: version.created_by,
            created_at: version.created_at,
            diagnostics: version.diagnostics,
            suspension: None,
        }
    }
}

/// The answer to whatever changes a module.
#[derive(Debug, Serialize)]
pub struct ChangeView {
    /// The version that counts now.
    #[serde(flatten)]
    pub version: VersionView,
    /// Whether it was only checked and nothing stored.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// What is different from the version before.
    pub changes: Vec<Change>,
    /// What runtimes have made of it, if the caller waited for that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub live: Option<Live>,
}
