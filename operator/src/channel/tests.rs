mod properties;

use chrono::TimeDelta;

use super::*;

pub(super) fn version(text: &str) -> ImageTag {
    text.parse().unwrap()
}

fn begin() -> DateTime<Utc> {
    "2026-01-05T12:00:00Z".parse().unwrap()
}

/// A platform in memory: tenants that do what they are told, as fast as the test lets them.
#[derive(Debug, Clone)]
pub(super) struct Platform {
    pub(super) channel: Channel,
    pub(super) state: State,
    pub(super) members: Vec<Member>,
    pub(super) now: DateTime<Utc>,
    /// Versions that nobody gets ready with.
    pub(super) bad: Vec<ImageTag>,
}

impl Platform {
    /// So many tenants that run 1.0.0, which is the channel's version and its last good one.
    pub(super) fn with(tenants: usize) -> Self {
        let mut platform = Self {
            channel: Channel {
                name: "stable".to_owned(),
                target: version("1.0.0"),
                paused: false,
                canary_percent: 10,
                soak: TimeDelta::minutes(30),
                max_unavailable: 3,
                stop_after_failures: 1,
                on_failure: OnFailure::Stop,
                deadline: TimeDelta::minutes(10),
                retry: None,
            },
            state: State::default(),
            members: (0..tenants).map(member).collect(),
            now: begin(),
            bad: Vec::new(),
        };
        assert_eq!(platform.decide().stage, Stage::Complete);
        assert_eq!(platform.state.last_good, Some(version("1.0.0")));
        platform
    }

    fn time(&self) -> Time {
        Time {
            now: self.now,
            looking_since: begin(),
        }
    }

    pub(super) fn ask(&self) -> Decision {
        decide(&self.channel, &self.state, &self.members, self.time())
    }

    /// Asks and carries out.
    pub(super) fn decide(&mut self) -> Decision {
        let decision = self.ask();
        self.carry_out(&decision);
        decision
    }

    pub(super) fn carry_out(&mut self, decision: &Decision) {
        self.state = decision.state.clone();
        for one in &decision.moves {
            self.member_mut(&one.tenant).assignment = one.assignment.clone();
        }
    }

    pub(super) fn member_mut(&mut self, name: &str) -> &mut Member {
        self.members
            .iter_mut()
            .find(|member| member.name == name)
            .unwrap()
    }

    /// A tenant does what it was told: its runtimes are replaced and get ready, or it goes back by itself.
    pub(super) fn obey(&mut self, index: usize) {
        let (now, bad) = (self.now, self.bad.clone());
        let member = &mut self.members[index];
        let Some(given) = member.assignment.clone() else {
            return;
        };
        if member.failed.as_ref() != Some(&given.version) {
            member.failed = None;
        }
        if bad.contains(&given.version) && !member.is_idle {
            member.failed = Some(given.version);
            member.desired.clone_from(&member.running);
            return;
        }
        member.desired = Some(given.version.clone());
        if !member.is_idle {
            member.running = Some(given.version);
        }
        if !member.health.is_ready {
            member.health.since = now;
        }
        member.health.is_ready = true;
    }

    pub(super) fn obey_all(&mut self) {
        for index in 0..self.members.len() {
            self.obey(index);
        }
    }

    fn wait(&mut self, minutes: i64) {
        self.now += TimeDelta::minutes(minutes);
    }

    fn roll_out(&mut self, target: &str) -> Decision {
        self.channel.target = version(target);
        self.decide()
    }

    fn on(&self, text: &str) -> usize {
        self.members
            .iter()
            .filter(|member| {
                member
                    .assignment
                    .as_ref()
                    .is_some_and(|given| given.version == version(text))
            })
            .count()
    }

    /// Until nothing happens any more; answers the last decision.
    fn settle(&mut self) -> Decision {
        loop {
            let decision = self.decide();
            self.obey_all();
            let next = self.ask();
            if next.moves.is_empty() && next.state == self.state {
                return next;
            }
            assert!(decision.counts.moving <= self.channel.max_unavailable);
        }
    }
}

pub(super) fn member(number: usize) -> Member {
    Member {
        name: format!("t{number:02}"),
        // Not the order of the names.
        rank: (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15),
        pinned: false,
        is_canary: false,
        assignment: None,
        running: Some(version("1.0.0")),
        desired: Some(version("1.0.0")),
        failed: None,
        health: Health {
            is_ready: true,
            since: begin() - TimeDelta::days(1),
            stalled: None,
        },
        is_idle: false,
        window: None,
        retry: None,
    }
}

#[test]
fn a_good_version_reaches_the_canaries_then_after_the_soak_all_others() {
    let mut platform = Platform::with(20);
    let first = platform.roll_out("2.0.0");
    assert_eq!((first.stage, first.counts.moving), (Stage::Canary, 2));
    assert_eq!(platform.on("2.0.0"), 2, "a tenth");
    assert_eq!(first.wake_at, Some(platform.now + TimeDelta::minutes(10)));
    platform.obey_all();
    let soaking = platform.decide();
    assert_eq!(soaking.stage, Stage::Soaking);
    assert_eq!(soaking.wake_at, Some(platform.now + TimeDelta::minutes(30)));
    platform.wait(29);
    assert_eq!(platform.decide().moves, []);
    platform.wait(1);
    assert_eq!(platform.decide().stage, Stage::Rolling);
    assert_eq!(platform.on("2.0.0"), 5, "three more at once");
    let end = platform.settle();
    assert_eq!((end.stage, end.counts.updated), (Stage::Complete, 20));
    assert_eq!(platform.state.last_good, Some(version("2.0.0")));
    assert_eq!(end.wake_at, None);
}

#[test]
fn a_pause_with_nobody_left_to_be_moved_does_not_keep_the_soak_from_its_end() {
    let mut platform = Platform::with(1);
    platform.roll_out("2.0.0");
    platform.obey_all();
    assert_eq!(platform.decide().stage, Stage::Soaking);
    platform.channel.paused = true;
    platform.wait(30);
    let end = platform.decide();
    assert_eq!((end.stage, end.wake_at), (Stage::Complete, None));
}

#[test]
fn a_version_that_does_not_get_ready_ends_with_its_canary() {
    let mut platform = Platform::with(20);
    platform.channel.canary_percent = 5;
    platform.bad.push(version("2.0.0"));
    platform.roll_out("2.0.0");
    platform.obey_all();
    let stopped = platform.decide();
    assert_eq!(stopped.stage, Stage::Stopped);
    assert_eq!(
        platform.on("1.0.0"),
        20,
        "the canary is back, the others never left"
    );
    platform.obey_all();
    platform.wait(60 * 24 * 7);
    assert_eq!(platform.settle().stage, Stage::Stopped);
    assert_eq!(platform.state.last_good, Some(version("1.0.0")));
    // The next version is another matter.
    platform.roll_out("2.0.1");
    platform.obey_all();
    platform.decide();
    platform.wait(30);
    assert_eq!(platform.settle().stage, Stage::Complete);
    // And the way back to the failed one is closed.
    platform.roll_out("2.0.0");
    assert_eq!(platform.settle().stage, Stage::Stopped);
    assert_eq!(platform.on("2.0.1"), 20);
}

#[test]
fn a_wish_on_the_channel_forgets_what_failed_once() {
    let mut platform = Platform::with(10);
    platform.bad.push(version("2.0.0"));
    platform.roll_out("2.0.0");
    platform.obey_all();
    assert_eq!(platform.decide().stage, Stage::Stopped);
    platform.obey_all();
    platform.channel.retry = Some("please".to_owned());
    let again = platform.decide();
    assert_eq!((again.stage, again.counts.moving), (Stage::Canary, 1));
    platform.obey_all();
    assert_eq!(
        platform.settle().stage,
        Stage::Stopped,
        "the same wish is obeyed once"
    );
    platform.channel.retry = Some("and now".to_owned());
    platform.bad.clear();
    platform.decide();
    platform.obey_all();
    platform.decide();
    platform.wait(30);
    assert_eq!(platform.settle().stage, Stage::Complete);
}

#[test]
fn a_wish_on_a_tenant_counts_for_it_once() {
    let mut platform = Platform::with(10);
    platform.bad.push(version("2.0.0"));
    platform.roll_out("2.0.0");
    platform.obey_all();
    platform.decide();
    platform.obey_all();
    let failed = platform.state.failures[0].tenant.clone();
    platform.member_mut(&failed).retry = Some("2.0.0".to_owned());
    let again = platform.decide();
    assert_eq!(again.counts.moving, 1);
    platform.obey_all();
    assert_eq!(platform.settle().stage, Stage::Stopped);
    // Taken away and set again, it is another wish.
    platform.member_mut(&failed).retry = None;
    assert_eq!(platform.settle().stage, Stage::Stopped);
    platform.member_mut(&failed).retry = Some("2.0.0".to_owned());
    assert_eq!(platform.decide().counts.moving, 1);
}

#[test]
fn a_canary_that_breaks_while_it_is_watched_ends_the_rollout() {
    let mut platform = Platform::with(10);
    platform.roll_out("2.0.0");
    platform.obey_all();
    assert_eq!(platform.decide().stage, Stage::Soaking);
    platform.wait(20);
    let now = platform.now;
    let canary = platform
        .members
        .iter_mut()
        .find(|member| member.running == Some(version("2.0.0")))
        .unwrap();
    canary.health = Health {
        is_ready: false,
        since: now,
        stalled: None,
    };
    assert_eq!(
        platform.decide().stage,
        Stage::Canary,
        "the soak begins again"
    );
    platform.wait(10);
    let stopped = platform.decide();
    assert_eq!(stopped.stage, Stage::Stopped);
    assert_eq!(stopped.state.failures[0].reason, "DeadlineExceeded");
    // Long after a rollout a tenant's trouble is its own.
    let mut platform = Platform::with(10);
    platform.roll_out("2.0.0");
    platform.obey_all();
    platform.decide();
    platform.wait(30);
    platform.settle();
    platform.wait(60 * 24);
    let now = platform.now;
    platform.members[0].health = Health {
        is_ready: false,
        since: now,
        stalled: Some(("PodsRefused".to_owned(), now)),
    };
    platform.wait(60);
    assert_eq!(platform.settle().stage, Stage::Complete);
    assert_eq!(platform.on("2.0.0"), 10);
}

#[test]
fn a_tenant_that_is_late_goes_back_unless_nobody_was_looking() {
    let mut platform = Platform::with(10);
    platform.roll_out("2.0.0");
    platform.wait(9);
    assert_eq!(platform.decide().moves, []);
    platform.wait(1);
    // An operator that has just begun gives it its time again.
    let time = Time {
        now: platform.now,
        looking_since: platform.now,
    };
    let other = decide(&platform.channel, &platform.state, &platform.members, time);
    assert_eq!(other.moves, []);
    assert_eq!(platform.decide().stage, Stage::Stopped);
    assert_eq!(platform.on("2.0.0"), 0);
}

#[test]
fn some_failures_may_be_allowed() {
    let mut platform = Platform::with(20);
    platform.channel.stop_after_failures = 3;
    platform.channel.canary_percent = 0;
    platform.roll_out("2.0.0");
    // Two are broken by it, whoever comes first.
    for _ in 0..2 {
        let index = platform
            .members
            .iter()
            .position(|member| member.assignment.as_ref().unwrap().version == version("2.0.0"))
            .unwrap();
        platform.members[index].failed = Some(version("2.0.0"));
        platform.decide();
        platform.members[index].failed = None;
    }
    let end = platform.settle();
    assert_eq!(
        (end.stage, end.counts.updated, end.counts.failed),
        (Stage::Complete, 18, 2)
    );
    assert_eq!(platform.on("1.0.0"), 2);
}

#[test]
fn the_way_back_to_the_last_good_version_needs_no_canary() {
    let mut platform = Platform::with(20);
    platform.roll_out("2.0.0");
    platform.obey_all();
    platform.decide();
    platform.wait(30);
    platform.decide();
    platform.obey_all();
    assert_eq!(platform.on("2.0.0"), 5);
    let back = platform.roll_out("1.0.0");
    assert_eq!((back.stage, back.counts.moving), (Stage::Rolling, 3));
    let end = platform.settle();
    assert_eq!((end.stage, platform.on("1.0.0")), (Stage::Complete, 20));
}

#[test]
fn with_roll_back_all_return_when_the_rollout_ends_by_failures() {
    let mut platform = Platform::with(20);
    platform.channel.on_failure = OnFailure::RollBack;
    platform.channel.canary_percent = 0;
    platform.roll_out("2.0.0");
    platform.obey_all();
    platform.decide();
    platform.obey_all();
    assert_eq!(platform.on("2.0.0"), 6);
    platform.bad.push(version("2.0.0"));
    platform.decide();
    platform.obey_all();
    let stopped = platform.decide();
    assert_eq!(stopped.stage, Stage::Stopped);
    let end = platform.settle();
    assert_eq!((end.stage, platform.on("1.0.0")), (Stage::Stopped, 20));
}

#[test]
fn who_joins_keeps_what_it_runs_and_who_is_new_gets_the_last_good_version() {
    let mut platform = Platform::with(3);
    platform.roll_out("2.0.0");
    let mut new = member(90);
    (new.running, new.desired) = (None, None);
    new.health.is_ready = false;
    let mut moved = member(91);
    moved.running = Some(version("0.9.0"));
    moved.assignment = Some(Assignment {
        channel: "beta".to_owned(),
        version: version("0.9.0"),
        cause: Cause::Joined,
        since: begin(),
    });
    let mut own = member(92);
    own.pinned = true;
    own.assignment.clone_from(&moved.assignment);
    platform.members.extend([new, moved, own]);
    let decision = platform.decide();
    let given = |index: usize| platform.members[index].assignment.clone();
    assert_eq!(given(3).unwrap().version, version("1.0.0"));
    assert_eq!(given(4).unwrap().version, version("0.9.0"));
    assert_eq!(given(4).unwrap().channel, "stable");
    assert_eq!(given(5), None);
    assert_eq!((decision.counts.total, decision.counts.pinned), (5, 1));
}

#[test]
fn who_sleeps_is_no_canary_and_is_moved_without_being_woken() {
    let mut platform = Platform::with(10);
    for index in 0..9 {
        platform.members[index].is_idle = true;
    }
    platform.roll_out("2.0.0");
    assert_eq!(
        platform.members[9].assignment.as_ref().unwrap().version,
        version("2.0.0")
    );
    assert_eq!(platform.on("2.0.0"), 1);
    platform.obey_all();
    platform.decide();
    platform.wait(30);
    let end = platform.settle();
    assert_eq!((end.stage, end.counts.updated), (Stage::Complete, 10));
    assert_eq!(platform.members[0].running, Some(version("1.0.0")));
    // The one that wakes much later is given its time, and goes back if it does not get ready.
    platform.wait(60 * 24 * 30);
    let now = platform.now;
    let sleeper = &mut platform.members[0];
    sleeper.is_idle = false;
    sleeper.health = Health {
        is_ready: false,
        since: now,
        stalled: None,
    };
    assert_eq!(platform.decide().counts.moving, 1);
    platform.members[0].failed = Some(version("2.0.0"));
    assert_eq!(platform.decide().stage, Stage::Stopped);
    assert_eq!(platform.on("1.0.0"), 1);
}

#[test]
fn who_did_not_work_before_is_moved_last_and_speaks_against_nothing() {
    let mut platform = Platform::with(4);
    platform.channel.max_unavailable = 1;
    platform.members[2].health.is_ready = false;
    platform.roll_out("2.0.0");
    platform.obey(0);
    platform.obey(1);
    platform.obey(3);
    platform.decide();
    platform.wait(30);
    for _ in 0..8 {
        platform.decide();
        for index in [0, 1, 3] {
            platform.obey(index);
        }
    }
    assert_eq!(platform.on("2.0.0"), 4);
    platform.wait(60);
    let end = platform.decide();
    assert_eq!(
        (end.stage, end.state.failures),
        (Stage::Complete, Vec::new())
    );
}

#[test]
fn a_window_holds_a_tenant_but_not_the_others() {
    let mut platform = Platform::with(4);
    let wire =
        serde_json::from_value(serde_json::json!({"start": "22:00", "duration": "2h"})).unwrap();
    platform.members[1].window = Some(Window::try_from(&wire).unwrap());
    platform.roll_out("2.0.0");
    platform.obey_all();
    platform.decide();
    platform.wait(30);
    let waiting = platform.settle();
    assert_eq!((waiting.stage, platform.on("2.0.0")), (Stage::Rolling, 3));
    assert_eq!(waiting.counts.outside_window, 1);
    assert_eq!(platform.state.last_good, Some(version("2.0.0")));
    assert_eq!(
        waiting.wake_at,
        Some("2026-01-05T22:00:00Z".parse().unwrap())
    );
    platform.now = waiting.wake_at.unwrap();
    assert_eq!(platform.settle().stage, Stage::Complete);
}

#[test]
fn a_paused_channel_moves_nobody_and_still_takes_back_what_fails() {
    let mut platform = Platform::with(10);
    platform.roll_out("2.0.0");
    platform.channel.paused = true;
    assert_eq!(platform.decide().stage, Stage::Paused);
    platform.obey_all();
    platform.wait(60);
    assert_eq!(platform.settle().stage, Stage::Paused);
    assert_eq!(platform.on("2.0.0"), 1);
    platform.channel.paused = false;
    platform.decide();
    platform.wait(30);
    assert_eq!(platform.settle().stage, Stage::Complete);
}

#[test]
fn the_tenants_that_offer_themselves_are_the_canaries() {
    let mut platform = Platform::with(10);
    platform.member_mut("t07").is_canary = true;
    let first = platform.roll_out("2.0.0");
    assert_eq!(first.moves.len(), 1);
    assert_eq!(first.moves[0].tenant, "t07");
}
