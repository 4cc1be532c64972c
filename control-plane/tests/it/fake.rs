//! A provisioner that tests drive: it remembers what is desired and says what it is told to say.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use control_plane::provision::{
    Desired, DesiredState, ExportProgress, FinishedExport, Observed, ProvisionError, Provisioner,
};
use domain::id::{ExportId, TenantId};
use domain::tenant::{ProvisionStep, StepState, StepStatus};
use tokio::sync::broadcast;

/// Clones are the same provisioner.
#[derive(Clone)]
pub(crate) struct FakeProvisioner {
    inner: Arc<Mutex<Inner>>,
    changes: broadcast::Sender<TenantId>,
}

#[derive(Default)]
struct Inner {
    /// Everything that was applied, in order.
    applied: Vec<Desired>,
    observed: HashMap<TenantId, Observed>,
    hanging: HashSet<TenantId>,
    unreachable: u32,
    by_hand: bool,
    /// How far every export is, by its id.
    exports: HashMap<ExportId, ExportProgress>,
    finished: HashMap<TenantId, FinishedExport>,
    exports_asked: Vec<ExportId>,
}

impl FakeProvisioner {
    /// Makes everything real at once.
    pub(crate) fn eager() -> Self {
        Self {
            inner: Arc::default(),
            changes: broadcast::Sender::new(64),
        }
    }

    /// Makes nothing real by itself; see [`Self::advance`].
    pub(crate) fn by_hand() -> Self {
        let fake = Self::eager();
        fake.inner.lock().unwrap().by_hand = true;
        fake
    }

    /// What was applied for a tenant, in order.
    pub(crate) fn applied(&self, tenant: TenantId) -> Vec<Desired> {
        let inner = self.inner.lock().unwrap();
        inner
            .applied
            .iter()
            .filter(|desired| desired.tenant == tenant)
            .cloned()
            .collect()
    }

    /// Calls about this tenant never come back.
    pub(crate) fn hang(&self, tenant: TenantId) {
        self.inner.lock().unwrap().hanging.insert(tenant);
    }

    /// The next calls fail.
    pub(crate) fn fail_next(&self, count: u32) {
        self.inner.lock().unwrap().unreachable = count;
    }

    /// Says this of a tenant from now on, and tells so.
    pub(crate) fn say(&self, tenant: TenantId, observed: Observed) {
        self.inner.lock().unwrap().observed.insert(tenant, observed);
        drop(self.changes.send(tenant));
    }

    /// The first `done` steps are done, the next is at work or has failed.
    pub(crate) fn advance(&self, tenant: TenantId, done: usize, next: StepState) {
        let generation = self.applied(tenant).last().unwrap().generation;
        self.say(tenant, observed(generation, done, next));
    }

    /// Says this of an export from now on, and tells so.
    pub(crate) fn export_is(&self, tenant: TenantId, id: ExportId, progress: ExportProgress) {
        self.inner.lock().unwrap().exports.insert(id, progress);
        drop(self.changes.send(tenant));
    }

    /// Somebody else had an export made.
    pub(crate) fn export_finished(&self, tenant: TenantId, finished: FinishedExport) {
        self.inner.lock().unwrap().finished.insert(tenant, finished);
        drop(self.changes.send(tenant));
    }

    /// What exports it was asked for, in order.
    pub(crate) fn exports_asked(&self) -> Vec<ExportId> {
        self.inner.lock().unwrap().exports_asked.clone()
    }

    fn call(&self, tenant: TenantId) -> Result<bool, ProvisionError> {
        let mut inner = self.inner.lock().unwrap();
        if inner.unreachable > 0 {
            inner.unreachable -= 1;
            return Err(ProvisionError::Unreachable(anyhow::anyhow!("on purpose")));
        }
        Ok(inner.hanging.contains(&tenant))
    }
}

/// The first `done` steps are done, the next is as said, the others wait.
pub(crate) fn observed(generation: i64, done: usize, next: StepState) -> Observed {
    let steps = ProvisionStep::ALL
        .into_iter()
        .enumerate()
        .map(|(index, step)| StepStatus {
            step,
            state: match index {
                _ if index < done => StepState::Done { at: at() },
                _ if index == done => next.clone(),
                _ => StepState::Waiting,
            },
        })
        .collect();
    Observed {
        generation,
        steps,
        ready_replicas: u32::from(done >= 5),
        asleep: false,
        gone: false,
    }
}

pub(crate) fn at() -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_100, 0).unwrap()
}

#[async_trait]
impl Provisioner for FakeProvisioner {
    async fn apply(&self, desired: &Desired) -> Result<(), ProvisionError> {
        if self.call(desired.tenant)? {
            std::future::pending::<()>().await;
        }
        let mut inner = self.inner.lock().unwrap();
        inner.applied.push(desired.clone());
        if !inner.by_hand {
            let made = match desired.state {
                DesiredState::Running => observed(desired.generation, 6, StepState::Waiting),
                DesiredState::Suspended => Observed {
                    ready_replicas: 0,
                    ..observed(desired.generation, 4, StepState::Waiting)
                },
                DesiredState::Absent => Observed {
                    gone: true,
                    ..observed(desired.generation, 0, StepState::Waiting)
                },
            };
            inner.observed.insert(desired.tenant, made);
            drop(self.changes.send(desired.tenant));
        }
        Ok(())
    }

    async fn observe(&self, tenant: TenantId) -> Result<Option<Observed>, ProvisionError> {
        if self.call(tenant)? {
            std::future::pending::<()>().await;
        }
        Ok(self.inner.lock().unwrap().observed.get(&tenant).cloned())
    }

    async fn export(
        &self,
        tenant: TenantId,
        export: ExportId,
    ) -> Result<ExportProgress, ProvisionError> {
        if self.call(tenant)? {
            std::future::pending::<()>().await;
        }
        let mut inner = self.inner.lock().unwrap();
        inner.exports_asked.push(export);
        let progress = inner.exports.get(&export).cloned();
        Ok(progress.unwrap_or(ExportProgress::Waiting))
    }

    fn last_export(&self, tenant: TenantId) -> Option<FinishedExport> {
        self.inner.lock().unwrap().finished.get(&tenant).copied()
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.changes.subscribe()
    }
}
