//! The seam between what a customer pays for and what runs: desired state in, observed state out.
//!
//! Implemented by the supervisor of `gotrs up` and by the operator's client on Kubernetes.

use async_trait::async_trait;
use domain::id::TenantId;
use domain::name::TenantSlug;
use domain::plan::Plan;
use domain::tenant::StepStatus;
use secrecy::SecretString;
use tokio::sync::broadcast;

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
    /// Nothing of the tenant is left (only after [`DesiredState::Absent`]).
    pub gone: bool,
}

/// Why a provisioner could not take or tell something. What goes wrong later, at work, is in the steps.
#[derive(Debug, thiserror::Error)]
pub enum ProvisionError {
    /// Nothing is known of the outside now; try again.
    #[error("the provisioner cannot be reached")]
    Unreachable(#[source] anyhow::Error),
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
}
