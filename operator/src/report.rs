//! One archive about one tenant, for a bug report: everything that helps, nothing that is secret.

use std::io::Write as _;
use std::path::PathBuf;

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
use kube::{Api, Client, Resource, ResourceExt as _};
use secrecy::SecretString;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tenant_crd::v1::Tenant;
use tenant_crd::v1::channel::RuntimeChannel;
use tenant_database::TenantDatabase;

use crate::channel::observe::channel_name;
use crate::reconcile::build::namespace_name;
use crate::reconcile::validate::tenant_id;

/// Lines of each container's log.
const LOG_LINES: i64 = 5_000;

/// Settings of `operator report`.
#[derive(Debug, clap::Args)]
pub struct ReportConfig {
    /// The tenant's slug
    pub tenant: TenantSlug,
    /// File to write; `<slug>-report.tar` without it
    #[arg(long, short, value_name = "PATH")]
    pub output: Option<PathBuf>,
    /// Also compare the tenant's schema and roles with what they should be
    #[arg(
        long,
        env = "GOTRS_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<SecretString>,
}

/// Collects and writes the archive; what cannot be read is a note in it.
pub async fn write(config: ReportConfig) -> anyhow::Result<()> {
    let client = Client::try_default()
        .await
        .context("no cluster: run in a pod, or set KUBECONFIG")?;
    let slug = config.tenant.as_str();
    let tenant = Api::<Tenant>::all(client.clone())
        .get_opt(slug)
        .await
        .context("reading the Tenant")?
        .with_context(|| format!("there is no Tenant {slug}; `kubectl get tenants` lists them"))?;
    let mut files = collect(&client, &tenant, &config.tenant).await;
    if let Some(url) = &config.database_url {
        let text = database(url, &tenant)
            .await
            .unwrap_or_else(|error| format!("could not be compared: {error:#}\n"));
        files.push(("database.txt".to_owned(), text.into_bytes()));
    }
    let path = config
        .output
        .unwrap_or_else(|| PathBuf::from(format!("{slug}-report.tar")));
    let file = std::fs::File::create(&path)
        .with_context(|| format!("making the file {}", path.display()))?;
    let now = SystemClock.now().timestamp().unsigned_abs();
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
        .list(&ListParams::default())
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

/// Which entries there are, not what they say.
async fn secrets(client: &Client, namespace: &str) -> (String, Vec<u8>) {
    let listed = Api::<Secret>::namespaced(client.clone(), namespace)
        .list(&ListParams::default())
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
        .list(&ListParams::default().fields(&of))
        .await;
    let content = match listed {
        Ok(list) => pretty(&list.items.iter().map(without_noise).collect::<Vec<_>>()),
        Err(error) => unreadable(&error),
    };
    (file.to_owned(), content)
}

async fn logs(client: &Client, namespace: &str) -> Files {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let Ok(list) = pods.list(&ListParams::default()).await else {
        // The list of pods says why.
        return Vec::new();
    };
    let mut files = Vec::new();
    for pod in list {
        for (word, previous) in [("current", false), ("previous", true)] {
            let parameters = LogParams {
                previous,
                tail_lines: Some(LOG_LINES),
                timestamps: true,
                ..LogParams::default()
            };
            // A container that never ended has no previous log.
            if let Ok(text) = pods.logs(&pod.name_any(), &parameters).await {
                files.push((
                    format!("logs/{}-{word}.log", pod.name_any()),
                    text.into_bytes(),
                ));
            }
        }
    }
    files
}

async fn database(url: &SecretString, tenant: &Tenant) -> anyhow::Result<String> {
    let id = tenant_id(tenant).map_err(|fault| anyhow::anyhow!("{fault}"))?;
    let database = TenantDatabase::connect(url).await?;
    let found = database.verify(id).await?;
    database.close().await;
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
