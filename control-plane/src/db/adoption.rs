//! Rows of tenants that were made as resources: inserted, brought in line with the resource, claimed, and ended.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, TenantId};
use domain::name::TenantSlug;
use sqlx::PgConnection;

use super::DbResult;
use super::account::PLATFORM;
use super::tenant::notify_changed;
use crate::provision::Resource;
use crate::status::Intent;

/// Why a tenant is suspended whose resource says so.
pub const SUSPENDED_IN_RESOURCE: &str = "resource";

/// What a resource says about whether its tenant serves.
pub fn intent_of(resource: &Resource) -> (Intent, Option<&'static str>) {
    if resource.is_suspended {
        (Intent::Suspended, Some(SUSPENDED_IN_RESOURCE))
    } else {
        (Intent::Running, None)
    }
}

/// Inserts the row of a tenant that was found, owned by nobody; or takes up the row whose data a former resource of this id has
/// left, with its owner and modules.
pub async fn adopt(
    db: &mut PgConnection,
    resource: &Resource,
    cell: &str,
    now: DateTime<Utc>,
) -> DbResult<()> {
    let (intent, reason) = intent_of(resource);
    sqlx::query!(
        "INSERT INTO tenant (id, account_id, slug, organization, plan, cell, desired_state, suspended_reason, generation,
             phase, observed_generation, ready_replicas, created_at, updated_at,
             origin, hosts, resource_uid, administrator_key, keeps_data)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 1, 'Provisioning', 0, 0, $9, $9, 'resource', $10, $11, $12, $13)
         ON CONFLICT (id) DO UPDATE SET slug = EXCLUDED.slug, organization = EXCLUDED.organization, plan = EXCLUDED.plan,
             cell = EXCLUDED.cell, desired_state = EXCLUDED.desired_state, suspended_reason = EXCLUDED.suspended_reason,
             generation = tenant.generation + 1, phase = EXCLUDED.phase, updated_at = EXCLUDED.updated_at,
             deletion_requested_at = NULL, delete_after = NULL,
             hosts = EXCLUDED.hosts, resource_uid = EXCLUDED.resource_uid, administrator_key = EXCLUDED.administrator_key,
             keeps_data = EXCLUDED.keeps_data, leaving = false, retained_at = NULL
             WHERE tenant.retained_at IS NOT NULL",
        resource.tenant.as_uuid(),
        PLATFORM.as_uuid(),
        resource.slug.as_str(),
        resource.organization,
        resource.plan.as_str(),
        cell,
        intent.as_str(),
        reason,
        now,
        &resource.hosts,
        resource.uid,
        administrator_key(resource),
        resource.keeps_data,
    )
    .execute(&mut *db)
    .await?;
    notify_changed(db, resource.tenant).await
}

/// Address of the first administrator as accounts' addresses are compared.
pub fn administrator_key(resource: &Resource) -> Option<String> {
    resource.administrator.as_deref().map(str::to_lowercase)
}

/// Writes what a resource says about itself into the row of its tenant.
pub async fn set_from_resource(
    db: &mut PgConnection,
    resource: &Resource,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE tenant SET organization = $2, plan = $3, hosts = $4, resource_uid = $5, administrator_key = $6,
             keeps_data = $7, leaving = $8, updated_at = $9
         WHERE id = $1",
        resource.tenant.as_uuid(),
        resource.organization,
        resource.plan.as_str(),
        &resource.hosts,
        resource.uid,
        administrator_key(resource),
        resource.keeps_data,
        resource.is_leaving,
        now,
    )
    .execute(&mut *db)
    .await?;
    notify_changed(db, resource.tenant).await
}

/// Gives an adopted tenant to an account, which becomes its only owner.
pub async fn claim(
    db: &mut PgConnection,
    tenant: TenantId,
    account: AccountId,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE tenant SET account_id = $2, updated_at = $3 WHERE id = $1",
        tenant.as_uuid(),
        account.as_uuid(),
        now,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "DELETE FROM tenant_member WHERE tenant_id = $1 AND role = 'owner' AND account_id <> $2",
        tenant.as_uuid(),
        account.as_uuid(),
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "INSERT INTO tenant_member (tenant_id, account_id, role, created_at) VALUES ($1, $2, 'owner', $3)
         ON CONFLICT (tenant_id, account_id) DO UPDATE SET role = 'owner'",
        tenant.as_uuid(),
        account.as_uuid(),
        now,
    )
    .execute(&mut *db)
    .await?;
    notify_changed(db, tenant).await
}

/// Tenants that nobody has claimed and whose first administrator has this address.
pub async fn list_unclaimed(db: &mut PgConnection, email_key: &str) -> DbResult<Vec<TenantId>> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM tenant
         WHERE account_id = $1 AND administrator_key = $2 AND retained_at IS NULL ORDER BY id",
        PLATFORM.as_uuid(),
        email_key,
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}

/// The adopted tenant that has this slug, if it is not a signup that has it.
pub async fn find_by_slug(db: &mut PgConnection, slug: &TenantSlug) -> DbResult<Option<TenantId>> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM tenant WHERE slug = $1 AND retained_at IS NULL AND origin = 'resource'",
        slug.as_str(),
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(TenantId::from_uuid))
}

/// Notes that the resource is gone and its data is kept. The row stays for a resource of the same id; its address is free.
pub async fn retain(db: &mut PgConnection, tenant: TenantId, now: DateTime<Utc>) -> DbResult<()> {
    sqlx::query!(
        "UPDATE tenant SET retained_at = $2, desired_state = 'None', suspended_reason = NULL, deletion_requested_at = NULL,
             delete_after = NULL, phase = 'Deleting', ready_replicas = 0, generation = generation + 1, updated_at = $2
         WHERE id = $1",
        tenant.as_uuid(),
        now,
    )
    .execute(&mut *db)
    .await?;
    // Nobody runs and nothing is routed: what was said is not true any more.
    sqlx::query!(
        "DELETE FROM tenant_condition WHERE tenant_id = $1",
        tenant.as_uuid()
    )
    .execute(&mut *db)
    .await?;
    notify_changed(db, tenant).await
}

/// Gives every unclaimed tenant of this address's administrator to the account that has just proven it.
pub async fn claim_all(
    db: &mut PgConnection,
    email_key: &str,
    account: AccountId,
    now: DateTime<Utc>,
) -> DbResult<Vec<TenantId>> {
    let tenants = list_unclaimed(db, email_key).await?;
    for tenant in &tenants {
        claim(db, *tenant, account, now).await?;
    }
    Ok(tenants)
}
