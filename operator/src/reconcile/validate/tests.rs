use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::config::EXAMPLE;

fn cluster() -> ClusterConfig {
    serde_json::from_str(EXAMPLE).unwrap()
}

fn now() -> DateTime<Utc> {
    "2026-01-02T03:04:05Z".parse().unwrap()
}

/// A Tenant as the API server stores it, with these entries in its spec.
#[expect(clippy::needless_pass_by_value, reason = "each call makes its own")]
fn tenant(spec: Value) -> Tenant {
    let mut object = json!({
        "apiVersion": "gotrs.io/v1",
        "kind": "Tenant",
        "metadata": {
            "name": "acme",
            "uid": "3b241101-e2bb-4255-8caf-4136c566a962",
            "creationTimestamp": "2026-01-01T00:00:00Z",
        },
        "spec": {"slug": "acme"},
    });
    for (key, value) in spec.as_object().unwrap() {
        object["spec"][key] = value.clone();
    }
    serde_json::from_value(object).unwrap()
}

fn annotated(spec: Value, annotations: &[(&str, DateTime<Utc>)]) -> Tenant {
    let mut tenant = tenant(spec);
    tenant.metadata.annotations = Some(
        annotations
            .iter()
            .map(|(key, time)| ((*key).to_owned(), time.to_rfc3339()))
            .collect(),
    );
    tenant
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "each call makes its own")]
fn refused(spec: Value, expected: &str) {
    let faults = validate(&tenant(spec.clone()), &cluster(), &Offer::NoChannel, now()).unwrap_err();
    let text = faults
        .iter()
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join("\n");
    assert!(text.contains(expected), "{spec}: {text}");
}

#[track_caller]
fn accepted(spec: Value) -> ValidatedTenant {
    validate(&tenant(spec), &cluster(), &Offer::NoChannel, now()).unwrap()
}

#[test]
fn a_slug_is_enough() {
    let tenant = accepted(json!({}));
    assert_eq!(
        tenant.id.to_string(),
        "3b241101-e2bb-4255-8caf-4136c566a962"
    );
    assert_eq!(tenant.display_name, "acme");
    assert_eq!(tenant.version.as_str(), "1.0.0");
    assert_eq!(tenant.run, Run::Fixed(1));
    assert_eq!(tenant.hosts[0].as_str(), "acme.example.com");
    assert_eq!(tenant.resources, RuntimeResources::of(Plan::Free));
}

#[test]
fn a_given_id_wins_over_that_of_the_resource() {
    let id = "0198c0de-0000-7000-8000-000000000001";
    assert_eq!(accepted(json!({ "id": id })).id.to_string(), id);
    refused(
        json!({"id": "00000000-0000-0000-0000-000000000000"}),
        "is no UUID",
    );
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let faults = validate(
        &tenant(json!({
            "version": "no tag", "hosts": ["admin.example.com"], "replicas": 7,
            "database": {"cluster": "nowhere"}
        })),
        &cluster(),
        &Offer::NoChannel,
        now(),
    )
    .unwrap_err();
    let fields: Vec<&str> = faults.iter().map(|fault| fault.field).collect();
    assert_eq!(
        fields,
        [
            "spec.version",
            "spec.replicas",
            "spec.hosts",
            "spec.database.cluster"
        ]
    );
}

/// The rules of the definition say the same; objects from before a rule are still in the cluster.
#[test]
fn what_excludes_each_other_is_refused_here_too() {
    refused(
        json!({"plan": "team", "replicas": 2, "scaleToZero": {}}),
        "one replica",
    );
    refused(
        json!({"plan": "business", "maxReplicas": 3, "scaleToZero": {}}),
        "excludes",
    );
    refused(
        json!({"plan": "team", "maxReplicas": 3}),
        "needs plan business",
    );
    refused(
        json!({"plan": "business", "replicas": 4, "maxReplicas": 3}),
        "below spec.replicas",
    );
    refused(
        json!({"plan": "business", "maxReplicas": 11}),
        "allows 1 to 10",
    );
    assert_eq!(
        accepted(json!({"plan": "business", "replicas": 2, "maxReplicas": 3})).run,
        Run::Automatic { min: 2, max: 3 }
    );
}

#[test]
fn hosts_of_others_cannot_be_taken() {
    refused(json!({"hosts": ["other.example.com"]}), "of another tenant");
    refused(json!({"hosts": ["example.com"]}), "of the platform");
    let hosts = accepted(json!({"hosts": ["help.acme.test", "acme.example.com"]})).hosts;
    let hosts: Vec<&str> = hosts.iter().map(Host::as_str).collect();
    assert_eq!(hosts, ["acme.example.com", "help.acme.test"]);
}

#[test]
fn resources_keep_their_order() {
    let own = accepted(json!({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}));
    assert_eq!(own.resources.limit, (Cpu(2_000), Memory(1_024)));
    let low = accepted(json!({"plan": "business", "resources": {"limits": {"memory": "128Mi"}}}));
    assert_eq!(low.resources.request.1, Memory(128));
    refused(
        json!({"resources": {"requests": {"memory": "2Gi"}}}),
        "must not be above the limits",
    );
}

#[test]
fn an_idle_tenant_sleeps_and_says_when_to_look_again() {
    let spec = json!({"scaleToZero": {"idleAfter": "30m"}});
    let half = TimeDelta::minutes(30);
    let at = |annotations: &[(&str, DateTime<Utc>)]| {
        let tenant = validate(
            &annotated(spec.clone(), annotations),
            &cluster(),
            &Offer::NoChannel,
            now(),
        )
        .unwrap();
        (tenant.run, tenant.look_again)
    };
    let active = names::ANNOTATION_LAST_ACTIVE;
    let due = names::ANNOTATION_NEXT_DUE;
    let past = now() - TimeDelta::hours(2);
    let future = now() + TimeDelta::hours(2);
    // Made long ago, never used since.
    assert_eq!(at(&[]), (Run::Asleep, None));
    assert_eq!(at(&[(active, now())]), (Run::Fixed(1), Some(now() + half)));
    assert_eq!(at(&[(active, past)]), (Run::Asleep, None));
    assert_eq!(
        at(&[(active, past), (due, future)]),
        (Run::Asleep, Some(future))
    );
    assert_eq!(at(&[(active, past), (due, past)]), (Run::Fixed(1), None));
    // A clock that is wrong elsewhere does not keep it awake, and one that is a little ahead still wakes it.
    assert_eq!(at(&[(active, future)]), (Run::Asleep, None));
    let ahead = now() + TimeDelta::seconds(30);
    assert_eq!(at(&[(active, ahead)]), (Run::Fixed(1), Some(now() + half)));
}

#[test]
fn a_version_that_failed_is_not_tried_again_until_somebody_asks() {
    let after = |retried: Option<&str>, failed: &str, good: &str, retry: Option<&str>| {
        let mut tenant = tenant(json!({"version": "2.0.0"}));
        tenant.status = serde_json::from_value(json!({
            "failedVersion": failed, "runtimeVersion": good, "retriedVersion": retried,
        }))
        .unwrap();
        tenant.metadata.annotations = retry.map(|version| {
            [(
                names::ANNOTATION_RETRY_VERSION.to_owned(),
                version.to_owned(),
            )]
            .into()
        });
        let valid = validate(&tenant, &cluster(), &Offer::NoChannel, now()).unwrap();
        let from = valid.rolled_back_from.map(|tag| tag.as_str().to_owned());
        (valid.version.as_str().to_owned(), from)
    };
    let at = |failed: &str, good: &str, retry: Option<&str>| after(None, failed, good, retry);
    let wanted = ("2.0.0".to_owned(), None);
    let before = ("1.0.0".to_owned(), Some("2.0.0".to_owned()));
    assert_eq!(at("2.0.0", "1.0.0", None), before);
    // Asked for once, tried once.
    assert_eq!(
        after(Some("2.0.0"), "2.0.0", "1.0.0", Some("2.0.0")),
        before
    );
    assert_eq!(
        after(Some("1.9.0"), "2.0.0", "1.0.0", Some("2.0.0")),
        wanted
    );
    assert_eq!(at("2.0.0", "1.0.0", Some("2.0.0")), wanted);
    assert_eq!(at("1.9.0", "1.0.0", None), wanted);
    assert_eq!(at("2.0.0", "2.0.0", None), wanted);
}

#[test]
fn a_version_comes_from_its_pin_its_channel_or_the_platform() {
    let given = json!({"channel": {
        "name": "stable", "version": "3.0.0", "cause": "Joined", "since": "2026-01-02T03:04:05Z",
    }});
    let running = json!({"runtimeVersion": "1.0.0"});
    let offer = Offer::Version("2.0.0".to_owned());
    let at = |spec: Value, status: &Value, offer: &Offer| {
        let mut tenant = tenant(spec);
        tenant.status = serde_json::from_value(status.clone()).unwrap();
        validate(&tenant, &cluster(), offer, now()).map(|tenant| tenant.version.as_str().to_owned())
    };
    let nothing = json!({});
    assert_eq!(
        at(json!({"version": "9.0.0"}), &given, &offer),
        Ok("9.0.0".to_owned())
    );
    assert_eq!(at(json!({}), &given, &offer), Ok("3.0.0".to_owned()));
    // A channel that is gone changes nothing.
    assert_eq!(
        at(json!({}), &given, &Offer::NoChannel),
        Ok("3.0.0".to_owned())
    );
    assert_eq!(
        at(json!({"channel": "beta"}), &given, &Offer::Missing),
        Ok("3.0.0".to_owned())
    );
    assert_eq!(at(json!({}), &nothing, &offer), Ok("2.0.0".to_owned()));
    // Who runs already waits for the channel's turn.
    assert_eq!(at(json!({}), &running, &offer), Ok("1.0.0".to_owned()));
    let own = cluster().runtime.version;
    assert_eq!(at(json!({}), &running, &Offer::NoChannel), Ok(own));
    let missing = at(json!({"channel": "beta"}), &nothing, &Offer::Missing).unwrap_err();
    assert_eq!(missing[0].field, "spec.channel");
    let window = json!({"maintenanceWindow": {"start": "02:00", "timeZone": "Mars/Base"}});
    let wrong = at(window, &nothing, &Offer::NoChannel).unwrap_err();
    assert_eq!(wrong[0].field, "spec.maintenanceWindow");
}

#[test]
fn a_suspended_tenant_neither_runs_nor_sleeps() {
    let tenant = accepted(json!({"suspended": true, "scaleToZero": {}}));
    assert_eq!((tenant.run, tenant.look_again), (Run::Suspended, None));
}

#[test]
fn only_the_policy_drops_data() {
    assert_eq!(drop_after(&tenant(json!({}))), None);
    assert_eq!(
        drop_after(&tenant(json!({"deletionPolicy": "Delete", "grace": "1h"}))),
        Some(TimeDelta::hours(1))
    );
}

fn specs() -> impl Strategy<Value = Value> {
    (
        prop_oneof![Just("free"), Just("team"), Just("business")],
        -2..15_i32,
        proptest::option::of(-2..15_i32),
        any::<bool>(),
        any::<bool>(),
        proptest::option::of("[a-z.0-9-]{1,20}"),
        proptest::option::of("[0-9]{1,5}(m|Mi|Gi)?"),
    )
        .prop_map(|(plan, replicas, max, sleep, suspended, host, amount)| {
            let mut spec = json!({"plan": plan, "replicas": replicas, "suspended": suspended});
            if let Some(max) = max {
                spec["maxReplicas"] = json!(max);
            }
            if sleep {
                spec["scaleToZero"] = json!({});
            }
            if let Some(host) = host {
                spec["hosts"] = json!([host]);
            }
            if let Some(amount) = amount {
                spec["resources"] = json!({"requests": {"cpu": amount, "memory": amount}});
            }
            spec
        })
}

proptest! {
    #[test]
    fn whatever_is_accepted_can_be_built(spec in specs()) {
        if let Ok(tenant) = validate(&tenant(spec), &cluster(), &Offer::NoChannel, now()) {
            prop_assert!(tenant.run.fewest() <= tenant.run.most());
            prop_assert!(i32::from(tenant.run.most()) <= replica_limit(tenant.plan));
            prop_assert!(tenant.resources.request.0 <= tenant.resources.limit.0);
            prop_assert!(tenant.resources.request.1 <= tenant.resources.limit.1);
            prop_assert_eq!(tenant.hosts[0].as_str(), "acme.example.com");
        }
    }

    #[test]
    fn what_is_refused_says_where(spec in specs()) {
        if let Err(faults) = validate(&tenant(spec), &cluster(), &Offer::NoChannel, now()) {
            prop_assert!(!faults.is_empty());
            prop_assert!(faults.iter().all(|fault| fault.field.contains('.')));
        }
    }
}
