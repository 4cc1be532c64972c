//! `gotrs_credential`: argon2id hashes, beside the columns that OTRS reads.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::auth::session::Subject;

/// The hash of a subject's password, if it has one of ours.
pub async fn find(
    connection: &mut PgConnection,
    subject: Subject,
    login: &str,
) -> sqlx::Result<Option<String>> {
    sqlx::query_scalar!(
        "SELECT password_hash FROM gotrs_credential WHERE subject_kind = $1 AND login = $2",
        subject.as_str(),
        login
    )
    .fetch_optional(connection)
    .await
}

/// Stores a hash in place of what was there.
pub async fn put(
    connection: &mut PgConnection,
    subject: Subject,
    login: &str,
    hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    sqlx::query!(
        "INSERT INTO gotrs_credential (subject_kind, login, password_hash, changed_at)
         VALUES ($1, $2, $3, $4)
         ON CONFLICT (subject_kind, login)
         DO UPDATE SET password_hash = EXCLUDED.password_hash, changed_at = EXCLUDED.changed_at",
        subject.as_str(),
        login,
        hash,
        now
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The subject has another login now. A left-over of an earlier holder of that login goes.
pub async fn rename(
    connection: &mut PgConnection,
    subject: Subject,
    old: &str,
    new: &str,
) -> sqlx::Result<()> {
    remove(connection, subject, new).await?;
    sqlx::query!(
        "UPDATE gotrs_credential SET login = $3 WHERE subject_kind = $1 AND login = $2",
        subject.as_str(),
        old,
        new
    )
    .execute(connection)
    .await
    .map(drop)
}

/// The subject is gone.
pub async fn remove(
    connection: &mut PgConnection,
    subject: Subject,
    login: &str,
) -> sqlx::Result<()> {
    sqlx::query!(
        "DELETE FROM gotrs_credential WHERE subject_kind = $1 AND login = $2",
        subject.as_str(),
        login
    )
    .execute(connection)
    .await
    .map(drop)
}
