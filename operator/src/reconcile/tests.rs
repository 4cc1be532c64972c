mod autoscaling;
mod channels;
mod errors;
mod export;
mod fake;
mod lanes;
mod restart;

use chrono::TimeDelta;
use domain::clock::Clock as _;
use serde_json::json;

use self::fake::{
    ADMINISTRATOR, BUDGET, Cluster, DEPLOYMENT, NAMESPACE, SECRET, TENANT, UID, entry, tenant,
};
use super::*;

#[tokio::test]
async fn a_new_tenant_is_made_in_an_order_that_leaves_no_gap() {
    let cluster = Cluster::with(json!({}));
    cluster.reconcile().await.unwrap();
    let changes = cluster.world.lock().unwrap().changes.clone();
    assert_eq!(
        changes,
        [
            "finalizers",
            "apply namespaces/tenant-acme",
            "apply networkpolicies/deny-all",
            "apply networkpolicies/runtime",
            "apply resourcequotas/runtime",
            "apply limitranges/runtime",
            "apply serviceaccounts/runtime",
            "apply secrets/runtime",
            "schema",
            "roles",
            "migrate",
            "apply deployments/runtime",
            "status",
            "event",
        ]
    );
    assert_eq!(cluster.phase(), "Provisioning");
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(cluster.phase(), "Active");
    assert_eq!(
        cluster.condition("Ready"),
        ("True".into(), "Available".into())
    );
    let found = cluster.object(TENANT).unwrap();
    assert_eq!(found["status"]["url"], "https://acme.example.com");
    assert_eq!(found["status"]["tenantId"], UID);
    assert_eq!(found["status"]["runtimeVersion"], "1.0.0");
    let secret = cluster.object(SECRET).unwrap();
    let (runtime, lambda) = cluster.database().passwords.unwrap();
    assert_eq!(entry(&secret, "runtime-password"), runtime);
    assert!(entry(&secret, "lambda-database-url").contains(&lambda));
}

#[tokio::test]
async fn when_all_is_in_place_nothing_is_written() {
    let cluster = Cluster::with(json!({}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(cluster.settle().await, Vec::<String>::new());
    // Also not by an operator that knows nothing, apart from applying what is the same.
    let events = cluster.world.lock().unwrap().events.len();
    let restarted = cluster.restarted();
    let before = cluster.world.lock().unwrap().objects.clone();
    restarted.reconcile().await.unwrap();
    assert_eq!(cluster.world.lock().unwrap().objects, before);
    assert_eq!(cluster.world.lock().unwrap().events.len(), events);
}

#[tokio::test]
async fn what_somebody_deletes_or_edits_comes_back() {
    let cluster = Cluster::with(json!({"plan": "team", "replicas": 2}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    let whole = cluster.world.lock().unwrap().objects.clone();
    let ours: Vec<String> = whole
        .iter()
        .filter(|(path, object)| *path != TENANT && object["kind"] != "Namespace")
        .map(|(path, _)| path.clone())
        .collect();
    assert_eq!(ours.len(), 8);
    for path in &ours {
        cluster.world.lock().unwrap().objects.remove(path);
        let changes = cluster.settle().await;
        assert!(cluster.object(path).is_some(), "{path} did not come back");
        assert!(
            changes.iter().any(|change| change.starts_with("apply ")),
            "{changes:?}"
        );
        cluster.pods_run();
        cluster.settle().await;
    }
    cluster.edit(DEPLOYMENT, |deployment| {
        deployment["spec"]["replicas"] = json!(9);
    });
    assert_eq!(cluster.settle().await[0], "apply deployments/runtime");
    assert_eq!(cluster.object(DEPLOYMENT).unwrap()["spec"]["replicas"], 2);
    cluster.edit(NAMESPACE, |namespace| {
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = json!("privileged");
    });
    cluster.settle().await;
    assert_eq!(
        cluster.object(NAMESPACE).unwrap()["metadata"]["labels"]["pod-security.kubernetes.io/enforce"],
        "restricted"
    );
}

/// Killed after any number of calls, the next operator ends where an undisturbed one does.
#[tokio::test]
async fn a_kill_at_any_step_is_repaired_by_the_next_start() {
    let spec =
        json!({"plan": "team", "replicas": 2, "administrator": {"email": "ada@acme.example"}});
    let undisturbed = Cluster::with(spec.clone());
    undisturbed.reconcile().await.unwrap();
    let calls = undisturbed.world.lock().unwrap().calls();
    undisturbed.pods_run();
    undisturbed.settle().await;
    let shape = |cluster: &Cluster| {
        let world = cluster.world.lock().unwrap();
        let mut objects = world.objects.clone();
        for object in objects.values_mut() {
            // Passwords are random, versions count what happened.
            object["metadata"]
                .as_object_mut()
                .unwrap()
                .retain(|key, _| key != "resourceVersion" && key != "generation");
            object.as_object_mut().unwrap().remove("data");
            if let Some(template) = object.pointer_mut("/spec/template/metadata") {
                template.as_object_mut().unwrap().remove("annotations");
            }
            object
                .as_object_mut()
                .unwrap()
                .retain(|key, _| key != "status");
        }
        objects
    };
    let expected = shape(&undisturbed);
    assert!(calls > 20, "{calls}");
    for at in 1..=calls {
        let cluster = Cluster::with(spec.clone());
        cluster.world.lock().unwrap().fails_at = Some(at);
        // An Event that cannot be written fails nothing.
        let _ = cluster.reconcile().await;
        let next = cluster.restarted();
        next.settle().await;
        next.pods_run();
        next.settle().await;
        assert_eq!(shape(&next), expected, "killed at call {at}");
        assert_eq!(next.phase(), "Active", "killed at call {at}");
        let database = next.database();
        assert_eq!(database.schemas.len(), 1, "killed at call {at}");
        let secret = next.object(SECRET).unwrap();
        let (runtime, lambda) = database.passwords.unwrap();
        assert_eq!(
            entry(&secret, "runtime-password"),
            runtime,
            "killed at call {at}"
        );
        assert_eq!(
            entry(&secret, "lambda-password"),
            lambda,
            "killed at call {at}"
        );
        assert_eq!(database.administrator.as_deref(), Some("ada@acme.example"));
    }
}

#[tokio::test]
async fn no_runtime_starts_before_its_tables() {
    let cluster = Cluster::with(json!({}));
    cluster.world.lock().unwrap().database.broken = Some(("RolesFailed", false));
    cluster.reconcile().await.unwrap_err();
    assert!(cluster.object(DEPLOYMENT).is_none());
    assert_eq!(
        cluster.condition("DatabaseReady"),
        ("False".into(), "RolesFailed".into())
    );
    assert_eq!(cluster.condition("Reconciling").0, "True");
    // What will not pass by itself is not tried again at once.
    cluster.world.lock().unwrap().database.broken = Some(("MigrationFailed", true));
    cluster.reconcile().await.unwrap();
    assert_eq!(
        cluster.condition("Stalled"),
        ("True".into(), "MigrationFailed".into())
    );
    cluster.world.lock().unwrap().database.broken = None;
    cluster.reconcile().await.unwrap();
    assert!(cluster.object(DEPLOYMENT).is_some());
}

#[tokio::test]
async fn a_namespace_of_somebody_else_is_left_alone() {
    let cluster = Cluster::with(json!({}));
    cluster.world.lock().unwrap().objects.insert(
        NAMESPACE.to_owned(),
        json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "tenant-acme", "uid": "x"}}),
    );
    let changes = cluster.settle().await;
    assert_eq!(changes, ["finalizers", "status", "event", "event"]);
    assert_eq!(
        cluster.condition("Stalled"),
        ("True".into(), "NamespaceTaken".into())
    );
    // Deleting the Tenant does not delete it either.
    cluster.delete_tenant(cluster.clock.now());
    cluster.settle().await;
    assert!(cluster.object(TENANT).is_none());
    assert!(cluster.object(NAMESPACE).unwrap()["metadata"]["deletionTimestamp"].is_null());
}

#[tokio::test]
async fn a_suspended_tenant_stops_and_is_locked_once_it_has() {
    let cluster = Cluster::with(json!({}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    cluster.edit(TENANT, |tenant| tenant["spec"]["suspended"] = json!(true));
    cluster.reconcile().await.unwrap();
    assert_eq!(cluster.object(DEPLOYMENT).unwrap()["spec"]["replicas"], 0);
    assert!(
        !cluster.database().locked,
        "requests under way are finished first"
    );
    cluster.pods_run();
    cluster.reconcile().await.unwrap();
    assert!(cluster.database().locked);
    assert_eq!(cluster.phase(), "Suspended");
    cluster.edit(TENANT, |tenant| tenant["spec"]["suspended"] = json!(false));
    cluster.reconcile().await.unwrap();
    assert!(!cluster.database().locked);
    assert_eq!(cluster.phase(), "Provisioning");
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(cluster.phase(), "Active");
}

#[tokio::test]
async fn a_version_that_never_gets_ready_gives_way_to_the_one_before() {
    let cluster = Cluster::with(json!({"version": "1.0.0"}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    let image = |cluster: &Cluster| {
        cluster.object(DEPLOYMENT).unwrap()["spec"]["template"]["spec"]["containers"][0]["image"]
            .as_str()
            .unwrap()
            .rsplit_once(':')
            .unwrap()
            .1
            .to_owned()
    };
    let stick = |cluster: &Cluster| {
        let generation = cluster.object(DEPLOYMENT).unwrap()["metadata"]["generation"].clone();
        cluster.edit_status(DEPLOYMENT, json!({
            "observedGeneration": generation, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1,
            "conditions": [{"type": "Progressing", "status": "False", "message": "timed out"}],
        }));
    };
    cluster.edit(TENANT, |tenant| tenant["spec"]["version"] = json!("2.0.0"));
    cluster.settle().await;
    assert_eq!(image(&cluster), "2.0.0");
    stick(&cluster);
    cluster.settle().await;
    assert_eq!(image(&cluster), "1.0.0");
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(
        cluster.condition("Stalled"),
        ("True".into(), "VersionFailed".into())
    );
    assert_eq!(cluster.condition("Ready").0, "True");
    assert_eq!(
        cluster.object(TENANT).unwrap()["status"]["failedVersion"],
        "2.0.0"
    );
    assert_eq!(cluster.settle().await, Vec::<String>::new());
    let ask_again = |cluster: &Cluster, version: Option<&str>| {
        cluster.edit(TENANT, |tenant| {
            tenant["metadata"]["annotations"] = match version {
                Some(version) => json!({"gotrs.io/retry-version": version}),
                None => json!({}),
            };
        });
    };
    // Somebody asks for it again, and it still does not work: once for each wish.
    ask_again(&cluster, Some("2.0.0"));
    cluster.settle().await;
    assert_eq!(image(&cluster), "2.0.0");
    stick(&cluster);
    cluster.settle().await;
    assert_eq!(image(&cluster), "1.0.0");
    cluster.pods_run();
    cluster.settle().await;
    let status = cluster.object(TENANT).unwrap()["status"].clone();
    assert_eq!(status["failedVersion"], "2.0.0");
    assert_eq!(status["retriedVersion"], "2.0.0");
    assert_eq!(
        cluster.condition("Stalled"),
        ("True".into(), "VersionFailed".into())
    );
    assert_eq!(cluster.settle().await, Vec::<String>::new());
    // Nor does another version bring the old wish back to life.
    for version in ["1.0.0", "2.0.0"] {
        cluster.edit(TENANT, |tenant| tenant["spec"]["version"] = json!(version));
        cluster.settle().await;
        assert_eq!(image(&cluster), "1.0.0");
    }
    ask_again(&cluster, None);
    cluster.settle().await;
    assert_eq!(image(&cluster), "1.0.0");
    assert!(cluster.object(TENANT).unwrap()["status"]["retriedVersion"].is_null());
    // Asked for anew, and now it works.
    ask_again(&cluster, Some("2.0.0"));
    cluster.settle().await;
    assert_eq!(image(&cluster), "2.0.0");
    cluster.pods_run();
    cluster.settle().await;
    let status = cluster.object(TENANT).unwrap()["status"].clone();
    assert_eq!(status["runtimeVersion"], "2.0.0");
    assert!(status["failedVersion"].is_null(), "{status}");
    assert_eq!(cluster.condition("Stalled").0, "False");
}

#[tokio::test]
async fn that_no_node_has_room_says_nothing_about_a_version() {
    let cluster = Cluster::with(json!({"version": "1.0.0"}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    cluster.edit(TENANT, |tenant| tenant["spec"]["version"] = json!("2.0.0"));
    cluster.settle().await;
    let give_up = |trouble: serde_json::Value| {
        let pod = |name: &str, status: serde_json::Value| {
            json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": name, "namespace": "tenant-acme"}, "status": status,
            })
        };
        let generation = cluster.object(DEPLOYMENT).unwrap()["metadata"]["generation"].clone();
        cluster.world.lock().unwrap().pods =
            vec![pod("old", json!({"phase": "Running"})), pod("new", trouble)];
        // The old pod serves: as many are ready as are wanted.
        cluster.edit_status(DEPLOYMENT, json!({
            "observedGeneration": generation, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1,
            "conditions": [{"type": "Progressing", "status": "False", "message": "timed out"}],
        }));
    };
    give_up(json!({"conditions": [{
        "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
        "message": "0/3 nodes are available",
    }]}));
    cluster.settle().await;
    let status = cluster.object(TENANT).unwrap()["status"].clone();
    assert!(status["failedVersion"].is_null(), "{status}");
    assert_eq!(
        cluster.condition("Stalled"),
        ("True".into(), "Unschedulable".into())
    );
    assert!(
        status["conditions"].to_string().contains("0/3 nodes"),
        "{status}"
    );
    // What a pod says about itself does, and is told.
    give_up(json!({"containerStatuses": [{
        "name": "runtime", "image": "i", "imageID": "i", "ready": false, "restartCount": 5,
        "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}},
        "lastState": {"terminated": {"exitCode": 1, "message": "it is too old"}},
    }]}));
    cluster.reconcile().await.unwrap();
    let status = cluster.object(TENANT).unwrap()["status"].clone();
    assert_eq!(status["failedVersion"], "2.0.0");
    let told = status["conditions"].to_string();
    assert!(
        told.contains("a pod says CrashLoop: back-off; it said: it is too old"),
        "{told}"
    );
    cluster.settle().await;
    assert_eq!(
        cluster.condition("Stalled"),
        ("True".into(), "VersionFailed".into())
    );
}

#[tokio::test]
async fn a_watch_that_is_behind_our_own_hands_keeps_no_old_status() {
    let cluster = Cluster::with(json!({}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    let seen = cluster.object(TENANT).unwrap();
    assert_eq!(cluster.condition("Ready").0, "True");
    cluster.ctx.memory.forget_database(UID);
    cluster.world.lock().unwrap().database.broken = Some(("RolesFailed", false));
    cluster.reconcile().await.unwrap_err();
    assert_eq!(
        cluster.condition("Ready"),
        ("False".into(), "RolesFailed".into())
    );
    // What the watch has told is from before, and all is well again.
    cluster.world.lock().unwrap().database.broken = None;
    cluster.reconcile_as(seen).await.unwrap();
    assert_eq!(cluster.condition("Ready").0, "True");
    assert_eq!(cluster.settle().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_the_api_server_refuses_for_longer_is_told() {
    use crate::reconcile::after_error;

    let refused_again = async |cluster: &Cluster| {
        let object = cluster.object(TENANT).unwrap();
        let error = cluster.reconcile().await.unwrap_err();
        // As the queue does.
        after_error(
            &serde_json::from_value(object).unwrap(),
            &error,
            &cluster.ctx,
        );
    };
    let message = "applying Deployment runtime failed: Invalid; it is tried again by itself, and the operator's log has the cause";
    let cluster = Cluster::with(json!({}));
    cluster.world.lock().unwrap().refused = Some(DEPLOYMENT);
    refused_again(&cluster).await;
    refused_again(&cluster).await;
    let status = cluster.object(TENANT).unwrap()["status"].clone();
    assert!(
        status.is_null(),
        "what may pass at once is no news: {status}"
    );
    refused_again(&cluster).await;
    let status = cluster.object(TENANT).unwrap()["status"].clone();
    let retrying: String = "Retrying".into();
    assert_eq!(cluster.phase(), "Pending");
    assert_eq!(
        cluster.condition("Reconciling"),
        ("True".into(), retrying.clone())
    );
    assert_eq!(cluster.condition("Ready"), ("False".into(), retrying));
    let told = status["conditions"].to_string();
    assert!(
        told.contains(message) && !told.contains("own words"),
        "{told}"
    );
    assert!(status["observedGeneration"].is_null(), "nothing was obeyed");
    // Told once.
    cluster.world.lock().unwrap().changes.clear();
    refused_again(&cluster).await;
    let changes = cluster.world.lock().unwrap().changes.clone();
    assert!(!changes.contains(&"status".to_owned()), "{changes:?}");
    cluster.world.lock().unwrap().refused = None;
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(cluster.condition("Ready").0, "True");
    assert_eq!(
        cluster.condition("Reconciling"),
        ("False".into(), "Done".into())
    );
    // What serves goes on, and says so.
    cluster.edit(TENANT, |tenant| tenant["spec"]["version"] = json!("2.0.0"));
    cluster.world.lock().unwrap().refused = Some(DEPLOYMENT);
    for _ in 0..3 {
        refused_again(&cluster).await;
    }
    assert_eq!(cluster.condition("Ready").0, "True");
    assert_eq!(cluster.condition("Reconciling").0, "True");
    let object = cluster.object(TENANT).unwrap();
    assert_ne!(
        object["status"]["observedGeneration"],
        object["metadata"]["generation"]
    );
}

#[tokio::test]
async fn a_namespace_that_somebody_deletes_is_made_anew_when_it_is_gone() {
    let cluster =
        Cluster::with(json!({"plan": "team", "administrator": {"email": "ada@acme.example"}}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    let before = cluster.database();
    cluster.edit(NAMESPACE, |namespace| {
        namespace["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
    });
    cluster.world.lock().unwrap().events.clear();
    let changes = cluster.settle().await;
    assert_eq!(changes, ["status"], "nothing is made in it");
    assert_eq!(cluster.phase(), "Active");
    let ending: String = "NamespaceEnding".into();
    assert_eq!(cluster.condition("Ready"), ("False".into(), ending.clone()));
    assert_eq!(
        cluster.condition("Reconciling"),
        ("True".into(), ending.clone())
    );
    assert_eq!(cluster.condition("Stalled"), ("False".into(), ending));
    assert_eq!(cluster.world.lock().unwrap().events, Vec::<String>::new());
    cluster.namespace_ends();
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(cluster.condition("Ready").0, "True");
    // The passwords were in it: there are new ones, and everybody knows them.
    let after = cluster.database();
    assert_ne!(before.passwords, after.passwords);
    let secret = cluster.object(SECRET).unwrap();
    let (runtime, lambda) = after.passwords.unwrap();
    assert_eq!(entry(&secret, "runtime-password"), runtime);
    assert_eq!(entry(&secret, "lambda-password"), lambda);
    assert_eq!(before.schemas, after.schemas);
    // The first administrator has long had a password, which nobody knows here.
    assert!(cluster.object(ADMINISTRATOR).is_none());
    assert_eq!(after.administrator.as_deref(), Some("ada@acme.example"));
}

#[tokio::test]
async fn an_idle_tenant_sleeps_and_a_request_wakes_it() {
    let cluster = Cluster::with(json!({"scaleToZero": {"idleAfter": "30m"}}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(cluster.object(DEPLOYMENT).unwrap()["spec"]["replicas"], 1);
    cluster.clock.advance(TimeDelta::minutes(31));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(cluster.object(DEPLOYMENT).unwrap()["spec"]["replicas"], 0);
    assert_eq!(cluster.condition("Ready"), ("True".into(), "Asleep".into()));
    let now = cluster.clock.now().to_rfc3339();
    cluster.edit(TENANT, |tenant| {
        tenant["metadata"]["annotations"] = json!({"gotrs.io/last-active": now});
    });
    assert_eq!(cluster.settle().await[0], "apply deployments/runtime");
    assert_eq!(cluster.object(DEPLOYMENT).unwrap()["spec"]["replicas"], 1);
    assert_eq!(cluster.phase(), "Active");
}

#[tokio::test]
async fn new_passwords_are_made_once_for_each_wish() {
    let cluster = Cluster::with(json!({}));
    cluster.settle().await;
    let first = cluster.database().passwords;
    let seal = |cluster: &Cluster| {
        cluster.object(DEPLOYMENT).unwrap()["spec"]["template"]["metadata"]["annotations"].clone()
    };
    let first_seal = seal(&cluster);
    cluster.edit(TENANT, |tenant| {
        tenant["metadata"]["annotations"] = json!({"gotrs.io/rotate-credentials": "2026-01"});
    });
    let changes = cluster.settle().await;
    assert!(changes.contains(&"roles".to_owned()), "{changes:?}");
    let second = cluster.database().passwords;
    assert_ne!(first, second);
    assert_ne!(first_seal, seal(&cluster));
    assert_eq!(
        cluster.object(TENANT).unwrap()["status"]["credentialsRotation"],
        "2026-01"
    );
    let restarted = cluster.restarted();
    restarted.settle().await;
    assert_eq!(restarted.database().passwords, second);
}

#[tokio::test]
async fn the_trace_of_a_request_is_where_a_starting_runtime_finds_it_and_restarts_nothing() {
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let cluster = Cluster::with(json!({}));
    cluster.settle().await;
    let written = |cluster: &Cluster| entry(&cluster.object(SECRET).unwrap(), "trace-parent");
    let template =
        |cluster: &Cluster| cluster.object(DEPLOYMENT).unwrap()["spec"]["template"].clone();
    let (passwords, before) = (cluster.database().passwords, template(&cluster));
    assert_eq!(written(&cluster), "");
    for (annotation, expected) in [(trace, trace), ("somebody's <own> words", "")] {
        cluster.edit(TENANT, |tenant| {
            tenant["metadata"]["annotations"] = json!({"gotrs.io/traceparent": annotation});
        });
        cluster.settle().await;
        assert_eq!(written(&cluster), expected);
        assert_eq!(template(&cluster), before);
        assert_eq!(cluster.database().passwords, passwords);
    }
}

#[tokio::test]
async fn deleting_with_retain_stops_locks_and_keeps() {
    let cluster = Cluster::with(json!({}));
    cluster.settle().await;
    cluster.delete_tenant(cluster.clock.now());
    cluster.reconcile().await.unwrap();
    assert_eq!(cluster.phase(), "Deleting");
    assert!(!cluster.database().locked, "the pods are still there");
    cluster.namespace_ends();
    let changes = cluster.settle().await;
    assert_eq!(changes, ["lock", "event", "finalizers"]);
    assert!(cluster.object(TENANT).is_none());
    assert_eq!(cluster.database().schemas.len(), 1);
    assert!(
        cluster
            .world
            .lock()
            .unwrap()
            .events
            .contains(&"DataRetained".to_owned())
    );
    assert!(
        cluster.ctx.memory.is_empty(),
        "nobody is remembered for ever"
    );
}

#[tokio::test]
async fn deleting_with_delete_waits_out_the_grace() {
    let cluster = Cluster::with(json!({"deletionPolicy": "Delete", "grace": "24h"}));
    cluster.settle().await;
    cluster.delete_tenant(cluster.clock.now());
    cluster.reconcile().await.unwrap();
    cluster.namespace_ends();
    cluster.reconcile().await.unwrap();
    assert!(cluster.database().locked);
    assert_eq!(cluster.database().schemas.len(), 1);
    cluster.clock.advance(TimeDelta::hours(23));
    cluster.reconcile().await.unwrap();
    assert_eq!(cluster.database().schemas.len(), 1);
    cluster.clock.advance(TimeDelta::hours(1));
    cluster.reconcile().await.unwrap();
    assert!(cluster.database().schemas.is_empty());
    assert!(cluster.object(TENANT).is_none());
}

#[tokio::test]
async fn two_tenants_never_share_a_schema() {
    let cluster = Cluster::with(json!({}));
    cluster.settle().await;
    let mut younger = tenant("acme", "younger", json!({ "id": UID }));
    younger["metadata"]["name"] = json!("other");
    younger["spec"]["slug"] = json!("other");
    younger["metadata"]["creationTimestamp"] = json!("2026-01-02T04:00:00Z");
    let path = TENANT.replace("acme", "other");
    cluster
        .world
        .lock()
        .unwrap()
        .objects
        .insert(path.clone(), younger);
    cluster.watch();
    cluster.world.lock().unwrap().changes.clear();
    let look = || serde_json::from_value::<Guarded>(cluster.object(&path).unwrap()).unwrap();
    reconcile(Arc::new(look()), Arc::clone(&cluster.ctx))
        .await
        .unwrap();
    let status = cluster.object(&path).unwrap()["status"].clone();
    assert!(status.to_string().contains("IdTaken"), "{status}");
    let changes = cluster.world.lock().unwrap().changes.clone();
    assert!(
        !changes
            .iter()
            .any(|change| change.starts_with("apply") || change == "roles"),
        "{changes:?}"
    );
    // Nor does the end of the younger one touch the elder's data.
    cluster.edit(&path, |tenant| {
        tenant["metadata"]["deletionTimestamp"] = json!("2026-01-02T05:00:00Z");
        tenant["spec"]["deletionPolicy"] = json!("Delete");
        tenant["spec"]["grace"] = json!("0s");
    });
    cluster.watch();
    reconcile(Arc::new(look()), Arc::clone(&cluster.ctx))
        .await
        .unwrap();
    assert_eq!(cluster.database().schemas.len(), 1);
    assert!(!cluster.database().locked);
}

#[tokio::test]
async fn whoever_does_not_lead_changes_nothing() {
    let cluster = Cluster::with(json!({}));
    let idle = Cluster::around(Arc::clone(&cluster.world), Leadership::none());
    assert!(matches!(
        idle.reconcile().await,
        Err(ReconcileError::NotLeading(_))
    ));
    assert_eq!(idle.world.lock().unwrap().calls(), 0);
}

/// Wherever in a reconcile it is that another operator begins to lead.
#[tokio::test]
async fn whoever_does_not_lead_any_more_changes_nothing_more() {
    let spec = json!({
        "plan": "business", "replicas": 2, "maxReplicas": 4, "administrator": {"email": "ada@acme.example"},
    });
    let undisturbed = Cluster::with(spec.clone());
    undisturbed.reconcile().await.unwrap();
    let calls = undisturbed.world.lock().unwrap().calls();
    for at in 1..calls {
        let cluster = Cluster::with(spec.clone());
        let resigns = (at, cluster.ctx.leadership.clone());
        cluster.world.lock().unwrap().resigns = Some(resigns);
        // A word for people after the last status is no harm.
        let _ = cluster.reconcile().await;
        let world = cluster.world.lock().unwrap();
        let later = &world.changes[world.changes_when_leading..];
        assert!(
            later.iter().all(|change| change == "event"),
            "after call {at}: {later:?}"
        );
    }
}

#[tokio::test]
async fn a_spec_that_cannot_be_waits_for_its_author() {
    let cluster = Cluster::with(json!({"hosts": ["other.example.com"]}));
    let changes = cluster.settle().await;
    assert_eq!(changes, ["finalizers", "status", "event", "event"]);
    assert_eq!(
        cluster.condition("Stalled"),
        ("True".into(), "InvalidSpec".into())
    );
    cluster.edit(TENANT, |tenant| tenant["spec"]["hosts"] = json!([]));
    cluster.settle().await;
    assert_eq!(cluster.condition("Stalled").0, "False");
}

#[tokio::test]
async fn what_is_not_wanted_any_more_goes() {
    let cluster = Cluster::with(json!({"plan": "team", "replicas": 2}));
    cluster.settle().await;
    assert!(cluster.object(BUDGET).is_some());
    cluster.edit(TENANT, |tenant| tenant["spec"]["replicas"] = json!(1));
    let changes = cluster.settle().await;
    assert!(
        changes.contains(&"delete poddisruptionbudgets/runtime".to_owned()),
        "{changes:?}"
    );
    assert!(cluster.object(BUDGET).is_none());
}

#[tokio::test]
async fn the_first_administrator_gets_a_password_that_opens() {
    let administrator = json!({"administrator": {"email": "ada@acme.example"}});
    let cluster = Cluster::with(administrator.clone());
    cluster.settle().await;
    let secret = cluster.object(ADMINISTRATOR).unwrap();
    assert_eq!(entry(&secret, "username"), "ada@acme.example");
    assert_eq!(entry(&secret, "password").len(), 32);
    // Taken away on purpose, it does not come back with a password that is not the tenant's.
    cluster.world.lock().unwrap().objects.remove(ADMINISTRATOR);
    cluster.restarted().settle().await;
    assert!(cluster.object(ADMINISTRATOR).is_none());
    // A schema with a former life has its administrator already.
    let again = Cluster::with(administrator);
    again.world.lock().unwrap().database.administrator = Some("eve@acme.example".to_owned());
    again.settle().await;
    assert!(again.object(ADMINISTRATOR).is_none());
    assert_eq!(again.condition("DatabaseReady").0, "True");
}

#[tokio::test]
async fn a_hash_that_is_named_and_missing_is_said() {
    let cluster = Cluster::with(json!({"administrator": {
        "email": "ada@acme.example", "passwordHash": {"name": "signup", "key": "acme"},
    }}));
    cluster.reconcile().await.unwrap_err();
    assert_eq!(
        cluster.condition("DatabaseReady"),
        ("False".into(), "AdministratorFailed".into())
    );
    cluster.world.lock().unwrap().objects.insert(
        "/api/v1/namespaces/gotrs-system/secrets/signup".to_owned(),
        // "$argon2id$v=19$x"
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "signup"},
               "data": {"acme": "JGFyZ29uMmlkJHY9MTkkeA=="}}),
    );
    cluster.reconcile().await.unwrap();
    assert_eq!(
        cluster.database().administrator.as_deref(),
        Some("ada@acme.example")
    );
}
