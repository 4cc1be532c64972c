//! How long one tenant waits after failures; the others do not notice.

use std::time::Duration;

/// First pause.
const FIRST: Duration = Duration::from_millis(500);
/// Longest pause: the same inputs are not tried for ever at full speed.
const LONGEST: Duration = Duration::from_mins(5);

/// The pause after so many failures in a row. `jitter` is in 0..=1 and spreads tenants that failed together.
pub fn pause(failures: u32, jitter: f64) -> Duration {
    let doubled = FIRST
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(LONGEST);
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
}
