//! The routing table as the supervisor publishes it: one entry per tenant, replaced as a whole.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use control_plane::router::{Route, RouteTarget, RoutingTable};
use domain::id::TenantId;
use domain::name::TenantSlug;
use tokio::sync::watch;

use crate::supervisor::decide::{Published, Target};

/// Collects the tenants' routes. Clones are the same board.
#[derive(Debug, Clone)]
pub struct RouteBoard {
    entries: Arc<Mutex<BTreeMap<TenantId, (TenantSlug, Published)>>>,
    table: watch::Sender<Arc<RoutingTable>>,
}

impl RouteBoard {
    /// A board without tenants.
    pub fn new() -> Self {
        Self {
            entries: Arc::default(),
            table: watch::Sender::new(Arc::default()),
        }
    }

    /// What the router reads.
    pub fn table(&self) -> watch::Receiver<Arc<RoutingTable>> {
        self.table.subscribe()
    }

    /// Sets a tenant's route.
    pub(crate) fn publish(&self, tenant: TenantId, slug: &TenantSlug, route: &Published) {
        self.change(|entries| {
            entries.insert(tenant, (slug.clone(), route.clone()));
        });
    }

    /// Forgets a tenant.
    pub(crate) fn withdraw(&self, tenant: TenantId) {
        self.change(|entries| {
            entries.remove(&tenant);
        });
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<TenantId, (TenantSlug, Published)>)) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut entries);
        // Under the lock: an older table must not be published after a newer one.
        self.table.send_replace(Arc::new(build(&entries)));
    }
}

impl Default for RouteBoard {
    fn default() -> Self {
        Self::new()
    }
}

fn build(entries: &BTreeMap<TenantId, (TenantSlug, Published)>) -> RoutingTable {
    RoutingTable::new(entries.iter().flat_map(|(tenant, (slug, published))| {
        let route = Route {
            tenant: *tenant,
            slug: slug.clone(),
            target: match &published.target {
                Target::Starting => RouteTarget::Starting,
                Target::Serving(address) => RouteTarget::Serving(vec![*address]),
                Target::Suspended => RouteTarget::Suspended,
                Target::Failed(reason) => RouteTarget::Failed(reason.clone()),
            },
            sleeps_after: None,
        };
        published
            .hosts
            .iter()
            .map(move |host| (host.clone(), route.clone()))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_follows_what_is_published() {
        let board = RouteBoard::new();
        let table = board.table();
        let tenant = TenantId::generate();
        let slug: TenantSlug = "acme".parse().unwrap();
        let mut route = Published {
            hosts: vec!["acme.localhost".to_owned(), "Help.Example.com".to_owned()],
            target: Target::Starting,
        };
        board.publish(tenant, &slug, &route);
        let found = |host: &str| table.borrow().find(host).map(|route| route.target.clone());
        assert_eq!(found("help.example.com"), Some(RouteTarget::Starting));
        let address = "127.0.0.1:4000".parse().unwrap();
        route.target = Target::Serving(address);
        route.hosts.pop();
        board.publish(tenant, &slug, &route);
        assert_eq!(
            found("acme.localhost"),
            Some(RouteTarget::Serving(vec![address]))
        );
        assert_eq!(found("help.example.com"), None);
        board.withdraw(tenant);
        assert!(table.borrow().is_empty());
    }
}
