//! Tenants: what is wanted of them and who may touch them. What is observed of them is in `tenant_status`.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, TenantId};
use domain::name::TenantSlug;
use domain::plan::Plan;
use domain::tenant::TenantPhase;
use service_kit::{request_id, telemetry};
use sqlx::PgConnection;
use uuid::Uuid;

use super::{DbError, DbResult};
use crate::status::Intent;

/// A tenant's row.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Who pays.
    pub account: AccountId,
    /// Its part of its host.
    pub slug: TenantSlug,
    /// Whose helpdesk it is.
    pub organization: String,
    /// Decides limits.
    pub plan: Plan,
    /// Which cluster holds it.
    pub cell: String,
    /// What is wanted.
    pub intent: Intent,
    /// Why it is suspended, if somebody suspended it.
    pub suspended_reason: Option<String>,
    /// Grows with every change of what is wanted.
    pub generation: i64,
    /// Set while it waits out its grace period, and after it.
    pub deletion: Option<Deletion>,
    /// Where it is in its life.
    pub phase: TenantPhase,
    /// The generation that steps and conditions speak about.
    pub observed_generation: i64,
    /// Runtimes that answer.
    pub ready_replicas: i32,
    /// When it served for the first time.
    pub activated_at: Option<DateTime<Utc>>,
    /// When it was signed up.
    pub created_at: DateTime<Utc>,
    /// When its row changed last.
    pub updated_at: DateTime<Utc>,
    /// Hosts beside the one that follows from its slug.
    pub hosts: Vec<String>,
    /// Trace of the request that changed last what is wanted; whoever makes it true continues that.
    pub trace_parent: Option<String>,
    /// The resource that it was adopted from; `None` for a tenant that signed up.
    pub resource: Option<ResourceRow>,
}

impl Tenant {
    /// Whether it is only kept for a resource that may come again.
    pub fn is_retained(&self) -> bool {
        let row = self.resource.as_ref();
        row.is_some_and(|row| row.retained_at.is_some())
    }
}

/// What the row of an adopted tenant knows of its resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceRow {
    /// Which resource.
    pub uid: Uuid,
    /// Address of the first administrator in lower case: the account that proves it owns the tenant.
    pub administrator_key: Option<String>,
    /// Whether the data outlives the resource.
    pub keeps_data: bool,
    /// The resource is on its way out.
    pub is_leaving: bool,
    /// Since when the resource is gone and its data kept.
    pub retained_at: Option<DateTime<Utc>>,
}

/// The end of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Deletion {
    /// When its owner asked for it.
    pub requested_at: DateTime<Utc>,
    /// Until when it can be brought back.
    pub delete_after: DateTime<Utc>,
}

/// What a new tenant is made of.
#[derive(Debug)]
pub struct NewTenant<'a> {
    /// Its id.
    pub id: TenantId,
    /// Who signed up.
    pub account: AccountId,
    /// Its part of its host.
    pub slug: &'a TenantSlug,
    /// Whose helpdesk it is.
    pub organization: &'a str,
    /// Decides limits.
    pub plan: Plan,
    /// Where it is placed.
    pub cell: &'a str,
}

/// What its owner, the platform or time wants of a tenant now.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Whether it should run.
    pub intent: Intent,
    /// Why not, if somebody suspended it.
    pub suspended_reason: Option<&'a str>,
    /// Whether it is on its way out.
    pub deletion: Option<Deletion>,
}

struct Row {
    id: Uuid,
    account_id: Uuid,
    slug: String,
    organization: String,
    plan: String,
    cell: String,
    desired_state: String,
    suspended_reason: Option<String>,
    generation: i64,
    deletion_requested_at: Option<DateTime<Utc>>,
    delete_after: Option<DateTime<Utc>>,
    phase: String,
    observed_generation: i64,
    ready_replicas: i32,
    activated_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    hosts: Vec<String>,
    resource_uid: Option<Uuid>,
    administrator_key: Option<String>,
    keeps_data: bool,
    leaving: bool,
    retained_at: Option<DateTime<Utc>>,
    trace_parent: Option<String>,
}

impl TryFrom<Row> for Tenant {
    type Error = DbError;

    fn try_from(row: Row) -> Result<Self, DbError> {
        let wrong = |column| DbError::inconsistent("tenant", column, row.id);
        Ok(Self {
            slug: row.slug.parse().map_err(wrong("slug"))?,
            plan: row
                .plan
                .parse()
                .map_err(|error: domain::plan::ParsePlanError| {
                    DbError::inconsistent("tenant", "plan", row.id)(error)
                })?,
            intent: row.desired_state.parse().map_err(
                |error: crate::status::ParseIntentError| {
                    DbError::inconsistent("tenant", "desired_state", row.id)(error)
                },
            )?,
            phase: row
                .phase
                .parse()
                .map_err(|error: domain::tenant::ParsePhaseError| {
                    DbError::inconsistent("tenant", "phase", row.id)(error)
                })?,
            deletion: row.deletion_requested_at.zip(row.delete_after).map(
                |(requested_at, delete_after)| Deletion {
                    requested_at,
                    delete_after,
                },
            ),
            id: TenantId::from_uuid(row.id),
            account: AccountId::from_uuid(row.account_id),
            organization: row.organization,
            cell: row.cell,
            suspended_reason: row.suspended_reason,
            generation: row.generation,
            observed_generation: row.observed_generation,
            ready_replicas: row.ready_replicas,
            activated_at: row.activated_at,
            created_at: row.created_at,
            updated_at: row.updated_at,
            hosts: row.hosts,
            trace_parent: row.trace_parent,
            resource: row.resource_uid.map(|uid| ResourceRow {
                uid,
                administrator_key: row.administrator_key,
                keeps_data: row.keeps_data,
                is_leaving: row.leaving,
                retained_at: row.retained_at,
            }),
        })
    }
}

/// The constraint that a second tenant of the same slug runs into.
pub const SLUG_TAKEN: &str = "tenant_slug_key";

/// Inserts a tenant of which nothing is wanted until its owner's address is proven, and its owner's membership.
pub async fn insert(
    db: &mut PgConnection,
    tenant: &NewTenant<'_>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO tenant (id, account_id, slug, organization, plan, cell, desired_state, generation,
             phase, observed_generation, ready_replicas, created_at, updated_at)
         VALUES ($1, $2, $3, $4, $5, $6, 'None', 1, 'Pending', 0, 0, $7, $7)",
        tenant.id.as_uuid(),
        tenant.account.as_uuid(),
        tenant.slug.as_str(),
        tenant.organization,
        tenant.plan.as_str(),
        tenant.cell,
        now,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "INSERT INTO tenant_member (tenant_id, account_id, role, created_at) VALUES ($1, $2, 'owner', $3)",
        tenant.id.as_uuid(),
        tenant.account.as_uuid(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// One tenant, whoever owns it; for jobs and runtimes.
pub async fn find(db: &mut PgConnection, id: TenantId) -> DbResult<Option<Tenant>> {
    sqlx::query_as!(
        Row,
        "SELECT id, account_id, slug, organization, plan, cell, desired_state, suspended_reason, generation,
             deletion_requested_at, delete_after, phase, observed_generation, ready_replicas, activated_at,
             created_at, updated_at, hosts, resource_uid, administrator_key, keeps_data, leaving, retained_at, trace_parent
         FROM tenant WHERE id = $1",
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?
    .map(Tenant::try_from)
    .transpose()
}

/// One tenant, locked until the transaction ends.
pub async fn lock(db: &mut PgConnection, id: TenantId) -> DbResult<Option<Tenant>> {
    sqlx::query_as!(
        Row,
        "SELECT id, account_id, slug, organization, plan, cell, desired_state, suspended_reason, generation,
             deletion_requested_at, delete_after, phase, observed_generation, ready_replicas, activated_at,
             created_at, updated_at, hosts, resource_uid, administrator_key, keeps_data, leaving, retained_at, trace_parent
         FROM tenant WHERE id = $1 FOR UPDATE",
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?
    .map(Tenant::try_from)
    .transpose()
}

/// The tenant of this slug if the account is a member of it.
pub async fn find_for_member(
    db: &mut PgConnection,
    account: AccountId,
    slug: &TenantSlug,
) -> DbResult<Option<Tenant>> {
    sqlx::query_as!(
        Row,
        "SELECT t.id, t.account_id, slug, organization, plan, cell, desired_state, suspended_reason, generation,
             deletion_requested_at, delete_after, phase, observed_generation, ready_replicas, activated_at,
             t.created_at, t.updated_at, hosts, resource_uid, administrator_key, keeps_data, leaving, retained_at, trace_parent
         FROM tenant t JOIN tenant_member m ON m.tenant_id = t.id
         WHERE t.slug = $2 AND m.account_id = $1 AND t.retained_at IS NULL",
        account.as_uuid(),
        slug.as_str(),
    )
    .fetch_optional(db)
    .await?
    .map(Tenant::try_from)
    .transpose()
}

/// The account's tenants after `after`, oldest first.
pub async fn list_for_member(
    db: &mut PgConnection,
    account: AccountId,
    after: Uuid,
    limit: i64,
) -> DbResult<Vec<Tenant>> {
    sqlx::query_as!(
        Row,
        "SELECT t.id, t.account_id, slug, organization, plan, cell, desired_state, suspended_reason, generation,
             deletion_requested_at, delete_after, phase, observed_generation, ready_replicas, activated_at,
             t.created_at, t.updated_at, hosts, resource_uid, administrator_key, keeps_data, leaving, retained_at, trace_parent
         FROM tenant t JOIN tenant_member m ON m.tenant_id = t.id
         WHERE m.account_id = $1 AND t.id > $2 AND t.retained_at IS NULL ORDER BY t.id LIMIT $3",
        account.as_uuid(),
        after,
        limit,
    )
    .fetch_all(db)
    .await?
    .into_iter()
    .map(Tenant::try_from)
    .collect()
}

/// The tenants that the reconcile job looks after.
pub async fn list_wanted(db: &mut PgConnection) -> DbResult<Vec<TenantId>> {
    let ids =
        sqlx::query_scalar!("SELECT id FROM tenant WHERE desired_state <> 'None' ORDER BY id")
            .fetch_all(db)
            .await?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}

/// Those of them on which something is still to be done, or whose grace period is over.
pub async fn list_unsettled(db: &mut PgConnection, now: DateTime<Utc>) -> DbResult<Vec<TenantId>> {
    let ids = sqlx::query_scalar!(
        "SELECT id FROM tenant
         WHERE (desired_state <> 'None' AND observed_generation < generation)
            OR (desired_state <> 'Absent' AND delete_after <= $1)
            OR desired_state = 'Absent'
            OR (desired_state = 'Running' AND EXISTS (
                SELECT 1 FROM tenant_condition c
                WHERE c.tenant_id = tenant.id AND c.status <> 'True' AND c.reason <> ALL($2)
            ))
         ORDER BY id",
        now,
        &crate::status::SETTLED_REASONS.map(str::to_owned),
    )
    .fetch_all(db)
    .await?;
    Ok(ids.into_iter().map(TenantId::from_uuid).collect())
}

/// Changes what is wanted, which is a new generation, and wakes the reconcile job.
pub async fn set_wanted(
    db: &mut PgConnection,
    id: TenantId,
    wanted: &Wanted<'_>,
    phase: TenantPhase,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE tenant SET desired_state = $2, suspended_reason = $3, deletion_requested_at = $4, delete_after = $5,
             phase = $6, generation = generation + 1, updated_at = $7, trace_parent = $8
         WHERE id = $1",
        id.as_uuid(),
        wanted.intent.as_str(),
        wanted.suspended_reason,
        wanted.deletion.map(|deletion| deletion.requested_at),
        wanted.deletion.map(|deletion| deletion.delete_after),
        phase.as_str(),
        now,
        trace_of_request(),
    )
    .execute(&mut *db)
    .await?;
    notify_changed(db, id).await
}

/// The trace of the request that is being answered: what a job decides by itself begins its own.
fn trace_of_request() -> Option<String> {
    request_id::current().and_then(|_id| telemetry::trace_parent())
}

/// Gives a tenant to another account: the one that its owner had already.
pub async fn set_owner(db: &mut PgConnection, id: TenantId, account: AccountId) -> DbResult<()> {
    sqlx::query!(
        "UPDATE tenant SET account_id = $2 WHERE id = $1",
        id.as_uuid(),
        account.as_uuid()
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "UPDATE tenant_member SET account_id = $2 WHERE tenant_id = $1 AND role = 'owner'",
        id.as_uuid(),
        account.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes a tenant of which nothing is left elsewhere.
pub async fn delete(db: &mut PgConnection, id: TenantId) -> DbResult<()> {
    sqlx::query!("DELETE FROM tenant WHERE id = $1", id.as_uuid())
        .execute(&mut *db)
        .await?;
    notify_changed(db, id).await
}

/// Tells all replicas, when the transaction commits, that something about a tenant changed.
pub async fn notify_changed(db: &mut PgConnection, id: TenantId) -> DbResult<()> {
    sqlx::query!(
        "SELECT pg_notify($1, $2)",
        super::TENANT_CHANGED,
        id.to_string()
    )
    .execute(db)
    .await?;
    Ok(())
}
