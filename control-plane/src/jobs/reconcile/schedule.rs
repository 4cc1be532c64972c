//! Which tenant is looked at next: each one by itself, so that a stuck one never stops the others.

use std::collections::HashMap;
use std::time::Duration;

use domain::id::TenantId;
use tokio::time::Instant;

use crate::jobs::backoff::Backoff;

/// Shortest pause between two looks at one tenant, however often it is told to have changed.
const SHORTEST_PAUSE: Duration = Duration::from_millis(20);

/// What a look at a tenant has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be; it is looked at again when something changes.
    Settled,
    /// To be looked at again after this time at the latest.
    Again(Duration),
    /// Nothing to look after any more.
    Gone,
    /// It did not work.
    Failed,
}

#[derive(Debug, Default)]
struct Entry {
    due: Option<Instant>,
    is_running: bool,
    /// Changed while it was looked at.
    is_stale: bool,
    failures: u32,
}

/// The schedule.
#[derive(Debug)]
pub struct Schedule {
    entries: HashMap<TenantId, Entry>,
    backoff: Backoff,
}

impl Schedule {
    /// Nothing to do yet.
    pub fn new(backoff: Backoff) -> Self {
        Self {
            entries: HashMap::new(),
            backoff,
        }
    }

    /// Something about this tenant changed: look at it at once, also when it failed before.
    pub fn wake(&mut self, tenant: TenantId, now: Instant) {
        let entry = self.entries.entry(tenant).or_default();
        if entry.is_running {
            entry.is_stale = true;
        } else {
            entry.due = Some(entry.due.map_or(now, |due| due.min(now)));
        }
    }

    /// Time has passed: look at this tenant unless it waits out a failure.
    pub fn remind(&mut self, tenant: TenantId, now: Instant) {
        let entry = self.entries.entry(tenant).or_default();
        if !entry.is_running && entry.failures == 0 {
            entry.due = Some(entry.due.map_or(now, |due| due.min(now)));
        }
    }

    /// The tenant that has been due longest, if any is; it is being looked at from now on.
    pub fn start_next(&mut self, now: Instant) -> Option<TenantId> {
        let (tenant, entry) = self
            .entries
            .iter_mut()
            .filter(|(_, entry)| entry.due.is_some_and(|due| due <= now))
            .min_by_key(|(_, entry)| entry.due)?;
        entry.due = None;
        entry.is_running = true;
        entry.is_stale = false;
        Some(*tenant)
    }

    /// When the next tenant is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.entries.values().filter_map(|entry| entry.due).min()
    }

    /// A look at a tenant has ended.
    pub fn finish(&mut self, tenant: TenantId, outcome: Outcome, now: Instant) {
        let Some(entry) = self.entries.get_mut(&tenant) else {
            return;
        };
        entry.is_running = false;
        entry.failures = match outcome {
            Outcome::Failed => entry.failures.saturating_add(1),
            Outcome::Settled | Outcome::Again(_) | Outcome::Gone => 0,
        };
        let pause = match outcome {
            _ if entry.is_stale => Some(SHORTEST_PAUSE),
            Outcome::Settled | Outcome::Gone => None,
            Outcome::Again(pause) => Some(pause.max(SHORTEST_PAUSE)),
            Outcome::Failed => Some(self.backoff.random_pause(entry.failures)),
        };
        entry.due = pause.map(|pause| now + pause);
        if outcome == Outcome::Gone && entry.due.is_none() {
            self.entries.remove(&tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule() -> Schedule {
        Schedule::new(Backoff {
            first: Duration::from_secs(1),
            longest: Duration::from_secs(8),
        })
    }

    #[test]
    fn one_look_at_a_time_and_changes_meanwhile_are_not_lost() {
        let (mut schedule, tenant, now) = (schedule(), TenantId::generate(), Instant::now());
        schedule.wake(tenant, now);
        assert_eq!(schedule.start_next(now), Some(tenant));
        schedule.wake(tenant, now);
        assert_eq!(schedule.start_next(now), None);
        schedule.finish(tenant, Outcome::Settled, now);
        assert_eq!(schedule.next_due(), Some(now + SHORTEST_PAUSE));
        assert_eq!(schedule.start_next(now + SHORTEST_PAUSE), Some(tenant));
        schedule.finish(tenant, Outcome::Settled, now);
        assert_eq!(schedule.next_due(), None);
    }

    #[test]
    fn a_failing_tenant_waits_longer_each_time_and_only_a_change_shortens_that() {
        let (mut schedule, stuck, now) = (schedule(), TenantId::generate(), Instant::now());
        let fine = TenantId::generate();
        schedule.wake(stuck, now);
        let mut pauses = Vec::new();
        for _ in 0..6 {
            let due = schedule.next_due().unwrap();
            assert_eq!(schedule.start_next(due), Some(stuck));
            schedule.finish(stuck, Outcome::Failed, due);
            pauses.push(schedule.next_due().unwrap() - due);
        }
        assert!(
            pauses[3] >= Duration::from_secs(4) && pauses[5] <= Duration::from_secs(8),
            "{pauses:?}"
        );
        schedule.remind(stuck, now);
        schedule.wake(fine, now);
        assert_eq!(schedule.start_next(now), Some(fine));
        assert_eq!(schedule.start_next(now), None);
        schedule.wake(stuck, now);
        assert_eq!(schedule.start_next(now), Some(stuck));
    }

    #[test]
    fn what_is_gone_is_forgotten() {
        let (mut schedule, tenant, now) = (schedule(), TenantId::generate(), Instant::now());
        schedule.wake(tenant, now);
        schedule.start_next(now);
        schedule.finish(tenant, Outcome::Gone, now);
        assert!(schedule.entries.is_empty());
    }
}
