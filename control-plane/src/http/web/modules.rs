//! Modules of a tenant: what is live, what runtimes say about it, versions, uploads.

use std::sync::Arc;

use axum::extract::{FromRequest, Multipart, Request, State};
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::diagnostic::Diagnostic;
use domain::name::{ModuleName, TenantSlug};
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::{Form, Path};
use service_kit::pages::{Page, RequestContext};

use crate::app::AppState;
use crate::db::tenant::Tenant;
use crate::http::api::page::{Page as Slice, PageRequest};
use crate::http::extract::{ReadModules, TenantAccess, WriteModules};
use crate::service::modules::answer::VersionView;
use crate::service::modules::error::RegistryError;
use crate::service::modules::live::{self, ModuleStatus};
use crate::service::modules::upload::{self, DataLoss, Mode, Upload};
use crate::service::modules::{self, Tests, change, read};

/// Versions that the page of a module shows.
const SHOWN_VERSIONS: i64 = 50;
/// Findings of one upload that are shown; whoever has more begins at the top.
const SHOWN_FINDINGS: usize = 50;

/// What all pages of a tenant say at the top.
#[derive(Debug, Serialize)]
pub(super) struct Head {
    pub(super) slug: TenantSlug,
    pub(super) organization: String,
}

impl Head {
    fn of(tenant: &Tenant) -> Self {
        Self {
            slug: tenant.slug.clone(),
            organization: tenant.organization.clone(),
        }
    }
}

#[derive(Debug, Serialize)]
pub(super) struct ModulesPage {
    pub(super) tenant: Head,
    pub(super) modules: Vec<VersionView>,
    pub(super) next: Option<ModuleName>,
    pub(super) desired_generation: u64,
    pub(super) loaded_generation: Option<u64>,
}

impl Page for ModulesPage {
    const TEMPLATE: &'static str = "pages/modules.html";
}

#[derive(Debug, Serialize)]
pub(super) struct ModulePage {
    pub(super) tenant: Head,
    pub(super) name: ModuleName,
    /// Of the live version; absent when the module is deleted.
    pub(super) source: Option<Arc<str>>,
    pub(super) warnings: Vec<Finding>,
    pub(super) status: ModuleStatus,
    pub(super) versions: Vec<VersionView>,
    pub(super) wrong: bool,
}

impl Page for ModulePage {
    const TEMPLATE: &'static str = "pages/module.html";
}

#[derive(Debug, Serialize)]
pub(super) struct UploadPage {
    pub(super) tenant: Head,
    pub(super) source: String,
    pub(super) allow_destructive: bool,
    pub(super) findings: Vec<Finding>,
    /// A refusal that is not about one place of the file.
    pub(super) banner: Option<String>,
    /// The upload was refused only because records would lose something.
    pub(super) is_destructive: bool,
}

impl Page for UploadPage {
    const TEMPLATE: &'static str = "pages/module_upload.html";
}

/// A finding with the line that it is about.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    #[serde(flatten)]
    diagnostic: Diagnostic,
    excerpt: Option<String>,
}

impl Finding {
    pub(super) fn of(source: &str, diagnostic: Diagnostic) -> Self {
        let text = modules::render("", source, std::slice::from_ref(&diagnostic));
        // The line itself and its carets; the message is shown above them.
        let excerpt: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.trim_start().starts_with("-->"))
            .skip(2)
            .take_while(|line| line.contains(" | "))
            .collect();
        Self {
            excerpt: (!excerpt.is_empty()).then(|| excerpt.join("\n")),
            diagnostic,
        }
    }

    fn all(source: &str, diagnostics: Vec<Diagnostic>) -> Vec<Self> {
        diagnostics
            .into_iter()
            .take(SHOWN_FINDINGS)
            .map(|diagnostic| Self::of(source, diagnostic))
            .collect()
    }
}

/// The module that a path names.
#[derive(Debug, Deserialize)]
pub(super) struct ModulePath {
    #[serde(rename = "slug")]
    _slug: TenantSlug,
    name: ModuleName,
}

/// `GET /tenants/{slug}/modules`
pub(super) async fn list(
    State(state): State<AppState>,
    access: TenantAccess<ReadModules>,
    wanted: PageRequest<ModuleName>,
    request: RequestContext,
) -> Result<Response, Problem> {
    let after = wanted.cursor.as_ref();
    let found = read::list(&state, &access.tenant, after, wanted.fetch()).await?;
    let generations = live::of_tenant(&state, access.tenant.id).await?;
    let suspended = live::suspended(&state, access.tenant.id).await?;
    let views = VersionView::of_live(found, suspended);
    let Slice { items, next } = wanted.page(views, |view: &VersionView| view.name.clone());
    let page = ModulesPage {
        tenant: Head::of(&access.tenant),
        modules: items,
        next,
        desired_generation: generations.desired_generation,
        loaded_generation: generations.loaded_generation,
    };
    Ok(state.pages.render(&page, &request))
}

/// `GET /tenants/{slug}/modules/{name}`
pub(super) async fn show(
    State(state): State<AppState>,
    access: TenantAccess<ReadModules>,
    Path(path): Path<ModulePath>,
    request: RequestContext,
) -> Result<Response, Problem> {
    let page = module_page(&state, &access.tenant, path.name).await?;
    Ok(state.pages.render(&page, &request))
}

async fn module_page(
    state: &AppState,
    tenant: &Tenant,
    name: ModuleName,
) -> Result<ModulePage, Problem> {
    let versions = read::versions(state, tenant, &name, None, SHOWN_VERSIONS).await?;
    let status = live::status(state, tenant.id, &name)
        .await?
        .ok_or_else(|| RegistryError::NoModule(name.clone()))?;
    let current = versions
        .first()
        .filter(|version| version.kind.content().is_some());
    let (source, warnings) = match current {
        Some(version) => {
            let source = read::source(state, tenant, version).await?;
            let warnings = Finding::all(&source, version.diagnostics.clone());
            (Some(source), warnings)
        }
        None => (None, Vec::new()),
    };
    Ok(ModulePage {
        tenant: Head::of(tenant),
        name,
        source,
        warnings,
        status,
        versions: versions.into_iter().map(VersionView::from).collect(),
        wrong: false,
    })
}

/// `GET /tenants/{slug}/upload`
pub(super) async fn new(
    State(state): State<AppState>,
    access: TenantAccess<WriteModules>,
    request: RequestContext,
) -> Response {
    state
        .pages
        .render(&UploadPage::empty(&access.tenant), &request)
}

impl UploadPage {
    fn empty(tenant: &Tenant) -> Self {
        Self {
            tenant: Head::of(tenant),
            source: String::new(),
            allow_destructive: false,
            findings: Vec::new(),
            banner: None,
            is_destructive: false,
        }
    }
}

/// The upload form: a file, or the text of one.
#[derive(Debug, Default)]
pub(super) struct UploadForm {
    source: String,
    allow_destructive: bool,
}

impl<S: Send + Sync> FromRequest<S> for UploadForm {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let refuse = |text: String| Problem::bad_request(text);
        let mut parts = Multipart::from_request(request, state)
            .await
            .map_err(|rejection| refuse(rejection.body_text()))?;
        let mut form = Self::default();
        while let Some(field) = parts
            .next_field()
            .await
            .map_err(|error| refuse(error.body_text()))?
        {
            let name = field.name().unwrap_or_default().to_owned();
            let content = field
                .bytes()
                .await
                .map_err(|error| refuse(error.body_text()))?;
            match name.as_str() {
                "allow_destructive" => form.allow_destructive = true,
                // A file that was chosen counts, else the text.
                "file" | "source" if content.is_empty() => {}
                "file" => form.source = text(&content)?,
                "source" if form.source.is_empty() => form.source = text(&content)?,
                _ => {}
            }
        }
        Ok(form)
    }
}

fn text(content: &[u8]) -> Result<String, Problem> {
    match std::str::from_utf8(content) {
        // Browsers send the lines of a text area with CRLF.
        Ok(text) => Ok(text.replace("\r\n", "\n")),
        Err(_not_utf8) => Err(upload::not_text().into()),
    }
}

/// `POST /tenants/{slug}/modules`
pub(super) async fn upload(
    State(state): State<AppState>,
    access: TenantAccess<WriteModules>,
    request: RequestContext,
    form: UploadForm,
) -> Result<Response, Problem> {
    match store(&state, &access, &form).await {
        Ok(name) => {
            let place = format!("/tenants/{}/modules/{name}", access.tenant.slug);
            Ok(Redirect::to(&place).into_response())
        }
        Err(error) => refill(&state, &access.tenant, &request, form, error),
    }
}

/// The file says what it is called.
async fn store(
    state: &AppState,
    access: &TenantAccess<WriteModules>,
    form: &UploadForm,
) -> Result<ModuleName, RegistryError> {
    let (spec, findings) = module_spec::parse(&form.source);
    let Some(name) = spec.map(|spec| spec.name().clone()) else {
        return Err(RegistryError::Invalid(findings));
    };
    let upload = Upload {
        name: name.clone(),
        source: form.source.as_str().into(),
        mode: Mode::Store,
        tests: Tests::Run,
        data: if form.allow_destructive {
            DataLoss::Allow
        } else {
            DataLoss::Refuse
        },
    };
    // Boxed, because checking a module holds a lot across its waits.
    Box::pin(upload::upload(
        state,
        &access.caller,
        &access.tenant,
        upload,
    ))
    .await?;
    Ok(name)
}

fn refill(
    state: &AppState,
    tenant: &Tenant,
    request: &RequestContext,
    form: UploadForm,
    error: RegistryError,
) -> Result<Response, Problem> {
    let mut page = UploadPage::empty(tenant);
    page.is_destructive = matches!(error, RegistryError::Destructive(_));
    if let RegistryError::Invalid(findings) = &error {
        page.findings = Finding::all(&form.source, findings.clone());
    }
    let problem = Problem::from(error);
    if problem.status.is_server_error() {
        return Err(problem);
    }
    if page.findings.is_empty() {
        let losses: Vec<&str> = problem
            .errors
            .iter()
            .map(|item| item.message.as_str())
            .collect();
        page.banner = Some(match losses.as_slice() {
            [] => problem.detail.clone().unwrap_or_default(),
            losses => format!("{}: {}.", problem.title, losses.join("; ")),
        });
    }
    page.allow_destructive = form.allow_destructive;
    page.source = form.source;
    Ok((problem.status, state.pages.render(&page, request)).into_response())
}

#[derive(Debug, Deserialize)]
pub(super) struct RollbackForm {
    version: u32,
}

/// `POST /tenants/{slug}/modules/{name}/rollback`
pub(super) async fn roll_back(
    State(state): State<AppState>,
    access: TenantAccess<WriteModules>,
    Path(path): Path<ModulePath>,
    Form(form): Form<RollbackForm>,
) -> Result<Redirect, Problem> {
    let (caller, tenant) = (&access.caller, &access.tenant);
    change::roll_back(&state, caller, tenant, &path.name, form.version).await?;
    let place = format!("/tenants/{}/modules/{}", tenant.slug, path.name);
    Ok(Redirect::to(&place))
}

#[derive(Debug, Deserialize)]
pub(super) struct Confirmation {
    #[serde(default)]
    confirm: String,
}

/// `POST /tenants/{slug}/modules/{name}/delete`
pub(super) async fn delete(
    State(state): State<AppState>,
    access: TenantAccess<WriteModules>,
    Path(path): Path<ModulePath>,
    request: RequestContext,
    Form(form): Form<Confirmation>,
) -> Result<Response, Problem> {
    if form.confirm.trim() != path.name.as_str() {
        let mut page = module_page(&state, &access.tenant, path.name).await?;
        page.wrong = true;
        let status = http::StatusCode::UNPROCESSABLE_ENTITY;
        return Ok((status, state.pages.render(&page, &request)).into_response());
    }
    change::delete(&state, &access.caller, &access.tenant, &path.name).await?;
    let place = format!("/tenants/{}/modules", access.tenant.slug);
    Ok(Redirect::to(&place).into_response())
}

#[cfg(test)]
mod tests {
    use domain::diagnostic::Severity;

    use super::*;

    #[test]
    fn a_finding_shows_the_line_with_carets_and_only_that() {
        let diagnostic = Diagnostic {
            severity: Severity::Error,
            code: "unknown-type".to_owned(),
            message: "\"strin\" is not a type".to_owned(),
            help: Some("did you mean string?".to_owned()),
            line: 2,
            column: 7,
            length: 5,
            path: "fields[0].type".to_owned(),
        };
        let finding = Finding::of("a: 1\ntype: strin\nb: 2", diagnostic.clone());
        let excerpt = finding.excerpt.unwrap();
        assert_eq!(excerpt.lines().count(), 2, "{excerpt}");
        assert!(excerpt.contains("type: strin") && excerpt.contains("^^^^^"));
        let whole = Diagnostic {
            line: 0,
            ..diagnostic
        };
        assert_eq!(Finding::of("", whole).excerpt, None);
    }
}
