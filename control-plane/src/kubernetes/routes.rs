//! The router's table from Tenants and their pods.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use domain::clock::Clock;
use domain::id::TenantId;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use service_kit::Tasks;
use tenant_crd::condition::{self, ConditionStatus, ConditionType, Observation};
use tenant_crd::names;
use tenant_crd::v1::{Phase, Tenant};
use tokio::sync::{Notify, watch as channel};

use super::ROUTER_MANAGER;
use super::tenants::{Tenants, tenant_id};
use super::watch::{self, Copied};
use crate::router::{Route, RouteTarget, RoutingTable};

/// Changes come in bursts; a table is made of all that come within this time.
const SETTLE: Duration = Duration::from_millis(25);
/// Longest time for writing one condition.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// What could not be written is tried again so much later.
const RETRY: Duration = Duration::from_secs(5);
/// Reason of `RuntimeAvailable` while nothing runs and the next request is waited for.
const ASLEEP: &str = "Asleep";
/// The runtimes' port for requests, by its name in the pod.
const PORT_NAME: &str = "http";

/// Keeps a routing table current and tells in each Tenant's status that it is routed.
pub struct RouteWatch {
    table: channel::Receiver<Arc<RoutingTable>>,
    first: channel::Receiver<bool>,
}

impl RouteWatch {
    /// Begins to watch Tenants and the pods of their runtimes.
    pub fn start(client: &Client, tasks: &Tasks, clock: Arc<dyn Clock>, base_domain: &str) -> Self {
        let changed = Arc::new(Notify::new());
        let tenants = Tenants::watch(client, tasks, {
            let changed = Arc::clone(&changed);
            move |_| changed.notify_one()
        });
        let pods = watch::start(
            tasks,
            "pods",
            Api::<Pod>::all(client.clone()),
            watcher::Config::default().labels(&format!(
                "{}={},{}",
                names::LABEL_NAME,
                names::RUNTIME_NAME,
                names::LABEL_TENANT_ID
            )),
            {
                let changed = Arc::clone(&changed);
                move |_| changed.notify_one()
            },
        );
        let (publisher, table) = channel::channel(Arc::default());
        let (announce, first) = channel::channel(false);
        let job = Publishing {
            tenants,
            pods,
            publisher,
            announce,
            api: Api::all(client.clone()),
            clock,
            base_domain: base_domain.to_owned(),
        };
        let stopping = tasks.stopping();
        tasks.spawn_service("routes", async move {
            tokio::select! {
                () = stopping.cancelled() => Ok(()),
                ended = job.run(&changed) => ended,
            }
        });
        Self { table, first }
    }

    /// The table, now and later.
    pub fn table(&self) -> channel::Receiver<Arc<RoutingTable>> {
        self.table.clone()
    }

    /// Waits until the table is the first that was made of everything: before that every host would be unknown.
    pub async fn published(&self) -> anyhow::Result<()> {
        let mut table = self.first.clone();
        table
            .wait_for(|is_published| *is_published)
            .await
            .map(drop)
            .context("the routes ended before they had begun")
    }
}

struct Publishing {
    tenants: Tenants,
    pods: Copied<Pod>,
    publisher: channel::Sender<Arc<RoutingTable>>,
    /// That the first table is there.
    announce: channel::Sender<bool>,
    api: Api<Tenant>,
    clock: Arc<dyn Clock>,
    base_domain: String,
}

impl Publishing {
    async fn run(self, changed: &Notify) -> anyhow::Result<()> {
        self.tenants.complete().await?;
        self.pods.complete().await?;
        loop {
            let tenants = self.tenants.all();
            let pods = self.pods.store().state();
            let next = table(&tenants, pods.iter().map(|pod| &**pod), &self.base_domain);
            metrics::gauge!("router_hosts").set(count(next.len()));
            self.publisher.send_if_modified(|current| {
                let differs = **current != next;
                if differs {
                    *current = Arc::new(next.clone());
                }
                differs
            });
            self.announce.send_replace(true);
            let all_told = self.tell(&tenants, &next).await;
            if all_told {
                changed.notified().await;
            } else {
                // A change comes at its time, a failure is tried again at some time.
                let _changed_or_not = tokio::time::timeout(RETRY, changed.notified()).await;
            }
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// Writes the condition `Routed` where it is not what it should be; whether all were written.
    async fn tell(&self, tenants: &[Tenant], table: &RoutingTable) -> bool {
        let mut all = true;
        for tenant in tenants {
            let own_host = own_host(tenant, &self.base_domain);
            let Some(patch) = routed_patch(tenant, table.find(&own_host), self.clock.now()) else {
                continue;
            };
            let params = PatchParams::apply(ROUTER_MANAGER).force();
            let name = tenant.name_any();
            let patch = Patch::Apply(&patch);
            let writing = self.api.patch_status(&name, &params, &patch);
            let problem = match tokio::time::timeout(WRITE_TIMEOUT, writing).await {
                Ok(Ok(_)) => continue,
                // Gone meanwhile.
                Ok(Err(kube::Error::Api(status))) if status.code == 404 => continue,
                Ok(Err(error)) => service_kit::Chain(&error).to_string(),
                Err(elapsed) => elapsed.to_string(),
            };
            tracing::warn!(tenant.slug = %name, error = problem, "that a tenant is routed cannot be written");
            all = false;
        }
        all
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn own_host(tenant: &Tenant, base_domain: &str) -> String {
    format!("{}.{base_domain}", tenant.spec.slug)
}

/// The table of all hosts: pure.
///
/// A tenant's name below the base domain is its own alone. Another host belongs to the tenant that has named it for the longest;
/// nobody gets a host below the base domain by naming it.
pub fn table<'a>(
    tenants: &[Tenant],
    pods: impl Iterator<Item = &'a Pod>,
    base_domain: &str,
) -> RoutingTable {
    let mut addresses: HashMap<(&str, TenantId), Vec<SocketAddr>> = HashMap::new();
    for (slug, tenant, address) in pods.filter_map(serving) {
        addresses.entry((slug, tenant)).or_default().push(address);
    }
    let below_base = format!(".{base_domain}");
    let mut sorted: Vec<&Tenant> = tenants.iter().collect();
    sorted.sort_by_key(|tenant| {
        let made = tenant.metadata.creation_timestamp.as_ref();
        (made.map(condition::from_kubernetes), tenant.name_any())
    });
    let mut hosts: HashMap<String, Route> = HashMap::new();
    for tenant in sorted {
        let (Some(id), Ok(slug)) = (tenant_id(tenant), tenant.spec.slug.parse()) else {
            // Seen by nobody yet; without an id nothing of it exists.
            continue;
        };
        let own = (tenant.spec.slug.as_str(), id);
        let mut serving = addresses.remove(&own).unwrap_or_default();
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
        let others = tenant
            .spec
            .hosts
            .iter()
            .map(|host| host.to_ascii_lowercase())
            .filter(|host| host != base_domain && !host.ends_with(&below_base));
        for host in others.chain([own_host(tenant, base_domain)]) {
            hosts.entry(host).or_insert_with(|| route.clone());
        }
    }
    RoutingTable::new(hosts)
}

fn target(tenant: &Tenant, serving: Vec<SocketAddr>) -> RouteTarget {
    let status = tenant.status.as_ref();
    let is_leaving = tenant.metadata.deletion_timestamp.is_some();
    let phase = status.and_then(|status| status.phase);
    if is_leaving
        || tenant.spec.suspended
        || matches!(phase, Some(Phase::Suspended | Phase::Deleting))
    {
        return RouteTarget::Suspended;
    }
    if !serving.is_empty() {
        return RouteTarget::Serving(serving);
    }
    let condition = |kind| status.and_then(|status| condition::find(&status.conditions, kind));
    let sleeps =
        condition(ConditionType::RuntimeAvailable).is_some_and(|runtime| runtime.reason == ASLEEP);
    if sleeps && tenant.spec.scale_to_zero.is_some() {
        return RouteTarget::Asleep;
    }
    let stalled =
        condition(ConditionType::Stalled).filter(|stalled| stalled.status == ConditionStatus::True);
    match stalled {
        Some(stalled) => RouteTarget::Failed(format!("{}: {}", stalled.reason, stalled.message)),
        None => RouteTarget::Starting,
    }
}

/// Whose requests a pod serves and where, if it is ready and really that tenant's: labels can be written by whoever may make pods
/// anywhere, the tenant's namespace is the operator's.
fn serving(pod: &Pod) -> Option<(&str, TenantId, SocketAddr)> {
    let namespace = pod.metadata.namespace.as_deref()?;
    let slug = namespace.strip_prefix(names::NAMESPACE_PREFIX)?;
    let tenant = pod.labels().get(names::LABEL_TENANT_ID)?.parse().ok()?;
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    let status = pod.status.as_ref()?;
    let is_ready = status
        .conditions
        .iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True");
    if !is_ready {
        return None;
    }
    let address: IpAddr = status.pod_ip.as_deref()?.parse().ok()?;
    let port = pod
        .spec
        .as_ref()?
        .containers
        .iter()
        .flat_map(|container| container.ports.iter().flatten())
        .find(|port| port.name.as_deref() == Some(PORT_NAME))
        .and_then(|port| u16::try_from(port.container_port).ok())?;
    Some((slug, tenant, SocketAddr::new(address, port)))
}

/// The condition `Routed` to be applied, if it is not what the Tenant says already: pure.
fn routed_patch(
    tenant: &Tenant,
    route: Option<&Route>,
    now: DateTime<Utc>,
) -> Option<serde_json::Value> {
    let (status, reason, message) = match route {
        Some(route) if Some(route.tenant) == tenant_id(tenant) => {
            (ConditionStatus::True, "Routed", String::new())
        }
        Some(_) | None => (
            ConditionStatus::False,
            "Waiting",
            "the operator has not given it an id yet".to_owned(),
        ),
    };
    let observation = Observation {
        kind: ConditionType::Routed,
        status,
        reason,
        message,
    };
    let conditions = tenant
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let merged = condition::merge(conditions, &[observation], tenant.metadata.generation, now);
    let current = condition::find(conditions, ConditionType::Routed);
    let is_same = current.zip(merged.first()).is_some_and(|(current, next)| {
        (current.status, &current.reason, &current.message)
            == (next.status, &next.reason, &next.message)
    });
    (!is_same).then(|| {
        json!({
            "apiVersion": "gotrs.io/v1",
            "kind": "Tenant",
            "metadata": {"name": tenant.name_any()},
            "status": {"conditions": merged},
        })
    })
}

#[cfg(test)]
mod tests;
