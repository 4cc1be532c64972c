//! One operator writes at a time: how one leader ends and the next begins, against a real API server and a real PostgreSQL.
//!
//! What would take half a minute on the cluster for each step (pods that end and start) is a process here; pods are faked.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::api_server::{ApiServer, PLATFORM, Programs};
use e2e::operator::Operator;
use e2e::platform::PATIENCE;
use serde_json::json;
use test_kit::postgres::{TestDatabase, texts};

const LEASE: &str = "gotrs-operator";
/// A Lease that nobody renews belongs to its holder for so long; the operator's own number, and what the Lease says.
const LASTS: Duration = Duration::from_secs(15);
/// Who stands by looks every three seconds, so that a Lease that was given back is taken within this, on a busy machine too.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(8);
/// The tenant at whose door the test stands, and the two halves of the lock that keeps others from its schema.
const HELD: (&str, &str) = ("held", "0198c0de-0000-7000-8000-00000000abcd");
const LOCK: (i32, i32) = (0x676f_7472, 0xabcd);
/// Tenants about which there is always something to do.
const BUSY: [&str; 3] = ["busy-1", "busy-2", "busy-3"];
const A_MOMENT: Duration = Duration::from_millis(20);

#[tokio::test]
async fn on_kubernetes_one_operator_leads_at_a_time() -> anyhow::Result<()> {
    let programs = Programs::find()?;
    let api = ApiServer::start(&programs).await?;
    let database = TestDatabase::create().await?;
    let folder = tempfile::tempdir()?;
    let world = World {
        api: &api,
        url: database.url(),
        folder: folder.path(),
    };
    tokio::select! {
        ended = api.fake_pods(|_| ()) => ended?,
        done = world.leaders() => done?,
    }
    api.stop().await?;
    database.drop_database().await
}

struct World<'a> {
    api: &'a ApiServer,
    url: String,
    folder: &'a Path,
}

impl World<'_> {
    async fn leaders(&self) -> anyhow::Result<()> {
        let mut first = self.start("first")?;
        first.wait_until_leading().await?;
        self.create("early", json!({})).await?;
        self.is_ready_soon("early", &first).await?;
        let second = self.hands_over(first).await.context("an orderly end")?;
        let third = self.sleeps(second).await.context("a leader that slept")?;
        let fourth = self
            .is_robbed(third)
            .await
            .context("a Lease that was taken")?;
        fourth.stop().await?;
        ensure!(self.holder().await?.is_none(), "the Lease was kept");
        Ok(())
    }

    /// At SIGTERM the Lease is given back: who stands by need not wait until it runs out.
    async fn hands_over(&self, leader: Operator) -> anyhow::Result<Operator> {
        let mut next = self.start("second")?;
        next.wait_until_ready().await?;
        ensure!(
            next.metric("operator_leading").await == Some(0.0),
            "two lead"
        );
        let began = Instant::now();
        leader.stop().await?;
        next.wait_until_leading().await?;
        let took = began.elapsed();
        ensure!(
            took < HANDED_OVER_WITHIN,
            "the next one leads after {took:?}"
        );
        self.is_held_by("second").await?;
        self.comes_to_epoch(2).await?;
        Ok(next)
    }

    /// A leader that sleeps in the midst of its work, past the end of its Lease: what it was about to write is refused by the database,
    /// which knows of the next leader, and it ends.
    async fn sleeps(&self, mut leader: Operator) -> anyhow::Result<Operator> {
        let door = self.hold_the_door();
        tokio::pin!(door);
        let closed = async {
            while self.at_the_door(true).await?.is_empty() {
                tokio::time::sleep(A_MOMENT).await;
            }
            anyhow::Ok(())
        };
        tokio::select! {
            ended = &mut door => ended?,
            closed = closed => closed?,
        }
        let mut next = self.start("third")?;
        next.wait_until_ready().await?;
        self.create(HELD.0, json!({"id": HELD.1})).await?;
        // It has asked whether it leads, and waits for its turn in the database.
        let began = Instant::now();
        while self.at_the_door(false).await?.is_empty() {
            ensure!(
                began.elapsed() < PATIENCE,
                "nobody works on {}; {}",
                HELD.0,
                leader.log()
            );
            tokio::time::sleep(A_MOMENT).await;
        }
        leader.freeze()?;
        let asleep = Instant::now();
        // The door opens, and it is the sleeper's turn.
        texts(
            &self.url,
            &format!(
                "SELECT pg_terminate_backend(pid)::text FROM pg_locks WHERE {} AND granted",
                door_of_this_database()
            ),
        )
        .await?;
        ensure!(door.await.is_err(), "the door was opened too early");
        next.wait_until_leading().await?;
        let took = asleep.elapsed();
        // It was renewed up to three seconds before.
        ensure!(
            took + Duration::from_secs(4) > LASTS,
            "the Lease lasted {took:?} only"
        );
        self.comes_to_epoch(3).await?;
        ensure!(leader.has_ended()?.is_none(), "it does not sleep");

        leader.thaw()?;
        let status = leader.ended().await?;
        ensure!(!status.success(), "who was refused ended with {status}");
        let log = leader.log();
        ensure!(
            log.contains("epoch 2 is over: the tenants' database is in epoch 3"),
            "the database did not refuse it: {log}"
        );
        self.is_held_by("third").await?;
        self.comes_to_epoch(3).await?;
        self.is_ready_soon(HELD.0, &next).await?;
        self.has_one_schema(HELD.0).await?;
        Ok(next)
    }

    /// Somebody takes the Lease from a leader that is well and busy: it ends, and writes nothing once it has seen that.
    async fn is_robbed(&self, mut leader: Operator) -> anyhow::Result<Operator> {
        for name in BUSY {
            self.create(name, json!({"plan": "team"})).await?;
        }
        for name in BUSY {
            self.is_ready_soon(name, &leader).await?;
        }
        let busy = async {
            for replicas in [2, 1].into_iter().cycle() {
                for name in BUSY {
                    self.api
                        .merge(&tenant(name), &json!({"spec": {"replicas": replicas}}))
                        .await?;
                }
                tokio::time::sleep(A_MOMENT).await;
            }
            anyhow::Ok(())
        };
        let ended = async {
            // In the midst of it.
            tokio::time::sleep(Duration::from_secs(1)).await;
            self.api
                .merge(
                    &lease(),
                    &json!({"spec": {"holderIdentity": "somebody-else"}}),
                )
                .await?;
            leader.ended().await
        };
        let status = tokio::select! {
            failed = busy => anyhow::bail!("the tenants cannot be changed: {failed:?}"),
            ended = ended => ended?,
        };
        ensure!(!status.success(), "who was robbed ended with {status}");
        let log = leader.log();
        ensure!(
            log.contains("another operator has taken the lease"),
            "{log}"
        );
        self.wrote_nothing_more()?;
        ensure!(self.holder().await?.as_deref() == Some("somebody-else"));

        // The thief goes, and there is nothing that the next one cannot bring to its end.
        self.api
            .merge(&lease(), &json!({"spec": {"holderIdentity": null}}))
            .await?;
        let mut next = self.start("fourth")?;
        next.wait_until_leading().await?;
        self.is_held_by("fourth").await?;
        for name in BUSY {
            self.is_ready_soon(name, &next).await?;
            self.has_one_schema(name).await?;
        }
        Ok(next)
    }

    /// By the API server's own log: after the leader's last look at the Lease each tenant's reconcile had at most the one call
    /// that was under way.
    fn wrote_nothing_more(&self) -> anyhow::Result<()> {
        let calls = self.api.calls_of_the_operator()?;
        let seen = calls
            .iter()
            .filter(|call| call.resource == "leases" && call.verb == "get")
            .map(|call| call.answered.as_str())
            .max()
            .context("nobody looked at the Lease")?;
        let is_late = |received: &str| received > seen;
        let writes = calls.iter().filter(|call| {
            !["get", "list", "watch"].contains(&call.verb.as_str())
                && !["leases", "events"].contains(&call.resource.as_str())
        });
        let (late, before): (Vec<_>, Vec<_>) = writes.partition(|call| is_late(&call.received));
        // Else this would show nothing.
        ensure!(before.len() > 50, "{} writes before", before.len());
        for name in BUSY {
            let late: Vec<_> = late
                .iter()
                .filter(|call| call.name == name || call.namespace == format!("tenant-{name}"))
                .collect();
            ensure!(late.len() <= 1, "after {seen} it wrote {late:#?}");
        }
        ensure!(late.len() <= BUSY.len(), "after {seen} it wrote {late:#?}");
        Ok(())
    }

    fn start(&self, name: &str) -> anyhow::Result<Operator> {
        let folder: PathBuf = self.folder.join(name);
        std::fs::create_dir(&folder)?;
        let identity = ["--identity".to_owned(), name.to_owned()];
        Operator::start(self.api, &folder, &self.url, LEASE, &identity)
    }

    async fn create(&self, name: &str, more: serde_json::Value) -> anyhow::Result<()> {
        let mut spec = json!({"slug": name});
        if let (Some(spec), Some(more)) = (spec.as_object_mut(), more.as_object()) {
            spec.extend(more.clone());
        }
        let tenant = json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": name}, "spec": spec,
        });
        self.api
            .create("/apis/gotrs.io/v1/tenants", &tenant)
            .await
            .map(drop)
    }

    /// Ready, with its newest spec.
    async fn is_ready_soon(&self, name: &str, operator: &Operator) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let found = self.api.get(&tenant(name)).await?.context("it is gone")?;
            let is_known = found["status"]["observedGeneration"] == found["metadata"]["generation"];
            let mut conditions = found["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten();
            if is_known
                && conditions
                    .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
            {
                return Ok(());
            }
            ensure!(
                began.elapsed() < PATIENCE,
                "{name} is not ready: {found:#}\n{}",
                operator.log()
            );
            tokio::time::sleep(A_MOMENT).await;
        }
    }

    async fn has_one_schema(&self, name: &str) -> anyhow::Result<()> {
        let found = self.api.get(&tenant(name)).await?.context("it is gone")?;
        let id = found["status"]["tenantId"].as_str().context("no id")?;
        let schemas = texts(
            &self.url,
            &format!(
                "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 't\\_{}%'",
                id.replace('-', "")
            ),
        )
        .await?;
        ensure!(schemas.len() == 1, "{name}: {schemas:?}");
        Ok(())
    }

    async fn holder(&self) -> anyhow::Result<Option<String>> {
        let found = self.api.get(&lease()).await?.context("no Lease")?;
        Ok(found["spec"]["holderIdentity"].as_str().map(str::to_owned))
    }

    /// Identities are a name and a random end.
    async fn is_held_by(&self, name: &str) -> anyhow::Result<()> {
        let holder = self.holder().await?.unwrap_or_default();
        ensure!(
            holder.starts_with(&format!("{name}-")),
            "{holder:?} leads, and not {name}"
        );
        Ok(())
    }

    /// Whoever leads begins its epoch a moment later.
    async fn comes_to_epoch(&self, expected: i64) -> anyhow::Result<()> {
        let began = Instant::now();
        loop {
            let found = texts(&self.url, "SELECT epoch::text FROM gotrs_operator.fence").await?;
            if found == [expected.to_string()] {
                return Ok(());
            }
            ensure!(began.elapsed() < PATIENCE, "epoch {found:?}");
            tokio::time::sleep(A_MOMENT).await;
        }
    }

    /// Keeps everybody from the schema of the tenant [`HELD`], until this connection is ended.
    async fn hold_the_door(&self) -> anyhow::Result<()> {
        let (class, key) = LOCK;
        texts(
            &self.url,
            &format!("SELECT pg_sleep(120)::text FROM pg_advisory_lock({class}, {key})"),
        )
        .await
        .map(drop)
    }

    /// Who is inside, or waits.
    async fn at_the_door(&self, is_inside: bool) -> anyhow::Result<Vec<String>> {
        texts(
            &self.url,
            &format!(
                "SELECT pid::text FROM pg_locks WHERE {} AND granted = {is_inside}",
                door_of_this_database()
            ),
        )
        .await
    }
}

/// A server's list of locks is of all of its databases, and other tests run beside this one.
fn door_of_this_database() -> String {
    let (class, key) = LOCK;
    format!(
        "locktype = 'advisory' AND classid = {class} AND objid = {key} AND objsubid = 2 \
         AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
    )
}

fn tenant(name: &str) -> String {
    format!("/apis/gotrs.io/v1/tenants/{name}")
}

fn lease() -> String {
    format!("/apis/coordination.k8s.io/v1/namespaces/{PLATFORM}/leases/{LEASE}")
}
