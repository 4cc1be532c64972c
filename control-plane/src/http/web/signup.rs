//! From the form to the page on which a tenant is being made.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use domain::plan::Plan;
use http::{HeaderMap, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::{Form, Query};
use service_kit::pages::{Page, RequestContext, percent_encode};

use super::form::field_errors;
use super::session;
use crate::app::AppState;
use crate::http::cookie::Cookie;
use crate::http::extract::ClientAddress;
use crate::service::signup::{self, Link, SignupError, SignupInput, Verified};

/// The form as it was filled in.
#[derive(Debug, Default, Deserialize)]
pub(super) struct SignupForm {
    #[serde(default)]
    organization: String,
    #[serde(default)]
    slug: String,
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: SecretString,
    #[serde(default)]
    plan: String,
}

#[derive(Debug, Serialize)]
pub(super) struct SignupPage {
    pub(super) organization: String,
    pub(super) slug: String,
    pub(super) email: String,
    pub(super) plan: String,
    pub(super) plans: Vec<Choice>,
    /// `.localhost:8080`
    pub(super) suffix: String,
    pub(super) scheme: &'static str,
    pub(super) errors: BTreeMap<String, String>,
    pub(super) banner: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct Choice {
    value: &'static str,
    label: &'static str,
    help: &'static str,
}

impl Page for SignupPage {
    const TEMPLATE: &'static str = "pages/signup.html";
}

impl SignupPage {
    pub(super) fn new(state: &AppState, form: SignupForm) -> Self {
        let urls = &state.settings.tenant_urls;
        let port = urls
            .port
            .filter(|port| *port != urls.scheme.default_port())
            .map(|port| format!(":{port}"))
            .unwrap_or_default();
        Self {
            organization: form.organization,
            slug: form.slug,
            email: form.email,
            plan: match form.plan.as_str() {
                "" => Plan::Free.as_str().to_owned(),
                _ => form.plan,
            },
            plans: plans(),
            suffix: format!(".{}{port}", urls.base_domain),
            scheme: urls.scheme.as_str(),
            errors: BTreeMap::new(),
            banner: None,
        }
    }
}

pub(super) fn plans() -> Vec<Choice> {
    Plan::ALL.map(plan).into()
}

const fn plan(plan: Plan) -> Choice {
    let (label, help) = match plan {
        Plan::Free => ("Free", "To try it out."),
        Plan::Team => ("Team", "For a team's helpdesk."),
        Plan::Business => ("Business", "For a company's helpdesk."),
    };
    Choice {
        value: plan.as_str(),
        label,
        help,
    }
}

/// `GET /signup`
pub(super) async fn show(State(state): State<AppState>, request: RequestContext) -> Response {
    let form = SignupForm {
        email: request
            .user
            .as_ref()
            .map(|user| user.detail.clone())
            .unwrap_or_default(),
        ..SignupForm::default()
    };
    let page = SignupPage::new(&state, form);
    state.pages.render(&page, &request)
}

/// `POST /signup`
pub(super) async fn submit(
    State(state): State<AppState>,
    ClientAddress(client): ClientAddress,
    request: RequestContext,
    Form(form): Form<SignupForm>,
) -> Response {
    let input = SignupInput {
        organization: form.organization.clone(),
        slug: form.slug.trim().to_owned(),
        email: form.email.trim().to_owned(),
        password: form.password.clone(),
        plan: form.plan.clone(),
    };
    match signup::sign_up(&state, client, &input).await {
        Ok(signed_up) => {
            let cookie = Cookie::Signup.set(
                &state.settings.public_url,
                &signup::browser_token(&state, signed_up.account),
                signup::LINK_LIFETIME.to_std().unwrap_or_default(),
            );
            let place = place("/signup/check-mail", &[("email", &input.email)]);
            ([(header::SET_COOKIE, cookie)], Redirect::to(&place)).into_response()
        }
        Err(error) => refill(&state, &request, form, error.into()),
    }
}

fn refill(
    state: &AppState,
    request: &RequestContext,
    form: SignupForm,
    problem: Problem,
) -> Response {
    if problem.status.is_server_error() {
        return problem.into_response();
    }
    let mut page = SignupPage::new(state, form);
    page.errors = field_errors(&problem);
    if page.errors.is_empty() {
        page.banner = Some(problem.detail.unwrap_or_else(|| problem.title.into_owned()));
    }
    (problem.status, state.pages.render(&page, request)).into_response()
}

/// `path?key=value`, encoded.
fn place(path: &str, query: &[(&str, &str)]) -> String {
    let pairs: Vec<String> = query
        .iter()
        .map(|(key, value)| format!("{key}={}", percent_encode(value)))
        .collect();
    format!("{path}?{}", pairs.join("&"))
}

#[derive(Debug, Deserialize)]
pub(super) struct EmailQuery {
    #[serde(default)]
    email: String,
    #[serde(default)]
    sent: Option<String>,
}

#[derive(Debug, Serialize)]
pub(super) struct CheckMailPage {
    pub(super) email: String,
    pub(super) local_mailbox: bool,
    pub(super) sent_again: bool,
}

impl Page for CheckMailPage {
    const TEMPLATE: &'static str = "pages/check_mail.html";
}

/// `GET /signup/check-mail`
pub(super) async fn check_mail(
    State(state): State<AppState>,
    Query(query): Query<EmailQuery>,
    request: RequestContext,
) -> Response {
    let page = CheckMailPage {
        email: query.email,
        local_mailbox: state.mailer.local_mailbox().is_some(),
        sent_again: query.sent.is_some(),
    };
    state.pages.render(&page, &request)
}

#[derive(Debug, Deserialize)]
pub(super) struct ResendForm {
    email: String,
}

/// `POST /signup/resend`
pub(super) async fn resend(
    State(state): State<AppState>,
    ClientAddress(client): ClientAddress,
    Form(form): Form<ResendForm>,
) -> Result<Redirect, Problem> {
    signup::resend(&state, client, form.email.trim()).await?;
    let query = [("email", form.email.trim()), ("sent", "again")];
    Ok(Redirect::to(&place("/signup/check-mail", &query)))
}

#[derive(Debug, Deserialize)]
pub(super) struct VerifyQuery {
    #[serde(default)]
    token: String,
}

#[derive(Debug, Serialize)]
pub(super) struct BadLinkPage {
    pub(super) title: String,
    pub(super) detail: String,
}

impl Page for BadLinkPage {
    const TEMPLATE: &'static str = "pages/bad_link.html";
}

#[derive(Debug, Serialize)]
pub(super) struct ConfirmSignupPage {
    pub(super) token: String,
    pub(super) organization: String,
    /// Where the helpdesk will be.
    pub(super) url: String,
    /// What was wrong with the attempt before.
    pub(super) problem: Option<String>,
}

impl Page for ConfirmSignupPage {
    const TEMPLATE: &'static str = "pages/confirm_signup.html";
}

impl ConfirmSignupPage {
    fn new(state: &AppState, link: &Link, token: String) -> Self {
        Self {
            token,
            organization: link.tenant.organization.clone(),
            url: state.settings.tenant_urls.url(&link.tenant.slug),
            problem: None,
        }
    }
}

/// `GET /signup/verify`: the link of the mail. In the browser of the signup it opens at once. Anybody else has to know the password
/// that was chosen: links are also followed by the filters of mail servers, and by people whose address somebody else has typed, who
/// would give it to an account that is not theirs. Where mail stays on this machine there is nobody to mistake.
pub(super) async fn verify(
    State(state): State<AppState>,
    Query(query): Query<VerifyQuery>,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    let link = match signup::look(&state, &query.token).await {
        Ok(link) => link,
        Err(error) => return refuse_link(&state, &request, error),
    };
    let is_own_browser = Cookie::Signup
        .read(&headers, &state.settings.public_url)
        .is_some_and(|mark| signup::is_browser_of(&state, link.account, mark.expose_secret()));
    if link.is_used || is_own_browser || state.mailer.local_mailbox().is_some() {
        let opened = signup::verify(&state, &query.token).await;
        return lead(&state, &request, opened).await;
    }
    let page = ConfirmSignupPage::new(&state, &link, query.token);
    Ok(state.pages.render(&page, &request))
}

#[derive(Debug, Deserialize)]
pub(super) struct ConfirmForm {
    #[serde(default)]
    token: String,
    #[serde(default)]
    password: SecretString,
}

/// `POST /signup/verify`
pub(super) async fn confirm(
    State(state): State<AppState>,
    ClientAddress(client): ClientAddress,
    request: RequestContext,
    Form(form): Form<ConfirmForm>,
) -> Result<Response, Problem> {
    let opened = signup::verify_with_password(&state, client, &form.token, form.password).await;
    let error = match opened {
        Err(error @ (SignupError::WrongPassword | SignupError::TooMany(_))) => error,
        opened => return lead(&state, &request, opened).await,
    };
    let link = match signup::look(&state, &form.token).await {
        Ok(link) => link,
        Err(error) => return refuse_link(&state, &request, error),
    };
    let problem = Problem::from(error);
    let page = ConfirmSignupPage {
        problem: Some(match &problem.detail {
            Some(detail) => format!("{}. {detail}", problem.title),
            None => format!("{}.", problem.title),
        }),
        ..ConfirmSignupPage::new(&state, &link, form.token)
    };
    Ok((problem.status, state.pages.render(&page, &request)).into_response())
}

/// To the tenant that is being made. Opened for the first time a link signs its owner in, because only they can have it;
/// afterwards it only leads there.
async fn lead(
    state: &AppState,
    request: &RequestContext,
    opened: Result<Verified, SignupError>,
) -> Result<Response, Problem> {
    let verified = match opened {
        Ok(verified) => verified,
        Err(error) => return refuse_link(state, request, error),
    };
    let place = format!("/tenants/{}/progress", verified.tenant.slug);
    if verified.is_first {
        session::start(state, verified.account, &place).await
    } else {
        Ok(Redirect::to(&place).into_response())
    }
}

fn refuse_link(
    state: &AppState,
    request: &RequestContext,
    error: SignupError,
) -> Result<Response, Problem> {
    let is_about_the_link = matches!(error, SignupError::BadLink | SignupError::LinkExpired);
    let problem = Problem::from(error);
    if !is_about_the_link {
        return Err(problem);
    }
    let page = BadLinkPage {
        title: problem.title.into_owned(),
        detail: problem.detail.unwrap_or_default(),
    };
    Ok((problem.status, state.pages.render(&page, request)).into_response())
}
