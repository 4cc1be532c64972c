//! Keys of programs.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use chrono::{DateTime, TimeDelta, Utc};
use domain::id::ApiKeyId;
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::{Form, Path};
use service_kit::pages::{Page, RequestContext};

use super::form::field_errors;
use crate::app::AppState;
use crate::http::extract::{Authorized, SignedIn};
use crate::service::api_keys::{self, ApiKey, MAX_KEYS, NewApiKey, Scope};

#[derive(Debug, Default, Serialize)]
pub(super) struct ApiKeysPage {
    pub(super) keys: Vec<ApiKey>,
    pub(super) scopes: Vec<ScopeChoice>,
    /// Shown this once.
    pub(super) secret: Option<String>,
    pub(super) form: ApiKeyForm,
    pub(super) errors: BTreeMap<String, String>,
    pub(super) banner: Option<String>,
}

impl Page for ApiKeysPage {
    const TEMPLATE: &'static str = "pages/api_keys.html";
}

#[derive(Debug, Serialize)]
pub(super) struct ScopeChoice {
    value: &'static str,
    label: &'static str,
    help: &'static str,
}

/// Read field by field: a form names `scopes` once per checked box.
#[derive(Debug, Default, Serialize)]
pub(super) struct ApiKeyForm {
    name: String,
    scopes: Vec<String>,
    days: String,
}

impl ApiKeyForm {
    fn read(fields: Vec<(String, String)>) -> Self {
        let mut form = Self::default();
        for (name, value) in fields {
            match name.as_str() {
                "name" => form.name = value,
                "scopes" => form.scopes.push(value),
                "days" => form.days = value,
                _ => {}
            }
        }
        form
    }

    /// `None` for a key without an end.
    fn expires_at(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let days: i64 = self.days.parse().ok()?;
        now.checked_add_signed(TimeDelta::try_days(days)?)
    }
}

/// `GET /api-keys`
pub(super) async fn list(
    State(state): State<AppState>,
    access: Authorized<SignedIn>,
    request: RequestContext,
) -> Result<Response, Problem> {
    let page = page(&state, &access).await?;
    Ok(state.pages.render(&page, &request))
}

/// `POST /api-keys`: the answer shows the key, this once.
pub(super) async fn create(
    State(state): State<AppState>,
    access: Authorized<SignedIn>,
    request: RequestContext,
    Form(fields): Form<Vec<(String, String)>>,
) -> Result<Response, Problem> {
    let form = ApiKeyForm::read(fields);
    let new = NewApiKey {
        name: form.name.clone(),
        scopes: form.scopes.clone(),
        expires_at: form.expires_at(state.clock.now()),
    };
    match api_keys::create(&state, &access.caller, new).await {
        Ok(key) => {
            let secret = api_keys::secret(&state, key.id);
            let mut page = page(&state, &access).await?;
            page.secret = Some(secret.expose_secret().to_owned());
            Ok(state.pages.render(&page, &request))
        }
        Err(error) => {
            let problem = Problem::from(error);
            if problem.status.is_server_error() {
                return Err(problem);
            }
            let mut page = page(&state, &access).await?;
            page.errors = field_errors(&problem);
            if page.errors.is_empty() {
                page.banner.clone_from(&problem.detail);
            }
            page.form = form;
            Ok((problem.status, state.pages.render(&page, &request)).into_response())
        }
    }
}

#[derive(Debug, Deserialize)]
pub(super) struct KeyPath {
    id: ApiKeyId,
}

/// `POST /api-keys/{id}/delete`
pub(super) async fn delete(
    State(state): State<AppState>,
    access: Authorized<SignedIn>,
    Path(path): Path<KeyPath>,
) -> Result<Redirect, Problem> {
    api_keys::remove(&state, &access.caller, path.id).await?;
    Ok(Redirect::to("/api-keys"))
}

async fn page(state: &AppState, access: &Authorized<SignedIn>) -> Result<ApiKeysPage, Problem> {
    let keys = api_keys::list(state, access.caller.account, None, MAX_KEYS).await?;
    Ok(ApiKeysPage {
        keys,
        scopes: scopes(),
        ..ApiKeysPage::default()
    })
}

pub(super) fn scopes() -> Vec<ScopeChoice> {
    Scope::ALL.map(choice).into()
}

const fn choice(scope: Scope) -> ScopeChoice {
    let (label, help) = match scope {
        Scope::TenantsRead => ("See tenants", "Their state, address and plan."),
        Scope::TenantsWrite => ("Change tenants", "Suspend, resume and delete them."),
        Scope::TenantsExport => (
            "Export tenants",
            "Make and download archives of all their data, password hashes included.",
        ),
        Scope::ModulesRead => ("See modules", "Files, versions and what runs."),
        Scope::ModulesWrite => ("Change modules", "Upload, roll back and delete them."),
        Scope::AuditRead => ("See the audit log", "Who did what and when."),
    };
    ScopeChoice {
        value: scope.as_str(),
        label,
        help,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_checked_box_counts() {
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let form = ApiKeyForm::read(vec![
            field("name", "CI robot"),
            field("scopes", "a"),
            field("scopes", "b"),
            field("days", "30"),
            field("csrf_token", "x"),
        ]);
        assert_eq!((form.name.as_str(), form.scopes.len()), ("CI robot", 2));
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(form.expires_at(now), Some(now + TimeDelta::days(30)));
        for days in ["", "soon", "99999999999999"] {
            let form = ApiKeyForm::read(vec![field("days", days)]);
            assert_eq!(form.expires_at(now), None, "{days:?}");
        }
    }
}
