//! The operator, killed after each of its calls in turn, against a real API server and a real PostgreSQL: the next start ends
//! where an undisturbed one does.
//!
//! It is ended by its own hidden switch `--abort-after-calls`, since nobody outside can count. Each operator has a Lease of its
//! own, so that nobody waits for the end of that of a dead one; what the Lease is for is tested by `operator_leaders`. Pods are faked. A
//! router runs all the time, and its table is looked at too.

use std::net::SocketAddr;
use std::path::Path;

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use e2e::api_server::{ApiServer, Programs};
use e2e::operator::Operator;
use e2e::platform::{PATIENCE, free_address};
use e2e::service::Service;
use reqwest::{Client, StatusCode};
use serde_json::{Value, json};
use test_kit::postgres::{TestDatabase, texts};

/// Where the tenants' addresses are; the operator of these tests is told the same.
const BASE_DOMAIN: &str = "example.test";
/// More calls than any of these lives has: a bound for the loops.
const MOST_CALLS: u32 = 80;
/// Fewer would mean that the switch does not count.
const FEWEST_CALLS: u32 = 20;

#[tokio::test]
async fn the_operator_may_be_killed_after_every_call() -> anyhow::Result<()> {
    let programs = Programs::find()?;
    let api = ApiServer::start(&programs).await?;
    let database = TestDatabase::create().await?;
    let folder = tempfile::tempdir()?;
    let router = Router::start(&api, folder.path()).await?;
    let world = World {
        api: &api,
        url: database.url(),
        folder: folder.path(),
        router: &router,
    };
    tokio::select! {
        ended = api.fake_pods(|_| ()) => ended?,
        ended = api.fake_ends_of_namespaces() => ended?,
        done = world.lives() => done?,
    }
    router.process.stop().await?;
    api.stop().await?;
    database.drop_database().await
}

/// The router, which makes its table of the same Tenants.
struct Router {
    process: Service,
    address: SocketAddr,
    internal: SocketAddr,
}

impl Router {
    async fn start(api: &ApiServer, folder: &Path) -> anyhow::Result<Self> {
        let (address, internal) = (free_address()?, free_address()?);
        let environment = [
            (
                "KUBECONFIG",
                api.operator_kubeconfig().display().to_string(),
            ),
            ("GOTRS_LISTEN", address.to_string()),
            ("GOTRS_INTERNAL_LISTEN", internal.to_string()),
            ("GOTRS_BASE_DOMAIN", BASE_DOMAIN.to_owned()),
            // Nobody asks for it here.
            ("GOTRS_CONSOLE", free_address()?.to_string()),
        ];
        let mut process =
            Service::start("control-plane", &["router"], &environment, folder, "router")?;
        process
            .wait_until_ready(&format!("http://{internal}/readyz"))
            .await?;
        Ok(Self {
            process,
            address,
            internal,
        })
    }

    /// What it answers at this tenant's address.
    async fn status(&self, name: &str) -> anyhow::Result<StatusCode> {
        let answer = Client::builder()
            .no_proxy()
            .build()?
            .get(format!("http://{}/", self.address))
            .header("host", format!("{name}.{BASE_DOMAIN}"))
            .timeout(PATIENCE)
            .send()
            .await?;
        Ok(answer.status())
    }

    /// How many hosts it knows.
    async fn hosts(&self) -> anyhow::Result<usize> {
        let client = Client::builder().no_proxy().build()?;
        let metrics = client
            .get(format!("http://{}/metrics", self.internal))
            .timeout(PATIENCE)
            .send()
            .await?
            .text()
            .await?;
        let hosts = metrics
            .lines()
            .find_map(|line| line.strip_prefix("router_hosts "))
            .context("no router_hosts")?;
        hosts.parse().context("router_hosts")
    }

    /// Waits until it knows so many: it hears of a change as any other watcher does.
    async fn comes_to_know(&self, hosts: usize) -> anyhow::Result<()> {
        let started = std::time::Instant::now();
        loop {
            let known = self.hosts().await?;
            if known == hosts {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the router knows {known} hosts of {hosts} tenants; {}",
                self.process.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

struct World<'a> {
    api: &'a ApiServer,
    url: String,
    folder: &'a Path,
    router: &'a Router,
}

impl World<'_> {
    async fn lives(&self) -> anyhow::Result<()> {
        let mut ids = Vec::new();
        let mut calls = 0;
        // One tenant for each number of calls; the last one is never disturbed.
        for number in 1..=MOST_CALLS {
            let name = format!("born-{number}");
            let id = self.create(&name).await?;
            let is_through = self
                .dies(&format!("{name}-birth"), number, || self.is_ready(&name))
                .await?;
            if !is_through {
                self.comes_to(&format!("{name}-birth"), || self.is_ready(&name))
                    .await?;
            }
            self.exactly_one(&name, &id)
                .await
                .with_context(|| format!("killed after call {number}"))?;
            self.is_routed(&name).await?;
            ids.push((name, id));
            // One for each of them, whatever they went through.
            self.router.comes_to_know(ids.len()).await?;
            if is_through {
                calls = number;
                break;
            }
        }
        ensure!(
            calls >= FEWEST_CALLS,
            "a tenant was ready after {calls} calls"
        );
        self.nothing_else(&ids).await?;
        self.ends(&mut ids, "Delete").await?;
        self.ends(&mut ids, "Retain").await
    }

    /// Deletes tenants, one for each number of calls.
    async fn ends(&self, ids: &mut Vec<(String, String)>, policy: &str) -> anyhow::Result<()> {
        for number in 1..=MOST_CALLS {
            let (name, id) = ids.pop().context("more calls than tenants")?;
            let path = tenant(&name);
            self.api
                .merge(
                    &path,
                    &json!({"spec": {"deletionPolicy": policy, "grace": "0s"}}),
                )
                .await?;
            self.api.delete(&path).await?;
            let is_through = self
                .dies(&format!("{name}-end"), number, || self.is_gone(&name))
                .await?;
            if !is_through {
                self.comes_to(&format!("{name}-end"), || self.is_gone(&name))
                    .await?;
            }
            let what = || format!("{name} ({policy}) killed after call {number}");
            let namespace = self
                .api
                .get(&format!("/api/v1/namespaces/tenant-{name}"))
                .await?;
            ensure!(namespace.is_none(), "{}: {namespace:?}", what());
            let (schemas, roles) = self.of_tenant(&id).await?;
            let signing_in = texts(&self.url, &format!(
                "SELECT rolname::text FROM pg_roles WHERE rolname LIKE 't\\_{id}%' AND rolcanlogin"
            )).await?;
            ensure!(signing_in.is_empty(), "{}: {signing_in:?}", what());
            self.router
                .comes_to_know(ids.len())
                .await
                .with_context(what)?;
            let answer = self.router.status(&name).await?;
            ensure!(answer == StatusCode::NOT_FOUND, "{}: {answer}", what());
            let left = if policy == "Delete" { (0, 0) } else { (1, 3) };
            ensure!(
                (schemas.len(), roles.len()) == left,
                "{}: {schemas:?} {roles:?}",
                what()
            );
            if is_through {
                ensure!(number > 5, "{policy}: gone after {number} calls");
                return Ok(());
            }
        }
        anyhow::bail!("{policy}: not through after {MOST_CALLS} calls")
    }

    async fn create(&self, name: &str) -> anyhow::Result<String> {
        let made = self
            .api
            .create(
                "/apis/gotrs.io/v1/tenants",
                &json!({
                    "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": name},
                    "spec": {
                        "slug": name, "plan": "team", "replicas": 2,
                        "administrator": {"email": "ada@acme.example"},
                    },
                }),
            )
            .await?;
        let uid = made["metadata"]["uid"].as_str().context("no uid")?;
        Ok(uid.replace('-', ""))
    }

    /// Runs an operator that aborts after so many calls; whether `through` came first.
    async fn dies<F: Future<Output = anyhow::Result<bool>>>(
        &self,
        name: &str,
        calls: u32,
        through: impl Fn() -> F,
    ) -> anyhow::Result<bool> {
        use std::os::unix::process::ExitStatusExt as _;
        let switch = ["--abort-after-calls".to_owned(), calls.to_string()];
        let mut operator = Operator::start(
            self.api,
            self.folder,
            &self.url,
            &format!("{name}-dies"),
            &switch,
        )?;
        let started = std::time::Instant::now();
        loop {
            if let Some(status) = operator.has_ended()? {
                ensure!(
                    status.signal() == Some(6),
                    "{name}: the operator ended with {status}:\n{}",
                    operator.log()
                );
                return Ok(false);
            }
            if through().await? {
                // It may be ready and still have calls to make, such as an Event.
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
                if operator.has_ended()?.is_none() {
                    operator.kill().await?;
                    return Ok(true);
                }
                continue;
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{name}: neither killed nor through:\n{}",
                operator.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// The next operator brings it to its end.
    async fn comes_to<F: Future<Output = anyhow::Result<bool>>>(
        &self,
        name: &str,
        end: impl Fn() -> F,
    ) -> anyhow::Result<()> {
        let operator = Operator::start(
            self.api,
            self.folder,
            &self.url,
            &format!("{name}-goes-on"),
            &[],
        )?;
        let started = std::time::Instant::now();
        while !end().await? {
            ensure!(
                started.elapsed() < PATIENCE,
                "{name}: does not come to its end:\n{}",
                operator.log()
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        operator.kill().await
    }

    async fn is_ready(&self, name: &str) -> anyhow::Result<bool> {
        let found = self
            .api
            .get(&tenant(name))
            .await?
            .context("the Tenant is there")?;
        Ok(found["status"]["conditions"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|condition| condition["type"] == "Ready" && condition["status"] == "True"))
    }

    /// Its address is known, though no pod is there to serve it, and the Tenant says so.
    async fn is_routed(&self, name: &str) -> anyhow::Result<()> {
        let started = std::time::Instant::now();
        loop {
            let found = self.api.get(&tenant(name)).await?.context("it is gone")?;
            let mut conditions = found["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten();
            if conditions
                .any(|condition| condition["type"] == "Routed" && condition["status"] == "True")
            {
                break;
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{name} is not routed: {found:#}"
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        let answer = self.router.status(name).await?;
        ensure!(
            answer == StatusCode::SERVICE_UNAVAILABLE,
            "{name}: {answer}"
        );
        Ok(())
    }

    async fn is_gone(&self, name: &str) -> anyhow::Result<bool> {
        Ok(self.api.get(&tenant(name)).await?.is_none())
    }

    /// One namespace with one Deployment; one schema, three roles, one administrator; passwords that open the database.
    async fn exactly_one(&self, name: &str, id: &str) -> anyhow::Result<()> {
        let namespace = format!("tenant-{name}");
        let deployments = self
            .items(&format!("/apis/apps/v1/namespaces/{namespace}/deployments"))
            .await?;
        ensure!(deployments.len() == 1, "{deployments:?}");
        let policies = self
            .items(&format!(
                "/apis/networking.k8s.io/v1/namespaces/{namespace}/networkpolicies"
            ))
            .await?;
        ensure!(policies.len() == 2, "{policies:?}");
        let (schemas, roles) = self.of_tenant(id).await?;
        ensure!(schemas == [format!("t_{id}")], "{schemas:?}");
        ensure!(
            roles == ["lambda", "owner", "runtime"].map(|role| format!("t_{id}_{role}")),
            "{roles:?}"
        );
        let administrators = texts(
            &self.url,
            &format!("SELECT login::text FROM t_{id}.users WHERE login = 'ada@acme.example'"),
        )
        .await?;
        ensure!(administrators.len() == 1, "{administrators:?}");
        let secrets = format!("/api/v1/namespaces/{namespace}/secrets");
        self.api
            .get(&format!("{secrets}/administrator"))
            .await?
            .context("the administrator's Secret")?;
        let secret = self
            .api
            .get(&format!("{secrets}/runtime"))
            .await?
            .context("the runtimes' Secret")?;
        for (entry, role) in [
            ("database-url", "runtime"),
            ("lambda-database-url", "lambda"),
        ] {
            let url = entry_of(&secret, entry)?;
            let user = texts(&url, "SELECT current_user::text").await?;
            ensure!(user == [format!("t_{id}_{role}")], "{user:?}");
        }
        Ok(())
    }

    /// No schema, role or namespace beside those of these tenants.
    async fn nothing_else(&self, ids: &[(String, String)]) -> anyhow::Result<()> {
        let schemas = texts(
            &self.url,
            "SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 't\\_%'",
        )
        .await?;
        ensure!(
            schemas.len() == ids.len(),
            "{} schemas of {} tenants",
            schemas.len(),
            ids.len()
        );
        let namespaces = self
            .items("/api/v1/namespaces?labelSelector=app.kubernetes.io/managed-by=gotrs-operator")
            .await?;
        ensure!(
            namespaces.len() == ids.len(),
            "{} namespaces of {} tenants",
            namespaces.len(),
            ids.len()
        );
        Ok(())
    }

    async fn of_tenant(&self, id: &str) -> anyhow::Result<(Vec<String>, Vec<String>)> {
        let schemas =
            format!("SELECT nspname::text FROM pg_namespace WHERE nspname LIKE 't\\_{id}%'");
        let roles =
            format!("SELECT rolname::text FROM pg_roles WHERE rolname LIKE 't\\_{id}%' ORDER BY 1");
        Ok((
            texts(&self.url, &schemas).await?,
            texts(&self.url, &roles).await?,
        ))
    }

    async fn items(&self, path: &str) -> anyhow::Result<Vec<String>> {
        let list = self.api.get(path).await?.context("a list")?;
        Ok(list["items"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|item| item["metadata"]["name"].as_str().map(str::to_owned))
            .collect())
    }
}

fn tenant(name: &str) -> String {
    format!("/apis/gotrs.io/v1/tenants/{name}")
}

fn entry_of(secret: &Value, key: &str) -> anyhow::Result<String> {
    let encoded = secret["data"][key]
        .as_str()
        .with_context(|| format!("no {key}"))?;
    Ok(String::from_utf8(BASE64_STANDARD.decode(encoded)?)?)
}
