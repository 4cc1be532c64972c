//! Exports: on request, and before data is dropped.

use chrono::TimeDelta;
use domain::clock::Clock as _;
use domain::digest::Sha256Digest;
use serde_json::{Value, json};

use super::fake::{Cluster, TENANT, UID};

const REQUEST: &str = "0198c0de-0000-7000-8000-00000000002a";

async fn active(spec: Value) -> Cluster {
    let cluster = Cluster::with_archives(spec);
    cluster.settle().await;
    cluster.pods_run();
    cluster.settle().await;
    cluster
}

/// A tenant that is being deleted, with its namespace gone.
async fn deleted(cluster: &Cluster) {
    cluster.delete_tenant(cluster.clock.now());
    cluster.reconcile().await.unwrap();
    cluster.namespace_ends();
}

fn annotate(cluster: &Cluster, name: &str, value: &str) {
    cluster.edit(TENANT, |tenant| {
        tenant["metadata"]["annotations"][name] = json!(value);
    });
}

fn last_export(cluster: &Cluster) -> Value {
    cluster.object(TENANT).unwrap()["status"]["lastExport"].clone()
}

fn archives(cluster: &Cluster) -> Vec<String> {
    let world = cluster.world.lock().unwrap();
    world
        .archives
        .iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .collect()
}

fn count(cluster: &Cluster, change: &str) -> usize {
    let world = cluster.world.lock().unwrap();
    world.changes.iter().filter(|one| *one == change).count()
}

fn events(cluster: &Cluster) -> Vec<String> {
    cluster.world.lock().unwrap().events.clone()
}

#[tokio::test]
async fn a_request_is_obeyed_once_and_told() {
    let cluster = active(json!({})).await;
    annotate(&cluster, "gotrs.io/export", REQUEST);
    cluster.reconcile().await.unwrap();
    assert_eq!(
        last_export(&cluster),
        json!({"id": REQUEST, "state": "Running"})
    );
    assert_eq!(cluster.settle_with_exports().await, Vec::<String>::new());
    let key = format!("tenants/{UID}/exports/{REQUEST}.tar.zst");
    assert_eq!(
        last_export(&cluster),
        json!({"id": REQUEST, "state": "Done", "object": key, "bytes": 42, "sha256": Sha256Digest::of(b"rows").to_string()})
    );
    assert_eq!(archives(&cluster), [key]);
    assert_eq!(count(&cluster, "export"), 1);
    assert_eq!(cluster.phase(), "Active");
    let told = events(&cluster);
    assert_eq!(told.iter().filter(|event| *event == "Exported").count(), 1);
    // Nothing is done or written again, also not by the next operator.
    assert_eq!(cluster.settle().await, Vec::<String>::new());
    let restarted = cluster.restarted();
    restarted.settle_with_exports().await;
    assert_eq!(count(&restarted, "export"), 0);
    assert_eq!(last_export(&restarted)["state"], "Done");
}

#[tokio::test]
async fn an_operator_that_ends_leaves_the_request_to_the_next() {
    let cluster = active(json!({})).await;
    annotate(&cluster, "gotrs.io/export", REQUEST);
    // The task never runs: nobody yields to it.
    cluster.reconcile().await.unwrap();
    assert_eq!(last_export(&cluster)["state"], "Running");
    let next = cluster.restarted();
    next.settle_with_exports().await;
    assert_eq!(last_export(&next)["state"], "Done");
}

#[tokio::test]
async fn a_request_that_fails_is_told_and_not_tried_for_ever() {
    let cluster = active(json!({})).await;
    cluster.world.lock().unwrap().archives_broken = true;
    annotate(&cluster, "gotrs.io/export", REQUEST);
    cluster.settle_with_exports().await;
    let told = last_export(&cluster);
    assert_eq!(told["state"], "Failed");
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("did not look for an object within 10 s"),
        "{told}"
    );
    assert_eq!(
        cluster.condition("Ready").0,
        "True",
        "the tenant itself is fine"
    );
    assert_eq!(cluster.settle().await, Vec::<String>::new());
    cluster.world.lock().unwrap().archives_broken = false;
    annotate(&cluster, "gotrs.io/export", UID);
    cluster.settle_with_exports().await;
    assert_eq!(last_export(&cluster)["state"], "Done");
    annotate(&cluster, "gotrs.io/export", "now");
    cluster.settle_with_exports().await;
    assert_eq!(last_export(&cluster)["state"], "Failed");
    assert!(
        last_export(&cluster)["message"]
            .as_str()
            .unwrap()
            .contains("must be a UUID")
    );
}

#[tokio::test]
async fn without_an_object_store_a_request_fails_with_what_to_set() {
    let cluster = Cluster::with(json!({}));
    cluster.settle().await;
    annotate(&cluster, "gotrs.io/export", REQUEST);
    cluster.settle_with_exports().await;
    let told = last_export(&cluster);
    assert!(
        told["message"]
            .as_str()
            .unwrap()
            .contains("GOTRS_S3_BUCKET"),
        "{told}"
    );
}

#[tokio::test]
async fn the_final_export_is_there_during_the_grace_and_made_once() {
    let cluster = active(json!({"deletionPolicy": "Delete", "grace": "24h"})).await;
    deleted(&cluster).await;
    cluster.settle_with_exports().await;
    let key = format!("tenants/{UID}/exports/{UID}.tar.zst");
    assert_eq!(archives(&cluster), [key.as_str()]);
    assert_eq!(last_export(&cluster)["object"], key);
    assert!(cluster.database().locked);
    cluster.clock.advance(TimeDelta::hours(24));
    cluster.settle_with_exports().await;
    assert!(cluster.object(TENANT).is_none());
    assert!(cluster.database().schemas.is_empty());
    assert_eq!(count(&cluster, "export"), 1, "it was there already");
    assert_eq!(archives(&cluster), [key]);
}

#[tokio::test]
async fn data_stays_until_its_export_succeeds() {
    let cluster = active(json!({"deletionPolicy": "Delete", "grace": "0s"})).await;
    cluster.world.lock().unwrap().archives_broken = true;
    deleted(&cluster).await;
    cluster.settle_with_exports().await;
    assert_eq!(cluster.database().schemas.len(), 1);
    assert_eq!(
        cluster.condition("Stalled"),
        ("True".into(), "ExportFailed".into())
    );
    assert_eq!(cluster.phase(), "Deleting");
    let message = cluster.object(TENANT).unwrap()["status"]["conditions"].to_string();
    assert!(
        message.contains("kubectl annotate tenant acme gotrs.io/skip-final-export=true"),
        "{message}"
    );
    cluster.world.lock().unwrap().archives_broken = false;
    cluster.clock.advance(TimeDelta::minutes(5));
    cluster.settle_with_exports().await;
    assert!(cluster.object(TENANT).is_none());
    assert_eq!(archives(&cluster).len(), 1);
}

#[tokio::test]
async fn a_final_export_that_fails_is_tried_ever_less_often_and_told_once() {
    let cluster = active(json!({"deletionPolicy": "Delete", "grace": "0s"})).await;
    cluster.world.lock().unwrap().archives_broken = true;
    deleted(&cluster).await;
    cluster.settle_with_exports().await;
    let told = cluster.object(TENANT).unwrap()["status"].clone();
    assert_eq!(told["lastExport"]["state"], "Failed");
    let told_of = events(&cluster).len();
    cluster.world.lock().unwrap().changes.clear();
    let mut pauses = Vec::new();
    for _ in 0..12 {
        let now = cluster.clock.now();
        let pause = cluster.ctx.memory.export_rests(UID, now);
        let pause = TimeDelta::from_std(pause.expect("it is left alone for a while")).unwrap();
        pauses.push(pause);
        cluster.clock.advance(pause);
        cluster.settle_with_exports().await;
        assert_eq!(
            cluster.condition("Stalled"),
            ("True".into(), "ExportFailed".into())
        );
    }
    // From then on they are spread between half of the longest and the longest.
    assert!(pauses[..10].is_sorted(), "{pauses:?}");
    assert!(pauses[11] >= TimeDelta::minutes(2), "{pauses:?}");
    assert_eq!(cluster.object(TENANT).unwrap()["status"], told);
    assert_eq!(events(&cluster).len(), told_of);
    assert_eq!(count(&cluster, "status"), 0);
}

#[tokio::test]
async fn whoever_breaks_the_glass_loses_the_data() {
    let cluster = active(json!({"deletionPolicy": "Delete", "grace": "0s"})).await;
    cluster.world.lock().unwrap().archives_broken = true;
    deleted(&cluster).await;
    cluster.settle_with_exports().await;
    annotate(&cluster, "gotrs.io/skip-final-export", "true");
    cluster.settle_with_exports().await;
    assert!(cluster.object(TENANT).is_none());
    assert!(cluster.database().schemas.is_empty());
    assert_eq!(archives(&cluster), Vec::<String>::new());
}

/// Killed after any number of calls, the next operator ends with one archive and no data.
#[tokio::test]
async fn a_kill_at_any_step_of_the_end_loses_nothing() {
    let spec = json!({"deletionPolicy": "Delete", "grace": "0s"});
    let undisturbed = active(spec.clone()).await;
    deleted(&undisturbed).await;
    let before = undisturbed.world.lock().unwrap().calls();
    undisturbed.settle_with_exports().await;
    let calls = undisturbed.world.lock().unwrap().calls() - before;
    assert!(calls > 5, "{calls}");
    for nth in 1..=calls {
        let cluster = active(spec.clone()).await;
        deleted(&cluster).await;
        let at = cluster.world.lock().unwrap().calls() + nth;
        cluster.world.lock().unwrap().fails_at = Some(at);
        cluster.settle_with_exports().await;
        let was_dropped = cluster.database().schemas.is_empty();
        assert!(
            !was_dropped || archives(&cluster).len() == 1,
            "dropped before it was exported, at call {nth}"
        );
        let next = cluster.restarted();
        next.settle_with_exports().await;
        assert!(next.object(TENANT).is_none(), "killed at call {nth}");
        assert!(next.database().schemas.is_empty());
        assert_eq!(archives(&next).len(), 1, "killed at call {nth}");
    }
}
