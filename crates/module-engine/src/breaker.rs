//! When a module is left alone for a while: a circuit breaker over the limits that its code hits.
//!
//! Pure: the caller brings the time and keeps one [`Breaker`] per module. Ask [`Breaker::admit`] before an invocation, and tell
//! [`Breaker::record`] how it ended.

use std::collections::VecDeque;

use chrono::{DateTime, TimeDelta, Utc};
use domain::digest::Sha256Digest;

use crate::call::{Cell, CellError};
use crate::error::{InvokeError, LimitError};

/// Limits hit within [`WINDOW`] that suspend a module.
pub const THRESHOLD: usize = 10;
/// How long a limit that was hit counts.
pub const WINDOW: TimeDelta = TimeDelta::minutes(5);
/// How long a module is suspended. Then one invocation is let through; what becomes of it decides.
pub const COOL_DOWN: TimeDelta = TimeDelta::minutes(10);
/// An invocation on trial of which nothing is heard for so long is given up, and another is let through.
pub const TRIAL_PATIENCE: TimeDelta = TimeDelta::minutes(1);

/// The breaker of one module.
#[derive(Debug, Clone)]
pub struct Breaker {
    /// The version of the module that all this is about.
    generation: Sha256Digest,
    state: State,
}

#[derive(Debug, Clone)]
enum State {
    /// It runs. When limits were hit, oldest first, at most [`THRESHOLD`].
    Closed { hits: VecDeque<DateTime<Utc>> },
    /// It does not run.
    Open {
        until: DateTime<Utc>,
        reason: String,
    },
    /// One invocation is on trial since then.
    HalfOpen {
        since: DateTime<Utc>,
        reason: String,
    },
}

/// How an invocation ended, as far as the breaker cares.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending<'a> {
    /// It ended by itself, also by throwing.
    Finished,
    /// It hit a limit.
    HitLimit(&'a LimitError),
    /// It did not run, or ended for reasons of ours.
    Unknown,
}

impl Ending<'_> {
    /// What a result means.
    pub fn of<T>(result: &Result<T, InvokeError>) -> Ending<'_> {
        match result {
            Ok(_) | Err(InvokeError::Script(_)) => Ending::Finished,
            Err(InvokeError::Limit(error)) => Ending::HitLimit(error),
            Err(_) => Ending::Unknown,
        }
    }

    /// What a batch of computed fields means. A limit that only some cells ran into counts too, once for the batch; a
    /// result that is too large spoils its own cell and has cost little, so it does not.
    pub fn of_cells(result: &Result<Vec<Vec<Cell>>, InvokeError>) -> Ending<'_> {
        let Ok(rows) = result else {
            return Ending::of(result);
        };
        let hit = rows.iter().flatten().find_map(|cell| match cell {
            Err(CellError::Limit(error)) if !error.limit.is_of_one_result() => Some(error),
            _ => None,
        });
        hit.map_or(Ending::Finished, Ending::HitLimit)
    }
}

impl Breaker {
    /// For a version of a module that has not run yet.
    pub fn new(generation: Sha256Digest) -> Self {
        Self {
            generation,
            state: closed(),
        }
    }

    /// Whether an invocation of this version of the module may run now; [`InvokeError::Suspended`] when not. Another
    /// version than before starts anew.
    pub fn admit(
        &mut self,
        generation: Sha256Digest,
        now: DateTime<Utc>,
    ) -> Result<(), InvokeError> {
        if generation != self.generation {
            *self = Self::new(generation);
        }
        let (until, reason) = match &self.state {
            State::Closed { .. } => return Ok(()),
            State::Open { until, reason } => (*until, reason),
            State::HalfOpen { since, reason } => (later(*since, TRIAL_PATIENCE), reason),
        };
        if now >= until {
            self.state = State::HalfOpen {
                since: now,
                reason: reason.clone(),
            };
            return Ok(());
        }
        Err(InvokeError::Suspended {
            reason: reason.clone(),
            until,
        })
    }

    /// Takes note of how an admitted invocation ended. Of another version than the present one: of no interest.
    pub fn record(&mut self, generation: Sha256Digest, ending: Ending<'_>, now: DateTime<Utc>) {
        if generation != self.generation {
            return;
        }
        match (&mut self.state, ending) {
            // What was admitted before it opened, and ends after that, changes nothing.
            (_, Ending::Unknown)
            | (State::Open { .. }, _)
            | (State::Closed { .. }, Ending::Finished) => {}
            (State::Closed { hits }, Ending::HitLimit(error)) => {
                hits.push_back(now);
                while hits
                    .front()
                    .is_some_and(|&first| later(first, WINDOW) <= now)
                {
                    hits.pop_front();
                }
                if hits.len() >= THRESHOLD {
                    let reason = format!(
                        "its code hit limits {THRESHOLD} times within {} minutes; the last one {error}",
                        WINDOW.num_minutes()
                    );
                    self.state = open(reason, now);
                }
            }
            (State::HalfOpen { .. }, Ending::Finished) => self.state = closed(),
            (State::HalfOpen { .. }, Ending::HitLimit(error)) => {
                let reason =
                    format!("its code still hits limits when it is tried again; it {error}");
                self.state = open(reason, now);
            }
        }
    }

    /// Why it is suspended and until when, for the pages of its owner; `None` while it runs.
    pub fn suspension(&self) -> Option<(&str, DateTime<Utc>)> {
        match &self.state {
            State::Closed { .. } => None,
            State::Open { until, reason } => Some((reason, *until)),
            State::HalfOpen { since, reason } => Some((reason, later(*since, TRIAL_PATIENCE))),
        }
    }
}

fn closed() -> State {
    State::Closed {
        hits: VecDeque::new(),
    }
}

fn open(reason: String, now: DateTime<Utc>) -> State {
    State::Open {
        until: later(now, COOL_DOWN),
        reason,
    }
}

fn later(time: DateTime<Utc>, by: TimeDelta) -> DateTime<Utc> {
    time.checked_add_signed(by).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::error::Limit;

    const HIT: LimitError = LimitError {
        limit: Limit::Wall,
        value: 5_000,
        position: None,
    };

    fn version(number: u8) -> Sha256Digest {
        Sha256Digest::of(&[number])
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(seconds, 0).unwrap()
    }

    /// A breaker that opened at the time 100.
    fn opened() -> Breaker {
        let mut breaker = Breaker::new(version(1));
        for _ in 0..THRESHOLD {
            breaker.admit(version(1), at(100)).unwrap();
            breaker.record(version(1), Ending::HitLimit(&HIT), at(100));
        }
        breaker
    }

    #[test]
    fn it_opens_tries_again_and_closes() {
        let mut breaker = opened();
        let refused = breaker.admit(version(1), at(699)).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "suspended until 1970-01-01 00:11:40 UTC: its code hit limits 10 times within 5 minutes; the last one took \
             longer than 5000 ms"
        );
        breaker.admit(version(1), at(700)).unwrap();
        assert!(
            breaker.admit(version(1), at(701)).is_err(),
            "one trial only"
        );
        breaker.record(version(1), Ending::Finished, at(702));
        assert_eq!(breaker.suspension(), None);
        breaker.admit(version(1), at(703)).unwrap();
    }

    #[test]
    fn a_trial_that_fails_opens_it_again_and_one_that_is_lost_is_replaced() {
        let mut breaker = opened();
        breaker.admit(version(1), at(700)).unwrap();
        breaker.record(version(1), Ending::HitLimit(&HIT), at(701));
        assert!(breaker.admit(version(1), at(1300)).is_err());
        breaker.admit(version(1), at(1301)).unwrap();
        assert!(breaker.admit(version(1), at(1302)).is_err());
        breaker.admit(version(1), at(1361)).unwrap();
    }

    #[test]
    fn another_version_starts_anew() {
        let mut breaker = opened();
        breaker.admit(version(2), at(101)).unwrap();
        // What the old version does is of no interest any more.
        for _ in 0..THRESHOLD {
            breaker.record(version(1), Ending::HitLimit(&HIT), at(102));
        }
        breaker.admit(version(2), at(103)).unwrap();
    }

    #[test]
    fn a_batch_counts_once_and_large_results_do_not_count() {
        let limit = |limit| {
            Err(CellError::Limit(LimitError {
                limit,
                value: 1,
                position: None,
            }))
        };
        let fine = || Ok(crate::value::CellValue::new(serde_json::Value::Null));
        let large = Ok(vec![vec![
            fine(),
            limit(Limit::ResultBytes),
            limit(Limit::Nesting),
        ]]);
        assert_eq!(Ending::of_cells(&large), Ending::Finished);
        let deep = Ok(vec![
            vec![fine()],
            vec![limit(Limit::ResultBytes), limit(Limit::Stack)],
            vec![limit(Limit::Stack)],
        ]);
        let Ending::HitLimit(error) = Ending::of_cells(&deep) else {
            panic!("no limit among {deep:?}");
        };
        assert_eq!(error.limit, Limit::Stack);
        assert_eq!(Ending::of_cells(&Err(InvokeError::Busy)), Ending::Unknown);
        assert_eq!(
            Ending::of_cells(&Err(InvokeError::Limit(HIT))),
            Ending::HitLimit(&HIT)
        );
    }

    #[derive(Debug, Clone)]
    enum Step {
        Admit,
        Hit,
        Finish,
        Unknown,
        Upgrade,
    }

    fn steps() -> impl Strategy<Value = Vec<(Step, i64)>> {
        let step = prop_oneof![
            4 => Just(Step::Admit),
            6 => Just(Step::Hit),
            1 => Just(Step::Finish),
            1 => Just(Step::Unknown),
            1 => Just(Step::Upgrade),
        ];
        proptest::collection::vec((step, 0_i64..90), 0..200)
    }

    proptest! {
        #[test]
        fn it_only_opens_for_enough_hits_and_never_for_ever(steps in steps()) {
            let (mut generation, mut now) = (0_u8, 0_i64);
            let mut breaker = Breaker::new(version(0));
            let mut hits: Vec<i64> = Vec::new();
            for (step, passed) in steps {
                now = now.saturating_add(passed);
                match step {
                    Step::Admit => drop(breaker.admit(version(generation), at(now))),
                    Step::Hit => {
                        hits.push(now);
                        breaker.record(version(generation), Ending::HitLimit(&HIT), at(now));
                    }
                    Step::Finish => breaker.record(version(generation), Ending::Finished, at(now)),
                    Step::Unknown => breaker.record(version(generation), Ending::Unknown, at(now)),
                    Step::Upgrade => {
                        generation = generation.wrapping_add(1);
                        hits.clear();
                        prop_assert!(breaker.admit(version(generation), at(now)).is_ok());
                    }
                }
                if let Some((_, until)) = breaker.suspension() {
                    prop_assert!(hits.len() >= THRESHOLD, "{} hits", hits.len());
                    prop_assert!(until <= later(at(now), COOL_DOWN));
                    let mut later = breaker.clone();
                    prop_assert!(later.admit(version(generation), until).is_ok());
                }
                if let State::Closed { hits } = &breaker.state {
                    prop_assert!(hits.len() < THRESHOLD);
                }
            }
        }
    }
}
