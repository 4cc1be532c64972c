//! The Tenants of the cluster, as this process knows them.

use std::sync::Arc;

use domain::id::TenantId;
use kube::core::DeserializeGuard;
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client};
use service_kit::Tasks;
use tenant_crd::condition;
use tenant_crd::v1::Tenant;

use super::watch::{self, Copied};

/// A copy of all Tenants. One that cannot be read (made for another version of the definition) is left out and hinders no other.
#[derive(Clone)]
pub struct Tenants(Copied<DeserializeGuard<Tenant>>);

impl Tenants {
    /// Begins to watch; `seen` is called with each Tenant that was added, changed or removed.
    pub fn watch(client: &Client, tasks: &Tasks, seen: impl Fn(&Tenant) + Send + 'static) -> Self {
        Self(watch::start(
            tasks,
            "tenants",
            Api::<DeserializeGuard<Tenant>>::all(client.clone()),
            watcher::Config::default(),
            move |guard| match &guard.0 {
                Ok(tenant) => seen(tenant),
                Err(invalid) => tracing::warn!(
                    tenant.slug = invalid.metadata.name.as_deref().unwrap_or_default(),
                    error = %invalid,
                    "a Tenant cannot be read"
                ),
            },
        ))
    }

    /// Waits until the first copy is complete.
    pub async fn complete(&self) -> anyhow::Result<()> {
        self.0.complete().await
    }

    /// All that can be read.
    pub fn all(&self) -> Vec<Tenant> {
        self.0
            .store()
            .state()
            .iter()
            .filter_map(|guard| guard.0.as_ref().ok().cloned())
            .collect()
    }

    /// The tenant with this id; of several the one that was there first, which is the one that the operator lets have it.
    pub fn find(&self, id: TenantId) -> Option<Tenant> {
        let all = self.0.store().state();
        let having_it = all
            .iter()
            .filter_map(|guard| guard.0.as_ref().ok())
            .filter(|tenant| tenant_id(tenant) == Some(id));
        having_it
            .min_by_key(|tenant| {
                let made = tenant.metadata.creation_timestamp.as_ref();
                (made.map(condition::from_kubernetes), &tenant.metadata.name)
            })
            .cloned()
    }

    /// The tenant with this name, which is its slug.
    pub fn named(&self, slug: &str) -> Option<Tenant> {
        read(self.0.store().get(&ObjectRef::new(slug)))
    }
}

fn read(guard: Option<Arc<DeserializeGuard<Tenant>>>) -> Option<Tenant> {
    guard.and_then(|guard| guard.0.as_ref().ok().cloned())
}

/// The id that names a tenant's schema: given by the control plane, or chosen by the operator.
pub fn tenant_id(tenant: &Tenant) -> Option<TenantId> {
    tenant
        .spec
        .id
        .as_deref()
        .or_else(|| tenant.status.as_ref()?.tenant_id.as_deref())
        .and_then(|text| text.parse().ok())
}
