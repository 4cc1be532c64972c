//! Channels and reconciles together, on the cluster in memory.

use chrono::TimeDelta;
use domain::clock::Clock as _;
use serde_json::{Value, json};

use super::fake::{Cluster, DEPLOYMENT, TENANT, tenant};
use crate::channel::work::{Pending, look};
use crate::reconcile::{Guarded, reconcile};

const CHANNEL: &str = "/apis/gotrs.io/v1/runtimechannels/stable";
const NAMES: [&str; 3] = ["acme", "other", "third"];

struct Platform {
    cluster: Cluster,
    pending: Pending,
}

fn path(name: &str) -> String {
    TENANT.replace("acme", name)
}

impl Platform {
    /// Three tenants that run the platform's version 1.0.0, and no channel.
    async fn new() -> Self {
        let cluster = Cluster::with(json!({}));
        for (number, name) in NAMES.iter().enumerate().skip(1) {
            let uid = format!("3b241101-e2bb-4255-8caf-0000000000{number:02}");
            let object = tenant(name, &uid, json!({}));
            cluster
                .world
                .lock()
                .unwrap()
                .objects
                .insert(path(name), object);
        }
        let mut platform = Self {
            cluster,
            pending: Pending::default(),
        };
        platform.settle().await;
        platform
    }

    #[expect(clippy::needless_pass_by_value, reason = "each call makes its own")]
    fn channel(&self, spec: Value) {
        let mut world = self.cluster.world.lock().unwrap();
        let before = world.objects.get(CHANNEL).cloned();
        let generation = before.as_ref().map_or(1, |before| {
            before["metadata"]["generation"].as_i64().unwrap() + 1
        });
        let mut object = json!({
            "apiVersion": "gotrs.io/v1", "kind": "RuntimeChannel",
            "metadata": {"name": "stable", "uid": "channel", "generation": generation, "resourceVersion": "1"},
            "spec": spec,
        });
        if let Some(before) = before {
            object["status"] = before["status"].clone();
        }
        world.objects.insert(CHANNEL.to_owned(), object);
    }

    async fn look(&mut self) {
        self.cluster.watch();
        let since = self.cluster.clock.now() - TimeDelta::days(1);
        look(&self.cluster.ctx, &mut self.pending, since).await;
    }

    /// Everybody does what there is to do until nothing changes. Pods of `bad` never run.
    async fn work(&mut self, bad: &str) -> Vec<String> {
        self.cluster.world.lock().unwrap().changes.clear();
        for _ in 0..12 {
            let before = self.cluster.world.lock().unwrap().changes.len();
            self.look().await;
            for name in NAMES {
                self.cluster.watch();
                let object = self.cluster.object(&path(name)).unwrap();
                let object: Guarded = serde_json::from_value(object).unwrap();
                reconcile(object.into(), self.cluster.ctx.clone())
                    .await
                    .unwrap();
                self.pods(name, bad);
            }
            if self.cluster.world.lock().unwrap().changes.len() == before {
                break;
            }
        }
        self.cluster.world.lock().unwrap().changes.clone()
    }

    async fn settle(&mut self) -> Vec<String> {
        self.work("none").await
    }

    /// The cluster's own controllers: a bad version's rollout is given up.
    fn pods(&self, name: &str, bad: &str) {
        let version = self.image(name);
        let mut world = self.cluster.world.lock().unwrap();
        let deployment = world
            .objects
            .get_mut(&DEPLOYMENT.replace("acme", name))
            .unwrap();
        let generation = deployment["metadata"]["generation"].clone();
        deployment["status"] = if version == bad {
            json!({
                "observedGeneration": generation, "replicas": 2, "updatedReplicas": 1, "readyReplicas": 1,
                "conditions": [{"type": "Progressing", "status": "False", "message": "timed out"}],
            })
        } else {
            json!({"observedGeneration": generation, "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1})
        };
    }

    fn image(&self, name: &str) -> String {
        let deployment = self
            .cluster
            .object(&DEPLOYMENT.replace("acme", name))
            .unwrap();
        let image = &deployment["spec"]["template"]["spec"]["containers"][0]["image"];
        image
            .as_str()
            .unwrap()
            .rsplit_once(':')
            .unwrap()
            .1
            .to_owned()
    }

    fn images(&self) -> Vec<String> {
        NAMES.iter().map(|name| self.image(name)).collect()
    }

    fn status(&self) -> Value {
        self.cluster.object(CHANNEL).unwrap()["status"].clone()
    }

    fn condition(&self, kind: &str) -> (String, String) {
        let status = self.status();
        let found = status["conditions"]
            .as_array()
            .unwrap()
            .iter()
            .find(|found| found["type"] == kind)
            .unwrap()
            .clone();
        (
            found["status"].as_str().unwrap().to_owned(),
            found["reason"].as_str().unwrap().to_owned(),
        )
    }

    fn events(&self, reason: &str) -> usize {
        let world = self.cluster.world.lock().unwrap();
        world.events.iter().filter(|event| *event == reason).count()
    }

    fn wait(&self, minutes: i64) {
        self.cluster.clock.advance(TimeDelta::minutes(minutes));
    }
}

#[tokio::test]
async fn a_version_that_never_gets_ready_ends_with_its_canary_and_a_good_one_reaches_all() {
    let mut platform = Platform::new().await;
    assert_eq!(platform.images(), ["1.0.0"; 3]);
    platform.channel(json!({"version": "1.0.0"}));
    platform.settle().await;
    assert_eq!(platform.status()["lastGoodVersion"], "1.0.0");
    assert_eq!(
        platform.condition("Ready"),
        ("True".into(), "Complete".into())
    );

    platform.channel(json!({"version": "2.0.0"}));
    platform.work("2.0.0").await;
    platform.settle().await;
    assert_eq!(platform.images(), ["1.0.0"; 3]);
    assert_eq!(
        platform.condition("Stalled"),
        ("True".into(), "UpgradeFailed".into())
    );
    let failures = platform.status()["failures"].clone();
    assert_eq!(failures.as_array().unwrap().len(), 1, "{failures}");
    assert_eq!(
        (&failures[0]["from"], &failures[0]["to"]),
        (&json!("1.0.0"), &json!("2.0.0"))
    );
    assert_eq!(
        (platform.events("Upgrading"), platform.events("RolledBack")),
        (1, 1)
    );
    for name in NAMES {
        let status = platform.cluster.object(&path(name)).unwrap()["status"].clone();
        assert!(
            status["failedVersion"].is_null(),
            "the channel remembers it: {status}"
        );
    }
    // Nothing is tried again, also not by an operator that knows nothing, and nothing is written.
    platform.wait(60 * 24);
    assert_eq!(platform.settle().await, Vec::<String>::new());
    platform.cluster = platform.cluster.restarted();
    platform.pending = Pending::default();
    platform.wait(60);
    let changes = platform.settle().await;
    assert!(!changes.contains(&"status".to_owned()), "{changes:?}");
    assert_eq!(platform.images(), ["1.0.0"; 3]);

    platform.channel(json!({"version": "2.0.1"}));
    platform.settle().await;
    let moved = platform
        .images()
        .iter()
        .filter(|image| *image == "2.0.1")
        .count();
    assert_eq!(moved, 1, "the canary");
    assert_eq!(platform.status()["stage"], "Soaking");
    platform.wait(30);
    platform.settle().await;
    assert_eq!(platform.images(), ["2.0.1"; 3]);
    assert_eq!(platform.status()["lastGoodVersion"], "2.0.1");
    assert_eq!(platform.condition("Stalled").0, "False");
    assert_eq!(platform.events("RolloutComplete"), 2);
    assert_eq!(platform.settle().await, Vec::<String>::new());
}

#[tokio::test]
async fn what_was_written_counts_before_the_watch_has_seen_it() {
    let mut platform = Platform::new().await;
    platform.channel(json!({"version": "1.0.0"}));
    platform.settle().await;
    platform.channel(json!({"version": "2.0.0", "canary": {"percent": 0}, "maxUnavailable": 1}));
    platform.look().await;
    // The watch is late: the next looks see the tenants as they were.
    let since = platform.cluster.clock.now();
    for _ in 0..3 {
        look(&platform.cluster.ctx, &mut platform.pending, since).await;
    }
    let given = NAMES
        .iter()
        .filter(|name| {
            platform.cluster.object(&path(name)).unwrap()["status"]["channel"]["version"] == "2.0.0"
        })
        .count();
    assert_eq!(given, 1);
}

#[tokio::test]
async fn a_channel_that_is_gone_changes_nothing_and_a_pin_wins() {
    let mut platform = Platform::new().await;
    platform.channel(json!({"version": "2.0.0", "canary": {"percent": 0}}));
    platform.settle().await;
    assert_eq!(platform.images(), ["2.0.0"; 3]);
    platform
        .cluster
        .world
        .lock()
        .unwrap()
        .objects
        .remove(CHANNEL);
    assert_eq!(platform.settle().await, Vec::<String>::new());
    assert_eq!(platform.images(), ["2.0.0"; 3]);
    // A pin takes it out of what the channel gave, and without it again it keeps what it runs once there is a channel.
    let pin = |version: Value| {
        platform
            .cluster
            .edit(&path("acme"), |tenant| tenant["spec"]["version"] = version);
    };
    pin(json!("3.0.0"));
    platform.work("none").await;
    assert_eq!(platform.image("acme"), "3.0.0");
    let status = platform.cluster.object(&path("acme")).unwrap()["status"].clone();
    assert!(status["channel"].is_null(), "{status}");
    platform.channel(json!({"version": "2.0.0"}));
    platform.settle().await;
    assert_eq!(platform.image("acme"), "3.0.0");
    assert_eq!(platform.status()["tenants"]["pinned"], 1);
    platform.cluster.edit(&path("acme"), |tenant| {
        tenant["spec"]["version"] = Value::Null;
    });
    platform.settle().await;
    assert_eq!(
        platform.image("acme"),
        "3.0.0",
        "it joins with what it runs"
    );
    platform.wait(30);
    platform.settle().await;
    // To the channel's version it is moved like any other.
    assert_eq!(platform.image("acme"), "2.0.0");
    assert_eq!(
        platform.cluster.object(&path("acme")).unwrap()["status"]["channel"]["from"],
        "3.0.0"
    );
}
