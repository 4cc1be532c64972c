//! The decision: a reducer without clock, network or memory.

use std::collections::BTreeSet;

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use super::{
    Assignment, Cause, Channel, Counts, Decision, FAILURES_KEPT, Failure, Member, Move, OnFailure,
    Stage, State, Time,
};
use crate::reconcile::validate::ImageTag;

/// A tenant of the channel and what it is given in this round.
struct Seat<'a> {
    member: &'a Member,
    assignment: Assignment,
    progress: Progress,
}

/// How far a tenant is on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Progress {
    /// It has arrived, or nobody waits for it.
    Settled,
    /// Until then it may.
    Moving(DateTime<Utc>),
    /// It did not arrive.
    Failed(String),
}

/// Says who may move now. Asked again with what it said carried out, it says the same state and no move.
pub fn decide(channel: &Channel, before: &State, members: &[Member], time: Time) -> Decision {
    // Times are kept in seconds: a finer one would differ from itself once it was written.
    let now = time.now.trunc_subsecs(0);
    let mut round = Round {
        channel,
        state: begin(channel, before, now),
        now,
        looking_since: time.looking_since,
        seats: Vec::new(),
        released: Vec::new(),
        pinned: 0,
    };
    round.forgive(members);
    round.seat(members);
    round.take_back_what_failed();
    let stage = round.advance();
    round.finish(stage)
}

/// The state with which the round begins: another version is another rollout, and so is a wish to try again.
fn begin(channel: &Channel, before: &State, now: DateTime<Utc>) -> State {
    let mut state = before.clone();
    let is_retry = channel.retry.is_some() && channel.retry != state.retried;
    if is_retry {
        state.failures.clear();
        state.retried.clone_from(&channel.retry);
    }
    if is_retry || state.target.as_ref() != Some(&channel.target) {
        state.target = Some(channel.target.clone());
        state.started_at = Some(now);
        state.soaking_since = None;
        state.passed_at = None;
    }
    state
}

struct Round<'a> {
    channel: &'a Channel,
    state: State,
    now: DateTime<Utc>,
    looking_since: DateTime<Utc>,
    seats: Vec<Seat<'a>>,
    released: Vec<Move>,
    pinned: usize,
}

impl<'a> Round<'a> {
    /// A tenant's own wish for another try is obeyed once.
    fn forgive(&mut self, members: &[Member]) {
        self.state.failures.retain_mut(|failure| {
            let wish = members
                .iter()
                .find(|member| member.name == failure.tenant)
                .map(|member| member.retry.as_deref());
            match wish {
                Some(Some(version)) if version == failure.to.as_str() => {
                    failure.retry.as_deref() == Some(version)
                }
                Some(None) => {
                    failure.retry = None;
                    true
                }
                _ => true,
            }
        });
    }

    /// Everybody who follows the channel keeps what they have, or is given what they run.
    fn seat(&mut self, members: &'a [Member]) {
        let mut members: Vec<&Member> = members.iter().collect();
        members.sort_by(|one, other| one.name.cmp(&other.name));
        for member in members {
            if member.pinned {
                self.pinned += 1;
                if member.assignment.is_some() {
                    self.released.push(Move {
                        tenant: member.name.clone(),
                        assignment: None,
                    });
                }
                continue;
            }
            let assignment = match &member.assignment {
                Some(given) if given.channel == self.channel.name => given.clone(),
                Some(given) => Assignment {
                    channel: self.channel.name.clone(),
                    ..given.clone()
                },
                None => self.join(member),
            };
            let progress = self.progress(member, &assignment);
            self.seats.push(Seat {
                member,
                assignment,
                progress,
            });
        }
    }

    fn join(&mut self, member: &Member) -> Assignment {
        if let (Some(from), Some(to)) = (&member.running, &member.failed)
            && from != to
        {
            // It has tried that before it came.
            self.remember(Failure {
                tenant: member.name.clone(),
                from: from.clone(),
                to: to.clone(),
                reason: "VersionFailed".to_owned(),
                at: self.now,
                counts: false,
                retry: member.retry.clone(),
            });
        }
        Assignment {
            channel: self.channel.name.clone(),
            version: member
                .running
                .as_ref()
                .or(self.state.last_good.as_ref())
                .unwrap_or(&self.channel.target)
                .clone(),
            cause: Cause::Joined,
            since: self.now,
        }
    }

    fn progress(&self, member: &Member, given: &Assignment) -> Progress {
        let was_ready = match &given.cause {
            // How a new tenant fares is not the rollout's business.
            Cause::Joined => return Progress::Settled,
            Cause::Upgrade { was_ready, .. } => Some(*was_ready),
            Cause::RollBack { .. } => None,
        };
        let is = |version: &Option<ImageTag>| version.as_ref() == Some(&given.version);
        let has_served = is(&member.running);
        let health = &member.health;
        if was_ready.is_some() && is(&member.failed) {
            return Progress::Failed("VersionFailed".to_owned());
        }
        if is(&member.desired) && (member.is_idle || (health.is_ready && has_served)) {
            return Progress::Settled;
        }
        // While canaries are watched it counts whenever one of them breaks; later for as long as they were watched.
        let is_watched = (self.is_target(&given.version) && self.needs_canaries())
            || self.now
                < after(
                    given.since,
                    after_span(self.channel.soak, self.channel.deadline),
                );
        if has_served && !is_watched {
            return Progress::Settled;
        }
        if was_ready == Some(true)
            && let Some((reason, since)) = &health.stalled
            && *since > given.since
        {
            return Progress::Failed(reason.clone());
        }
        let began = given.since.max(health.since).max(self.looking_since);
        let due = after(began, self.channel.deadline);
        if self.now < due {
            return Progress::Moving(due);
        }
        match was_ready {
            Some(true) => Progress::Failed("DeadlineExceeded".to_owned()),
            // It did not work before either: that speaks against nothing.
            Some(false) | None => Progress::Settled,
        }
    }

    fn is_target(&self, version: &ImageTag) -> bool {
        *version == self.channel.target
    }

    fn remember(&mut self, failure: Failure) {
        let failures = &mut self.state.failures;
        if failures
            .iter()
            .any(|known| known.is_of(&failure.tenant, &failure.from, &failure.to))
        {
            return;
        }
        if failures.len() >= FAILURES_KEPT {
            let oldest = failures
                .iter()
                .position(|known| known.to != self.channel.target)
                .unwrap_or_default();
            failures.remove(oldest);
        }
        failures.push(failure);
    }

    fn take_back_what_failed(&mut self) {
        for index in 0..self.seats.len() {
            let seat = &self.seats[index];
            let (Progress::Failed(reason), Cause::Upgrade { from, was_ready }) =
                (&seat.progress, &seat.assignment.cause)
            else {
                continue;
            };
            let failure = Failure {
                tenant: seat.member.name.clone(),
                from: from.clone(),
                to: seat.assignment.version.clone(),
                reason: reason.clone(),
                at: self.now,
                counts: *was_ready,
                retry: seat.member.retry.clone(),
            };
            self.remember(failure);
            self.send_back(index);
        }
    }

    fn send_back(&mut self, index: usize) {
        let seat = &self.seats[index];
        if let Cause::Upgrade { from, .. } = &seat.assignment.cause {
            let (version, from) = (from.clone(), seat.assignment.version.clone());
            self.give(index, version, Cause::RollBack { from });
        }
    }

    fn give(&mut self, index: usize, version: ImageTag, cause: Cause) {
        let seat = &self.seats[index];
        let assignment = Assignment {
            channel: self.channel.name.clone(),
            version,
            cause,
            since: self.now,
        };
        let progress = self.progress(seat.member, &assignment);
        let seat = &mut self.seats[index];
        seat.assignment = assignment;
        seat.progress = progress;
    }

    /// Moves whom it may, and says where the rollout is then.
    fn advance(&mut self) -> Stage {
        if self.is_stopped() {
            if self.channel.on_failure == OnFailure::RollBack && !self.channel.paused {
                self.send_all_back();
            }
            return Stage::Stopped;
        }
        // With nobody left to be moved a pause holds up nothing; the soak ends at its time.
        if self.channel.paused && !self.remaining().is_empty() {
            return Stage::Paused;
        }
        if self.needs_canaries() {
            self.move_canaries();
        }
        if !self.needs_canaries() {
            let mut slots = self.slots();
            for index in self.remaining() {
                if slots == 0 {
                    break;
                }
                slots -= self.move_on(index).unwrap_or_default();
            }
        }
        let is_done = self.remaining().iter().all(|index| !self.is_open(*index))
            && !self
                .seats
                .iter()
                .any(|seat| self.is_target(&seat.assignment.version) && seat.progress.is_moving());
        if !self.needs_canaries() && is_done {
            self.state.last_good = Some(self.channel.target.clone());
        }
        self.stage()
    }

    fn stage(&self) -> Stage {
        let is_moving = self.seats.iter().any(|seat| seat.progress.is_moving());
        match (self.needs_canaries(), self.state.soaking_since) {
            (true, Some(_)) => Stage::Soaking,
            (true, None) => Stage::Canary,
            (false, _) if is_moving || !self.remaining().is_empty() => Stage::Rolling,
            (false, _) => Stage::Complete,
        }
    }

    /// By as many failures as the channel says, or because nobody is left who could show that the version is good.
    fn is_stopped(&self) -> bool {
        let mut failures = self
            .state
            .failures
            .iter()
            .filter(|failure| self.is_target(&failure.to))
            .peekable();
        let has_failed = failures.peek().is_some();
        failures.filter(|failure| failure.counts).count() >= self.channel.stop_after_failures
            || (has_failed
                && self.remaining().is_empty()
                && !self
                    .seats
                    .iter()
                    .any(|seat| self.is_target(&seat.assignment.version)))
    }

    /// Going back to the last good version needs no proof.
    fn needs_canaries(&self) -> bool {
        self.channel.canary_percent > 0
            && self.state.passed_at.is_none()
            && self.state.last_good.as_ref() != Some(&self.channel.target)
    }

    /// Those that could be moved, now or in their window.
    fn remaining(&self) -> Vec<usize> {
        let target = &self.channel.target;
        let failed: BTreeSet<(&str, &ImageTag)> = self
            .state
            .failures
            .iter()
            .filter(|failure| failure.to == *target)
            .map(|failure| (failure.tenant.as_str(), &failure.from))
            .collect();
        let mut found: Vec<usize> = (0..self.seats.len())
            .filter(|index| {
                let seat = &self.seats[*index];
                seat.assignment.version != *target
                    && seat.member.failed.as_ref() != Some(target)
                    && !failed.contains(&(seat.member.name.as_str(), &seat.assignment.version))
            })
            .collect();
        found.sort_by_key(|index| {
            let member = self.seats[*index].member;
            (
                !member.is_canary,
                !member.health.is_ready,
                member.rank,
                &member.name,
            )
        });
        found
    }

    fn is_open(&self, index: usize) -> bool {
        let window = self.seats[index].member.window.as_ref();
        window.is_none_or(|window| window.is_open(self.now))
    }

    fn slots(&self) -> usize {
        let moving = self.seats.iter().filter(|seat| seat.progress.is_moving());
        self.channel.max_unavailable.saturating_sub(moving.count())
    }

    /// Outside of its window it stays, and who is on a way already goes it to its end. Answers how many slots it takes, if it moves.
    fn move_on(&mut self, index: usize) -> Option<usize> {
        let seat = &self.seats[index];
        if seat.progress.is_moving() || !self.is_open(index) {
            return None;
        }
        let cause = Cause::Upgrade {
            from: seat.assignment.version.clone(),
            was_ready: seat.member.health.is_ready,
        };
        self.give(index, self.channel.target.clone(), cause);
        Some(usize::from(self.seats[index].progress.is_moving()))
    }

    fn move_canaries(&mut self) {
        let remaining = self.remaining();
        let has_moved = self.seats.iter().any(|seat| {
            self.is_target(&seat.assignment.version) && seat.assignment.cause != Cause::Joined
        });
        if remaining.is_empty() && !has_moved {
            // Everybody had the version before.
            self.state.passed_at = Some(self.now);
            return;
        }
        // Who sleeps proves nothing, and who is not ready cannot.
        let can_prove: Vec<usize> = remaining
            .into_iter()
            .filter(|index| {
                let member = self.seats[*index].member;
                member.health.is_ready && !member.is_idle
            })
            .collect();
        let (mut proving, mut slots) = (self.proving(), self.slots());
        let goal =
            share(self.seats.len(), self.channel.canary_percent).min(proving + can_prove.len());
        for index in can_prove {
            if proving >= goal || slots == 0 {
                break;
            }
            if let Some(taken) = self.move_on(index) {
                proving += 1;
                slots -= taken;
            }
        }
        let all_good = proving >= goal
            && !self
                .seats
                .iter()
                .any(|seat| self.is_target(&seat.assignment.version) && seat.progress.is_moving());
        if !all_good {
            self.state.soaking_since = None;
            return;
        }
        let since = *self.state.soaking_since.get_or_insert(self.now);
        if self.now >= after(since, self.channel.soak) {
            self.state.passed_at = Some(self.now);
        }
    }

    /// How many show, or are about to show, whether the version is good.
    fn proving(&self) -> usize {
        self.seats
            .iter()
            .filter(|seat| {
                let has_served = seat.member.running.as_ref() == Some(&self.channel.target);
                self.is_target(&seat.assignment.version) && (has_served || !seat.member.is_idle)
            })
            .count()
    }

    fn send_all_back(&mut self) {
        let (turning, settled): (Vec<usize>, Vec<usize>) = (0..self.seats.len())
            .filter(|index| {
                let seat = &self.seats[*index];
                self.is_target(&seat.assignment.version)
                    && matches!(seat.assignment.cause, Cause::Upgrade { .. })
                    && self.is_open(*index)
            })
            .partition(|index| self.seats[*index].progress.is_moving());
        // Who is on its way there turns round at no cost, and may make room for others by it.
        for index in turning {
            self.send_back(index);
        }
        for index in settled {
            if self.slots() > 0 {
                self.send_back(index);
            }
        }
    }

    fn finish(self, stage: Stage) -> Decision {
        let remaining = self.remaining();
        let counts = Counts {
            total: self.seats.len(),
            updated: self.count(|seat| {
                self.is_target(&seat.assignment.version) && seat.progress == Progress::Settled
            }),
            moving: self.count(|seat| seat.progress.is_moving()),
            waiting: remaining.len(),
            outside_window: remaining
                .iter()
                .filter(|index| !self.is_open(**index))
                .count(),
            failed: self.count(|seat| {
                let failures = &self.state.failures;
                failures.iter().any(|failure| {
                    failure.tenant == seat.member.name && self.is_target(&failure.to)
                })
            }),
            pinned: self.pinned,
        };
        let wake_at = self.wake_at(stage, &remaining);
        let mut moves = self.released;
        moves.extend(
            self.seats
                .into_iter()
                .filter(|seat| seat.member.assignment.as_ref() != Some(&seat.assignment))
                .map(|seat| Move {
                    tenant: seat.member.name.clone(),
                    assignment: Some(seat.assignment),
                }),
        );
        Decision {
            state: self.state,
            moves,
            stage,
            counts,
            wake_at,
        }
    }

    fn count(&self, is_meant: impl Fn(&Seat<'_>) -> bool) -> usize {
        self.seats.iter().filter(|seat| is_meant(seat)).count()
    }

    fn wake_at(&self, stage: Stage, remaining: &[usize]) -> Option<DateTime<Utc>> {
        let deadlines = self.seats.iter().filter_map(|seat| match seat.progress {
            Progress::Moving(until) => Some(until),
            Progress::Settled | Progress::Failed(_) => None,
        });
        let soaked = self
            .state
            .soaking_since
            .filter(|_| stage == Stage::Soaking)
            .map(|since| after(since, self.channel.soak));
        let openings = self.seats.iter().enumerate().filter_map(|(index, seat)| {
            let waits = match stage {
                Stage::Paused => false,
                Stage::Stopped => {
                    self.channel.on_failure == OnFailure::RollBack
                        && self.is_target(&seat.assignment.version)
                }
                _ => remaining.contains(&index),
            };
            let window = seat.member.window.as_ref().filter(|_| waits)?;
            window.next_opening(self.now)
        });
        deadlines.chain(soaked).chain(openings).min()
    }
}

impl Progress {
    const fn is_moving(&self) -> bool {
        matches!(self, Self::Moving(_))
    }
}

impl Failure {
    fn is_of(&self, tenant: &str, from: &ImageTag, to: &ImageTag) -> bool {
        self.tenant == tenant && self.from == *from && self.to == *to
    }
}

/// At least one.
fn share(total: usize, percent: u8) -> usize {
    total.saturating_mul(percent.into()).div_ceil(100).max(1)
}

fn after(time: DateTime<Utc>, span: TimeDelta) -> DateTime<Utc> {
    time.checked_add_signed(span)
        .unwrap_or(DateTime::<Utc>::MAX_UTC)
}

fn after_span(one: TimeDelta, other: TimeDelta) -> TimeDelta {
    one.checked_add(&other).unwrap_or(TimeDelta::MAX)
}
