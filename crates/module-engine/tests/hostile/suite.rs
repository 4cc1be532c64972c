//! The corpus as it stands, and the corpus beside innocent invocations.

use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use crate::attack::{ALONE, DEADLINE_MS, assert_all_slots_are_free, is_right, run, run_innocent};
use crate::corpus::{End, cases};
use crate::hosts::Answering;

/// What may stay resident after hundreds of scripts that each asked for all they could get.
const MAX_GROWTH_MIB: u64 = 96;

#[test]
fn every_script_ends_as_it_should() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cases = cases();
    assert!(cases.len() >= 150, "{} scripts", cases.len());
    assert_all_slots_are_free();
    let before = resident_mib();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut ends = Vec::new();
        while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
            let (text, end, took) = run(case);
            run_innocent(&Answering::default());
            ends.push((case, text, end, took));
        }
        ends
    };
    let ends: Vec<_> = std::thread::scope(|scope| {
        let threads = [scope.spawn(work), scope.spawn(work)];
        threads
            .into_iter()
            .flat_map(|thread| thread.join().unwrap())
            .collect()
    });
    let wrong: Vec<String> = ends
        .iter()
        .filter(|(case, _, end, _)| !is_right(case, end))
        .map(|(case, text, ..)| {
            let short: String = text.chars().take(200).collect();
            format!("{}\n    ended: {short}", case.name)
        })
        .collect();
    assert!(
        wrong.is_empty(),
        "{} of {} scripts ended otherwise:\n{}",
        wrong.len(),
        ends.len(),
        wrong.join("\n")
    );

    let deadline = Duration::from_millis(DEADLINE_MS.into());
    let mut over: Vec<(Duration, &str)> = ends
        .iter()
        .filter(|(_, _, end, _)| *end == End::Limit("wall".to_owned()))
        .map(|(case, _, _, took)| (took.saturating_sub(deadline), case.name.as_str()))
        .collect();
    over.sort_unstable();
    println!(
        "{} scripts, {} stopped by the deadline; longest beyond it:",
        ends.len(),
        over.len()
    );
    for (took, name) in over.iter().rev().take(5) {
        println!("  {took:?} {name}");
    }
    assert_all_slots_are_free();
    let growth = resident_mib().saturating_sub(before);
    println!("resident: {before} MiB before, {growth} MiB more after");
    assert!(growth <= MAX_GROWTH_MIB, "{growth} MiB did not come back");
}

#[test]
fn innocent_invocations_are_right_beside_hostile_ones() {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let cases = cases();
    let done = AtomicBool::new(false);
    let mut times: Vec<Duration> = std::thread::scope(|scope| {
        for start in 0..3 {
            let (cases, done) = (&cases, &done);
            scope.spawn(move || {
                let mine = cases.iter().skip(start).step_by(3).cycle();
                for case in mine.take_while(|_| !done.load(Ordering::Relaxed)) {
                    let (text, end, _) = run(case);
                    assert!(is_right(case, &end), "{}: {text}", case.name);
                }
            });
        }
        let times = (0..500)
            .map(|_| run_innocent(&Answering::default()))
            .collect();
        done.store(true, Ordering::Relaxed);
        times
    });
    times.sort_unstable();
    println!(
        "innocent invocations beside three hostile threads: median {:?}, p99 {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    assert_all_slots_are_free();
}

fn resident_mib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS:"))
        .unwrap();
    let kib: u64 = line
        .split_whitespace()
        .nth(1)
        .and_then(|number| number.parse().ok())
        .unwrap();
    kib / 1024
}
