//! The seam between what a customer pays for and what runs: desired state in, observed state out.
//!
//! Implemented by the supervisor of `gotrs up` and by the operator's client on Kubernetes.

use std::collections::BTreeMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use domain::digest::Sha256Digest;
use domain::id::{AccountId, ExportId, TenantId};
use domain::name::TenantSlug;
use domain::plan::Plan;
use domain::tenant::StepStatus;
use secrecy::SecretString;
use serde::Serialize;
use tokio::sync::broadcast;
use uuid::Uuid;

/// Whether a tenant should run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DesiredState {
    /// Schema, roles and a serving runtime.
    Running,
    /// Data kept, nothing serving; the router answers for it.
    Suspended,
    /// Schema, roles and runtime gone.
    Absent,
}

/// The tenant's first administrator: the person who signed up.
#[derive(Debug, Clone)]
pub struct Administrator {
    /// Login and address at once.
    pub email: String,
    /// The organisation's name stands in for the last name until the person changes it.
    pub organization: String,
    /// Argon2id in PHC format; the same password as in the console.
    pub password_hash: SecretString,
}

/// Everything a provisioner needs to know to make one tenant real.
#[derive(Debug, Clone)]
pub struct Desired {
    /// Which tenant.
    pub tenant: TenantId,
    /// Grows with every change of the fields below.
    pub generation: i64,
    /// The tenant's part of its host.
    pub slug: TenantSlug,
    /// Decides limits and resources.
    pub plan: Plan,
    /// Every host that belongs to the tenant, lower case, without port; the first is its main one.
    pub hosts: Vec<String>,
    /// Whether it should run.
    pub state: DesiredState,
    /// Made once; later changes in the tenant are the tenant's own.
    pub administrator: Administrator,
    /// What the runtime shows to the control plane.
    pub runtime_token: SecretString,
    /// Trace (W3C) of the request that made this generation, if one did.
    pub trace_parent: Option<String>,
}

/// How far a provisioner is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observed {
    /// The generation that `steps` speak about.
    pub generation: i64,
    /// One entry per step, in their order.
    pub steps: Vec<StepStatus>,
    /// Runtimes that answer.
    pub ready_replicas: u32,
    /// Nothing runs on purpose: the next request, or the time at which something is due, starts a runtime.
    pub asleep: bool,
    /// Nothing of the tenant is left (only after [`DesiredState::Absent`]).
    pub gone: bool,
}

/// Why a provisioner could not take or tell something. What goes wrong later, at work, is in the steps.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// Nothing is known of the outside now; try again.
    #[error("the provisioner cannot be reached")]
    Unreachable(#[source] anyhow::Error),
    /// What is wanted is somebody else's to decide; trying again does not help.
    #[error("{0}")]
    Conflict(String),
}

/// How far an export is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExportProgress {
    /// It was taken note of; something else comes first.
    Waiting,
    /// It is being made.
    Running,
    /// It is there.
    Done(ExportedArchive),
    /// It was not made, and is not tried again under this id.
    Failed {
        /// Why, for people.
        reason: String,
    },
}

/// An archive of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportedArchive {
    /// Its size in bytes.
    pub size: i64,
    /// Its digest, where it is known.
    pub sha256: Option<Sha256Digest>,
}

/// An export that is there, whoever asked for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FinishedExport {
    /// Which.
    pub id: ExportId,
    /// It was made because the tenant's data is to be dropped.
    pub is_final: bool,
    /// What there is.
    pub archive: ExportedArchive,
}

/// Makes desired state real, level-triggered.
#[async_trait]
pub trait Provisioner: Send + Sync + 'static {
    /// Records what should be, replacing what was desired before; returns at once. Safe to repeat.
    async fn apply(&self, desired: &Desired) -> Result<(), ProvisionError>;

    /// How far this tenant is; `None` when nothing is known of it.
    async fn observe(&self, tenant: TenantId) -> Result<Option<Observed>, ProvisionError>;

    /// Tells which tenant to observe again. Lossy on purpose: a slow reader falls back to its timer.
    fn changes(&self) -> broadcast::Receiver<TenantId>;

    /// Brings an export of a tenant a step further and tells how far it is; returns soon. Safe to repeat: an export that is
    /// there is not made again. One tenant's exports are asked for one after the other.
    async fn export(
        &self,
        tenant: TenantId,
        export: ExportId,
    ) -> Result<ExportProgress, ProvisionError>;

    /// The export of a tenant that ended last, as far as this process has been told; `None` where nobody but the control plane asks for
    /// exports.
    fn last_export(&self, _tenant: TenantId) -> Option<FinishedExport> {
        None
    }

    /// Notes when a tenant must be awake for what time alone makes due; `None` when nothing will. Of no interest where nothing sleeps.
    async fn set_next_due(
        &self,
        _tenant: TenantId,
        _due: Option<DateTime<Utc>>,
    ) -> Result<(), ProvisionError> {
        Ok(())
    }

    /// Tenants as resources that others can make and read too; `None` where only the control plane makes tenants.
    fn resources(&self) -> Option<&dyn Resources> {
        None
    }
}

/// Which version a tenant's runtimes have, where it comes from and what becomes of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Release {
    /// What serves, or served last; `None` before anything has.
    pub version: Option<String>,
    /// The channel that gives it its versions; `None` where none is known, and where it has a version of its own.
    pub channel: Option<String>,
    /// Somebody has given it a version of its own, which no channel changes.
    pub pinned: bool,
    /// When alone its channel may change its version.
    pub window: Option<Window>,
    /// What becomes of it.
    pub change: VersionChange,
}

/// When alone a channel may change a tenant's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Days of the week in English on which it begins; empty for all.
    pub days: Vec<String>,
    /// Time of the day at which it begins.
    pub start: String,
    /// Such as `3h`.
    pub duration: String,
    /// By its name in the IANA database.
    pub time_zone: String,
}

/// What becomes of a tenant's version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum VersionChange {
    /// Nothing: it has what it should have.
    None,
    /// Its runtimes are being brought to another one.
    UnderWay {
        /// Which.
        to: String,
    },
    /// Nothing runs, and when something does it has another one.
    AtNextStart {
        /// Which.
        to: String,
    },
    /// One did not get ready. It is not tried again by itself, and the one before serves.
    Failed {
        /// Which.
        version: String,
        /// What the operator says, if it waits for somebody to act.
        message: Option<String>,
    },
    /// Its channel has taken it back.
    TakenBack {
        /// From which.
        from: String,
    },
}

/// Tenants as resources: whoever may write there makes tenants without the control plane, which adopts them, and whoever may read
/// there wants to know what the control plane knows.
#[async_trait]
pub trait Resources: Send + Sync {
    /// The ids of all of them.
    fn ids(&self) -> Vec<TenantId>;

    /// One of them as it was told last; of several with one id the oldest.
    fn find(&self, tenant: TenantId) -> Option<Resource>;

    /// What lies under this name right now, as far as it can be adopted; asks the other side.
    async fn get(&self, slug: &TenantSlug) -> Result<Option<Resource>, ProvisionError>;

    /// Writes what the control plane wants of an adopted tenant, and nothing that is somebody else's.
    async fn wish(&self, wish: &ResourceWish, mode: WishMode) -> Result<(), ProvisionError>;

    /// Which version the tenant has, as it was told last; asks nobody.
    fn release(&self, tenant: TenantId, slug: &TenantSlug) -> Option<Release>;

    /// Tells how far the tenant's modules are; returns at once, and many reports may become one.
    fn report_modules(&self, tenant: TenantId, report: ModuleReport);

    /// Tells what became of the adoption; returns at once.
    fn report_adoption(&self, tenant: TenantId, report: AdoptionReport);
}

/// A tenant as it lies where tenants run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// Names its schema.
    pub tenant: TenantId,
    /// Of the resource itself: one that is made again has another.
    pub uid: Uuid,
    /// Who made it.
    pub maker: Maker,
    /// The generation of the control plane's wishes that it has; 0 when it has none.
    pub generation: i64,
    /// Its part of its host.
    pub slug: TenantSlug,
    /// As people see it.
    pub organization: String,
    /// Decides limits.
    pub plan: Plan,
    /// Hosts beside its own.
    pub hosts: Vec<String>,
    /// Whether it is suspended.
    pub is_suspended: bool,
    /// Address of its first administrator.
    pub administrator: Option<String>,
    /// Whose it is to be: an account's id or its proven address.
    pub account: Option<String>,
    /// On its way out.
    pub is_leaving: bool,
    /// Whether its data outlives it.
    pub keeps_data: bool,
}

/// Who made a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// The control plane, for a signup.
    ControlPlane,
    /// Somebody with `kubectl` or a `GitOps` tool.
    Other,
}

/// What the control plane wants of a tenant that others have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceWish {
    /// Which tenant.
    pub tenant: TenantId,
    /// Its name.
    pub slug: TenantSlug,
    /// Which resource: never one that was made later under the same name.
    pub uid: Uuid,
    /// Grows with every change of the wish.
    pub generation: i64,
    /// What.
    pub kind: WishKind,
    /// Trace (W3C) of the request that made this generation, if one did.
    pub trace_parent: Option<String>,
}

/// Kinds of wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WishKind {
    /// Nothing: it is as its makers want it.
    None,
    /// It should not serve.
    Suspended,
    /// It should be deleted: its owner asked for that and the grace period is over.
    Absent,
}

/// Whether a wish is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WishMode {
    /// It is.
    Write,
    /// It is only asked whether it could be.
    Ask,
}

/// How far a tenant's modules are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModuleReport {
    /// The generation that should be loaded.
    pub desired: u64,
    /// The generation that every runtime has loaded; `None` while none is heard of.
    pub loaded: Option<u64>,
    /// Modules that a runtime refused in their current version, and why.
    pub refused: BTreeMap<String, String>,
}

/// What became of a tenant that others have made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AdoptionReport {
    /// It belongs to an account.
    Claimed(AccountId),
    /// It belongs to nobody yet; how that changes.
    Unclaimed(String),
    /// It is to belong to an account that is not there; what to do.
    AccountUnknown(String),
    /// A wish of its owner is somebody else's to decide; whose.
    Conflict(String),
    /// The control plane knows another tenant of this name; what to do.
    SlugTaken(String),
    /// The control plane has made it and does not know it any more; what to do.
    RowMissing(String),
}
