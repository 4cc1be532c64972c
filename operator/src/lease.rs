//! One operator writes at a time: a Lease, held fail-stop.
//!
//! Whoever cannot renew in time stops writing before anybody else may begin: each write asks [`Leadership::check`], which compares the
//! local clock with the time of the last renewal. The clocks of two machines are never compared; what counts is how long a record
//! stays unchanged as seen here.
//!
//! A process that is paused between that check and its write is stopped by the databases: each leader begins a new epoch there, and
//! whoever works in an older one is refused ([`Leadership::resign`]).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use domain::clock::Clock;
use k8s_openapi::api::coordination::v1::{Lease, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};
use kube::api::PostParams;
use kube::{Api, Client};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// A record that stays unchanged for so long belongs to nobody any more.
const LASTS: Duration = Duration::from_secs(15);
/// Without a renewal the holder writes for so long only: a write that began at the last moment has the rest to arrive.
const GOOD_FOR: Duration = Duration::from_secs(10);
/// Longest wait for the API server: two attempts fit into [`GOOD_FOR`].
const ANSWER_WITHIN: Duration = Duration::from_secs(4);
/// How often the holder renews and the others look.
const EVERY: Duration = Duration::from_secs(3);

/// Another operator leads, or may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this operator does not hold the lease")]
pub struct NotLeading;

/// Whether we may write; clones are the same answer.
#[derive(Debug, Clone)]
pub struct Leadership(Arc<Mutex<Office>>);

#[derive(Debug, Clone, Copy)]
enum Office {
    /// Not yet, or not any more.
    None,
    /// So long.
    Until(Instant),
    /// Never again in this process.
    Resigned,
}

impl Leadership {
    /// Nobody leads yet.
    pub fn none() -> Self {
        Self(Arc::new(Mutex::new(Office::None)))
    }

    /// For one operator that runs alone, as in tests.
    pub fn alone() -> Self {
        let leadership = Self::none();
        leadership.extend(Instant::now() + Duration::from_hours(24 * 365));
        leadership
    }

    /// Asked before each write.
    pub fn check(&self) -> Result<(), NotLeading> {
        match *self.office() {
            Office::Until(until) if Instant::now() < until => Ok(()),
            _ => Err(NotLeading),
        }
    }

    /// A database has refused us: another leader has begun. Nothing is written any more, and the process ends.
    pub fn resign(&self) {
        *self.office() = Office::Resigned;
    }

    fn has_resigned(&self) -> bool {
        matches!(*self.office(), Office::Resigned)
    }

    fn extend(&self, until: Instant) {
        let mut office = self.office();
        if !matches!(*office, Office::Resigned) {
            *office = Office::Until(until);
        }
    }

    fn end(&self) {
        let mut office = self.office();
        if !matches!(*office, Office::Resigned) {
            *office = Office::None;
        }
    }

    fn office(&self) -> MutexGuard<'_, Office> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A place in the queue for the lease.
pub struct Candidate {
    api: Api<Lease>,
    name: String,
    identity: String,
    clock: Arc<dyn Clock>,
    leadership: Leadership,
    seen: Option<Observed>,
}

/// A record and since when it has not changed.
#[derive(Debug, Clone, PartialEq)]
struct Observed {
    spec: LeaseSpec,
    since: Instant,
}

/// What to do with the record that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Move {
    /// Ours: say that we are still here.
    Renew,
    /// Nobody's: take it.
    Take,
    /// Somebody's: look again later.
    Wait,
}

impl Candidate {
    /// For the Lease `name` in `namespace`. `identity` is unique among the operators, such as the name of the pod.
    pub fn new(
        client: Client,
        namespace: &str,
        name: &str,
        identity: String,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            api: Api::namespaced(client, namespace),
            name: name.to_owned(),
            identity,
            clock,
            leadership: Leadership::none(),
            seen: None,
        }
    }

    /// The answer to be asked before each write.
    pub fn leadership(&self) -> Leadership {
        self.leadership.clone()
    }

    /// Waits until the lease is ours; `false` when the process stops first.
    pub async fn acquire(&mut self, stopping: &CancellationToken) -> bool {
        while !stopping.is_cancelled() {
            match self.turn().await {
                Ok(true) => {
                    tracing::info!(identity = self.identity, "this operator leads");
                    return true;
                }
                Ok(false) => {}
                Err(error) => {
                    tracing::warn!(
                        error = format!("{error:#}"),
                        "the lease could not be looked at"
                    );
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stopping.cancelled() => {}
            }
        }
        false
    }

    /// Renews until the process stops; then gives the lease back once `done` resolves. An error when another operator has it: the
    /// process must end.
    pub async fn hold(
        &mut self,
        stopping: &CancellationToken,
        done: impl Future<Output = ()>,
    ) -> anyhow::Result<()> {
        tokio::pin!(done);
        loop {
            tokio::select! {
                () = tokio::time::sleep(EVERY) => {}
                () = stopping.cancelled(), if !stopping.is_cancelled() => continue,
                // Reconciles under way still write: they are finished under the lease.
                () = &mut done, if stopping.is_cancelled() => break,
            }
            if self.leadership.has_resigned() {
                anyhow::bail!("a database says that another operator leads");
            }
            match self.turn().await {
                Ok(true) => {}
                Ok(false) => {
                    self.leadership.end();
                    anyhow::bail!("another operator has taken the lease");
                }
                // Nothing is written once it has run out. It is ours again if nobody has taken it when the API server is back.
                Err(error) => tracing::warn!(
                    error = format!("{error:#}"),
                    "the lease could not be renewed"
                ),
            }
        }
        self.give_back().await;
        Ok(())
    }

    /// Looks once and does what is to be done; answers whether the lease is ours now.
    async fn turn(&mut self) -> anyhow::Result<bool> {
        tokio::time::timeout(ANSWER_WITHIN, self.look_and_write())
            .await
            .context("the API server does not answer")?
    }

    async fn look_and_write(&mut self) -> anyhow::Result<bool> {
        let asked = Instant::now();
        let found = self
            .api
            .get_opt(&self.name)
            .await
            .context("reading the lease")?;
        let Some(lease) = found else {
            let fresh = self.record(None);
            return self.write(None, fresh, asked).await;
        };
        let spec = lease.spec.clone().unwrap_or_default();
        let since = match &self.seen {
            Some(seen) if seen.spec == spec => seen.since,
            _ => asked,
        };
        let step = decide(&spec, &self.identity, asked - since);
        self.seen = Some(Observed {
            spec: spec.clone(),
            since,
        });
        match step {
            Move::Wait => Ok(false),
            Move::Renew | Move::Take => {
                let next = self.record(Some(&spec));
                self.write(lease.metadata.resource_version, next, asked)
                    .await
            }
        }
    }

    fn record(&self, before: Option<&LeaseSpec>) -> LeaseSpec {
        let now = micro_time(self.clock.now());
        let is_ours =
            before.is_some_and(|spec| spec.holder_identity.as_deref() == Some(&self.identity));
        let transitions = before
            .and_then(|spec| spec.lease_transitions)
            .unwrap_or_default();
        LeaseSpec {
            holder_identity: Some(self.identity.clone()),
            lease_duration_seconds: i32::try_from(LASTS.as_secs()).ok(),
            acquire_time: if is_ours {
                before.and_then(|spec| spec.acquire_time.clone())
            } else {
                Some(now.clone())
            },
            renew_time: Some(now),
            lease_transitions: Some(if is_ours {
                transitions
            } else {
                transitions.saturating_add(1)
            }),
            ..LeaseSpec::default()
        }
    }

    /// With the version that was read: of two that take it at once, one is refused.
    async fn write(
        &mut self,
        version: Option<String>,
        spec: LeaseSpec,
        asked: Instant,
    ) -> anyhow::Result<bool> {
        let lease = Lease {
            metadata: ObjectMeta {
                name: Some(self.name.clone()),
                resource_version: version.clone(),
                ..ObjectMeta::default()
            },
            spec: Some(spec.clone()),
        };
        let parameters = PostParams::default();
        let outcome = match version {
            None => self.api.create(&parameters, &lease).await,
            Some(_) => self.api.replace(&self.name, &parameters, &lease).await,
        };
        match outcome {
            Ok(_) => {
                self.seen = Some(Observed { spec, since: asked });
                // From before the call: this is the earliest time at which others may have seen it.
                self.leadership.extend(asked + GOOD_FOR);
                Ok(true)
            }
            Err(kube::Error::Api(status)) if status.is_conflict() || status.is_already_exists() => {
                Ok(false)
            }
            Err(error) => Err(error).context("writing the lease"),
        }
    }

    /// Lets the next one begin at once.
    async fn give_back(&mut self) {
        self.leadership.end();
        let outcome = async {
            let lease = self.api.get(&self.name).await?;
            let mut spec = lease.spec.clone().unwrap_or_default();
            if spec.holder_identity.as_deref() != Some(&self.identity) {
                return Ok(());
            }
            spec.holder_identity = None;
            let free = Lease {
                spec: Some(spec),
                ..lease
            };
            self.api
                .replace(&self.name, &PostParams::default(), &free)
                .await
                .map(drop)
        };
        if let Err(error) = outcome.await {
            tracing::warn!(%error, "the lease could not be given back; it runs out by itself");
        }
    }
}

/// Pure: what a record that has not changed for `unchanged` allows.
fn decide(spec: &LeaseSpec, identity: &str, unchanged: Duration) -> Move {
    match spec.holder_identity.as_deref() {
        None | Some("") => Move::Take,
        Some(holder) if holder == identity => Move::Renew,
        Some(_) => {
            let lasts = spec
                .lease_duration_seconds
                .and_then(|seconds| u64::try_from(seconds).ok())
                .map_or(LASTS, Duration::from_secs);
            if unchanged > lasts {
                Move::Take
            } else {
                Move::Wait
            }
        }
    }
}

fn micro_time(time: chrono::DateTime<chrono::Utc>) -> MicroTime {
    MicroTime(
        jiff::Timestamp::from_microsecond(time.timestamp_micros()).unwrap_or(jiff::Timestamp::MAX),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn held_by(identity: Option<&str>) -> LeaseSpec {
        LeaseSpec {
            holder_identity: identity.map(str::to_owned),
            lease_duration_seconds: Some(15),
            ..LeaseSpec::default()
        }
    }

    #[test]
    fn a_lease_is_taken_only_when_it_is_nobodys() {
        let second = Duration::from_secs(1);
        for (holder, unchanged, expected) in [
            (None, second, Move::Take),
            (Some(""), second, Move::Take),
            (Some("a"), second * 100, Move::Renew),
            (Some("b"), second * 15, Move::Wait),
            (Some("b"), second * 16, Move::Take),
        ] {
            assert_eq!(
                decide(&held_by(holder), "a", unchanged),
                expected,
                "{holder:?}"
            );
        }
    }

    #[test]
    fn whoever_does_not_renew_stops_before_another_may_begin() {
        let leadership = Leadership::none();
        assert_eq!(leadership.check(), Err(NotLeading));
        leadership.extend(Instant::now() + GOOD_FOR);
        assert_eq!(leadership.check(), Ok(()));
        leadership.extend(Instant::now());
        assert_eq!(leadership.check(), Err(NotLeading));
        const { assert!(GOOD_FOR.as_secs() < LASTS.as_secs()) };
    }

    #[test]
    fn whoever_was_refused_by_a_database_never_writes_again() {
        let leadership = Leadership::alone();
        leadership.clone().resign();
        leadership.extend(Instant::now() + LASTS);
        assert_eq!(leadership.check(), Err(NotLeading));
    }
}
