//! How often somebody may try to sign in.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};

/// Twenty tries in a row, then one every ten seconds: slow for guessing, bearable for a person who forgot and for
/// scripts that sign in now and then.
const PER_LOGIN: (u32, Duration) = (20, Duration::from_secs(10));
/// A whole office behind one address signs in within a minute.
const PER_ADDRESS: (u32, Duration) = (60, Duration::from_secs(2));
/// Above this many keys those that would allow again are forgotten.
const KEEP: usize = 10_000;

/// Counts attempts by login and by address.
#[derive(Debug)]
pub struct SignInLimits {
    by_login: DefaultKeyedRateLimiter<String>,
    by_address: DefaultKeyedRateLimiter<IpAddr>,
    clock: DefaultClock,
}

impl SignInLimits {
    /// Nothing counted yet.
    pub fn new() -> Self {
        Self {
            by_login: RateLimiter::keyed(quota(PER_LOGIN)),
            by_address: RateLimiter::keyed(quota(PER_ADDRESS)),
            clock: DefaultClock::default(),
        }
    }

    /// Counts one attempt; when it is one too many, says how long to wait. Unknown logins count like known ones.
    pub fn check(&self, login: &str, address: Option<IpAddr>) -> Result<(), Duration> {
        if self.by_login.len() > KEEP {
            self.by_login.retain_recent();
        }
        if self.by_address.len() > KEEP {
            self.by_address.retain_recent();
        }
        // A login is compared without case, so that case does not multiply the attempts.
        let login: String = login.trim().to_lowercase().chars().take(200).collect();
        let wait = |until: governor::NotUntil<governor::clock::QuantaInstant>| {
            until.wait_time_from(self.clock.now())
        };
        if let Some(address) = address {
            self.by_address.check_key(&address).map_err(wait)?;
        }
        self.by_login.check_key(&login).map_err(wait)
    }
}

impl Default for SignInLimits {
    fn default() -> Self {
        Self::new()
    }
}

fn quota((burst, every): (u32, Duration)) -> Quota {
    let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
    Quota::with_period(every)
        .unwrap_or_else(|| Quota::per_second(NonZeroU32::MIN))
        .allow_burst(burst)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_try_too_many_for_one_login_waits_whatever_its_case_and_others_do_not() {
        let limits = SignInLimits::new();
        for _ in 0..20 {
            limits.check("Ann@acme.example", None).unwrap();
        }
        let wait = limits.check("ann@ACME.example ", None).unwrap_err();
        assert!(
            wait > Duration::from_secs(5) && wait <= Duration::from_secs(10),
            "{wait:?}"
        );
        limits.check("bob@acme.example", None).unwrap();
    }

    #[test]
    fn one_address_cannot_try_many_logins() {
        let limits = SignInLimits::new();
        let address = Some("192.0.2.7".parse().unwrap());
        let refused = (0..100)
            .filter(|n| limits.check(&format!("user{n}"), address).is_err())
            .count();
        assert!(refused >= 39, "{refused}");
        limits
            .check("user200", Some("192.0.2.8".parse().unwrap()))
            .unwrap();
    }
}
