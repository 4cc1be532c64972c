//! The watches and the loop that reconciles what they tell.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, BoxStream, FuturesUnordered, select_all};
use futures_util::{FutureExt as _, Stream, StreamExt as _, TryStreamExt as _};
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::autoscaling::v2::HorizontalPodAutoscaler;
use k8s_openapi::api::core::v1::{LimitRange, Namespace, ResourceQuota, Secret, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::core::{PartialObjectMeta, PartialObjectMetaExt as _};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher::{self, Event, watcher};
use kube::runtime::{PredicateConfig, WatchStreamExt as _, reflector};
use kube::{Api, Client, Resource};
use tenant_crd::condition::{self, ConditionType};
use tenant_crd::names;
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::backoff::WatchPause;
use crate::ids::Ids;
use crate::lane::Lane;
use crate::queue::{Places, Queue};
use crate::reconcile::status::Rollout;
use crate::reconcile::{Action, Context, Guarded, after_error, reconcile};
use crate::seen::{ObjectKey, Seen};

/// Tenants that are worked on at once. Most of a reconcile is waiting for the API server; the database has a bound of its own.
const PLACES: Places = Places {
    total: 32,
    user: 24,
    // More than there are places in the database, so that these are never free while somebody waits.
    provision: 12,
    background: 12,
};
/// Events that come together (a rollout has many) are one reconcile. For whom somebody waits there is no such pause.
const DEBOUNCE: Duration = Duration::from_millis(50);

/// The Tenants of a cluster: a store of all of them, and a stream of those that changed in a way that matters. Whoever wants
/// to know of every change is told by `touched`.
pub fn tenants(
    client: &Client,
    touched: Arc<Notify>,
    ids: Arc<Ids>,
) -> (
    Store<Guarded>,
    impl Stream<Item = Result<Guarded, watcher::Error>> + Send + 'static + use<>,
) {
    let (store, writer) = reflector::store();
    // The guard keeps one object that cannot be read from stopping the watch of all.
    let api = Api::<Guarded>::all(client.clone());
    let stream = reflector(
        writer,
        watcher(api, watcher::Config::default())
            .backoff(WatchPause::default())
            .modify(strip)
            .inspect_ok(move |event| ids.saw(event)),
    )
    .touched_objects()
    .inspect(move |_| touched.notify_one())
    .predicate_filter(
        |object: &Guarded| Some(what_matters(object)),
        PredicateConfig::default(),
    );
    (store, stream)
}

/// Who wrote which field is kept by the API server; here it would be most of the memory.
fn strip<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}

/// A number that differs when a change of a Tenant asks for a reconcile. Our own reports do not.
fn what_matters(object: &Guarded) -> u64 {
    let mut hasher = DefaultHasher::new();
    let metadata = object.meta();
    metadata.uid.hash(&mut hasher);
    metadata.generation.hash(&mut hasher);
    metadata.deletion_timestamp.is_some().hash(&mut hasher);
    metadata
        .finalizers
        .iter()
        .flatten()
        .any(|name| name == names::FINALIZER)
        .hash(&mut hasher);
    for name in [
        names::ANNOTATION_LAST_ACTIVE,
        names::ANNOTATION_NEXT_DUE,
        names::ANNOTATION_ROTATE_CREDENTIALS,
        names::ANNOTATION_RETRY_VERSION,
        names::ANNOTATION_EXPORT,
        names::ANNOTATION_SKIP_EXPORT,
    ] {
        metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(name))
            .hash(&mut hasher);
    }
    match &object.0 {
        Err(invalid) => invalid.error.hash(&mut hasher),
        Ok(tenant) => {
            // The rest of what a channel writes there changes nothing that runs.
            let given = tenant
                .status
                .as_ref()
                .and_then(|status| status.channel.as_ref());
            given.map(|given| &given.version).hash(&mut hasher);
            let conditions = tenant.status.as_ref().map(|status| &status.conditions);
            conditions
                .and_then(|all| condition::find(all, ConditionType::Routed))
                .map(|found| (found.status, &found.message))
                .hash(&mut hasher);
        }
    }
    hasher.finish()
}

/// Our objects of one kind, as far as a change of one asks for a reconcile of its tenant. Metadata only.
fn owned<K>(
    client: &Client,
    seen: Arc<Seen>,
) -> impl Stream<Item = Result<PartialObjectMeta<K>, watcher::Error>> + Send + 'static + use<K>
where
    K: Resource<DynamicType = ()> + k8s_openapi::Resource + Clone + Debug + Send + Sync + 'static,
{
    let kind = <K as k8s_openapi::Resource>::KIND;
    let api = Api::<PartialObjectMeta<K>>::all(client.clone());
    watcher(api, ours())
        .backoff(WatchPause::default())
        .flat_map(move |event| {
            stream::iter(news(event, &seen, kind, |object| {
                seen.saw(kind, object.meta())
            }))
        })
}

/// Our Deployments as a whole: how far their rollouts are is in their status. Nothing but that is kept.
fn deployments(
    client: &Client,
    seen: Arc<Seen>,
) -> impl Stream<Item = Result<PartialObjectMeta<Deployment>, watcher::Error>> + Send + 'static + use<>
{
    let kind = <Deployment as k8s_openapi::Resource>::KIND;
    // They are large: fewer at once.
    let config = ours().page_size(100);
    watcher(Api::<Deployment>::all(client.clone()), config)
        .backoff(WatchPause::default())
        .flat_map(move |event| {
            stream::iter(news(event, &seen, kind, |object| {
                seen.saw_rollout(kind, object.meta(), Rollout::of(object))
            }))
        })
}

fn ours() -> watcher::Config {
    let selector = format!("{}={}", names::LABEL_MANAGED_BY, names::MANAGED_BY);
    watcher::Config::default().labels(&selector)
}

/// Whose tenants are to be looked at after an event.
fn news<K: Resource, T>(
    event: Result<Event<K>, watcher::Error>,
    seen: &Seen,
    kind: &'static str,
    is_news: impl Fn(&K) -> bool,
) -> Vec<Result<PartialObjectMeta<T>, watcher::Error>> {
    let touched = |object: &K| vec![Ok(object.meta().clone().into_response_partial())];
    match event {
        Ok(Event::Apply(object) | Event::InitApply(object)) => {
            if is_news(&object) {
                touched(&object)
            } else {
                Vec::new()
            }
        }
        Ok(Event::Delete(object)) => {
            seen.gone(kind, object.meta());
            touched(&object)
        }
        Ok(Event::Init) => {
            seen.begins(kind);
            Vec::new()
        }
        // Nobody tells of those that went while the watch was broken.
        Ok(Event::InitDone) => seen
            .has_told(kind)
            .iter()
            .filter_map(|key| Some(Ok(vanished(key)?.into_response_partial())))
            .collect(),
        Err(error) => vec![Err(error)],
    }
}

/// Stands for an object of which only the key is known.
fn vanished(key: &ObjectKey) -> Option<ObjectMeta> {
    let slug = key.place().strip_prefix(names::NAMESPACE_PREFIX)?;
    Some(ObjectMeta {
        name: Some(key.name.clone()),
        namespace: key.namespace.clone(),
        owner_references: Some(vec![OwnerReference {
            api_version: "gotrs.io/v1".to_owned(),
            kind: "Tenant".to_owned(),
            name: slug.to_owned(),
            ..OwnerReference::default()
        }]),
        ..ObjectMeta::default()
    })
}

/// The Tenants that own an object, by name. Where somebody has taken the owner away, its namespace still says whose it is.
fn owners<K: Resource>(object: PartialObjectMeta<K>) -> Vec<String> {
    let metadata = object.metadata;
    let place = metadata.namespace.as_ref().or(metadata.name.as_ref());
    let by_place = place
        .and_then(|place| place.strip_prefix(names::NAMESPACE_PREFIX))
        .map(str::to_owned);
    let owners: Vec<String> = metadata
        .owner_references
        .into_iter()
        .flatten()
        .filter(|owner| owner.kind == "Tenant" && owner.api_version.starts_with("gotrs.io/"))
        .map(|owner| owner.name)
        .collect();
    if owners.is_empty() {
        by_place.into_iter().collect()
    } else {
        owners
    }
}

/// Names of tenants that are to be looked at.
pub(crate) type Names = BoxStream<'static, Result<Vec<String>, watcher::Error>>;

/// Each watch has a pause of its own after a failure: one that breaks does not hold up the others.
fn owned_names<K>(client: &Client, ctx: &Context) -> Names
where
    K: Resource<DynamicType = ()> + k8s_openapi::Resource + Clone + Debug + Send + Sync + 'static,
{
    owned::<K>(client, Arc::clone(&ctx.seen))
        .map(|object| object.map(owners))
        .boxed()
}

/// Reconciles until `stopping`; reconciles under way are finished. Watches have a client of their own.
pub async fn run(
    ctx: Arc<Context>,
    client: &Client,
    tenants: impl Stream<Item = Result<Guarded, watcher::Error>> + Send + 'static,
    stopping: CancellationToken,
) {
    let watches = [
        owned_names::<Namespace>(client, &ctx),
        owned_names::<Secret>(client, &ctx),
        owned_names::<ServiceAccount>(client, &ctx),
        owned_names::<ResourceQuota>(client, &ctx),
        owned_names::<LimitRange>(client, &ctx),
        owned_names::<NetworkPolicy>(client, &ctx),
        deployments(client, Arc::clone(&ctx.seen))
            .map(|object| object.map(owners))
            .boxed(),
        owned_names::<PodDisruptionBudget>(client, &ctx),
        owned_names::<HorizontalPodAutoscaler>(client, &ctx),
    ];
    work_off(ctx, tenants, watches.into(), PLACES, stopping).await;
}

/// The loop: what the watches tell goes into the queue, and what is due there is reconciled.
pub(crate) async fn work_off(
    ctx: Arc<Context>,
    tenants: impl Stream<Item = Result<Guarded, watcher::Error>> + Send + 'static,
    mut watches: Vec<Names>,
    places: Places,
    stopping: CancellationToken,
) {
    watches.push(
        tenants
            .map(|object| object.map(|object| object.meta().name.clone().into_iter().collect()))
            .boxed(),
    );
    let mut told = select_all(watches);
    let mut queue = Queue::new(places);
    let mut at_work = FuturesUnordered::new();
    // Who is not known cannot be worked on, and who is first in the list is not more urgent for that.
    let store = ctx.tenants.clone();
    let mut known = store.wait_until_ready().boxed().fuse();
    let mut is_known = false;
    loop {
        while is_known
            && !stopping.is_cancelled()
            && let Some((name, _)) = queue.next(Instant::now(), |name| lane_of(&ctx, name))
        {
            at_work.push(turn(name, Arc::clone(&ctx)));
        }
        show(&queue);
        if stopping.is_cancelled() && at_work.is_empty() {
            return;
        }
        // Nothing is begun any more while the last ones end, whatever is due.
        let due = queue
            .next_due()
            .filter(|_| is_known && !stopping.is_cancelled());
        tokio::select! {
            Some(told) = told.next() => match told {
                Ok(names) => for name in names {
                    let lane = lane_of(&ctx, &name);
                    let pause = match lane {
                        Lane::User | Lane::Provision => Duration::ZERO,
                        Lane::Background => DEBOUNCE,
                    };
                    queue.ask(&name, lane, Instant::now() + pause);
                },
                Err(error) => {
                    metrics::counter!("operator_errors_total", "reason" => "watch").increment(1);
                    tracing::warn!(error = %service_kit::Chain(&error), "a watch was interrupted; it begins again");
                }
            },
            Some((name, action)) = at_work.next(), if !at_work.is_empty() => {
                queue.done(&name);
                if let Some(pause) = action.pause() {
                    queue.ask(&name, Lane::Background, Instant::now() + pause);
                }
            }
            answer = &mut known, if !is_known => match answer {
                Ok(()) => is_known = true,
                // The watch has ended: nothing more will come.
                Err(_) => return,
            },
            () = tokio::time::sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => {}
            () = stopping.cancelled(), if !stopping.is_cancelled() => {}
        }
    }
}

/// One turn of one tenant, with the newest that is known of it.
async fn turn(name: Arc<str>, ctx: Arc<Context>) -> (Arc<str>, Action) {
    let Some(object) = ctx.tenants.get(&ObjectRef::new(&name)) else {
        // Gone.
        return (name, Action::await_change());
    };
    let action = match reconcile(Arc::clone(&object), Arc::clone(&ctx)).await {
        Ok(action) => action,
        Err(error) => after_error(&object, &error, &ctx),
    };
    (name, action)
}

fn lane_of(ctx: &Context, name: &str) -> Lane {
    match ctx.tenants.get(&ObjectRef::new(name)).as_deref() {
        Some(object) => match &object.0 {
            Ok(tenant) => ctx.lane_of(tenant),
            Err(_) => Lane::Background,
        },
        None => Lane::Background,
    }
}

fn show(queue: &Queue) {
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    for lane in Lane::ALL {
        metrics::gauge!("operator_queue_depth", "lane" => lane.as_str())
            .set(number(queue.waiting(lane)));
        metrics::gauge!("operator_queue_running", "lane" => lane.as_str())
            .set(number(queue.running(lane)));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn tenant(
        generation: i64,
        annotations: &serde_json::Value,
        status: &serde_json::Value,
    ) -> Guarded {
        serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant",
            "metadata": {
                "name": "acme", "uid": "u", "generation": generation, "annotations": annotations,
            },
            "spec": {"slug": "acme"},
            "status": status,
        }))
        .unwrap()
    }

    fn condition(kind: &str, status: &str) -> serde_json::Value {
        json!({"conditions": [{
            "type": kind, "status": status, "reason": "R", "message": "",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }]})
    }

    #[test]
    fn our_own_reports_wake_nobody_and_those_of_others_do() {
        let before = what_matters(&tenant(1, &json!({}), &json!({})));
        let same = |object: &Guarded| what_matters(object) == before;
        assert!(same(&tenant(1, &json!({}), &condition("Ready", "True"))));
        assert!(same(&tenant(
            1,
            &json!({"x": "y"}),
            &json!({"phase": "Active"})
        )));
        assert!(!same(&tenant(2, &json!({}), &json!({}))));
        assert!(!same(&tenant(1, &json!({}), &condition("Routed", "False"))));
        let woken = json!({"gotrs.io/last-active": "2026-01-02T03:04:05Z"});
        assert!(!same(&tenant(1, &woken, &json!({}))));
    }

    #[test]
    fn an_object_that_cannot_be_read_is_kept_apart() {
        let object: Guarded = serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant",
            "metadata": {"name": "acme"}, "spec": {"slug": 7},
        }))
        .unwrap();
        assert!(object.0.is_err());
        assert_ne!(
            what_matters(&object),
            what_matters(&tenant(1, &json!({}), &json!({})))
        );
    }

    #[test]
    fn only_tenants_are_woken() {
        let object: PartialObjectMeta<Deployment> = serde_json::from_value(json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata",
            "metadata": {
                "name": "runtime", "namespace": "tenant-acme",
                "ownerReferences": [
                    {"apiVersion": "gotrs.io/v1", "kind": "Tenant", "name": "acme", "uid": "u"},
                    {"apiVersion": "apps/v1", "kind": "Deployment", "name": "other", "uid": "v"},
                ],
            },
        }))
        .unwrap();
        assert_eq!(owners(object), ["acme"]);
    }
}
