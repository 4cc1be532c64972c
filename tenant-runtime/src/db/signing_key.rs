//! `gotrs_signing_key`: keys of access tokens, the signing one first.

use chrono::{DateTime, Utc};
use sqlx::PgConnection;

use crate::auth::token::SigningKey;

/// Every key that verifies; the first one signs.
pub async fn list(connection: &mut PgConnection) -> sqlx::Result<Vec<SigningKey>> {
    let rows = sqlx::query!(
        "SELECT id, secret FROM gotrs_signing_key
         WHERE algorithm = 'HS256' ORDER BY retired_at IS NULL DESC, created_at DESC, id DESC"
    )
    .fetch_all(connection)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| SigningKey {
            id: row.id,
            secret: row.secret.into(),
        })
        .collect())
}

/// Stores a key, unless another process of this tenant was faster.
pub async fn insert_first(
    connection: &mut PgConnection,
    key: &SigningKey,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    use secrecy::ExposeSecret as _;
    sqlx::query!(
        "INSERT INTO gotrs_signing_key (id, algorithm, secret, created_at)
         SELECT $1, 'HS256', $2, $3
         WHERE NOT EXISTS (SELECT FROM gotrs_signing_key WHERE algorithm = 'HS256' AND retired_at IS NULL)",
        key.id,
        key.secret.expose_secret(),
        now
    )
    .execute(connection)
    .await
    .map(drop)
}
