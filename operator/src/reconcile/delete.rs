//! The end of a tenant: first what runs, then, if its policy says so and its grace is over, its data.

use chrono::{DateTime, TimeDelta, Utc};
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, ResourceExt as _};
use tenant_crd::condition::from_kubernetes;
use tenant_crd::names;
use tenant_crd::v1::Tenant;

use super::apply::{delete as delete_object, find};
use super::export::{self, FinalExport};
use super::status::{Facts, Transition};
use super::validate::{drop_after, tenant_id};
use super::{
    Action, Context, NAMESPACE_LOOK, ReconcileError, UNKNOWN_CLUSTER, is_ours,
    older_with_the_same_id, set_finalizers, write,
};
use crate::lane::Lane;

/// What is to be done with the data of a tenant whose resource is being deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum DataStep {
    /// Lock it and leave it.
    Keep,
    /// Lock it and wait until then.
    Wait(DateTime<Utc>),
    /// Drop it.
    Drop,
}

/// Pure: what the policy, the grace and the clock say.
pub(super) fn data_step(
    grace: Option<TimeDelta>,
    deleted_at: DateTime<Utc>,
    now: DateTime<Utc>,
) -> DataStep {
    match grace {
        None => DataStep::Keep,
        Some(grace) => {
            let due = deleted_at
                .checked_add_signed(grace)
                .unwrap_or(DateTime::<Utc>::MAX_UTC);
            if now < due {
                DataStep::Wait(due)
            } else {
                DataStep::Drop
            }
        }
    }
}

pub(super) async fn delete(tenant: &Tenant, ctx: &Context) -> Result<Action, ReconcileError> {
    if !tenant
        .finalizers()
        .iter()
        .any(|name| name == names::FINALIZER)
    {
        // Nothing of ours is left, or never was.
        return Ok(Action::await_change());
    }
    if let Some(action) = end_namespace(tenant, ctx).await? {
        return Ok(action);
    }
    if let Some(action) = end_data(tenant, ctx).await? {
        return Ok(action);
    }
    // The end of the data may have been reported: then this is not the version any more that we were given.
    let Some(fresh) = write::find_fresh(ctx, tenant).await? else {
        return Ok(Action::await_change());
    };
    let others: Vec<String> = fresh
        .finalizers()
        .iter()
        .filter(|name| *name != names::FINALIZER)
        .cloned()
        .collect();
    set_finalizers(&fresh, ctx, &others).await?;
    ctx.memory.forget(&tenant.uid().unwrap_or_default());
    tracing::info!(tenant.slug = %tenant.spec.slug, "the tenant is gone");
    Ok(Action::await_change())
}

/// Deletes the namespace and waits until it is gone, pods included.
async fn end_namespace(tenant: &Tenant, ctx: &Context) -> Result<Option<Action>, ReconcileError> {
    let name = format!("{}{}", names::NAMESPACE_PREFIX, tenant.spec.slug);
    let namespaces = Api::<Namespace>::all(ctx.client.clone());
    let ours = find(&namespaces, "Namespace", &name)
        .await?
        .filter(|namespace| is_ours(tenant, namespace));
    let Some(namespace) = ours else {
        return Ok(None);
    };
    if namespace.metadata.deletion_timestamp.is_none() {
        delete_object(ctx, &namespaces, "Namespace", &name).await?;
    }
    let message = format!("the namespace {name} is being deleted");
    let facts = Facts::Deleting {
        message,
        stalled: None,
    };
    write::report(ctx, tenant, &facts).await?;
    Ok(Some(Action::requeue(NAMESPACE_LOOK)))
}

/// Locks or drops the data; answers when to look again if it is not time yet.
async fn end_data(tenant: &Tenant, ctx: &Context) -> Result<Option<Action>, ReconcileError> {
    // Without an id nothing was ever made; another's data is not ours to touch.
    let (Ok(id), None) = (tenant_id(tenant), older_with_the_same_id(tenant, ctx)) else {
        return Ok(None);
    };
    let cluster = &tenant.spec.database.cluster;
    let had_data = tenant
        .status
        .as_ref()
        .is_some_and(|status| status.schema_version.is_some());
    let store = match ctx.stores.get(cluster) {
        Some(store) => store,
        None if had_data => {
            return Err(ReconcileError::Step {
                reason: UNKNOWN_CLUSTER,
                message: format!(
                    "the tenant's data lies in the cluster {cluster}, which the operator is not configured with any more"
                ),
            });
        }
        None => return Ok(None),
    };
    let now = ctx.clock.now();
    let deleted_at = tenant
        .metadata
        .deletion_timestamp
        .as_ref()
        .map_or(now, from_kubernetes);
    // Nobody waits for it, and it is long.
    let _permit = ctx.database_permits.enter(Lane::Background).await;
    ctx.leadership.check()?;
    match data_step(drop_after(tenant), deleted_at, now) {
        DataStep::Keep => {
            store.lock(id).await?;
            let kept = Transition {
                is_warning: false,
                reason: "DataRetained".to_owned(),
                note: format!(
                    "schema and roles stay, locked; a Tenant with spec.id {id} takes them up again"
                ),
            };
            write::publish(ctx, tenant, &kept).await;
            Ok(None)
        }
        DataStep::Wait(due) => {
            store.lock(id).await?;
            // Nothing changes any more: the final export is there for all of the grace.
            if !export::is_made(tenant)
                && let FinalExport::Pending(action) =
                    export::last_of_all(ctx, tenant, id, store).await?
            {
                return Ok(Some(action));
            }
            let message = format!(
                "its data is dropped at {}; set spec.deletionPolicy to Retain to keep it",
                due.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
            );
            let facts = Facts::Deleting {
                message,
                stalled: None,
            };
            write::report(ctx, tenant, &facts).await?;
            let until = (due - now).to_std().unwrap_or_default();
            Ok(Some(Action::requeue(until)))
        }
        DataStep::Drop => {
            let note = match export::last_of_all(ctx, tenant, id, store).await? {
                FinalExport::Settled { note } => note,
                FinalExport::Pending(action) => return Ok(Some(action)),
            };
            store.remove(id).await?;
            let dropped = Transition {
                is_warning: false,
                reason: "DataDropped".to_owned(),
                note: format!("schema and roles are gone; {note}"),
            };
            write::publish(ctx, tenant, &dropped).await;
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_goes_only_with_the_policy_and_after_the_grace() {
        let deleted: DateTime<Utc> = "2026-01-02T00:00:00Z".parse().unwrap();
        let hour = TimeDelta::hours(1);
        let due = deleted + hour;
        assert_eq!(
            data_step(None, deleted, deleted + hour * 9999),
            DataStep::Keep
        );
        assert_eq!(data_step(Some(hour), deleted, deleted), DataStep::Wait(due));
        assert_eq!(data_step(Some(hour), deleted, due), DataStep::Drop);
        assert_eq!(
            data_step(Some(TimeDelta::zero()), deleted, deleted),
            DataStep::Drop
        );
        // A clock that is behind drops nothing early.
        assert_eq!(
            data_step(Some(hour), deleted, deleted - hour),
            DataStep::Wait(due)
        );
        assert_eq!(
            data_step(Some(TimeDelta::MAX), deleted, due),
            DataStep::Wait(DateTime::<Utc>::MAX_UTC)
        );
    }
}
