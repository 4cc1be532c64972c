//! How long to wait after a failure.

use std::time::Duration;

/// A pause that doubles with every failure up to a bound.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    /// After the first failure.
    pub first: Duration,
    /// Never longer.
    pub longest: Duration,
}

impl Backoff {
    /// The pause after this many failures in a row. `spread` in 0..1 moves it by up to half, so that what failed
    /// together does not come back together.
    pub fn pause(self, failures: u32, spread: f64) -> Duration {
        let doublings = failures.saturating_sub(1).min(20);
        let pause = self.first.saturating_mul(1 << doublings).min(self.longest);
        pause.mul_f64(0.5 + spread.clamp(0.0, 1.0) / 2.0)
    }

    /// The same with a random spread.
    pub fn random_pause(self, failures: u32) -> Duration {
        self.pause(failures, rand::random())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_bound_and_are_spread() {
        let backoff = Backoff {
            first: Duration::from_millis(200),
            longest: Duration::from_mins(1),
        };
        let full = |failures| backoff.pause(failures, 1.0).as_millis();
        assert_eq!(
            [full(1), full(2), full(3), full(9), full(4000)],
            [200, 400, 800, 51_200, 60_000]
        );
        assert_eq!(backoff.pause(1, 0.0).as_millis(), 100);
    }
}
