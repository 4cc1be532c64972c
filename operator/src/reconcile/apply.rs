//! Server-side apply with one field manager; what is known to be in place is not sent.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hasher as _};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;
use tenant_crd::names;

use crate::lease::NotLeading;
use crate::reconcile::Context;
use crate::reconcile::build::{RUNTIME, TenantObjects};
use crate::seen::ObjectKey;

/// What went wrong between us and the API server.
#[derive(Debug, thiserror::Error)]
pub enum ApplyError {
    /// It refused, failed or was not there.
    #[error("{doing} {kind} {name} failed")]
    Call {
        /// What was being done.
        doing: &'static str,
        /// To what kind.
        kind: &'static str,
        /// To which object.
        name: String,
        /// What was said.
        #[source]
        source: Box<kube::Error>,
    },
    /// Another operator leads.
    #[error("not leading")]
    NotLeading(#[from] NotLeading),
    /// An object of ours that cannot be written as JSON.
    #[error("{kind} {name} cannot be written")]
    Serialize {
        /// Which kind.
        kind: &'static str,
        /// Which object.
        name: String,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl ApplyError {
    /// The API server's word for a refusal, such as `Forbidden` or `Invalid`; `None` where it gave no answer.
    pub fn refusal(&self) -> Option<&str> {
        match self {
            Self::Call { source, .. } => match source.as_ref() {
                kube::Error::Api(status) => Some(&status.reason),
                _ => None,
            },
            Self::NotLeading(_) | Self::Serialize { .. } => None,
        }
    }
}

/// Applies one object unless it is known to be as we want it; answers it when it was sent.
pub(super) async fn apply<K>(
    ctx: &Context,
    api: &Api<K>,
    object: &K,
) -> Result<Option<K>, ApplyError>
where
    K: Resource<DynamicType = ()>
        + k8s_openapi::Resource
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    let wanted = digest(object)?;
    apply_as(ctx, api, object, wanted).await
}

/// Digest of everything that an object says.
pub(super) fn digest<K>(object: &K) -> Result<u64, ApplyError>
where
    K: Resource<DynamicType = ()> + k8s_openapi::Resource + Serialize,
{
    let text = serde_json::to_vec(object).map_err(|source| ApplyError::Serialize {
        kind: <K as k8s_openapi::Resource>::KIND,
        name: object.meta().name.clone().unwrap_or_default(),
        source,
    })?;
    let mut hasher = DefaultHasher::new();
    hasher.write(&text);
    Ok(hasher.finish())
}

/// Whether an object is known to be as we want it.
pub(super) fn is_in_place<K>(ctx: &Context, object: &K) -> Result<bool, ApplyError>
where
    K: Resource<DynamicType = ()> + k8s_openapi::Resource + Serialize,
{
    let key = ObjectKey::of(<K as k8s_openapi::Resource>::KIND, object.meta());
    Ok(ctx.seen.is_in_place(&key, digest(object)?))
}

/// Applies an object for which `wanted` stands.
pub(super) async fn apply_as<K>(
    ctx: &Context,
    api: &Api<K>,
    object: &K,
    wanted: u64,
) -> Result<Option<K>, ApplyError>
where
    K: Resource<DynamicType = ()>
        + k8s_openapi::Resource
        + Clone
        + Debug
        + DeserializeOwned
        + Serialize,
{
    let kind = <K as k8s_openapi::Resource>::KIND;
    let key = ObjectKey::of(kind, object.meta());
    if ctx.seen.is_in_place(&key, wanted) {
        return Ok(None);
    }
    let applied = send(ctx, api, names::OPERATOR_MANAGER, &key.name, object).await?;
    ctx.seen.applied(kind, wanted, applied.meta());
    Ok(Some(applied))
}

/// Applies what one field manager says of an object.
async fn send<K, B>(
    ctx: &Context,
    api: &Api<K>,
    manager: &str,
    name: &str,
    object: &B,
) -> Result<K, ApplyError>
where
    K: k8s_openapi::Resource + Clone + Debug + DeserializeOwned,
    B: Debug + Serialize,
{
    ctx.leadership.check()?;
    let kind = <K as k8s_openapi::Resource>::KIND;
    // Force: these fields are ours, whoever wrote them.
    let parameters = PatchParams::apply(manager).force();
    let applied = api
        .patch(name, &parameters, &Patch::Apply(object))
        .await
        .map_err(|source| ApplyError::Call {
            doing: "applying",
            kind,
            name: name.to_owned(),
            source: Box::new(source),
        })?;
    metrics::counter!("operator_objects_applied_total", "kind" => kind).increment(1);
    Ok(applied)
}

/// Applies everything that the runtimes need before they start, and that is not secret.
pub(super) async fn apply_surroundings(
    ctx: &Context,
    objects: &TenantObjects,
) -> Result<(), ApplyError> {
    let client = &ctx.client;
    apply(
        ctx,
        &Api::<Namespace>::all(client.clone()),
        &objects.namespace,
    )
    .await?;
    let namespace = objects
        .namespace
        .metadata
        .name
        .as_deref()
        .unwrap_or_default();
    // The walls first: nothing may run in the namespace before them.
    for policy in &objects.network_policies {
        apply(ctx, &Api::namespaced(client.clone(), namespace), policy).await?;
    }
    apply(
        ctx,
        &Api::namespaced(client.clone(), namespace),
        &objects.quota,
    )
    .await?;
    apply(
        ctx,
        &Api::namespaced(client.clone(), namespace),
        &objects.limit_range,
    )
    .await?;
    apply(
        ctx,
        &Api::namespaced(client.clone(), namespace),
        &objects.service_account,
    )
    .await?;
    Ok(())
}

/// Applies the runtimes and what scales them; removes what is not wanted any more. Answers the Deployment when it
/// was sent.
pub(super) async fn apply_runtimes(
    ctx: &Context,
    objects: &TenantObjects,
) -> Result<Option<Deployment>, ApplyError> {
    let client = &ctx.client;
    let namespace = objects
        .namespace
        .metadata
        .name
        .as_deref()
        .unwrap_or_default();
    // An autoscaler would undo the sleep of a Deployment that it still scales.
    let scalers = Api::namespaced(client.clone(), namespace);
    if objects.autoscaler.is_none() {
        remove(ctx, &scalers, namespace, RUNTIME).await?;
    }
    let deployments = Api::namespaced(client.clone(), namespace);
    if let Some(autoscaler) = &objects.autoscaler
        && !is_in_place(ctx, &objects.deployment)?
    {
        hand_over_replicas(ctx, &deployments, &objects.deployment, autoscaler).await?;
    }
    let applied = apply(ctx, &deployments, &objects.deployment).await?;
    if let Some(autoscaler) = &objects.autoscaler {
        apply(ctx, &scalers, autoscaler).await?;
    }
    let budgets = Api::namespaced(client.clone(), namespace);
    match &objects.disruption_budget {
        Some(budget) => {
            apply(ctx, &budgets, budget).await?;
        }
        None => remove(ctx, &budgets, namespace, RUNTIME).await?,
    }
    Ok(applied)
}

/// Lets go of the replicas of a Deployment that an autoscaler is to scale, without changing how many there are: a field that its only
/// manager leaves out is set to its default, which is 1, and a tenant with five runtimes would lose four of them. So another
/// manager takes the field first, and keeps it until the autoscaler writes its own number.
async fn hand_over_replicas(
    ctx: &Context,
    deployments: &Api<Deployment>,
    wanted: &Deployment,
    autoscaler: &HorizontalPodAutoscaler,
) -> Result<(), ApplyError> {
    let (fewest, most) = autoscaler.spec.as_ref().map_or((1, 1), |spec| {
        (spec.min_replicas.unwrap_or(1), spec.max_replicas)
    });
    let found = match find(deployments, "Deployment", RUNTIME).await? {
        Some(found) if !has_replicas_of_ours(&found.metadata) => return Ok(()),
        Some(found) => found,
        // It begins with as many as it should have at least, and not with one until the autoscaler looks.
        None => {
            let mut first = wanted.clone();
            if let Some(spec) = &mut first.spec {
                spec.replicas = Some(fewest);
            }
            send(ctx, deployments, names::OPERATOR_MANAGER, RUNTIME, &first).await?
        }
    };
    let replicas = found.spec.as_ref().and_then(|spec| spec.replicas);
    let kept = json!({
        "apiVersion": <Deployment as k8s_openapi::Resource>::API_VERSION,
        "kind": <Deployment as k8s_openapi::Resource>::KIND,
        "metadata": {
            "name": RUNTIME,
            "namespace": found.metadata.namespace,
            "uid": found.metadata.uid,
        },
        // None at all after a suspension, when an autoscaler would leave it at that.
        "spec": {"replicas": replicas.unwrap_or(1).max(fewest).min(most)},
    });
    send(
        ctx,
        deployments,
        names::OPERATOR_REPLICAS_MANAGER,
        RUNTIME,
        &kept,
    )
    .await?;
    Ok(())
}

/// Whether we say how many replicas there are.
fn has_replicas_of_ours(metadata: &ObjectMeta) -> bool {
    metadata.managed_fields.iter().flatten().any(|entry| {
        entry.manager.as_deref() == Some(names::OPERATOR_MANAGER)
            && entry.subresource.is_none()
            && entry
                .fields_v1
                .as_ref()
                .is_some_and(|fields| !fields.0["f:spec"]["f:replicas"].is_null())
    })
}

/// Deletes an object that a watch knows.
async fn remove<K>(
    ctx: &Context,
    api: &Api<K>,
    namespace: &str,
    name: &str,
) -> Result<(), ApplyError>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + k8s_openapi::Resource
        + Clone
        + Debug
        + DeserializeOwned,
{
    let kind = <K as k8s_openapi::Resource>::KIND;
    let key = ObjectKey {
        kind,
        namespace: Some(namespace.to_owned()),
        name: name.to_owned(),
    };
    if !ctx.seen.exists(&key) {
        return Ok(());
    }
    delete(ctx, api, kind, name).await
}

/// Deletes an object; what is already gone is fine.
pub(super) async fn delete<K>(
    ctx: &Context,
    api: &Api<K>,
    kind: &'static str,
    name: &str,
) -> Result<(), ApplyError>
where
    K: Clone + Debug + DeserializeOwned,
{
    ctx.leadership.check()?;
    match api.delete(name, &DeleteParams::default()).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(source) => Err(ApplyError::Call {
            doing: "deleting",
            kind,
            name: name.to_owned(),
            source: Box::new(source),
        }),
    }
}

/// Reads an object; `None` when there is none.
pub(super) async fn find<K>(
    api: &Api<K>,
    kind: &'static str,
    name: &str,
) -> Result<Option<K>, ApplyError>
where
    K: Clone + Debug + DeserializeOwned,
{
    api.get_opt(name).await.map_err(|source| ApplyError::Call {
        doing: "reading",
        kind,
        name: name.to_owned(),
        source: Box::new(source),
    })
}
