//! `gotrs_refresh_token`: each is good once; using it again tells that somebody copied it. The cookies of pages lie here
//! too, under digests of another kind, so that neither is ever taken for the other.

use chrono::{DateTime, Utc};
use domain::digest::Sha256Digest;
use sqlx::PgConnection;
use uuid::Uuid;

/// A stored refresh token.
#[derive(Debug)]
pub struct RefreshToken {
    /// Its family.
    pub session_id: Uuid,
    /// When it was exchanged; then it must not come again.
    pub used_at: Option<DateTime<Utc>>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// Stores a new token.
pub async fn insert(
    connection: &mut PgConnection,
    token: Sha256Digest,
    session: Uuid,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO gotrs_refresh_token (token_hash, session_id, issued_at, expires_at) VALUES ($1, $2, $3, $4)",
        token.as_bytes().as_slice(),
        session,
        now,
        expires_at
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Finds a token and locks its row: of two exchanges at once, the second sees the first.
pub async fn find_for_update(
    connection: &mut PgConnection,
    token: Sha256Digest,
) -> sqlx::Result<Option<RefreshToken>> {
    sqlx::query_as!(
        RefreshToken,
        "SELECT session_id, used_at, expires_at FROM gotrs_refresh_token WHERE token_hash = $1 FOR UPDATE",
        token.as_bytes().as_slice()
    )
    .fetch_optional(connection)
    .await
}

/// Marks a token as exchanged.
pub async fn mark_used(
    connection: &mut PgConnection,
    token: Sha256Digest,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE gotrs_refresh_token SET used_at = $2 WHERE token_hash = $1",
        token.as_bytes().as_slice(),
        now
    )
    .execute(connection)
    .await
    .map(drop)
}
