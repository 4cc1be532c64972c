//! The order in which tenants are worked on, with the loop that the operator runs.

use std::sync::Arc;
use std::time::Duration;

use domain::clock::Clock as _;
use futures_util::{StreamExt as _, stream};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::fake::{Cluster, DEPLOYMENT, TENANT, UID, tenant};
use crate::controller::work_off;
use crate::lane::Lane;
use crate::queue::Places;
use crate::reconcile::Guarded;

const ONE_PLACE: Places = Places {
    total: 1,
    user: 1,
    provision: 1,
    background: 1,
};

fn path(name: &str) -> String {
    TENANT.replace("acme", name)
}

/// As it was when the operator before this one ended: nobody waits for it.
fn in_peace(name: &str, number: usize) -> Value {
    let uid = format!("3b241101-e2bb-4255-8caf-0000000000{number:02}");
    let mut object = tenant(name, &uid, json!({}));
    object["metadata"]["finalizers"] = json!(["gotrs.io/operator"]);
    object["status"] =
        json!({"phase": "Active", "observedGeneration": 1, "runtimeVersion": "1.0.0"});
    object
}

/// Tenants in the order in which work on them began.
fn order(cluster: &Cluster) -> Vec<String> {
    let world = cluster.world.lock().unwrap();
    world
        .changes
        .iter()
        .filter_map(|change| change.strip_prefix("apply namespaces/tenant-"))
        .map(str::to_owned)
        .collect()
}

async fn until(condition: impl Fn() -> bool) {
    while !condition() {
        tokio::task::yield_now().await;
    }
}

/// After a restart all tenants are looked at. A request to one that sleeps, and then a new one, pass those that nobody
/// waits for.
#[tokio::test]
async fn a_wake_and_a_new_tenant_pass_the_looks_after_a_restart() {
    let cluster = Cluster::with(json!({"scaleToZero": {"idleAfter": "30m"}}));
    cluster.edit(TENANT, |acme| {
        acme["metadata"]["uid"] = json!(UID);
        acme["metadata"]["finalizers"] = json!(["gotrs.io/operator"]);
        acme["metadata"]["creationTimestamp"] = json!("2020-01-01T00:00:00Z");
        acme["status"] = json!({
            "phase": "Active", "observedGeneration": 1, "runtimeVersion": "1.0.0",
            "conditions": [{
                "type": "Ready", "status": "True", "reason": "Asleep", "message": "",
                "lastTransitionTime": "2020-01-02T03:04:05Z",
            }],
        });
        acme["metadata"]["generation"] = json!(1);
    });
    let names: Vec<String> = (0..5).map(|number| format!("idle{number}")).collect();
    for (number, name) in names.iter().enumerate() {
        let mut world = cluster.world.lock().unwrap();
        world.objects.insert(path(name), in_peace(name, number));
    }
    cluster.watch();
    let look = |name: &str| -> Guarded {
        serde_json::from_value(cluster.object(&path(name)).unwrap()).unwrap()
    };
    let first: Vec<_> = names.iter().map(|name| Ok(look(name))).collect();
    let (during, clock) = (cluster.clone(), cluster.clock.clone());
    let then = stream::once(async move {
        until(|| order(&during).len() == 1).await;
        during.edit(TENANT, |acme| {
            acme["metadata"]["annotations"] =
                json!({"gotrs.io/last-active": clock.now().to_rfc3339()});
            // Annotations do not count.
            acme["metadata"]["generation"] = json!(1);
        });
        let new = tenant("fresh", "3b241101-e2bb-4255-8caf-000000000099", json!({}));
        during
            .world
            .lock()
            .unwrap()
            .objects
            .insert(path("fresh"), new);
        during.watch();
        ["acme", "fresh"].map(|name| {
            let object = during.object(&path(name)).unwrap();
            Ok(serde_json::from_value(object).unwrap())
        })
    })
    .flat_map(stream::iter);
    let told = stream::iter(first).chain(then).chain(stream::pending());
    let stopping = CancellationToken::new();
    let all = async {
        until(|| order(&cluster).len() == 7).await;
        stopping.cancel();
    };
    let work = work_off(
        Arc::clone(&cluster.ctx),
        told,
        Vec::new(),
        ONE_PLACE,
        stopping.clone(),
    );
    tokio::time::timeout(Duration::from_secs(20), async { tokio::join!(work, all) })
        .await
        .expect("everybody has a turn");
    assert_eq!(
        order(&cluster),
        ["idle0", "acme", "fresh", "idle1", "idle2", "idle3", "idle4"]
    );
}

/// Others are being made, and have all places in the database that they may have.
#[tokio::test]
async fn an_edit_does_not_wait_for_the_tables_of_others() {
    let cluster = Cluster::with(json!({"plan": "team"}));
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    let others = cluster.ctx.database_permits.enter(Lane::Provision).await;
    for (entry, value) in [("displayName", json!("Edited")), ("replicas", json!(3))] {
        cluster.edit(TENANT, |acme| acme["spec"][entry] = value.clone());
        tokio::time::timeout(Duration::from_secs(10), cluster.reconcile())
            .await
            .unwrap_or_else(|_| panic!("an edit of {entry} waits"))
            .unwrap();
    }
    assert_eq!(cluster.object(DEPLOYMENT).unwrap()["spec"]["replicas"], 3);
    // A wish for what is long waits for its turn.
    cluster.edit(TENANT, |acme| {
        acme["status"] = Value::Null;
        acme["spec"]["version"] = json!("2.0.0");
    });
    let waits = tokio::time::timeout(Duration::from_millis(200), cluster.reconcile());
    assert!(waits.await.is_err());
    drop(others);
    cluster.reconcile().await.unwrap();
}
