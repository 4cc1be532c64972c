use std::collections::BTreeMap;

use super::*;

const ACME: &str = "0198c0de-0000-7000-8000-00000000002a";
const EVIL: &str = "0198c0de-0000-7000-8000-00000000002b";

fn tenant(slug: &str, id: &str, made: &str, more: &serde_json::Value) -> Tenant {
    let mut tenant = json!({
        "apiVersion": "gotrs.io/v1",
        "kind": "Tenant",
        "metadata": {"name": slug, "creationTimestamp": made, "generation": 2},
        "spec": {"slug": slug, "id": id},
    });
    for (part, fields) in more.as_object().unwrap() {
        let target = tenant
            .as_object_mut()
            .unwrap()
            .entry(part)
            .or_insert_with(|| json!({}));
        for (name, value) in fields.as_object().unwrap() {
            target
                .as_object_mut()
                .unwrap()
                .insert(name.clone(), value.clone());
        }
    }
    serde_json::from_value(tenant).unwrap()
}

fn pod(namespace: &str, slug: &str, id: &str, ip: &str, ready: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": {
            "name": format!("runtime-{ip}"),
            "namespace": namespace,
            "labels": {names::LABEL_TENANT: slug, names::LABEL_TENANT_ID: id},
        },
        "spec": {"containers": [{"name": "runtime", "ports": [
            {"name": "internal", "containerPort": 9090},
            {"name": "http", "containerPort": 8080},
        ]}]},
        "status": {"podIP": ip, "conditions": [{"type": "Ready", "status": ready}]},
    }))
    .unwrap()
}

fn routes(tenants: &[Tenant], pods: &[Pod]) -> RoutingTable {
    Routes::of(tenants.iter(), pods.iter(), "example.com")
        .table()
        .clone()
}

fn target_of(table: &RoutingTable, host: &str) -> Option<RouteTarget> {
    table.find(host).map(|route| route.target.clone())
}

#[test]
fn ready_pods_serve_and_others_do_not() {
    let acme = tenant("acme", ACME, "2026-01-01T00:00:00Z", &json!({}));
    let mut leaving = pod("tenant-acme", "acme", ACME, "10.0.0.4", "True");
    leaving.metadata.deletion_timestamp = Some(condition::to_kubernetes(DateTime::UNIX_EPOCH));
    let pods = [
        pod("tenant-acme", "acme", ACME, "10.0.0.2", "True"),
        pod("tenant-acme", "acme", ACME, "10.0.0.1", "True"),
        pod("tenant-acme", "acme", ACME, "10.0.0.3", "False"),
        leaving,
    ];
    let table = routes(std::slice::from_ref(&acme), &pods);
    assert_eq!(
        target_of(&table, "acme.example.com"),
        Some(RouteTarget::Serving(vec![
            "10.0.0.1:8080".parse().unwrap(),
            "10.0.0.2:8080".parse().unwrap(),
        ]))
    );
    assert_eq!(
        target_of(&routes(&[acme], &[]), "acme.example.com"),
        Some(RouteTarget::Starting)
    );
}

#[test]
fn a_pod_with_somebody_elses_labels_serves_nobody() {
    let acme = tenant("acme", ACME, "2026-01-01T00:00:00Z", &json!({}));
    let pods = [
        pod("tenant-evil", "acme", ACME, "10.6.6.6", "True"),
        pod("default", "acme", ACME, "10.6.6.7", "True"),
        // In its own namespace, with the id of another.
        pod("tenant-evil", "evil", ACME, "10.6.6.8", "True"),
    ];
    assert_eq!(
        target_of(&routes(&[acme], &pods), "acme.example.com"),
        Some(RouteTarget::Starting)
    );
}

#[test]
fn nobody_gets_the_host_of_another() {
    let hosts = json!({"spec": {"hosts": [
        "acme.example.com", "console.example.com", "example.com", "help.acme.example", "evil.example",
    ]}});
    let tenants = [
        tenant("evil", EVIL, "2026-02-01T00:00:00Z", &hosts),
        tenant(
            "acme",
            ACME,
            "2026-01-01T00:00:00Z",
            &json!({"spec": {"hosts": ["help.acme.example"]}}),
        ),
    ];
    let table = routes(&tenants, &[]);
    let slug = |host: &str| table.find(host).map(|route| route.slug.to_string());
    assert_eq!(slug("acme.example.com").as_deref(), Some("acme"));
    assert_eq!(slug("help.acme.example").as_deref(), Some("acme"));
    assert_eq!(slug("evil.example").as_deref(), Some("evil"));
    assert_eq!(slug("console.example.com"), None);
    assert_eq!(slug("example.com"), None);
}

#[test]
fn each_state_has_its_target() {
    let state = |more: serde_json::Value| {
        target_of(
            &routes(&[tenant("acme", ACME, "2026-01-01T00:00:00Z", &more)], &[]),
            "acme.example.com",
        )
        .unwrap()
    };
    assert_eq!(
        state(json!({"spec": {"suspended": true}})),
        RouteTarget::Suspended
    );
    assert_eq!(
        state(json!({"metadata": {"deletionTimestamp": "2026-03-01T00:00:00Z"}})),
        RouteTarget::Deleting
    );
    let stalled = json!({"status": {"conditions": [{
        "type": "Stalled", "status": "True", "reason": "RolloutFailed", "message": "no pod became ready",
        "lastTransitionTime": "2026-03-01T00:00:00Z",
    }]}});
    assert_eq!(
        state(stalled),
        RouteTarget::Failed("RolloutFailed: no pod became ready".to_owned())
    );
}

#[test]
fn a_tenant_that_sleeps_is_woken_by_its_requests() {
    let asleep = json!({"status": {"conditions": [{
        "type": "RuntimeAvailable", "status": "True", "reason": "Asleep", "message": "",
        "lastTransitionTime": "2026-03-01T00:00:00Z",
    }]}});
    let mut acme = tenant("acme", ACME, "2026-01-01T00:00:00Z", &asleep);
    let route = |tenant: &Tenant, pods: &[Pod]| {
        let table = routes(std::slice::from_ref(tenant), pods);
        table.find("acme.example.com").unwrap().clone()
    };
    // Its spec was changed, and the operator has not seen that yet.
    assert_eq!(route(&acme, &[]).target, RouteTarget::Starting);
    acme.spec.scale_to_zero = Some(tenant_crd::v1::ScaleToZero {
        idle_after: "30m".parse().unwrap(),
    });
    let found = route(&acme, &[]);
    assert_eq!(found.target, RouteTarget::Asleep);
    assert_eq!(found.sleeps_after, Some(Duration::from_mins(30)));
    // It is just waking up: the pod is there before the status is.
    let pods = [pod("tenant-acme", "acme", ACME, "10.0.0.1", "True")];
    assert!(matches!(
        route(&acme, &pods).target,
        RouteTarget::Serving(_)
    ));
}

/// What is written into the status of `tenant` where these are all.
fn told(tenant: &Tenant, all: &[Tenant]) -> Option<serde_json::Value> {
    let now = DateTime::from_timestamp(1_767_323_045, 0).unwrap();
    let routes = Routes::of(all.iter(), [].iter(), "example.com");
    routed_patch(tenant, &observe(tenant, &routes, "example.com"), now)
}

fn routed(patch: Option<serde_json::Value>) -> serde_json::Value {
    patch.unwrap()["status"]["conditions"][0].take()
}

#[test]
fn that_it_is_routed_is_written_once_per_edit() {
    let mut acme = tenant("acme", ACME, "2026-01-01T00:00:00Z", &json!({}));
    let patch = told(&acme, std::slice::from_ref(&acme)).unwrap();
    let condition: condition::Condition =
        serde_json::from_value(patch["status"]["conditions"][0].clone()).unwrap();
    assert_eq!(
        (
            condition.type_.as_str(),
            condition.status,
            condition.observed_generation
        ),
        ("Routed", ConditionStatus::True, Some(2))
    );
    acme.status = serde_json::from_value(patch["status"].clone()).unwrap();
    assert_eq!(told(&acme, std::slice::from_ref(&acme)), None);
    // Whoever waits for a new host waits for the generation that names it.
    acme.metadata.generation = Some(3);
    let patch = told(&acme, std::slice::from_ref(&acme)).unwrap();
    let again = &patch["status"]["conditions"][0];
    assert_eq!(again["observedGeneration"], json!(3));
    assert_eq!(
        again["lastTransitionTime"],
        serde_json::to_value(&condition.last_transition_time).unwrap()
    );
    acme.status = serde_json::from_value(patch["status"].clone()).unwrap();
    assert_eq!(told(&acme, std::slice::from_ref(&acme)), None);

    let mut fresh = tenant("new", EVIL, "2026-01-01T00:00:00Z", &json!({}));
    fresh.spec.id = None;
    let said = routed(told(&fresh, &[]));
    assert_eq!(
        (&said["status"], &said["reason"]),
        (&json!("False"), &json!("Waiting"))
    );
}

#[test]
fn a_host_that_another_tenant_has_is_said_to_be_taken() {
    let named = |slug, id, made, hosts: &[String]| {
        tenant(slug, id, made, &json!({"spec": {"hosts": hosts}}))
    };
    let hosts: Vec<String> = (1..=12).map(|n| format!("help-{n}.acme.example")).collect();
    let late = named(
        "late",
        EVIL,
        "2026-02-01T00:00:00Z",
        &["HELP-1.acme.example".to_owned()],
    );
    let mut all = vec![
        named("acme", ACME, "2026-01-01T00:00:00Z", &hosts),
        late.clone(),
    ];
    assert_eq!(routed(told(&all[0], &all))["status"], json!("True"));
    let said = routed(told(&late, &all));
    assert_eq!(
        (&said["status"], &said["reason"]),
        (&json!("False"), &json!("HostTaken"))
    );
    insta::assert_snapshot!(said["message"].as_str().unwrap(), @"requests for help-1.acme.example (of acme) go to the older tenant that names the host too, all others come here: remove it from spec.hosts of one of them");
    // However many they are, the message stays one that can be read.
    all[1] = named("late", EVIL, "2026-02-01T00:00:00Z", &hosts);
    let said = routed(told(&all[1], &all));
    let message = said["message"].as_str().unwrap();
    assert!(
        message.contains("help-10.acme.example (of acme) and 2 more go"),
        "{message}"
    );
}

#[test]
fn whoever_gets_a_host_because_another_gives_it_up_is_told() {
    let hosts = json!({"spec": {"hosts": ["help.acme.example"]}});
    let mut routes = Routes::new("example.com");
    let acme = tenant("acme", ACME, "2026-01-01T00:00:00Z", &hosts);
    let late = tenant("late", EVIL, "2026-02-01T00:00:00Z", &hosts);
    assert_eq!(routes.tenant("late", Some(&late)), Vec::<Box<str>>::new());
    assert_eq!(routes.taken("late"), []);
    assert_eq!(
        routes.tenant("acme", Some(&acme)),
        [Box::<str>::from("late")]
    );
    let acme_slug = "acme".parse().unwrap();
    assert_eq!(routes.taken("late"), [("help.acme.example", &acme_slug)]);
    let without = tenant("acme", ACME, "2026-01-01T00:00:00Z", &json!({}));
    assert_eq!(
        routes.tenant("acme", Some(&without)),
        [Box::<str>::from("late")]
    );
    assert_eq!(routes.taken("late"), []);
    assert_eq!(routes.tenant("acme", None), Vec::<Box<str>>::new());
}

proptest::proptest! {
    /// Whatever is told in whatever order: the routes are those of somebody who is told everything at once.
    #[test]
    fn following_changes_ends_where_beginning_anew_does(
        steps in proptest::collection::vec((0_usize..4, 0_usize..4, 0_usize..8), 1..60)
    ) {
        let (mut tenants, mut pods) = (BTreeMap::new(), BTreeMap::new());
        let mut routes = Routes::new("example.com");
        let slugs = ["acme", "evil", "late", "none"];
        for (what, who, how) in steps {
            let slug = slugs[who];
            let id = format!("0198c0de-0000-7000-8000-00000000002{who}");
            let namespace = format!("tenant-{slug}");
            match what {
                0 => {
                    tenants.remove(slug);
                }
                1 => {
                    // Four share two hosts, at two ages.
                    let hosts = json!({"spec": {"suspended": how % 4 == 3, "hosts": [
                        format!("help-{}.example", how % 2), format!("HELP-{}.example", how / 4), "www.example.com",
                    ]}});
                    let made = format!("2026-01-0{}T00:00:00Z", 1 + how / 4);
                    tenants.insert(slug.to_owned(), tenant(slug, &id, &made, &hosts));
                }
                2 => {
                    pods.remove(&(namespace.clone(), format!("runtime-10.0.{who}.{how}")));
                }
                _ => {
                    let ip = format!("10.0.{who}.{how}");
                    let ready = if how == 7 { "False" } else { "True" };
                    pods.insert((namespace.clone(), format!("runtime-{ip}")), pod(&namespace, slug, &id, &ip, ready));
                }
            }
            // As the watches do: also of what has not changed.
            for number in 0..8 {
                let name = format!("runtime-10.0.{who}.{number}");
                let found = pods.get(&(namespace.clone(), name.clone()));
                proptest::prop_assert_eq!(routes.pod(&namespace, &name, found), Some(slug));
            }
            routes.tenant(slug, tenants.get(slug));
            let anew = Routes::of(tenants.values(), pods.values(), "example.com");
            proptest::prop_assert_eq!(routes.table(), anew.table());
        }
    }
}
