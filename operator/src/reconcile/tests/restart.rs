//! What a restarted operator does again, and what it rightly does not.

use serde_json::json;

use super::fake::{Cluster, DEPLOYMENT, NAMESPACE, SECRET, TENANT};

async fn at_rest(spec: serde_json::Value) -> Cluster {
    let cluster = Cluster::with(spec);
    for _ in 0..2 {
        cluster.settle().await;
        cluster.pods_run();
    }
    assert_eq!(cluster.settle().await, Vec::<String>::new());
    cluster
}

/// How many calls one reconcile of the next operator makes.
async fn calls_of_the_next(cluster: &Cluster) -> usize {
    let next = cluster.restarted();
    let before = next.world.lock().unwrap().calls();
    next.reconcile().await.unwrap();
    let calls = next.world.lock().unwrap().calls();
    calls - before
}

#[tokio::test]
async fn where_all_is_as_it_was_nothing_is_asked_or_written() {
    for spec in [
        json!({}),
        json!({"plan": "team", "replicas": 2, "administrator": {"email": "ada@acme.example"}}),
        json!({"suspended": true}),
    ] {
        let cluster = at_rest(spec.clone()).await;
        let before = cluster.world.lock().unwrap().objects.clone();
        assert_eq!(calls_of_the_next(&cluster).await, 0, "{spec}");
        // The one after it takes the word of the same note.
        assert_eq!(calls_of_the_next(&cluster.restarted()).await, 0, "{spec}");
        assert_eq!(cluster.world.lock().unwrap().objects, before, "{spec}");
    }
}

#[tokio::test]
async fn without_an_event_the_operator_that_did_it_asks_nothing_either() {
    let cluster = at_rest(json!({})).await;
    let before = cluster.world.lock().unwrap().calls();
    cluster.reconcile().await.unwrap();
    assert_eq!(cluster.world.lock().unwrap().calls(), before);
}

#[tokio::test]
async fn what_was_deleted_or_edited_while_nobody_was_there_comes_back() {
    let spec = json!({"plan": "team", "replicas": 2});
    let whole = at_rest(spec.clone())
        .await
        .world
        .lock()
        .unwrap()
        .objects
        .clone();
    let ours = whole
        .keys()
        .filter(|path| *path != TENANT && *path != NAMESPACE);
    for path in ours {
        let cluster = at_rest(spec.clone()).await;
        cluster.world.lock().unwrap().objects.remove(path);
        let next = cluster.restarted();
        next.reconcile().await.unwrap();
        assert!(next.object(path).is_some(), "{path} did not come back");
    }
    for path in whole
        .keys()
        .filter(|path| *path != TENANT && *path != SECRET)
    {
        let cluster = at_rest(spec.clone()).await;
        let before = cluster.object(path).unwrap();
        cluster.edit(path, |object| {
            let labels = &mut object["metadata"]["labels"];
            labels["gotrs.io/tenant"] = json!("another");
        });
        let next = cluster.restarted();
        next.reconcile().await.unwrap();
        assert_eq!(
            next.object(path).unwrap()["metadata"]["labels"],
            before["metadata"]["labels"],
            "{path}"
        );
    }
    // Nobody tells what is in a Secret: that it is another version is enough.
    let cluster = at_rest(spec).await;
    cluster.edit(SECRET, |secret| {
        secret["data"]["database-url"] = json!("eA==");
    });
    let next = cluster.restarted();
    next.reconcile().await.unwrap();
    assert_ne!(next.object(SECRET).unwrap()["data"]["database-url"], "eA==");
}

#[tokio::test]
async fn what_is_wanted_otherwise_is_applied() {
    let cluster = at_rest(json!({"plan": "team", "replicas": 2})).await;
    cluster.edit(TENANT, |tenant| tenant["spec"]["replicas"] = json!(3));
    let next = cluster.restarted();
    next.reconcile().await.unwrap();
    assert_eq!(next.object(DEPLOYMENT).unwrap()["spec"]["replicas"], 3);
}

#[tokio::test]
async fn a_database_that_somebody_touched_is_looked_at_again() {
    let cluster = at_rest(json!({})).await;
    cluster.world.lock().unwrap().database.locked = true;
    let next = cluster.restarted();
    let changes = next.settle().await;
    assert!(changes.contains(&"roles".to_owned()), "{changes:?}");
    assert!(!next.database().locked);
}

#[tokio::test]
async fn more_replicas_need_more_connections_and_no_look_at_the_tables() {
    let cluster = at_rest(json!({"plan": "team"})).await;
    cluster.edit(TENANT, |tenant| tenant["spec"]["replicas"] = json!(2));
    let changes = cluster.settle().await;
    assert!(changes.contains(&"roles".to_owned()), "{changes:?}");
    assert!(!changes.contains(&"migrate".to_owned()), "{changes:?}");
    // Unless somebody else was there.
    cluster.world.lock().unwrap().database.locked = true;
    cluster.edit(TENANT, |tenant| tenant["spec"]["replicas"] = json!(3));
    let changes = cluster.settle().await;
    assert!(changes.contains(&"migrate".to_owned()), "{changes:?}");
}

/// A Secret that is gone and of which no watch has told yet: its new passwords must be kept before the roles get them.
#[tokio::test]
async fn new_passwords_are_kept_also_while_a_watch_is_behind() {
    let cluster = at_rest(json!({})).await;
    cluster.edit(TENANT, |tenant| tenant["spec"]["plan"] = json!("team"));
    cluster.world.lock().unwrap().objects.remove(SECRET);
    cluster.reconcile_blind().await.unwrap();
    let secret = cluster.object(SECRET).expect("the new passwords are kept");
    let (runtime, _) = cluster.database().passwords.unwrap();
    assert_eq!(super::fake::entry(&secret, "runtime-password"), runtime);
}
