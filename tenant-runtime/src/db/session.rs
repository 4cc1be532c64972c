//! `gotrs_session`: one row per sign-in, with its tokens in `gotrs_refresh_token`.

use chrono::{DateTime, Utc};
use domain::digest::Sha256Digest;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::auth::session::Subject;

/// A new sign-in.
#[derive(Debug)]
pub struct NewSession<'a> {
    /// Its id.
    pub id: Uuid,
    /// What kind of person.
    pub subject: Subject,
    /// `users.id` of an agent.
    pub subject_id: i32,
    /// `users.login`.
    pub login: &'a str,
    /// What the browser or program calls itself.
    pub user_agent: Option<&'a str>,
    /// Now.
    pub created_at: DateTime<Utc>,
    /// When it ends whatever happens.
    pub expires_at: DateTime<Utc>,
}

/// A session that is good now.
#[derive(Debug)]
pub struct LiveSession {
    /// Its id.
    pub id: Uuid,
    /// Whose.
    pub subject_id: i32,
    /// When it was last used, to within some minutes.
    pub last_used_at: DateTime<Utc>,
}

/// Stores a sign-in.
pub async fn insert(connection: &mut PgConnection, session: &NewSession<'_>) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO gotrs_session (id, subject_kind, subject_id, login, created_at, last_used_at, expires_at, user_agent)
         VALUES ($1, $2, $3, $4, $5, $5, $6, left($7, 400))",
        session.id,
        session.subject.as_str(),
        session.subject_id,
        session.login,
        session.created_at,
        session.expires_at,
        session.user_agent
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The session of a cookie, if it is neither over nor revoked nor unused since `idle_since`.
pub async fn find_by_token(
    connection: &mut PgConnection,
    subject: Subject,
    token: Sha256Digest,
    now: DateTime<Utc>,
    idle_since: DateTime<Utc>,
) -> sqlx::Result<Option<LiveSession>> {
    sqlx::query_as!(
        LiveSession,
        "SELECT s.id, s.subject_id, s.last_used_at
         FROM gotrs_refresh_token t
         JOIN gotrs_session s ON s.id = t.session_id
         WHERE t.token_hash = $1 AND s.subject_kind = $2 AND s.revoked_at IS NULL AND s.expires_at > $3
           AND s.last_used_at > $4",
        token.as_bytes().as_slice(),
        subject.as_str(),
        now,
        idle_since
    )
    .fetch_optional(connection)
    .await
}

/// The session of this id, if it is neither over nor revoked.
pub async fn find_live(
    connection: &mut PgConnection,
    subject: Subject,
    id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<LiveSession>> {
    sqlx::query_as!(
        LiveSession,
        "SELECT id, subject_id, last_used_at
         FROM gotrs_session
         WHERE id = $1 AND subject_kind = $2 AND revoked_at IS NULL AND expires_at > $3",
        id,
        subject.as_str(),
        now
    )
    .fetch_optional(connection)
    .await
}

/// Notes that a session is in use.
pub async fn touch(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE gotrs_session SET last_used_at = $2 WHERE id = $1",
        id,
        now
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Ends a session; ending it again changes nothing.
pub async fn revoke(
    connection: &mut PgConnection,
    id: Uuid,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE gotrs_session SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL",
        id,
        now
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Ends every session of a subject, as a new password does.
pub async fn revoke_all(
    connection: &mut PgConnection,
    subject: Subject,
    subject_id: i32,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "UPDATE gotrs_session SET revoked_at = $3 WHERE subject_kind = $1 AND subject_id = $2 AND revoked_at IS NULL",
        subject.as_str(),
        subject_id,
        now
    )
    .execute(connection)
    .await
    .map(drop)
}

/// Forgets sessions that are long over, with their refresh tokens.
pub async fn remove_expired(
    connection: &mut PgConnection,
    before: DateTime<Utc>,
) -> sqlx::Result<u64> {
    sqlx::query!("DELETE FROM gotrs_session WHERE expires_at < $1", before)
        .execute(connection)
        .await
        .map(|done| done.rows_affected())
}
