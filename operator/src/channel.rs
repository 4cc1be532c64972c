//! Channels: which tenant runs which version, and how a new version reaches all of them.
//!
//! What a channel has given to a tenant lies in the Tenant's status (`status.channel`), how far a rollout is in the channel's.
//! [`decide`] reads both with the clock and says who may move now: pure, level-triggered, and the same answer to the same
//! question. [`run`](work::run) asks it whenever something changes and writes what it says.
//!
//! A rollout: canaries first, as many as the channel's share says; when all of them are good for the soak time, the rest, never
//! more than `max_unavailable` at once. A tenant that does not get ready goes back to where it came from and is not moved there
//! again until somebody says so; after so many of them nothing moves any more.

mod decide;
pub mod observe;
pub mod report;
pub mod window;
pub mod work;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::decide::decide;
use self::window::Window;
use crate::reconcile::validate::ImageTag;

/// Failures that are remembered; those of other versions are forgotten first, the oldest before the others.
pub const FAILURES_KEPT: usize = 200;

/// What a channel should do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// The version that its tenants should run.
    pub target: ImageTag,
    /// Nobody is moved.
    pub paused: bool,
    /// Share of the tenants that are moved first, in hundredths.
    pub canary_percent: u8,
    /// How long all canaries must be good.
    pub soak: TimeDelta,
    /// Most tenants on their way at once.
    pub max_unavailable: usize,
    /// So many failures end the rollout.
    pub stop_after_failures: usize,
    /// Whether those that have moved go back when the rollout ends by failures.
    pub on_failure: OnFailure,
    /// How long one tenant's way may take.
    pub deadline: TimeDelta,
    /// A new value forgets all failures.
    pub retry: Option<String>,
}

/// What becomes of tenants that run a version whose rollout has ended by failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They keep it.
    Stop,
    /// They go back to the version that they came from.
    RollBack,
}

/// How far a channel is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The version that is rolled out.
    pub target: Option<ImageTag>,
    /// The version whose rollout was completed last.
    pub last_good: Option<ImageTag>,
    /// When the rollout of `target` began.
    pub started_at: Option<DateTime<Utc>>,
    /// Since when all canaries are good.
    pub soaking_since: Option<DateTime<Utc>>,
    /// When the canaries had been good for long enough.
    pub passed_at: Option<DateTime<Utc>>,
    /// What is not tried again.
    pub failures: Vec<Failure>,
    /// The value of [`Channel::retry`] that was obeyed last.
    pub retried: Option<String>,
}

/// A tenant that did not get ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which tenant.
    pub tenant: String,
    /// The version that it came from and went back to.
    pub from: ImageTag,
    /// The version that it did not get ready with.
    pub to: ImageTag,
    /// One word.
    pub reason: String,
    /// When that was seen.
    pub at: DateTime<Utc>,
    /// Whether it speaks against the version: not where the tenant was not ready before.
    pub counts: bool,
    /// The tenant's own wish for another try, which was obeyed already.
    pub retry: Option<String>,
}

/// What a channel gave to a tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Which channel.
    pub channel: String,
    /// The version to run.
    pub version: ImageTag,
    /// How it came to that.
    pub cause: Cause,
    /// Since when.
    pub since: DateTime<Utc>,
}

/// How a tenant came to its version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// It joined the channel, with the version that it ran or with the channel's last good one.
    Joined,
    /// It was moved.
    Upgrade {
        /// From here.
        from: ImageTag,
        /// Whether it was ready then.
        was_ready: bool,
    },
    /// It was taken back.
    RollBack {
        /// From here.
        from: ImageTag,
    },
}

/// A tenant of a channel, as it was seen last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name.
    pub name: String,
    /// Spreads tenants over the order in which they are moved.
    pub rank: u64,
    /// It has a version of its own.
    pub pinned: bool,
    /// It offers itself as a canary.
    pub is_canary: bool,
    /// What a channel gave to it.
    pub assignment: Option<Assignment>,
    /// The version that served last.
    pub running: Option<ImageTag>,
    /// The version that its runtimes are, or will be when they start.
    pub desired: Option<ImageTag>,
    /// The version that it has gone back from by itself.
    pub failed: Option<ImageTag>,
    /// Whether it works.
    pub health: Health,
    /// It sleeps or is suspended: nothing of it runs, nothing can fail.
    pub is_idle: bool,
    /// When it may be moved; at any time without one.
    pub window: Option<Window>,
    /// The version that somebody wants to be tried again with it.
    pub retry: Option<String>,
}

/// Whether a tenant works.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Its condition `Ready`.
    pub is_ready: bool,
    /// Since when that is so.
    pub since: DateTime<Utc>,
    /// Why it waits for somebody to act, and since when, if the reason can lie in a version.
    pub stalled: Option<(String, DateTime<Utc>)>,
}

/// The clock, and since when anything is seen.
#[derive(Debug, Clone, Copy)]
pub struct Time {
    /// Now.
    pub now: DateTime<Utc>,
    /// When this operator began to look: what happened before it did not see, and nobody is late for that.
    pub looking_since: DateTime<Utc>,
}

/// What is to be done, and how far things are then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// To be written first: it holds what must never be forgotten.
    pub state: State,
    /// To be written then.
    pub moves: Vec<Move>,
    /// For people.
    pub stage: Stage,
    /// For people.
    pub counts: Counts,
    /// When the answer changes by itself.
    pub wake_at: Option<DateTime<Utc>>,
}

/// A tenant's next assignment; `None` where it has a version of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Move {
    /// Which tenant.
    pub tenant: String,
    /// What it is given.
    pub assignment: Option<Assignment>,
}

/// Where a rollout is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Stage {
    /// The first tenants are on their way.
    Canary,
    /// They are good, and are watched.
    Soaking,
    /// The others are on their way.
    Rolling,
    /// Everybody has it.
    Complete,
    /// Failures have ended it.
    Stopped,
    /// Somebody has stopped it.
    Paused,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Canary,
        Self::Soaking,
        Self::Rolling,
        Self::Complete,
        Self::Stopped,
        Self::Paused,
    ];

    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "Canary",
            Self::Soaking => "Soaking",
            Self::Rolling => "Rolling",
            Self::Complete => "Complete",
            Self::Stopped => "Stopped",
            Self::Paused => "Paused",
        }
    }
}

/// How many tenants are where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Follow the channel.
    pub total: usize,
    /// Have its version.
    pub updated: usize,
    /// Are on their way, there or back.
    pub moving: usize,
    /// Have not been moved yet.
    pub waiting: usize,
    /// Of those, wait for their window.
    pub outside_window: usize,
    /// Did not get ready with its version.
    pub failed: usize,
    /// Name the channel and have a version of their own.
    pub pinned: usize,
}

#[cfg(test)]
mod tests;
