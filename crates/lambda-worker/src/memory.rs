//! The allocator: counts, and ends the process at the limit.
//!
//! QuickJS does not survive all of its own out-of-memory paths. Here none of them ever runs: no allocation fails.

#![expect(
    unsafe_code,
    reason = "an allocator is unsafe by nature; this one adds numbers and passes everything on to the system's"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering};

use lambda_protocol::EXIT_MEMORY;

/// Bytes that are allocated. The process has one thread: plain loads and stores are enough.
static USED: AtomicUsize = AtomicUsize::new(0);
/// Bytes that may be; no limit while the process starts.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// The system's allocator with a limit.
#[derive(Debug)]
pub struct Limited;

/// From now on the process ends when more than `bytes` are allocated.
pub fn limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
    take(0);
}

fn take(bytes: usize) {
    let used = USED.load(Ordering::Relaxed).saturating_add(bytes);
    if used > LIMIT.load(Ordering::Relaxed) {
        end();
    }
    USED.store(used, Ordering::Relaxed);
}

fn give_back(bytes: usize) {
    let used = USED.load(Ordering::Relaxed).saturating_sub(bytes);
    USED.store(used, Ordering::Relaxed);
}

fn end() -> ! {
    // SAFETY: ends the process at once; nothing of it runs any more.
    unsafe { libc::_exit(EXIT_MEMORY) }
}

/// What the system could not give is a limit too: that of the address space.
fn checked(address: *mut u8) -> *mut u8 {
    if address.is_null() {
        end();
    }
    address
}

// SAFETY: every call is passed on to the system's allocator as it came; what differs is only that none fails.
unsafe impl GlobalAlloc for Limited {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: the caller keeps to the contract of `alloc`, which is the same.
        checked(unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        // SAFETY: as above.
        checked(unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, address: *mut u8, layout: Layout) {
        give_back(layout.size());
        // SAFETY: `address` came from `System` with this layout.
        unsafe { System.dealloc(address, layout) }
    }

    unsafe fn realloc(&self, address: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if size > layout.size() {
            take(size - layout.size());
        } else {
            give_back(layout.size() - size);
        }
        // SAFETY: `address` came from `System` with this layout.
        checked(unsafe { System.realloc(address, layout, size) })
    }
}
