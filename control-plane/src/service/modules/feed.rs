//! Who is told when a tenant's modules change: one listening connection per process, many watchers.
//!
//! A signal says only that there is something to look at. Losing one costs time, never a change: the listening job
//! (`jobs::module_feed`) also looks by itself.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use domain::id::TenantId;
use tokio::sync::watch;

/// Watch connections that one tenant may hold: ten replicas at most, those that take their places, and those whose node is gone and
/// whose connection nobody has ended. A new replica that gets no place here does not get ready.
pub const MAX_WATCHERS: usize = 32;

/// What is known of a tenant without asking the database.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Signal {
    /// The newest generation that was heard of.
    pub generation: u64,
    /// How often runtimes were heard of to have acknowledged something.
    pub acknowledgements: u64,
}

/// Signals of all tenants that somebody listens for. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Feed(Arc<Mutex<HashMap<TenantId, Entry>>>);

#[derive(Debug, Default)]
struct Entry {
    sender: watch::Sender<Signal>,
    watchers: usize,
}

/// A place among the tenant's watchers; given back when dropped.
#[derive(Debug)]
pub struct WatcherSeat {
    feed: Feed,
    tenant: TenantId,
}

/// The tenant has as many watchers as it may have.
#[derive(Debug, thiserror::Error)]
#[error("the tenant has {MAX_WATCHERS} watchers already")]
pub struct TooManyWatchers;

impl Feed {
    /// From now on, signals of `tenant`.
    pub fn subscribe(&self, tenant: TenantId) -> watch::Receiver<Signal> {
        self.with(|entries| entries.entry(tenant).or_default().sender.subscribe())
    }

    /// Takes a watcher's place.
    pub fn take_seat(&self, tenant: TenantId) -> Result<WatcherSeat, TooManyWatchers> {
        self.with(|entries| {
            let entry = entries.entry(tenant).or_default();
            if entry.watchers >= MAX_WATCHERS {
                return Err(TooManyWatchers);
            }
            entry.watchers += 1;
            metrics::gauge!("module_watchers").increment(1.0);
            Ok(WatcherSeat {
                feed: self.clone(),
                tenant,
            })
        })
    }

    /// Says that the tenant's generation is at least this.
    pub fn advance(&self, tenant: TenantId, generation: u64) {
        self.signal(tenant, |signal| {
            let grows = generation > signal.generation;
            signal.generation = signal.generation.max(generation);
            grows
        });
    }

    /// Says that a runtime of the tenant has spoken.
    pub fn acknowledged(&self, tenant: TenantId) {
        self.signal(tenant, |signal| {
            signal.acknowledgements += 1;
            true
        });
    }

    /// Says to everybody that something may have been missed.
    pub fn wake_all(&self) {
        for tenant in self.tenants() {
            self.acknowledged(tenant);
        }
    }

    /// Whom somebody listens for; forgets the others.
    pub fn tenants(&self) -> Vec<TenantId> {
        self.with(|entries| {
            entries.retain(|_, entry| entry.watchers > 0 || entry.sender.receiver_count() > 0);
            entries.keys().copied().collect()
        })
    }

    fn signal(&self, tenant: TenantId, change: impl FnOnce(&mut Signal) -> bool) {
        self.with(|entries| {
            if let Some(entry) = entries.get(&tenant) {
                entry.sender.send_if_modified(change);
            }
        });
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<TenantId, Entry>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for WatcherSeat {
    fn drop(&mut self) {
        metrics::gauge!("module_watchers").decrement(1.0);
        self.feed.with(|entries| {
            if let Some(entry) = entries.get_mut(&self.tenant) {
                entry.watchers = entry.watchers.saturating_sub(1);
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_growth_is_a_signal_and_only_for_the_tenant() {
        let feed = Feed::default();
        let (acme, other) = (TenantId::generate(), TenantId::generate());
        let mut signals = feed.subscribe(acme);
        feed.advance(other, 9);
        assert!(!signals.has_changed().unwrap());
        feed.advance(acme, 3);
        assert!(signals.has_changed().unwrap());
        assert_eq!(signals.borrow_and_update().generation, 3);
        feed.advance(acme, 2);
        assert!(!signals.has_changed().unwrap());
        feed.acknowledged(acme);
        assert!(signals.has_changed().unwrap());
    }

    #[test]
    fn seats_are_bounded_and_given_back() {
        let feed = Feed::default();
        let tenant = TenantId::generate();
        let mut seats: Vec<_> = (0..MAX_WATCHERS)
            .map(|_| feed.take_seat(tenant).unwrap())
            .collect();
        assert!(feed.take_seat(tenant).is_err());
        assert!(feed.take_seat(TenantId::generate()).is_ok());
        seats.pop();
        assert!(feed.take_seat(tenant).is_ok());
    }

    #[test]
    fn tenants_that_nobody_listens_for_are_forgotten() {
        let feed = Feed::default();
        let tenant = TenantId::generate();
        let signals = feed.subscribe(tenant);
        assert_eq!(feed.tenants(), [tenant]);
        drop(signals);
        assert!(feed.tenants().is_empty());
        let seat = feed.take_seat(tenant).unwrap();
        assert_eq!(feed.tenants(), [tenant]);
        drop(seat);
        assert!(feed.tenants().is_empty());
    }
}
