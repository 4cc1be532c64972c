//! Who says how many runtimes there are: the operator, or an autoscaler, and nobody in between.

use serde_json::{Value, json};

use super::fake::{AUTOSCALER, Cluster, DEPLOYMENT, TENANT};

async fn serving(spec: Value) -> Cluster {
    let cluster = Cluster::with(spec);
    for _ in 0..2 {
        cluster.settle().await;
        cluster.pods_run();
    }
    assert_eq!(cluster.settle().await, Vec::<String>::new());
    cluster.world.lock().unwrap().replicas.clear();
    cluster
}

/// Edits the Tenant; answers the numbers of runtimes that this led to.
async fn edit(cluster: &Cluster, spec: Value) -> Vec<i64> {
    cluster.edit(TENANT, |tenant| {
        for (key, value) in spec.as_object().unwrap() {
            tenant["spec"][key] = value.clone();
        }
    });
    cluster.settle().await;
    let mut numbers = std::mem::take(&mut cluster.world.lock().unwrap().replicas);
    numbers.dedup();
    assert_eq!(numbers.last(), Some(&replicas(cluster)));
    numbers
}

fn replicas(cluster: &Cluster) -> i64 {
    cluster.object(DEPLOYMENT).unwrap()["spec"]["replicas"]
        .as_i64()
        .unwrap()
}

#[tokio::test]
async fn an_autoscaler_begins_with_as_many_runtimes_as_there_are() {
    let cluster = serving(json!({"plan": "business", "replicas": 5})).await;
    assert_eq!(edit(&cluster, json!({"maxReplicas": 8})).await, [5]);
    assert!(cluster.object(AUTOSCALER).is_some());
    assert_eq!(cluster.settle().await, Vec::<String>::new());
    // From then on the number is the autoscaler's.
    cluster.scaled_by_load(7);
    cluster.settle().await;
    assert_eq!(replicas(&cluster), 7);
    assert_eq!(
        edit(&cluster, json!({"displayName": "Acme", "plan": "business"})).await,
        [7]
    );
    assert_eq!(
        edit(&cluster, json!({"replicas": 2, "maxReplicas": null})).await,
        [2]
    );
    assert!(cluster.object(AUTOSCALER).is_none());
    // And again, with the bounds of the new one.
    assert_eq!(
        edit(&cluster, json!({"replicas": 3, "maxReplicas": 4})).await,
        [3]
    );
}

#[tokio::test]
async fn a_tenant_that_is_made_or_resumed_begins_with_its_fewest_runtimes() {
    let cluster = Cluster::with(json!({"plan": "business", "replicas": 3, "maxReplicas": 6}));
    cluster.settle().await;
    let numbers = cluster.world.lock().unwrap().replicas.clone();
    assert!(numbers.iter().all(|number| *number == 3), "{numbers:?}");
    assert_eq!(replicas(&cluster), 3);
    cluster.pods_run();
    cluster.settle().await;
    cluster.world.lock().unwrap().replicas.clear();
    assert_eq!(edit(&cluster, json!({"suspended": true})).await, [0]);
    cluster.pods_run();
    cluster.settle().await;
    assert_eq!(edit(&cluster, json!({"suspended": false})).await, [3]);
}

/// Killed after any number of calls, the next operator finds what it needs to keep them.
#[tokio::test]
async fn a_kill_while_replicas_are_handed_over_loses_none() {
    let scaled = json!({"maxReplicas": 8});
    let begin = async || {
        let cluster = serving(json!({"plan": "business", "replicas": 5})).await;
        cluster.edit(TENANT, |tenant| {
            tenant["spec"]["maxReplicas"] = scaled["maxReplicas"].clone();
        });
        let so_far = cluster.world.lock().unwrap().calls();
        (cluster, so_far)
    };
    let (undisturbed, so_far) = begin().await;
    undisturbed.reconcile().await.unwrap();
    let calls = undisturbed.world.lock().unwrap().calls() - so_far;
    assert!(calls > 4, "{calls}");
    for at in 1..=calls {
        let (cluster, so_far) = begin().await;
        cluster.world.lock().unwrap().fails_at = Some(so_far + at);
        // What is only told to people fails nothing.
        let _ = cluster.reconcile().await;
        let next = cluster.restarted();
        next.settle().await;
        let numbers = next.world.lock().unwrap().replicas.clone();
        assert!(
            numbers.iter().all(|number| *number == 5),
            "killed at call {at}: {numbers:?}"
        );
        assert!(next.object(AUTOSCALER).is_some(), "killed at call {at}");
    }
}
