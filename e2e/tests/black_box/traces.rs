//! One trace from a person's request to the process that was started for it: real programs that export to a real collector.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::prelude::{BASE64_STANDARD, Engine as _};
use e2e::api_server::{ApiServer, PLATFORM, Programs};
use e2e::collector::Collector;
use e2e::operator::{Difference, Operator};
use e2e::platform::{PATIENCE, Platform, free_address, json as read_json};
use e2e::service::Service;
use e2e::tenant::{PASSWORD, email};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use test_kit::postgres::TestDatabase;
use test_kit::s3::TestS3;

/// Of the person's browser, say: trace and span that nobody here has made.
const SIGNUP: [&str; 2] = ["4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"];
const VISIT: [&str; 2] = ["0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"];
const CONSOLE_HOST: &str = "example.test";
const TENANT_HOST: &str = "acme.example.test";
const NAMESPACE: &str = "/api/v1/namespaces/tenant-acme";

fn trace_parent([trace, span]: [&str; 2]) -> String {
    format!("00-{trace}-{span}-01")
}

/// What every process is told, so that its spans arrive while the test waits.
fn tracing(collector: &Collector) -> Vec<(&'static str, String)> {
    vec![
        ("GOTRS_OTLP_ENDPOINT", collector.endpoint()),
        ("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()),
    ]
}

#[tokio::test]
async fn on_kubernetes_a_signup_is_one_trace_up_to_the_runtime() -> anyhow::Result<()> {
    let programs = Programs::find()?;
    let api = ApiServer::start(&programs).await?;
    let (tenants, accounts) = (TestDatabase::create().await?, TestDatabase::create().await?);
    let folder = e2e::platform::folder()?;
    let cluster = Cluster {
        api: &api,
        collector: Collector::start().await?,
        objects: TestS3::start().await?,
        folder: folder.path(),
        control_plane: free_address()?,
        router: free_address()?,
        runtime: free_address()?,
    };
    cluster.run(&tenants.url(), &accounts.url()).await?;
    api.stop().await?;
    tenants.drop_database().await?;
    accounts.drop_database().await
}

struct Cluster<'a> {
    api: &'a ApiServer,
    collector: Collector,
    objects: TestS3,
    folder: &'a Path,
    control_plane: SocketAddr,
    router: SocketAddr,
    /// Where what would be the tenant's pod listens.
    runtime: SocketAddr,
}

impl Cluster<'_> {
    async fn run(&self, tenants: &str, accounts: &str) -> anyhow::Result<()> {
        let control_plane = self.start_control_plane(accounts).await?;
        let router = self.start_router().await?;
        let operator = self.start_operator(tenants).await?;

        self.sign_up().await?;
        let runtime = self.be_the_kubelet().await?;
        self.serves().await?;
        let visited = self
            .request(Method::GET, TENANT_HOST, "/login")
            .header("traceparent", trace_parent(VISIT))
            .send()
            .await?;
        ensure!(visited.status().is_success(), "{}", visited.status());

        let ancestry = async |trace: [&str; 2], service: &str, name: &str| {
            self.collector
                .ancestry(trace[0], service, name, trace[1])
                .await
        };
        let request = ["control-plane/request", "router/route"];
        // The request wrote down where it was; operator and runtime went on from there.
        let reconcile = ancestry(SIGNUP, "operator", "reconcile").await?;
        ensure!(
            reconcile == ["operator/reconcile", request[0], request[1]],
            "{reconcile:?}"
        );
        let start = ancestry(SIGNUP, "tenant-runtime", "start").await?;
        ensure!(
            start == ["tenant-runtime/start", request[0], request[1]],
            "{start:?}"
        );
        let spans = self.collector.of_trace(SIGNUP[0]);
        for (service, name) in [("operator", "reconcile"), ("tenant-runtime", "start")] {
            let of = spans
                .iter()
                .find(|span| span.service == service && span.name == name)
                .and_then(|span| span.attributes.get("tenant.slug"));
            ensure!(of.is_some_and(|slug| slug == "acme"), "{service}: {of:?}");
        }
        // What somebody does later is a trace of its own, through the router into the runtime.
        let visit = ancestry(VISIT, "tenant-runtime", "request").await?;
        ensure!(
            visit == ["tenant-runtime/request", "router/route"],
            "{visit:?}"
        );
        let mixed = self.collector.of_trace(VISIT[0]);
        ensure!(
            mixed
                .iter()
                .all(|span| span.service != "control-plane" && span.service != "operator"),
            "{mixed:?}"
        );

        runtime.stop().await?;
        operator.stop().await?;
        router.stop().await?;
        control_plane.stop().await
    }

    async fn start_control_plane(&self, database: &str) -> anyhow::Result<Service> {
        let internal = free_address()?;
        let mut environment = vec![
            ("KUBECONFIG", self.kubeconfig()),
            ("GOTRS_DATABASE_URL", database.to_owned()),
            ("GOTRS_SECRET_KEY", "k".repeat(32)),
            ("GOTRS_LISTEN", self.control_plane.to_string()),
            ("GOTRS_INTERNAL_LISTEN", internal.to_string()),
            ("GOTRS_NAMESPACE", PLATFORM.to_owned()),
            ("GOTRS_BASE_DOMAIN", CONSOLE_HOST.to_owned()),
            ("GOTRS_PUBLIC_URL", format!("http://{CONSOLE_HOST}")),
            (
                "GOTRS_MAILBOX",
                self.folder.join("mails").display().to_string(),
            ),
            ("GOTRS_S3_ENDPOINT", self.objects.endpoint()),
            ("GOTRS_S3_BUCKET", "gotrs".to_owned()),
            ("GOTRS_S3_ACCESS_KEY_ID", TestS3::ACCESS_KEY_ID.to_owned()),
            (
                "GOTRS_S3_SECRET_ACCESS_KEY",
                TestS3::SECRET_ACCESS_KEY.to_owned(),
            ),
        ];
        environment.extend(tracing(&self.collector));
        let start = |command, name| {
            Service::start("control-plane", &[command], &environment, self.folder, name)
        };
        start("migrate", "migrate")?.ended().await?;
        let mut control_plane = start("serve", "control-plane")?;
        control_plane
            .wait_until_ready(&format!("http://{internal}/readyz"))
            .await?;
        Ok(control_plane)
    }

    async fn start_router(&self) -> anyhow::Result<Service> {
        let internal = free_address()?;
        let mut environment = vec![
            ("KUBECONFIG", self.kubeconfig()),
            ("GOTRS_LISTEN", self.router.to_string()),
            ("GOTRS_INTERNAL_LISTEN", internal.to_string()),
            ("GOTRS_BASE_DOMAIN", CONSOLE_HOST.to_owned()),
            ("GOTRS_CONSOLE", self.control_plane.to_string()),
        ];
        environment.extend(tracing(&self.collector));
        let mut router = Service::start(
            "control-plane",
            &["router"],
            &environment,
            self.folder,
            "router",
        )?;
        router
            .wait_until_ready(&format!("http://{internal}/readyz"))
            .await?;
        Ok(router)
    }

    async fn start_operator(&self, database: &str) -> anyhow::Result<Operator> {
        let cluster = json!({
            "otlpEndpoint": self.collector.endpoint(),
            "controlPlane": {
                "url": format!("http://{}", self.control_plane),
                "port": self.control_plane.port(),
            },
        });
        let difference = Difference {
            cluster: cluster.as_object().cloned().unwrap_or_default(),
            environment: tracing(&self.collector),
        };
        let mut operator =
            Operator::start_with(self.api, self.folder, database, "operator", &[], difference)?;
        operator.wait_until_leading().await?;
        Ok(operator)
    }

    fn kubeconfig(&self) -> String {
        self.api.operator_kubeconfig().display().to_string()
    }

    /// To the router.
    fn request(&self, method: Method, host: &str, path: &str) -> RequestBuilder {
        Client::new()
            .request(method, format!("http://{}{path}", self.router))
            .timeout(PATIENCE)
            .header("host", host)
    }

    /// Signs up; the link in the mail is what makes the tenant, so that request is the one whose trace goes on.
    async fn sign_up(&self) -> anyhow::Result<()> {
        let answer = self
            .request(Method::POST, CONSOLE_HOST, "/v1/signup")
            .json(&json!({
                "organization": "Acme", "slug": "acme", "email": email("acme"), "password": PASSWORD, "plan": "team",
            }))
            .send()
            .await?;
        ensure!(answer.status() == 201, "signup: {}", answer.text().await?);
        let token = eventually("the mail arrives", async || {
            let mails = self
                .request(Method::GET, CONSOLE_HOST, "/dev/mail")
                .header("accept", "application/json")
                .send()
                .await?;
            let text = read_json(mails).await?.to_string();
            Ok(text.split_once("/signup/verify?token=").map(|(_, rest)| {
                rest.chars()
                    .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                    .collect::<String>()
            }))
        })
        .await?;
        let answer = self
            .request(Method::POST, CONSOLE_HOST, "/v1/signup/verify")
            .header("traceparent", trace_parent(SIGNUP))
            .json(&json!({ "token": token }))
            .send()
            .await?;
        ensure!(answer.status() == 200, "verify: {}", answer.text().await?);
        Ok(())
    }

    /// Starts the runtime just as the tenant's Deployment and Secret say, and reports its pod and Deployment when it is ready.
    async fn be_the_kubelet(&self) -> anyhow::Result<Service> {
        let deployments = "/apis/apps/v1/namespaces/tenant-acme/deployments/runtime";
        let deployment = eventually("the Deployment", async || {
            let found = self.api.get(deployments).await?;
            Ok(found.filter(|deployment| deployment["spec"]["replicas"] == 1))
        })
        .await?;
        let template = &deployment["spec"]["template"];
        let container = &template["spec"]["containers"][0];
        let mounted = |name: &str| {
            let mounts = container["volumeMounts"].as_array().into_iter().flatten();
            mounts
                .filter(|mount| mount["name"] == name)
                .find_map(|mount| mount["mountPath"].as_str())
                .with_context(|| format!("nothing is mounted as {name}"))
        };
        let root = self.folder.join("pod");
        let inside = |path: &str| root.join(path.trim_start_matches('/'));
        let secret = self
            .api
            .get(&format!("{NAMESPACE}/secrets/runtime"))
            .await?
            .context("the runtimes' Secret")?;
        for volume in ["database", "token", "data"] {
            std::fs::create_dir_all(inside(mounted(volume)?))?;
        }
        let volumes = template["spec"]["volumes"].as_array().into_iter().flatten();
        let items = volumes
            .filter(|volume| volume["name"] == "database")
            .flat_map(|volume| volume["secret"]["items"].as_array().into_iter().flatten());
        for item in items {
            let (key, path) = (text(&item["key"])?, text(&item["path"])?);
            let value = BASE64_STANDARD.decode(text(&secret["data"][key])?)?;
            std::fs::write(inside(mounted("database")?).join(path), value)?;
        }
        let token = self
            .api
            .create(
                &format!("{NAMESPACE}/serviceaccounts/runtime/token"),
                &json!({"spec": {"audiences": ["gotrs-control-plane"], "expirationSeconds": 3600}}),
            )
            .await?;
        std::fs::write(
            inside(mounted("token")?).join("token"),
            text(&token["status"]["token"])?,
        )?;

        let internal = free_address()?;
        let mut environment = Vec::new();
        for variable in container["env"].as_array().into_iter().flatten() {
            let name = text(&variable["name"])?;
            let value = match name {
                "GOTRS_LISTEN" => self.runtime.to_string(),
                "GOTRS_INTERNAL_LISTEN" => internal.to_string(),
                "GOTRS_INSTANCE" => "runtime-0".to_owned(),
                _ => match text(&variable["value"])? {
                    path if path.starts_with('/') => inside(path).display().to_string(),
                    value => value.to_owned(),
                },
            };
            environment.push((name, value));
        }
        environment.push(("OTEL_BSP_SCHEDULE_DELAY", "100".to_owned()));
        let mut runtime =
            Service::start("tenant-runtime", &[], &environment, self.folder, "runtime")?;
        runtime
            .wait_until_ready(&format!("http://{internal}/readyz"))
            .await?;

        let mut pod = json!({
            "metadata": {"name": "runtime-0", "labels": template["metadata"]["labels"]},
            "spec": template["spec"],
        });
        for port in pod["spec"]["containers"][0]["ports"]
            .as_array_mut()
            .into_iter()
            .flatten()
            .filter(|port| port["name"] == "http")
        {
            port["containerPort"] = json!(self.runtime.port());
        }
        self.api.create(&format!("{NAMESPACE}/pods"), &pod).await?;
        let status = json!({"status": {
            "phase": "Running", "podIP": "127.0.0.1", "podIPs": [{"ip": "127.0.0.1"}],
            "conditions": [{"type": "Ready", "status": "True"}],
        }});
        self.api
            .merge(&format!("{NAMESPACE}/pods/runtime-0/status"), &status)
            .await?;
        let status = json!({"status": {
            "observedGeneration": deployment["metadata"]["generation"],
            "replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1,
        }});
        self.api
            .merge(&format!("{deployments}/status"), &status)
            .await?;
        Ok(runtime)
    }

    /// Until the tenant is served through the router, and its Tenant says that it is ready.
    async fn serves(&self) -> anyhow::Result<()> {
        eventually("the tenant is served", async || {
            let answer = self
                .request(Method::GET, TENANT_HOST, "/login")
                .send()
                .await?;
            Ok(answer.status().is_success().then_some(()))
        })
        .await?;
        eventually("the Tenant is ready", async || {
            let tenant = self.api.get("/apis/gotrs.io/v1/tenants/acme").await?;
            let tenant = tenant.context("the Tenant is there")?;
            let mut conditions = tenant["status"]["conditions"]
                .as_array()
                .into_iter()
                .flatten();
            let is_ready = conditions
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            Ok(is_ready.then_some(()))
        })
        .await
    }
}

#[tokio::test]
async fn on_one_machine_a_signup_is_one_trace_up_to_the_runtime() -> anyhow::Result<()> {
    let collector = Collector::start().await?;
    let folder = e2e::platform::folder()?;
    let platform = Platform::start_with(&folder.path().join("data"), &tracing(&collector)).await?;
    platform
        .sign_up_traced("acme", &trace_parent(SIGNUP))
        .await?;
    let visited = platform
        .tenant("acme", Method::GET, "/login")
        .header("traceparent", trace_parent(VISIT))
        .send()
        .await?;
    ensure!(visited.status().is_success(), "{}", visited.status());
    // Control plane and router are one process here, the runtime another.
    let start = collector
        .ancestry(SIGNUP[0], "tenant-runtime", "start", SIGNUP[1])
        .await?;
    ensure!(
        start == ["tenant-runtime/start", "gotrs/request", "gotrs/route"],
        "{start:?}"
    );
    let visit = collector
        .ancestry(VISIT[0], "tenant-runtime", "request", VISIT[1])
        .await?;
    ensure!(
        visit == ["tenant-runtime/request", "gotrs/route"],
        "{visit:?}"
    );
    platform.stop().await
}

fn text(value: &Value) -> anyhow::Result<&str> {
    value
        .as_str()
        .with_context(|| format!("{value} is no text"))
}

/// Polls until `check` gives a value; its last error is told when it never does.
async fn eventually<T>(
    what: &str,
    check: impl AsyncFn() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = Instant::now();
    loop {
        let failure = match check().await {
            Ok(Some(value)) => return Ok(value),
            Ok(None) => None,
            Err(error) => Some(error),
        };
        ensure!(
            started.elapsed() < PATIENCE,
            "{what}: not within {PATIENCE:?}: {failure:?}"
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
