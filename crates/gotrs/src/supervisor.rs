//! The supervisor of `gotrs up`: makes each tenant's desired state real on this machine.
//!
//! One loop per tenant ([`tenant`]): [`decide`](decide::decide) says what is next, the loop does it and looks again. Nothing
//! of it is stored: each step is safe to repeat, so a start of the process simply begins again.

mod backoff;
pub mod decide;
pub mod files;
mod log;
mod progress;
pub mod routes;
pub mod runtime;
mod shared;
mod tenant;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use async_trait::async_trait;
use blob_store::BlobStore;
use control_plane::provision::{
    Desired, DesiredState, ExportProgress, ExportedArchive, Observed, ProvisionError, Provisioner,
};
use control_plane::router::RoutingTable;
use domain::clock::Clock;
use domain::id::{ExportId, TenantId};
use service_kit::Tasks;
use tenant_database::TenantDatabase;
use tenant_export::{Exports, Progress, Settings};
use tokio::sync::{Semaphore, broadcast, watch};

use crate::process::spawner::Spawner;
use crate::supervisor::files::TenantFiles;
use crate::supervisor::routes::RouteBoard;
use crate::supervisor::runtime::RuntimeSettings;
use crate::supervisor::shared::Shared;
use crate::supervisor::tenant::Tenant;

/// Changes that a slow reader may be behind; it falls back to its timer then.
const CHANGES_KEPT: usize = 1024;

/// What a supervisor needs.
pub struct Parts {
    /// Where tenants' schemas are; prepared.
    pub database: TenantDatabase,
    /// Where exports go.
    pub archives: BlobStore,
    /// Where tenants' files are.
    pub files: TenantFiles,
    /// How servers are started.
    pub runtime: RuntimeSettings,
    /// Starts them.
    pub spawner: Spawner,
    /// Runs the loops; stopping it stops the servers.
    pub tasks: Tasks,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
}

/// Runs each tenant's server as a child process.
pub struct Supervisor {
    shared: Arc<Shared>,
    tenants: Mutex<HashMap<TenantId, Handle>>,
}

struct Handle {
    desired: watch::Sender<Arc<Desired>>,
    observed: watch::Receiver<Observed>,
}

impl Supervisor {
    /// Ends servers that an earlier start has left; starts none yet.
    pub async fn start(parts: Parts) -> anyhow::Result<Self> {
        runtime::end_leftovers(&parts.runtime.run).await?;
        let http = reqwest::Client::builder()
            .no_proxy()
            .build()
            .context("making the client that asks servers whether they are ready")?;
        let changes = broadcast::Sender::new(CHANGES_KEPT);
        let ended = changes.clone();
        let exports = Exports::new(Settings {
            archives: Some(Arc::new(parts.archives)),
            tasks: parts.tasks.clone(),
            metric: "supervisor_exports_total",
            ended: Box::new(move |tenant| {
                // Nobody listens yet, or not any more: who waits looks again by itself.
                ended.send(tenant).ok();
            }),
        });
        Ok(Self {
            shared: Arc::new(Shared {
                exports,
                database: parts.database,
                database_permits: Semaphore::new(shared::DATABASE_WORK),
                start_permits: Arc::new(Semaphore::new(shared::STARTS)),
                files: parts.files,
                runtime: parts.runtime,
                routes: RouteBoard::new(),
                spawner: parts.spawner,
                tasks: parts.tasks,
                http,
                clock: parts.clock,
                changes,
            }),
            tenants: Mutex::default(),
        })
    }

    /// What the router reads.
    pub fn routing_table(&self) -> watch::Receiver<Arc<RoutingTable>> {
        self.shared.routes.table()
    }

    fn begin(&self, desired: &Desired) -> Handle {
        let (desired_sender, desired_receiver) = watch::channel(Arc::new(desired.clone()));
        let (observed_sender, observed_receiver) = watch::channel(Observed {
            generation: desired.generation,
            steps: progress::Progress::new().steps(),
            ready_replicas: 0,
            asleep: false,
            gone: false,
        });
        let tenant = Tenant::new(Arc::clone(&self.shared), desired_receiver, observed_sender);
        self.shared.tasks.spawn("tenant", tenant.run());
        Handle {
            desired: desired_sender,
            observed: observed_receiver,
        }
    }
}

#[async_trait]
impl Provisioner for Supervisor {
    async fn apply(&self, desired: &Desired) -> Result<(), ProvisionError> {
        let mut tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        match tenants.get(&desired.tenant) {
            Some(handle) => {
                handle.desired.send_if_modified(|current| {
                    let changed = !same(current, desired);
                    if changed {
                        *current = Arc::new(desired.clone());
                    }
                    changed
                });
            }
            None => {
                let handle = self.begin(desired);
                tenants.insert(desired.tenant, handle);
            }
        }
        Ok(())
    }

    async fn observe(&self, tenant: TenantId) -> Result<Option<Observed>, ProvisionError> {
        let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(tenants
            .get(&tenant)
            .map(|handle| handle.observed.borrow().clone()))
    }

    async fn export(
        &self,
        tenant: TenantId,
        export: ExportId,
    ) -> Result<ExportProgress, ProvisionError> {
        {
            let tenants = self.tenants.lock().unwrap_or_else(PoisonError::into_inner);
            match tenants.get(&tenant) {
                // After a start of the process it is told what is wanted first.
                None => return Ok(ExportProgress::Waiting),
                Some(handle) if handle.desired.borrow().state == DesiredState::Absent => {
                    return Ok(ExportProgress::Failed {
                        reason: "the tenant is being deleted".to_owned(),
                    });
                }
                Some(_) => {}
            }
        }
        Ok(match self.shared.export(tenant, export) {
            Progress::Running => ExportProgress::Running,
            Progress::Done(archive) => ExportProgress::Done(ExportedArchive {
                size: i64::try_from(archive.bytes).unwrap_or(i64::MAX),
                sha256: archive.sha256,
            }),
            Progress::Nothing => ExportProgress::Failed {
                reason: "the tenant has no schema yet: there is nothing to export".to_owned(),
            },
            Progress::Failed { message } => ExportProgress::Failed { reason: message },
        })
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.shared.changes.subscribe()
    }
}

/// The generation grows with every change; the rest is compared so that a caller that forgot it is not ignored.
fn same(one: &Desired, other: &Desired) -> bool {
    one.generation == other.generation
        && one.state == other.state
        && one.slug == other.slug
        && one.plan == other.plan
        && one.hosts == other.hosts
}
