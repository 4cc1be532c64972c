//! Counts what a reconcile asks of the outside, so that a test can end the process after each call in turn.
//!
//! Calls go out at two doors: the client that reconciles have, and the stores. Watches and the Lease are not counted: they go on
//! by themselves, and the number of a call would not say which one it is.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use async_trait::async_trait;
use domain::id::TenantId;
use kube::client::ClientBuilder;
use kube::{Client, Config};
use secrecy::SecretString;
use tenant_database::{AdministratorSeed, Credentials, Note, RoleLimits};
use tower::util::MapResultLayer;

use crate::store::{StoreError, TenantStore};

/// How many calls are left before the process aborts; clones count together.
#[derive(Debug, Clone)]
pub struct Calls(Arc<AtomicU32>);

impl Calls {
    /// Aborts when the call of this number has been answered.
    pub fn abort_after(calls: u32) -> Self {
        Self(Arc::new(AtomicU32::new(calls)))
    }

    /// A call was answered; what it did is done, and nobody has looked at the answer yet.
    fn made(&self) {
        if self.0.fetch_sub(1, Ordering::SeqCst) == 1 {
            // As by `kill -9`: nothing is finished, flushed or given back.
            std::process::abort();
        }
    }

    /// A client whose calls count.
    pub fn client(&self, config: Config) -> kube::Result<Client> {
        let calls = self.clone();
        let count = MapResultLayer::new(move |answer| {
            calls.made();
            answer
        });
        Ok(ClientBuilder::try_from(config)?.with_layer(&count).build())
    }

    /// A store whose calls count.
    pub fn store(&self, store: Arc<dyn TenantStore>) -> Arc<dyn TenantStore> {
        Arc::new(Counted {
            store,
            calls: self.clone(),
        })
    }
}

struct Counted {
    store: Arc<dyn TenantStore>,
    calls: Calls,
}

impl Counted {
    async fn count<T>(&self, call: impl Future<Output = T> + Send) -> T {
        let answer = call.await;
        self.calls.made();
        answer
    }
}

#[async_trait]
impl TenantStore for Counted {
    async fn ensure_schema(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.count(self.store.ensure_schema(tenant)).await
    }

    async fn ensure_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
    ) -> Result<(), StoreError> {
        self.count(self.store.ensure_roles(tenant, credentials, limits))
            .await
    }

    async fn change_roles(
        &self,
        tenant: TenantId,
        credentials: &Credentials,
        limits: &RoleLimits,
        stamp: &str,
    ) -> Result<Option<String>, StoreError> {
        self.count(self.store.change_roles(tenant, credentials, limits, stamp))
            .await
    }

    async fn migrate(&self, tenant: TenantId) -> Result<i64, StoreError> {
        self.count(self.store.migrate(tenant)).await
    }

    async fn ensure_administrator(
        &self,
        tenant: TenantId,
        seed: &AdministratorSeed,
    ) -> Result<bool, StoreError> {
        self.count(self.store.ensure_administrator(tenant, seed))
            .await
    }

    async fn differences(&self, tenant: TenantId) -> Result<Vec<String>, StoreError> {
        self.count(self.store.differences(tenant)).await
    }

    async fn lock(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.count(self.store.lock(tenant)).await
    }

    async fn stamp(&self, tenant: TenantId) -> Result<String, StoreError> {
        self.count(self.store.stamp(tenant)).await
    }

    async fn keep_note(&self, tenant: TenantId, content: &str) -> Result<(), StoreError> {
        self.count(self.store.keep_note(tenant, content)).await
    }

    /// Once at the start, before any reconcile.
    async fn notes(&self) -> Result<Vec<Note>, StoreError> {
        self.store.notes().await
    }

    async fn remove(&self, tenant: TenantId) -> Result<(), StoreError> {
        self.count(self.store.remove(tenant)).await
    }

    async fn export(
        &self,
        tenant: TenantId,
        destination: Box<dyn Write + Send>,
    ) -> Result<u64, StoreError> {
        self.count(self.store.export(tenant, destination)).await
    }

    fn runtime_url(&self, tenant: TenantId, credentials: &Credentials) -> SecretString {
        self.store.runtime_url(tenant, credentials)
    }

    fn lambda_url(&self, tenant: TenantId, credentials: &Credentials) -> SecretString {
        self.store.lambda_url(tenant, credentials)
    }
}
