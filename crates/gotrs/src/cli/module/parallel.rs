//! Work on several threads, answers in order.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// Does `work` on each item, at most `jobs` at the same time; the answers come in the order of the items.
pub(super) fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: NonZeroUsize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let take_turns = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(at) else {
                return done;
            };
            done.push((at, work(item)));
        }
    };
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> = (0..jobs.get().min(items.len()))
            .map(|_| scope.spawn(take_turns))
            .collect();
        threads
            .into_iter()
            .flat_map(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect::<Vec<_>>()
    });
    done.sort_by_key(|(at, _)| *at);
    done.into_iter().map(|(_, answer)| answer).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;

    use super::*;

    #[test]
    fn answers_are_in_order_whoever_gives_them() {
        let items: Vec<usize> = (0..100).collect();
        for jobs in [1, 3, 200] {
            let jobs = NonZeroUsize::new(jobs).unwrap();
            let doubled = each(&items, jobs, |item| item * 2);
            assert_eq!(doubled, (0..100).map(|item| item * 2).collect::<Vec<_>>());
        }
        assert!(each(&[] as &[u8], NonZeroUsize::MIN, |_| ()).is_empty());
    }

    #[test]
    fn as_many_as_allowed_work_at_the_same_time() {
        // Nobody gets past the barrier before three are there.
        let barrier = Barrier::new(3);
        each(&[(); 6], NonZeroUsize::new(3).unwrap(), |()| barrier.wait());
    }
}
