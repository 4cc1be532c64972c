//! A copy in memory of everything of one kind, kept current by a watch.

use std::fmt::Debug;

use futures_util::StreamExt as _;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use service_kit::Tasks;

/// Begins to watch; `seen` is called with each object that was added, changed or removed, after the copy has it. The watch goes
/// on for ever: what breaks it is begun again, after pauses that grow.
pub(super) fn start<K>(
    tasks: &Tasks,
    name: &'static str,
    api: Api<K>,
    config: watcher::Config,
    seen: impl Fn(&K) + Send + 'static,
) -> Store<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let stopping = tasks.stopping();
    tasks.spawn_service(name, async move {
        let events = watcher(api, config)
            .default_backoff()
            // The larger half of an object, of interest to nobody here.
            .modify(|object| object.meta_mut().managed_fields = None)
            .reflect(writer)
            .touched_objects();
        futures_util::pin_mut!(events);
        loop {
            let event = tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                event = events.next() => event,
            };
            match event {
                Some(Ok(object)) => seen(&object),
                Some(Err(error)) => {
                    metrics::counter!("kubernetes_watch_failures_total", "watch" => name).increment(1);
                    tracing::warn!(watch = name, error = %service_kit::Chain(&error), "a watch broke and is begun again");
                }
                None => anyhow::bail!("the watch of {name} has ended"),
            }
        }
    });
    store
}
