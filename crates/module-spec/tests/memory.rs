//! No mebibyte of anything takes more than 64 MiB to read. One test alone in its program: it counts what is allocated.

#[path = "../benches/nasty.rs"]
mod nasty;

use std::alloc::{GlobalAlloc, Layout, System};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};

use module_spec::{parse, render_text};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

const MOST: usize = 64 * 1024 * 1024;

static NOW: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

struct Counting;

fn more(bytes: usize) {
    let now = NOW
        .fetch_add(bytes, Ordering::Relaxed)
        .saturating_add(bytes);
    PEAK.fetch_max(now, Ordering::Relaxed);
}

#[expect(
    unsafe_code,
    reason = "an allocator is unsafe to implement; this one hands everything to the system's and counts"
)]
// SAFETY: each method passes its arguments on unchanged, so what holds for the system's allocator holds here.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        more(layout.size());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `memory` came from `alloc` above, which is the system's.
        unsafe { System.dealloc(memory, layout) }
    }

    unsafe fn realloc(&self, memory: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // While it moves, both are there.
        more(size);
        NOW.fetch_sub(layout.size(), Ordering::Relaxed);
        // SAFETY: `memory` came from `alloc` above, which is the system's.
        unsafe { System.realloc(memory, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What `work` allocates at most beyond what is there.
fn peak(work: impl FnOnce()) -> usize {
    let before = NOW.load(Ordering::Relaxed);
    PEAK.store(before, Ordering::Relaxed);
    work();
    PEAK.load(Ordering::Relaxed).saturating_sub(before)
}

#[test]
fn a_mebibyte_takes_at_most_64() {
    assert!(
        peak(|| drop(vec![0_u8; 1 << 20])) >= 1 << 20,
        "nothing is counted"
    );
    let mut inputs = nasty::inputs();
    let mut runner = TestRunner::deterministic();
    let bytes = proptest::collection::vec(proptest::num::u8::ANY, 200_000);
    let yaml = "([a-z]{1,3}: |[\\[\\]{},&*!|>'\"#%@-]|\\n {0,6}|\\PC){2000}";
    for _ in 0..4 {
        let random = bytes.new_tree(&mut runner).unwrap().current();
        inputs.push((
            "random bytes",
            String::from_utf8_lossy(&random).into_owned(),
        ));
        let random = proptest::string::string_regex(yaml)
            .unwrap()
            .new_tree(&mut runner);
        inputs.push(("random YAML", random.unwrap().current()));
    }
    let mut table = String::new();
    let mut worst = 0;
    for (name, text) in &inputs {
        let taken = peak(|| {
            let (spec, findings) = parse(text);
            assert!(spec.is_some() || !findings.is_empty(), "{name}");
            drop(spec);
            render_text("f.yaml", text, &findings);
        });
        worst = worst.max(taken);
        let _ = writeln!(
            table,
            "{:>8} KiB of {:>5} KiB: {name}",
            taken / 1024,
            text.len() / 1024
        );
    }
    println!("{table}");
    assert!(worst <= MOST, "{table}");
}
