//! Tells the operator that a tenant is in use, by an annotation on its Tenant: the operator wakes who sleeps and lets sleep who is idle.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use domain::clock::Clock;
use domain::id::TenantId;
use domain::name::TenantSlug;
use kube::api::{Patch, PatchParams};
use kube::{Api, Client};
use serde_json::json;
use service_kit::Tasks;
use tenant_crd::names;
use tenant_crd::v1::Tenant;
use tokio::sync::mpsc;

use super::ROUTER_MANAGER;
use crate::router::Sleepers;

/// What waits to be written; more is dropped, and the next request says it again.
const QUEUE: usize = 1_024;
/// A wake that was asked for is not asked for again so soon: many first requests are one wake.
const WAKE_AGAIN: TimeDelta = TimeDelta::seconds(5);
/// Use is written at most so often, however short the tenant's idle time is.
const SHORTEST: TimeDelta = TimeDelta::seconds(15);
/// Longest time for one write.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Tenants in memory before those that were last used long ago are forgotten.
const MOST_KEPT: usize = 20_000;
const KEPT: TimeDelta = TimeDelta::hours(1);

/// Writes the annotation, one tenant after the other.
pub struct KubeSleepers(mpsc::Sender<Use>);

#[derive(Debug, Clone)]
struct Use {
    tenant: TenantId,
    slug: TenantSlug,
    /// How long ago the last write may be before there is another.
    not_within: TimeDelta,
}

impl KubeSleepers {
    /// Begins to write.
    pub fn start(client: &Client, tasks: &Tasks, clock: Arc<dyn Clock>) -> Self {
        let (sender, mut uses) = mpsc::channel::<Use>(QUEUE);
        let api: Api<Tenant> = Api::all(client.clone());
        let stopping = tasks.stopping();
        tasks.spawn_service("use of tenants", async move {
            let mut ledger = Ledger::default();
            loop {
                let used = tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    used = uses.recv() => used,
                };
                let Some(used) = used else {
                    // The router is gone, so the process is stopping.
                    stopping.cancelled().await;
                    return Ok(());
                };
                let now = clock.now();
                if ledger.is_due(&used, now) && !write(&api, &used.slug, now).await {
                    ledger.forget(used.tenant);
                }
            }
        });
        Self(sender)
    }

    fn tell(&self, tenant: TenantId, slug: &TenantSlug, not_within: TimeDelta) {
        let used = Use {
            tenant,
            slug: slug.clone(),
            not_within,
        };
        if self.0.try_send(used).is_err() {
            metrics::counter!("router_uses_dropped_total").increment(1);
        }
    }
}

impl Sleepers for KubeSleepers {
    fn wake(&self, tenant: TenantId, slug: &TenantSlug) {
        self.tell(tenant, slug, WAKE_AGAIN);
    }

    fn used(&self, tenant: TenantId, slug: &TenantSlug, idle_after: Duration) {
        let quarter = TimeDelta::from_std(idle_after / 4).unwrap_or(TimeDelta::MAX);
        self.tell(tenant, slug, quarter.max(SHORTEST));
    }
}

async fn write(api: &Api<Tenant>, slug: &TenantSlug, now: DateTime<Utc>) -> bool {
    let value = now.to_rfc3339_opts(SecondsFormat::Secs, true);
    let patch = Patch::Merge(json!({
        "metadata": {"annotations": {names::ANNOTATION_LAST_ACTIVE: value}},
    }));
    let params = PatchParams {
        field_manager: Some(ROUTER_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    let writing = api.patch_metadata(slug.as_str(), &params, &patch);
    let problem = match tokio::time::timeout(TIMEOUT, writing).await {
        Ok(Ok(_)) => return true,
        Ok(Err(error)) => service_kit::Chain(&error).to_string(),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::warn!(tenant.slug = %slug, error = problem, "that a tenant is used cannot be written");
    false
}

/// When each tenant's use was last written.
#[derive(Debug, Default)]
struct Ledger(HashMap<TenantId, DateTime<Utc>>);

impl Ledger {
    /// Whether to write now; if so, that it was is noted.
    fn is_due(&mut self, used: &Use, now: DateTime<Utc>) -> bool {
        let too_soon = self
            .0
            .get(&used.tenant)
            .is_some_and(|last| now.signed_duration_since(*last) < used.not_within);
        if too_soon {
            return false;
        }
        if self.0.len() >= MOST_KEPT {
            self.0
                .retain(|_, last| now.signed_duration_since(*last) < KEPT);
        }
        self.0.insert(used.tenant, now);
        true
    }

    fn forget(&mut self, tenant: TenantId) {
        self.0.remove(&tenant);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_requests_are_one_write() {
        let mut ledger = Ledger::default();
        let tenant = TenantId::generate();
        let used = |seconds| Use {
            tenant,
            slug: "acme".parse().unwrap(),
            not_within: TimeDelta::seconds(seconds),
        };
        let at = |second| DateTime::from_timestamp(second, 0).unwrap();
        assert!(ledger.is_due(&used(5), at(100)));
        assert!(!ledger.is_due(&used(5), at(101)));
        assert!(!ledger.is_due(&used(450), at(120)));
        // Somebody waits for a tenant that fell asleep again meanwhile.
        assert!(ledger.is_due(&used(5), at(121)));
        assert!(ledger.is_due(&used(450), at(571)));
        ledger.forget(tenant);
        assert!(ledger.is_due(&used(450), at(572)));
    }
}
