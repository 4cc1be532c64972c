use kube::core::crd::CustomResourceExt as _;
use kube_cel::Validator;
use serde_json::{Value, json};

use super::*;
use crate::v1::{PlanName, replica_limit};
use domain::plan::Plan;

fn schema() -> Value {
    schema_of(tenants())
}

fn schema_of(definition: CustomResourceDefinition) -> Value {
    let version = definition.spec.versions.into_iter().next().unwrap();
    serde_json::to_value(version.schema.unwrap().open_api_v3_schema.unwrap()).unwrap()
}

fn tenant(spec: Value) -> Value {
    let mut spec = spec;
    let slug = spec
        .as_object_mut()
        .unwrap()
        .entry("slug")
        .or_insert(json!("acme"))
        .clone();
    json!({"apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": slug}, "spec": spec})
}

#[expect(clippy::needless_pass_by_value, reason = "each call makes its own")]
fn channel(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "gotrs.io/v1", "kind": "RuntimeChannel", "metadata": {"name": name}, "spec": spec})
}

/// What the API server says to a Tenant, as one text; empty when it is fine.
fn refusals(object: &Value, old: Option<&Value>) -> String {
    refusals_of(&schema(), object, old)
}

fn refusals_of(schema: &Value, object: &Value, old: Option<&Value>) -> String {
    match Validator::new().validate(schema, object, old) {
        Ok(()) => String::new(),
        Err(errors) => errors
            .into_vec()
            .into_iter()
            .map(|error| format!("{}: {}", error.field_path, error.message))
            .collect::<Vec<_>>()
            .join("\n"),
    }
}

#[track_caller]
#[expect(clippy::needless_pass_by_value, reason = "each call makes its own")]
fn check(spec: Value, expected: &str) {
    let found = refusals(&tenant(spec.clone()), None);
    if expected.is_empty() {
        assert_eq!(found, "", "{spec}");
    } else {
        assert!(found.contains(expected), "{spec}: {found:?}");
        assert_eq!(found.lines().count(), 1, "{spec}: {found:?}");
    }
}

#[track_caller]
fn check_change(old: Value, new: Value, expected: &str) {
    let found = refusals(&tenant(new), Some(&tenant(old)));
    if expected.is_empty() {
        assert_eq!(found, "");
    } else {
        assert!(found.contains(expected), "{found:?}");
    }
}

#[test]
fn the_definition_is_as_committed() {
    insta::assert_yaml_snapshot!(tenants());
    insta::assert_yaml_snapshot!("runtime_channels", runtime_channels());
}

#[test]
fn a_slug_is_enough() {
    check(json!({}), "");
}

#[test]
fn every_rule_compiles() {
    for definition in [tenants(), runtime_channels()] {
        let compiled = kube_cel::compile_schema(&schema_of(definition));
        assert!(
            !compiled.has_errors(),
            "{:?}",
            compiled.compilation_errors()
        );
    }
}

#[test]
fn slugs_and_names() {
    for (slug, expected) in [
        ("acme", ""),
        ("a-1-b", ""),
        ("Acme", "lower-case letters"),
        ("1acme", "lower-case letters"),
        ("ac--me", "lower-case letters"),
        ("acme-", "lower-case letters"),
        ("www", "kept for the platform"),
        ("signup", "kept for the platform"),
    ] {
        check(json!({ "slug": slug }), expected);
        assert_eq!(
            expected.is_empty(),
            slug.parse::<domain::name::TenantSlug>().is_ok(),
            "the rule and `TenantSlug` disagree about {slug}"
        );
    }
    let mut object = tenant(json!({}));
    object["metadata"]["name"] = json!("other");
    assert!(refusals(&object, None).contains("name the Tenant after its slug"));
}

#[test]
fn what_excludes_each_other() {
    check(
        json!({"scaleToZero": {}, "plan": "team", "replicas": 2}),
        "has one replica",
    );
    check(json!({"scaleToZero": {}}), "");
    check(
        json!({"scaleToZero": {}, "plan": "business", "maxReplicas": 4}),
        "exclude each other",
    );
    check(
        json!({"plan": "team", "maxReplicas": 4}),
        "needs spec.plan business",
    );
    check(json!({"plan": "business", "maxReplicas": 4}), "");
    check(
        json!({"plan": "business", "replicas": 5, "maxReplicas": 4}),
        "must not be below spec.replicas",
    );
    check(json!({"replicas": 0}), "stop a tenant with spec.suspended");
}

#[test]
fn replicas_by_plan() {
    for plan in Plan::ALL {
        let limit = replica_limit(plan);
        check(json!({"plan": plan.as_str(), "replicas": limit}), "");
        check(
            json!({"plan": plan.as_str(), "replicas": limit + 1}),
            "spec.replicas is at most 1 with plan free, 3 with team and 10 with business",
        );
    }
}

#[test]
fn hosts_are_dns_names() {
    for (host, good) in [
        ("help.acme.example", true),
        ("acme.co", true),
        ("xn--bcher-kva.example", true),
        ("Help.acme.example", false),
        ("help.acme.example:8080", false),
        ("https://help.acme.example", false),
        ("*.acme.example", false),
        ("localhost", false),
        ("10.0.0.1", false),
        ("acme..example", false),
        ("-acme.example", false),
    ] {
        check(
            json!({"hosts": ["ok.example", host]}),
            if good {
                ""
            } else {
                "a full DNS name in lower case"
            },
        );
    }
}

#[test]
fn times_have_bounds() {
    check(json!({"grace": "0s"}), "");
    check(json!({"grace": "2160h"}), "");
    check(json!({"grace": "2160h1s"}), "at most 2160h");
    check(
        json!({"scaleToZero": {"idleAfter": "59s"}}),
        "from 1m to 168h",
    );
    check(json!({"scaleToZero": {"idleAfter": "1m"}}), "");
    check(
        json!({"scaleToZero": {"idleAfter": "169h"}}),
        "from 1m to 168h",
    );
}

#[test]
fn what_cannot_be_changed() {
    const ID: &str = "0198c0de-0000-7000-8000-000000000001";
    const OTHER: &str = "0198c0de-0000-7000-8000-000000000002";
    check_change(
        json!({"slug": "acme"}),
        json!({"slug": "other"}),
        "keeps its slug",
    );
    check_change(json!({"id": ID}), json!({"id": ID, "plan": "team"}), "");
    check_change(
        json!({"id": ID}),
        json!({"id": OTHER}),
        "names the tenant's schema",
    );
    check_change(json!({"id": ID}), json!({}), "names the tenant's schema");
    check_change(json!({}), json!({"id": ID}), "names the tenant's schema");
    check_change(
        json!({"database": {"cluster": "a"}}),
        json!({"database": {"cluster": "b"}}),
        "does not move by itself",
    );
    check_change(json!({"database": {"cluster": "default"}}), json!({}), "");
}

#[test]
fn defaults_are_in_the_schema_and_in_the_types_the_same() {
    let compiled = schema();
    let defaulted = kube_cel::apply_defaults(&compiled, &tenant(json!({})));
    let from_server: Tenant = serde_json::from_value(defaulted).unwrap();
    let from_types: Tenant = serde_json::from_value(tenant(json!({}))).unwrap();
    assert_eq!(from_server, from_types);
    assert_eq!(from_types.spec.replicas, 1);
    assert_eq!(from_types.spec.grace.to_string(), "168h");
    let stable = channel("stable", json!({"version": "1.4.2", "canary": {}}));
    let defaulted = kube_cel::apply_defaults(&schema_of(runtime_channels()), &stable);
    let from_server: RuntimeChannel = serde_json::from_value(defaulted).unwrap();
    let from_types: RuntimeChannel = serde_json::from_value(stable).unwrap();
    assert_eq!(from_server, from_types);
    assert_eq!(from_types.spec.max_unavailable, 5);
    assert_eq!(from_types.spec.canary.soak.to_string(), "30m");
}

#[test]
fn channels_have_bounds_and_say_what_to_do() {
    let schema = schema_of(runtime_channels());
    let check = |name: &str, spec: Value, expected: &str| {
        let mut spec = spec;
        let entries = spec.as_object_mut().unwrap();
        entries.entry("version").or_insert(json!("1.4.2"));
        let found = refusals_of(&schema, &channel(name, spec.clone()), None);
        if expected.is_empty() {
            assert_eq!(found, "", "{spec}");
        } else {
            assert!(found.contains(expected), "{spec}: {found:?}");
            assert_eq!(found.lines().count(), 1, "{spec}: {found:?}");
        }
    };
    check("stable", json!({}), "");
    check("Stable", json!({}), "a channel's name has at most 63");
    check("a.b", json!({}), "a channel's name has at most 63");
    check("stable", json!({"version": "no tag"}), "such as 1.4.2");
    check("stable", json!({"canary": {"percent": 0}}), "");
    check(
        "stable",
        json!({"canary": {"percent": -1}}),
        "from 0 (no canaries)",
    );
    check(
        "stable",
        json!({"canary": {"percent": 101}}),
        "from 0 (no canaries)",
    );
    check("stable", json!({"canary": {"soak": "0s"}}), "");
    check(
        "stable",
        json!({"canary": {"soak": "169h"}}),
        "at most 168h",
    );
    check("stable", json!({"maxUnavailable": 0}), "set spec.paused");
    check("stable", json!({"maxUnavailable": 101}), "from 1 to 100");
    check(
        "stable",
        json!({"stopAfterFailures": 0}),
        "from 1 (the first failure",
    );
    check("stable", json!({"deadline": "59s"}), "from 1m to 24h");
    check(
        "stable",
        json!({"deadline": "1m", "onFailure": "RollBack", "paused": true}),
        "",
    );
}

#[test]
fn windows_have_a_beginning_a_length_and_a_place() {
    let window = |entries: Value| {
        let mut window = json!({"start": "02:30"});
        window
            .as_object_mut()
            .unwrap()
            .extend(entries.as_object().unwrap().clone());
        json!({"maintenanceWindow": window})
    };
    check(window(json!({})), "");
    check(
        window(
            json!({"days": ["Monday", "Sunday"], "duration": "24h", "timeZone": "America/Argentina/Buenos_Aires"}),
        ),
        "",
    );
    check(window(json!({"start": "24:00"})), "from 00:00 to 23:59");
    check(window(json!({"start": "2:30"})), "from 00:00 to 23:59");
    check(window(json!({"duration": "14m"})), "from 15m to 24h");
    check(window(json!({"duration": "25h"})), "from 15m to 24h");
    check(
        window(json!({"timeZone": "Europe/"})),
        "such as Europe/Berlin",
    );
    check(
        json!({"channel": "Beta"}),
        "spec.channel is the name of a RuntimeChannel",
    );
    check(json!({"channel": "beta", "version": "1.0.0"}), "");
}

#[test]
fn plans_are_those_of_the_domain() {
    for plan in Plan::ALL {
        let name = PlanName::from(plan);
        assert_eq!(serde_json::to_value(name).unwrap(), json!(plan.as_str()));
        assert_eq!(Plan::from(name), plan);
    }
}

/// Tools that compare what is installed with what is in a repository see a difference in an empty list for ever.
#[test]
fn no_empty_lists_and_no_nulls() {
    fn look(value: &Value, path: &str) {
        match value {
            Value::Array(items) => {
                assert!(!items.is_empty(), "empty list at {path}");
                for item in items {
                    look(item, path);
                }
            }
            Value::Object(entries) => {
                for (key, value) in entries {
                    assert_ne!(key, "nullable", "{path}");
                    look(value, &format!("{path}.{key}"));
                }
            }
            Value::Null => panic!("null at {path}"),
            _ => {}
        }
    }
    for definition in [tenants(), runtime_channels()] {
        look(&serde_json::to_value(definition).unwrap(), "");
    }
    assert_eq!(Tenant::crd_name(), "tenants.gotrs.io");
    assert_eq!(RuntimeChannel::crd_name(), "runtimechannels.gotrs.io");
}
