//! Links that prove an address: whom they are for, whether they were used, and whether their mail is still to be sent.

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{AccountId, TenantId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::DbResult;

/// One link.
#[derive(Debug, Clone, Copy)]
pub struct Verification {
    /// Its id; the token is made from it.
    pub id: Uuid,
    /// Whose address it proves.
    pub account: AccountId,
    /// Which tenant waits for it.
    pub tenant: TenantId,
    /// Until when it can be used.
    pub expires_at: DateTime<Utc>,
    /// When it was used.
    pub used_at: Option<DateTime<Utc>>,
}

/// A mail that is to be sent.
#[derive(Debug, Clone)]
pub struct DueMail {
    /// Which link goes into it.
    pub id: Uuid,
    /// To whom.
    pub email: String,
    /// For which organization.
    pub organization: String,
    /// The slug that was chosen.
    pub slug: String,
    /// Until when the link can be used.
    pub expires_at: DateTime<Utc>,
    /// How often it was tried, this time included.
    pub attempts: i32,
}

/// Inserts a link whose mail is due at once, and wakes the mail job.
pub async fn insert(
    db: &mut PgConnection,
    verification: &Verification,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "INSERT INTO email_verification (id, account_id, tenant_id, created_at, expires_at, send_after, send_attempts)
         VALUES ($1, $2, $3, $4, $5, $4, 0)",
        verification.id,
        verification.account.as_uuid(),
        verification.tenant.as_uuid(),
        now,
        verification.expires_at,
    )
    .execute(&mut *db)
    .await?;
    notify_mail_due(db).await
}

/// A link, locked until the transaction ends, so that it is used once.
pub async fn lock(db: &mut PgConnection, id: Uuid) -> DbResult<Option<Verification>> {
    let row = sqlx::query!(
        "SELECT id, account_id, tenant_id, expires_at, used_at FROM email_verification WHERE id = $1 FOR UPDATE",
        id,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| Verification {
        id: row.id,
        account: AccountId::from_uuid(row.account_id),
        tenant: TenantId::from_uuid(row.tenant_id),
        expires_at: row.expires_at,
        used_at: row.used_at,
    }))
}

/// Notes that a link was used, and by which account its tenant is owned from now on.
pub async fn set_used(
    db: &mut PgConnection,
    id: Uuid,
    account: AccountId,
    now: DateTime<Utc>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE email_verification SET used_at = $3, account_id = $2, send_after = NULL WHERE id = $1",
        id,
        account.as_uuid(),
        now,
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Makes the mails of the newest unused links to this address due again, `most` of them, each with a new end, but none that is
/// beyond `longest` after its signup: who does not open a link for so long does not want it. Returns how many.
pub async fn send_again(
    db: &mut PgConnection,
    email_key: &str,
    most: i64,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
    longest: TimeDelta,
) -> DbResult<u64> {
    let done = sqlx::query!(
        "UPDATE email_verification SET send_after = $3, send_attempts = 0, expires_at = least($4, created_at + ($5::float8 * interval '1 second'))
         WHERE id IN (SELECT v.id FROM email_verification v JOIN account a ON a.id = v.account_id
                      WHERE a.email_key = $1 AND v.used_at IS NULL AND v.created_at > $6
                      ORDER BY v.created_at DESC LIMIT $2)",
        email_key,
        most,
        now,
        expires_at,
        longest.as_seconds_f64(),
        now - longest,
    )
    .execute(&mut *db)
    .await?;
    if done.rows_affected() > 0 {
        notify_mail_due(db).await?;
    }
    Ok(done.rows_affected())
}

/// Takes the mail that is due longest and puts it off to `next_attempt`, in case this attempt fails or dies.
pub async fn take_due_mail(
    db: &mut PgConnection,
    now: DateTime<Utc>,
    next_attempt: DateTime<Utc>,
) -> DbResult<Option<DueMail>> {
    let row = sqlx::query!(
        "UPDATE email_verification v SET send_after = $2, send_attempts = send_attempts + 1
         FROM account a, tenant t
         WHERE v.id = (
             SELECT id FROM email_verification WHERE send_after <= $1 AND used_at IS NULL AND expires_at > $1
             ORDER BY send_after LIMIT 1 FOR UPDATE SKIP LOCKED
         ) AND a.id = v.account_id AND t.id = v.tenant_id
         RETURNING v.id, a.email, t.organization, t.slug, v.expires_at, v.send_attempts",
        now,
        next_attempt,
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| DueMail {
        id: row.id,
        email: row.email,
        organization: row.organization,
        slug: row.slug,
        expires_at: row.expires_at,
        attempts: row.send_attempts,
    }))
}

/// The mail is on its way (`None`) or is to be tried again.
pub async fn set_send_after(
    db: &mut PgConnection,
    id: Uuid,
    send_after: Option<DateTime<Utc>>,
) -> DbResult<()> {
    sqlx::query!(
        "UPDATE email_verification SET send_after = $2 WHERE id = $1",
        id,
        send_after
    )
    .execute(db)
    .await?;
    Ok(())
}

/// Removes signups whose link was not used before `before`, tenant and account included, so that their slugs are free
/// again; returns how many.
pub async fn delete_expired(db: &mut PgConnection, before: DateTime<Utc>) -> DbResult<u64> {
    sqlx::query!(
        "DELETE FROM tenant WHERE phase = 'Pending' AND desired_state = 'None' AND id IN (
             SELECT tenant_id FROM email_verification WHERE used_at IS NULL AND expires_at < $1
         )",
        before,
    )
    .execute(&mut *db)
    .await?;
    let accounts = sqlx::query!(
        "DELETE FROM account WHERE verified_at IS NULL
         AND NOT EXISTS (SELECT 1 FROM tenant WHERE tenant.account_id = account.id)",
    )
    .execute(db)
    .await?;
    Ok(accounts.rows_affected())
}

async fn notify_mail_due(db: &mut PgConnection) -> DbResult<()> {
    sqlx::query!("SELECT pg_notify($1, '')", super::MAIL_DUE)
        .execute(db)
        .await?;
    Ok(())
}
