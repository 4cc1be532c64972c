//! How much is too much, per client address and per account. In memory of one process: with several replicas the
//! limits are that many times higher, which is still a limit.

use std::net::IpAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use domain::id::{AccountId, TenantId};
use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Configured rates.
#[derive(Debug, Clone, Copy)]
pub struct Rates {
    /// Per client address and per e-mail address; also mails that are asked for again.
    pub signups_per_hour: NonZeroU32,
    /// Per account and per client address each.
    pub sign_ins_per_minute: NonZeroU32,
    /// Per account.
    pub calls_per_second: NonZeroU32,
    /// Per tenant.
    pub exports_per_hour: NonZeroU32,
}

impl Default for Rates {
    fn default() -> Self {
        const fn rate(value: u32) -> NonZeroU32 {
            match NonZeroU32::new(value) {
                Some(rate) => rate,
                None => NonZeroU32::MIN,
            }
        }
        Self {
            signups_per_hour: rate(20),
            sign_ins_per_minute: rate(10),
            calls_per_second: rate(100),
            exports_per_hour: rate(6),
        }
    }
}

/// Too much; come back after this time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many requests")]
pub struct TooMany {
    /// When the next one is let through.
    pub retry_after: Duration,
}

/// All limits of the process.
#[derive(Debug)]
pub struct RateLimits {
    clock: DefaultClock,
    signups: DefaultKeyedRateLimiter<IpAddr>,
    mails: DefaultKeyedRateLimiter<String>,
    sign_ins_by_address: DefaultKeyedRateLimiter<IpAddr>,
    sign_ins_by_email: DefaultKeyedRateLimiter<String>,
    calls: DefaultKeyedRateLimiter<AccountId>,
    exports: DefaultKeyedRateLimiter<TenantId>,
    runtimes: DefaultKeyedRateLimiter<TenantId>,
    sleep_notices: DefaultKeyedRateLimiter<TenantId>,
}

/// Calls of one tenant's runtimes per second: each change of a module is a word of each of ten replicas.
const RUNTIME_CALLS: NonZeroU32 = NonZeroU32::new(50).unwrap();
/// Those that may come at once: a whole repository of modules is uploaded.
const RUNTIME_BURST: NonZeroU32 = NonZeroU32::new(500).unwrap();
/// Per second, where a runtime has something to say once a minute at most: each is a call of the API server.
const SLEEP_NOTICES: NonZeroU32 = NonZeroU32::MIN;
/// Ten replicas that end at once say it once more.
const SLEEP_NOTICE_BURST: NonZeroU32 = NonZeroU32::new(30).unwrap();

impl RateLimits {
    /// Limits at these rates, nothing used yet.
    pub fn new(rates: Rates) -> Self {
        // A client address may be that of a whole office.
        let by_address = rates.sign_ins_per_minute.saturating_mul(OFFICE);
        let burst = rates.calls_per_second.saturating_mul(BURST_SECONDS);
        Self {
            clock: DefaultClock::default(),
            signups: DefaultKeyedRateLimiter::keyed(Quota::per_hour(rates.signups_per_hour)),
            mails: DefaultKeyedRateLimiter::keyed(Quota::per_hour(rates.signups_per_hour)),
            sign_ins_by_address: DefaultKeyedRateLimiter::keyed(Quota::per_minute(by_address)),
            sign_ins_by_email: DefaultKeyedRateLimiter::keyed(Quota::per_minute(
                rates.sign_ins_per_minute,
            )),
            calls: DefaultKeyedRateLimiter::keyed(
                Quota::per_second(rates.calls_per_second).allow_burst(burst),
            ),
            exports: DefaultKeyedRateLimiter::keyed(Quota::per_hour(rates.exports_per_hour)),
            runtimes: DefaultKeyedRateLimiter::keyed(
                Quota::per_second(RUNTIME_CALLS).allow_burst(RUNTIME_BURST),
            ),
            sleep_notices: DefaultKeyedRateLimiter::keyed(
                Quota::per_second(SLEEP_NOTICES).allow_burst(SLEEP_NOTICE_BURST),
            ),
        }
    }

    /// Before a signup.
    pub fn check_signup(&self, client: IpAddr, email_key: &str) -> Result<(), TooMany> {
        self.check(&self.signups, &network(client))?;
        // Nobody's mailbox is flooded from many addresses either.
        self.check(&self.mails, &email_key.to_owned())
    }

    /// Before mails of signups are sent again: as many as may go out at once.
    pub fn check_resend(&self, client: IpAddr, email_key: &str) -> Result<(), TooMany> {
        self.check(&self.signups, &network(client))?;
        let key = email_key.to_owned();
        match self.mails.check_key_n(&key, MAILS_SENT_AGAIN) {
            Ok(outcome) => outcome.map_err(|not_until| TooMany {
                retry_after: not_until.wait_time_from(self.clock.now()),
            }),
            // Fewer are allowed in an hour than may go out at once.
            Err(_insufficient) => self.check(&self.mails, &key),
        }
    }

    /// Before a password is compared.
    pub fn check_sign_in(&self, client: IpAddr, email_key: &str) -> Result<(), TooMany> {
        self.check(&self.sign_ins_by_address, &network(client))?;
        self.check(&self.sign_ins_by_email, &email_key.to_owned())
    }

    /// Before a call of a signed-in account.
    pub fn check_call(&self, account: AccountId) -> Result<(), TooMany> {
        self.check(&self.calls, &account)
    }

    /// Before an export of a tenant is begun.
    pub fn check_export(&self, tenant: TenantId) -> Result<(), TooMany> {
        self.check(&self.exports, &tenant)
    }

    /// Before a call of a tenant's runtime: what runs there is not ours to believe.
    pub fn check_runtime(&self, tenant: TenantId) -> Result<(), TooMany> {
        self.check(&self.runtimes, &tenant)
    }

    /// Before it is noted when a tenant must be awake.
    pub fn check_sleep_notice(&self, tenant: TenantId) -> Result<(), TooMany> {
        self.check(&self.sleep_notices, &tenant)
    }

    /// Forgets whoever has not used anything for a while; called now and then, or memory would grow with every address.
    pub fn forget_idle(&self) {
        self.signups.retain_recent();
        self.mails.retain_recent();
        self.sign_ins_by_address.retain_recent();
        self.sign_ins_by_email.retain_recent();
        self.calls.retain_recent();
        self.exports.retain_recent();
        self.runtimes.retain_recent();
        self.sleep_notices.retain_recent();
    }

    fn check<K: std::hash::Hash + Eq + Clone>(
        &self,
        limiter: &DefaultKeyedRateLimiter<K>,
        key: &K,
    ) -> Result<(), TooMany> {
        limiter.check_key(key).map_err(|not_until| TooMany {
            retry_after: not_until.wait_time_from(self.clock.now()),
        })
    }
}

/// So many mails of open signups of one address are sent again at once.
pub const MAILS_SENT_AGAIN: NonZeroU32 = match NonZeroU32::new(3) {
    Some(value) => value,
    None => NonZeroU32::MIN,
};

const OFFICE: NonZeroU32 = match NonZeroU32::new(5) {
    Some(value) => value,
    None => NonZeroU32::MIN,
};

/// Seconds whose calls may come at once.
const BURST_SECONDS: NonZeroU32 = match NonZeroU32::new(4) {
    Some(value) => value,
    None => NonZeroU32::MIN,
};

/// A household or a server has a /64 of IPv6, so single addresses of it are no limit.
fn network(client: IpAddr) -> IpAddr {
    match client {
        IpAddr::V4(_) => client,
        IpAddr::V6(address) => {
            let bits = u128::from(address) & (u128::MAX << 64);
            IpAddr::V6(bits.into())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_is_per_network_and_says_when_to_come_back() {
        let limits = RateLimits::new(Rates {
            signups_per_hour: NonZeroU32::new(2).unwrap(),
            ..Rates::default()
        });
        let client: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::2".parse().unwrap();
        let stranger: IpAddr = "2001:db8:0:1::1".parse().unwrap();
        assert_eq!(limits.check_signup(client, "client@example.com"), Ok(()));
        assert_eq!(
            limits.check_signup(neighbour, "neighbour@example.com"),
            Ok(())
        );
        let refused = limits
            .check_signup(client, "client@example.com")
            .unwrap_err();
        assert!(refused.retry_after > Duration::from_mins(29), "{refused:?}");
        assert_eq!(
            limits.check_signup(stranger, "stranger@example.com"),
            Ok(())
        );
    }

    #[test]
    fn one_account_is_protected_from_many_addresses() {
        let limits = RateLimits::new(Rates::default());
        let outcomes: Vec<_> = (1..=11_u8)
            .map(|n| {
                limits
                    .check_sign_in(IpAddr::from([10, 0, 0, n]), "ann@example.com")
                    .is_ok()
            })
            .collect();
        assert_eq!(outcomes.iter().filter(|ok| **ok).count(), 10);
        assert!(!outcomes[10]);
    }

    #[test]
    fn what_is_sent_again_counts_as_the_mails_that_it_is() {
        let limits = RateLimits::new(Rates {
            signups_per_hour: NonZeroU32::new(7).unwrap(),
            ..Rates::default()
        });
        let client = IpAddr::from([10, 0, 0, 1]);
        let resend = || limits.check_resend(client, "ann@example.com").is_ok();
        assert_eq!([resend(), resend(), resend()], [true, true, false]);
        assert_eq!(limits.check_signup(client, "ann@example.com"), Ok(()));
        let few = RateLimits::new(Rates {
            signups_per_hour: NonZeroU32::MIN,
            ..Rates::default()
        });
        let resend = || few.check_resend(client, "ann@example.com").is_ok();
        assert_eq!([resend(), resend()], [true, false]);
    }
}
