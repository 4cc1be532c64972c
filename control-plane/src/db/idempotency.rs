//! Answers to creating calls that were given before.

use chrono::{DateTime, Utc};
use domain::id::ApiKeyId;
use sqlx::PgConnection;

use super::DbResult;

/// A call that was made before under the same key.
#[derive(Debug, Clone)]
pub struct KnownCall {
    /// SHA-256 of that call.
    pub request_hash: Vec<u8>,
    /// What was answered; `None` while it is at work.
    pub answer: Option<StoredAnswer>,
}

/// What was answered.
#[derive(Debug, Clone)]
pub struct StoredAnswer {
    /// HTTP status.
    pub status: u16,
    /// Its content type.
    pub content_type: Option<String>,
    /// Its body.
    pub body: Vec<u8>,
    /// The key that the answer held and that is not in `body`.
    pub api_key: Option<ApiKeyId>,
}

/// Takes a key for a call that begins now. `None`: it is taken; otherwise what is known of the call before. A claim
/// without an answer that is older than `abandoned_before` is taken over.
pub async fn claim(
    db: &mut PgConnection,
    (scope, key): (&str, &str),
    request_hash: &[u8],
    now: DateTime<Utc>,
    abandoned_before: DateTime<Utc>,
) -> DbResult<Option<KnownCall>> {
    let claimed = sqlx::query!(
        "INSERT INTO idempotency_key (scope, key, request_hash, created_at) VALUES ($1, $2, $3, $4)
         ON CONFLICT (scope, key) DO UPDATE SET created_at = $4
         WHERE idempotency_key.status IS NULL AND idempotency_key.request_hash = $3
           AND idempotency_key.created_at < $5",
        scope,
        key,
        request_hash,
        now,
        abandoned_before,
    )
    .execute(&mut *db)
    .await?;
    if claimed.rows_affected() == 1 {
        return Ok(None);
    }
    let row = sqlx::query!(
        "SELECT request_hash, status, content_type, body, api_key_id FROM idempotency_key
         WHERE scope = $1 AND key = $2",
        scope,
        key,
    )
    .fetch_one(db)
    .await?;
    Ok(Some(KnownCall {
        request_hash: row.request_hash,
        answer: row.status.map(|status| StoredAnswer {
            status: u16::try_from(status).unwrap_or(500),
            content_type: row.content_type,
            body: row.body.unwrap_or_default(),
            api_key: row.api_key_id.map(ApiKeyId::from_uuid),
        }),
    }))
}

/// Stores the answer of a claimed call.
pub async fn set_answer(
    db: &mut PgConnection,
    (scope, key): (&str, &str),
    answer: &StoredAnswer,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE idempotency_key SET status = $3, content_type = $4, body = $5, api_key_id = $6
         WHERE scope = $1 AND key = $2",
        scope,
        key,
        i32::from(answer.status),
        answer.content_type,
        answer.body,
        answer.api_key.map(ApiKeyId::as_uuid),
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Gives a claim back: the call failed and may be made again.
pub async fn release(db: &mut PgConnection, (scope, key): (&str, &str)) -> DbResult<()> {
    sqlx::query!(
        "DELETE FROM idempotency_key WHERE scope = $1 AND key = $2 AND status IS NULL",
        scope,
        key
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes what is older than `before`; returns how many.
pub async fn delete_old(db: &mut PgConnection, before: DateTime<Utc>) -> DbResult<u64> {
    let done = sqlx::query!("DELETE FROM idempotency_key WHERE created_at < $1", before)
        .execute(db)
        .await?;
    Ok(done.rows_affected())
}
