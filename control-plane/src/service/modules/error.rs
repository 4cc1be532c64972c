//! Why the registry refuses something, and what that is on the wire.

use std::time::Duration;

use domain::diagnostic::{Diagnostic, Severity};
use domain::name::ModuleName;
use http::StatusCode;
use module_spec::Change;
use service_kit::lifecycle::BlockingError;
use service_kit::problem::ProblemItem;
use service_kit::{Chain, Problem};

use blob_store::BlobError;

use super::registry::ReadSourceError;
use crate::db::DbError;

/// Modules that a tenant may have live at once: what fits into one snapshot line and one menu.
pub const MAX_MODULES: i64 = 500;

/// A check takes some seconds at most.
const CHECKS_PAUSE: Duration = Duration::from_secs(5);

/// A change of the registry that was not made.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The file has errors.
    #[error("the module has errors")]
    Invalid(Vec<Diagnostic>),
    /// It would lose data that records have.
    #[error("the upload would drop or narrow what records hold")]
    Destructive(Vec<Change>),
    /// The tenant has as many as it may have.
    #[error("the tenant has too many modules")]
    TooMany,
    /// The account has as many checks under way as it may have.
    #[error("too many modules of the account are being checked")]
    TooManyChecks,
    /// The tenant is on its way out.
    #[error("the tenant is being deleted")]
    TenantIsLeaving,
    /// No such module, or none that is live.
    #[error("there is no module {0}")]
    NoModule(ModuleName),
    /// The module has no such version.
    #[error("module {name} has no version {version}")]
    NoVersion {
        /// Which module.
        name: ModuleName,
        /// Which version.
        version: u32,
    },
    /// The version is a deletion: there is nothing to bring back.
    #[error("version {version} of module {name} is its deletion")]
    NothingToRestore {
        /// Which module.
        name: ModuleName,
        /// Which version.
        version: u32,
    },
    /// Others changed the same module again and again meanwhile.
    #[error("the module was changed by others at the same time")]
    Contended,
    /// The check did not come to an end.
    #[error("the module could not be checked")]
    Check(#[source] BlockingError),
    /// The file could not be stored.
    #[error("the module could not be stored")]
    Store(#[source] BlobError),
    /// What it replaces could not be read.
    #[error("the version before could not be read")]
    ReadSource(#[source] ReadSourceError),
    /// The database.
    #[error("the registry could not be read or written")]
    Database(#[from] DbError),
}

impl RegistryError {
    /// A bounded word for metrics.
    pub fn code(&self) -> String {
        match self {
            // The codes of findings are a documented list.
            Self::Invalid(findings) => findings
                .iter()
                .find(|finding| finding.is_error())
                .map_or_else(|| "invalid".to_owned(), |finding| finding.code.clone()),
            Self::Destructive(_) => "destructive".to_owned(),
            Self::TooMany => "too_many_modules".to_owned(),
            Self::TooManyChecks => "rate_limited".to_owned(),
            Self::TenantIsLeaving => "wrong_phase".to_owned(),
            Self::NoModule(_) | Self::NoVersion { .. } => "not_found".to_owned(),
            Self::NothingToRestore { .. } => "nothing_to_restore".to_owned(),
            Self::Contended => "contended".to_owned(),
            Self::Check(_) | Self::Store(_) | Self::ReadSource(_) | Self::Database(_) => {
                "internal".to_owned()
            }
        }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        match error {
            RegistryError::Invalid(findings) => invalid(&findings),
            RegistryError::Destructive(changes) => destructive(changes),
            RegistryError::TooMany => Self::conflict(
                "too_many_modules",
                format!("A tenant may have {MAX_MODULES} modules. Delete one that is not used."),
            ),
            RegistryError::TooManyChecks => Self::too_many_requests(CHECKS_PAUSE),
            RegistryError::TenantIsLeaving => Self::conflict(
                "wrong_phase",
                "The tenant is being deleted; bring it back first.",
            ),
            RegistryError::NoModule(name) => Self::not_found(format!(
                "The tenant has no module \"{name}\". If it was deleted, roll back to one of its versions."
            )),
            RegistryError::NoVersion { name, version } => {
                Self::not_found(format!("The module \"{name}\" has no version {version}."))
            }
            RegistryError::NothingToRestore { name, version } => Self::conflict(
                "nothing_to_restore",
                format!(
                    "Version {version} of \"{name}\" is its deletion; choose a version with content."
                ),
            ),
            RegistryError::Contended => Self::conflict(
                "contended",
                "Others changed this module at the same time. Look at what it is now and try again.",
            ),
            RegistryError::Store(ref cause) if !cause.is_permanent() => unreachable_store(&error),
            RegistryError::ReadSource(ReadSourceError::Get { ref source, .. })
                if !source.is_permanent() =>
            {
                unreachable_store(&error)
            }
            RegistryError::Database(error) => error.into(),
            RegistryError::Check(_) | RegistryError::Store(_) | RegistryError::ReadSource(_) => {
                tracing::error!(error = %Chain(&error), "the registry failed");
                Self::internal()
            }
        }
    }
}

fn unreachable_store(error: &RegistryError) -> Problem {
    tracing::warn!(error = %Chain(error), "the object store is not reachable");
    Problem::unavailable(
        "The module store cannot be reached. Nothing was changed; try again in a moment.",
    )
}

fn invalid(findings: &[Diagnostic]) -> Problem {
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let detail = match errors {
        1 => "The file has 1 error; the version before stays live.".to_owned(),
        errors => format!("The file has {errors} errors; the version before stays live."),
    };
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "module_invalid",
        "The module cannot be used",
    )
    .with_detail(detail)
    .with_errors(findings.iter().map(item).collect())
}

fn item(finding: &Diagnostic) -> ProblemItem {
    ProblemItem {
        code: finding.code.clone().into(),
        message: finding.message.clone(),
        pointer: (!finding.path.is_empty()).then(|| pointer(&finding.path)),
        line: (finding.line > 0).then_some(finding.line),
        column: (finding.column > 0).then_some(finding.column),
        severity: match finding.severity {
            Severity::Error => "error".into(),
            Severity::Warning => "warning".into(),
        },
        help: finding.help.clone(),
    }
}

/// A path such as `fields[2].type` as JSON pointer: `/fields/2/type`.
fn pointer(path: &str) -> String {
    let mut pointer = String::with_capacity(path.len() + 1);
    for part in path.split(['.', '[', ']']).filter(|part| !part.is_empty()) {
        pointer.push('/');
        pointer.push_str(&part.replace('~', "~0").replace('/', "~1"));
    }
    pointer
}

fn destructive(changes: Vec<Change>) -> Problem {
    let errors = changes
        .into_iter()
        .map(|change| {
            let mut item = ProblemItem::field(pointer(&change.path), "destructive", change.message);
            item.help = Some("upload with allow_destructive=true if that is meant".to_owned());
            item
        })
        .collect();
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "destructive_change",
        "The upload would drop or narrow what records hold",
    )
    .with_detail("Nothing was changed. Add allow_destructive=true if that is meant; old columns are kept for a while.")
    .with_errors(errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_become_json_pointers() {
        for (path, expected) in [
            ("module.name", "/module/name"),
            ("fields[2].type", "/fields/2/type"),
            ("fields.serial.type", "/fields/serial/type"),
            ("a/b.c~d", "/a~1b/c~0d"),
        ] {
            assert_eq!(pointer(path), expected);
        }
    }
}
