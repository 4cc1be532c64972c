//! What the router knows: which host belongs to which tenant, and where that tenant is served.

use std::collections::HashMap;
use std::net::SocketAddr;
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
    /// The platform must act; the reason is for the log, not for the page.
    Failed(String),
}

/// An immutable snapshot; the publisher replaces it as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoutingTable {
    hosts: HashMap<String, Route>,
}

impl RoutingTable {
    /// A table from hosts (any case, no port) and their routes.
    pub fn new(routes: impl IntoIterator<Item = (String, Route)>) -> Self {
        Self {
            hosts: routes
                .into_iter()
                .map(|(host, route)| (host.to_ascii_lowercase(), route))
                .collect(),
        }
    }

    /// The route of a host, given in lower case without port.
    pub fn find(&self, host: &str) -> Option<&Route> {
        self.hosts.get(host)
    }

    /// How many hosts it knows.
    pub fn len(&self) -> usize {
        self.hosts.len()
    }

    /// Whether it knows none.
    pub fn is_empty(&self) -> bool {
        self.hosts.is_empty()
    }
}
