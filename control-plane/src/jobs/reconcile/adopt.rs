//! Tenants that others have made as resources: taken into the control plane, brought in line with their resource at each look,
//! and ended when it is gone.
//!
//! The resource is the truth about such a tenant. What the control plane wants of it are wishes (its owner suspends it or has it
//! deleted), and a wish that is somebody else's to decide is given up and said.

use std::time::Duration;

use domain::id::{AccountId, TenantId};
use tokio::time::timeout;

use super::schedule::Outcome;
use super::tenant::{CALL_TIMEOUT, ReconcileError, bury};
use crate::app::AppState;
use crate::db::account::{self, PLATFORM as NOBODY};
use crate::db::adoption;
use crate::db::tenant::{self, ResourceRow, SLUG_TAKEN, Tenant, Wanted};
use crate::db::{DbError, DbResult};
use crate::provision::{
    AdoptionReport, Maker, ProvisionError, Resource, ResourceWish, Resources, WishKind, WishMode,
};
use crate::service::audit::{self, Deed, PLATFORM};
use crate::status::{self, Intent, Subject};

/// A slug that somebody else has is looked at again after this; nobody tells when it is free.
const SLUG_PERIOD: Duration = Duration::from_secs(30);
/// What is in the way is gone by then.
const AT_ONCE: Duration = Duration::from_millis(50);

/// The id of a tenant that has no row, or only one whose resource was gone: adopts it if somebody has made it.
pub(super) async fn consider(state: &AppState, id: TenantId) -> Result<Outcome, ReconcileError> {
    let Some(resources) = state.provisioner.resources() else {
        return Ok(Outcome::Gone);
    };
    let Some(known) = resources.find(id).filter(|known| !known.is_leaving) else {
        return Ok(Outcome::Gone);
    };
    // What was told last may be about a resource that is gone by now, and a row for it would never be right.
    let fresh = get(resources, &known)
        .await?
        .filter(|fresh| fresh.tenant == id && !fresh.is_leaving);
    let Some(resource) = fresh else {
        return Ok(Outcome::Gone);
    };
    if resource.maker == Maker::ControlPlane {
        resources.report_adoption(id, row_missing());
        return Ok(Outcome::Gone);
    }
    match insert(state, &resource).await {
        Ok(()) => {
            tracing::info!(tenant.id = %id, tenant.slug = %resource.slug, "adopted a tenant that somebody else has made");
            Ok(Outcome::Again(AT_ONCE))
        }
        Err(error) if error.constraint() == Some(SLUG_TAKEN) => {
            slug_taken(state, resources, &resource).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn get(
    resources: &dyn Resources,
    known: &Resource,
) -> Result<Option<Resource>, ReconcileError> {
    timeout(CALL_TIMEOUT, resources.get(&known.slug))
        .await
        .map_err(|_elapsed| ReconcileError::ProvisionerSilent)?
        .map_err(ReconcileError::Provisioner)
}

fn row_missing() -> AdoptionReport {
    AdoptionReport::RowMissing(
        "the control plane has made it and its database does not know it any more: restore the database, or remove \
         the annotation gotrs.io/desired-generation to have it adopted as it is"
            .to_owned(),
    )
}

async fn insert(state: &AppState, resource: &Resource) -> DbResult<()> {
    let now = state.clock.now();
    let mut tx = state.pool.begin().await?;
    adoption::adopt(&mut tx, resource, &state.settings.cell, now).await?;
    let account = tenant::find(&mut tx, resource.tenant)
        .await?
        .map_or(NOBODY, |tenant| tenant.account);
    let deed = Deed {
        account,
        tenant: Some(resource.tenant),
        actor: PLATFORM,
        action: "tenant.adopt",
        detail: serde_json::json!({"slug": resource.slug, "plan": resource.plan}),
    };
    audit::record(&mut tx, deed, now).await?;
    tx.commit().await?;
    Ok(())
}

/// Two resources cannot have one name, so another adopted tenant that has this slug has lost its resource; any other keeps it.
async fn slug_taken(
    state: &AppState,
    resources: &dyn Resources,
    resource: &Resource,
) -> Result<Outcome, ReconcileError> {
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    let holder = match adoption::find_by_slug(&mut db, &resource.slug).await? {
        Some(holder) => tenant::find(&mut db, holder).await?,
        None => None,
    };
    drop(db);
    if let Some(holder) = holder {
        end(state, &holder).await?;
        return Ok(Outcome::Again(AT_ONCE));
    }
    let message = format!(
        "another tenant of the control plane has the slug {0}: make this one under another name, or wait until {0} is free there",
        resource.slug
    );
    tracing::warn!(tenant.id = %resource.tenant, tenant.slug = %resource.slug, "a tenant cannot be adopted: its slug is taken");
    resources.report_adoption(resource.tenant, AdoptionReport::SlugTaken(message));
    Ok(Outcome::Again(SLUG_PERIOD))
}

/// Brings the row of an adopted tenant in line with its resource and tells the resource whose it is; `None` when it has ended.
pub(super) async fn follow(
    state: &AppState,
    tenant: &Tenant,
) -> Result<Option<Tenant>, ReconcileError> {
    let Some(resources) = state.provisioner.resources() else {
        // Another kind of platform than the one that adopted it: nothing can be said about it.
        return Ok(Some(tenant.clone()));
    };
    let known = resources
        .find(tenant.id)
        .filter(|known| known.slug == tenant.slug);
    let resource = match known {
        Some(known) => known,
        // That it is gone for good is not said on the word of a copy.
        None => {
            let asked = timeout(CALL_TIMEOUT, resources.get(&tenant.slug))
                .await
                .map_err(|_elapsed| ReconcileError::ProvisionerSilent)?
                .map_err(ReconcileError::Provisioner)?;
            match asked.filter(|found| found.tenant == tenant.id) {
                Some(found) => found,
                None => {
                    end(state, tenant).await?;
                    return Ok(None);
                }
            }
        }
    };
    let row = tenant.resource.as_ref();
    if row.is_some_and(|row| row.uid != resource.uid) {
        // Made again under the same id: a new life with the old data.
        begin_again(state, tenant, &resource).await?;
    }
    if let Some(unfit) = difference(tenant, &resource) {
        write(state, tenant.id, &resource, unfit).await?;
    }
    let report = claim(state, tenant, &resource).await?;
    resources.report_adoption(tenant.id, report);
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    Ok(tenant::find(&mut db, tenant.id).await?)
}

async fn begin_again(
    state: &AppState,
    tenant: &Tenant,
    resource: &Resource,
) -> Result<(), ReconcileError> {
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    adoption::retain(&mut tx, tenant.id, now).await?;
    adoption::adopt(&mut tx, resource, &tenant.cell, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    tracing::info!(tenant.id = %tenant.id, tenant.slug = %tenant.slug, "the resource of an adopted tenant was made again");
    Ok(())
}

/// In what a row differs from its resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Difference {
    /// In what it says about the tenant.
    Fields,
    /// In whether it serves.
    Intent,
}

/// What is to be written, if anything is: pure.
///
/// Whether it serves is believed only of a resource that has the newest wish: before that the row is ahead.
pub(super) fn difference(tenant: &Tenant, resource: &Resource) -> Option<Difference> {
    let row = tenant.resource.as_ref()?;
    let is_current = resource.generation >= tenant.generation;
    let serves = match tenant.intent {
        Intent::Running => Some(true),
        Intent::Suspended if tenant.deletion.is_none() => Some(false),
        // Its owner has had it deleted; whether it serves until then is its maker's business.
        Intent::Suspended | Intent::Absent | Intent::None => None,
    };
    if is_current && serves == Some(resource.is_suspended) {
        return Some(Difference::Intent);
    }
    let expected = ResourceRow {
        uid: resource.uid,
        administrator_key: adoption::administrator_key(resource),
        keeps_data: resource.keeps_data,
        is_leaving: resource.is_leaving,
        retained_at: row.retained_at,
    };
    let same = *row == expected
        && tenant.organization == resource.organization
        && tenant.plan == resource.plan
        && tenant.hosts == resource.hosts;
    (!same).then_some(Difference::Fields)
}

async fn write(
    state: &AppState,
    id: TenantId,
    resource: &Resource,
    unfit: Difference,
) -> Result<(), ReconcileError> {
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let Some(row) = tenant::lock(&mut tx, id).await? else {
        return Ok(());
    };
    adoption::set_from_resource(&mut tx, resource, now).await?;
    // Again under the lock: its owner may have changed something.
    if unfit == Difference::Intent && difference(&row, resource) == Some(Difference::Intent) {
        let (intent, suspended_reason) = adoption::intent_of(resource);
        let wanted = Wanted {
            intent,
            suspended_reason,
            deletion: None,
        };
        let subject = Subject {
            intent,
            is_being_deleted: resource.is_leaving,
            was_active: row.activated_at.is_some(),
            generation: row.generation + 1,
        };
        tenant::set_wanted(&mut tx, id, &wanted, status::phase(subject, false), now).await?;
        let action = if resource.is_suspended {
            "tenant.suspended_in_resource"
        } else {
            "tenant.resumed_in_resource"
        };
        record(&mut tx, &row, action, now).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

async fn record(
    tx: &mut sqlx::PgConnection,
    tenant: &Tenant,
    action: &str,
    now: chrono::DateTime<chrono::Utc>,
) -> DbResult<()> {
    let deed = Deed {
        account: tenant.account,
        tenant: Some(tenant.id),
        actor: PLATFORM,
        action,
        detail: serde_json::json!({"slug": tenant.slug}),
    };
    audit::record(tx, deed, now).await
}

/// Gives the tenant to the account that its resource names, else to that of its administrator's proven address.
async fn claim(
    state: &AppState,
    tenant: &Tenant,
    resource: &Resource,
) -> Result<AdoptionReport, ReconcileError> {
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    let heir = match (&resource.account, adoption::administrator_key(resource)) {
        (Some(name), _) => match find_account(&mut db, name).await? {
            Some(heir) => heir,
            None => {
                return Ok(AdoptionReport::AccountUnknown(format!(
                    "gotrs.io/account is {name:?}, and no account has this id or has proven this address; it is looked for again every few minutes"
                )));
            }
        },
        (None, _) if tenant.account != NOBODY => tenant.account,
        (None, Some(key)) => match account::find_verified(&mut db, &key).await? {
            Some(heir) => heir,
            None => {
                return Ok(AdoptionReport::Unclaimed(
                    "it belongs to whoever signs up with the address of spec.administrator.email; or name an account in the annotation gotrs.io/account"
                        .to_owned(),
                ));
            }
        },
        (None, None) => {
            return Ok(AdoptionReport::Unclaimed(
                "name an account (id or address) in the annotation gotrs.io/account".to_owned(),
            ));
        }
    };
    drop(db);
    if heir != tenant.account {
        let now = state.clock.now();
        let mut tx = state.pool.begin().await.map_err(DbError::from)?;
        adoption::claim(&mut tx, tenant.id, heir, now).await?;
        let mut claimed = tenant.clone();
        claimed.account = heir;
        record(&mut tx, &claimed, "tenant.claim", now).await?;
        tx.commit().await.map_err(DbError::from)?;
        tracing::info!(tenant.id = %tenant.id, tenant.slug = %tenant.slug, account.id = %heir, "an adopted tenant was claimed");
    }
    Ok(AdoptionReport::Claimed(heir))
}

/// The account of this id, or whose proven address this is.
async fn find_account(db: &mut sqlx::PgConnection, name: &str) -> DbResult<Option<AccountId>> {
    match name.parse::<AccountId>() {
        Ok(id) => Ok(account::find(db, id)
            .await?
            .filter(|account| account.verified_at.is_some())
            .map(|account| account.id)),
        Err(_address) => account::find_verified(db, &name.trim().to_lowercase()).await,
    }
}

/// Tells the resource what is wanted of it. A wish that is not the control plane's to have is given up, and everybody is told.
pub(super) async fn wish(state: &AppState, tenant: &Tenant) -> Result<(), ReconcileError> {
    let (Some(resources), Some(row)) = (state.provisioner.resources(), &tenant.resource) else {
        return Ok(());
    };
    let wish = ResourceWish {
        tenant: tenant.id,
        slug: tenant.slug.clone(),
        uid: row.uid,
        generation: tenant.generation,
        kind: kind_of(tenant),
        trace_parent: tenant.trace_parent.clone(),
    };
    match tell(resources, &wish).await {
        Err(ReconcileError::Provisioner(ProvisionError::Conflict(conflict))) => {
            tracing::warn!(tenant.id = %tenant.id, tenant.slug = %tenant.slug, conflict, "an adopted tenant is not as its owner wants it");
            resources.report_adoption(tenant.id, AdoptionReport::Conflict(conflict));
            if tenant.deletion.is_none() {
                return give_up(state, tenant).await;
            }
            // It is deleted after its grace period all the same, and serves until then.
            let nothing = ResourceWish {
                kind: WishKind::None,
                ..wish
            };
            tell(resources, &nothing).await
        }
        outcome => outcome,
    }
}

/// What the control plane wants beyond what the resource says by itself: pure.
pub(super) fn kind_of(tenant: &Tenant) -> WishKind {
    match tenant.intent {
        Intent::Absent => WishKind::Absent,
        Intent::Suspended
            if tenant.suspended_reason.as_deref() != Some(adoption::SUSPENDED_IN_RESOURCE)
                || tenant.deletion.is_some() =>
        {
            WishKind::Suspended
        }
        Intent::Suspended | Intent::Running | Intent::None => WishKind::None,
    }
}

async fn tell(resources: &dyn Resources, wish: &ResourceWish) -> Result<(), ReconcileError> {
    timeout(CALL_TIMEOUT, resources.wish(wish, WishMode::Write))
        .await
        .map_err(|_elapsed| ReconcileError::ProvisionerSilent)?
        .map_err(ReconcileError::Provisioner)
}

/// The tenant serves on: that is what its row says from now on.
async fn give_up(state: &AppState, tenant: &Tenant) -> Result<(), ReconcileError> {
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let row = tenant::lock(&mut tx, tenant.id).await?;
    // Wanted otherwise meanwhile: the next look tries that.
    let Some(row) = row.filter(|row| row.generation == tenant.generation) else {
        return Ok(());
    };
    let wanted = Wanted {
        intent: Intent::Running,
        suspended_reason: None,
        deletion: None,
    };
    let subject = Subject {
        intent: wanted.intent,
        is_being_deleted: false,
        was_active: row.activated_at.is_some(),
        generation: row.generation + 1,
    };
    tenant::set_wanted(&mut tx, row.id, &wanted, status::phase(subject, false), now).await?;
    record(&mut tx, &row, "tenant.wish_refused", now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// The resource is gone: the row stays where the data does, for a resource of the same id, and goes with it otherwise.
async fn end(state: &AppState, tenant: &Tenant) -> Result<(), ReconcileError> {
    let keeps_data = tenant.resource.as_ref().is_some_and(|row| row.keeps_data);
    if !keeps_data {
        return bury(state, tenant).await;
    }
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    adoption::retain(&mut tx, tenant.id, now).await?;
    record(&mut tx, tenant, "tenant.retained", now).await?;
    tx.commit().await.map_err(DbError::from)?;
    tracing::info!(tenant.id = %tenant.id, tenant.slug = %tenant.slug, "the resource of an adopted tenant is gone, its data is kept");
    Ok(())
}
