//! When a tenant is exported, and what is told about it.

use std::sync::Arc;
use std::time::Duration;

use blob_store::BlobKey;
use domain::id::{ExportId, TenantId};
use kube::ResourceExt as _;
use tenant_crd::condition::{self, ConditionStatus, ConditionType};
use tenant_crd::names;
use tenant_crd::v1::{ExportState, ExportStatus, Tenant};
use tenant_export::Progress;

use super::status::{Facts, Transition};
use super::{Action, Context, ReconcileError, count_error, write};
use crate::backoff;
use crate::store::{Rows, TenantStore};

/// How often an export that is under way is looked at.
pub(super) const LOOK: Duration = Duration::from_secs(5);
/// What a person sets who wants the data dropped without an export.
const SKIP: &str = "true";
/// Reason of conditions, Events and errors.
const EXPORT_FAILED: &str = "ExportFailed";

/// Whether data may be dropped as far as its last export is concerned.
#[derive(Debug)]
pub(super) enum FinalExport {
    /// It is there, or there is none to be made.
    Settled {
        /// For the Event.
        note: String,
    },
    /// Look again then.
    Pending(Action),
}

/// Brings the export that somebody asked for a step further; answers whether it is under way. Each request is tried once: how
/// it ended is in the status, and another request tries again.
pub(super) async fn requested(
    ctx: &Context,
    tenant: &Tenant,
    id: TenantId,
    store: &Arc<dyn TenantStore>,
) -> Result<bool, ReconcileError> {
    let Some(request) = tenant.annotations().get(names::ANNOTATION_EXPORT) else {
        return Ok(false);
    };
    let last = last_export(tenant);
    if last.is_some_and(|last| last.id == *request && last.state != ExportState::Running) {
        return Ok(false);
    }
    let (progress, key) = match request.parse::<ExportId>() {
        Ok(export) => {
            let key = BlobKey::export(id, export);
            ctx.leadership.check()?;
            let progress = ctx
                .exports
                .advance(&key, id, Arc::new(Rows(Arc::clone(store))));
            (progress, Some(key))
        }
        Err(_) => {
            let message = format!(
                "{} is {request:?} and must be a UUID that no export has had",
                names::ANNOTATION_EXPORT
            );
            (Progress::Failed { message }, None)
        }
    };
    let is_running = progress == Progress::Running;
    report(ctx, tenant, request, key.as_ref(), progress).await?;
    Ok(is_running)
}

/// The export that outlives the data of a tenant that is being deleted.
pub(super) async fn last_of_all(
    ctx: &Context,
    tenant: &Tenant,
    id: TenantId,
    store: &Arc<dyn TenantStore>,
) -> Result<FinalExport, ReconcileError> {
    let settled = |note: &str| FinalExport::Settled {
        note: note.to_owned(),
    };
    let skip = tenant.annotations().get(names::ANNOTATION_SKIP_EXPORT);
    if skip.map(String::as_str) == Some(SKIP) {
        return Ok(settled("without a final export, as its annotation says"));
    }
    let is_required = ctx.cluster.exports.is_required(ctx.exports.is_possible());
    if !ctx.exports.is_possible() && !is_required {
        return Ok(settled(
            "without a final export: the operator has no object store",
        ));
    }
    // One key for one deletion of one resource, whoever asks and how often.
    let uid = tenant.uid().unwrap_or_default();
    let Ok(export) = uid.parse::<ExportId>() else {
        return Err(ReconcileError::Step {
            reason: EXPORT_FAILED,
            message: format!("the uid {uid:?} of the Tenant is no UUID"),
        });
    };
    let now = ctx.clock.now();
    if let Some(rest) = ctx.memory.export_rests(&uid, now) {
        return Ok(FinalExport::Pending(Action::requeue(rest)));
    }
    let key = BlobKey::export(id, export);
    ctx.leadership.check()?;
    let progress = ctx
        .exports
        .advance(&key, id, Arc::new(Rows(Arc::clone(store))));
    if progress == Progress::Running && has_failed(tenant) {
        // Until it succeeds, what is told of the failure holds: another attempt is no news.
        return Ok(FinalExport::Pending(Action::requeue(LOOK)));
    }
    // That it is looked for again, before the data goes, is no news.
    if progress != Progress::Running || !is_made(tenant) {
        report(ctx, tenant, &uid, Some(&key), progress.clone()).await?;
    }
    match progress {
        Progress::Running => {
            deleting(ctx, tenant, "its data is being exported", None).await?;
            Ok(FinalExport::Pending(Action::requeue(LOOK)))
        }
        Progress::Done(_) => Ok(FinalExport::Settled {
            note: format!("the final export is {key}"),
        }),
        Progress::Nothing => Ok(settled("there was nothing to export")),
        Progress::Failed { message } if is_required => {
            let message = format!(
                "the final export failed ({message}), so the data stays; it is tried again by itself. To drop the data without an \
                 export: kubectl annotate tenant {} {}={SKIP}",
                tenant.name_any(),
                names::ANNOTATION_SKIP_EXPORT
            );
            deleting(ctx, tenant, &message, Some(EXPORT_FAILED)).await?;
            count_error(EXPORT_FAILED);
            // Not by the pauses of reconciles that fail: each look at an export that is being made ends well, and a dump of everything must
            // not begin anew every few seconds.
            let pause = |failures| backoff::pause(failures, rand::random());
            let pause = ctx.memory.export_failed(&uid, now, pause);
            Ok(FinalExport::Pending(Action::requeue(pause)))
        }
        Progress::Failed { message } => Ok(FinalExport::Settled {
            note: format!("without a final export, which is not required: {message}"),
        }),
    }
}

/// Whether the final export is known to be there: then the hourly look of a long grace needs no call to the object store.
pub(super) fn is_made(tenant: &Tenant) -> bool {
    last_export(tenant).is_some_and(|last| {
        Some(&last.id) == tenant.metadata.uid.as_ref() && last.state == ExportState::Done
    })
}

/// Whether the newest that is told of the final export is that it failed.
fn has_failed(tenant: &Tenant) -> bool {
    let conditions = tenant.status.as_ref().map(|status| &status.conditions);
    conditions
        .and_then(|conditions| condition::find(conditions, ConditionType::Stalled))
        .is_some_and(|stalled| {
            stalled.status == ConditionStatus::True && stalled.reason == EXPORT_FAILED
        })
}

fn last_export(tenant: &Tenant) -> Option<&ExportStatus> {
    tenant.status.as_ref()?.last_export.as_ref()
}

/// What was told of the same export before: one that is looked for again is not read to know its digest.
fn known_digest(tenant: &Tenant, id: &str) -> Option<String> {
    last_export(tenant)
        .filter(|last| last.id == id)
        .and_then(|last| last.sha256.clone())
}

async fn deleting(
    ctx: &Context,
    tenant: &Tenant,
    message: &str,
    stalled: Option<&'static str>,
) -> Result<(), ReconcileError> {
    let facts = Facts::Deleting {
        message: message.to_owned(),
        stalled,
    };
    write::report(ctx, tenant, &facts).await
}

async fn report(
    ctx: &Context,
    tenant: &Tenant,
    id: &str,
    key: Option<&BlobKey>,
    progress: Progress,
) -> Result<(), ReconcileError> {
    let (state, archive, message) = match progress {
        Progress::Running => (ExportState::Running, None, None),
        Progress::Done(archive) => (ExportState::Done, Some(archive), None),
        Progress::Nothing => (
            ExportState::Failed,
            None,
            Some("the tenant has no schema yet: there is nothing to export".to_owned()),
        ),
        Progress::Failed { message } => (ExportState::Failed, None, Some(message)),
    };
    let status = ExportStatus {
        id: id.to_owned(),
        object: key
            .filter(|_| state == ExportState::Done)
            .map(ToString::to_string),
        state,
        bytes: archive.and_then(|archive| i64::try_from(archive.bytes).ok()),
        sha256: archive
            .and_then(|archive| archive.sha256)
            .map(|digest| digest.to_string())
            .or_else(|| known_digest(tenant, id)),
        message,
    };
    let transition = match (&status.object, &status.message) {
        (Some(object), _) => Some(Transition {
            is_warning: false,
            reason: "Exported".to_owned(),
            note: format!("the export is {object}"),
        }),
        (None, Some(message)) => Some(Transition {
            is_warning: true,
            reason: EXPORT_FAILED.to_owned(),
            note: message.clone(),
        }),
        (None, None) => None,
    };
    if write::report_export(ctx, tenant, status).await?
        && let Some(transition) = transition
    {
        write::publish(ctx, tenant, &transition).await;
    }
    Ok(())
}
