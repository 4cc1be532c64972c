//! `/api/v1/auth/`: signing in for programs.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderValue, StatusCode, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::Json;

use crate::app::AppState;
use crate::auth::secret::OpaqueToken;
use crate::auth::session::{self, Attempt, ProgramSession, SignInError};
use crate::auth::token;
use crate::http::client::Client;
use crate::http::extract::Agent;
use crate::http::login::problem;

/// Body of `POST /api/v1/auth/login`.
#[derive(Debug, Deserialize)]
pub struct LoginRequest {
    login: String,
    password: SecretString,
}

/// Body of `POST /api/v1/auth/refresh` and (optional) `/logout`.
#[derive(Debug, Deserialize)]
pub struct RefreshRequest {
    refresh_token: String,
}

#[derive(Debug, Serialize)]
struct Tokens {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    expires_in: i64,
}

/// Answer of `GET /api/v1/auth/me`.
#[derive(Debug, Serialize)]
pub struct Me {
    id: i32,
    login: String,
    name: String,
    admin: bool,
    /// Group → permission keys held on it.
    permissions: BTreeMap<String, Vec<&'static str>>,
}

/// `POST /api/v1/auth/login`
pub async fn login(
    State(app): State<AppState>,
    client: Client,
    Json(given): Json<LoginRequest>,
) -> Result<Response, Problem> {
    app.auth
        .limits
        .check(&given.login, client.address)
        .map_err(Problem::too_many_requests)?;
    let attempt = Attempt {
        login: &given.login,
        password: &given.password,
        user_agent: client.user_agent.as_deref(),
    };
    let session = session::sign_in_program(&app, attempt).await;
    session.map(tokens).map_err(|error| problem(&error))
}

/// `POST /api/v1/auth/refresh`
pub async fn refresh(
    State(app): State<AppState>,
    Json(given): Json<RefreshRequest>,
) -> Result<Response, Problem> {
    let token = OpaqueToken::parse(&given.refresh_token)
        .ok_or_else(|| problem(&SignInError::BadRefreshToken))?;
    let session = session::refresh(&app, &token).await;
    session.map(tokens).map_err(|error| problem(&error))
}

/// `POST /api/v1/auth/logout`: ends the session of the access token (or cookie), or of the refresh token in the body.
pub async fn logout(
    State(app): State<AppState>,
    agent: Option<Agent>,
    body: Bytes,
) -> Result<StatusCode, Problem> {
    let done = match agent {
        Some(agent) => session::sign_out(&app, agent.account.session).await,
        None => {
            let given: RefreshRequest =
                serde_json::from_slice(&body).map_err(|_no_token| Problem::unauthorized())?;
            let token =
                OpaqueToken::parse(&given.refresh_token).ok_or_else(Problem::unauthorized)?;
            session::sign_out_by_refresh_token(&app, &token).await
        }
    };
    done.map(|()| StatusCode::NO_CONTENT)
        .map_err(|error| problem(&error))
}

/// `GET /api/v1/auth/me`
pub async fn me(agent: Agent) -> Json<Me> {
    let permissions = agent.permissions();
    Json(Me {
        id: agent.id(),
        login: agent.account.login.clone(),
        name: agent.account.name.clone(),
        admin: permissions.is_admin(),
        permissions: permissions
            .groups()
            .map(|group| (group.to_owned(), permissions.keys_of(group)))
            .collect(),
    })
}

fn tokens(session: ProgramSession) -> Response {
    let body = Tokens {
        access_token: session.access_token,
        refresh_token: session.refresh_token.expose().to_owned(),
        token_type: "Bearer",
        expires_in: token::LIFETIME.num_seconds(),
    };
    (
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        Json(body),
    )
        .into_response()
}
