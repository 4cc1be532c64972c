//! `/v1/runtime`: what tenants' runtimes ask and say, each with its runtime token.

use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use domain::id::TenantId;
use domain::sleep::SleepNotice;
use domain::watch::{Acknowledgement, NO_SUCH_TENANT};
use http::request::Parts;
use http::{StatusCode, header};
use serde::Deserialize;
use service_kit::Problem;
use service_kit::extract::{Json, Query};

use crate::app::AppState;
use crate::db::{DbError, tenant};
use crate::http::extract::bearer;
use crate::service::modules::acknowledge::{self, Instance};
use crate::service::modules::{feed::MAX_WATCHERS, watch, watch::HEARTBEAT};
use crate::status::Intent;

/// Longest wait for whoever puts tenants to sleep; shorter than a runtime waits for the answer.
const TELL_TIMEOUT: Duration = Duration::from_secs(8);

/// A tenant's runtime.
#[derive(Debug, Clone, Copy)]
pub struct RuntimeCaller {
    /// Whose.
    pub tenant: TenantId,
}

impl FromRequestParts<AppState> for RuntimeCaller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let refuse = || {
            Problem::unauthorized()
                .with_detail("Send the tenant's runtime token as \"Authorization: Bearer ...\".")
        };
        let token = bearer(&parts.headers).ok_or_else(refuse)?;
        let id = state
            .runtime_tokens
            .tenant(token)
            .await
            .map_err(|error| {
                tracing::warn!(error = %service_kit::Chain(&error), "a runtime's token cannot be checked");
                Problem::unavailable("Whose token this is cannot be found out now.")
            })?
            .ok_or_else(refuse)?;
        state.limits.check_runtime(id)?;
        let mut db = state.pool.acquire().await.map_err(DbError::from)?;
        // Tokens never expire, so the token of a tenant that is gone opens nothing.
        match tenant::find(&mut db, id).await? {
            Some(tenant) if tenant.intent != Intent::Absent && !tenant.is_retained() => {
                Ok(Self { tenant: id })
            }
            // Said as what it is: a runtime whose tenant nobody here knows has no modules to wait for, one with a bad token may have.
            Some(_) | None => Err(Problem::new(
                StatusCode::NOT_FOUND,
                NO_SUCH_TENANT,
                "The control plane has no such tenant",
            )
            .with_detail("It was not adopted (yet), or it is gone here.")),
        }
    }
}

/// What a watcher says about itself.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WatchQuery {
    /// The generation that it has.
    after: Option<u64>,
    /// Its name, as in its acknowledgements.
    instance: Option<String>,
}

/// `GET /v1/runtime/modules/watch`: newline-delimited JSON, see [`domain::watch`].
pub async fn watch(
    State(state): State<AppState>,
    caller: RuntimeCaller,
    Query(query): Query<WatchQuery>,
) -> Result<Response, Problem> {
    let instance: Option<Instance> = match query.instance {
        Some(text) => Some(
            text.parse()
                .map_err(|error| Problem::bad_request(format!("instance: {error}.")))?,
        ),
        None => None,
    };
    let stream = watch::watch(&state, caller.tenant, query.after, instance).map_err(|_many| {
        Problem::too_many_requests(HEARTBEAT).with_detail(format!(
            "A tenant may have {MAX_WATCHERS} watch streams open."
        ))
    })?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-ndjson"),
        (header::CACHE_CONTROL, "no-store"),
    ];
    Ok((headers, Body::from_stream(stream)).into_response())
}

/// `POST /v1/runtime/modules/ack`
pub async fn acknowledge(
    State(state): State<AppState>,
    caller: RuntimeCaller,
    Json(acknowledgement): Json<Acknowledgement>,
) -> Result<StatusCode, Problem> {
    acknowledge::acknowledge(&state, caller.tenant, acknowledgement).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /v1/runtime/sleep`: when the tenant must be awake again. Where nothing sleeps it is of no interest.
pub async fn sleep(
    State(state): State<AppState>,
    caller: RuntimeCaller,
    Json(notice): Json<SleepNotice>,
) -> Result<StatusCode, Problem> {
    state.limits.check_sleep_notice(caller.tenant)?;
    let telling = state
        .provisioner
        .set_next_due(caller.tenant, notice.next_due_at);
    let outcome = tokio::time::timeout(TELL_TIMEOUT, telling).await;
    let problem = match outcome {
        Ok(Ok(())) => return Ok(StatusCode::NO_CONTENT),
        Ok(Err(error)) => service_kit::Chain(&error).to_string(),
        Err(elapsed) => elapsed.to_string(),
    };
    tracing::warn!(tenant.id = %caller.tenant, error = problem, "when a tenant must be awake cannot be noted");
    Err(Problem::unavailable(
        "It cannot be noted now. Say it again in a moment.",
    ))
}
