//! Signing in and out.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::{Form, Query};
use service_kit::pages::{Page, RequestContext};

use super::session::{forget, own_place, start};
use crate::app::AppState;
use crate::http::extract::{Authorized, ClientAddress, SignedIn};
use crate::service::session::{self, SessionError};

const AFTER_SIGN_IN: &str = "/tenants";

#[derive(Debug, Deserialize)]
pub(super) struct NextQuery {
    #[serde(default)]
    next: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct SignInForm {
    #[serde(default)]
    email: String,
    #[serde(default)]
    password: SecretString,
    #[serde(default)]
    next: String,
}

#[derive(Debug, Serialize)]
pub(super) struct SignInPage {
    pub(super) email: String,
    pub(super) next: String,
    /// What was wrong with the attempt before.
    pub(super) problem: Option<String>,
    /// The address waits for its link to be opened.
    pub(super) is_unverified: bool,
}

impl Page for SignInPage {
    const TEMPLATE: &'static str = "pages/sign_in.html";
}

/// `GET /sign-in`
pub(super) async fn show(
    State(state): State<AppState>,
    Query(query): Query<NextQuery>,
    request: RequestContext,
) -> Response {
    let page = SignInPage {
        email: String::new(),
        next: own_place(&query.next, AFTER_SIGN_IN).to_owned(),
        problem: None,
        is_unverified: false,
    };
    state.pages.render(&page, &request)
}

/// `POST /sign-in`
pub(super) async fn submit(
    State(state): State<AppState>,
    ClientAddress(client): ClientAddress,
    request: RequestContext,
    Form(form): Form<SignInForm>,
) -> Result<Response, Problem> {
    let next = own_place(&form.next, AFTER_SIGN_IN);
    match session::check_credentials(&state, client, &form.email, form.password).await {
        Ok(account) => start(&state, account, next).await,
        Err(error) => {
            let is_unverified = matches!(error, SessionError::NotVerified);
            let problem = Problem::from(error);
            if problem.status.is_server_error() {
                return Err(problem);
            }
            let text = match &problem.detail {
                Some(detail) => format!("{}. {detail}", problem.title),
                None => format!("{}.", problem.title),
            };
            let page = SignInPage {
                email: form.email,
                next: next.to_owned(),
                problem: Some(text),
                is_unverified,
            };
            Ok((problem.status, state.pages.render(&page, &request)).into_response())
        }
    }
}

/// `POST /sign-out`
pub(super) async fn sign_out(
    State(state): State<AppState>,
    access: Authorized<SignedIn>,
) -> Result<Response, Problem> {
    if let Some(session) = access.caller.session() {
        session::end(&state, session).await?;
    }
    Ok(forget(&state, "/sign-in"))
}
