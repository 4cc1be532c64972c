//! Who a request comes from when proxies stand in between: their word is taken, nobody else's.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::{HeaderMap, HeaderName};

/// Where proxies say for whom they ask, the nearest one last.
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses that begin alike: `10.0.0.0/8`, `fd00::/8`, or a single address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRange {
    address: IpAddr,
    /// How many bits count.
    prefix: u8,
}

/// A text that is neither an address nor a range of them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is neither an address such as 10.0.0.1 nor a range such as 10.0.0.0/8 or fd00::/8")]
pub struct ParseAddressRangeError(String);

impl AddressRange {
    /// Whether the address is one of the range. IPv4 addresses that are written as IPv6 are IPv4.
    pub fn contains(&self, address: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => (
                u128::from(u32::from(ours)),
                u128::from(u32::from(theirs)),
                32,
            ),
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (u128::from(ours), u128::from(theirs), 128),
            _ => return false,
        };
        let ignored = u32::from(width - self.prefix);
        // Shifting by the whole width is not defined: then no bit counts.
        (ours ^ theirs).checked_shr(ignored).unwrap_or_default() == 0
    }
}

impl FromStr for AddressRange {
    type Err = ParseAddressRangeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || ParseAddressRangeError(text.chars().take(60).collect());
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_no_address| wrong())?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            Some(prefix) => prefix
                .parse()
                .ok()
                .filter(|prefix| *prefix <= width)
                .ok_or_else(wrong)?,
            None => width,
        };
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for AddressRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Proxies whose `X-Forwarded-For` is believed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    ranges: Vec<AddressRange>,
    loopback: bool,
}

impl TrustedProxies {
    /// Those in one of the ranges.
    pub const fn new(ranges: Vec<AddressRange>) -> Self {
        Self {
            ranges,
            loopback: false,
        }
    }

    /// And every process of this machine.
    #[must_use]
    pub fn and_loopback(self) -> Self {
        Self {
            loopback: true,
            ..self
        }
    }

    /// Whether this one's word is taken.
    pub fn trusts(&self, address: IpAddr) -> bool {
        (self.loopback && address.to_canonical().is_loopback())
            || self.ranges.iter().any(|range| range.contains(address))
    }

    /// The client of a request that `peer` has sent: the nearest address that is not a trusted proxy's, or the farthest that
    /// trusted proxies know. What stands before something unreadable is not looked at.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let mut nearest = peer.to_canonical();
        if !self.trusts(nearest) {
            return nearest;
        }
        let values: Vec<&str> = headers
            .get_all(FORWARDED_FOR)
            .iter()
            // Unreadable, but a hop all the same.
            .map(|value| value.to_str().unwrap_or_default())
            .collect();
        let hops = values
            .iter()
            .rev()
            .flat_map(|value| value.rsplit(','))
            .map(|hop| hop.trim().parse::<IpAddr>());
        for hop in hops {
            let Ok(hop) = hop else { break };
            nearest = hop.to_canonical();
            if !self.trusts(nearest) {
                break;
            }
        }
        nearest
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn range(text: &str) -> AddressRange {
        text.parse().unwrap()
    }

    #[test]
    fn a_range_contains_what_begins_alike() {
        for (text, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.1"),
            ("10.244.0.0/16", "::ffff:10.244.3.4", "10.245.0.0"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.8"),
            ("fd00::/8", "fdff::1", "fe00::1"),
            ("0.0.0.0/0", "255.255.255.255", "::1"),
            ("::/0", "::1", "127.0.0.1"),
        ] {
            assert!(range(text).contains(inside.parse().unwrap()), "{text}");
            assert!(!range(text).contains(outside.parse().unwrap()), "{text}");
        }
        assert_eq!(range("192.0.2.7").to_string(), "192.0.2.7/32");
    }

    #[test]
    fn what_is_no_range_is_named() {
        for wrong in [
            "",
            "10.0.0.0/33",
            "fd00::/129",
            "10.0.0/8",
            "host",
            "10.0.0.0/",
            "1.2.3.4/x",
        ] {
            let error = wrong.parse::<AddressRange>().unwrap_err().to_string();
            assert!(error.contains("such as 10.0.0.0/8"), "{wrong}: {error}");
        }
    }

    fn client(trusted: &[&str], peer: &str, forwarded: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(FORWARDED_FOR, HeaderValue::from_str(value).unwrap());
        }
        TrustedProxies::new(trusted.iter().map(|text| range(text)).collect())
            .client(peer.parse().unwrap(), &headers)
            .to_string()
    }

    #[test]
    fn only_trusted_proxies_speak_for_others() {
        let trusted = &["10.0.0.0/8"];
        // The client itself claims something.
        assert_eq!(client(trusted, "203.0.113.9", &["1.1.1.1"]), "203.0.113.9");
        assert_eq!(client(&[], "10.0.0.1", &["1.1.1.1"]), "10.0.0.1");
        // One proxy, two proxies, and what the client has put before.
        assert_eq!(client(trusted, "10.0.0.1", &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(
            client(
                trusted,
                "::ffff:10.0.0.1",
                &["1.1.1.1, 203.0.113.9", "10.0.0.2"]
            ),
            "203.0.113.9"
        );
        // Somebody inside.
        assert_eq!(
            client(trusted, "10.0.0.1", &["10.0.0.7, 10.0.0.2"]),
            "10.0.0.7"
        );
        assert_eq!(client(trusted, "10.0.0.1", &[]), "10.0.0.1");
        // Nothing before an unreadable hop is believed.
        assert_eq!(
            client(trusted, "10.0.0.1", &["1.1.1.1, unknown"]),
            "10.0.0.1"
        );
    }

    #[test]
    fn this_machine_is_trusted_where_it_was_said() {
        let local: IpAddr = "127.0.0.1".parse().unwrap();
        assert!(!TrustedProxies::default().trusts(local));
        assert!(TrustedProxies::default().and_loopback().trusts(local));
    }
}
