//! Who says how many runtimes a tenant has: the operator, or an autoscaler. On a real API server, since its rules of server-side apply
//! decide what becomes of a number that nobody says any more. The autoscaler is the test itself.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use e2e::api_server::{ApiServer, Programs};
use e2e::operator::Operator;
use e2e::platform::PATIENCE;
use serde_json::{Value, json};
use test_kit::postgres::TestDatabase;

const TENANTS: &str = "/apis/gotrs.io/v1/tenants";
const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/tenant-acme/deployments/runtime";
const AUTOSCALER: &str =
    "/apis/autoscaling/v2/namespaces/tenant-acme/horizontalpodautoscalers/runtime";

#[tokio::test]
async fn an_autoscaler_takes_over_without_losing_a_runtime() -> anyhow::Result<()> {
    let programs = Programs::find()?;
    let api = ApiServer::start(&programs).await?;
    let database = TestDatabase::create().await?;
    let folder = tempfile::tempdir()?;
    let url = database.url();
    let world = World {
        api: &api,
        replicas: Arc::default(),
    };
    let seen = Arc::clone(&world.replicas);
    let remember = move |deployment: &Value| {
        let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or_default();
        lock(&seen).push(replicas);
    };
    tokio::select! {
        ended = api.fake_pods(remember) => ended?,
        done = world.life(&url, folder.path()) => done?,
    }
    api.stop().await?;
    database.drop_database().await
}

struct World<'a> {
    api: &'a ApiServer,
    /// Of every version of the Deployment that was there.
    replicas: Arc<Mutex<Vec<i64>>>,
}

fn lock(replicas: &Mutex<Vec<i64>>) -> std::sync::MutexGuard<'_, Vec<i64>> {
    replicas
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl World<'_> {
    async fn life(&self, url: &str, folder: &Path) -> anyhow::Result<()> {
        let tenant = json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": "acme"},
            "spec": {"slug": "acme", "plan": "business", "replicas": 5},
        });
        self.api.create(TENANTS, &tenant).await?;
        let operator = Operator::start(self.api, folder, url, "autoscaling", &[])?;
        let lived = self.lives().await;
        lived.with_context(|| format!("the operator's log:\n{}", operator.log()))?;
        operator.stop().await
    }

    async fn lives(&self) -> anyhow::Result<()> {
        self.obeyed(5).await?;
        self.edit(json!({"maxReplicas": 8})).await?;
        self.obeyed(5).await?;
        self.went_through(&[5])?;
        let scaler = self.api.get(AUTOSCALER).await?.context("no autoscaler")?;
        ensure!(scaler["spec"]["minReplicas"] == 5 && scaler["spec"]["maxReplicas"] == 8);
        // The autoscaler's number stays, also when the operator changes something else of the Deployment.
        let scale = json!({"spec": {"replicas": 7}});
        self.api
            .merge(&format!("{DEPLOYMENT}/scale"), &scale)
            .await?;
        self.edit(json!({"displayName": "Acme and others"})).await?;
        self.obeyed(7).await?;
        self.went_through(&[5, 7])?;
        ensure!(
            self.deployment()
                .await?
                .to_string()
                .contains("Acme and others"),
            "the edit was not obeyed"
        );
        // Back to a number of its own, and once more to an autoscaler, which has other bounds.
        self.edit(json!({"replicas": 2, "maxReplicas": null}))
            .await?;
        self.obeyed(2).await?;
        ensure!(self.api.get(AUTOSCALER).await?.is_none());
        self.edit(json!({"replicas": 3, "maxReplicas": 4})).await?;
        self.obeyed(3).await?;
        self.went_through(&[5, 7, 2, 3])?;
        // After a suspension it begins with the fewest.
        self.edit(json!({"suspended": true})).await?;
        self.obeyed(0).await?;
        self.edit(json!({"suspended": false})).await?;
        self.obeyed(3).await?;
        self.went_through(&[5, 7, 2, 3, 0, 3])
    }

    async fn edit(&self, spec: Value) -> anyhow::Result<()> {
        let patch = json!({ "spec": spec });
        let path = format!("{TENANTS}/acme");
        self.api.merge(&path, &patch).await.map(drop)
    }

    async fn deployment(&self) -> anyhow::Result<Value> {
        self.api.get(DEPLOYMENT).await?.context("no Deployment")
    }

    /// Waits until the newest spec is obeyed and so many runtimes are there.
    async fn obeyed(&self, replicas: i64) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let tenant = self.api.get(&format!("{TENANTS}/acme")).await?;
            let tenant = tenant.context("no Tenant")?;
            let status = &tenant["status"];
            let mut conditions = status["conditions"].as_array().into_iter().flatten();
            let is_done = conditions.any(|condition| {
                condition["type"] == "Reconciling"
                    && condition["status"] == "False"
                    && condition["observedGeneration"] == tenant["metadata"]["generation"]
            });
            if is_done && status["replicas"] == replicas {
                let deployment = self.deployment().await?;
                ensure!(deployment["spec"]["replicas"] == replicas, "{deployment:#}");
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{replicas} runtimes are wanted: {status:#}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Compares all numbers of runtimes that there ever were.
    fn went_through(&self, expected: &[i64]) -> anyhow::Result<()> {
        let mut numbers = lock(&self.replicas).clone();
        numbers.dedup();
        ensure!(numbers == expected, "{numbers:?} and not {expected:?}");
        Ok(())
    }
}
