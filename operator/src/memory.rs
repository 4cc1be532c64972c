//! What the operator remembers of each tenant between reconciles: only what saves work and what a restart may forget.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use crate::reconcile::secrets::Seal;

/// How long a look at the database is good: then schema, roles and rights are compared again.
pub const DATABASE_FRESH: Duration = Duration::from_hours(1);

/// Per tenant, by the uid of its resource.
#[derive(Debug, Default)]
pub struct Memory(Mutex<HashMap<String, Remembered>>);

#[derive(Debug, Default)]
struct Remembered {
    failures: u32,
    seal: Option<Seal>,
    /// Boxed: most tenants have one of the two.
    database: Option<Box<DatabaseState>>,
    locked: Option<Box<Look>>,
    note: u64,
    /// Digest of our part of the status as it was written last.
    status: Option<u64>,
    export: Option<Box<ExportTrouble>>,
}

/// A final export that fails.
#[derive(Debug)]
struct ExportTrouble {
    failures: u32,
    again: DateTime<Utc>,
}

/// One look at a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// When, for what counts here.
    pub at: Instant,
    /// When, for whoever comes after us.
    pub time: DateTime<Utc>,
    /// Digest of the stamp of roles and schema at that time.
    pub stamp: u64,
}

impl Look {
    /// At `time`, which is now.
    pub fn now(time: DateTime<Utc>, stamp: u64) -> Self {
        Self {
            at: Instant::now(),
            time,
            stamp,
        }
    }

    fn is_fresh(&self) -> bool {
        self.at.elapsed() < DATABASE_FRESH
    }
}

/// The database as it was left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DatabaseState {
    /// What was asked for: with other inputs it is done again.
    pub inputs: u64,
    /// What was asked of the roles: with other ones only these are.
    pub roles: u64,
    /// Newest migration.
    pub schema_version: i64,
    /// What differed afterwards, for people.
    pub differences: Vec<String>,
    /// When all of it was looked at.
    pub look: Look,
}

impl Memory {
    fn with<T>(&self, uid: &str, work: impl FnOnce(&mut Remembered) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match all.get_mut(uid) {
            Some(remembered) => work(remembered),
            None => work(all.entry(uid.to_owned()).or_default()),
        }
    }

    /// The same of what is remembered already: whoever is gone is not remembered for being asked about.
    fn of<T: Default>(&self, uid: &str, work: impl FnOnce(&mut Remembered) -> T) -> T {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get_mut(uid).map(work).unwrap_or_default()
    }

    /// Whether nothing is remembered of anybody.
    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.is_empty()
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
        self.of(uid, |remembered| remembered.failures = 0);
    }

    /// How many failures in a row there were.
    pub fn failures(&self, uid: &str) -> u32 {
        self.of(uid, |remembered| remembered.failures)
    }

    /// Another final export has failed; answers how long it is left alone, by `pause` after so many failures.
    pub fn export_failed(
        &self,
        uid: &str,
        now: DateTime<Utc>,
        pause: impl FnOnce(u32) -> Duration,
    ) -> Duration {
        self.with(uid, |remembered| {
            let before = remembered.export.as_deref();
            let failures = before.map_or(1, |trouble| trouble.failures.saturating_add(1));
            let pause = pause(failures);
            let again = TimeDelta::from_std(pause)
                .ok()
                .and_then(|pause| now.checked_add_signed(pause))
                .unwrap_or(now);
            remembered.export = Some(Box::new(ExportTrouble { failures, again }));
            pause
        })
    }

    /// How long the final export is still left alone after a failure.
    pub fn export_rests(&self, uid: &str, now: DateTime<Utc>) -> Option<Duration> {
        self.of(uid, |remembered| {
            let again = remembered.export.as_deref()?.again;
            (again - now).to_std().ok().filter(|rest| !rest.is_zero())
        })
    }

    /// Whether a status, with this digest of our part of it, may be older than what was written last.
    pub fn is_old_status(&self, uid: &str, digest: u64) -> bool {
        self.of(uid, |remembered| {
            remembered.status.is_some_and(|written| written != digest)
        })
    }

    /// Our part of the status is this.
    pub fn keep_status(&self, uid: &str, digest: u64) {
        self.with(uid, |remembered| remembered.status = Some(digest));
    }

    /// What stands for the passwords that were applied last.
    pub fn seal(&self, uid: &str) -> Option<Seal> {
        self.of(uid, |remembered| remembered.seal.clone())
    }

    /// Passwords were applied.
    pub fn keep_seal(&self, uid: &str, seal: Seal) {
        self.with(uid, |remembered| remembered.seal = Some(seal));
    }

    /// The database, if it was looked at lately with the same inputs. Its roles may be wanted otherwise.
    pub fn database(&self, uid: &str, inputs: u64) -> Option<DatabaseState> {
        self.of(uid, |remembered| {
            remembered
                .database
                .as_deref()
                .filter(|state| state.inputs == inputs && state.look.is_fresh())
                .cloned()
        })
    }

    /// The database was brought in line.
    pub fn keep_database(&self, uid: &str, state: DatabaseState) {
        self.with(uid, |remembered| {
            remembered.database = Some(Box::new(state));
        });
    }

    /// The database must be looked at again.
    pub fn forget_database(&self, uid: &str) {
        self.of(uid, |remembered| {
            remembered.database = None;
            remembered.locked = None;
        });
    }

    /// The roles were kept from signing in.
    pub fn keep_locked(&self, uid: &str, look: Look) {
        self.with(uid, |remembered| {
            remembered.database = None;
            remembered.locked = Some(Box::new(look));
        });
    }

    /// Whether the roles were kept from signing in lately.
    pub fn is_locked(&self, uid: &str) -> bool {
        self.of(uid, |remembered| {
            remembered.locked.as_deref().is_some_and(Look::is_fresh)
        })
    }

    /// What goes into the tenant's note.
    pub fn to_note(&self, uid: &str) -> (Option<Seal>, Option<DatabaseState>, Option<Look>) {
        self.of(uid, |remembered| {
            (
                remembered.seal.clone(),
                remembered.database.as_deref().cloned(),
                remembered.locked.as_deref().copied(),
            )
        })
    }

    /// Takes up what an operator before us knew.
    pub fn restore(
        &self,
        uid: &str,
        seal: Option<Seal>,
        database: Option<DatabaseState>,
        locked: Option<Look>,
        note: u64,
    ) {
        self.with(uid, |remembered| {
            remembered.seal = seal;
            remembered.database = database.map(Box::new);
            remembered.locked = locked.map(Box::new);
            remembered.note = note;
        });
    }

    /// Whether the note with this digest is the one that was written last.
    pub fn is_noted(&self, uid: &str, note: u64) -> bool {
        self.of(uid, |remembered| remembered.note == note)
    }

    /// A note was written.
    pub fn keep_noted(&self, uid: &str, note: u64) {
        self.with(uid, |remembered| remembered.note = note);
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

    fn state(inputs: u64) -> DatabaseState {
        DatabaseState {
            inputs,
            roles: 3,
            schema_version: 8,
            differences: Vec::new(),
            look: Look::now(DateTime::UNIX_EPOCH, 0),
        }
    }

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
        memory.keep_database("a", state(1));
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
        memory.keep_database("a", state(1));
        memory.keep_locked("a", Look::now(DateTime::UNIX_EPOCH, 0));
        assert!(memory.is_locked("a"));
        assert_eq!(memory.database("a", 1), None);
        memory.forget_database("a");
        assert!(!memory.is_locked("a"));
    }
}
