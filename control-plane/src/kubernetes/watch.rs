//! A copy in memory of everything of one kind, kept current by a watch.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::StreamExt as _;
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use service_kit::Tasks;
use tokio::sync::watch;

use crate::jobs::backoff::Backoff;

/// What is known of one kind.
pub(super) struct Copied<K: Resource<DynamicType = ()> + 'static> {
    store: Store<K>,
    is_complete: watch::Receiver<bool>,
}

impl<K: Resource<DynamicType = ()> + 'static> Clone for Copied<K> {
    fn clone(&self) -> Self {
        Self {
            store: self.store.clone(),
            is_complete: self.is_complete.clone(),
        }
    }
}

impl<K> Copied<K>
where
    K: Resource<DynamicType = ()> + Clone + Send + Sync + 'static,
{
    fn new(store: Store<K>, tasks: &Tasks, name: &'static str) -> Self {
        let (sender, is_complete) = watch::channel(false);
        let first = store.clone();
        let stopping = tasks.stopping();
        tasks.spawn(name, async move {
            tokio::select! {
                () = stopping.cancelled() => {}
                // Only one may wait for a store: it wakes nobody but the last who asked.
                ready = first.wait_until_ready() => if ready.is_ok() {
                    sender.send_replace(true);
                },
            }
        });
        Self { store, is_complete }
    }

    /// Waits until the first copy is complete.
    pub(super) async fn complete(&self) -> anyhow::Result<()> {
        let mut is_complete = self.is_complete.clone();
        is_complete
            .wait_for(|complete| *complete)
            .await
            .map(drop)
            .context("the watch ended before it had begun")
    }

    /// The objects.
    pub(super) const fn store(&self) -> &Store<K> {
        &self.store
    }
}

/// Pauses between the attempts of a watch that fails, up to five seconds: a cluster that is back is noticed within that. The client's
/// own default is up to a minute, for which whoever signed up or came by meanwhile would wait.
const PAUSE: Backoff = Backoff {
    first: Duration::from_millis(500),
    longest: Duration::from_secs(5),
};

/// They begin anew once the watch has told something. Many routers do not ask at the same moment.
#[derive(Debug, Default)]
struct Pauses {
    failures: u32,
}

impl Iterator for Pauses {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        Some(PAUSE.random_pause(self.failures))
    }
}

impl kube::runtime::utils::Backoff for Pauses {
    fn reset(&mut self) {
        *self = Self::default();
    }
}

/// Begins to watch; `seen` is called with each object that was added, changed or removed, after the copy has it. The watch goes
/// on for ever: what breaks it is begun again, after pauses that grow.
pub(super) fn start<K>(
    tasks: &Tasks,
    name: &'static str,
    api: Api<K>,
    config: watcher::Config,
    seen: impl Fn(&K) + Send + 'static,
) -> Copied<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let stopping = tasks.stopping();
    tasks.spawn_service(name, async move {
        let events = watcher(api, config)
            .backoff(Pauses::default())
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
    Copied::new(store, tasks, name)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ConfigMap;
    use kube::runtime::utils::Backoff as _;

    use super::*;

    /// The router's start and the job that publishes its table wait for the same copies.
    #[tokio::test]
    async fn all_who_wait_hear_that_a_copy_is_complete() {
        let (store, mut writer) = reflector::store::<ConfigMap>();
        let tasks = Tasks::new();
        let copied = Copied::new(store, &tasks, "maps");
        let (sender, mut heard) = tokio::sync::mpsc::channel(3);
        for copied in vec![copied; 3] {
            let sender = sender.clone();
            // In a task each: who waits in the same one is woken with the others.
            tasks.spawn("waiting", async move {
                copied.complete().await.unwrap();
                sender.send(()).await.unwrap();
            });
        }
        tokio::task::yield_now().await;
        writer.apply_watcher_event(&watcher::Event::Init);
        writer.apply_watcher_event(&watcher::Event::InitDone);
        for _ in 0..3 {
            tokio::time::timeout(Duration::from_secs(5), heard.recv())
                .await
                .expect("everybody hears of it")
                .unwrap();
        }
    }

    #[test]
    fn a_watch_never_waits_long_for_a_cluster_that_is_back() {
        let mut pauses = Pauses::default();
        let all: Vec<Duration> = pauses.by_ref().take(1_000).collect();
        assert!(all[0] <= PAUSE.first);
        assert!(all.iter().all(|pause| *pause <= PAUSE.longest));
        let last = &all[10..];
        assert!(
            last.iter().all(|pause| *pause >= PAUSE.longest / 2),
            "{last:?}"
        );
        pauses.reset();
        assert!(pauses.next().unwrap() <= PAUSE.first);
    }
}
