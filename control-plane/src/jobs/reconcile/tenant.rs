//! One look at one tenant.

use std::time::Duration;

use blob_store::store::MAX_LISTED;
use blob_store::{BlobError, BlobKey};
use chrono::{DateTime, Utc};
use domain::diagnostic::Diagnostic;
use domain::id::TenantId;
use domain::tenant::{Condition, ConditionStatus, StepStatus, TenantPhase};
use tokio::time::timeout;

use super::schedule::Outcome;
use super::{Applied, adopt};
use crate::app::AppState;
use crate::db::tenant::{self, Tenant, Wanted};
use crate::db::tenant_status::{self, ObservedRow};
use crate::db::{self, DbError};
use crate::jobs::exports;
use crate::provision::{
    Administrator, Desired, DesiredState, ModuleReport, Observed, ProvisionError,
};
use crate::runtime_token;
use crate::service::audit::{self, Deed, PLATFORM};
use crate::service::modules::live;
use crate::service::tenants;
use crate::status::{self, Finding, Intent, ModuleProgress, Status, Subject};

/// The provisioner only records and reads, so it answers soon or not at all.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// How often a tenant is looked at while something is being made of it, if nobody tells of a change.
const POLL: Duration = Duration::from_secs(2);
/// A net under the words of a resource that is on its way out.
const LEAVING_PERIOD: Duration = Duration::from_secs(30);
/// Timers are not exact over days; a tenant that waits out its grace period is looked at this often.
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// Why a look at a tenant did not work.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The control plane's database.
    #[error("the tenant's row could not be read or written")]
    Database(#[from] DbError),
    /// The provisioner refused.
    #[error("the provisioner could not be asked")]
    Provisioner(#[source] ProvisionError),
    /// The provisioner is silent.
    #[error("the provisioner did not answer within {} seconds", CALL_TIMEOUT.as_secs())]
    ProvisionerSilent,
    /// The tenant's objects.
    #[error("the tenant's objects could not be removed")]
    RemoveObjects(#[source] BlobError),
    /// The tenant's owner is not there.
    #[error("the tenant has no account")]
    NoAccount,
}

/// Brings one tenant one step further, or finds that there is nothing to do.
pub async fn reconcile(
    state: &AppState,
    applied: &Applied,
    id: TenantId,
) -> Result<Outcome, ReconcileError> {
    let Some(tenant) = load(state, id).await? else {
        applied.set(id, None);
        return adopt::consider(state, id).await;
    };
    if tenant.resource.is_some() {
        return if tenant.is_retained() {
            applied.set(id, None);
            adopt::consider(state, id).await
        } else {
            look_after_adopted(state, applied, &tenant).await
        };
    }
    let Some(desired_state) = tenant.intent.desired_state() else {
        return Ok(Outcome::Gone);
    };
    let is_new = applied.get(id) != Some(tenant.generation);
    if is_new {
        apply(state, applied, &tenant, desired_state).await?;
    }
    let Some(observed) = observe(state, id).await? else {
        // A provisioner that was restarted has forgotten it.
        if !is_new {
            apply(state, applied, &tenant, desired_state).await?;
        }
        return Ok(Outcome::Again(POLL));
    };
    if observed.gone
        && desired_state == DesiredState::Absent
        && observed.generation >= tenant.generation
    {
        bury(state, &tenant).await?;
        applied.set(id, None);
        return Ok(Outcome::Gone);
    }
    let status = write_status(state, &tenant, &observed).await?;
    Ok(next(&tenant, &status, state.clock.now()))
}

/// The same for a tenant whose resource others have made: that is followed, and told only what it does not say by itself.
async fn look_after_adopted(
    state: &AppState,
    applied: &Applied,
    tenant: &Tenant,
) -> Result<Outcome, ReconcileError> {
    let Some(tenant) = adopt::follow(state, tenant).await? else {
        applied.set(tenant.id, None);
        return Ok(Outcome::Gone);
    };
    if applied.get(tenant.id) != Some(tenant.generation) {
        adopt::wish(state, &tenant).await?;
        applied.set(tenant.id, Some(tenant.generation));
    }
    let Some(observed) = observe(state, tenant.id).await? else {
        return Ok(Outcome::Again(POLL));
    };
    let status = write_status(state, &tenant, &observed).await?;
    let is_leaving = tenant.resource.as_ref().is_some_and(|row| row.is_leaving);
    Ok(if is_leaving || tenant.intent == Intent::Absent {
        // The resource tells when it is gone; nothing else is waited for.
        Outcome::Again(LEAVING_PERIOD)
    } else {
        next(&tenant, &status, state.clock.now())
    })
}

/// The tenant's row; one whose grace period is over is wanted absent from now on.
async fn load(state: &AppState, id: TenantId) -> Result<Option<Tenant>, ReconcileError> {
    let now = state.clock.now();
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    let Some(tenant) = tenant::find(&mut db, id).await? else {
        return Ok(None);
    };
    let is_over = |tenant: &Tenant| {
        tenant.intent != Intent::Absent
            && tenant
                .deletion
                .is_some_and(|deletion| deletion.delete_after <= now)
    };
    if !is_over(&tenant) {
        return Ok(Some(tenant));
    }
    drop(db);
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    // Again under the lock: its owner may be bringing it back right now.
    let Some(tenant) = tenant::lock(&mut tx, id).await? else {
        return Ok(None);
    };
    if !is_over(&tenant) {
        return Ok(Some(tenant));
    }
    let wanted = Wanted {
        intent: Intent::Absent,
        suspended_reason: tenant.suspended_reason.as_deref(),
        deletion: tenant.deletion,
    };
    tenant::set_wanted(&mut tx, id, &wanted, TenantPhase::Deleting, now).await?;
    let deed = Deed {
        account: tenant.account,
        tenant: Some(id),
        actor: PLATFORM,
        action: "tenant.grace_over",
        detail: serde_json::json!({"slug": tenant.slug}),
    };
    audit::record(&mut tx, deed, now).await?;
    let tenant = tenant::find(&mut tx, id).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(tenant)
}

async fn apply(
    state: &AppState,
    applied: &Applied,
    tenant: &Tenant,
    desired_state: DesiredState,
) -> Result<(), ReconcileError> {
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    let account = db::account::find(&mut db, tenant.account)
        .await?
        .ok_or(ReconcileError::NoAccount)?;
    drop(db);
    let desired = Desired {
        tenant: tenant.id,
        generation: tenant.generation,
        slug: tenant.slug.clone(),
        plan: tenant.plan,
        hosts: tenants::hosts(state, tenant),
        state: desired_state,
        administrator: Administrator {
            email: account.email,
            organization: tenant.organization.clone(),
            password_hash: account.password_hash,
        },
        runtime_token: runtime_token::issue(&state.keys, tenant.id),
        trace_parent: tenant.trace_parent.clone(),
    };
    timeout(CALL_TIMEOUT, state.provisioner.apply(&desired))
        .await
        .map_err(|_elapsed| ReconcileError::ProvisionerSilent)?
        .map_err(ReconcileError::Provisioner)?;
    applied.set(tenant.id, Some(tenant.generation));
    Ok(())
}

async fn observe(state: &AppState, id: TenantId) -> Result<Option<Observed>, ReconcileError> {
    timeout(CALL_TIMEOUT, state.provisioner.observe(id))
        .await
        .map_err(|_elapsed| ReconcileError::ProvisionerSilent)?
        .map_err(ReconcileError::Provisioner)
}

/// Removes the last of a tenant: its objects but the archives of its data, which are its account's from now on, then its row.
pub(super) async fn bury(state: &AppState, tenant: &Tenant) -> Result<(), ReconcileError> {
    remove_objects(state, tenant.id)
        .await
        .map_err(ReconcileError::RemoveObjects)?;
    let legacy = exports::find_legacy(state, tenant.id)
        .await
        .map_err(ReconcileError::RemoveObjects)?;
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    exports::leave_behind(state, &mut tx, tenant, &legacy).await?;
    let deed = Deed {
        account: tenant.account,
        tenant: Some(tenant.id),
        actor: PLATFORM,
        action: "tenant.deleted",
        detail: serde_json::json!({"slug": tenant.slug}),
    };
    audit::record(&mut tx, deed, now).await?;
    tenant::delete(&mut tx, tenant.id).await?;
    tx.commit().await.map_err(DbError::from)?;
    tracing::info!(tenant.id = %tenant.id, tenant.slug = %tenant.slug, "nothing is left of the tenant");
    Ok(())
}

async fn remove_objects(state: &AppState, id: TenantId) -> Result<(), BlobError> {
    let folder = BlobKey::tenant_folder(id);
    let mut after: Option<BlobKey> = None;
    loop {
        let page = state
            .blobs
            .list(&folder, after.as_ref(), MAX_LISTED)
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = Some(last.key.clone());
        for object in &page {
            if object.key.as_export().is_none() {
                state.blobs.delete(&object.key).await?;
            }
        }
    }
}

/// Writes what differs from what is written, and wakes whoever watches.
async fn write_status(
    state: &AppState,
    tenant: &Tenant,
    observed: &Observed,
) -> Result<Status, ReconcileError> {
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let current = tenant::lock(&mut tx, tenant.id).await?;
    // Gone meanwhile, or another replica has written a newer observation than this one.
    let Some(current) = current.filter(|row| observed.generation >= row.observed_generation) else {
        return Ok(status_of(tenant, observed, ModuleProgress::default(), &[]));
    };
    let steps = tenant_status::list_steps(&mut tx, current.id).await?;
    let conditions = tenant_status::list_conditions(&mut tx, current.id).await?;
    let generations = live::generations(&mut tx, current.id, now).await?;
    let refused = tenant_status::list_refused_modules(&mut tx, current.id).await?;
    let modules = ModuleProgress {
        desired_generation: generations.desired_generation,
        loaded_generation: generations.loaded_generation,
        refused: u64::try_from(refused.len()).unwrap_or(u64::MAX),
    };
    if let Some(resources) = state.provisioner.resources() {
        let report = ModuleReport {
            desired: modules.desired_generation,
            loaded: modules.loaded_generation,
            refused: refused.into_iter().map(in_one_line).collect(),
        };
        resources.report_modules(current.id, report);
    }
    let before: Vec<Finding> = conditions.iter().map(finding).collect();
    let status = status_of(&current, observed, modules, &before);
    let row = observed_row(&current, &status);
    let changed_steps = changed_steps(&steps, &status);
    let changed_findings = changed_findings(&conditions, &status);
    let is_same_row = row
        == ObservedRow {
            phase: current.phase,
            observed_generation: current.observed_generation,
            ready_replicas: current.ready_replicas,
        };
    if is_same_row && changed_steps.is_empty() && changed_findings.is_empty() {
        return Ok(status);
    }
    for step in changed_steps {
        tenant_status::set_step(&mut tx, current.id, step).await?;
    }
    for finding in changed_findings {
        let generation = status.observed_generation;
        tenant_status::set_condition(&mut tx, current.id, finding, generation, now).await?;
    }
    tenant_status::set_observed(&mut tx, current.id, &row, now).await?;
    tenant::notify_changed(&mut tx, current.id).await?;
    tx.commit().await.map_err(DbError::from)?;
    if row.phase != current.phase {
        tracing::info!(tenant.id = %current.id, tenant.slug = %current.slug, from = %current.phase, to = %row.phase, "phase changed");
    }
    Ok(status)
}

/// A refused module and why: its first error and where that is.
fn in_one_line((name, diagnostics): (String, Vec<Diagnostic>)) -> (String, String) {
    let first = diagnostics
        .iter()
        .find(|finding| finding.is_error())
        .or_else(|| diagnostics.first());
    let why = match first {
        Some(finding) if finding.line > 0 => format!(
            "{} (line {}, column {})",
            finding.message, finding.line, finding.column
        ),
        Some(finding) => finding.message.clone(),
        None => "the server did not say why".to_owned(),
    };
    (name, why)
}

fn subject(tenant: &Tenant) -> Subject {
    Subject {
        intent: tenant.intent,
        is_being_deleted: tenant.deletion.is_some()
            || tenant.resource.as_ref().is_some_and(|row| row.is_leaving),
        was_active: tenant.activated_at.is_some(),
        generation: tenant.generation,
    }
}

fn status_of(
    tenant: &Tenant,
    observed: &Observed,
    modules: ModuleProgress,
    before: &[Finding],
) -> Status {
    status::derive(subject(tenant), observed, modules, before)
}

fn observed_row(tenant: &Tenant, status: &Status) -> ObservedRow {
    ObservedRow {
        phase: status::phase(subject(tenant), status::is_ready(&status.findings)),
        observed_generation: status.observed_generation,
        ready_replicas: status.ready_replicas,
    }
}

fn finding(condition: &Condition) -> Finding {
    Finding {
        kind: condition.kind,
        status: condition.status,
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    }
}

fn changed_steps<'a>(before: &[StepStatus], status: &'a Status) -> Vec<&'a StepStatus> {
    status
        .steps
        .iter()
        .filter(|step| !before.contains(step))
        .collect()
}

fn changed_findings<'a>(before: &[Condition], status: &'a Status) -> Vec<&'a Finding> {
    status
        .findings
        .iter()
        .filter(|new| {
            !before.iter().any(|old| {
                finding(old) == **new && old.observed_generation == status.observed_generation
            })
        })
        .collect()
}

fn next(tenant: &Tenant, status: &Status, now: DateTime<Utc>) -> Outcome {
    let is_current = status.observed_generation >= tenant.generation;
    let is_settled = match tenant.intent {
        Intent::Running => status.findings.iter().all(|finding| {
            finding.status == ConditionStatus::True
                || status::SETTLED_REASONS.contains(&finding.reason.as_str())
        }),
        Intent::Suspended => status.ready_replicas == 0,
        Intent::None | Intent::Absent => false,
    };
    match tenant.deletion {
        _ if !is_current || !is_settled => Outcome::Again(POLL),
        Some(deletion) => {
            let left = (deletion.delete_after - now).to_std().unwrap_or_default();
            Outcome::Again(left.min(LONGEST_WAIT))
        }
        None => Outcome::Settled,
    }
}
