//! `/v1/api-keys`

use axum::Extension;
use axum::extract::State;
use domain::id::ApiKeyId;
use http::StatusCode;
use secrecy::ExposeSecret as _;
use serde::Serialize;
use service_kit::Problem;
use service_kit::extract::{Json, Path};

use super::page::{Page, PageRequest};
use crate::app::AppState;
use crate::http::extract::{Authorized, SignedIn};
use crate::http::idempotency::HoldsApiKey;
use crate::service::api_keys::{self, ApiKey, NewApiKey};

#[derive(Serialize)]
pub struct CreatedKey {
    #[serde(flatten)]
    about: ApiKey,
    /// Shown this once.
    key: String,
}

/// `POST /v1/api-keys`
pub async fn create(
    State(state): State<AppState>,
    access: Authorized<SignedIn>,
    Json(input): Json<NewApiKey>,
) -> Result<(StatusCode, Extension<HoldsApiKey>, Json<CreatedKey>), Problem> {
    let about = api_keys::create(&state, &access.caller, input).await?;
    let id = about.id;
    let key = api_keys::secret(&state, id).expose_secret().to_owned();
    Ok((
        StatusCode::CREATED,
        Extension(HoldsApiKey(id)),
        Json(CreatedKey { about, key }),
    ))
}

/// `GET /v1/api-keys`
pub async fn list(
    State(state): State<AppState>,
    access: Authorized<SignedIn>,
    request: PageRequest,
) -> Result<Json<Page<ApiKey>>, Problem> {
    let keys = api_keys::list(
        &state,
        access.caller.account,
        request.cursor,
        request.fetch(),
    )
    .await?;
    Ok(Json(request.page(keys, |key| key.id.as_uuid())))
}

/// `DELETE /v1/api-keys/{id}`
pub async fn remove(
    State(state): State<AppState>,
    access: Authorized<SignedIn>,
    Path(id): Path<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    api_keys::remove(&state, &access.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
