//! What holds whatever happens, in whatever order.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use proptest::prelude::*;
use serde_json::json;

use super::*;

const VERSIONS: [&str; 3] = ["1.0.0", "2.0.0", "3.0.0"];

#[derive(Debug, Clone)]
enum Step {
    Decide,
    Wait(u16),
    /// The tenant does what it was told.
    Obey(usize),
    Break(usize),
    Sleep(usize, bool),
    Pin(usize, bool),
    RollOut(usize),
    Bad(usize),
    Good,
    Pause(bool),
    RetryChannel(u8),
    RetryTenant(usize, Option<usize>),
    Join,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tenant = 0..12_usize;
    let version = 0..VERSIONS.len();
    let step = prop_oneof![
        8 => Just(Step::Decide),
        4 => (1..90_u16).prop_map(Step::Wait),
        8 => tenant.clone().prop_map(Step::Obey),
        2 => tenant.clone().prop_map(Step::Break),
        2 => (tenant.clone(), any::<bool>()).prop_map(|(tenant, sleeps)| Step::Sleep(tenant, sleeps)),
        1 => (tenant.clone(), any::<bool>()).prop_map(|(tenant, pinned)| Step::Pin(tenant, pinned)),
        2 => version.clone().prop_map(Step::RollOut),
        1 => version.clone().prop_map(Step::Bad),
        1 => Just(Step::Good),
        1 => any::<bool>().prop_map(Step::Pause),
        1 => (0..3_u8).prop_map(Step::RetryChannel),
        1 => (tenant, proptest::option::of(version)).prop_map(|(tenant, version)| Step::RetryTenant(tenant, version)),
        1 => Just(Step::Join),
    ];
    proptest::collection::vec(step, 1..120)
}

fn platforms() -> impl Strategy<Value = Platform> {
    (
        1..12_usize,
        prop_oneof![Just(0_u8), Just(10), Just(50), Just(100)],
        1..5_usize,
        1..4_usize,
        any::<bool>(),
        prop_oneof![Just(0_i64), Just(30)],
        proptest::collection::vec(any::<bool>(), 12),
    )
        .prop_map(|(tenants, percent, most, stop, back, soak, windows)| {
            let mut platform = Platform::with(tenants);
            platform.channel.canary_percent = percent;
            platform.channel.max_unavailable = most;
            platform.channel.stop_after_failures = stop;
            platform.channel.soak = TimeDelta::minutes(soak);
            platform.channel.on_failure = if back {
                OnFailure::RollBack
            } else {
                OnFailure::Stop
            };
            let wire = serde_json::from_value(json!({"start": "12:00", "duration": "3h"})).unwrap();
            let window = Window::try_from(&wire).unwrap();
            for (member, has_window) in platform.members.iter_mut().zip(windows) {
                member.window = has_window.then(|| window.clone());
            }
            platform
        })
}

fn take(platform: &mut Platform, step: &Step) {
    let now = platform.now;
    let count = platform.members.len();
    match step {
        Step::Decide => {}
        Step::Wait(minutes) => platform.now += TimeDelta::minutes((*minutes).into()),
        Step::Obey(index) => platform.obey(index % count),
        Step::Break(index) => {
            let health = &mut platform.members[index % count].health;
            if health.is_ready {
                health.is_ready = false;
                health.since = now;
            }
        }
        Step::Sleep(index, sleeps) => {
            let member = &mut platform.members[index % count];
            if member.is_idle != *sleeps {
                member.is_idle = *sleeps;
                // Asleep it is as it should be; awake it has to start first.
                member.health.is_ready = *sleeps;
                member.health.since = now;
            }
        }
        Step::Pin(index, pinned) => platform.members[index % count].pinned = *pinned,
        Step::RollOut(index) => platform.channel.target = version(VERSIONS[*index]),
        Step::Bad(index) => platform.bad.push(version(VERSIONS[*index])),
        Step::Good => platform.bad.clear(),
        Step::Pause(paused) => platform.channel.paused = *paused,
        Step::RetryChannel(value) => platform.channel.retry = Some(value.to_string()),
        Step::RetryTenant(index, wanted) => {
            platform.members[index % count].retry = wanted.map(|index| VERSIONS[index].to_owned());
        }
        Step::Join if count < 12 => platform.members.push(member(count)),
        Step::Join => {}
    }
}

/// Tenants on their way, from the tenants' own point of view.
fn on_their_way(platform: &Platform) -> usize {
    platform
        .members
        .iter()
        .filter(|member| !member.pinned && !member.is_idle)
        .filter(|member| {
            member.assignment.as_ref().is_some_and(|given| {
                let arrived = member.running.as_ref() == Some(&given.version)
                    && member.desired.as_ref() == Some(&given.version);
                given.cause != Cause::Joined
                    && !arrived
                    && platform.now < given.since + platform.channel.deadline
            })
        })
        .count()
}

fn is_upgrade(one: &Move) -> bool {
    matches!(&one.assignment, Some(given) if matches!(given.cause, Cause::Upgrade { .. }))
}

/// Moves that begin now, not those that only change their channel's name.
fn upgrades<'a>(before: &Platform, decision: &'a Decision) -> Vec<&'a Move> {
    let now = before.now;
    decision
        .moves
        .iter()
        .filter(|one| is_upgrade(one) && one.assignment.as_ref().unwrap().since == now)
        .collect()
}

fn check(before: &Platform, decision: &Decision) -> Result<(), TestCaseError> {
    let member = |name: &str| {
        before
            .members
            .iter()
            .find(|member| member.name == name)
            .unwrap()
    };
    let target = &before.channel.target;
    let mut after = before.clone();
    after.carry_out(decision);
    let forward = upgrades(before, decision);

    // The same question has the same answer, in whatever order the tenants are told; and what was done is not done again.
    let mut reversed = before.clone();
    reversed.members.reverse();
    prop_assert_eq!(&reversed.ask(), decision);
    let again = after.ask();
    prop_assert_eq!(&again.moves, &Vec::new());
    prop_assert_eq!(&again.state, &decision.state);
    prop_assert_eq!(again.stage, decision.stage);

    for one in &decision.moves {
        let member = member(&one.tenant);
        prop_assert_eq!(member.pinned, one.assignment.is_none());
        if let Some(given) = &one.assignment
            && let Cause::RollBack { from } = &given.cause
            && given.since == before.now
        {
            // Back to where it came from, and nowhere else.
            let was = member.assignment.as_ref().unwrap();
            prop_assert_eq!(&was.version, from);
            let came_from =
                matches!(&was.cause, Cause::Upgrade { from, .. } if *from == given.version);
            prop_assert!(came_from);
        }
    }
    for one in &forward {
        let given = one.assignment.as_ref().unwrap();
        let member = member(&one.tenant);
        let Cause::Upgrade { from, .. } = &given.cause else {
            unreachable!()
        };
        prop_assert_eq!(&given.version, target);
        prop_assert!(from != target);
        prop_assert!(
            member
                .window
                .as_ref()
                .is_none_or(|window| window.is_open(before.now))
        );
        let is_known = decision.state.failures.iter().any(|failure| {
            failure.tenant == one.tenant && failure.from == *from && failure.to == *target
        });
        prop_assert!(!is_known, "{} was moved to what it failed with", one.tenant);
    }
    if !forward.is_empty() {
        prop_assert!(!before.channel.paused);
        prop_assert!(on_their_way(&after) <= before.channel.max_unavailable);
        let against = decision
            .state
            .failures
            .iter()
            .filter(|failure| failure.counts && failure.to == *target)
            .count();
        prop_assert!(
            against < before.channel.stop_after_failures,
            "moved after a stop"
        );
        let is_proved = before.channel.canary_percent == 0
            || decision.state.passed_at.is_some()
            || before.state.last_good.as_ref() == Some(target);
        if !is_proved {
            let canaries = after
                .members
                .iter()
                .filter(|member| !member.pinned)
                .filter(|member| {
                    member
                        .assignment
                        .as_ref()
                        .is_some_and(|given| given.version == *target)
                        && (!member.is_idle || member.running.as_ref() == Some(target))
                })
                .count();
            let followers = after.members.iter().filter(|member| !member.pinned).count();
            let share = (followers * usize::from(before.channel.canary_percent)).div_ceil(100);
            prop_assert!(canaries <= share.max(1), "{canaries} of {followers}");
            for one in &forward {
                let member = member(&one.tenant);
                prop_assert!(member.health.is_ready && !member.is_idle);
            }
        }
    }
    if let Some(wake_at) = decision.wake_at {
        prop_assert!(wake_at > before.now);
    }
    prop_assert!(decision.state.failures.len() <= FAILURES_KEPT);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn rules_hold_whatever_happens(platform in platforms(), steps in steps()) {
        let mut platform = platform;
        // Ways on which a tenant has failed, kept by the test, until somebody says that they count no more.
        let mut failed: BTreeSet<(String, ImageTag, ImageTag)> = BTreeSet::new();
        let mut retried = platform.state.retried.clone();
        for step in steps {
            take(&mut platform, &step);
            match &step {
                Step::RetryTenant(index, _) => {
                    let name = platform.members[index % platform.members.len()].name.clone();
                    failed.retain(|(tenant, ..)| *tenant != name);
                }
                Step::Decide => {}
                _ => continue,
            }
            let decision = platform.ask();
            check(&platform, &decision)?;
            if decision.state.retried != retried {
                retried.clone_from(&decision.state.retried);
                failed.clear();
            }
            for one in upgrades(&platform, &decision) {
                let given = one.assignment.as_ref().unwrap();
                let Cause::Upgrade { from, .. } = &given.cause else { unreachable!() };
                let way = (one.tenant.clone(), from.clone(), given.version.clone());
                prop_assert!(!failed.contains(&way), "{way:?} is tried again");
            }
            let known = &platform.state.failures;
            for failure in decision.state.failures.iter().filter(|failure| !known.contains(failure)) {
                failed.insert((failure.tenant.clone(), failure.from.clone(), failure.to.clone()));
            }
            platform.carry_out(&decision);
        }
    }

    /// Where all goes well, everybody arrives.
    #[test]
    fn a_good_version_reaches_everybody(platform in platforms()) {
        let mut platform = platform;
        platform.channel.target = version("2.0.0");
        for _ in 0..200 {
            let decision = platform.ask();
            check(&platform, &decision)?;
            platform.carry_out(&decision);
            platform.obey_all();
            if decision.stage == Stage::Complete {
                break;
            }
            if let Some(wake_at) = decision.wake_at && decision.moves.is_empty() {
                platform.now = wake_at;
            }
        }
        prop_assert_eq!(platform.ask().stage, Stage::Complete);
        prop_assert_eq!(&platform.state.last_good, &Some(version("2.0.0")));
        for member in &platform.members {
            prop_assert_eq!(&member.running, &Some(version("2.0.0")));
        }
    }

    /// Where nothing goes well, few notice, and all are back.
    #[test]
    fn a_bad_version_reaches_few(platform in platforms()) {
        let mut platform = platform;
        platform.channel.target = version("2.0.0");
        platform.bad.push(version("2.0.0"));
        let mut touched = BTreeSet::new();
        for _ in 0..200 {
            let decision = platform.ask();
            check(&platform, &decision)?;
            touched.extend(upgrades(&platform, &decision).into_iter().map(|one| one.tenant.clone()));
            platform.carry_out(&decision);
            platform.obey_all();
            if let Some(wake_at) = decision.wake_at && decision.moves.is_empty() {
                platform.now = wake_at;
            }
        }
        let most = platform.channel.max_unavailable + platform.channel.stop_after_failures - 1;
        prop_assert!(touched.len() <= most, "{} of {}", touched.len(), most);
        for member in &platform.members {
            prop_assert_eq!(&member.running, &Some(version("1.0.0")));
            prop_assert_eq!(&member.assignment.as_ref().unwrap().version, &version("1.0.0"));
        }
        prop_assert_eq!(&platform.state.last_good, &Some(version("1.0.0")));
    }
}
