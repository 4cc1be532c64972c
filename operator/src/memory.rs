//! What the operator remembers of each tenant between reconciles: only what saves work and what a restart may forget.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a look at the database is good: then schema, roles and rights are compared again.
const DATABASE_FRESH: Duration = Duration::from_hours(1);

/// Per tenant, by the uid of its resource.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    failures: u32,
    database: Option<DatabaseState>,
    locked: Option<Instant>,
}

/// The database as it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseState {
    /// What was asked for: with other inputs it is done again.
    pub inputs: u64,
    /// Newest migration.
    pub schema_version: i64,
    /// What differed afterwards, for people.
    pub differences: Vec<String>,
    at: Instant,
}

impl DatabaseState {
    /// As of now.
    pub fn now(inputs: u64, schema_version: i64, differences: Vec<String>) -> Self {
        Self {
            inputs,
            schema_version,
            differences,
            at: Instant::now(),
        }
    }
}

impl Memory {
    fn with<T>(&self, uid: &str, work: impl FnOnce(&mut Remembered) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(uid) {
            Some(remembered) => work(remembered),
            None => work(all.entry(uid.to_owned()).or_default()),
        }
    }

    /// Another failure in a row; answers how many.
    pub fn failed(&self, uid: &str) -> u32 {
        self.with(uid, |remembered| {
            remembered.failures = remembered.failures.saturating_add(1);
            remembered.failures
        })
    }

    /// It went well.
    pub fn succeeded(&self, uid: &str) {
        self.with(uid, |remembered| remembered.failures = 0);
    }

    /// The database, if it was looked at lately with the same inputs.
    pub fn database(&self, uid: &str, inputs: u64) -> Option<DatabaseState> {
        self.with(uid, |remembered| {
            remembered
                .database
                .as_ref()
                .filter(|state| state.inputs == inputs && state.at.elapsed() < DATABASE_FRESH)
                .cloned()
        })
    }

    /// The database was brought in line.
    pub fn keep_database(&self, uid: &str, state: DatabaseState) {
        self.with(uid, |remembered| remembered.database = Some(state));
    }

    /// The database must be looked at again.
    pub fn forget_database(&self, uid: &str) {
        self.with(uid, |remembered| {
            remembered.database = None;
            remembered.locked = None;
        });
    }

    /// The roles were kept from signing in.
    pub fn keep_locked(&self, uid: &str) {
        self.with(uid, |remembered| {
            remembered.database = None;
            remembered.locked = Some(Instant::now());
        });
    }

    /// Whether the roles were kept from signing in lately.
    pub fn is_locked(&self, uid: &str) -> bool {
        self.with(uid, |remembered| {
            remembered
                .locked
                .is_some_and(|at| at.elapsed() < DATABASE_FRESH)
        })
    }

    /// The tenant is gone.
    pub fn forget(&self, uid: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(uid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_are_counted_per_tenant_until_it_goes_well() {
        let memory = Memory::default();
        assert_eq!(memory.failed("a"), 1);
        assert_eq!(memory.failed("a"), 2);
        assert_eq!(memory.failed("b"), 1);
        memory.succeeded("a");
        assert_eq!(memory.failed("a"), 1);
    }

    #[test]
    fn the_database_is_looked_at_again_for_other_inputs() {
        let memory = Memory::default();
        memory.keep_database("a", DatabaseState::now(1, 8, Vec::new()));
        assert_eq!(memory.database("a", 1).unwrap().schema_version, 8);
        assert_eq!(memory.database("a", 2), None);
        assert_eq!(memory.database("b", 1), None);
        memory.forget_database("a");
        assert_eq!(memory.database("a", 1), None);
    }

    #[test]
    fn a_lock_and_a_database_that_works_exclude_each_other() {
        let memory = Memory::default();
        assert!(!memory.is_locked("a"));
        memory.keep_database("a", DatabaseState::now(1, 8, Vec::new()));
        memory.keep_locked("a");
        assert!(memory.is_locked("a"));
        assert_eq!(memory.database("a", 1), None);
        memory.forget_database("a");
        assert!(!memory.is_locked("a"));
    }
}
