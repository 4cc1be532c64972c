//! The router's table from Tenants and their pods.

mod index;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use chrono::{DateTime, Utc};
use domain::clock::Clock;
use domain::id::TenantId;
use domain::name::TenantSlug;
use futures_util::{StreamExt as _, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Patch, PatchParams};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use service_kit::Tasks;
use tenant_crd::condition::{self, ConditionStatus, ConditionType, Observation};
use tenant_crd::names;
use tenant_crd::v1::{Phase, Tenant};
use tokio::sync::{Notify, watch as channel};
use tokio::time::Instant;

pub use self::index::Routes;
use super::ROUTER_MANAGER;
use super::tenants::{Tenants, tenant_id};
use super::watch::{self, Copied};
use crate::router::{RouteTarget, RoutingTable};

/// Changes come in bursts; a table is made of all that come within this time.
const SETTLE: Duration = Duration::from_millis(25);
/// Everything is made anew so often: nobody tells what went while a watch was broken.
const ANEW: Duration = Duration::from_mins(1);
/// Longest time for writing one condition.
const WRITE_TIMEOUT: Duration = Duration::from_secs(10);
/// What could not be written is tried again so much later.
const RETRY: Duration = Duration::from_secs(5);
/// Conditions that are written at once: many tenants may need theirs, as after an upgrade.
const WRITES_AT_ONCE: usize = 8;
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
        let changed = Arc::new(Changes::default());
        let tenants = Tenants::watch(client, tasks, {
            let changed = Arc::clone(&changed);
            move |tenant| changed.tenant(tenant)
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
                move |pod| changed.pod(pod)
            },
        );
        let (publisher, table) = channel::channel(Arc::default());
        let (announce, first) = channel::channel(false);
        let untold = Arc::new(Untold::default());
        let telling = Telling {
            tenants: tenants.clone(),
            api: Api::all(client.clone()),
            clock: Arc::clone(&clock),
            untold: Arc::clone(&untold),
        };
        let job = Publishing {
            tenants,
            pods,
            publisher,
            announce,
            untold,
            clock,
            base_domain: base_domain.to_owned(),
        };
        let stopping = tasks.stopping();
        // Apart from the table, which waits for no write: pods come and go while an API server takes its time.
        tasks.spawn_service("routed tenants", async move {
            stopping.run_until_cancelled(telling.run()).await;
            Ok(())
        });
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

/// What has changed since it was looked at last.
#[derive(Default)]
struct Changes {
    names: Mutex<Names>,
    notify: Notify,
}

#[derive(Default)]
struct Names {
    tenants: BTreeSet<String>,
    pods: BTreeSet<(String, String)>,
}

impl Changes {
    fn names(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tenant(&self, tenant: &Tenant) {
        self.names().tenants.insert(tenant.name_any());
        self.notify.notify_one();
    }

    fn pod(&self, pod: &Pod) {
        let namespace = pod.metadata.namespace.clone().unwrap_or_default();
        self.names().pods.insert((namespace, pod.name_any()));
        self.notify.notify_one();
    }

    fn take(&self) -> Names {
        std::mem::take(&mut *self.names())
    }
}

struct Publishing {
    tenants: Tenants,
    pods: Copied<Pod>,
    publisher: channel::Sender<Arc<RoutingTable>>,
    /// That the first table is there.
    announce: channel::Sender<bool>,
    untold: Arc<Untold>,
    clock: Arc<dyn Clock>,
    base_domain: String,
}

impl Publishing {
    async fn run(self, changed: &Changes) -> anyhow::Result<()> {
        self.tenants.complete().await?;
        self.pods.complete().await?;
        let mut routes = Routes::new(&self.base_domain);
        let mut begin_anew = Instant::now();
        loop {
            let names = changed.take();
            let touched = if Instant::now() >= begin_anew {
                begin_anew = Instant::now() + ANEW;
                routes = Routes::of(
                    self.tenants.all().iter(),
                    self.pods.store().state().iter().map(AsRef::as_ref),
                    &self.base_domain,
                );
                self.tenants.all().iter().map(Tenant::name_any).collect()
            } else {
                self.follow(&mut routes, names)
            };
            metrics::gauge!("router_hosts").set(count(routes.table().len()));
            self.publisher.send_if_modified(|current| {
                let differs = **current != *routes.table();
                if differs {
                    *current = Arc::new(routes.table().clone());
                }
                differs
            });
            self.announce.send_replace(true);
            self.tell(&touched, &routes);
            let _changed_or_not = tokio::time::timeout(ANEW, changed.notify.notified()).await;
            tokio::time::sleep(SETTLE).await;
        }
    }

    /// Brings the routes up to what is known now of these; answers whose they are.
    fn follow(&self, routes: &mut Routes, names: Names) -> BTreeSet<String> {
        let mut tenants = names.tenants;
        for (namespace, name) in names.pods {
            let pod = self
                .pods
                .store()
                .get(&ObjectRef::new(&name).within(&namespace));
            tenants.extend(
                routes
                    .pod(&namespace, &name, pod.as_deref())
                    .map(str::to_owned),
            );
        }
        let mut rivals = BTreeSet::new();
        for slug in &tenants {
            let others = routes.tenant(slug, self.tenants.named(slug).as_ref());
            rivals.extend(others.into_iter().map(String::from));
        }
        tenants.append(&mut rivals);
        tenants
    }

    /// Has the condition `Routed` of these written where it is not what it should be.
    fn tell(&self, touched: &BTreeSet<String>, routes: &Routes) {
        let now = self.clock.now();
        for tenant in touched.iter().filter_map(|slug| self.tenants.named(slug)) {
            let observation = observe(&tenant, routes, &self.base_domain);
            if routed_patch(&tenant, &observation, now).is_some() {
                let said = Said {
                    observation,
                    generation: tenant.metadata.generation,
                };
                self.untold.put(tenant.name_any(), said);
            }
        }
    }
}

/// Observations that are not written yet, the newest of each tenant.
#[derive(Default)]
struct Untold {
    said: Mutex<BTreeMap<String, Said>>,
    notify: Notify,
}

/// What is to be written of a tenant.
struct Said {
    observation: Observation,
    /// Of the spec that was looked at: of another one nothing is said.
    generation: Option<i64>,
}

impl Untold {
    fn said(&self) -> MutexGuard<'_, BTreeMap<String, Said>> {
        self.said.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, name: String, said: Said) {
        self.said().insert(name, said);
        self.notify.notify_one();
    }

    /// After a failure: what was observed since is newer.
    fn put_back(&self, name: String, said: Said) {
        self.said().entry(name).or_insert(said);
    }

    fn take(&self) -> BTreeMap<String, Said> {
        std::mem::take(&mut *self.said())
    }

    fn is_empty(&self) -> bool {
        self.said().is_empty()
    }
}

/// Writes conditions, a few at once.
struct Telling {
    tenants: Tenants,
    api: Api<Tenant>,
    clock: Arc<dyn Clock>,
    untold: Arc<Untold>,
}

impl Telling {
    async fn run(&self) {
        loop {
            stream::iter(self.untold.take())
                .for_each_concurrent(WRITES_AT_ONCE, |(name, said)| self.write(name, said))
                .await;
            // A change comes at its time, a failure is tried again at some time.
            let pause = if self.untold.is_empty() { ANEW } else { RETRY };
            let _told_or_not = tokio::time::timeout(pause, self.untold.notify.notified()).await;
        }
    }

    async fn write(&self, name: String, said: Said) {
        let Some(tenant) = self.tenants.named(&name) else {
            return;
        };
        if tenant.metadata.generation != said.generation {
            return;
        }
        let Some(patch) = routed_patch(&tenant, &said.observation, self.clock.now()) else {
            return;
        };
        let params = PatchParams::apply(ROUTER_MANAGER).force();
        let patch = Patch::Apply(&patch);
        let writing = self.api.patch_status(&name, &params, &patch);
        let problem = match tokio::time::timeout(WRITE_TIMEOUT, writing).await {
            Ok(Ok(_)) => return,
            // Gone meanwhile.
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => return,
            Ok(Err(error)) => service_kit::Chain(&error).to_string(),
            Err(elapsed) => elapsed.to_string(),
        };
        tracing::warn!(tenant.slug = %name, error = problem, "that a tenant is routed cannot be written");
        self.untold.put_back(name, said);
    }
}

fn count(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

fn own_host(slug: &str, base_domain: &str) -> String {
    format!("{slug}.{base_domain}")
}

fn target(tenant: &Tenant, serving: Vec<SocketAddr>) -> RouteTarget {
    let status = tenant.status.as_ref();
    let is_leaving = tenant.metadata.deletion_timestamp.is_some();
    let phase = status.and_then(|status| status.phase);
    if is_leaving || phase == Some(Phase::Deleting) {
        return RouteTarget::Deleting;
    }
    if tenant.spec.suspended || phase == Some(Phase::Suspended) {
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

/// Hosts of others that are named in one message.
const MOST_NAMED: usize = 10;

/// Whether requests for all of a tenant's hosts come to it: pure.
fn observe(tenant: &Tenant, routes: &Routes, base_domain: &str) -> Observation {
    let own_host = own_host(&tenant.spec.slug, base_domain);
    let route = routes.table().find(&own_host);
    let taken = routes.taken(&tenant.name_any());
    let (status, reason, message) = match route {
        Some(route) if Some(route.tenant) == tenant_id(tenant) && taken.is_empty() => {
            (ConditionStatus::True, "Routed", String::new())
        }
        Some(route) if Some(route.tenant) == tenant_id(tenant) => {
            (ConditionStatus::False, "HostTaken", whose(&taken))
        }
        Some(_) | None => (
            ConditionStatus::False,
            "Waiting",
            "the operator has not given it an id yet".to_owned(),
        ),
    };
    Observation {
        kind: ConditionType::Routed,
        status,
        reason,
        message,
    }
}

/// Who has these hosts, and what to do.
fn whose(taken: &[(&str, &TenantSlug)]) -> String {
    let named: Vec<String> = taken
        .iter()
        .take(MOST_NAMED)
        .map(|(host, holder)| format!("{host} (of {holder})"))
        .collect();
    let more = match taken.len().saturating_sub(MOST_NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "requests for {}{more} go to the older tenant that names the host too, all others come here: remove it from spec.hosts of one of them",
        named.join(", ")
    )
}

/// The condition `Routed` to be applied, if it is not what the Tenant says already, also about which generation of the spec: pure.
fn routed_patch(
    tenant: &Tenant,
    observation: &Observation,
    now: DateTime<Utc>,
) -> Option<serde_json::Value> {
    let conditions = tenant
        .status
        .as_ref()
        .map(|status| status.conditions.as_slice())
        .unwrap_or_default();
    let merged = condition::merge(
        conditions,
        std::slice::from_ref(observation),
        tenant.metadata.generation,
        now,
    );
    let current = condition::find(conditions, ConditionType::Routed);
    let is_same = current.zip(merged.first()).is_some_and(|(current, next)| {
        // Before the generation was said here it is taken for an older one.
        (
            current.status,
            &current.reason,
            &current.message,
            current.observed_generation,
        ) == (
            next.status,
            &next.reason,
            &next.message,
            next.observed_generation,
        )
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
