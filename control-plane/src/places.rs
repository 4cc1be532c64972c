//! Places for each of many: whoever wants much waits for themselves, and nobody else waits for them.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// So many at once for each key, and so many altogether who have a turn or wait for one. Clones are the same.
#[derive(Debug, Clone)]
pub struct Places<K> {
    at_once: usize,
    most: usize,
    /// Only of those who are here.
    keys: Arc<Mutex<HashMap<K, Line>>>,
}

#[derive(Debug)]
struct Line {
    turns: Arc<Semaphore>,
    here: usize,
}

impl<K: Copy + Eq + Hash> Places<K> {
    /// For each key `at_once` turns, and with those who wait for one at most `most`.
    pub fn new(at_once: usize, most: usize) -> Self {
        Self {
            at_once,
            most,
            keys: Arc::default(),
        }
    }

    /// A place in the line of this key; `None` if it is full.
    pub fn line_up(&self, key: K) -> Option<Place<K>> {
        let mut keys = self.lock();
        let line = keys.entry(key).or_insert_with(|| Line {
            turns: Arc::new(Semaphore::new(self.at_once)),
            here: 0,
        });
        if line.here >= self.most {
            return None;
        }
        line.here += 1;
        let turns = Arc::clone(&line.turns);
        drop(keys);
        Some(Place {
            places: self.clone(),
            key,
            turns,
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Line>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in a line; dropping it gives it up.
#[derive(Debug)]
pub struct Place<K: Copy + Eq + Hash> {
    places: Places<K>,
    key: K,
    turns: Arc<Semaphore>,
}

impl<K: Copy + Eq + Hash> Place<K> {
    /// Waits for a turn, which ends with what is answered.
    pub async fn turn(&self) -> Option<OwnedSemaphorePermit> {
        // Never closed.
        Arc::clone(&self.turns).acquire_owned().await.ok()
    }
}

impl<K: Copy + Eq + Hash> Drop for Place<K> {
    fn drop(&mut self) {
        let mut keys = self.places.lock();
        if let Some(line) = keys.get_mut(&self.key) {
            line.here -= 1;
            if line.here == 0 {
                keys.remove(&self.key);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn each_waits_only_for_itself_and_nobody_is_remembered() {
        let places = Places::new(1, 3);
        let line: Vec<_> = (0..3).map(|_| places.line_up("ann").unwrap()).collect();
        assert!(places.line_up("ann").is_none(), "the line is full");
        let turn = line[0].turn().now_or_never().flatten();
        assert!(turn.is_some());
        assert!(line[1].turn().now_or_never().is_none());
        let other = places.line_up("bob").unwrap();
        assert!(other.turn().now_or_never().flatten().is_some());
        drop(turn);
        assert!(line[1].turn().now_or_never().flatten().is_some());
        drop(line);
        assert!(places.line_up("ann").is_some());
        drop(other);
        assert!(places.lock().is_empty());
    }
}
