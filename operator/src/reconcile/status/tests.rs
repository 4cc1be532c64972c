use domain::plan::Plan;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::reconcile::validate::{ImageTag, RuntimeResources};

fn now() -> DateTime<Utc> {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

fn tenant(run: Run) -> ValidatedTenant {
    ValidatedTenant {
        id: "0198c0de-0000-7000-8000-000000000001".parse().unwrap(),
        slug: "acme".parse().unwrap(),
        uid: "u".to_owned(),
        display_name: "Acme".to_owned(),
        plan: Plan::Team,
        version: "1.4.2".parse::<ImageTag>().unwrap(),
        rolled_back_from: None,
        retry: None,
        follows_channel: false,
        run,
        hosts: Vec::new(),
        cluster: "default".to_owned(),
        resources: RuntimeResources::of(Plan::Team),
        administrator: None,
        rotation: None,
        trace_parent: None,
        look_again: None,
    }
}

fn serving(replicas: i32) -> Rollout {
    Rollout {
        desired: replicas,
        replicas,
        updated: replicas,
        ready: replicas,
        is_current: true,
        version: Some("1.4.2".to_owned()),
        ..Rollout::default()
    }
}

fn good_database() -> DatabaseFacts {
    DatabaseFacts::Ready {
        schema_version: 12,
        differences: Vec::new(),
    }
}

fn after(
    previous: &TenantStatus,
    run: Run,
    database: DatabaseFacts,
    rollout: Option<Rollout>,
) -> TenantStatus {
    let tenant = tenant(run);
    let facts = Facts::Worked {
        tenant: &tenant,
        url: "https://acme.example.com".to_owned(),
        database,
        rollout,
    };
    next(previous, &facts, Some(4), now())
}

/// `Ready=True/Available Stalled=False/... ` in one line.
fn conditions(status: &TenantStatus) -> String {
    status
        .conditions
        .iter()
        .map(|found| format!("{}={:?}/{}", found.type_, found.status, found.reason))
        .collect::<Vec<_>>()
        .join(" ")
}

fn notes(before: &TenantStatus, after: &TenantStatus) -> Vec<(bool, String)> {
    transitions(before, after)
        .into_iter()
        .map(|transition| (transition.is_warning, transition.reason))
        .collect()
}

#[test]
fn a_tenant_is_made_and_serves() {
    let first = after(
        &TenantStatus::default(),
        Run::Fixed(1),
        good_database(),
        None,
    );
    assert_eq!(first.phase, Some(Phase::Provisioning));
    assert_eq!(
        conditions(&first),
        "Ready=False/Waiting Reconciling=True/Provisioning Stalled=False/Progressing \
         DatabaseReady=True/Ready SchemaMigrated=True/UpToDate RuntimeAvailable=False/Waiting"
    );
    assert_eq!(
        notes(&TenantStatus::default(), &first),
        [(false, "Provisioning".to_owned())]
    );
    let starting = Rollout {
        ready: 0,
        ..serving(1)
    };
    let second = after(&first, Run::Fixed(1), good_database(), Some(starting));
    assert_eq!(second.runtime_version, None);
    assert_eq!(notes(&first, &second), []);
    let third = after(&second, Run::Fixed(1), good_database(), Some(serving(1)));
    assert_eq!(third.phase, Some(Phase::Active));
    assert_eq!(third.runtime_version.as_deref(), Some("1.4.2"));
    assert_eq!(third.schema_version, Some(12));
    assert_eq!(
        conditions(&third),
        "Ready=True/Available Reconciling=False/Done Stalled=False/Progressing \
         DatabaseReady=True/Ready SchemaMigrated=True/UpToDate RuntimeAvailable=True/Available"
    );
    assert_eq!(notes(&second, &third), [(false, "Active".to_owned())]);
}

#[test]
fn the_same_facts_change_nothing() {
    let once = after(
        &TenantStatus::default(),
        Run::Fixed(2),
        good_database(),
        Some(serving(2)),
    );
    let tenant = tenant(Run::Fixed(2));
    let facts = Facts::Worked {
        tenant: &tenant,
        url: "https://acme.example.com".to_owned(),
        database: good_database(),
        rollout: Some(serving(2)),
    };
    let later = now() + chrono::TimeDelta::hours(5);
    assert_eq!(next(&once, &facts, Some(4), later), once);
    assert_eq!(transitions(&once, &once), []);
}

#[test]
fn a_migration_that_fails_stalls_and_what_serves_goes_on() {
    let good = after(
        &TenantStatus::default(),
        Run::Fixed(1),
        good_database(),
        Some(serving(1)),
    );
    let failed = DatabaseFacts::Failed(Trouble {
        reason: "MigrationFailed",
        message: "migration 13 failed".to_owned(),
        is_final: true,
    });
    let bad = after(&good, Run::Fixed(1), failed, Some(serving(1)));
    assert_eq!(bad.phase, Some(Phase::Active));
    assert_eq!(
        conditions(&bad),
        "Ready=False/MigrationFailed Reconciling=False/MigrationFailed Stalled=True/MigrationFailed \
         DatabaseReady=True/Ready SchemaMigrated=False/MigrationFailed RuntimeAvailable=True/Available"
    );
    assert_eq!(notes(&good, &bad), [(true, "MigrationFailed".to_owned())]);
    assert_eq!(
        notes(&bad, &good),
        [
            (false, "SchemaMigratedRecovered".to_owned()),
            (false, "StalledRecovered".to_owned())
        ]
    );
}

#[test]
fn a_database_that_is_away_is_tried_again() {
    let away = DatabaseFacts::Failed(Trouble {
        reason: "SchemaFailed",
        message: "beginning a transaction failed".to_owned(),
        is_final: false,
    });
    let status = after(&TenantStatus::default(), Run::Fixed(1), away, None);
    assert_eq!(
        conditions(&status),
        "Ready=False/SchemaFailed Reconciling=True/Retrying Stalled=False/Progressing \
         DatabaseReady=False/SchemaFailed SchemaMigrated=Unknown/Waiting RuntimeAvailable=False/Waiting"
    );
}

#[test]
fn a_sleeping_tenant_is_ready() {
    let asleep = after(
        &TenantStatus::default(),
        Run::Asleep,
        good_database(),
        Some(Rollout {
            version: Some("1.4.2".to_owned()),
            ..serving(0)
        }),
    );
    assert_eq!(asleep.phase, Some(Phase::Active));
    assert!(conditions(&asleep).starts_with("Ready=True/Asleep Reconciling=False/Done"));
}

#[test]
fn a_suspended_tenant_comes_back_through_provisioning() {
    let good = after(
        &TenantStatus::default(),
        Run::Fixed(1),
        good_database(),
        Some(serving(1)),
    );
    let suspended = after(
        &good,
        Run::Suspended,
        DatabaseFacts::Locked,
        Some(serving(0)),
    );
    assert_eq!(suspended.phase, Some(Phase::Suspended));
    assert!(
        conditions(&suspended).starts_with("Ready=False/Suspended"),
        "{}",
        conditions(&suspended)
    );
    assert_eq!(notes(&good, &suspended), [(false, "Suspended".to_owned())]);
    let back = after(
        &suspended,
        Run::Fixed(1),
        good_database(),
        Some(Rollout {
            ready: 0,
            ..serving(1)
        }),
    );
    assert_eq!(back.phase, Some(Phase::Provisioning));
}

#[test]
fn what_others_report_counts_and_is_not_ours_to_write() {
    let mut good = after(
        &TenantStatus::default(),
        Run::Fixed(1),
        good_database(),
        Some(serving(1)),
    );
    good.conditions.push(Condition {
        type_: "Routed".to_owned(),
        status: ConditionStatus::False,
        reason: "HostTaken".to_owned(),
        message: "help.acme.example belongs to another tenant".to_owned(),
        observed_generation: None,
        last_transition_time: condition::to_kubernetes(now()),
    });
    let status = after(&good, Run::Fixed(1), good_database(), Some(serving(1)));
    assert!(conditions(&status).starts_with("Ready=False/NotRouted"));
    assert!(condition::find(&status.conditions, ConditionType::Routed).is_none());
}

#[test]
fn a_spec_that_cannot_be_keeps_what_was_there() {
    let good = after(
        &TenantStatus::default(),
        Run::Fixed(1),
        good_database(),
        Some(serving(1)),
    );
    let faults = [Fault {
        field: "spec.hosts",
        message: "x is no host".to_owned(),
    }];
    let bad = next(&good, &Facts::Invalid(&faults), Some(5), now());
    assert_eq!(bad.phase, Some(Phase::Active));
    assert_eq!(bad.observed_generation, Some(5));
    assert_eq!(
        conditions(&bad),
        "Ready=False/InvalidSpec Reconciling=False/InvalidSpec Stalled=True/InvalidSpec \
         DatabaseReady=True/Ready SchemaMigrated=True/UpToDate RuntimeAvailable=True/Available"
    );
    let stalled = condition::find(&bad.conditions, ConditionType::Stalled).unwrap();
    assert!(stalled.message.starts_with("spec.hosts: x is no host"));
}

#[test]
fn pods_say_why_they_do_not_start() {
    let pod: Pod = serde_json::from_value(json!({"status": {"containerStatuses": [{
        "name": "runtime", "image": "i", "imageID": "", "ready": false, "restartCount": 4,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
        "lastState": {"terminated": {
            "exitCode": 1,
            "message": "first line\nGOTRS_DATABASE_URL is not set\n",
            "finishedAt": null,
        }},
    }]}}))
    .unwrap();
    let trouble = pod_trouble(&pod).unwrap();
    assert_eq!(trouble.reason, "CrashLoop");
    assert_eq!(
        trouble.message,
        "back-off 40s; it said: GOTRS_DATABASE_URL is not set"
    );
    let full: Pod = serde_json::from_value(json!({"status": {"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes",
    }]}}))
    .unwrap();
    assert_eq!(pod_trouble(&full).unwrap().reason, "Unschedulable");
    assert_eq!(pod_trouble(&Pod::default()), None);
}

#[test]
fn a_deployment_is_read() {
    let deployment: Deployment = serde_json::from_value(json!({
        "metadata": {"generation": 3},
        "spec": {
            "replicas": 2, "selector": {},
            "template": {"spec": {"containers": [{"name": "runtime", "image": "host:5000/a/b:1.4.2"}]}},
        },
        "status": {
            "observedGeneration": 3, "replicas": 3, "updatedReplicas": 1, "readyReplicas": 2,
            "conditions": [{
                "type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded",
                "message": "timed out",
            }],
        },
    }))
    .unwrap();
    let rollout = Rollout::of(&deployment);
    assert_eq!(
        (
            rollout.desired,
            rollout.replicas,
            rollout.updated,
            rollout.ready
        ),
        (2, 3, 1, 2)
    );
    assert_eq!(rollout.version.as_deref(), Some("1.4.2"));
    assert!(rollout.is_current && !rollout.is_complete());
    let stuck = rollout.stuck.clone().unwrap();
    assert_eq!(
        (stuck.reason, stuck.message.as_str()),
        ("RolloutFailed", "timed out")
    );
    let status = after(
        &TenantStatus::default(),
        Run::Fixed(2),
        good_database(),
        Some(rollout),
    );
    // The old pods serve on; it is stalled all the same.
    assert!(
        conditions(&status)
            .starts_with("Ready=True/Available Reconciling=False/RolloutFailed Stalled=True")
    );
    assert_eq!(status.runtime_version, None);
}

fn runs() -> impl Strategy<Value = Run> {
    prop_oneof![
        Just(Run::Suspended),
        Just(Run::Asleep),
        (1_u16..4).prop_map(Run::Fixed),
        (1_u16..3).prop_map(|min| Run::Automatic { min, max: min + 2 }),
    ]
}

fn databases() -> impl Strategy<Value = DatabaseFacts> {
    prop_oneof![
        Just(good_database()),
        Just(DatabaseFacts::Locked),
        (any::<bool>(), any::<bool>()).prop_map(|(is_final, migration)| {
            DatabaseFacts::Failed(Trouble {
                reason: if migration {
                    "MigrationFailed"
                } else {
                    "RolesFailed"
                },
                message: "m".to_owned(),
                is_final,
            })
        }),
    ]
}

fn rollouts() -> impl Strategy<Value = Option<Rollout>> {
    proptest::option::of(
        (
            0..4_i32,
            0..4_i32,
            0..4_i32,
            0..4_i32,
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(
                |(desired, replicas, updated, ready, is_current, stuck)| Rollout {
                    desired,
                    replicas,
                    updated,
                    ready,
                    is_current,
                    version: Some("1.4.2".to_owned()),
                    stuck: stuck.then(|| Trouble {
                        reason: "RolloutFailed",
                        message: "m".to_owned(),
                        is_final: true,
                    }),
                    pod_trouble: None,
                },
            ),
    )
}

proptest! {
    #[test]
    fn whatever_happens_a_status_makes_sense(
        history in proptest::collection::vec((runs(), databases(), rollouts()), 1..12),
    ) {
        let mut status = TenantStatus::default();
        for (run, database, rollout) in history {
            let before = status.clone();
            status = after(&before, run, database.clone(), rollout.clone());
            let holds = |kind| {
                condition::find(&status.conditions, kind).unwrap().status == ConditionStatus::True
            };
            // kstatus: never both at once, and never ready while one of ours says no.
            prop_assert!(!(holds(ConditionType::Reconciling) && holds(ConditionType::Stalled)));
            if holds(ConditionType::Ready) {
                prop_assert!(holds(ConditionType::DatabaseReady));
                prop_assert!(holds(ConditionType::SchemaMigrated));
                prop_assert!(holds(ConditionType::RuntimeAvailable));
                prop_assert!(run != Run::Suspended);
            }
            prop_assert_eq!(status.phase == Some(Phase::Suspended), run == Run::Suspended);
            // Once active, only suspension ends it.
            if before.phase == Some(Phase::Active) && run != Run::Suspended {
                prop_assert_eq!(status.phase, Some(Phase::Active));
            }
            prop_assert_eq!(status.conditions.len(), ConditionType::OF_OPERATOR.len());
            // The same facts again: nothing to write, nothing to tell.
            let again = after(&status, run, database, rollout);
            prop_assert_eq!(&again, &status);
            prop_assert!(transitions(&status, &again).is_empty());
            prop_assert_eq!(own_part(&status), status.clone());
        }
    }
}
