//! From what is wanted and what is observed to what is said about a tenant. Pure: the same row and the same
//! observation always give the same status.
//!
//! Phases are the commercial truth and change only for reasons that a customer understands: a runtime that restarts
//! does not make an active tenant inactive, it makes the condition `Ready` false.

use std::fmt;
use std::str::FromStr;

use domain::tenant::{
    ConditionStatus, ConditionType, ProvisionStep, StepState, StepStatus, TenantPhase,
};

use crate::provision::{DesiredState, Observed};

/// What is wanted of a tenant, as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Intent {
    /// Nothing yet: its owner's address is not proven.
    None,
    /// It serves.
    Running,
    /// Data kept, not serving; also while a deletion waits out its grace period.
    Suspended,
    /// Nothing of it is left.
    Absent,
}

/// A text that is no intent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown desired state {0:?}")]
pub struct ParseIntentError(String);

impl Intent {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Running => "Running",
            Self::Suspended => "Suspended",
            Self::Absent => "Absent",
        }
    }

    /// What a provisioner is told; `None` when it is told nothing.
    pub const fn desired_state(self) -> Option<DesiredState> {
        match self {
            Self::None => None,
            Self::Running => Some(DesiredState::Running),
            Self::Suspended => Some(DesiredState::Suspended),
            Self::Absent => Some(DesiredState::Absent),
        }
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Intent {
    type Err = ParseIntentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        [Self::None, Self::Running, Self::Suspended, Self::Absent]
            .into_iter()
            .find(|intent| intent.as_str() == text)
            .ok_or_else(|| ParseIntentError(text.to_owned()))
    }
}

/// What the phase follows from, besides the observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    /// What is wanted.
    pub intent: Intent,
    /// Whether a deletion was asked for.
    pub is_being_deleted: bool,
    /// Whether it ever served.
    pub was_active: bool,
    /// The generation of what is wanted.
    pub generation: i64,
}

/// How far the modules of a tenant are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ModuleProgress {
    /// The generation of its modules.
    pub desired_generation: u64,
    /// What all its runtimes have brought in; `None` while none is heard of.
    pub loaded_generation: Option<u64>,
    /// How many modules a runtime refused in their current version.
    pub refused: u64,
}

/// The reason of `ModulesLoaded` when a runtime refused a module: only its owner can cure that.
pub const MODULES_REFUSED: &str = "Refused";
/// The reason of conditions of a tenant that sleeps until its next request.
pub const ASLEEP: &str = "Asleep";
/// Reasons of conditions that stay as they are until somebody outside does something.
pub const SETTLED_REASONS: [&str; 2] = [MODULES_REFUSED, ASLEEP];

/// What is said about one aspect of a tenant. The time of its last change is kept where it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which aspect.
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// Stable `CamelCase` word.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// What is said about a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    /// The generation that was observed.
    pub observed_generation: i64,
    /// Runtimes that answer.
    pub ready_replicas: i32,
    /// Progress, in order.
    pub steps: Vec<StepStatus>,
    /// All conditions, `Ready` last.
    pub findings: Vec<Finding>,
}

/// The phase that follows from what is wanted and whether everything is ready.
pub const fn phase(subject: Subject, is_ready: bool) -> TenantPhase {
    if subject.is_being_deleted {
        return TenantPhase::Deleting;
    }
    match subject.intent {
        Intent::None => TenantPhase::Pending,
        Intent::Suspended => TenantPhase::Suspended,
        Intent::Absent => TenantPhase::Deleting,
        Intent::Running if subject.was_active || is_ready => TenantPhase::Active,
        Intent::Running => TenantPhase::Provisioning,
    }
}

/// Whether a tenant may go from one phase to another; staying is always allowed.
pub const fn may_follow(from: TenantPhase, to: TenantPhase) -> bool {
    use TenantPhase::{Active, Deleting, Pending, Provisioning, Suspended};
    // One that was suspended, or was to be deleted, before it ever served is provisioned when it comes back.
    matches!(
        (from, to),
        (Pending, Pending | Provisioning)
            | (
                Provisioning | Suspended | Deleting,
                Provisioning | Active | Suspended | Deleting
            )
            | (Active, Active | Suspended | Deleting)
    )
}

/// What is said of a tenant that was observed so. `before` is what was said last: what was once true of the data
/// (schema, roles, migrations) stays true while it is only checked again.
pub fn derive(
    subject: Subject,
    observed: &Observed,
    modules: ModuleProgress,
    before: &[Finding],
) -> Status {
    let steps: Vec<StepStatus> = ProvisionStep::ALL
        .into_iter()
        .map(|step| StepStatus {
            step,
            state: step_state(observed, step).clone(),
        })
        .collect();
    let mut findings = vec![
        from_steps(
            ConditionType::DatabaseReady,
            observed,
            &[
                ProvisionStep::Schema,
                ProvisionStep::Roles,
                ProvisionStep::Administrator,
            ],
            before,
        ),
        from_steps(
            ConditionType::SchemaMigrated,
            observed,
            &[ProvisionStep::Migrations],
            before,
        ),
        runtime_available(subject, observed),
        modules_loaded(subject, observed, modules),
        routed(subject, observed),
    ];
    findings.push(ready(subject, &findings));
    Status {
        observed_generation: observed.generation.min(subject.generation),
        ready_replicas: i32::try_from(observed.ready_replicas).unwrap_or(i32::MAX),
        steps,
        findings,
    }
}

const WAITING: StepState = StepState::Waiting;

fn step_state(observed: &Observed, step: ProvisionStep) -> &StepState {
    observed
        .steps
        .iter()
        .find(|status| status.step == step)
        .map_or(&WAITING, |status| &status.state)
}

fn finding(
    kind: ConditionType,
    status: ConditionStatus,
    reason: &str,
    message: impl Into<String>,
) -> Finding {
    Finding {
        kind,
        status,
        reason: reason.to_owned(),
        message: message.into(),
    }
}

/// A condition about the tenant's data: true once all its steps are done, false when one failed.
fn from_steps(
    kind: ConditionType,
    observed: &Observed,
    steps: &[ProvisionStep],
    before: &[Finding],
) -> Finding {
    let states = || steps.iter().map(|step| (step, step_state(observed, *step)));
    let failed = states().find_map(|(_, state)| match state {
        StepState::Failed {
            reason, message, ..
        } => Some((reason, message)),
        _ => None,
    });
    if let Some((reason, message)) = failed {
        return finding(kind, ConditionStatus::False, reason, message);
    }
    let open = states().find(|(_, state)| !matches!(state, StepState::Done { .. }));
    match open {
        None => finding(kind, ConditionStatus::True, "Done", ""),
        Some(_) if was_true(before, kind) => finding(kind, ConditionStatus::True, "Done", ""),
        Some((step, _)) => finding(
            kind,
            ConditionStatus::False,
            "Progressing",
            format!("The step \"{}\" is not done yet.", step.as_str()),
        ),
    }
}

fn was_true(before: &[Finding], kind: ConditionType) -> bool {
    before
        .iter()
        .any(|finding| finding.kind == kind && finding.status == ConditionStatus::True)
}

const SUSPENDED: &str = "The tenant is suspended; its data is kept.";
const DELETING: &str = "The tenant is being deleted.";

/// Why nothing serves, if nothing is meant to.
fn not_meant_to_serve(kind: ConditionType, subject: Subject) -> Option<Finding> {
    let (reason, message) = match phase(subject, false) {
        TenantPhase::Suspended => ("Suspended", SUSPENDED),
        TenantPhase::Deleting => ("Deleting", DELETING),
        TenantPhase::Pending => ("Pending", "The e-mail address is not verified yet."),
        TenantPhase::Provisioning | TenantPhase::Active => return None,
    };
    Some(finding(kind, ConditionStatus::False, reason, message))
}

fn runtime_available(subject: Subject, observed: &Observed) -> Finding {
    let kind = ConditionType::RuntimeAvailable;
    if let Some(finding) = not_meant_to_serve(kind, subject) {
        return finding;
    }
    match step_state(observed, ProvisionStep::Server) {
        _ if observed.asleep => finding(
            kind,
            ConditionStatus::True,
            ASLEEP,
            "Nothing runs; the next request starts a server.",
        ),
        _ if observed.ready_replicas > 0 => finding(kind, ConditionStatus::True, "Ready", ""),
        StepState::Failed {
            reason, message, ..
        } => finding(kind, ConditionStatus::False, reason, message),
        _ => finding(
            kind,
            ConditionStatus::False,
            "Starting",
            "The server is being started.",
        ),
    }
}

fn modules_loaded(subject: Subject, observed: &Observed, modules: ModuleProgress) -> Finding {
    let kind = ConditionType::ModulesLoaded;
    if let Some(finding) = not_meant_to_serve(kind, subject) {
        return finding;
    }
    if modules.refused > 0 {
        let message = format!(
            "{} refused by the server; each one's status says why. What it had before still serves.",
            match modules.refused {
                1 => "One module was".to_owned(),
                count => format!("{count} modules were"),
            }
        );
        return finding(kind, ConditionStatus::False, MODULES_REFUSED, message);
    }
    match modules.loaded_generation {
        // A runtime that is only just being started has nothing to bring in.
        _ if modules.desired_generation == 0 => finding(kind, ConditionStatus::True, "Loaded", ""),
        None if observed.asleep => finding(
            kind,
            ConditionStatus::Unknown,
            ASLEEP,
            "The server brings them in when it is woken.",
        ),
        None => finding(
            kind,
            ConditionStatus::Unknown,
            "NotHeard",
            "No server has said yet what it has loaded.",
        ),
        Some(loaded) if loaded < modules.desired_generation => finding(
            kind,
            ConditionStatus::False,
            "Loading",
            "The server has not brought in the newest modules yet.",
        ),
        Some(_) => finding(kind, ConditionStatus::True, "Loaded", ""),
    }
}

fn routed(subject: Subject, observed: &Observed) -> Finding {
    let kind = ConditionType::Routed;
    if let Some(finding) = not_meant_to_serve(kind, subject) {
        return finding;
    }
    match step_state(observed, ProvisionStep::Route) {
        StepState::Done { .. } => finding(kind, ConditionStatus::True, "Done", ""),
        StepState::Failed {
            reason, message, ..
        } => finding(kind, ConditionStatus::False, reason, message),
        StepState::Waiting | StepState::Running => finding(
            kind,
            ConditionStatus::False,
            "Progressing",
            "The router does not know the address yet.",
        ),
    }
}

/// Ready when the tenant can be used: a refused module is one module's error and does not make a tenant unusable.
fn ready(subject: Subject, others: &[Finding]) -> Finding {
    let kind = ConditionType::Ready;
    if let Some(finding) = not_meant_to_serve(kind, subject) {
        return finding;
    }
    let missing = others.iter().find(|other| {
        other.kind != ConditionType::ModulesLoaded && other.status != ConditionStatus::True
    });
    match missing {
        None => finding(kind, ConditionStatus::True, "Ready", ""),
        Some(other) => finding(
            kind,
            ConditionStatus::False,
            &other.reason,
            other.message.clone(),
        ),
    }
}

/// Whether these findings say that the tenant can be used.
pub fn is_ready(findings: &[Finding]) -> bool {
    was_true(findings, ConditionType::Ready)
}

#[cfg(test)]
mod tests;
