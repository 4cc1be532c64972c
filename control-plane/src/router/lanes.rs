//! What one tenant may take of the router: so many requests per second, and so many under way at once. One tenant's storm leaves the
//! others alone.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::id::TenantId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// Requests of one tenant under way at once (streams among them).
const CONCURRENCY: usize = 512;

/// So many seconds' worth of requests may come at once: a page asks for its assets, an office comes back from lunch.
const BURST_SECONDS: u32 = 2;

/// Lanes beyond twice the hosts that are known before those that nobody uses are forgotten.
const SPARE: usize = 64;

/// Requests per second of one tenant where nothing else was configured. No helpdesk of people comes near it.
pub const DEFAULT_REQUESTS_PER_SECOND: NonZeroU32 = NonZeroU32::new(1_000).unwrap();

/// The lanes of all tenants.
#[derive(Debug)]
pub struct Lanes {
    rate: Rate,
    lanes: Mutex<HashMap<TenantId, Lane>>,
}

/// A request's place in its tenant's lane; given back when dropped.
#[derive(Debug)]
pub struct Place {
    _permit: OwnedSemaphorePermit,
}

/// Why a request gets no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The tenant's requests come too fast; the next one is let in after this time.
    Rate {
        /// When to come back.
        after: Duration,
    },
    /// As many of its requests are under way as may be.
    Concurrency,
}

impl Full {
    /// As the metric says it.
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Rate { .. } => "rate",
            Self::Concurrency => "concurrency",
        }
    }
}

#[derive(Debug)]
struct Lane {
    places: Arc<Semaphore>,
    bucket: Bucket,
}

impl Lane {
    /// A lane that is as good as a new one.
    fn is_idle(&self, now: Instant) -> bool {
        self.places.available_permits() == CONCURRENCY && self.bucket.full_at <= now
    }
}

impl Lanes {
    /// With so many requests per second for each tenant.
    pub fn new(requests_per_second: NonZeroU32) -> Self {
        Self {
            rate: Rate::per_second(requests_per_second),
            lanes: Mutex::default(),
        }
    }

    /// Takes a place for one request. `hosts` is how many the table has: it bounds how many lanes are kept.
    pub fn enter(&self, tenant: TenantId, hosts: usize, now: Instant) -> Result<Place, Full> {
        let places = {
            let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
            if lanes.len() > hosts.saturating_mul(2).saturating_add(SPARE) {
                lanes.retain(|_, lane| !lane.is_idle(now));
            }
            let lane = lanes.entry(tenant).or_insert_with(|| Lane {
                places: Arc::new(Semaphore::new(CONCURRENCY)),
                bucket: Bucket { full_at: now },
            });
            lane.bucket
                .take(self.rate, now)
                .map_err(|after| Full::Rate { after })?;
            Arc::clone(&lane.places)
        };
        let permit = places
            .try_acquire_owned()
            .map_err(|_full| Full::Concurrency)?;
        Ok(Place { _permit: permit })
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.lanes.lock().unwrap().len()
    }
}

/// How fast a bucket fills, and how much it holds.
#[derive(Debug, Clone, Copy)]
struct Rate {
    /// In which one token comes.
    interval: Duration,
    /// In which an empty bucket is full.
    filling: Duration,
}

impl Rate {
    const fn per_second(requests: NonZeroU32) -> Self {
        // A second has a thousand million nanoseconds, so the interval of any rate is at least one of 0.23.
        let nanoseconds = 1_000_000_000 / requests.get() as u64;
        Self {
            interval: Duration::from_nanos(if nanoseconds == 0 { 1 } else { nanoseconds }),
            filling: Duration::from_secs(BURST_SECONDS as u64),
        }
    }
}

/// A bucket of tokens, by the time at which it is full: one number says how many there are at any time.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    full_at: Instant,
}

impl Bucket {
    /// Takes one token, or says after which time there is one.
    fn take(&mut self, rate: Rate, now: Instant) -> Result<(), Duration> {
        let next = self.full_at.max(now) + rate.interval;
        let missing = next.duration_since(now);
        if let Some(wait) = missing.checked_sub(rate.filling)
            && !wait.is_zero()
        {
            return Err(wait);
        }
        self.full_at = next;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn lanes(rate: u32) -> Lanes {
        Lanes::new(rate.try_into().unwrap())
    }

    #[test]
    fn a_burst_passes_then_the_rate_holds_and_others_do_not_notice() {
        let (lanes, now) = (lanes(5), Instant::now());
        let (acme, beta) = (TenantId::generate(), TenantId::generate());
        let enter = |tenant, after| lanes.enter(tenant, 2, now + Duration::from_millis(after));
        for turn in 0..10 {
            assert!(enter(acme, 0).is_ok(), "{turn}");
        }
        let refused = enter(acme, 0).unwrap_err();
        let after = Duration::from_millis(200);
        assert_eq!(refused, Full::Rate { after });
        // Being refused costs nothing.
        assert_eq!(
            enter(acme, 150).unwrap_err(),
            Full::Rate {
                after: Duration::from_millis(50)
            }
        );
        assert!(enter(acme, 200).is_ok());
        assert!(enter(acme, 200).is_err());
        assert!(enter(beta, 200).is_ok());
        // After a pause it is full again, and no fuller.
        let passed = (0..20).filter(|_| enter(acme, 60_000).is_ok()).count();
        assert_eq!(passed, 10);
    }

    #[test]
    fn places_are_given_back() {
        let (lanes, now, tenant) = (lanes(100_000), Instant::now(), TenantId::generate());
        let mut places: Vec<_> = (0..CONCURRENCY)
            .map(|_| lanes.enter(tenant, 1, now).unwrap())
            .collect();
        assert_eq!(lanes.enter(tenant, 1, now).unwrap_err(), Full::Concurrency);
        places.pop();
        assert!(lanes.enter(tenant, 1, now).is_ok());
    }

    #[test]
    fn lanes_that_nobody_uses_are_forgotten_and_those_in_use_are_not() {
        let (lanes, now) = (lanes(1), Instant::now());
        let held = TenantId::generate();
        let _place = lanes.enter(held, 0, now).unwrap();
        let busy = TenantId::generate();
        let later = now + Duration::from_secs(10);
        for _ in 0..2 {
            drop(lanes.enter(busy, 0, later).unwrap());
        }
        for _ in 0..1_000 {
            drop(lanes.enter(TenantId::generate(), 0, now));
        }
        assert!(lanes.len() > SPARE);
        drop(lanes.enter(TenantId::generate(), 0, later));
        assert_eq!(lanes.len(), 3);
        assert!(lanes.enter(busy, 0, later).is_err(), "its bucket was kept");
    }

    proptest! {
        /// However requests come: never more than the burst and what has come in since.
        #[test]
        fn no_more_than_the_rate_passes(rate in 1_u32..2_000, steps in prop::collection::vec(0_u64..300, 1..300)) {
            let rates = Rate::per_second(rate.try_into().unwrap());
            let start = Instant::now();
            let mut bucket = Bucket { full_at: start };
            let (mut elapsed, mut passed) = (Duration::ZERO, 0_u32);
            for step in steps {
                elapsed += Duration::from_millis(step);
                if bucket.take(rates, start + elapsed).is_ok() {
                    passed += 1;
                }
            }
            let most = f64::from(rate) * (f64::from(BURST_SECONDS) + elapsed.as_secs_f64());
            // Intervals are whole nanoseconds.
            prop_assert!(f64::from(passed) <= most * 1.000_01 + 1.0, "{passed} > {most}");
        }
    }
}
