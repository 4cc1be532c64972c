//! What the loops of all tenants share.

use std::sync::Arc;

use blob_store::BlobKey;
use domain::clock::Clock;
use domain::id::{ExportId, TenantId};
use service_kit::Tasks;
use tenant_database::TenantDatabase;
use tenant_export::{Exports, Progress};
use tokio::sync::{Semaphore, broadcast};

use crate::process::spawner::Spawner;
use crate::supervisor::files::TenantFiles;
use crate::supervisor::routes::RouteBoard;
use crate::supervisor::runtime::RuntimeSettings;

/// Steps in the database at once: as many as `TenantDatabase` has connections.
pub(crate) const DATABASE_WORK: usize = 4;
/// Servers that start at once: starting is bound by CPU, and one that hangs holds its place for a minute only.
pub(crate) const STARTS: usize = 8;

pub(crate) struct Shared {
    pub(crate) database: TenantDatabase,
    pub(crate) database_permits: Semaphore,
    pub(crate) start_permits: Arc<Semaphore>,
    /// Into the object store.
    pub(crate) exports: Exports,
    pub(crate) files: TenantFiles,
    pub(crate) runtime: RuntimeSettings,
    pub(crate) routes: RouteBoard,
    pub(crate) spawner: Spawner,
    pub(crate) tasks: Tasks,
    pub(crate) http: reqwest::Client,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) changes: broadcast::Sender<TenantId>,
}

/// The id of the export that is made before a tenant's data is dropped: one for one tenant, however often it is tried.
pub(crate) const fn final_export(tenant: TenantId) -> ExportId {
    ExportId::from_uuid(tenant.as_uuid())
}

impl Shared {
    /// How far an export is; begins it if it is not under way.
    pub(crate) fn export(&self, tenant: TenantId, export: ExportId) -> Progress {
        let key = BlobKey::export(tenant, export);
        self.exports
            .advance(&key, tenant, Arc::new(self.database.clone()))
    }

    pub(crate) fn changed(&self, tenant: TenantId) {
        // Nobody listens yet, or not any more: the change is in `observe` as well.
        self.changes.send(tenant).ok();
    }
}
