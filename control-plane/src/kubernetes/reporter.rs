//! Writes what the control plane knows into the status of Tenants: only what differs, and what comes in a burst once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::clock::Clock;
use domain::id::TenantId;
use futures_util::StreamExt as _;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder, Reporter as Author};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use service_kit::Tasks;
use tenant_crd::v1::Tenant;
use tokio::sync::Notify;

use super::MANAGER;
use super::report::{self, Told};
use super::tenants::Tenants;
use crate::provision::{AdoptionReport, ModuleReport};

/// Reports come in bursts (an upload, then one word of each runtime); what comes within this time is one write.
const SETTLE: Duration = Duration::from_millis(300);
/// What could not be written is tried again after this.
const RETRY: Duration = Duration::from_secs(5);
/// Tenants that are written at once.
const AT_ONCE: usize = 4;
/// Longest time for one tenant.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Takes reports; clones are the same.
#[derive(Clone)]
pub(super) struct Reporter {
    waiting: Arc<Waiting>,
    known: Tenants,
    clock: Arc<dyn Clock>,
}

/// At most one entry per tenant.
#[derive(Default)]
struct Waiting {
    reports: Mutex<HashMap<TenantId, Reports>>,
    changed: Notify,
}

#[derive(Debug, Clone, Default)]
struct Reports {
    modules: Option<ModuleReport>,
    adoption: Option<AdoptionReport>,
    /// Wishes that were refused: told once, by an Event.
    conflict: Option<String>,
}

impl Reports {
    /// What was reported later counts.
    fn add(&mut self, later: Self) {
        self.modules = later.modules.or_else(|| self.modules.take());
        self.adoption = later.adoption.or_else(|| self.adoption.take());
        self.conflict = later.conflict.or_else(|| self.conflict.take());
    }
}

impl Reporter {
    /// Begins to write.
    pub(super) fn start(
        client: &Client,
        tasks: &Tasks,
        known: Tenants,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let reporter = Self {
            waiting: Arc::default(),
            known,
            clock,
        };
        let writer = Writer {
            reporter: reporter.clone(),
            api: Api::all(client.clone()),
            events: Recorder::new(
                client.clone(),
                Author {
                    controller: "gotrs.io/control-plane".to_owned(),
                    instance: None,
                },
            ),
        };
        let stopping = tasks.stopping();
        tasks.spawn_service("status of tenants", async move {
            stopping.run_until_cancelled(writer.run()).await;
            Ok(())
        });
        reporter
    }

    /// How far a tenant's modules are.
    pub(super) fn modules(&self, tenant: TenantId, report: ModuleReport) {
        self.add(
            tenant,
            Reports {
                modules: Some(report),
                ..Reports::default()
            },
        );
    }

    /// What became of its adoption.
    pub(super) fn adoption(&self, tenant: TenantId, report: AdoptionReport) {
        let reports = match report {
            AdoptionReport::Conflict(conflict) => Reports {
                conflict: Some(conflict),
                ..Reports::default()
            },
            report => Reports {
                adoption: Some(report),
                ..Reports::default()
            },
        };
        self.add(tenant, reports);
    }

    fn add(&self, id: TenantId, reports: Reports) {
        let mut waiting = self.lock();
        // Something older may wait that this replaces; otherwise what the copy says already needs no call.
        let is_said = !waiting.contains_key(&id) && self.is_said(id, &reports);
        if !is_said {
            waiting.entry(id).or_default().add(reports);
            self.waiting.changed.notify_one();
        }
    }

    fn is_said(&self, id: TenantId, reports: &Reports) -> bool {
        reports.conflict.is_none()
            && self.known.find(id).is_some_and(|tenant| {
                let (modules, adoption) = (reports.modules.as_ref(), reports.adoption.as_ref());
                let next = report::next(&tenant, modules, adoption, self.clock.now());
                next == report::written(&tenant)
            })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<TenantId, Reports>> {
        let waiting = self.waiting.reports.lock();
        waiting.unwrap_or_else(PoisonError::into_inner)
    }

    fn put_back(&self, id: TenantId, reports: Reports) {
        let mut waiting = self.lock();
        let later = waiting.remove(&id).unwrap_or_default();
        let mut both = reports;
        both.add(later);
        waiting.insert(id, both);
    }
}

struct Writer {
    reporter: Reporter,
    api: Api<Tenant>,
    events: Recorder,
}

impl Writer {
    async fn run(self) {
        loop {
            self.reporter.waiting.changed.notified().await;
            tokio::time::sleep(SETTLE).await;
            while !self.write_all().await {
                tokio::time::sleep(RETRY).await;
            }
        }
    }

    /// Writes everything that waits; whether all of it was written.
    async fn write_all(&self) -> bool {
        let taken: Vec<(TenantId, Reports)> = self.reporter.lock().drain().collect();
        futures_util::stream::iter(taken)
            .map(|(id, reports)| async move {
                let writing = self.write(id, &reports);
                let problem = match tokio::time::timeout(TIMEOUT, writing).await {
                    Ok(Ok(())) => return true,
                    Ok(Err(error)) => service_kit::Chain(&error).to_string(),
                    Err(elapsed) => elapsed.to_string(),
                };
                tracing::warn!(tenant.id = %id, error = problem, "what is known of a tenant cannot be written, it is tried again");
                self.reporter.put_back(id, reports);
                false
            })
            .buffer_unordered(AT_ONCE)
            .fold(true, async |all, one| all && one)
            .await
    }

    async fn write(&self, id: TenantId, reports: &Reports) -> Result<(), kube::Error> {
        let Some(known) = self.reporter.known.find(id) else {
            return Ok(());
        };
        // What the watch told last may be older than what was written last: times and Events come from what is there now.
        let Some(tenant) = self.api.get_opt(&known.name_any()).await? else {
            return Ok(());
        };
        if tenant.metadata.uid != known.metadata.uid {
            return Ok(());
        }
        if let Some(conflict) = &reports.conflict {
            let told = Told {
                is_warning: true,
                reason: "WishRefused".to_owned(),
                note: conflict.clone(),
            };
            self.publish(&tenant, told).await;
        }
        let (modules, adoption) = (reports.modules.as_ref(), reports.adoption.as_ref());
        let before = report::written(&tenant);
        let next = report::next(&tenant, modules, adoption, self.reporter.clock.now());
        if next == before {
            return Ok(());
        }
        // Force: these fields are ours, whoever wrote them.
        let params = PatchParams::apply(MANAGER).force();
        let patch = Patch::Apply(report::patch(&tenant, &next));
        match self
            .api
            .patch_status(&tenant.name_any(), &params, &patch)
            .await
        {
            Ok(_) => {}
            // Gone, or another one of this name.
            Err(kube::Error::Api(status)) if status.is_not_found() || status.is_conflict() => {
                return Ok(());
            }
            Err(error) => return Err(error),
        }
        metrics::counter!("control_plane_status_writes_total").increment(1);
        for told in report::transitions(&before, &next) {
            self.publish(&tenant, told).await;
        }
        Ok(())
    }

    /// An Event is for people: nothing fails for want of one.
    async fn publish(&self, tenant: &Tenant, told: Told) {
        let event = Event {
            type_: if told.is_warning {
                EventType::Warning
            } else {
                EventType::Normal
            },
            reason: told.reason,
            // The API server takes notes of at most 1024 bytes.
            note: Some(told.note.chars().take(250).collect()),
            action: "Adopt".to_owned(),
            secondary: None,
        };
        if let Err(error) = self.events.publish(&event, &tenant.object_ref(&())).await {
            tracing::warn!(tenant.slug = %tenant.spec.slug, error = %service_kit::Chain(&error), "an Event could not be written");
        }
    }
}
