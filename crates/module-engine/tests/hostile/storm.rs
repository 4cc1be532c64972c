//! Twenty patterns of allocation under 65 limits of memory. QuickJS does not survive all of its own out-of-memory paths; here it
//! never gets to them. All 1 300 runs take minutes, so the test makes an eighth of them: each pattern meets eight or nine
//! limits, spread evenly, and each limit two or three patterns. With `SAMPLE` set to 1 it makes all.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::attack::{ALONE, assert_all_slots_are_free, is_right, run, run_innocent};
use crate::corpus::{Case, End, Options, cases};
use crate::hosts::Answering;

const PATTERNS: usize = 20;
const LIMITS: usize = 65;
/// One run of this many is made.
const SAMPLE: usize = 8;

#[test]
fn every_storm_ends_at_every_limit() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let patterns: Vec<Case> = cases()
        .into_iter()
        .filter(|case| case.name.starts_with("storms: "))
        .collect();
    assert_eq!(patterns.len(), PATTERNS);
    let runs: Vec<Case> = (1..=LIMITS)
        .flat_map(|limit| (0..PATTERNS).map(move |pattern| (limit, pattern)))
        .filter(|(limit, pattern)| (limit + pattern) % SAMPLE == 0)
        .map(|(limit, pattern)| storm(&patterns[pattern], u32::try_from(limit).unwrap()))
        .collect();
    let next = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(case) = runs.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let (text, end, _) = run(case);
                    assert!(is_right(case, &end), "{}: {text}", case.name);
                }
            });
        }
    });
    println!("{} storms", runs.len());
    run_innocent(&Answering::default());
    assert_all_slots_are_free();
}

fn storm(pattern: &Case, limit: u32) -> Case {
    Case {
        name: format!("{} under {limit} MiB", pattern.name),
        // Where there is much to fill, a slow machine may run out of its processor time first.
        ends: vec![
            End::Limit("memory".to_owned()),
            End::Limit("cpu".to_owned()),
        ],
        options: Options {
            memory: Some(limit),
            ..Options::default()
        },
        lambda: pattern.lambda.clone(),
    }
}
