//! Tenants: the list, one with its state, its progress while it is being made, and its life.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::tenant::{
    Condition, ConditionStatus, ProvisionStep, StepState, StepStatus, TenantPhase,
};
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::Form;
use service_kit::pages::{Page, RequestContext};
use uuid::Uuid;

use super::exports::{self, ExportRow, ExportsCard};
use crate::app::AppState;
use crate::http::api::page::{Page as Slice, PageRequest};
use crate::http::extract::{Authorized, ReadTenants, TenantAccess, WriteTenants};
use crate::service::tenants::{self, SUSPENDED_BY_OWNER, TenantView, Wish};

#[derive(Debug, Serialize)]
pub(super) struct TenantsPage {
    pub(super) tenants: Vec<TenantView>,
    pub(super) next: Option<Uuid>,
    /// Archives of tenants that are gone.
    pub(super) left_behind: Vec<ExportRow>,
}

impl Page for TenantsPage {
    const TEMPLATE: &'static str = "pages/tenants.html";
}

#[derive(Debug, Serialize)]
pub(super) struct TenantPage {
    pub(super) tenant: TenantView,
    pub(super) conditions: Vec<ConditionRow>,
    pub(super) exports: ExportsCard,
}

impl Page for TenantPage {
    const TEMPLATE: &'static str = "pages/tenant.html";
}

#[derive(Debug, Serialize)]
pub(super) struct ConditionRow {
    label: &'static str,
    tone: &'static str,
    icon: &'static str,
    word: &'static str,
    #[serde(flatten)]
    condition: Condition,
}

#[derive(Debug, Serialize)]
pub(super) struct SettingsPage {
    pub(super) tenant: TenantView,
    pub(super) grace_days: u64,
    pub(super) by_owner: bool,
    /// Which confirmation was not typed right.
    pub(super) wrong: Option<&'static str>,
}

impl Page for SettingsPage {
    const TEMPLATE: &'static str = "pages/tenant_settings.html";
}

#[derive(Debug, Serialize)]
pub(super) struct ProgressPage {
    pub(super) tenant: TenantView,
    pub(super) steps: Vec<StepRow>,
    /// It serves.
    pub(super) is_ready: bool,
    /// What went wrong last, and what happens next.
    pub(super) failure: Option<String>,
}

impl Page for ProgressPage {
    const TEMPLATE: &'static str = "pages/progress.html";
}

#[derive(Debug, Serialize)]
pub(super) struct StepRow {
    title: &'static str,
    state: &'static str,
    note: Option<String>,
    time: Option<String>,
}

/// `GET /tenants`
pub(super) async fn list(
    State(state): State<AppState>,
    access: Authorized<ReadTenants>,
    wanted: PageRequest,
    request: RequestContext,
) -> Result<Response, Problem> {
    let account = access.caller.account;
    let views = tenants::list(&state, account, wanted.cursor, wanted.fetch()).await?;
    let Slice { items, next } = wanted.page(views, |view| view.id.as_uuid());
    // On the first page only, as it is no part of what is turned over.
    let left_behind = match wanted.cursor {
        None => exports::left_behind(&state, &access.caller).await?,
        Some(_) => Vec::new(),
    };
    let page = TenantsPage {
        tenants: items,
        next,
        left_behind,
    };
    Ok(state.pages.render(&page, &request))
}

/// `GET /tenants/{slug}`
pub(super) async fn show(
    State(state): State<AppState>,
    access: TenantAccess<ReadTenants>,
    request: RequestContext,
) -> Result<Response, Problem> {
    let tenant = tenants::show(&state, access.tenant).await?;
    let exports = ExportsCard::of(&state, &tenant).await?;
    let page = TenantPage::new(tenant, exports);
    Ok(state.pages.render(&page, &request))
}

/// `GET /tenants/{slug}/progress`: also the fragment that is asked for after each change.
pub(super) async fn progress(
    State(state): State<AppState>,
    access: TenantAccess<ReadTenants>,
    request: RequestContext,
) -> Result<Response, Problem> {
    let tenant = tenants::show(&state, access.tenant).await?;
    Ok(state.pages.render(&ProgressPage::new(tenant), &request))
}

/// `GET /tenants/{slug}/settings`
pub(super) async fn settings(
    State(state): State<AppState>,
    access: TenantAccess<ReadTenants>,
    request: RequestContext,
) -> Result<Response, Problem> {
    let tenant = tenants::show(&state, access.tenant).await?;
    let page = SettingsPage::new(&state, tenant, None);
    Ok(state.pages.render(&page, &request))
}

#[derive(Debug, Deserialize)]
pub(super) struct Confirmation {
    #[serde(default)]
    confirm: String,
}

/// `POST /tenants/{slug}/suspend`
pub(super) async fn suspend(
    state: State<AppState>,
    access: TenantAccess<WriteTenants>,
    request: RequestContext,
    Form(form): Form<Confirmation>,
) -> Result<Response, Problem> {
    confirmed(state, access, &request, &form, Wish::Suspend).await
}

/// `POST /tenants/{slug}/delete`
pub(super) async fn delete(
    state: State<AppState>,
    access: TenantAccess<WriteTenants>,
    request: RequestContext,
    Form(form): Form<Confirmation>,
) -> Result<Response, Problem> {
    confirmed(state, access, &request, &form, Wish::Delete).await
}

/// `POST /tenants/{slug}/resume`
pub(super) async fn resume(
    state: State<AppState>,
    access: TenantAccess<WriteTenants>,
) -> Result<Response, Problem> {
    change(state, access, Wish::Resume).await
}

/// `POST /tenants/{slug}/undelete`
pub(super) async fn undelete(
    state: State<AppState>,
    access: TenantAccess<WriteTenants>,
) -> Result<Response, Problem> {
    change(state, access, Wish::Undelete).await
}

async fn confirmed(
    State(state): State<AppState>,
    access: TenantAccess<WriteTenants>,
    request: &RequestContext,
    form: &Confirmation,
    wish: Wish,
) -> Result<Response, Problem> {
    if form.confirm.trim() == access.tenant.slug.as_str() {
        return change(State(state), access, wish).await;
    }
    let wrong = match wish {
        Wish::Delete => "delete",
        Wish::Suspend | Wish::Resume | Wish::Undelete => "suspend",
    };
    let tenant = tenants::show(&state, access.tenant).await?;
    let page = SettingsPage::new(&state, tenant, Some(wrong));
    let status = http::StatusCode::UNPROCESSABLE_ENTITY;
    Ok((status, state.pages.render(&page, request)).into_response())
}

async fn change(
    State(state): State<AppState>,
    access: TenantAccess<WriteTenants>,
    wish: Wish,
) -> Result<Response, Problem> {
    let tenant = tenants::change(&state, &access.caller, access.tenant.id, wish).await?;
    Ok(Redirect::to(&format!("/tenants/{}", tenant.slug)).into_response())
}

impl TenantPage {
    pub(super) fn new(tenant: TenantView, exports: ExportsCard) -> Self {
        let conditions = tenant.conditions.iter().cloned().map(condition).collect();
        Self {
            tenant,
            conditions,
            exports,
        }
    }
}

impl SettingsPage {
    pub(super) fn new(state: &AppState, tenant: TenantView, wrong: Option<&'static str>) -> Self {
        Self {
            by_owner: tenant
                .suspended_reason
                .as_deref()
                .is_none_or(|reason| reason == SUSPENDED_BY_OWNER),
            grace_days: state.settings.deletion_grace.as_secs() / 86_400,
            tenant,
            wrong,
        }
    }
}

impl ProgressPage {
    pub(super) fn new(tenant: TenantView) -> Self {
        let steps: Vec<StepRow> = ProvisionStep::ALL
            .into_iter()
            .map(|step| {
                let known = tenant.steps.iter().find(|status| status.step == step);
                step_row(step, known)
            })
            .collect();
        let failure = steps
            .iter()
            .find(|step| step.state == "failed")
            .map(|step| {
                format!(
                    "{}: {}",
                    step.title,
                    step.note.as_deref().unwrap_or_default()
                )
            });
        Self {
            is_ready: tenant.phase == TenantPhase::Active,
            failure,
            steps,
            tenant,
        }
    }
}

fn step_row(step: ProvisionStep, known: Option<&StepStatus>) -> StepRow {
    let (title, meaning) = match step {
        ProvisionStep::Schema => ("Schema", "A part of the database of your own."),
        ProvisionStep::Roles => ("Roles", "Accounts that can reach nothing else."),
        ProvisionStep::Migrations => ("Migrations", "Tables and default rows."),
        ProvisionStep::Administrator => ("Administrator", "You, with the same password."),
        ProvisionStep::Server => ("Server", "Your helpdesk starts."),
        ProvisionStep::Route => ("Route", "Your address leads to it."),
    };
    let state = known.map_or(&StepState::Waiting, |status| &status.state);
    let (word, note, time) = match state {
        StepState::Waiting => ("waiting", meaning.to_owned(), None),
        StepState::Running => ("running", meaning.to_owned(), None),
        StepState::Done { at } => ("done", meaning.to_owned(), Some(at.to_rfc3339())),
        StepState::Failed { message, at, .. } => ("failed", message.clone(), Some(at.to_rfc3339())),
    };
    StepRow {
        title,
        state: word,
        note: Some(note),
        time,
    }
}

fn condition(condition: Condition) -> ConditionRow {
    use domain::tenant::ConditionType as Kind;
    let label = match condition.kind {
        Kind::DatabaseReady => "Database",
        Kind::SchemaMigrated => "Tables",
        Kind::RuntimeAvailable => "Server",
        Kind::ModulesLoaded => "Modules",
        Kind::Routed => "Address",
        Kind::Ready => "All together",
    };
    let (tone, icon, word) = match condition.status {
        ConditionStatus::True => ("positive", "circle-check", "Ready"),
        ConditionStatus::False => ("critical", "circle-x", "Not ready"),
        ConditionStatus::Unknown => ("", "circle-help", "Not known yet"),
    };
    ConditionRow {
        label,
        tone,
        icon,
        word,
        condition,
    }
}
