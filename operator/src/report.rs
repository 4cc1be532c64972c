//! One archive about one tenant, for a bug report: everything that helps, nothing that is secret.
//!
//! It is made where the program and its rights are, in the operator's pod, which has no place for files: there it goes to standard
//! output.

use std::io::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use domain::clock::{Clock as _, SystemClock};
use domain::name::TenantSlug;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet};
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{
    Event, LimitRange, Namespace, Pod, ResourceQuota, Secret, ServiceAccount,
};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::{ClusterResourceScope, NamespaceResourceScope};
use kube::api::{ListParams, LogParams};
use kube::{Api, Client, Config, Resource, ResourceExt as _};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tenant_crd::v1::Tenant;
use tenant_crd::v1::channel::RuntimeChannel;
use tenant_database::TenantDatabase;

use crate::channel::observe::channel_name;
use crate::config::ClusterConfig;
use crate::reconcile::build::namespace_name;
use crate::reconcile::validate::tenant_id;
use crate::run::{DatabaseArgs, patient};

/// Lines of each container's log.
const LOG_LINES: i64 = 5_000;
/// Bytes of each container's log: long lines must not fill the memory of a pod.
const LOG_BYTES: i64 = 4 << 20;
/// Objects of one kind: a tenant has a few; Events may be many.
const OBJECTS: u32 = 500;
/// Longest silence of the API server before something counts as not readable.
const SILENCE: Duration = Duration::from_secs(15);
/// The output's name for standard output.
const STANDARD_OUTPUT: &str = "-";

/// Settings of `operator report`.
#[derive(Debug, clap::Args)]
pub struct ReportConfig {
    /// The tenant's slug
    pub tenant: TenantSlug,
    /// File to write, `-` for standard output; `<slug>-report.tar` without it
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Where tenants live: with it the tenant's schema and roles are compared with what they should be
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// What the operator knows of the cluster (JSON), for tenants on another database cluster than `default`
    #[arg(long, env = "GOTRS_CLUSTER_CONFIG", value_name = "PATH")]
    pub cluster_config: Option<PathBuf>,
}

/// Collects and writes the archive; what cannot be read is a note in it.
pub async fn write(config: ReportConfig) -> anyhow::Result<()> {
    let access = Config::infer()
        .await
        .context("no cluster: run in a pod, or set KUBECONFIG")?;
    let client = Client::try_from(patient(access, SILENCE)).context("making a client")?;
    let slug = config.tenant.as_str();
    let tenant = Api::<Tenant>::all(client.clone())
        .get_opt(slug)
        .await
        .context("reading the Tenant")?
        .with_context(|| format!("there is no Tenant {slug}; `kubectl get tenants` lists them"))?;
    let mut files = collect(&client, &tenant, &config.tenant).await;
    let text = database(&config, &tenant)
        .await
        .unwrap_or_else(|error| format!("could not be compared: {error:#}\n"));
    files.push(("database.txt".to_owned(), text.into_bytes()));
    let path = config
        .output
        .unwrap_or_else(|| PathBuf::from(format!("{slug}-report.tar")));
    let now = SystemClock.now().timestamp().unsigned_abs();
    if path.as_os_str() == STANDARD_OUTPUT {
        return archive(std::io::stdout().lock(), slug, &files, now)
            .context("writing to standard output");
    }
    let file = std::fs::File::create(&path).with_context(|| {
        format!(
            "making the file {}; `--output -` writes to standard output",
            path.display()
        )
    })?;
    archive(file, slug, &files, now).with_context(|| format!("writing {}", path.display()))?;
    writeln!(std::io::stdout(), "{}", path.display()).context("printing the name")?;
    Ok(())
}

type Files = Vec<(String, Vec<u8>)>;

async fn collect(client: &Client, tenant: &Tenant, slug: &TenantSlug) -> Files {
    let namespace = namespace_name(slug);
    let mut files: Files = vec![
        ("tenant.json".to_owned(), pretty(&without_noise(tenant))),
        (
            "operator.json".to_owned(),
            pretty(&json!({"version": env!("CARGO_PKG_VERSION")})),
        ),
    ];
    let channel = channel_name(tenant);
    files.push(one::<RuntimeChannel>(client, channel).await);
    files.push(one::<Namespace>(client, &namespace).await);
    files.push(all::<Deployment>(client, &namespace).await);
    files.push(all::<ReplicaSet>(client, &namespace).await);
    files.push(all::<Pod>(client, &namespace).await);
    files.push(all::<ServiceAccount>(client, &namespace).await);
    files.push(all::<ResourceQuota>(client, &namespace).await);
    files.push(all::<LimitRange>(client, &namespace).await);
    files.push(all::<NetworkPolicy>(client, &namespace).await);
    files.push(all::<PodDisruptionBudget>(client, &namespace).await);
    files.push(all::<HorizontalPodAutoscaler>(client, &namespace).await);
    files.push(all::<Event>(client, &namespace).await);
    files.push(secrets(client, &namespace).await);
    files.push(events("tenant-events.json", client, "Tenant", &tenant.name_any()).await);
    files.push(events("channel-events.json", client, "RuntimeChannel", channel).await);
    files.extend(logs(client, &namespace).await);
    files
}

async fn one<K>(client: &Client, name: &str) -> (String, Vec<u8>)
where
    K: Resource<DynamicType = (), Scope = ClusterResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let file = format!("{}.json", K::plural(&()));
    let content = match Api::<K>::all(client.clone()).get_opt(name).await {
        Ok(Some(found)) => pretty(&without_noise(&found)),
        Ok(None) => b"there is none\n".to_vec(),
        Err(error) => unreadable(&error),
    };
    (file, content)
}

async fn all<K>(client: &Client, namespace: &str) -> (String, Vec<u8>)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Serialize,
{
    let file = format!("{}.json", K::plural(&()));
    let listed = Api::<K>::namespaced(client.clone(), namespace)
        .list(&some())
        .await;
    let content = match listed {
        Ok(list) => {
            let items: Vec<Value> = list.items.iter().map(without_noise).collect();
            pretty(&items)
        }
        Err(error) => unreadable(&error),
    };
    (file, content)
}

fn some() -> ListParams {
    ListParams::default().limit(OBJECTS)
}

/// Which entries there are, not what they say.
async fn secrets(client: &Client, namespace: &str) -> (String, Vec<u8>) {
    let listed = Api::<Secret>::namespaced(client.clone(), namespace)
        .list(&some())
        .await;
    let content = match listed {
        Ok(list) => pretty(&list.items.iter().map(without_values).collect::<Vec<_>>()),
        Err(error) => unreadable(&error),
    };
    ("secrets.json".to_owned(), content)
}

/// Annotations are left out as well: `kubectl apply` writes the values into one.
fn without_values(secret: &Secret) -> Value {
    json!({
        "name": secret.metadata.name,
        "type": secret.type_,
        "creationTimestamp": secret.metadata.creation_timestamp,
        "resourceVersion": secret.metadata.resource_version,
        "entries": secret
            .data
            .iter()
            .flatten()
            .map(|(key, value)| json!({"key": key, "bytes": value.0.len()}))
            .collect::<Vec<_>>(),
    })
}

async fn events(file: &str, client: &Client, kind: &str, name: &str) -> (String, Vec<u8>) {
    // Events of objects without a namespace lie in `default`.
    let of = format!("involvedObject.kind={kind},involvedObject.name={name}");
    let listed = Api::<Event>::namespaced(client.clone(), "default")
        .list(&some().fields(&of))
        .await;
    let content = match listed {
        Ok(list) => pretty(&list.items.iter().map(without_noise).collect::<Vec<_>>()),
        Err(error) => unreadable(&error),
    };
    (file.to_owned(), content)
}

async fn logs(client: &Client, namespace: &str) -> Files {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let Ok(list) = pods.list(&some()).await else {
        // The list of pods says why.
        return Vec::new();
    };
    let mut files = Vec::new();
    for pod in list {
        for (word, previous) in [("current", false), ("previous", true)] {
            let parameters = LogParams {
                previous,
                tail_lines: Some(LOG_LINES),
                limit_bytes: Some(LOG_BYTES),
                timestamps: true,
                ..LogParams::default()
            };
            let name = pod.name_any();
            let text = match pods.logs(&name, &parameters).await {
                // A container that never ended has no previous log.
                Ok(text) if previous && text.is_empty() => continue,
                Ok(text) => text.into_bytes(),
                Err(kube::Error::Api(status)) if previous && status.code == 400 => continue,
                Err(error) => unreadable(&error),
            };
            files.push((format!("logs/{name}-{word}.log"), text));
        }
    }
    files
}

/// The URL of the database in which the tenant lives.
fn database_url(config: &ReportConfig, tenant: &Tenant) -> anyhow::Result<SecretString> {
    let cluster = &tenant.spec.database.cluster;
    if cluster == "default" {
        return Ok(config.database.url()?);
    }
    let path = config.cluster_config.as_deref().with_context(|| {
        format!("the tenant lives in the database cluster {cluster}: --cluster-config names the file that knows it")
    })?;
    let facts = ClusterConfig::read(path)?;
    facts
        .database_url(cluster)?
        .with_context(|| format!("{} knows no database cluster {cluster}", path.display()))
}

async fn database(config: &ReportConfig, tenant: &Tenant) -> anyhow::Result<String> {
    let id = tenant_id(tenant).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let database = TenantDatabase::connect(&database_url(config, tenant)?).await?;
    let found = database.verify(id).await;
    database.close().await;
    let found = found?;
    let lines: Vec<String> = found.iter().map(|drift| format!("{drift}\n")).collect();
    Ok(if lines.is_empty() {
        "as it should be\n".to_owned()
    } else {
        lines.concat()
    })
}

/// As JSON without what nobody reads: who wrote which field, and what was applied last.
fn without_noise<K: Serialize>(object: &K) -> Value {
    let mut value = serde_json::to_value(object).unwrap_or_else(|error| json!(error.to_string()));
    if let Some(metadata) = value.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata
            .get_mut("annotations")
            .and_then(Value::as_object_mut)
        {
            annotations.remove("kubectl.kubernetes.io/last-applied-configuration");
        }
    }
    value
}

fn pretty<T: Serialize>(value: &T) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_else(|error| error.to_string().into_bytes())
}

fn unreadable(error: &kube::Error) -> Vec<u8> {
    format!("could not be read: {error}\n").into_bytes()
}

fn archive(
    writer: impl std::io::Write,
    slug: &str,
    files: &Files,
    modified: u64,
) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(writer);
    for (name, content) in files {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len().try_into().map_err(std::io::Error::other)?);
        header.set_mode(0o600);
        header.set_mtime(modified);
        archive.append_data(
            &mut header,
            format!("{slug}-report/{name}"),
            content.as_slice(),
        )?;
    }
    archive.into_inner()?.flush()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use k8s_openapi::ByteString;
    use secrecy::ExposeSecret as _;

    use super::*;

    #[test]
    fn a_secret_shows_its_entries_and_none_of_its_values() {
        let mut secret = Secret {
            data: Some([("password".to_owned(), ByteString(b"hunter2".to_vec()))].into()),
            ..Secret::default()
        };
        secret.metadata.annotations = Some(
            [(
                "kubectl.kubernetes.io/last-applied-configuration".to_owned(),
                "hunter2".to_owned(),
            )]
            .into(),
        );
        let text = without_values(&secret).to_string();
        assert!(text.contains("password") && text.contains('7'), "{text}");
        assert!(!text.contains("hunter2"), "{text}");
        assert!(!text.contains("aHVudGVyMg"), "{text}");
    }

    /// Where a value that must not get out is hidden, and what is refused.
    fn cluster(request: &http::Request<kube::client::Body>) -> (u16, String) {
        const SECRETS: [&str; 2] = ["hunter2-plain", "aHVudGVyMi1iYXNlNjQ="];
        let noisy = |kind: &str, more: Value| {
            let mut object = json!({
                "apiVersion": "v1", "kind": kind,
                "metadata": {
                    "name": "runtime", "namespace": "tenant-acme",
                    "annotations": {"kubectl.kubernetes.io/last-applied-configuration": SECRETS[0], "kept": "kept"},
                    "managedFields": [{"manager": SECRETS[0]}],
                },
            });
            for (key, value) in more.as_object().unwrap() {
                object[key] = value.clone();
            }
            object
        };
        let list = |items: &[Value]| {
            json!({"apiVersion": "v1", "kind": "List", "metadata": {}, "items": items}).to_string()
        };
        let refusal = |code: u16, message: &str| {
            let status = json!({
                "apiVersion": "v1", "kind": "Status", "status": "Failure",
                "code": code, "reason": "Any", "message": message,
            });
            (code, status.to_string())
        };
        let (path, query) = (
            request.uri().path(),
            request.uri().query().unwrap_or_default(),
        );
        assert_eq!(request.method(), http::Method::GET, "{path}");
        match path.rsplit('/').next().unwrap() {
            "log" if query.contains("previous=true") => {
                refusal(400, "previous terminated container not found")
            }
            "log" if path.contains("refused") => refusal(403, "pods/log is forbidden"),
            "log" => (200, "started\n".to_owned()),
            "secrets" => {
                let data = json!({"data": {"database-url": SECRETS[1]}, "type": "Opaque"});
                (200, list(&[noisy("Secret", data)]))
            }
            "replicasets" => refusal(403, "replicasets is forbidden"),
            "pods" => {
                let mut refused = noisy("Pod", json!({"spec": {"containers": []}}));
                refused["metadata"]["name"] = json!("refused");
                let good = noisy("Pod", json!({"spec": {"containers": []}}));
                (200, list(&[good, refused]))
            }
            "tenant-acme" => (200, noisy("Namespace", json!({})).to_string()),
            "stable" => refusal(404, "not found"),
            _ => {
                assert!(query.contains("limit=500"), "{path}?{query}");
                (200, list(&[]))
            }
        }
    }

    #[tokio::test]
    async fn nothing_secret_is_in_the_whole_archive_and_what_was_refused_is_said() {
        let service = tower::service_fn(|request: http::Request<kube::client::Body>| async move {
            let (code, body) = cluster(&request);
            let answer = http::Response::builder().status(code);
            answer.body(kube::client::Body::from(body.into_bytes()))
        });
        let client = Client::new(service, "default");
        let tenant: Tenant = serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant",
            "metadata": {"name": "acme", "annotations": {
                "kubectl.kubernetes.io/last-applied-configuration": "hunter2-plain",
            }},
            "spec": {"slug": "acme"},
        }))
        .unwrap();
        let files = collect(&client, &tenant, &"acme".parse().unwrap()).await;
        let mut bytes = Vec::new();
        archive(&mut bytes, "acme", &files, 1).unwrap();
        let whole = String::from_utf8_lossy(&bytes);
        for secret in ["hunter2", "aHVudGVyMi1iYXNlNjQ="] {
            assert!(!whole.contains(secret), "{whole}");
        }
        let text = |name: &str| {
            let found = files.iter().find(|(file, _)| file == name);
            String::from_utf8(found.unwrap_or_else(|| panic!("no {name}")).1.clone()).unwrap()
        };
        assert!(text("namespaces.json").contains("kept"));
        assert!(text("secrets.json").contains("database-url"));
        assert_eq!(text("logs/runtime-current.log"), "started\n");
        for refused in ["logs/refused-current.log", "replicasets.json"] {
            let text = text(refused);
            assert!(
                text.starts_with("could not be read: ") && text.contains("forbidden"),
                "{refused}: {text}"
            );
        }
        assert!(!whole.contains("-previous.log"), "no container has ended");
    }

    #[test]
    fn a_tenant_is_compared_with_the_database_in_which_it_lives() {
        let folder = tempfile::tempdir().unwrap();
        let mut facts: Value = serde_json::from_str(crate::config::EXAMPLE).unwrap();
        let url = folder.path().join("url");
        std::fs::write(&url, "postgres://elsewhere/tenants\n").unwrap();
        facts["databases"] = json!({"second": url});
        let path = folder.path().join("cluster.json");
        std::fs::write(&path, facts.to_string()).unwrap();
        let config = |cluster_config| ReportConfig {
            tenant: "acme".parse().unwrap(),
            output: None,
            database: DatabaseArgs {
                database_url: Some("postgres://here/tenants".to_owned().into()),
                database_url_file: None,
            },
            cluster_config,
        };
        let url = |cluster: &str, known: bool| {
            let tenant = serde_json::from_value(json!({
                "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": "acme"},
                "spec": {"slug": "acme", "database": {"cluster": cluster}},
            }))
            .unwrap();
            let known = known.then(|| path.clone());
            database_url(&config(known), &tenant)
                .map(|url| url.expose_secret().to_owned())
                .map_err(|error| format!("{error:#}"))
        };
        assert_eq!(url("default", false).unwrap(), "postgres://here/tenants");
        assert_eq!(url("second", true).unwrap(), "postgres://elsewhere/tenants");
        let missing = url("second", false).unwrap_err();
        assert!(missing.contains("--cluster-config"), "{missing}");
        let unknown = url("third", true).unwrap_err();
        assert!(unknown.contains("no database cluster third"), "{unknown}");
    }

    #[test]
    fn the_archive_holds_every_file() {
        let files: Files = vec![
            ("tenant.json".to_owned(), b"{}".to_vec()),
            ("logs/a.log".to_owned(), vec![b'x'; 5_000]),
        ];
        let mut bytes = Vec::new();
        archive(&mut bytes, "acme", &files, 1).unwrap();
        let mut read = tar::Archive::new(bytes.as_slice());
        let found: Vec<(String, usize)> = read
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                entry.read_to_end(&mut content).unwrap();
                (entry.path().unwrap().display().to_string(), content.len())
            })
            .collect();
        assert_eq!(
            found,
            [
                ("acme-report/tenant.json".to_owned(), 2),
                ("acme-report/logs/a.log".to_owned(), 5_000)
            ]
        );
    }
}
