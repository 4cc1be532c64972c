//! Server-side apply with one field manager; what is known to be in place is not sent.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hasher as _};

use k8s_openapi::NamespaceResourceScope;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Namespace;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tenant_crd::names;

use crate::reconcile::Context;
use crate::reconcile::build::TenantObjects;
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
    // Force: these fields are ours, whoever wrote them.
    let parameters = PatchParams::apply(names::OPERATOR_MANAGER).force();
    let applied = api
        .patch(&key.name, &parameters, &Patch::Apply(object))
        .await
        .map_err(|source| ApplyError::Call {
            doing: "applying",
            kind,
            name: key.name.clone(),
            source: Box::new(source),
        })?;
    ctx.seen.applied(kind, wanted, applied.meta());
    metrics::counter!("operator_objects_applied_total", "kind" => kind).increment(1);
    Ok(Some(applied))
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
        remove(ctx, &scalers, namespace, super::build::RUNTIME).await?;
    }
    let applied = apply(
        ctx,
        &Api::namespaced(client.clone(), namespace),
        &objects.deployment,
    )
    .await?;
    if let Some(autoscaler) = &objects.autoscaler {
        apply(ctx, &scalers, autoscaler).await?;
    }
    let budgets = Api::namespaced(client.clone(), namespace);
    match &objects.disruption_budget {
        Some(budget) => {
            apply(ctx, &budgets, budget).await?;
        }
        None => remove(ctx, &budgets, namespace, super::build::RUNTIME).await?,
    }
    Ok(applied)
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
    delete(api, kind, name).await
}

/// Deletes an object; what is already gone is fine.
pub(super) async fn delete<K>(
    api: &Api<K>,
    kind: &'static str,
    name: &str,
) -> Result<(), ApplyError>
where
    K: Clone + Debug + DeserializeOwned,
{
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
