//! A tenant's life: phases, provisioning steps and conditions.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

/// Where a tenant is in its life. Failure is never a phase but a condition with a reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TenantPhase {
    /// Signed up, e-mail not yet verified.
    Pending,
    /// Being made.
    Provisioning,
    /// Serving.
    Active,
    /// Data kept, not serving.
    Suspended,
    /// Waiting out its grace period, then gone.
    Deleting,
}

/// A text that names no phase: the database contradicts the types.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown tenant phase {0:?}")]
pub struct ParsePhaseError(String);

impl TenantPhase {
    /// As it is stored and printed.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Provisioning => "Provisioning",
            Self::Active => "Active",
            Self::Suspended => "Suspended",
            Self::Deleting => "Deleting",
        }
    }
}

impl fmt::Display for TenantPhase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for TenantPhase {
    type Err = ParsePhaseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [
            Self::Pending,
            Self::Provisioning,
            Self::Active,
            Self::Suspended,
            Self::Deleting,
        ]
        .into_iter()
        .find(|phase| phase.as_str() == text)
        .ok_or_else(|| ParsePhaseError(text.to_owned()))
    }
}

/// The steps from a verified signup to a served page, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ProvisionStep {
    /// The tenant's PostgreSQL schema.
    Schema,
    /// Its owner, runtime and lambda roles.
    Roles,
    /// Tables and default rows.
    Migrations,
    /// The person who signed up becomes the first administrator.
    Administrator,
    /// The runtime is started and answers.
    Server,
    /// The router sends the tenant's host to it.
    Route,
}

impl ProvisionStep {
    /// All steps in their order.
    pub const ALL: [Self; 6] = [
        Self::Schema,
        Self::Roles,
        Self::Migrations,
        Self::Administrator,
        Self::Server,
        Self::Route,
    ];

    /// Stable name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Schema => "schema",
            Self::Roles => "roles",
            Self::Migrations => "migrations",
            Self::Administrator => "administrator",
            Self::Server => "server",
            Self::Route => "route",
        }
    }
}

/// How far one step is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum StepState {
    /// Not begun.
    Waiting,
    /// At work.
    Running,
    /// Done.
    Done {
        /// Since when.
        at: DateTime<Utc>,
    },
    /// Failed; it is tried again after a pause.
    Failed {
        /// Stable `CamelCase` word, as in Kubernetes conditions.
        reason: String,
        /// What happened and what will or should happen next.
        message: String,
        /// When.
        at: DateTime<Utc>,
    },
}

/// One line of the progress that a person watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepStatus {
    /// Which step.
    pub step: ProvisionStep,
    /// How far.
    #[serde(flatten)]
    pub state: StepState,
}

/// What a condition speaks about; the names of the `Tenant` resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ConditionType {
    /// Schema, roles and first administrator exist.
    DatabaseReady,
    /// The schema is at the version that the runtime needs.
    SchemaMigrated,
    /// At least one runtime is ready.
    RuntimeAvailable,
    /// Every desired module is loaded.
    ModulesLoaded,
    /// The router knows the tenant's hosts.
    Routed,
    /// All of the above.
    Ready,
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Not known yet.
    Unknown,
}

/// One observation about a tenant, in the manner of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What it speaks about.
    #[serde(rename = "type")]
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Stable `CamelCase` word.
    pub reason: String,
    /// For people: what is the matter and the next step.
    pub message: String,
    /// The generation of desired state that it speaks about.
    pub observed_generation: i64,
    /// When `status` last changed.
    pub last_transition_time: DateTime<Utc>,
}
