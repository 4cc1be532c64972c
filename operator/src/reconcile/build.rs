//! From a valid tenant to the objects that should exist: pure, and it cannot fail.
//!
//! Names inside the tenant's namespace are the same for every tenant; nothing here depends on what exists.

mod deployment;
mod limits;
mod network;

use std::collections::BTreeMap;

use k8s_openapi::ByteString;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota, Secret, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use tenant_crd::names;

use crate::config::ClusterConfig;
use crate::reconcile::secrets::{RuntimeSecrets, Seal, TRACE_PARENT};
use crate::reconcile::validate::ValidatedTenant;

/// Name of everything that belongs to the runtimes.
pub const RUNTIME: &str = "runtime";
/// Name of the Secret with the password that the operator made for the first administrator.
pub const ADMINISTRATOR: &str = "administrator";
/// Port of the runtimes for the router.
pub const PORT: u16 = 8080;
/// Port of the runtimes for probes and metrics.
pub const INTERNAL_PORT: u16 = 9090;
/// On pods: changes with the passwords, so that a rotation restarts them.
pub const ANNOTATION_SEAL: &str = "gotrs.io/credentials";

/// Everything that a tenant has in the cluster, apart from what is secret.
#[derive(Debug, Clone, PartialEq)]
pub struct TenantObjects {
    /// Holds all the others.
    pub namespace: Namespace,
    /// Who the runtimes are; has no rights.
    pub service_account: ServiceAccount,
    /// All of them together.
    pub quota: ResourceQuota,
    /// Of one container.
    pub limit_range: LimitRange,
    /// What may connect to what.
    pub network_policies: Vec<NetworkPolicy>,
    /// The runtimes.
    pub deployment: Deployment,
    /// With more than one replica.
    pub disruption_budget: Option<PodDisruptionBudget>,
    /// With autoscaling.
    pub autoscaler: Option<HorizontalPodAutoscaler>,
}

/// The objects of a tenant. `seal` stands for the passwords: it changes when they do.
pub fn build(tenant: &ValidatedTenant, cluster: &ClusterConfig, seal: &Seal) -> TenantObjects {
    TenantObjects {
        namespace: namespace(tenant),
        service_account: ServiceAccount {
            metadata: metadata(tenant, RUNTIME),
            automount_service_account_token: Some(false),
            ..ServiceAccount::default()
        },
        quota: limits::quota(tenant),
        limit_range: limits::limit_range(tenant),
        network_policies: network::policies(tenant, cluster),
        deployment: deployment::deployment(tenant, cluster, seal),
        disruption_budget: limits::disruption_budget(tenant),
        autoscaler: limits::autoscaler(tenant),
    }
}

/// The Secret that the runtimes mount. The passwords by themselves are in it so that the next start of the operator finds them.
pub fn runtime_secret(tenant: &ValidatedTenant, secrets: &RuntimeSecrets) -> Secret {
    let mut metadata = metadata(tenant, RUNTIME);
    if let Some(rotation) = &tenant.rotation {
        metadata.annotations = Some(
            [(
                names::ANNOTATION_ROTATE_CREDENTIALS.to_owned(),
                rotation.clone(),
            )]
            .into(),
        );
    }
    Secret {
        metadata,
        type_: Some("Opaque".to_owned()),
        data: Some(bytes(secrets.entries().into_iter().chain([(
            TRACE_PARENT,
            // Empty rather than absent: a pod whose volume lacks a file does not start.
            tenant.trace_parent.clone().unwrap_or_default(),
        )]))),
        ..Secret::default()
    }
}

/// The Secret that tells whoever may read it how the first administrator signs in. Given away, not kept: whoever has read it
/// may delete it, so it does not carry the label of what is repaired.
pub fn administrator_secret(tenant: &ValidatedTenant, email: &str, password: &str) -> Secret {
    let mut metadata = metadata(tenant, ADMINISTRATOR);
    if let Some(labels) = &mut metadata.labels {
        labels.remove(names::LABEL_MANAGED_BY);
    }
    Secret {
        metadata,
        // The type that other tools know for a name and a password.
        type_: Some("kubernetes.io/basic-auth".to_owned()),
        data: Some(bytes(
            [("username", email), ("password", password)]
                .map(|(key, value)| (key, value.to_owned())),
        )),
        ..Secret::default()
    }
}

fn bytes(
    entries: impl IntoIterator<Item = (&'static str, String)>,
) -> BTreeMap<String, ByteString> {
    entries
        .into_iter()
        .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
        .collect()
}

/// Name of the namespace.
pub fn namespace_name(slug: &domain::name::TenantSlug) -> String {
    format!("{}{slug}", names::NAMESPACE_PREFIX)
}

/// The namespace itself.
pub fn namespace(tenant: &ValidatedTenant) -> Namespace {
    let mut labels = labels(tenant);
    for mode in ["enforce", "audit", "warn"] {
        labels.insert(
            format!("pod-security.kubernetes.io/{mode}"),
            "restricted".to_owned(),
        );
        labels.insert(
            format!("pod-security.kubernetes.io/{mode}-version"),
            "latest".to_owned(),
        );
    }
    Namespace {
        metadata: ObjectMeta {
            name: Some(namespace_name(&tenant.slug)),
            labels: Some(labels),
            owner_references: Some(vec![owner(tenant)]),
            ..ObjectMeta::default()
        },
        ..Namespace::default()
    }
}

fn metadata(tenant: &ValidatedTenant, name: &str) -> ObjectMeta {
    ObjectMeta {
        name: Some(name.to_owned()),
        namespace: Some(namespace_name(&tenant.slug)),
        labels: Some(labels(tenant)),
        owner_references: Some(vec![owner(tenant)]),
        ..ObjectMeta::default()
    }
}

/// On every object and every pod.
fn labels(tenant: &ValidatedTenant) -> BTreeMap<String, String> {
    let mut labels = selector(tenant);
    labels.insert(
        names::LABEL_MANAGED_BY.to_owned(),
        names::MANAGED_BY.to_owned(),
    );
    labels.insert(names::LABEL_TENANT_ID.to_owned(), tenant.id.to_string());
    labels
}

/// What never changes: a Deployment's selector cannot be changed.
fn selector(tenant: &ValidatedTenant) -> BTreeMap<String, String> {
    [
        (names::LABEL_NAME, names::RUNTIME_NAME),
        (names::LABEL_TENANT, tenant.slug.as_str()),
    ]
    .map(|(key, value)| (key.to_owned(), value.to_owned()))
    .into()
}

/// The selector as text, for the scale subresource.
pub fn selector_text(slug: &domain::name::TenantSlug) -> String {
    format!(
        "{}={},{}={slug}",
        names::LABEL_NAME,
        names::RUNTIME_NAME,
        names::LABEL_TENANT
    )
}

fn owner(tenant: &ValidatedTenant) -> OwnerReference {
    OwnerReference {
        api_version: "gotrs.io/v1".to_owned(),
        kind: "Tenant".to_owned(),
        name: tenant.slug.to_string(),
        uid: tenant.uid.clone(),
        controller: Some(true),
        // Deleting a Tenant in the foreground must not wait for the namespace: the finalizer does.
        block_owner_deletion: Some(false),
    }
}

#[cfg(test)]
mod tests;
