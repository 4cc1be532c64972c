//! Desired state as `Tenant` resources, observed state from their status.

use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use async_trait::async_trait;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::clock::Clock;
use domain::id::{ExportId, TenantId};
use domain::name::TenantSlug;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt as _};
use moka::sync::Cache;
use serde_json::{Value, json};
use service_kit::Tasks;
use tenant_crd::names;
use tenant_crd::v1::Tenant;
use tenant_crd::v1::channel::ChannelName;
use tokio::sync::broadcast;

use super::exports::{self, Step};
use super::reporter::Reporter;
use super::tenants::{Tenants, tenant_id};
use super::{MANAGER, desired, observed};
use crate::provision::{
    Desired, DesiredState, ExportProgress, FinishedExport, Observed, ProvisionError, Provisioner,
    Resources,
};

/// Changes that a slow reader may be behind.
const CHANGES_KEPT: usize = 1_024;
/// Tenants whose removal is remembered; whoever is forgotten is told again.
const REMOVALS_KEPT: u64 = 10_000;
const REMOVAL_KEPT_FOR: Duration = Duration::from_hours(24);
/// So often a Tenant is read and applied while others change it; after that the reconcile job tries again later.
const APPLY_ATTEMPTS: u32 = 5;

/// Tells the operator what should be, through the API server.
pub struct KubeProvisioner {
    pub(super) tenants: Api<Tenant>,
    secrets: Api<Secret>,
    namespace: String,
    base_domain: String,
    /// What new tenants follow; what the operator has for those that name none if absent.
    channel: Option<ChannelName>,
    pub(super) known: Tenants,
    pub(super) reporter: Reporter,
    changes: broadcast::Sender<TenantId>,
    /// What was asked to be absent, with the generation that asked.
    removals: Cache<TenantId, (TenantSlug, i64)>,
}

impl KubeProvisioner {
    /// Begins to watch Tenants. Secrets for the operator go to `namespace`, the platform's own; Tenants that it makes follow
    /// `channel`.
    pub fn start(
        client: &Client,
        tasks: &Tasks,
        clock: Arc<dyn Clock>,
        namespace: &str,
        base_domain: &str,
        channel: Option<ChannelName>,
    ) -> Self {
        let tenants: Api<Tenant> = Api::all(client.clone());
        let changes = broadcast::Sender::new(CHANGES_KEPT);
        let sender = changes.clone();
        let known = Tenants::watch(client, tasks, move |tenant| {
            if let Some(id) = tenant_id(tenant) {
                // Nobody listens before the reconcile job is started.
                let _ = sender.send(id);
            }
        });
        Self {
            tenants,
            secrets: Api::namespaced(client.clone(), namespace),
            namespace: namespace.to_owned(),
            base_domain: base_domain.to_owned(),
            channel,
            reporter: Reporter::start(client, tasks, known.clone(), clock),
            known,
            changes,
            removals: Cache::builder()
                .max_capacity(REMOVALS_KEPT)
                .time_to_live(REMOVAL_KEPT_FOR)
                .build(),
        }
    }

    /// The Tenants that are known, for whoever needs to find one by its namespace.
    pub fn known(&self) -> Tenants {
        self.known.clone()
    }

    /// Applies Secret and Tenant. What somebody else changes in between is seen, and then it is tried again.
    async fn put(&self, desired: &Desired) -> Result<(), kube::Error> {
        let params = PatchParams::apply(MANAGER).force();
        // Before the Tenant that speaks of it.
        let secret = desired::administrator_secret(desired, &self.namespace);
        self.secrets
            .patch(&secret.name_any(), &params, &Patch::Apply(&secret))
            .await?;
        let name = desired.slug.as_str();
        let mut attempt = 1;
        loop {
            // Not the copy in memory, which may be behind: what others have set is theirs.
            let there = self.tenants.get_opt(name).await?;
            let channel = desired::channel(there.as_ref(), self.channel.as_ref());
            let tenant = desired::tenant(desired, &self.base_domain, channel.as_ref());
            match self
                .tenants
                .patch(name, &params, &Patch::Apply(&tenant))
                .await
            {
                Ok(_) => return Ok(()),
                // The operator's writes of the status are changes too.
                Err(kube::Error::Api(status))
                    if status.is_conflict() && attempt < APPLY_ATTEMPTS =>
                {
                    attempt += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn remove(&self, desired: &Desired) -> Result<(), kube::Error> {
        let name = desired.slug.as_str();
        if let Some(tenant) = self.tenants.get_opt(name).await?
            // Another tenant may have the slug by now.
            && tenant_id(&tenant) == Some(desired.tenant)
        {
            if tenant.metadata.deletion_timestamp.is_none() {
                // Made by hand it may say something else; whose grace period is over is deleted.
                self.put(desired).await?;
            }
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: tenant.metadata.uid,
                    resource_version: None,
                }),
                ..DeleteParams::default()
            };
            absent_is_fine(self.tenants.delete(name, &params).await)?;
        }
        let secret = desired::administrator_secret_name(name);
        absent_is_fine(self.secrets.delete(&secret, &DeleteParams::default()).await)?;
        self.removals
            .insert(desired.tenant, (desired.slug.clone(), desired.generation));
        Ok(())
    }
}

/// The annotation that lets the operator wake the tenant at that time, if it is not there already; a tenant that never sleeps needs
/// none.
fn next_due_patch(tenant: &Tenant, due: Option<DateTime<Utc>>) -> Option<Value> {
    let annotations = tenant.metadata.annotations.as_ref();
    let current = annotations.and_then(|all| all.get(names::ANNOTATION_NEXT_DUE));
    let wanted = due
        .filter(|_| tenant.spec.scale_to_zero.is_some())
        .map(|due| due.to_rfc3339_opts(SecondsFormat::Secs, true));
    (current != wanted.as_ref()).then(|| {
        json!({"metadata": {
            // Of no other Tenant of this name.
            "uid": tenant.metadata.uid,
            "annotations": {names::ANNOTATION_NEXT_DUE: wanted},
        }})
    })
}

/// What is deleted already is deleted.
pub(super) fn absent_is_fine<T>(outcome: Result<T, kube::Error>) -> Result<(), kube::Error> {
    match outcome {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        other => other.map(drop),
    }
}

/// The API server's own words where it refuses: it is the resource that is wrong, or our rights.
pub(super) fn told(error: kube::Error) -> ProvisionError {
    match error {
        kube::Error::Api(status) => {
            let text = status.message.clone();
            ProvisionError::Unreachable(
                anyhow!(kube::Error::Api(status))
                    .context(format!("the API server refused: {text}")),
            )
        }
        error => ProvisionError::Unreachable(error.into()),
    }
}

#[async_trait]
impl Provisioner for KubeProvisioner {
    async fn apply(&self, desired: &Desired) -> Result<(), ProvisionError> {
        match desired.state {
            DesiredState::Running | DesiredState::Suspended => {
                self.removals.invalidate(&desired.tenant);
                self.put(desired).await.map_err(told)
            }
            DesiredState::Absent => self.remove(desired).await.map_err(told),
        }
    }

    async fn observe(&self, tenant: TenantId) -> Result<Option<Observed>, ProvisionError> {
        if let Some((slug, generation)) = self.removals.get(&tenant) {
            // The copy in memory may be behind; that something is gone for good is not said on its word.
            let found = self.tenants.get_opt(slug.as_str()).await.map_err(told)?;
            return Ok(Some(
                match found.filter(|found| tenant_id(found) == Some(tenant)) {
                    Some(found) => observed::observed(&found),
                    None => observed::gone(generation),
                },
            ));
        }
        Ok(self.known.find(tenant).as_ref().map(observed::observed))
    }

    fn changes(&self) -> broadcast::Receiver<TenantId> {
        self.changes.subscribe()
    }

    async fn export(
        &self,
        tenant: TenantId,
        export: ExportId,
    ) -> Result<ExportProgress, ProvisionError> {
        let Some(known) = self.known.find(tenant) else {
            // Not applied yet.
            return Ok(ExportProgress::Waiting);
        };
        if let Step::Tell(progress) = exports::next(&known, export) {
            return Ok(progress);
        }
        // Our copy may lack what somebody has asked for a moment ago.
        let name = known.name_any();
        let current = self.tenants.get_opt(&name).await.map_err(told)?;
        let Some(current) = current.filter(|current| current.metadata.uid == known.metadata.uid)
        else {
            return Ok(ExportProgress::Waiting);
        };
        let patch = match exports::next(&current, export) {
            Step::Tell(progress) => return Ok(progress),
            Step::Ask(patch) => Patch::Merge(patch),
        };
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        match self.tenants.patch_metadata(&name, &params, &patch).await {
            // Somebody else wrote at the same time: looked at again.
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(ExportProgress::Waiting),
            outcome => absent_is_fine(outcome)
                .map(|()| ExportProgress::Waiting)
                .map_err(told),
        }
    }

    fn last_export(&self, tenant: TenantId) -> Option<FinishedExport> {
        self.known.find(tenant).as_ref().and_then(exports::finished)
    }

    async fn set_next_due(
        &self,
        tenant: TenantId,
        due: Option<DateTime<Utc>>,
    ) -> Result<(), ProvisionError> {
        let Some(known) = self.known.find(tenant) else {
            // Not there any more, so it does not sleep either.
            return Ok(());
        };
        // Our copy may lack what was written a moment ago, and then a wish to take it back would seem to be met.
        let name = known.name_any();
        let current = self.tenants.get_opt(&name).await.map_err(told)?;
        let Some(patch) = current
            .filter(|current| current.metadata.uid == known.metadata.uid)
            .and_then(|current| next_due_patch(&current, due))
        else {
            return Ok(());
        };
        let params = PatchParams {
            field_manager: Some(MANAGER.to_owned()),
            ..PatchParams::default()
        };
        let patch = Patch::Merge(patch);
        let writing = self.tenants.patch_metadata(&name, &params, &patch);
        absent_is_fine(writing.await).map_err(told)
    }

    fn resources(&self) -> Option<&dyn Resources> {
        Some(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(spec: &Value, annotations: &Value) -> Tenant {
        serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant",
            "metadata": {"name": "acme", "uid": "u", "annotations": annotations},
            "spec": spec,
        }))
        .unwrap()
    }

    #[test]
    fn when_a_tenant_is_due_is_written_only_where_it_sleeps_and_when_it_differs() {
        let sleeps = json!({"slug": "acme", "scaleToZero": {}});
        let awake = json!({"slug": "acme"});
        let due = DateTime::from_timestamp(1_767_323_045, 999);
        let said = json!({names::ANNOTATION_NEXT_DUE: "2026-01-02T03:04:05Z"});
        let patch = |spec: &Value, annotations: &Value, due| {
            next_due_patch(&tenant(spec, annotations), due)
        };
        assert_eq!(
            patch(&sleeps, &json!({}), due),
            Some(json!({"metadata": {"uid": "u", "annotations": said}}))
        );
        assert_eq!(patch(&sleeps, &said, due), None);
        assert_eq!(patch(&awake, &json!({}), due), None);
        assert_eq!(patch(&sleeps, &json!({}), None), None);
        let nothing = Some(
            json!({"metadata": {"uid": "u", "annotations": {names::ANNOTATION_NEXT_DUE: null}}}),
        );
        assert_eq!(patch(&sleeps, &said, None), nothing);
        assert_eq!(patch(&awake, &said, due), nothing);
    }
}
