//! How long one tenant waits after failures, and one watch; the others do not notice.

use std::time::Duration;

use kube::runtime::utils::Backoff;

/// First pause.
const FIRST: Duration = Duration::from_millis(500);
/// Longest pause: the same inputs are not tried for ever at full speed.
const LONGEST: Duration = Duration::from_mins(5);

/// Longest pause of a watch. An API server that comes back is noticed within it: what was ordered meanwhile waits for that, and
/// a dozen attempts each few seconds are nothing to one that is overloaded. (The client's own default is up to a minute.)
const LONGEST_OF_WATCH: Duration = Duration::from_secs(5);

/// The pauses between the attempts of one watch that fails; they begin anew once it has told something.
#[derive(Debug, Default)]
pub struct WatchPause {
    failures: u32,
}

impl Iterator for WatchPause {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        self.failures = self.failures.saturating_add(1);
        Some(growing(self.failures, LONGEST_OF_WATCH, rand::random()))
    }
}

impl Backoff for WatchPause {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

/// The pause after so many failures in a row. `jitter` is in 0..=1 and spreads tenants that failed together.
pub fn pause(failures: u32, jitter: f64) -> Duration {
    growing(failures, LONGEST, jitter)
}

fn growing(failures: u32, longest: Duration, jitter: f64) -> Duration {
    let doubled = FIRST
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(longest);
    doubled.mul_f64(0.5 + 0.5 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_jitter_only_shortens() {
        assert_eq!(pause(1, 1.0), FIRST);
        assert_eq!(pause(1, 0.0), FIRST / 2);
        assert_eq!(pause(4, 1.0), FIRST * 8);
        assert_eq!(pause(u32::MAX, 1.0), LONGEST);
        assert_eq!(pause(0, 1.0), FIRST);
    }

    /// Hours of failures later a watch still asks every few seconds, and never at once.
    #[test]
    fn a_watch_never_waits_long_for_an_api_server_that_is_back() {
        let mut pauses = WatchPause::default();
        let mut slept = Duration::ZERO;
        for _ in 0..10_000 {
            let pause = pauses.next().unwrap();
            assert!((FIRST / 2..=LONGEST_OF_WATCH).contains(&pause), "{pause:?}");
            slept += pause;
        }
        // Half of the longest on average at least: an API server that is down for long is not flooded.
        assert!(slept > LONGEST_OF_WATCH * 10_000 / 2, "{slept:?}");
        pauses.reset();
        assert!(pauses.next().unwrap() <= FIRST);
    }
}
