//! From a Tenant's status to the steps that a person watches: pure.

use chrono::{DateTime, Utc};
use domain::tenant::{ProvisionStep, StepState, StepStatus};
use tenant_crd::condition::{self, Condition, ConditionStatus, ConditionType};
use tenant_crd::v1::{Tenant, TenantStatus};

use super::desired::ANNOTATION_GENERATION;
use super::resources::ANNOTATION_ADOPTED;
use crate::provision::Observed;

/// Reason of `RuntimeAvailable` while nothing runs and the next request is waited for.
const ASLEEP: &str = "Asleep";
/// Reasons of conditions that are not true yet and need nobody to act.
const AT_WORK: [&str; 4] = ["Waiting", "Starting", "Suspended", "Progressing"];

/// How far the operator and the router are with a Tenant.
pub fn observed(tenant: &Tenant) -> Observed {
    let nothing = TenantStatus::default();
    let status = tenant.status.as_ref().unwrap_or(&nothing);
    Observed {
        generation: generation(tenant, status),
        steps: steps(status),
        ready_replicas: status
            .ready_replicas
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or_default(),
        asleep: is_asleep(tenant),
        gone: false,
    }
}

/// What is seen when a Tenant that should be absent is.
pub fn gone(generation: i64) -> Observed {
    Observed {
        generation,
        steps: Vec::new(),
        ready_replicas: 0,
        asleep: false,
        gone: true,
    }
}

/// The generation of desired state that the status speaks about: the newest one only when the operator has seen the spec that came
/// with it.
fn generation(tenant: &Tenant, status: &TenantStatus) -> i64 {
    let applied: i64 = tenant
        .metadata
        .annotations
        .as_ref()
        .and_then(|annotations| {
            let own = annotations.get(ANNOTATION_GENERATION);
            own.or_else(|| annotations.get(ANNOTATION_ADOPTED))
        })
        .and_then(|text| text.parse().ok())
        .unwrap_or_default();
    if status.observed_generation >= tenant.metadata.generation {
        applied
    } else {
        applied.saturating_sub(1)
    }
}

/// The steps; where the operator has stopped for a reason that none of them has, the first that is open says it.
fn steps(status: &TenantStatus) -> Vec<StepStatus> {
    let mut steps: Vec<StepStatus> = ProvisionStep::ALL
        .into_iter()
        .map(|step| StepStatus {
            step,
            state: step_state(status, step),
        })
        .collect();
    let has_failed = steps
        .iter()
        .any(|step| matches!(step.state, StepState::Failed { .. }));
    let stalled = condition::find(&status.conditions, ConditionType::Stalled)
        .filter(|found| found.status == ConditionStatus::True && !has_failed);
    let open = steps
        .iter_mut()
        .find(|step| !matches!(step.state, StepState::Done { .. }));
    if let (Some(stalled), Some(open)) = (stalled, open) {
        open.state = failed(stalled);
    }
    steps
}

fn failed(condition: &Condition) -> StepState {
    StepState::Failed {
        reason: condition.reason.clone(),
        message: condition.message.clone(),
        at: since(condition),
    }
}

const fn condition_of(step: ProvisionStep) -> ConditionType {
    match step {
        ProvisionStep::Schema | ProvisionStep::Roles | ProvisionStep::Administrator => {
            ConditionType::DatabaseReady
        }
        ProvisionStep::Migrations => ConditionType::SchemaMigrated,
        ProvisionStep::Server => ConditionType::RuntimeAvailable,
        ProvisionStep::Route => ConditionType::Routed,
    }
}

fn step_state(status: &TenantStatus, step: ProvisionStep) -> StepState {
    match condition::find(&status.conditions, condition_of(step)) {
        None => StepState::Waiting,
        Some(found) => match found.status {
            ConditionStatus::True => StepState::Done { at: since(found) },
            ConditionStatus::Unknown => StepState::Running,
            ConditionStatus::False if AT_WORK.contains(&found.reason.as_str()) => {
                StepState::Running
            }
            ConditionStatus::False => failed(found),
        },
    }
}

/// Whether nothing runs on purpose and the next request starts a runtime.
pub(super) fn is_asleep(tenant: &Tenant) -> bool {
    let conditions = tenant.status.as_ref().map(|status| &status.conditions);
    conditions
        .and_then(|all| condition::find(all, ConditionType::RuntimeAvailable))
        .is_some_and(|found| found.status == ConditionStatus::True && found.reason == ASLEEP)
}

fn since(condition: &Condition) -> DateTime<Utc> {
    condition::from_kubernetes(&condition.last_transition_time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant(observed_generation: i64, conditions: &[(&str, &str, &str)]) -> Tenant {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(kind, status, reason)| {
                json!({
                    "type": kind, "status": status, "reason": reason, "message": "why",
                    "lastTransitionTime": "2026-11-25T12:00:00Z",
                })
            })
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1",
            "kind": "Tenant",
            "metadata": {"name": "acme", "generation": 3, "annotations": {ANNOTATION_GENERATION: "7"}},
            "spec": {"slug": "acme"},
            "status": {"observedGeneration": observed_generation, "readyReplicas": 1, "conditions": conditions},
        }))
        .unwrap()
    }

    fn words(observed: &Observed) -> Vec<&'static str> {
        observed
            .steps
            .iter()
            .map(|step| match step.state {
                StepState::Waiting => "waiting",
                StepState::Running => "running",
                StepState::Done { .. } => "done",
                StepState::Failed { .. } => "failed",
            })
            .collect()
    }

    #[test]
    fn conditions_are_steps() {
        let seen = observed(&tenant(
            3,
            &[
                ("DatabaseReady", "True", "Ready"),
                ("SchemaMigrated", "Unknown", "Waiting"),
                ("RuntimeAvailable", "False", "Waiting"),
            ],
        ));
        assert_eq!(
            words(&seen),
            ["done", "done", "running", "done", "running", "waiting"]
        );
        assert_eq!(
            (seen.generation, seen.ready_replicas, seen.gone),
            (7, 1, false)
        );

        let seen = observed(&tenant(
            3,
            &[("DatabaseReady", "False", "DatabaseUnreachable")],
        ));
        assert_eq!(
            words(&seen),
            [
                "failed", "failed", "waiting", "failed", "waiting", "waiting"
            ]
        );
    }

    #[test]
    fn what_the_operator_stopped_for_is_said_at_the_first_open_step() {
        let stopped = observed(&tenant(3, &[("Stalled", "True", "NamespaceTaken")]));
        assert_eq!(
            stopped.steps[0].state,
            StepState::Failed {
                reason: "NamespaceTaken".to_owned(),
                message: "why".to_owned(),
                at: "2026-11-25T12:00:00Z".parse().unwrap(),
            }
        );
        let also = observed(&tenant(
            3,
            &[
                ("DatabaseReady", "True", "Ready"),
                ("SchemaMigrated", "True", "UpToDate"),
                ("RuntimeAvailable", "False", "ImagePullBackOff"),
                ("Stalled", "True", "RolloutFailed"),
            ],
        ));
        // What is nearer to the cause is said.
        assert_eq!(
            words(&also),
            ["done", "done", "done", "done", "failed", "waiting"]
        );
        assert!(
            matches!(&also.steps[4].state, StepState::Failed { reason, .. } if reason == "ImagePullBackOff")
        );
    }

    #[test]
    fn who_sleeps_is_seen() {
        assert!(observed(&tenant(3, &[("RuntimeAvailable", "True", "Asleep")])).asleep);
        assert!(!observed(&tenant(3, &[("RuntimeAvailable", "True", "Available")])).asleep);
    }

    #[test]
    fn a_status_of_an_older_spec_speaks_of_an_older_generation() {
        assert_eq!(observed(&tenant(2, &[])).generation, 6);
        let mut fresh = tenant(0, &[]);
        fresh.status = None;
        assert_eq!(observed(&fresh).generation, 6);
    }
}
