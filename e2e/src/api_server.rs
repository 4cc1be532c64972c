//! A Kubernetes API without machines: a real etcd and a real kube-apiserver on loopback ports of their own.
//!
//! What is true here is what is stored: admission, validation, server-side apply, watches and CEL rules are those of a cluster.
//! Nothing runs: there is no kubelet, no scheduler and no controller, so no pod ever exists. What these would do is faked:
//! [`ApiServer::fake_pods`] writes the status of each Deployment as if all of its pods were ready, and
//! [`ApiServer::fake_ends_of_namespaces`] empties and releases a namespace that is being deleted (the real controller waits five
//! seconds before each).
//! It shares nothing with the one cluster of `e2e/kubernetes/cluster`; any number of these may run beside it.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use futures_util::StreamExt as _;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use reqwest::{Certificate, Client, Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::sync::mpsc;

use crate::platform::PATIENCE;

/// Who asks as the tests: may do everything.
const ADMINISTRATOR: &str = "administrator";
/// Who asks as the operator: a service account like that of the chart, so that priority and fairness treat it as such.
const OPERATOR: &str = "operator";
/// The user behind the token of [`OPERATOR`], as the audit log names it.
const OPERATOR_USER: &str = "system:serviceaccount:gotrs-system:gotrs-operator";
/// Where the operator of these tests lives: its Lease is there.
pub const PLATFORM: &str = "gotrs-system";
const MERGE: &str = "application/merge-patch+json";
/// Objects about which is faked at once.
const FAKED_AT_ONCE: usize = 8;
/// What the operator makes in a namespace.
const EMPTIED: [(&str, &str); 8] = [
    ("/apis/apps/v1", "deployments"),
    ("/apis/autoscaling/v2", "horizontalpodautoscalers"),
    ("/apis/policy/v1", "poddisruptionbudgets"),
    ("/apis/networking.k8s.io/v1", "networkpolicies"),
    ("/api/v1", "secrets"),
    ("/api/v1", "serviceaccounts"),
    ("/api/v1", "resourcequotas"),
    ("/api/v1", "limitranges"),
];

/// Whether and where the servers are installed.
#[derive(Debug, Clone)]
pub struct Programs {
    etcd: PathBuf,
    api_server: PathBuf,
}

impl Programs {
    /// What `e2e/kubernetes/build` has made, and Debian's etcd. An error where something is missing: a test that did not run did not
    /// pass. Who runs many looks beforehand and leaves these out (`scripts/test` does, and says so).
    pub fn find() -> anyhow::Result<Self> {
        let pinned =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("kubernetes/components/kubernetes/go.mod");
        let version = std::fs::read_to_string(&pinned)
            .with_context(|| format!("reading {}", pinned.display()))?
            .lines()
            .find_map(|line| {
                line.strip_prefix("require k8s.io/kubernetes ")
                    .map(str::to_owned)
            })
            .context("no version of Kubernetes is pinned")?;
        let cache = match (
            variable("GOTRS_KUBERNETES_CACHE"),
            variable("XDG_CACHE_HOME"),
            variable("HOME"),
        ) {
            (Some(cache), ..) => PathBuf::from(cache),
            (None, Some(cache), _) => Path::new(&cache).join("gotrs-cloud"),
            (None, None, Some(home)) => Path::new(&home).join(".cache/gotrs-cloud"),
            (None, None, None) => bail!("there is no cache folder without HOME"),
        };
        let built = cache.join("kubernetes").join(version);
        let of_kubernetes = |name: &str| {
            let path = built.join(name);
            ensure!(
                path.exists(),
                "there is no {}: run e2e/kubernetes/build",
                path.display()
            );
            Ok(path)
        };
        let etcd = variable("PATH")
            .unwrap_or_default()
            .split(':')
            .map(|folder| Path::new(folder).join("etcd"))
            .find(|path| path.exists())
            .context("there is no etcd: apt-get install etcd-server")?;
        Ok(Self {
            etcd,
            api_server: of_kubernetes("kube-apiserver")?,
        })
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test has no command line of its own"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Running servers; ended when dropped, and by the kernel should this process be killed.
#[derive(Debug)]
pub struct ApiServer {
    /// Asks as administrator.
    client: Client,
    url: String,
    folder: TempDir,
    /// In the order in which they are ended.
    processes: Vec<Child>,
}

impl ApiServer {
    /// Starts both, waits until they answer, and installs the definitions of our resources.
    pub async fn start(programs: &Programs) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gotrs-api-").tempdir()?;
        certificates(folder.path()).await?;
        let [etcd_port, peer_port, port] = free_ports()?;
        let url = format!("https://127.0.0.1:{port}");
        let mut server = Self {
            client: client(folder.path())?,
            url,
            folder,
            processes: Vec::new(),
        };
        for (user, name) in [
            (ADMINISTRATOR, "administrator.kubeconfig"),
            (OPERATOR, "operator.kubeconfig"),
        ] {
            std::fs::write(server.path(name), server.kubeconfig(user).to_string())?;
        }
        std::fs::write(
            server.path("tokens.csv"),
            format!(
                "{ADMINISTRATOR},administrator,1,system:masters\n\
             {OPERATOR},{OPERATOR_USER},2,\"system:serviceaccounts,system:serviceaccounts:{PLATFORM}\"\n"
            ),
        )?;
        std::fs::write(
            server.path("audit.json"),
            json!({
                "apiVersion": "audit.k8s.io/v1", "kind": "Policy",
                "omitStages": ["RequestReceived", "ResponseStarted"],
                "rules": [{"level": "Metadata", "users": [OPERATOR_USER]}, {"level": "None"}],
            })
            .to_string(),
        )?;
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let peer_url = format!("http://127.0.0.1:{peer_port}");
        let mut etcd = Command::new(&programs.etcd);
        // Nothing in it outlives the test, so nothing is waited for.
        etcd.arg("--unsafe-no-fsync")
            .arg("--data-dir")
            .arg(server.path("etcd"))
            .args([
                "--listen-client-urls",
                &etcd_url,
                "--advertise-client-urls",
                &etcd_url,
            ])
            .args([
                "--listen-peer-urls",
                &peer_url,
                "--initial-advertise-peer-urls",
                &peer_url,
            ])
            .args(["--initial-cluster", &format!("default={peer_url}")])
            .args(["--quota-backend-bytes", "4294967296"]);
        let etcd = server.launch("etcd", etcd)?;
        let mut api = Command::new(&programs.api_server);
        let file = |flag: &str, name: &str| format!("{flag}={}", server.path(name).display());
        api.arg(format!("--etcd-servers={etcd_url}"))
            .args(["--bind-address=127.0.0.1", "--advertise-address=127.0.0.1"])
            .arg(format!("--secure-port={port}"))
            .arg(file("--tls-cert-file", "server.crt"))
            .arg(file("--tls-private-key-file", "server.key"))
            .arg(file("--token-auth-file", "tokens.csv"))
            .arg(file("--service-account-key-file", "accounts.key"))
            .arg(file("--service-account-signing-key-file", "accounts.key"))
            .arg("--service-account-issuer=https://kubernetes.default.svc.cluster.local")
            .arg("--service-cluster-ip-range=10.96.0.0/16")
            .arg("--authorization-mode=RBAC")
            .arg(file("--audit-policy-file", "audit.json"))
            .arg(file("--audit-log-path", "audit.log"));
        let api = server.launch("kube-apiserver", api)?;
        server.processes = vec![api, etcd];
        server.wait_until_ready().await?;
        server.furnish().await?;
        Ok(server)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn kubeconfig(&self, user: &str) -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": self.url, "certificate-authority": self.path("authority.crt"),
            }}],
            "users": [{"name": user, "user": {"token": user}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        })
    }

    fn launch(&self, name: &str, command: Command) -> anyhow::Result<Child> {
        crate::operator::launch(command, &self.path(&format!("{name}.log")))
            .with_context(|| format!("starting {name}"))
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            for process in &mut self.processes {
                if let Some(status) = process.try_wait()? {
                    bail!("a server ended with {status}; its log:\n{}", self.logs());
                }
            }
            let answer = self
                .client
                .get(format!("{}/readyz", self.url))
                .bearer_auth(ADMINISTRATOR)
                .send()
                .await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the API server is not ready; the logs:\n{}",
                self.logs()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// The ends of the servers' logs.
    fn logs(&self) -> String {
        ["etcd", "kube-apiserver"]
            .map(|name| {
                let text =
                    std::fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
                let lines: Vec<&str> = text.lines().rev().take(20).collect();
                format!(
                    "{name}:\n{}\n",
                    lines.into_iter().rev().collect::<Vec<_>>().join("\n")
                )
            })
            .concat()
    }

    /// The platform's namespace, the operator's rights and the definition of Tenants.
    async fn furnish(&self) -> anyhow::Result<()> {
        self.create(
            "/api/v1/namespaces",
            &json!({"metadata": {"name": PLATFORM}}),
        )
        .await?;
        // What the chart gives is tried on the cluster; here the question is what the operator does.
        self.create(
            "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
            &json!({
                "metadata": {"name": "operator"},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
                "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": OPERATOR_USER}],
            }),
        )
        .await?;
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/gotrs-cloud/crds");
        for file in
            std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?
        {
            let file = file?.path();
            let text = std::fs::read_to_string(&file)?;
            let name = text
                .lines()
                .find_map(|line| line.strip_prefix("  name: "))
                .with_context(|| format!("{} has no name", file.display()))?;
            let url = format!(
                "{}/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{name}?fieldManager=test",
                self.url
            );
            let request = self
                .client
                .patch(url)
                .header(CONTENT_TYPE, "application/apply-patch+yaml")
                .bearer_auth(ADMINISTRATOR);
            request.body(text).send().await?.error_for_status()?;
        }
        let started = Instant::now();
        while self
            .get("/apis/gotrs.io/v1/tenants?limit=1")
            .await?
            .is_none()
        {
            ensure!(
                started.elapsed() < PATIENCE,
                "the definition of Tenants is not served"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// What the operator's `KUBECONFIG` is.
    pub fn operator_kubeconfig(&self) -> PathBuf {
        self.path("operator.kubeconfig")
    }

    /// Reads an object or a list; `None` when there is none.
    pub async fn get(&self, path: &str) -> anyhow::Result<Option<Value>> {
        let (status, body) = self.call(Method::GET, path, "", None).await?;
        match status {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(body)),
            status => bail!("GET {path}: {status} {body}"),
        }
    }

    /// What `kubectl get` prints of an object or a list, in the server's own columns.
    pub async fn table(&self, path: &str) -> anyhow::Result<Value> {
        let answer = self
            .client
            .get(format!("{}{path}", self.url))
            .bearer_auth(ADMINISTRATOR)
            .header(ACCEPT, "application/json;as=Table;v=v1;g=meta.k8s.io")
            .timeout(PATIENCE)
            .send()
            .await?
            .error_for_status()?;
        serde_json::from_str(&answer.text().await?).context("reading a table")
    }

    /// Creates an object in a collection.
    pub async fn create(&self, path: &str, object: &Value) -> anyhow::Result<Value> {
        self.change(Method::POST, path, "application/json", Some(object))
            .await
    }

    /// Changes an object by a merge patch.
    pub async fn merge(&self, path: &str, patch: &Value) -> anyhow::Result<Value> {
        self.change(Method::PATCH, path, MERGE, Some(patch)).await
    }

    /// Deletes an object.
    pub async fn delete(&self, path: &str) -> anyhow::Result<Value> {
        self.change(Method::DELETE, path, "", None).await
    }

    async fn change(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<Value> {
        let (status, answer) = self.call(method.clone(), path, kind, body).await?;
        ensure!(status.is_success(), "{method} {path}: {status} {answer}");
        Ok(answer)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        kind: &str,
        body: Option<&Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self
            .client
            .request(method, format!("{}{path}", self.url))
            .bearer_auth(ADMINISTRATOR);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, kind).body(body.to_string());
        }
        let answer = request.timeout(PATIENCE).send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        Ok((
            status,
            serde_json::from_str(&text).unwrap_or(Value::String(text)),
        ))
    }

    /// Calls `seen` with each object of a collection that is there, added, changed or removed (and the word for it), until
    /// it is dropped or the server ends the watch.
    pub async fn watch(&self, path: &str, mut seen: impl FnMut(&str, Value)) -> anyhow::Result<()> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let url = format!("{}{path}{separator}watch=1&timeoutSeconds=3600", self.url);
        let answer = self
            .client
            .get(url)
            .bearer_auth(ADMINISTRATOR)
            .send()
            .await?
            .error_for_status()?;
        let mut pieces = answer.bytes_stream();
        let mut line = Vec::new();
        while let Some(piece) = pieces.next().await {
            for part in piece?.split_inclusive(|byte| *byte == b'\n') {
                line.extend_from_slice(part);
                if line.ends_with(b"\n") {
                    let mut event: Value = serde_json::from_slice(&line)?;
                    line.clear();
                    let object = event["object"].take();
                    seen(event["type"].as_str().unwrap_or_default(), object);
                }
            }
        }
        bail!("the watch of {path} has ended")
    }

    /// Reports of every Deployment what its controller would, were all of its pods ready at once; until it is dropped.
    /// `changed` hears of each Deployment beforehand.
    pub async fn fake_pods(&self, mut changed: impl FnMut(&Value)) -> anyhow::Result<()> {
        // As many as there are Deployments may wait.
        let (due, mut todo) = mpsc::unbounded_channel();
        let watching = self.watch("/apis/apps/v1/deployments", |event, deployment| {
            changed(&deployment);
            if event != "DELETED" {
                due.send(deployment).ok();
            }
        });
        let todo = futures_util::stream::poll_fn(move |context| todo.poll_recv(context));
        let reporting = todo.for_each_concurrent(FAKED_AT_ONCE, |deployment| async move {
            let wanted = faked_status(&deployment);
            if wanted == deployment["status"] || is_contained(&wanted, &deployment["status"]) {
                return;
            }
            let metadata = &deployment["metadata"];
            let (namespace, name) = (text(&metadata["namespace"]), text(&metadata["name"]));
            let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}/status");
            // Gone or changed meanwhile: then another event follows.
            self.merge(
                &path,
                &json!({"metadata": {"uid": metadata["uid"]}, "status": wanted}),
            )
            .await
            .ok();
        });
        tokio::select! {
            ended = watching => ended,
            () = reporting => bail!("nothing is reported any more"),
        }
    }

    /// Ends namespaces that are being deleted, with all of the operator's objects in them; until it is dropped.
    pub async fn fake_ends_of_namespaces(&self) -> anyhow::Result<()> {
        let (due, mut todo) = mpsc::unbounded_channel();
        let watching = self.watch("/api/v1/namespaces", |event, namespace| {
            let is_ending = namespace["metadata"]["deletionTimestamp"].is_string();
            if is_ending && event != "DELETED" {
                due.send(text(&namespace["metadata"]["name"]).to_owned())
                    .ok();
            }
        });
        let todo = futures_util::stream::poll_fn(move |context| todo.poll_recv(context));
        let ending = todo.for_each_concurrent(FAKED_AT_ONCE, |namespace| async move {
            for collection in EMPTIED {
                let (group, resource) = collection;
                let path = format!("{group}/namespaces/{namespace}/{resource}");
                self.delete(&path).await.ok();
            }
            let path = format!("/api/v1/namespaces/{namespace}");
            // Gone meanwhile: two events speak of the same end.
            if let Ok(Some(mut object)) = self.get(&path).await {
                object["spec"]["finalizers"] = json!([]);
                let path = format!("{path}/finalize");
                self.change(Method::PUT, &path, "application/json", Some(&object))
                    .await
                    .ok();
            }
        });
        tokio::select! {
            ended = watching => ended,
            () = ending => bail!("no namespace is ended any more"),
        }
    }

    /// What the operator asked for so far, in the order of the answers; a watch is among it once it has ended.
    pub fn calls_of_the_operator(&self) -> anyhow::Result<Vec<Call>> {
        let log =
            std::fs::read_to_string(self.path("audit.log")).context("reading the audit log")?;
        let calls = log.lines().filter_map(|line| {
            // The last line may be half written.
            let entry: Value = serde_json::from_str(line).ok()?;
            let (object, of) = (&entry["objectRef"], |value: &Value| text(value).to_owned());
            Some(Call {
                verb: of(&entry["verb"]),
                resource: of(&object["resource"]),
                namespace: of(&object["namespace"]),
                name: of(&object["name"]),
                received: of(&entry["requestReceivedTimestamp"]),
                answered: of(&entry["stageTimestamp"]),
            })
        });
        Ok(calls.collect())
    }

    /// How many these are, by verb.
    pub fn requests_of_the_operator(&self) -> anyhow::Result<Requests> {
        let mut requests = Requests::default();
        for call in self.calls_of_the_operator()? {
            let counter = match call.verb.as_str() {
                _ if call.resource == "leases" => &mut requests.lease,
                "get" | "list" | "watch" => &mut requests.reads,
                _ => &mut requests.writes,
            };
            *counter += 1;
        }
        Ok(requests)
    }

    /// Ends everything, without grace: nothing of it is kept.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        for process in &mut self.processes {
            process.kill().await?;
        }
        Ok(())
    }
}

/// One call of the operator, as the API server wrote it down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// Such as `patch`.
    pub verb: String,
    /// Of which kind, such as `deployments`.
    pub resource: String,
    /// Where; empty for what is in none.
    pub namespace: String,
    /// Which; empty for a collection.
    pub name: String,
    /// When it came and when it was answered: texts that sort as times do.
    pub received: String,
    /// See `received`.
    pub answered: String,
}

/// What the operator asked of the API server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Requests {
    /// For its Lease.
    pub lease: usize,
    /// Gets, lists and watches.
    pub reads: usize,
    /// Everything else.
    pub writes: usize,
}

impl Requests {
    /// What came in addition since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            lease: self.lease - earlier.lease,
            reads: self.reads - earlier.reads,
            writes: self.writes - earlier.writes,
        }
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn faked_status(deployment: &Value) -> Value {
    let replicas = deployment["spec"]["replicas"].as_i64().unwrap_or(1);
    json!({
        "observedGeneration": deployment["metadata"]["generation"],
        "replicas": replicas, "updatedReplicas": replicas, "readyReplicas": replicas, "availableReplicas": replicas,
    })
}

/// Whether each entry of `part` is so in `whole`; numbers that are zero are left out there.
fn is_contained(part: &Value, whole: &Value) -> bool {
    part.as_object()
        .into_iter()
        .flatten()
        .all(|(key, value)| whole[key] == *value || (value == 0 && whole[key].is_null()))
}

fn free_ports<const COUNT: usize>() -> anyhow::Result<[u16; COUNT]> {
    // All are held until all are known: none comes twice.
    let mut held = Vec::with_capacity(COUNT);
    let mut ports = [0; COUNT];
    for port in &mut ports {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// An authority, the server's key pair and the key of service accounts' tokens.
async fn certificates(folder: &Path) -> anyhow::Result<()> {
    const SCRIPT: &str = "set -eu; umask 077
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=gotrs-test \
  -addext keyUsage=critical,keyCertSign,digitalSignature -keyout authority.key -out authority.crt
openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=kube-apiserver \
  -addext subjectAltName=IP:127.0.0.1 -keyout server.key -out server.csr
openssl x509 -req -in server.csr -days 2 -out server.crt -CA authority.crt -CAkey authority.key -CAcreateserial -copy_extensions copy
openssl ecparam -name prime256v1 -genkey -noout -out accounts.key";
    let output = Command::new("sh")
        .args(["-c", SCRIPT])
        .current_dir(folder)
        .stdin(Stdio::null())
        .output()
        .await
        .context("starting openssl")?;
    ensure!(
        output.status.success(),
        "openssl: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

fn client(folder: &Path) -> anyhow::Result<Client> {
    let authority = std::fs::read(folder.join("authority.crt"))?;
    Client::builder()
        .no_proxy()
        .tls_certs_only([Certificate::from_pem(&authority)?])
        .build()
        .context("making an HTTP client")
}
