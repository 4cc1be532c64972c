//! What stands between one loaded module and the sandbox: its circuit breaker, and how many of its lambdas may run at once.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::digest::Sha256Digest;
use domain::watch::Suspension;
use module_engine::breaker::{Breaker, Ending};
use module_engine::error::InvokeError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::SANDBOXES;

/// Lambdas of one module at once. Half of the sandboxes, and fewer than the lambda role's connections: a module that uses up
/// its time leaves room for the others.
const AT_ONCE: u8 = SANDBOXES / 2;

/// The supervision of one loaded module. It lives and dies with it: a new version starts with a clean record.
#[derive(Debug)]
pub struct Supervision {
    digest: Sha256Digest,
    breaker: Mutex<Breaker>,
    places: Arc<Semaphore>,
}

/// What the end of an invocation changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Nothing.
    None,
    /// From now on the module's code does not run.
    Suspended(Suspension),
    /// It runs again.
    Resumed,
}

impl Supervision {
    /// Of a module with this content, which has not run yet.
    pub fn new(digest: Sha256Digest) -> Self {
        Self {
            digest,
            breaker: Mutex::new(Breaker::new(digest)),
            places: Arc::new(Semaphore::new(AT_ONCE.into())),
        }
    }

    /// Why and until when its code does not run; `None` while it runs. Once that time is over, the next invocation is a trial.
    pub fn suspension(&self) -> Option<Suspension> {
        let breaker = self.breaker();
        let (reason, until) = breaker.suspension()?;
        Some(Suspension {
            reason: reason.to_owned(),
            until,
        })
    }

    /// Refuses an invocation that [`Supervision::admit`] would refuse, without being one.
    pub fn refuse_if_suspended(&self, now: DateTime<Utc>) -> Result<(), InvokeError> {
        match self.suspension() {
            Some(Suspension { reason, until }) if now < until => {
                Err(InvokeError::Suspended { reason, until })
            }
            _ => Ok(()),
        }
    }

    /// Waits until so few lambdas of the module run that one more may, at most for `patience`.
    pub async fn place(&self, patience: Duration) -> Result<OwnedSemaphorePermit, InvokeError> {
        tokio::time::timeout(patience, Arc::clone(&self.places).acquire_owned())
            .await
            .map_err(|_elapsed| InvokeError::Busy)?
            .map_err(|_closed| InvokeError::Busy)
    }

    /// Whether an invocation may run now; every admitted one is to be followed by [`Supervision::record`].
    pub fn admit(&self, now: DateTime<Utc>) -> Result<(), InvokeError> {
        self.breaker().admit(self.digest, now)
    }

    /// Takes note of how an admitted invocation ended.
    pub fn record(&self, ending: Ending<'_>, now: DateTime<Utc>) -> Turn {
        let mut breaker = self.breaker();
        let before = breaker.suspension().map(|(_, until)| until);
        breaker.record(self.digest, ending, now);
        match breaker.suspension() {
            // Also after a trial that failed: the time is another.
            Some((reason, until)) if before != Some(until) => Turn::Suspended(Suspension {
                reason: reason.to_owned(),
                until,
            }),
            None if before.is_some() => Turn::Resumed,
            _ => Turn::None,
        }
    }

    /// Nothing panics while it is held; should it ever, the state is still whole.
    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use module_engine::breaker::{COOL_DOWN, THRESHOLD};
    use module_engine::error::{Limit, LimitError};

    use super::*;

    const HIT: LimitError = LimitError {
        limit: Limit::Cpu,
        value: 2_000,
        position: None,
    };

    #[test]
    fn it_says_when_it_turns_and_only_then() {
        let supervision = Supervision::new(Sha256Digest::of(b"a"));
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        for number in 1..=THRESHOLD {
            supervision.admit(now).unwrap();
            let turn = supervision.record(Ending::HitLimit(&HIT), now);
            assert_eq!(
                matches!(turn, Turn::Suspended(_)),
                number == THRESHOLD,
                "{turn:?}"
            );
        }
        let suspension = supervision.suspension().unwrap();
        assert_eq!(suspension.until, now + COOL_DOWN);
        assert!(supervision.refuse_if_suspended(now).is_err());
        assert!(supervision.admit(now).is_err());
        // What ran already when it was suspended says nothing new.
        assert_eq!(supervision.record(Ending::HitLimit(&HIT), now), Turn::None);
        assert_eq!(supervision.record(Ending::Finished, now), Turn::None);
        let later = suspension.until;
        supervision.refuse_if_suspended(later).unwrap();
        supervision.admit(later).unwrap();
        assert!(supervision.admit(later).is_err(), "one trial only");
        assert_eq!(supervision.record(Ending::Finished, later), Turn::Resumed);
        assert_eq!(supervision.suspension(), None);
        assert_eq!(supervision.record(Ending::Finished, later), Turn::None);
    }

    #[tokio::test]
    async fn one_module_has_half_of_the_sandboxes_at_most() {
        let supervision = Supervision::new(Sha256Digest::of(b"a"));
        let patience = Duration::from_millis(20);
        let first = supervision.place(patience).await.unwrap();
        let _second = supervision.place(patience).await.unwrap();
        assert_eq!(
            supervision.place(patience).await.unwrap_err(),
            InvokeError::Busy
        );
        drop(first);
        let _third = supervision.place(patience).await.unwrap();
    }
}
