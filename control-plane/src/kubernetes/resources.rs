//! Tenants that were made with `kubectl` or by a `GitOps` tool: what the control plane sees in them, and what it may write.
//!
//! It writes with a field manager of its own, never by force: what another manager has set stays as that one wants it.

use async_trait::async_trait;
use domain::id::TenantId;
use domain::name::TenantSlug;
use domain::plan::Plan;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::core::Status;
use serde_json::{Value, json};
use tenant_crd::names;
use tenant_crd::v1::{DeletionPolicy, Tenant};

use super::desired::{ANNOTATION_GENERATION, annotations};
use super::provisioner::{KubeProvisioner, absent_is_fine, told};
use super::release::release;
use super::tenants::tenant_id;
use crate::provision::{
    AdoptionReport, Maker, ModuleReport, ProvisionError, Release, Resource, ResourceWish,
    Resources, WishKind, WishMode,
};

/// Field manager of the control plane on Tenants that others have made.
pub const ADOPTION_MANAGER: &str = "gotrs-control-plane-adoption";
/// On a Tenant that others have made: the generation of the control plane's wishes that it has.
pub const ANNOTATION_ADOPTED: &str = "gotrs.io/adopted-generation";

/// What the control plane sees in a Tenant; `None` while the operator has not accepted it.
pub fn resource(tenant: &Tenant) -> Option<Resource> {
    let annotation = |name: &str| {
        let annotations = tenant.metadata.annotations.as_ref()?;
        annotations.get(name).cloned()
    };
    let spec = &tenant.spec;
    Some(Resource {
        tenant: tenant_id(tenant)?,
        uid: tenant.metadata.uid.as_deref()?.parse().ok()?,
        maker: match annotation(ANNOTATION_GENERATION) {
            Some(_) => Maker::ControlPlane,
            None => Maker::Other,
        },
        generation: annotation(ANNOTATION_ADOPTED)
            .and_then(|text| text.parse().ok())
            .unwrap_or_default(),
        slug: spec.slug.parse().ok()?,
        organization: spec
            .display_name
            .clone()
            .unwrap_or_else(|| spec.slug.clone()),
        plan: Plan::from(spec.plan),
        hosts: spec.hosts.clone(),
        is_suspended: spec.suspended,
        administrator: spec
            .administrator
            .as_ref()
            .map(|administrator| administrator.email.clone()),
        account: annotation(names::ANNOTATION_ACCOUNT),
        is_leaving: tenant.metadata.deletion_timestamp.is_some(),
        keeps_data: spec.deletion_policy == DeletionPolicy::Retain,
    })
}

/// What is applied for a wish: only what is the control plane's. Leaving out `suspended` gives it back.
pub fn patch(wish: &ResourceWish) -> Value {
    let mut patch = json!({
        "apiVersion": "gotrs.io/v1",
        "kind": "Tenant",
        "metadata": {
            "name": wish.slug.as_str(),
            // Of no other resource of this name, and none is made.
            "uid": wish.uid.to_string(),
            "annotations": annotations(ANNOTATION_ADOPTED, wish.generation, wish.trace_parent.as_deref()),
        },
    });
    if let (WishKind::Suspended, Some(object)) = (wish.kind, patch.as_object_mut()) {
        object.insert("spec".to_owned(), json!({"suspended": true}));
    }
    patch
}

/// Whose fields a wish ran into, if that is why it was refused.
fn conflict(status: &Status) -> Option<String> {
    let causes = &status.details.as_ref()?.causes;
    let found: Vec<String> = causes
        .iter()
        .filter(|cause| cause.reason == "FieldManagerConflict")
        .map(|cause| {
            let field = cause.field.trim_start_matches('.');
            format!("{field}: {}", cause.message)
        })
        .collect();
    (!found.is_empty()).then(|| {
        format!(
            "It is kept by somebody else in the cluster ({}); change it there.",
            found.join("; ")
        )
    })
}

#[async_trait]
impl Resources for KubeProvisioner {
    fn ids(&self) -> Vec<TenantId> {
        let tenants = self.known.all();
        tenants.iter().filter_map(tenant_id).collect()
    }

    fn find(&self, tenant: TenantId) -> Option<Resource> {
        self.known.find(tenant).as_ref().and_then(resource)
    }

    async fn get(&self, slug: &TenantSlug) -> Result<Option<Resource>, ProvisionError> {
        let found = self.tenants.get_opt(slug.as_str()).await.map_err(told)?;
        Ok(found.as_ref().and_then(resource))
    }

    async fn wish(&self, wish: &ResourceWish, mode: WishMode) -> Result<(), ProvisionError> {
        let name = wish.slug.as_str();
        if wish.kind == WishKind::Absent {
            let params = DeleteParams {
                preconditions: Some(Preconditions {
                    uid: Some(wish.uid.to_string()),
                    resource_version: None,
                }),
                dry_run: mode == WishMode::Ask,
                ..DeleteParams::default()
            };
            return match self.tenants.delete(name, &params).await {
                // Another one by now.
                Err(kube::Error::Api(status)) if status.is_conflict() => Ok(()),
                outcome => absent_is_fine(outcome).map_err(told),
            };
        }
        let params = PatchParams {
            dry_run: mode == WishMode::Ask,
            ..PatchParams::apply(ADOPTION_MANAGER)
        };
        let patching = self
            .tenants
            .patch(name, &params, &Patch::Apply(patch(wish)))
            .await;
        match patching {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) => Err(match conflict(&status) {
                Some(conflict) => ProvisionError::Conflict(conflict),
                None => told(kube::Error::Api(status)),
            }),
            Err(error) => Err(told(error)),
        }
    }

    fn release(&self, tenant: TenantId, slug: &TenantSlug) -> Option<Release> {
        // By its name, which is found at once: lists ask for each of their tenants.
        let named = self.known.named(slug.as_str())?;
        (tenant_id(&named) == Some(tenant)).then(|| release(&named))
    }

    fn report_modules(&self, tenant: TenantId, report: ModuleReport) {
        self.reporter.modules(tenant, report);
    }

    fn report_adoption(&self, tenant: TenantId, report: AdoptionReport) {
        self.reporter.adoption(tenant, report);
    }
}

#[cfg(test)]
mod tests;
