//! `/v1/sessions`

use axum::extract::State;
use http::{HeaderName, HeaderValue, StatusCode, header};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::Json;

use crate::app::AppState;
use crate::http::extract::{Authorized, ClientAddress, SignedIn};
use crate::service::session::{self, Tokens};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignInInput {
    email: String,
    password: SecretString,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RefreshInput {
    refresh_token: SecretString,
}

#[derive(Serialize)]
pub struct TokensAnswer {
    access_token: String,
    refresh_token: String,
    token_type: &'static str,
    /// Seconds.
    expires_in: u64,
}

/// Tokens must not end up in any cache.
type TokensResponse = ([(HeaderName, HeaderValue); 1], Json<TokensAnswer>);

/// `POST /v1/sessions`
pub async fn create(
    State(state): State<AppState>,
    ClientAddress(client): ClientAddress,
    Json(input): Json<SignInInput>,
) -> Result<(StatusCode, TokensResponse), Problem> {
    let account = session::check_credentials(&state, client, &input.email, input.password).await?;
    let tokens = session::start(&state, account).await?;
    Ok((StatusCode::CREATED, answer(&tokens)))
}

/// `POST /v1/sessions/refresh`
pub async fn refresh(
    State(state): State<AppState>,
    Json(input): Json<RefreshInput>,
) -> Result<TokensResponse, Problem> {
    Ok(answer(
        &session::refresh(&state, &input.refresh_token).await?,
    ))
}

/// `DELETE /v1/sessions/current`
pub async fn end(
    State(state): State<AppState>,
    access: Authorized<SignedIn>,
) -> Result<StatusCode, Problem> {
    if let Some(session) = access.caller.session() {
        session::end(&state, session).await?;
    }
    Ok(StatusCode::NO_CONTENT)
}

fn answer(tokens: &Tokens) -> TokensResponse {
    (
        [(header::CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        Json(TokensAnswer {
            access_token: tokens.access_token.expose_secret().to_owned(),
            refresh_token: tokens.refresh_token.expose_secret().to_owned(),
            token_type: "Bearer",
            expires_in: tokens.expires_in.as_secs(),
        }),
    )
}
