use chrono::DateTime;
use proptest::prelude::*;

use super::*;

fn done() -> StepState {
    StepState::Done {
        at: DateTime::from_timestamp(1_767_323_045, 0).unwrap(),
    }
}

fn failed() -> StepState {
    StepState::Failed {
        reason: "PortTaken".to_owned(),
        message: "The port is taken; it is tried again in 2 seconds.".to_owned(),
        at: DateTime::from_timestamp(1_767_323_045, 0).unwrap(),
    }
}

fn observed(states: [StepState; 6], ready_replicas: u32) -> Observed {
    Observed {
        generation: 2,
        steps: ProvisionStep::ALL
            .into_iter()
            .zip(states)
            .map(|(step, state)| StepStatus { step, state })
            .collect(),
        ready_replicas,
        asleep: false,
        gone: false,
    }
}

fn all_done() -> Observed {
    observed([done(), done(), done(), done(), done(), done()], 1)
}

const RUNNING: Subject = Subject {
    intent: Intent::Running,
    is_being_deleted: false,
    was_active: false,
    generation: 2,
};

const NO_MODULES: ModuleProgress = ModuleProgress {
    desired_generation: 0,
    loaded_generation: None,
    refused: 0,
};

fn said(status: &Status) -> String {
    status.findings.iter().fold(String::new(), |said, f| {
        said + &format!("{:?} {:?} {}\n", f.kind, f.status, f.reason)
    })
}

#[test]
fn everything_done_is_ready_and_active() {
    let status = derive(RUNNING, &all_done(), NO_MODULES, &[]);
    assert!(is_ready(&status.findings));
    assert_eq!(phase(RUNNING, true), TenantPhase::Active);
    insta::assert_snapshot!(said(&status), @"
    DatabaseReady True Done
    SchemaMigrated True Done
    RuntimeAvailable True Ready
    ModulesLoaded True Loaded
    Routed True Done
    Ready True Ready
    ");
}

#[test]
fn a_failed_step_is_the_reason_of_its_condition_and_of_ready() {
    let seen = observed([done(), done(), done(), done(), failed(), WAITING], 0);
    let status = derive(RUNNING, &seen, NO_MODULES, &[]);
    assert_eq!(
        phase(RUNNING, is_ready(&status.findings)),
        TenantPhase::Provisioning
    );
    insta::assert_snapshot!(said(&status), @"
    DatabaseReady True Done
    SchemaMigrated True Done
    RuntimeAvailable False PortTaken
    ModulesLoaded True Loaded
    Routed False Progressing
    Ready False PortTaken
    ");
    assert!(status.findings[5].message.contains("tried again"));
}

#[test]
fn checking_data_again_does_not_make_a_condition_flap_but_losing_the_server_shows() {
    let first = derive(RUNNING, &all_done(), NO_MODULES, &[]);
    let restarted = observed(
        [
            StepState::Running,
            WAITING,
            WAITING,
            WAITING,
            WAITING,
            WAITING,
        ],
        0,
    );
    let active = Subject {
        was_active: true,
        ..RUNNING
    };
    let second = derive(active, &restarted, NO_MODULES, &first.findings);
    assert_eq!(
        phase(active, is_ready(&second.findings)),
        TenantPhase::Active
    );
    insta::assert_snapshot!(said(&second), @"
    DatabaseReady True Done
    SchemaMigrated True Done
    RuntimeAvailable False Starting
    ModulesLoaded True Loaded
    Routed False Progressing
    Ready False Starting
    ");
}

#[test]
fn a_refused_module_is_said_but_the_tenant_is_ready() {
    let modules = ModuleProgress {
        desired_generation: 3,
        loaded_generation: Some(3),
        refused: 1,
    };
    let status = derive(RUNNING, &all_done(), modules, &[]);
    assert!(is_ready(&status.findings));
    assert_eq!(status.findings[3].reason, "Refused");
    assert!(
        status.findings[3]
            .message
            .starts_with("One module was refused")
    );
}

#[test]
fn modules_are_loaded_when_every_runtime_has_brought_them_in() {
    for (loaded_generation, status, reason) in [
        (None, ConditionStatus::Unknown, "NotHeard"),
        (Some(2), ConditionStatus::False, "Loading"),
        (Some(3), ConditionStatus::True, "Loaded"),
    ] {
        let modules = ModuleProgress {
            desired_generation: 3,
            loaded_generation,
            refused: 0,
        };
        let derived = derive(RUNNING, &all_done(), modules, &[]);
        let found = &derived.findings[3];
        assert_eq!((found.status, found.reason.as_str()), (status, reason));
        assert!(is_ready(&derived.findings));
    }
}

#[test]
fn a_suspended_tenant_says_so_whatever_still_runs() {
    let subject = Subject {
        intent: Intent::Suspended,
        was_active: true,
        ..RUNNING
    };
    let status = derive(subject, &all_done(), NO_MODULES, &[]);
    assert_eq!(
        phase(subject, is_ready(&status.findings)),
        TenantPhase::Suspended
    );
    assert_eq!(status.findings[5].reason, "Suspended");
}

fn states() -> impl Strategy<Value = StepState> {
    prop_oneof![
        Just(StepState::Waiting),
        Just(StepState::Running),
        Just(done()),
        Just(failed())
    ]
}

/// What happens in a tenant's life, in any order.
#[derive(Debug, Clone)]
enum Event {
    Verify,
    Suspend,
    Resume,
    Delete,
    Undelete,
    GraceEnds,
    Observe(Box<[StepState; 6]>, u32),
}

fn events() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Verify),
        Just(Event::Suspend),
        Just(Event::Resume),
        Just(Event::Delete),
        Just(Event::Undelete),
        Just(Event::GraceEnds),
        (prop::array::uniform6(states()), 0_u32..3)
            .prop_map(|(states, replicas)| Event::Observe(Box::new(states), replicas)),
    ]
}

proptest! {
    /// The service and the reconcile job change rows as this does; every step of every life is a legal one, and only
    /// the owner, the platform or readiness moves a phase.
    #[test]
    fn every_transition_is_legal_and_observations_only_ever_activate(life in prop::collection::vec(events(), 0..40)) {
        let mut subject = Subject { intent: Intent::None, is_being_deleted: false, was_active: false, generation: 1 };
        let mut is_suspended = false;
        let mut findings: Vec<Finding> = Vec::new();
        let mut current = TenantPhase::Pending;
        for event in life {
            let only_observed = matches!(event, Event::Observe(..));
            let was_active = subject.was_active;
            match event {
                Event::Verify if subject.intent == Intent::None => subject.intent = Intent::Running,
                Event::Suspend if subject.intent == Intent::Running => { is_suspended = true; subject.intent = Intent::Suspended; }
                Event::Resume if subject.intent == Intent::Suspended && !subject.is_being_deleted => { is_suspended = false; subject.intent = Intent::Running; }
                Event::Delete if matches!(subject.intent, Intent::Running | Intent::Suspended) => { subject.is_being_deleted = true; subject.intent = Intent::Suspended; }
                Event::Undelete if subject.is_being_deleted && subject.intent == Intent::Suspended => {
                    subject.is_being_deleted = false;
                    subject.intent = if is_suspended { Intent::Suspended } else { Intent::Running };
                }
                Event::GraceEnds if subject.is_being_deleted => subject.intent = Intent::Absent,
                Event::Observe(states, replicas) if subject.intent != Intent::None => {
                    let status = derive(subject, &observed(*states, replicas), NO_MODULES, &findings);
                    prop_assert_eq!(&derive(subject, &observed_of(&status, replicas), NO_MODULES, &status.findings).findings, &status.findings);
                    findings = status.findings;
                }
                _ => {}
            }
            let next = phase(subject, is_ready(&findings));
            prop_assert!(may_follow(current, next), "{current} -> {next}");
            if only_observed {
                prop_assert!(next == current || (next == TenantPhase::Active && !was_active), "{current} -> {next}");
            }
            subject.was_active |= next == TenantPhase::Active;
            current = next;
        }
    }
}

fn observed_of(status: &Status, ready_replicas: u32) -> Observed {
    Observed {
        generation: status.observed_generation,
        steps: status.steps.clone(),
        ready_replicas,
        asleep: false,
        gone: false,
    }
}

#[test]
fn a_tenant_that_sleeps_is_ready_and_nothing_of_it_is_waited_for() {
    let asleep = Observed {
        asleep: true,
        ready_replicas: 0,
        ..all_done()
    };
    let modules = ModuleProgress {
        desired_generation: 4,
        loaded_generation: None,
        refused: 0,
    };
    let status = derive(RUNNING, &asleep, modules, &[]);
    insta::assert_snapshot!(said(&status), @"
    DatabaseReady True Done
    SchemaMigrated True Done
    RuntimeAvailable True Asleep
    ModulesLoaded Unknown Asleep
    Routed True Done
    Ready True Ready
    ");
    assert!(status.findings.iter().all(|finding| {
        finding.status == ConditionStatus::True
            || SETTLED_REASONS.contains(&finding.reason.as_str())
    }));
}
