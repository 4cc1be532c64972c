//! The routes of all hosts, followed one tenant at a time: pure.
//!
//! A tenant's name below the base domain is its own alone. Another host belongs to the oldest of the tenants that name it, and the others
//! are told (`Routed`); nobody gets a host below the base domain by naming it.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use domain::id::TenantId;
use domain::name::TenantSlug;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt as _;
use tenant_crd::condition;
use tenant_crd::names;
use tenant_crd::v1::Tenant;

use super::{own_host, serving, target};
use crate::kubernetes::tenants::tenant_id;
use crate::router::{Route, RoutingTable};

/// What is known of every tenant, and the table that it makes.
#[derive(Debug)]
pub struct Routes {
    base_domain: String,
    below_base: String,
    tenants: HashMap<Box<str>, Known>,
    /// Ready pods by the slug of the namespace they are in.
    pods: HashMap<Box<str>, Vec<Serving>>,
    /// Who wants a host.
    claims: HashMap<Box<str>, Vec<Box<str>>>,
    table: RoutingTable,
}

#[derive(Debug)]
struct Known {
    made: Option<DateTime<Utc>>,
    hosts: Vec<Box<str>>,
    route: Arc<Route>,
}

#[derive(Debug)]
struct Serving {
    pod: Box<str>,
    tenant: TenantId,
    address: SocketAddr,
}

impl Routes {
    /// Of nobody.
    pub fn new(base_domain: &str) -> Self {
        Self {
            base_domain: base_domain.to_owned(),
            below_base: format!(".{base_domain}"),
            tenants: HashMap::new(),
            pods: HashMap::new(),
            claims: HashMap::new(),
            table: RoutingTable::default(),
        }
    }

    /// Of all of these.
    pub fn of<'a>(
        tenants: impl Iterator<Item = &'a Tenant>,
        pods: impl Iterator<Item = &'a Pod>,
        base_domain: &str,
    ) -> Self {
        let mut routes = Self::new(base_domain);
        for pod in pods {
            let namespace = pod.metadata.namespace.as_deref().unwrap_or_default();
            routes.pod(namespace, &pod.name_any(), Some(pod));
        }
        for tenant in tenants {
            routes.tenant(&tenant.name_any(), Some(tenant));
        }
        routes
    }

    /// The table.
    pub const fn table(&self) -> &RoutingTable {
        &self.table
    }

    /// A pod is so now, or is gone; answers the tenant whose route must be looked at.
    pub fn pod<'a>(
        &mut self,
        namespace: &'a str,
        name: &str,
        pod: Option<&Pod>,
    ) -> Option<&'a str> {
        let slug = namespace.strip_prefix(names::NAMESPACE_PREFIX)?;
        let now = pod.and_then(serving);
        let mut pods = self.pods.remove(slug).unwrap_or_default();
        pods.retain(|known| *known.pod != *name);
        if let Some((_, tenant, address)) = now {
            pods.push(Serving {
                pod: name.into(),
                tenant,
                address,
            });
        }
        if !pods.is_empty() {
            self.pods.insert(slug.into(), pods);
        }
        Some(slug)
    }

    /// Hosts that a tenant names and another has, each with whose it is.
    pub fn taken(&self, name: &str) -> Vec<(&str, &TenantSlug)> {
        let Some(known) = self.tenants.get(name) else {
            return Vec::new();
        };
        let hosts = known.hosts.iter().map(AsRef::as_ref);
        hosts
            .filter_map(|host| Some((host, &self.table.find(host)?.slug)))
            .filter(|(_, holder)| **holder != known.route.slug)
            .collect()
    }

    /// A Tenant is so now, or is gone. Answers who else names a host that it names or has named: what they have may have changed too.
    pub fn tenant(&mut self, name: &str, tenant: Option<&Tenant>) -> Vec<Box<str>> {
        let known = tenant.and_then(|tenant| self.known(tenant));
        let before = self.tenants.remove(name);
        let mut hosts: Vec<Box<str>> = Vec::new();
        for host in before.into_iter().flat_map(|known| known.hosts) {
            if let Some(claims) = self.claims.get_mut(&host) {
                claims.retain(|slug| **slug != *name);
            }
            hosts.push(host);
        }
        if let Some(known) = known {
            for host in &known.hosts {
                self.claims
                    .entry(host.clone())
                    .or_default()
                    .push(name.into());
                if !hosts.contains(host) {
                    hosts.push(host.clone());
                }
            }
            self.tenants.insert(name.into(), known);
        }
        let mut rivals = Vec::new();
        for host in hosts {
            let claims = self
                .claims
                .get(&host)
                .map(Vec::as_slice)
                .unwrap_or_default();
            let first = claims
                .iter()
                .filter_map(|slug| Some((self.tenants.get(slug)?, slug)))
                .min_by_key(|(known, slug)| (known.made, *slug));
            let route = first.map(|(known, _)| Arc::clone(&known.route));
            rivals.extend(claims.iter().filter(|slug| ***slug != *name).cloned());
            if claims.is_empty() {
                self.claims.remove(&host);
            }
            self.table.set(&host, route);
        }
        rivals
    }

    /// `None` where nothing of it exists: it has no id yet, or a name that cannot be one.
    fn known(&self, tenant: &Tenant) -> Option<Known> {
        let (id, slug) = (tenant_id(tenant)?, tenant.spec.slug.parse().ok()?);
        let pods = self
            .pods
            .get(tenant.spec.slug.as_str())
            .into_iter()
            .flatten();
        let mut serving: Vec<SocketAddr> = pods
            .filter(|known| known.tenant == id)
            .map(|known| known.address)
            .collect();
        serving.sort_unstable();
        let route = Route {
            tenant: id,
            slug,
            target: target(tenant, serving),
            sleeps_after: tenant
                .spec
                .scale_to_zero
                .as_ref()
                .map(|sleep| sleep.idle_after.as_duration()),
        };
        let own = own_host(&tenant.spec.slug, &self.base_domain);
        let mut hosts: Vec<Box<str>> = vec![own.into()];
        for host in &tenant.spec.hosts {
            let host = host.to_ascii_lowercase();
            let is_of_the_platform = host == self.base_domain || host.ends_with(&self.below_base);
            if !is_of_the_platform && !hosts.contains(&host.as_str().into()) {
                hosts.push(host.into());
            }
        }
        let made = tenant.metadata.creation_timestamp.as_ref();
        Some(Known {
            made: made.map(condition::from_kubernetes),
            hosts,
            route: Arc::new(route),
        })
    }
}
