//! `/v1/signup`

use axum::extract::State;
use domain::id::{AccountId, TenantId};
use domain::name::TenantSlug;
use domain::tenant::TenantPhase;
use http::StatusCode;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::Json;

use crate::app::AppState;
use crate::http::extract::ClientAddress;
use crate::service::signup::{self, SignupInput};
use crate::service::tenants::{self, TenantView};

#[derive(Serialize)]
pub struct SignupAnswer {
    account: AccountAnswer,
    tenant: TenantAnswer,
}

#[derive(Serialize)]
struct AccountAnswer {
    id: AccountId,
}

#[derive(Serialize)]
struct TenantAnswer {
    id: TenantId,
    slug: TenantSlug,
    phase: TenantPhase,
    url: String,
}

/// `POST /v1/signup`
pub async fn sign_up(
    State(state): State<AppState>,
    ClientAddress(client): ClientAddress,
    Json(input): Json<SignupInput>,
) -> Result<(StatusCode, Json<SignupAnswer>), Problem> {
    let signed_up = signup::sign_up(&state, client, &input).await?;
    let tenant = signed_up.tenant;
    let answer = SignupAnswer {
        account: AccountAnswer {
            id: signed_up.account,
        },
        tenant: TenantAnswer {
            id: tenant.id,
            phase: tenant.phase,
            url: state.settings.tenant_urls.url(&tenant.slug),
            slug: tenant.slug,
        },
    };
    Ok((StatusCode::CREATED, Json(answer)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerifyInput {
    token: String,
}

#[derive(Serialize)]
pub struct VerifyAnswer {
    tenant: TenantView,
}

/// `POST /v1/signup/verify`
pub async fn verify(
    State(state): State<AppState>,
    Json(input): Json<VerifyInput>,
) -> Result<Json<VerifyAnswer>, Problem> {
    let verified = signup::verify(&state, &input.token).await?;
    let tenant = tenants::show(&state, verified.tenant).await?;
    Ok(Json(VerifyAnswer { tenant }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResendInput {
    email: String,
}

/// `POST /v1/signup/resend`
pub async fn resend(
    State(state): State<AppState>,
    ClientAddress(client): ClientAddress,
    Json(input): Json<ResendInput>,
) -> Result<StatusCode, Problem> {
    signup::resend(&state, client, &input.email).await?;
    Ok(StatusCode::ACCEPTED)
}
