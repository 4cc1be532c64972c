//! How many guests run at the same time.

use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Instant;

/// Places for guests. The pool of wasmtime refuses at once when it is full; here one waits until a deadline.
pub(crate) struct Slots {
    free: Mutex<u32>,
    returned: Condvar,
}

/// A place, until dropped.
pub(crate) struct Slot<'a>(&'a Slots);

impl Slots {
    pub(crate) fn new(count: u32) -> Self {
        Self {
            free: Mutex::new(count),
            returned: Condvar::new(),
        }
    }

    /// A free place, or nothing when none becomes free in time.
    pub(crate) fn take(&self, deadline: Instant) -> Option<Slot<'_>> {
        let free = self.free.lock().unwrap_or_else(PoisonError::into_inner);
        let patience = deadline.saturating_duration_since(Instant::now());
        let (mut free, _) = self
            .returned
            .wait_timeout_while(free, patience, |free| *free == 0)
            .unwrap_or_else(PoisonError::into_inner);
        *free = free.checked_sub(1)?;
        Some(Slot(self))
    }
}

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        let mut free = self.0.free.lock().unwrap_or_else(PoisonError::into_inner);
        *free = free.saturating_add(1);
        self.0.returned.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_full_pool_makes_wait_and_then_refuses() {
        let slots = Slots::new(1);
        let soon = || Instant::now() + Duration::from_millis(20);
        let held = slots.take(soon()).unwrap();
        assert!(slots.take(soon()).is_none());
        drop(held);
        assert!(slots.take(soon()).is_some());
    }
}
