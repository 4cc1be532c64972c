//! Tenants as their owners see them, and what owners want of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::id::{AccountId, TenantId};
use domain::name::TenantSlug;
use domain::plan::Plan;
use domain::tenant::{Condition, StepStatus, TenantPhase};
use futures_util::Stream;
use http::StatusCode;
use serde::Serialize;
use service_kit::Problem;
use sqlx::PgConnection;
use tokio::sync::broadcast::error::RecvError;
use uuid::Uuid;

use crate::app::AppState;
use crate::db::adoption::SUSPENDED_IN_RESOURCE;
use crate::db::tenant::{self, Deletion, Tenant, Wanted};
use crate::db::{DbError, DbResult, export, tenant_status};
use crate::http::extract::Caller;
use crate::provision::{ProvisionError, Release, ResourceWish, WishKind, WishMode};
use crate::service::audit::{self, Deed};
use crate::service::exports::ExportView;
use crate::service::modules::live::{self, ModuleGenerations};
use crate::status::{self, Intent, Subject};

/// Why a tenant whose owner suspended it is suspended.
pub const SUSPENDED_BY_OWNER: &str = "owner";

/// A tenant as the API and the pages show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TenantView {
    /// Its id.
    pub id: TenantId,
    /// Its part of its host.
    pub slug: TenantSlug,
    /// Whose helpdesk it is.
    pub organization: String,
    /// Where it is in its life.
    pub phase: TenantPhase,
    /// Its plan.
    pub plan: Plan,
    /// Where it is served.
    pub url: String,
    /// Every host of it.
    pub hosts: Vec<String>,
    /// Who decides what it is.
    pub managed_by: ManagedBy,
    /// Grows with every change of what is wanted.
    pub generation: i64,
    /// The generation that steps and conditions speak about.
    pub observed_generation: i64,
    /// Runtimes that answer.
    pub ready_replicas: i32,
    /// Why it is suspended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub suspended_reason: Option<String>,
    /// Until when a deletion can be undone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delete_after: Option<DateTime<Utc>>,
    /// When it was signed up.
    pub created_at: DateTime<Utc>,
    /// When it served for the first time.
    pub activated_at: Option<DateTime<Utc>>,
    /// How far its provisioning is.
    pub steps: Vec<StepStatus>,
    /// What is observed, `Ready` last.
    pub conditions: Vec<Condition>,
    /// How far its modules are.
    pub modules: ModuleGenerations,
    /// Its newest export.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_export: Option<ExportView>,
    /// The version of its server, where those that run tenants have different ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runtime: Option<Release>,
}

/// Who decides plan, hosts and the like of a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ManagedBy {
    /// Its owner, here.
    Console,
    /// Whoever keeps its resource in the cluster (`kubectl`, a `GitOps` tool).
    Resource,
}

/// Why a tenant's life cannot go on as somebody wants.
#[derive(Debug, thiserror::Error)]
pub enum LifecycleError {
    /// Not in this phase.
    #[error("the tenant cannot do this in its phase")]
    WrongPhase {
        /// What was asked for, such as `be resumed`.
        wish: &'static str,
        /// Where it is.
        phase: TenantPhase,
    },
    /// The grace period is over.
    #[error("the grace period is over")]
    GraceIsOver,
    /// Suspended by somebody whose decision it is to undo.
    #[error("the tenant was suspended by the platform")]
    SuspendedByPlatform,
    /// Its resource says otherwise, and that is not the control plane's to change.
    #[error("the tenant is kept as a resource by somebody else")]
    KeptElsewhere(String),
    /// Whether its resource may be changed cannot be found out now.
    #[error("the tenant's resource could not be asked")]
    ResourceSilent(#[source] anyhow::Error),
    /// It is gone.
    #[error("no such tenant")]
    NotFound,
    /// The database.
    #[error("the tenant could not be read or written")]
    Database(#[from] DbError),
}

impl From<LifecycleError> for Problem {
    fn from(error: LifecycleError) -> Self {
        match error {
            LifecycleError::WrongPhase { wish, phase } => Self::new(
                StatusCode::CONFLICT,
                "wrong_phase",
                "The tenant cannot do this now",
            )
            .with_detail(format!("A tenant in phase {phase} cannot {wish}.")),
            LifecycleError::GraceIsOver => Self::new(
                StatusCode::GONE,
                "grace_is_over",
                "The tenant cannot be brought back",
            )
            .with_detail("Its grace period is over and its data is being removed."),
            LifecycleError::SuspendedByPlatform => Self::forbidden(
                "This tenant was suspended by the platform. Its page in the console says what to do.",
            ),
            LifecycleError::KeptElsewhere(detail) => Self::new(
                StatusCode::CONFLICT,
                "kept_elsewhere",
                "The tenant is kept as a resource of the cluster",
            )
            .with_detail(detail),
            error @ LifecycleError::ResourceSilent(_) => {
                tracing::warn!(error = %service_kit::Chain(&error), "a tenant's resource cannot be asked");
                Self::unavailable("The cluster cannot be asked. Try again in a moment.")
            }
            LifecycleError::NotFound => Self::not_found("You have no tenant of this name."),
            LifecycleError::Database(error) => error.into(),
        }
    }
}

/// The tenant of this slug if the account may see it.
pub async fn find_for(
    state: &AppState,
    account: AccountId,
    slug: &TenantSlug,
) -> DbResult<Option<Tenant>> {
    let mut db = state.pool.acquire().await?;
    tenant::find_for_member(&mut db, account, slug).await
}

/// The account's tenants after `after`, oldest first.
pub async fn list(
    state: &AppState,
    account: AccountId,
    after: Option<Uuid>,
    limit: i64,
) -> DbResult<Vec<TenantView>> {
    let mut db = state.pool.acquire().await?;
    let tenants =
        tenant::list_for_member(&mut db, account, after.unwrap_or_default(), limit).await?;
    let mut views = Vec::with_capacity(tenants.len());
    for tenant in tenants {
        views.push(view(state, &mut db, tenant).await?);
    }
    Ok(views)
}

/// Everything that is known of a tenant.
pub async fn show(state: &AppState, tenant: Tenant) -> DbResult<TenantView> {
    let mut db = state.pool.acquire().await?;
    view(state, &mut db, tenant).await
}

async fn view(state: &AppState, db: &mut PgConnection, tenant: Tenant) -> DbResult<TenantView> {
    let steps = tenant_status::list_steps(db, tenant.id).await?;
    let conditions = tenant_status::list_conditions(db, tenant.id).await?;
    let modules = live::generations(db, tenant.id, state.clock.now()).await?;
    let newest = export::list_of_tenant(db, tenant.id, None, 1).await?;
    let urls = &state.settings.tenant_urls;
    let resources = state.provisioner.resources();
    Ok(TenantView {
        runtime: resources.and_then(|resources| resources.release(tenant.id, &tenant.slug)),
        url: urls.url(&tenant.slug),
        hosts: hosts(state, &tenant),
        managed_by: match tenant.resource {
            Some(_) => ManagedBy::Resource,
            None => ManagedBy::Console,
        },
        id: tenant.id,
        slug: tenant.slug,
        organization: tenant.organization,
        phase: tenant.phase,
        plan: tenant.plan,
        generation: tenant.generation,
        observed_generation: tenant.observed_generation,
        ready_replicas: tenant.ready_replicas,
        suspended_reason: tenant.suspended_reason,
        delete_after: tenant.deletion.map(|deletion| deletion.delete_after),
        created_at: tenant.created_at,
        activated_at: tenant.activated_at,
        steps,
        conditions,
        modules,
        last_export: newest.into_iter().next().map(ExportView::from),
    })
}

/// Every host of a tenant, its main one first.
pub fn hosts(state: &AppState, tenant: &Tenant) -> Vec<String> {
    let own = state.settings.tenant_urls.host(&tenant.slug);
    std::iter::once(own)
        .chain(tenant.hosts.iter().cloned())
        .collect()
}

/// What owners want.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Keep the data, stop serving.
    Suspend,
    /// Serve again.
    Resume,
    /// Delete after the grace period.
    Delete,
    /// Not after all.
    Undelete,
}

impl Wish {
    const fn action(self) -> &'static str {
        match self {
            Self::Suspend => "tenant.suspend",
            Self::Resume => "tenant.resume",
            Self::Delete => "tenant.delete",
            Self::Undelete => "tenant.undelete",
        }
    }
}

/// Does what an owner wants; wanting what already is changes nothing.
pub async fn change(
    state: &AppState,
    caller: &Caller,
    id: TenantId,
    wish: Wish,
) -> Result<Tenant, LifecycleError> {
    let now = state.clock.now();
    ask_resource(state, id, wish).await?;
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let tenant = tenant::lock(&mut tx, id)
        .await?
        .ok_or(LifecycleError::NotFound)?;
    let grace = state.settings.deletion_grace;
    let Some(wanted) = wanted_by(&tenant, wish, now, grace)? else {
        return Ok(tenant);
    };
    let subject = Subject {
        intent: wanted.intent,
        is_being_deleted: wanted.deletion.is_some(),
        was_active: tenant.activated_at.is_some(),
        generation: tenant.generation + 1,
    };
    tenant::set_wanted(&mut tx, id, &wanted, status::phase(subject, false), now).await?;
    let deed = Deed {
        account: tenant.account,
        tenant: Some(id),
        actor: &caller.actor(),
        action: wish.action(),
        detail: serde_json::json!({"slug": tenant.slug}),
    };
    audit::record(&mut tx, deed, now).await?;
    let changed = tenant::find(&mut tx, id)
        .await?
        .ok_or(LifecycleError::NotFound)?;
    tx.commit().await.map_err(DbError::from)?;
    tracing::info!(tenant.id = %id, tenant.slug = %changed.slug, action = wish.action(), "tenant changed");
    Ok(changed)
}

/// Longest wait for the other side's word on whether a resource may be changed.
const ASK_TIMEOUT: Duration = Duration::from_secs(5);

/// Whether the resource of an adopted tenant lets itself be suspended: said at once instead of found out later.
async fn ask_resource(state: &AppState, id: TenantId, wish: Wish) -> Result<(), LifecycleError> {
    let Some(resources) = state.provisioner.resources() else {
        return Ok(());
    };
    let tenant = {
        let mut db = state.pool.acquire().await.map_err(DbError::from)?;
        tenant::find(&mut db, id).await?
    };
    let Some((tenant, row)) = tenant.and_then(|tenant| Some((tenant.clone(), tenant.resource?)))
    else {
        return Ok(());
    };
    if row.is_leaving {
        return Err(LifecycleError::KeptElsewhere(
            "Its resource was deleted in the cluster. Whoever keeps it there can make it again."
                .to_owned(),
        ));
    }
    let is_suspended_there = tenant.suspended_reason.as_deref() == Some(SUSPENDED_IN_RESOURCE);
    match wish {
        Wish::Resume if is_suspended_there => Err(LifecycleError::KeptElsewhere(
            "It is suspended in its resource. Whoever keeps that in the cluster sets spec.suspended to false."
                .to_owned(),
        )),
        Wish::Suspend if tenant.intent == Intent::Running => {
            let question = ResourceWish {
                tenant: id,
                slug: tenant.slug,
                uid: row.uid,
                generation: tenant.generation + 1,
                kind: WishKind::Suspended,
                trace_parent: None,
            };
            let asking = resources.wish(&question, WishMode::Ask);
            match tokio::time::timeout(ASK_TIMEOUT, asking).await {
                Ok(Ok(())) => Ok(()),
                Ok(Err(ProvisionError::Conflict(why))) => Err(LifecycleError::KeptElsewhere(why)),
                Ok(Err(ProvisionError::Unreachable(error))) => {
                    Err(LifecycleError::ResourceSilent(error))
                }
                Err(elapsed) => Err(LifecycleError::ResourceSilent(elapsed.into())),
            }
        }
        Wish::Suspend | Wish::Resume | Wish::Delete | Wish::Undelete => Ok(()),
    }
}

/// What is wanted of a tenant after an owner's wish; `None` when that is what is wanted already.
fn wanted_by(
    tenant: &Tenant,
    wish: Wish,
    now: DateTime<Utc>,
    grace: Duration,
) -> Result<Option<Wanted<'_>>, LifecycleError> {
    let refuse = |wish| {
        Err(LifecycleError::WrongPhase {
            wish,
            phase: tenant.phase,
        })
    };
    let reason = tenant.suspended_reason.as_deref();
    match (wish, tenant.intent, tenant.deletion) {
        (Wish::Suspend, Intent::Running, None) => Ok(Some(Wanted {
            intent: Intent::Suspended,
            suspended_reason: Some(SUSPENDED_BY_OWNER),
            deletion: None,
        })),
        (Wish::Suspend, Intent::Suspended, None) => Ok(None),
        (Wish::Suspend, ..) => refuse("be suspended"),
        (Wish::Resume, Intent::Suspended, None) if reason == Some(SUSPENDED_BY_OWNER) => {
            Ok(Some(Wanted {
                intent: Intent::Running,
                suspended_reason: None,
                deletion: None,
            }))
        }
        (Wish::Resume, Intent::Suspended, None) => Err(LifecycleError::SuspendedByPlatform),
        (Wish::Resume, Intent::Running, None) => Ok(None),
        (Wish::Resume, ..) => refuse("be resumed"),
        (Wish::Delete, Intent::Running | Intent::Suspended, None) => Ok(Some(Wanted {
            intent: Intent::Suspended,
            suspended_reason: reason,
            deletion: Some(Deletion {
                requested_at: now,
                delete_after: now + grace,
            }),
        })),
        (Wish::Delete, _, Some(_)) => Ok(None),
        (Wish::Delete, ..) => refuse("be deleted"),
        (Wish::Undelete, Intent::Suspended, Some(deletion)) if now < deletion.delete_after => {
            Ok(Some(Wanted {
                intent: match reason {
                    Some(_) => Intent::Suspended,
                    None => Intent::Running,
                },
                suspended_reason: reason,
                deletion: None,
            }))
        }
        (Wish::Undelete, _, Some(_)) => Err(LifecycleError::GraceIsOver),
        (Wish::Undelete, _, None) => refuse("be brought back, since nobody deleted it"),
    }
}

/// A net under the notifications: after this time a watcher looks again by itself.
const WATCH_PERIOD: Duration = Duration::from_secs(5);

/// A tenant as it is now and whenever something about it has changed; ends when it is gone or the process stops.
/// Ask for access first.
pub fn watch_progress(
    state: &AppState,
    id: TenantId,
) -> impl Stream<Item = TenantView> + Send + use<> {
    let state = state.clone();
    // Subscribed before the first look, so that no change falls in between.
    let changes = state.tenant_changes.subscribe();
    futures_util::stream::unfold(
        (state, changes, None),
        move |(state, mut changes, last)| async move {
            let stopping = state.tasks.stopping();
            loop {
                let seen = match look(&state, id).await {
                    Ok(Some(view)) => view,
                    Ok(None) => return None,
                    Err(error) => {
                        tracing::warn!(error = %service_kit::Chain(&error), "a watched tenant could not be read");
                        return None;
                    }
                };
                if last.as_ref() != Some(&seen) {
                    return Some((seen.clone(), (state, changes, Some(seen))));
                }
                let changed = async {
                    loop {
                        match changes.recv().await {
                            Ok(changed) if changed == id => return,
                            Ok(_) => {}
                            Err(RecvError::Lagged(_)) => return,
                            // The state holds the sender.
                            Err(RecvError::Closed) => std::future::pending().await,
                        }
                    }
                };
                tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep(WATCH_PERIOD) => {}
                    () = stopping.cancelled() => return None,
                }
            }
        },
    )
}

async fn look(state: &AppState, id: TenantId) -> DbResult<Option<TenantView>> {
    let mut db = state.pool.acquire().await?;
    match tenant::find(&mut db, id).await? {
        Some(tenant) => view(state, &mut db, tenant).await.map(Some),
        None => Ok(None),
    }
}
