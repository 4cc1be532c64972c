//! Accounts and their passwords.

use chrono::{DateTime, Utc};
use domain::id::AccountId;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgConnection;
use uuid::Uuid;

use super::DbResult;
use crate::email::EmailAddress;

/// The account that owns what nobody has claimed yet; it has no credentials, so nobody signs in to it.
pub const PLATFORM: AccountId =
    AccountId::from_uuid(Uuid::from_u128(0x0000_0000_0000_7000_8000_0000_0000_0000));

/// An account.
#[derive(Debug, Clone)]
pub struct Account {
    /// Its id.
    pub id: AccountId,
    /// As it was typed.
    pub email: String,
    /// The organization that it signed up with first.
    pub organization: String,
    /// When its address was proven.
    pub verified_at: Option<DateTime<Utc>>,
    /// Argon2id in PHC format.
    pub password_hash: SecretString,
}

/// What a new account is made of.
#[derive(Debug)]
pub struct NewAccount<'a> {
    /// Its id.
    pub id: AccountId,
    /// Not yet proven.
    pub email: &'a EmailAddress,
    /// The organization's name.
    pub organization: &'a str,
    /// Argon2id in PHC format.
    pub password_hash: &'a SecretString,
}

/// Inserts an account whose address is not yet proven.
pub async fn insert(
    db: &mut PgConnection,
    account: &NewAccount<'_>,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO account (id, email, email_key, organization, created_at) VALUES ($1, $2, $3, $4, $5)",
        account.id.as_uuid(),
        account.email.as_str(),
        account.email.key(),
        account.organization,
        now,
    )
    .execute(&mut *db)
    .await?;
    sqlx::query!(
        "INSERT INTO account_credential (account_id, password_hash, changed_at) VALUES ($1, $2, $3)",
        account.id.as_uuid(),
        account.password_hash.expose_secret(),
        now,
    )
    .execute(&mut *db)
    .await?;
    Ok(())
}

/// One account.
pub async fn find(db: &mut PgConnection, id: AccountId) -> DbResult<Option<Account>> {
    let row = sqlx::query!(
        "SELECT a.id, a.email, a.organization, a.verified_at, c.password_hash
         FROM account a JOIN account_credential c ON c.account_id = a.id WHERE a.id = $1",
        id.as_uuid(),
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Account {
        id: AccountId::from_uuid(row.id),
        email: row.email,
        organization: row.organization,
        verified_at: row.verified_at,
        password_hash: row.password_hash.into(),
    }))
}

/// The account that a person with this address means: the proven one, else the one of the newest signup.
pub async fn find_by_email(db: &mut PgConnection, email_key: &str) -> DbResult<Option<Account>> {
    let row = sqlx::query!(
        "SELECT a.id, a.email, a.organization, a.verified_at, c.password_hash
         FROM account a JOIN account_credential c ON c.account_id = a.id
         WHERE a.email_key = $1
         ORDER BY a.verified_at IS NULL, a.created_at DESC LIMIT 1",
        email_key,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Account {
        id: AccountId::from_uuid(row.id),
        email: row.email,
        organization: row.organization,
        verified_at: row.verified_at,
        password_hash: row.password_hash.into(),
    }))
}

/// Waits until no other transaction proves an address that reads the same; until the transaction ends.
pub async fn lock_email(db: &mut PgConnection, email_key: &str) -> DbResult<()> {
    sqlx::query!(
        "SELECT pg_advisory_xact_lock(hashtextextended('account ' || $1, 0))",
        email_key
    )
    .execute(db)
    .await?;
    Ok(())
}

/// The account whose proven address this is.
pub async fn find_verified(db: &mut PgConnection, email_key: &str) -> DbResult<Option<AccountId>> {
    let id = sqlx::query_scalar!(
        "SELECT id FROM account WHERE email_key = $1 AND verified_at IS NOT NULL",
        email_key,
    )
    .fetch_optional(db)
    .await?;
    Ok(id.map(AccountId::from_uuid))
}

/// Notes that the address is proven.
pub async fn set_verified(
    db: &mut PgConnection,
    id: AccountId,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE account SET verified_at = $2 WHERE id = $1",
        id.as_uuid(),
        now
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes an account that was never proven and owns nothing.
pub async fn delete_unverified(db: &mut PgConnection, id: AccountId) -> DbResult<()> {
    sqlx::query!(
        "DELETE FROM account WHERE id = $1 AND verified_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM tenant WHERE tenant.account_id = account.id)",
        id.as_uuid(),
    )
    .execute(db)
    .await?;
    Ok(())
}
