//! What the router knows: which host belongs to which tenant, and where that tenant is served.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use domain::id::TenantId;
use domain::name::TenantSlug;

/// What happens to requests of one host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Whose host it is.
    pub tenant: TenantId,
    /// For pages and logs.
    pub slug: TenantSlug,
    /// Where requests go, or why they cannot.
    pub target: RouteTarget,
    /// After so long without a request the tenant goes to sleep; `None` for one that never does.
    pub sleeps_after: Option<Duration>,
}

/// Where requests go, or why they cannot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RouteTarget {
    /// To one of these runtimes; never empty.
    Serving(Vec<SocketAddr>),
    /// Not yet, or again: the runtime is being started.
    Starting,
    /// Nothing runs; a request wakes it and is held until it is there.
    Asleep,
    /// The owner must act (billing).
    Suspended,
    /// It is being deleted: nothing answers any more, and its data goes or is kept as its owner said.
    Deleting,
    /// The platform must act; the reason is for the log, not for the page.
    Failed(String),
}

/// How many parts a table has. A change copies the part that it is in: with ten thousand hosts some forty entries.
const PARTS: usize = 256;

type Part = HashMap<Box<str>, Arc<Route>>;

/// An immutable snapshot; whoever changes it publishes another one, which shares all parts that are the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoutingTable {
    parts: Vec<Arc<Part>>,
    hosts: usize,
}

impl Default for RoutingTable {
    fn default() -> Self {
        Self {
            parts: vec![Arc::default(); PARTS],
            hosts: 0,
        }
    }
}

impl RoutingTable {
    /// A table from hosts (any case, no port) and their routes.
    pub fn new(routes: impl IntoIterator<Item = (String, Route)>) -> Self {
        let mut table = Self::default();
        for (host, route) in routes {
            table.set(&host.to_ascii_lowercase(), Some(Arc::new(route)));
        }
        table
    }

    /// The route of a host, given in lower case without port.
    pub fn find(&self, host: &str) -> Option<&Route> {
        self.parts.get(part_of(host))?.get(host).map(AsRef::as_ref)
    }

    /// Changes the route of a host, given in lower case without port, or forgets it; says whether that changed anything. Other tables
    /// that share a part with this one stay as they are.
    pub fn set(&mut self, host: &str, route: Option<Arc<Route>>) -> bool {
        let Some(part) = self.parts.get_mut(part_of(host)) else {
            return false;
        };
        if part.get(host) == route.as_ref() {
            return false;
        }
        let part = Arc::make_mut(part);
        match route {
            Some(route) => match part.get_mut(host) {
                Some(known) => *known = route,
                None => {
                    part.insert(host.into(), route);
                    self.hosts += 1;
                }
            },
            None => {
                part.remove(host);
                self.hosts -= 1;
            }
        }
        true
    }

    /// How many hosts it knows.
    pub fn len(&self) -> usize {
        self.hosts
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.hosts == 0
    }
}

/// FNV-1a: only spreads. Hosts that somebody chose to meet in one part make changes of that part slower, and nothing else.
fn part_of(host: &str) -> usize {
    let mut hash = 0x811c_9dc5_u32;
    for byte in host.bytes() {
        hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    // The low bits of the last letters alone are alike in all hosts of one domain.
    let [first, .., last] = hash.to_be_bytes();
    usize::from(first ^ last)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn route(number: u16) -> Route {
        Route {
            tenant: "0198c0de-0000-7000-8000-00000000002a".parse().unwrap(),
            slug: format!("tenant-{number}").parse().unwrap(),
            target: RouteTarget::Starting,
            sleeps_after: None,
        }
    }

    #[test]
    fn hosts_are_spread() {
        let table = RoutingTable::new(
            (0..10_000).map(|number| (format!("t-{number}.example.com"), route(number))),
        );
        assert_eq!(table.len(), 10_000);
        let fullest = table.parts.iter().map(|part| part.len()).max();
        assert!(fullest < Some(120), "{fullest:?}");
    }

    proptest! {
        #[test]
        fn a_table_is_a_map_and_older_ones_stay_as_they_were(
            changes in prop::collection::vec((0_u16..40, prop::option::of(0_u16..4)), 0..200)
        ) {
            let mut table = RoutingTable::default();
            let mut map = HashMap::new();
            let mut older = Vec::new();
            for (host, to) in changes {
                let host = format!("h-{host}.example.com");
                let to = to.map(route);
                let differs = map.get(&host) != to.as_ref();
                older.push((table.clone(), map.clone()));
                prop_assert_eq!(table.set(&host, to.clone().map(Arc::new)), differs);
                match to {
                    Some(to) => { map.insert(host, to); }
                    None => { map.remove(&host); }
                }
            }
            older.push((table, map));
            for (table, map) in older {
                prop_assert_eq!(table.len(), map.len());
                prop_assert_eq!(&table, &RoutingTable::new(map.clone()));
                for (host, route) in &map {
                    prop_assert_eq!(table.find(host), Some(route));
                }
            }
        }
    }
}
