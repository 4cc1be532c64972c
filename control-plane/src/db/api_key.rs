//! Keys of programs.

use chrono::{DateTime, Utc};
use domain::id::{AccountId, ApiKeyId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::DbResult;

/// A key without its secret.
#[derive(Debug, Clone)]
pub struct ApiKeyRow {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// What it may do, as text.
    pub scopes: Vec<String>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

macro_rules! api_key {
    ($row:expr) => {
        ApiKeyRow {
            id: ApiKeyId::from_uuid($row.id),
            account: AccountId::from_uuid($row.account_id),
            name: $row.name,
            prefix: $row.prefix,
            scopes: $row.scopes,
            created_at: $row.created_at,
            expires_at: $row.expires_at,
            last_used_at: $row.last_used_at,
        }
    };
}

/// Inserts a key.
pub async fn insert(db: &mut PgConnection, key: &ApiKeyRow, key_hash: &[u8]) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO api_key (id, account_id, name, prefix, key_hash, scopes, created_at, expires_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        key.id.as_uuid(),
        key.account.as_uuid(),
        key.name,
        key.prefix,
        key_hash,
        &key.scopes,
        key.created_at,
        key.expires_at,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The key with this hash unless it has ended.
pub async fn find_live(
    db: &mut PgConnection,
    key_hash: &[u8],
    now: DateTime<Utc>,
) -> DbResult<Option<ApiKeyRow>> {
    let row = sqlx::query!(
        "SELECT id, account_id, name, prefix, scopes, created_at, expires_at, last_used_at FROM api_key
         WHERE key_hash = $1 AND (expires_at IS NULL OR expires_at > $2)",
        key_hash,
        now,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| api_key!(row)))
}

/// Notes that a key was used.
pub async fn touch(db: &mut PgConnection, id: ApiKeyId, now: DateTime<Utc>) -> DbResult<()> {
    sqlx::query!(
        "UPDATE api_key SET last_used_at = $2 WHERE id = $1",
        id.as_uuid(),
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// An account's keys after `after`, oldest first.
pub async fn list(
    db: &mut PgConnection,
    account: AccountId,
    after: Uuid,
    limit: i64,
) -> DbResult<Vec<ApiKeyRow>> {
    let rows = sqlx::query!(
        "SELECT id, account_id, name, prefix, scopes, created_at, expires_at, last_used_at FROM api_key
         WHERE account_id = $1 AND id > $2 ORDER BY id LIMIT $3",
        account.as_uuid(),
        after,
        limit,
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|row| api_key!(row)).collect())
}

/// How many keys an account has.
pub async fn count(db: &mut PgConnection, account: AccountId) -> DbResult<i64> {
    Ok(sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM api_key WHERE account_id = $1"#,
        account.as_uuid()
    )
    .fetch_one(db)
    .await?)
}

/// Removes an account's key; whether there was one.
pub async fn delete(db: &mut PgConnection, account: AccountId, id: ApiKeyId) -> DbResult<bool> {
    let done = sqlx::query!(
        "DELETE FROM api_key WHERE id = $1 AND account_id = $2",
        id.as_uuid(),
        account.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
