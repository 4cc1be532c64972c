//! What the control plane and a tenant's runtime say to each other about modules
//! (`GET /v1/runtime/modules/watch`, `POST /v1/runtime/modules/ack`).

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::diagnostic::Diagnostic;
use crate::digest::Sha256Digest;
use crate::name::ModuleName;

/// Code of the 404 for a runtime with a good token whose tenant the control plane does not have: it has not adopted it, or it is gone.
pub const NO_SUCH_TENANT: &str = "no_such_tenant";

/// One line of the watch stream (newline-delimited JSON). Level-triggered: a snapshot says everything, so
/// losing any event loses nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "UPPERCASE")]
pub enum WatchEvent {
    /// All modules of the tenant; whatever is not in it is gone.
    Snapshot {
        /// The tenant's module generation that this is the state of.
        generation: u64,
        /// Every live module.
        modules: Vec<ModuleReference>,
    },
    /// A module was added or changed.
    Put {
        /// Generation after this change.
        generation: u64,
        /// The new state of the module.
        module: ModuleReference,
    },
    /// A module was deleted.
    Delete {
        /// Generation after this change.
        generation: u64,
        /// Which module.
        name: ModuleName,
    },
    /// Nothing changed; also the heartbeat, every 15 seconds.
    Bookmark {
        /// The current generation.
        generation: u64,
    },
}

impl WatchEvent {
    /// The generation that holds after this event.
    pub const fn generation(&self) -> u64 {
        match self {
            Self::Snapshot { generation, .. }
            | Self::Put { generation, .. }
            | Self::Delete { generation, .. }
            | Self::Bookmark { generation } => *generation,
        }
    }
}

/// Where to fetch one version of a module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleReference {
    /// Which module.
    pub name: ModuleName,
    /// Counts from 1 per module.
    pub version: u32,
    /// Digest of the YAML; the runtime checks it.
    pub sha256: Sha256Digest,
    /// Presigned; opens this object only, for a while.
    pub url: String,
}

/// What one runtime replica says after it has brought itself to a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The replica: a pod name, or the supervisor's name for the process.
    pub instance: String,
    /// The generation that was brought in.
    pub generation: u64,
    /// One entry per module that was loaded or refused because of it, or whose code was suspended or runs again since.
    pub results: Vec<ModuleResult>,
}

/// The fate of one module in one replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ModuleResult {
    /// Which module.
    pub name: ModuleName,
    /// Which content.
    pub sha256: Sha256Digest,
    /// Loaded and serving; otherwise the last good version still serves.
    pub ok: bool,
    /// Why it was refused, or warnings.
    #[serde(default)]
    pub diagnostics: Vec<Diagnostic>,
    /// Present while its code does not run in this replica.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub suspension: Option<Suspension>,
}

/// Why and for how long the code of a module does not run: it hit its limits again and again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// For the owner of the module; a sentence about the module that begins with a small letter and has no full stop.
    pub reason: String,
    /// When it is tried again.
    pub until: DateTime<Utc>,
}
