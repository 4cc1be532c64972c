use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use serde_json::Value;

use super::*;
use crate::config::EXAMPLE;
use crate::reconcile::validate::{Cpu, ImageTag, Memory, Run, RuntimeResources};
use domain::plan::Plan;
use tenant_database::Credentials;

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

fn cluster() -> ClusterConfig {
    serde_json::from_str(EXAMPLE).unwrap()
}

fn tenant(plan: Plan, run: Run) -> ValidatedTenant {
    ValidatedTenant {
        id: "0198c0de-0000-7000-8000-000000000001".parse().unwrap(),
        slug: "acme".parse().unwrap(),
        uid: "3b241101-e2bb-4255-8caf-4136c566a962".to_owned(),
        display_name: "Acme & Söhne".to_owned(),
        plan,
        version: "1.4.2".parse::<ImageTag>().unwrap(),
        rolled_back_from: None,
        retry: None,
        follows_channel: false,
        run,
        hosts: vec!["acme.example.com".parse().unwrap()],
        cluster: "default".to_owned(),
        resources: RuntimeResources::of(plan),
        administrator: None,
        rotation: None,
        trace_parent: Some(TRACE.to_owned()),
        look_again: None,
    }
}

fn secrets() -> RuntimeSecrets {
    RuntimeSecrets {
        credentials: Credentials {
            runtime: "one".to_owned().into(),
            lambda: "two".to_owned().into(),
        },
        database_url: "postgres://runtime:one@db/tenants".to_owned().into(),
        lambda_database_url: "postgres://lambda:two@db/tenants".to_owned().into(),
    }
}

fn objects(plan: Plan, run: Run) -> TenantObjects {
    build(&tenant(plan, run), &cluster(), &secrets().seal())
}

/// All objects in the order in which they are applied.
fn as_yaml(objects: &TenantObjects) -> Vec<Value> {
    let TenantObjects {
        namespace,
        service_account,
        quota,
        limit_range,
        network_policies,
        deployment,
        disruption_budget,
        autoscaler,
    } = objects;
    let value = |object: Result<Value, serde_json::Error>| object.unwrap();
    let mut all = vec![value(serde_json::to_value(namespace))];
    all.extend(
        network_policies
            .iter()
            .map(|one| value(serde_json::to_value(one))),
    );
    all.push(value(serde_json::to_value(quota)));
    all.push(value(serde_json::to_value(limit_range)));
    all.push(value(serde_json::to_value(service_account)));
    all.push(value(serde_json::to_value(deployment)));
    all.extend(
        autoscaler
            .iter()
            .map(|one| value(serde_json::to_value(one))),
    );
    all.extend(
        disruption_budget
            .iter()
            .map(|one| value(serde_json::to_value(one))),
    );
    all
}

#[test]
fn one_runtime_of_the_free_plan() {
    insta::assert_yaml_snapshot!(as_yaml(&objects(Plan::Free, Run::Fixed(1))));
}

/// Where there is none, nothing is said of it: a runtime that knew its address would wait for its word.
#[test]
fn without_a_control_plane_nothing_leads_to_one() {
    let with = objects(Plan::Free, Run::Fixed(1));
    let cluster = ClusterConfig {
        control_plane: None,
        ..cluster()
    };
    let without = build(
        &tenant(Plan::Free, Run::Fixed(1)),
        &cluster,
        &secrets().seal(),
    );
    let texts = [with, without].map(|objects| {
        as_yaml(&objects)
            .iter()
            .map(|object| serde_yaml::to_string(object).unwrap())
            .collect::<String>()
    });
    for word in [
        "control-plane",
        "GOTRS_CONTROL_PLANE_URL",
        "name: token",
        "serviceAccountToken",
    ] {
        let [with, without] = texts.each_ref().map(|text| text.contains(word));
        assert!(with && !without, "{word}");
    }
}

/// What differs between the ways a tenant runs; the rest is the same in all of them.
#[test]
fn what_differs_by_plan_and_run() {
    let base = as_yaml(&objects(Plan::Free, Run::Fixed(1)));
    let mut text = String::new();
    for (plan, run) in [
        (Plan::Free, Run::Suspended),
        (Plan::Free, Run::Asleep),
        (Plan::Team, Run::Fixed(1)),
        (Plan::Team, Run::Fixed(3)),
        (Plan::Team, Run::Suspended),
        (Plan::Business, Run::Fixed(2)),
        (Plan::Business, Run::Automatic { min: 1, max: 4 }),
        (Plan::Business, Run::Automatic { min: 2, max: 10 }),
        (Plan::Business, Run::Asleep),
    ] {
        text.push_str(&format!("== {plan} {run:?}\n"));
        for object in as_yaml(&objects(plan, run)) {
            let key = |value: &Value| (value["kind"].clone(), value["metadata"]["name"].clone());
            match base.iter().find(|other| key(other) == key(&object)) {
                Some(other) => {
                    differences(object["kind"].as_str().unwrap(), other, &object, &mut text);
                }
                None => text.push_str(&serde_yaml::to_string(&object).unwrap()),
            }
        }
    }
    insta::assert_snapshot!(text);
}

fn differences(path: &str, one: &Value, other: &Value, text: &mut String) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let keys: std::collections::BTreeSet<&String> =
                one.keys().chain(other.keys()).collect();
            for key in keys {
                let missing = Value::Null;
                differences(
                    &format!("{path}.{key}"),
                    one.get(key).unwrap_or(&missing),
                    other.get(key).unwrap_or(&missing),
                    text,
                );
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (index, (one, other)) in one.iter().zip(other).enumerate() {
                differences(&format!("{path}[{index}]"), one, other, text);
            }
        }
        (one, other) if one != other => text.push_str(&format!("{path}: {one} -> {other}\n")),
        _ => {}
    }
}

#[test]
fn secrets_are_in_secrets_only() {
    let text = serde_json::to_string(&as_yaml(&objects(Plan::Team, Run::Fixed(2)))).unwrap();
    for secret in ["postgres://", "one@", "two@"] {
        assert!(!text.contains(secret), "{secret}");
    }
    // In the template it would restart the runtimes with each request.
    assert!(!text.contains(TRACE));
    let mut tenant = tenant(Plan::Free, Run::Fixed(1));
    tenant.rotation = Some("2026-01".to_owned());
    insta::assert_yaml_snapshot!([
        runtime_secret(&tenant, &secrets()),
        administrator_secret(&tenant, "ada@acme.example", "swordfish"),
    ]);
}

/// What Kubernetes calls `restricted`: the namespace enforces it, so a pod that breaks a rule would never start.
#[test]
fn pods_obey_the_restricted_standard() {
    for (plan, run) in [(Plan::Free, Run::Fixed(1)), (Plan::Business, Run::Fixed(3))] {
        let objects = objects(plan, run);
        let pod = objects.deployment.spec.unwrap().template.spec.unwrap();
        let security = pod.security_context.unwrap();
        assert_eq!(security.run_as_non_root, Some(true));
        assert_eq!(security.seccomp_profile.unwrap().type_, "RuntimeDefault");
        assert_eq!(pod.automount_service_account_token, Some(false));
        assert_eq!(pod.enable_service_links, Some(false));
        assert_eq!(
            (pod.host_network, pod.host_pid, pod.host_ipc),
            (None, None, None)
        );
        for volume in pod.volumes.unwrap() {
            assert!(volume.host_path.is_none());
        }
        for container in pod.containers {
            let security = container.security_context.unwrap();
            assert_eq!(security.allow_privilege_escalation, Some(false));
            assert_eq!(security.read_only_root_filesystem, Some(true));
            assert_eq!(security.capabilities.unwrap().drop.unwrap(), ["ALL"]);
            assert!(
                container
                    .resources
                    .unwrap()
                    .limits
                    .unwrap()
                    .contains_key("memory")
            );
        }
    }
}

/// Nobody may reach what is not in the list, whatever else is in the cluster.
#[test]
fn policies_never_open_the_cluster() {
    let cluster = cluster();
    let policies = network::policies(&tenant(Plan::Free, Run::Fixed(1)), &cluster);
    let deny = policies[0].spec.clone().unwrap();
    assert_eq!(deny.pod_selector, Some(LabelSelector::default()));
    assert_eq!((deny.ingress, deny.egress), (Some(vec![]), Some(vec![])));
    assert_eq!(deny.policy_types.unwrap(), ["Ingress", "Egress"]);
    for rule in policies[1].spec.clone().unwrap().egress.unwrap() {
        let to = rule.to.unwrap();
        assert!(!to.is_empty(), "a rule without destinations allows all");
        assert!(
            !rule.ports.unwrap().is_empty(),
            "a rule without ports allows all"
        );
        for block in to.into_iter().filter_map(|peer| peer.ip_block) {
            if !block.cidr.ends_with("/0") {
                continue;
            }
            let except = block.except.unwrap();
            let ranges = cluster
                .network
                .cluster_ranges
                .iter()
                .chain(&cluster.network.metadata_ranges);
            for range in ranges.filter(|range| range.is_ipv4() == block.cidr.contains('.')) {
                assert!(except.contains(&range.to_string()), "{range} is open");
            }
        }
    }
}

#[test]
fn new_passwords_restart_the_pods_and_nothing_else_changes() {
    let tenant = tenant(Plan::Free, Run::Fixed(1));
    let one = build(&tenant, &cluster(), &secrets().seal());
    let mut other_secrets = secrets();
    other_secrets.credentials = Credentials::generate();
    let other = build(&tenant, &cluster(), &other_secrets.seal());
    let template = |objects: &TenantObjects| objects.deployment.spec.clone().unwrap().template;
    assert_ne!(template(&one), template(&other));
    assert_eq!(one.quota, other.quota);
    assert_eq!(one.network_policies, other.network_policies);
}

#[test]
fn the_quota_holds_a_rollout() {
    let mut big = tenant(Plan::Business, Run::Fixed(10));
    big.resources.limit = (Cpu(4_000_000), Memory(u32::MAX));
    let quota = build(&big, &cluster(), &secrets().seal()).quota;
    let hard = quota.spec.unwrap().hard.unwrap();
    assert_eq!(hard["pods"].0, "21");
    // Amounts nobody has do not wrap around.
    assert_eq!(hard["limits.memory"].0, format!("{}Mi", u32::MAX));
}

#[test]
fn the_selector_text_selects_what_the_deployment_does() {
    let tenant = tenant(Plan::Free, Run::Fixed(1));
    let text = selector_text(&tenant.slug);
    let pairs: Vec<String> = selector(&tenant)
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    assert_eq!(text, pairs.join(","));
}
