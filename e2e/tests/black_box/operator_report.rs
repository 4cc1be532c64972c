//! `operator report`, as it is called in the operator's pod: to standard output, with the rights of the chart and with the pod's settings.
//! The cluster test has the pod; here are a real API server that refuses, and a real database.

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use e2e::api_server::{ApiServer, Programs};
use e2e::operator::{self, Operator};
use e2e::platform::PATIENCE;
use serde_json::{Value, json};
use test_kit::postgres::TestDatabase;

const TENANT: &str = "/apis/gotrs.io/v1/tenants/acme";
const NAMESPACE: &str = "/api/v1/namespaces/tenant-acme";
const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/clusterroles";
const BINDINGS: &str = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings";

#[tokio::test]
async fn a_report_has_everything_but_secrets_with_the_rights_of_the_chart() -> anyhow::Result<()> {
    let programs = Programs::find()?;
    let api = ApiServer::start(&programs).await?;
    let database = TestDatabase::create().await?;
    let folder = tempfile::tempdir()?;
    let url = database.url();
    tokio::select! {
        ended = api.fake_pods(|_| {}) => ended?,
        done = make_tenant(&api, &url, folder.path()) => done?,
    }
    make_pod(&api).await?;
    let secrets = passwords(&api).await?;
    ensure!(secrets.len() == 5, "{} secrets", secrets.len());

    let bindings = format!("{BINDINGS}/operator");
    let binding = api.get(&bindings).await?.context("no binding")?;
    api.delete(&bindings).await?;
    let refused = until(&api, &url, folder.path(), |output| !output.status.success()).await?;
    let words = String::from_utf8_lossy(&refused.stderr).into_owned();
    ensure!(words.contains("reading the Tenant"), "{words}");
    ensure!(refused.stdout.is_empty(), "half an archive");

    let role = json!({"metadata": {"name": "of-the-chart"}, "rules": rules_of_the_chart()?});
    api.create(ROLES, &role).await?;
    let mut bound = json!({
        "metadata": {"name": "of-the-chart"},
        "roleRef": binding["roleRef"], "subjects": binding["subjects"],
    });
    bound["roleRef"]["name"] = json!("of-the-chart");
    api.create(BINDINGS, &bound).await?;
    let good = until(&api, &url, folder.path(), |output| output.status.success()).await?;
    let archive = String::from_utf8_lossy(&good.stdout);
    ensure!(
        !archive.contains("forbidden"),
        "a right is missing:\n{archive}"
    );
    for file in [
        "tenant.json",
        "namespaces.json",
        "deployments.json",
        "replicasets.json",
        "pods.json",
        "secrets.json",
        "events.json",
        "tenant-events.json",
        // Empty, since no node has the pod.
        "logs/runtime-0-current.log",
        "database.txt",
    ] {
        let path = format!("acme-report/{file}");
        ensure!(archive.contains(&path), "there is no {path}");
    }
    ensure!(archive.contains("as it should be"), "{archive}");
    ensure!(archive.contains("lambda-database-url"), "{archive}");
    for secret in &secrets {
        for written in [secret.clone(), BASE64_STANDARD.encode(secret)] {
            ensure!(!archive.contains(&written), "a secret got out:\n{archive}");
        }
    }
    api.stop().await?;
    database.drop_database().await
}

async fn make_tenant(api: &ApiServer, url: &str, folder: &Path) -> anyhow::Result<()> {
    let tenant = json!({
        "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": "acme"},
        "spec": {"slug": "acme", "administrator": {"email": "ada@acme.example"}},
    });
    api.create("/apis/gotrs.io/v1/tenants", &tenant).await?;
    let operator = Operator::start(api, folder, url, "report", &[])?;
    let started = Instant::now();
    loop {
        let tenant = api.get(TENANT).await?.context("no Tenant")?;
        if tenant["status"]["phase"] == "Active" {
            return operator.stop().await;
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "the tenant is not made; the operator's log:\n{}",
            operator.log()
        );
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn make_pod(api: &ApiServer) -> anyhow::Result<()> {
    let path = "/apis/apps/v1/namespaces/tenant-acme/deployments/runtime";
    let deployment = api.get(path).await?.context("no Deployment")?;
    let template = &deployment["spec"]["template"];
    let pod = json!({
        "metadata": {"name": "runtime-0", "labels": template["metadata"]["labels"]},
        "spec": template["spec"],
    });
    api.create(&format!("{NAMESPACE}/pods"), &pod)
        .await
        .map(drop)
}

/// What lies in the tenant's Secrets and is one.
async fn passwords(api: &ApiServer) -> anyhow::Result<Vec<String>> {
    let list = api.get(&format!("{NAMESPACE}/secrets")).await?;
    let list = list.context("no Secrets")?;
    let mut found = Vec::new();
    for secret in list["items"].as_array().into_iter().flatten() {
        for (key, value) in secret["data"].as_object().into_iter().flatten() {
            if !matches!(key.as_str(), "trace-parent" | "username") {
                let bytes = BASE64_STANDARD.decode(value.as_str().context("no text")?)?;
                found.push(String::from_utf8(bytes)?);
            }
        }
    }
    Ok(found)
}

/// Asks again until the answer is like this: the API server hears of changed rights a moment later.
async fn until(
    api: &ApiServer,
    url: &str,
    folder: &Path,
    is_wanted: impl Fn(&Output) -> bool,
) -> anyhow::Result<Output> {
    let started = Instant::now();
    loop {
        let output = operator::report(api, folder, url, "acme").await?;
        if is_wanted(&output) {
            return Ok(output);
        }
        ensure!(
            started.elapsed() < PATIENCE,
            "{}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// The first rules of the chart are those of the operator in the whole cluster. They have nothing that Helm fills in.
fn rules_of_the_chart() -> anyhow::Result<Value> {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/gotrs-cloud/templates/rbac.yaml");
    let text = std::fs::read_to_string(&path)?;
    let rules = text
        .split_once("\nrules:\n")
        .and_then(|(_, rest)| rest.split_once("\n---\n"))
        .map(|(rules, _)| rules)
        .with_context(|| format!("{} has no rules", path.display()))?;
    ensure!(!rules.contains("{{"), "Helm has a word in them: {rules}");
    serde_yaml::from_str(rules).context("reading the rules")
}
