//! `Idempotency-Key`: a creating call that is repeated under the same key is answered as the first time and does nothing.

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{FromRequestParts as _, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use chrono::TimeDelta;
use domain::id::ApiKeyId;
use http::{HeaderName, HeaderValue, StatusCode, header};
use secrecy::ExposeSecret as _;
use service_kit::problem::ProblemItem;
use service_kit::{Chain, Problem, request_id};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use tokio::sync::oneshot;
use tracing::Instrument as _;

use super::cookie::Cookie;
use super::extract::{Caller, ClientAddress, bearer};
use crate::app::AppState;
use crate::db::idempotency::{self, KnownCall, StoredAnswer};
use crate::db::{DbError, DbResult};
use crate::service::api_keys;

const HEADER: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is that of an earlier call.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// Longest key.
const MAX_KEY_LEN: usize = 255;
/// Creating calls have small bodies.
const MAX_BODY: usize = 64 * 1024;
/// A call that has not answered by then has died with its process.
const ABANDONED_AFTER: TimeDelta = TimeDelta::seconds(60);
/// Longest call: it must have ended before another one takes it for dead.
const LONGEST_CALL: Duration = Duration::from_secs(50);
/// How long answers are kept.
pub const KEPT: TimeDelta = TimeDelta::hours(24);

/// Extension of an answer whose field `key` is this API key: it is made again for a repetition, not stored.
#[derive(Debug, Clone, Copy)]
pub struct HoldsApiKey(pub ApiKeyId);

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Account,
    Anybody,
}

/// The middleware. Without the header it only bounds the body.
pub async fn replay(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let Some(key) = request.headers().get(&HEADER).cloned() else {
        return Ok(next.run(request).await);
    };
    let key = parse_key(&key)?;
    let (mut parts, body) = request.into_parts();
    let body = to_bytes(body, MAX_BODY).await.map_err(|_too_large| {
        Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "The request body is too large",
        )
    })?;
    let (scope, who) = if bearer(&parts.headers).is_some()
        || Cookie::Session
            .read(&parts.headers, &state.settings.public_url)
            .is_some()
    {
        let caller = Caller::from_request_parts(&mut parts, &state).await?;
        // Whoever repeats a call must be the one who made it: another key of the account may not be allowed to.
        let scope = format!("account {}, {}", caller.account, caller.actor());
        (scope, Who::Account)
    } else {
        let client = match ClientAddress::from_request_parts(&mut parts, &state).await {
            Ok(ClientAddress(address)) => address,
            Err(never) => match never {},
        };
        (format!("address {client}"), Who::Anybody)
    };
    let hash = Sha256::new()
        .chain_update(parts.method.as_str())
        .chain_update([0])
        .chain_update(parts.uri.path())
        .chain_update([0])
        .chain_update(&body)
        .finalize();
    let request = Request::from_parts(parts, Body::from(body));
    let (tell, told) = oneshot::channel();
    // Its own task from the claim on: whoever hangs up ends neither the call nor the keeping of its answer, or the next attempt would
    // do it again.
    let work = {
        let state = state.clone();
        async move {
            let answer = once(&state, (&scope, &key), &hash, who, next.run(request)).await;
            // Whoever asked may be gone.
            let _ = tell.send(answer);
        }
        .in_current_span()
    };
    match request_id::current() {
        Some(id) => state
            .tasks
            .spawn("creating call", request_id::scope(id, work)),
        None => state.tasks.spawn("creating call", work),
    }
    told.await.map_err(|_panicked| Problem::internal())?
}

/// The answer of the first call under this key, which is `call` if there was none.
async fn once(
    state: &AppState,
    id: (&str, &str),
    hash: &[u8],
    who: Who,
    call: impl Future<Output = Response> + Send,
) -> Result<Response, Problem> {
    match claim(state, id, hash).await? {
        None => {}
        Some(known) if known.request_hash.as_slice() != hash => return Err(other_call()),
        Some(KnownCall { answer: None, .. }) => return Err(at_work()),
        Some(KnownCall {
            answer: Some(answer),
            ..
        }) => return Ok(rebuild(state, answer)),
    }
    match tokio::time::timeout(LONGEST_CALL, call).await {
        Ok(answer) => Ok(keep(state, id, who, answer).await),
        // Nobody knows what it has done; until then a repetition is refused as at work.
        Err(_elapsed) => Err(Problem::internal()),
    }
}

fn parse_key(value: &HeaderValue) -> Result<String, Problem> {
    value
        .to_str()
        .ok()
        .filter(|text| (1..=MAX_KEY_LEN).contains(&text.len()))
        .map(str::to_owned)
        .ok_or_else(|| {
            Problem::bad_request(format!(
                "Idempotency-Key must be 1 to {MAX_KEY_LEN} visible ASCII characters."
            ))
        })
}

fn other_call() -> Problem {
    Problem::new(
        StatusCode::UNPROCESSABLE_ENTITY,
        "idempotency_key_reused",
        "This Idempotency-Key belongs to another call",
    )
    .with_detail("Use a new key for every new call.")
    .with_errors(vec![ProblemItem {
        pointer: None,
        ..ProblemItem::field(
            "",
            "idempotency_key_reused",
            "the key was used with another path or body",
        )
    }])
}

fn at_work() -> Problem {
    Problem::conflict(
        "idempotency_in_progress",
        "The first call under this Idempotency-Key is still at work. Try again in a moment.",
    )
    .with_retry_after(Duration::from_secs(1))
}

async fn claim(state: &AppState, id: (&str, &str), hash: &[u8]) -> DbResult<Option<KnownCall>> {
    let now = state.clock.now();
    let mut db = state.pool.acquire().await?;
    idempotency::claim(&mut db, id, hash, now, now - ABANDONED_AFTER).await
}

/// Stores the answer, unless the call failed in a way that another attempt may cure.
async fn keep(state: &AppState, id: (&str, &str), who: Who, response: Response) -> Response {
    let status = response.status();
    // A refusal of somebody who has not signed in costs them nothing, and keeping it would cost us a row.
    let is_final = status.is_success()
        || (who == Who::Account
            && status.is_client_error()
            && !matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
            ));
    let (parts, body) = response.into_parts();
    let body = match to_bytes(body, usize::MAX).await {
        Ok(body) => body,
        Err(error) => {
            tracing::error!(%error, "an answer of our own could not be read");
            return Problem::internal().into_response();
        }
    };
    let api_key = parts.extensions.get::<HoldsApiKey>().map(|held| held.0);
    let answer = StoredAnswer {
        status: status.as_u16(),
        content_type: parts
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned),
        body: match api_key {
            Some(_) => set_key(&body, ""),
            None => body.to_vec(),
        },
        api_key,
    };
    if let Err(error) = store(state, id, is_final.then_some(&answer)).await {
        // The call itself was done; a repetition is refused as at work until the claim is old.
        tracing::error!(error = %Chain(&error), "an answer could not be kept for repetition");
    }
    Response::from_parts(parts, Body::from(body))
}

async fn store(
    state: &AppState,
    id: (&str, &str),
    answer: Option<&StoredAnswer>,
) -> Result<(), DbError> {
    let mut db = state.pool.acquire().await?;
    match answer {
        Some(answer) => idempotency::set_answer(&mut db, id, answer).await,
        None => idempotency::release(&mut db, id).await,
    }
}

fn rebuild(state: &AppState, answer: StoredAnswer) -> Response {
    let body = match answer.api_key {
        Some(id) => set_key(
            &Bytes::from(answer.body),
            api_keys::secret(state, id).expose_secret(),
        ),
        None => answer.body,
    };
    let mut response = Response::new(Body::from(body));
    *response.status_mut() =
        StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(REPLAYED, HeaderValue::from_static("true"));
    if let Some(value) = answer
        .content_type
        .and_then(|text| HeaderValue::try_from(text).ok())
    {
        headers.insert(header::CONTENT_TYPE, value);
    }
    response
}

/// The same JSON object with another value of `key`.
fn set_key(body: &Bytes, key: &str) -> Vec<u8> {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(mut value) => {
            value["key"] = key.into();
            value.to_string().into_bytes()
        }
        // Never stored in the clear.
        Err(_not_json) => Vec::new(),
    }
}
