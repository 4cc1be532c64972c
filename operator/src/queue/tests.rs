use std::time::Duration;

use proptest::prelude::*;

use super::*;

const PLACES: Places = Places {
    total: 4,
    user: 3,
    provision: 2,
    background: 3,
};

/// All that may start now, in their order.
fn start(queue: &mut Queue, now: Instant) -> Vec<String> {
    std::iter::from_fn(|| queue.next(now, |_| Lane::Background))
        .map(|(name, _)| name.to_string())
        .collect()
}

fn one_at_a_time() -> Queue {
    Queue::new(Places {
        total: 1,
        user: 1,
        provision: 1,
        background: 1,
    })
}

#[test]
fn whom_somebody_waits_for_passes_the_others() {
    let now = Instant::now();
    let mut queue = one_at_a_time();
    for name in ["a", "b", "c"] {
        queue.ask(name, Lane::Background, now);
    }
    assert_eq!(start(&mut queue, now), ["a"]);
    queue.ask("new", Lane::User, now);
    // It waits in the background already, and now somebody calls it.
    queue.ask("c", Lane::User, now);
    assert_eq!(
        (queue.waiting(Lane::User), queue.waiting(Lane::Background)),
        (1, 1)
    );
    let mut order = Vec::new();
    queue.done("a");
    while let Some((name, _)) = queue.next(now, |_| Lane::Background) {
        order.push(name.to_string());
        queue.done(&name);
    }
    assert_eq!(order, ["c", "new", "b"]);
}

#[test]
fn each_lane_has_places_that_the_other_never_takes() {
    let now = Instant::now();
    let mut queue = Queue::new(PLACES);
    for number in 0..9 {
        queue.ask(&format!("b{number}"), Lane::Background, now);
    }
    assert_eq!(start(&mut queue, now), ["b0", "b1", "b2"]);
    for number in 0..9 {
        queue.ask(&format!("u{number}"), Lane::User, now);
    }
    assert_eq!(start(&mut queue, now), ["u0"]);
    queue.done("b0");
    assert_eq!(start(&mut queue, now), ["u1"]);
    queue.done("b1");
    assert_eq!(start(&mut queue, now), ["u2"]);
    queue.done("b2");
    assert_eq!(
        start(&mut queue, now),
        ["b3"],
        "the background has a place too"
    );
}

/// A hundred tenants are ordered at once, and somebody edits one that works.
#[test]
fn those_that_are_being_made_leave_places_for_edits_and_come_before_the_background() {
    let now = Instant::now();
    let mut queue = Queue::new(PLACES);
    queue.ask("b0", Lane::Background, now);
    for number in 0..100 {
        queue.ask(&format!("new{number:02}"), Lane::Provision, now);
    }
    assert_eq!(start(&mut queue, now), ["new00", "new01", "b0"]);
    queue.ask("edited", Lane::User, now);
    assert_eq!(start(&mut queue, now), ["edited"]);
    queue.done("new00");
    assert_eq!(start(&mut queue, now), ["new02"]);
}

#[test]
fn what_is_asked_for_during_a_turn_is_one_more_turn() {
    let now = Instant::now();
    let mut queue = Queue::new(PLACES);
    queue.ask("a", Lane::User, now);
    queue.ask("a", Lane::Background, now);
    assert_eq!(start(&mut queue, now), ["a"]);
    for _ in 0..5 {
        queue.ask("a", Lane::User, now);
    }
    assert_eq!(start(&mut queue, now), Vec::<String>::new());
    queue.done("a");
    assert_eq!(start(&mut queue, now), ["a"]);
    queue.done("a");
    assert_eq!(start(&mut queue, now), Vec::<String>::new());
    assert!(queue.entries.is_empty(), "nothing is kept of who is done");
}

#[test]
fn a_later_turn_comes_earlier_when_somebody_asks() {
    let now = Instant::now();
    let later = now + Duration::from_hours(1);
    let mut queue = Queue::new(PLACES);
    queue.ask("a", Lane::Background, later);
    assert_eq!(queue.next_due(), Some(later));
    assert_eq!(start(&mut queue, now), Vec::<String>::new());
    queue.ask("a", Lane::User, now);
    assert_eq!(start(&mut queue, now), ["a"]);
    assert_eq!(queue.next_due(), None);
    queue.done("a");
    // Whose time comes by itself is asked anew who waits for it.
    queue.ask("b", Lane::Background, later);
    assert_eq!(
        queue.next(later, |_| Lane::User).map(|(_, lane)| lane),
        Some(Lane::User)
    );
}

#[derive(Debug, Clone)]
enum Step {
    Ask(u8, Lane, u8),
    Start,
    Done(u8),
    Wait(u8),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (
            0..6_u8,
            proptest::sample::select(Lane::ALL.to_vec()),
            0..5_u8
        )
            .prop_map(|(name, lane, at)| Step::Ask(name, lane, at)),
        Just(Step::Start),
        (0..6_u8).prop_map(Step::Done),
        (1..4_u8).prop_map(Step::Wait),
    ];
    proptest::collection::vec(step, 0..80)
}

proptest! {
    /// Never twice at once, never more than there are places, and nobody who asked is forgotten.
    #[test]
    fn whatever_happens_everybody_has_a_turn_and_nobody_two_at_once(steps in steps()) {
        let begin = Instant::now();
        let mut now = begin;
        let mut queue = Queue::new(PLACES);
        let mut running: Vec<String> = Vec::new();
        let mut owed: BTreeSet<String> = BTreeSet::new();
        for step in steps {
            match step {
                Step::Ask(name, lane, at) => {
                    queue.ask(&name.to_string(), lane, now + Duration::from_secs(at.into()));
                    owed.insert(name.to_string());
                }
                Step::Start => {
                    if let Some((name, _)) = queue.next(now, |_| Lane::Background) {
                        prop_assert!(!running.contains(&name.to_string()));
                        owed.remove(&*name);
                        running.push(name.to_string());
                    }
                }
                Step::Done(name) => {
                    let name = name.to_string();
                    if running.contains(&name) {
                        running.retain(|other| *other != name);
                        queue.done(&name);
                    }
                }
                Step::Wait(seconds) => now += Duration::from_secs(seconds.into()),
            }
            let counted = Lane::ALL.map(|lane| queue.running(lane));
            prop_assert_eq!(counted.iter().sum::<usize>(), running.len());
            prop_assert!(running.len() <= PLACES.total);
            for (lane, count) in Lane::ALL.into_iter().zip(counted) {
                prop_assert!(count <= PLACES.of(lane));
            }
        }
        for name in running.drain(..) {
            queue.done(&name);
        }
        let end = now + Duration::from_secs(10);
        while let Some((name, _)) = queue.next(end, |_| Lane::Background) {
            owed.remove(&*name);
            queue.done(&name);
        }
        prop_assert!(owed.is_empty(), "{:?}", owed);
        prop_assert!(queue.entries.is_empty());
    }
}
