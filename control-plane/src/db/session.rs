//! Sessions of people in the console and of programs, and refresh tokens.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, SessionId};
use sqlx::PgConnection;

use super::DbResult;

/// A session that is neither over nor revoked.
#[derive(Debug, Clone, Copy)]
pub struct LiveSession {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// When it was last used, to within some minutes.
    pub last_used_at: DateTime<Utc>,
}

/// What a new session is made of.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: SessionId,
    /// Whose it is.
    pub account: AccountId,
    /// Hash of the console cookie, if it is a person's.
    pub cookie_hash: Option<&'a [u8]>,
    /// When it ends at the latest.
    pub expires_at: DateTime<Utc>,
}

/// What became of a refresh token that somebody shows.
#[derive(Debug, Clone, Copy)]
pub struct RefreshToken {
    /// Its session.
    pub session: SessionId,
    /// Whose.
    pub account: AccountId,
    /// Whether it was used before.
    pub is_used: bool,
    /// Whether the session is still good.
    pub is_live: bool,
}

/// Inserts a session.
pub async fn insert(
    db: &mut PgConnection,
    session: &NewSession<'_>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO session (id, account_id, cookie_hash, created_at, last_used_at, expires_at)
         VALUES ($1, $2, $3, $4, $4, $5)",
        session.id.as_uuid(),
        session.account.as_uuid(),
        session.cookie_hash,
        now,
        session.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A live session by its id.
pub async fn find_live(
    db: &mut PgConnection,
    id: SessionId,
    now: DateTime<Utc>,
) -> DbResult<Option<LiveSession>> {
    let row = sqlx::query!(
        "SELECT id, account_id, last_used_at FROM session
         WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2",
        id.as_uuid(),
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| LiveSession {
        id: SessionId::from_uuid(row.id),
        account: AccountId::from_uuid(row.account_id),
        last_used_at: row.last_used_at,
    }))
}

/// A live session by its cookie.
pub async fn find_live_by_cookie(
    db: &mut PgConnection,
    cookie_hash: &[u8],
    now: DateTime<Utc>,
) -> DbResult<Option<LiveSession>> {
    let row = sqlx::query!(
        "SELECT id, account_id, last_used_at FROM session
         WHERE cookie_hash = $1 AND revoked_at IS NULL AND expires_at > $2",
        cookie_hash,
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| LiveSession {
        id: SessionId::from_uuid(row.id),
        account: AccountId::from_uuid(row.account_id),
        last_used_at: row.last_used_at,
    }))
}

/// Notes that a session is used and until when it then lasts.
pub async fn touch(
    db: &mut PgConnection,
    id: SessionId,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE session SET last_used_at = $2, expires_at = $3 WHERE id = $1 AND revoked_at IS NULL",
        id.as_uuid(),
        now,
        expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Ends a session and with it all its refresh tokens.
pub async fn revoke(db: &mut PgConnection, id: SessionId, now: DateTime<Utc>) -> DbResult<()> {
    sqlx::query!(
        "UPDATE session SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        id.as_uuid(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Adds a refresh token to a session's family.
pub async fn insert_refresh_token(
    db: &mut PgConnection,
    session: SessionId,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO refresh_token (token_hash, session_id, created_at) VALUES ($1, $2, $3)",
        token_hash,
        session.as_uuid(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// A refresh token, locked until the transaction ends, so that of two that come at once one is a reuse.
pub async fn lock_refresh_token(
    db: &mut PgConnection,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> DbResult<Option<RefreshToken>> {
    let row = sqlx::query!(
        r#"SELECT t.session_id, s.account_id, t.used_at IS NOT NULL AS "is_used!",
             (s.revoked_at IS NULL AND s.expires_at > $2) AS "is_live!"
         FROM refresh_token t JOIN session s ON s.id = t.session_id
         WHERE t.token_hash = $1 FOR UPDATE OF t"#,
        token_hash,
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| RefreshToken {
        session: SessionId::from_uuid(row.session_id),
        account: AccountId::from_uuid(row.account_id),
        is_used: row.is_used,
        is_live: row.is_live,
    }))
}

/// Notes that a refresh token was exchanged.
pub async fn set_refresh_token_used(
    db: &mut PgConnection,
    token_hash: &[u8],
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE refresh_token SET used_at = $2 WHERE token_hash = $1",
        token_hash,
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes sessions that ended before `before`; returns how many.
pub async fn delete_ended(db: &mut PgConnection, before: DateTime<Utc>) -> DbResult<u64> {
    let done = sqlx::query!(
        "DELETE FROM session WHERE expires_at < $1 OR revoked_at < $1",
        before
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected())
}
