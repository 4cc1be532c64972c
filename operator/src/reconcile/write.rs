//! Writing what was found: the status where it differs, and an Event for what changed.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use k8s_openapi::api::core::v1::ObjectReference;
use kube::Api;
use kube::Resource as _;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use serde_json::json;
use tenant_crd::names;
use tenant_crd::v1::{ExportStatus, Tenant, TenantStatus};

use super::apply::{ApplyError, find};
use super::status::{self, Facts, Transition};
use super::{Context, ReconcileError};

const KIND: &str = "Tenant";

/// Writes the operator's part of the status if it differs from what lies in the cluster, and tells what changed.
pub(super) async fn report(
    ctx: &Context,
    tenant: &Tenant,
    facts: &Facts<'_>,
) -> Result<(), ReconcileError> {
    let now = ctx.clock.now();
    let generation = tenant.metadata.generation;
    let none = TenantStatus::default();
    let known = tenant.status.as_ref().unwrap_or(&none);
    let known_part = status::own_part(known);
    if status::next(known, facts, generation, now) == known_part
        && !is_old(ctx, tenant, &known_part)
    {
        return Ok(());
    }
    // What the watch last told may be older than what we wrote last: times and Events come from what is there now.
    let Some(fresh) = find_fresh(ctx, tenant).await? else {
        return Ok(());
    };
    let current = fresh.status.as_ref().unwrap_or(&none);
    let next = status::next(current, facts, generation, now);
    if next == status::own_part(current) {
        keep(ctx, tenant, &next);
        return Ok(());
    }
    apply_status(ctx, tenant, &next).await?;
    for transition in status::transitions(current, &next) {
        publish(ctx, tenant, &transition).await;
    }
    Ok(())
}

/// Writes how far an export is, beside what else is in the operator's part of the status; answers whether that is new.
pub(super) async fn report_export(
    ctx: &Context,
    tenant: &Tenant,
    export: ExportStatus,
) -> Result<bool, ReconcileError> {
    let known = tenant.status.as_ref();
    let known_part = known.map(status::own_part).unwrap_or_default();
    if known_part.last_export.as_ref() == Some(&export) && !is_old(ctx, tenant, &known_part) {
        return Ok(false);
    }
    let Some(fresh) = find_fresh(ctx, tenant).await? else {
        return Ok(false);
    };
    let mut next = status::own_part(&fresh.status.unwrap_or_default());
    if next.last_export.as_ref() == Some(&export) {
        keep(ctx, tenant, &next);
        return Ok(false);
    }
    next.last_export = Some(export);
    apply_status(ctx, tenant, &next).await?;
    Ok(true)
}

/// Whether the watch may be behind what we wrote: then that all is as it should be in what it told says nothing.
fn is_old(ctx: &Context, tenant: &Tenant, known: &TenantStatus) -> bool {
    let uid = tenant.metadata.uid.as_deref().unwrap_or_default();
    ctx.memory.is_old_status(uid, digest(known))
}

/// What our part of the status is now.
fn keep(ctx: &Context, tenant: &Tenant, part: &TenantStatus) {
    let uid = tenant.metadata.uid.as_deref().unwrap_or_default();
    ctx.memory.keep_status(uid, digest(part));
}

fn digest(part: &TenantStatus) -> u64 {
    let mut hasher = DefaultHasher::new();
    // Text, numbers and lists: that cannot fail. Two that could not be written would be taken for the same.
    let text = serde_json::to_string(part).unwrap_or_default();
    text.hash(&mut hasher);
    hasher.finish()
}

/// The Tenant as it is now, unless it is another one.
pub(super) async fn find_fresh(
    ctx: &Context,
    tenant: &Tenant,
) -> Result<Option<Tenant>, ReconcileError> {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let api = Api::<Tenant>::all(ctx.client.clone());
    Ok(find(&api, KIND, name)
        .await?
        .filter(|fresh| fresh.metadata.uid == tenant.metadata.uid))
}

async fn apply_status(
    ctx: &Context,
    tenant: &Tenant,
    next: &TenantStatus,
) -> Result<(), ReconcileError> {
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    ctx.leadership.check()?;
    let patch = json!({
        "apiVersion": Tenant::api_version(&()),
        "kind": Tenant::kind(&()),
        "metadata": {"name": name, "uid": tenant.metadata.uid},
        "status": next,
    });
    let written = Api::<Tenant>::all(ctx.client.clone())
        .patch_status(
            name,
            &PatchParams::apply(names::OPERATOR_STATUS_MANAGER).force(),
            &Patch::Apply(patch),
        )
        .await
        .map_err(|source| ApplyError::Call {
            doing: "reporting on",
            kind: KIND,
            name: name.to_owned(),
            source: Box::new(source),
        })?;
    metrics::counter!("operator_status_writes_total").increment(1);
    keep(
        ctx,
        tenant,
        &status::own_part(&written.status.unwrap_or_default()),
    );
    Ok(())
}

/// An Event on a Tenant.
pub(super) async fn publish(ctx: &Context, tenant: &Tenant, transition: &Transition) {
    publish_on(ctx, &tenant.object_ref(&()), transition).await;
}

/// An Event is for people: nothing fails for want of one.
pub(crate) async fn publish_on(ctx: &Context, on: &ObjectReference, transition: &Transition) {
    let (kind, name) = (
        on.kind.as_deref().unwrap_or_default(),
        on.name.as_deref().unwrap_or_default(),
    );
    tracing::info!(
        kind,
        name,
        reason = transition.reason,
        warning = transition.is_warning,
        "{}",
        transition.note
    );
    let event = Event {
        type_: if transition.is_warning {
            EventType::Warning
        } else {
            EventType::Normal
        },
        reason: transition.reason.clone(),
        note: Some(shorten(&transition.note)),
        action: "Reconcile".to_owned(),
        secondary: None,
    };
    if let Err(error) = ctx.events.publish(&event, on).await {
        tracing::warn!(%error, kind, name, "an Event could not be written");
    }
}

/// The API server takes notes of at most 1024 bytes.
fn shorten(note: &str) -> String {
    const MAX_BYTES: usize = 1000;
    note.char_indices()
        .take_while(|(start, letter)| start + letter.len_utf8() <= MAX_BYTES)
        .map(|(_, letter)| letter)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::shorten;

    #[test]
    fn a_note_is_cut_between_letters() {
        assert_eq!(shorten("short"), "short");
        assert_eq!(shorten(&"é".repeat(600)).len(), 1000);
        assert_eq!(shorten(&"€".repeat(600)).len(), 999);
    }
}
