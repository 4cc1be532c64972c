//! A tenant's first administrator.

use domain::id::TenantId;
use secrecy::{ExposeSecret as _, SecretString};

use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited, run};
use crate::names::TenantNames;

/// Who signed up: becomes an agent who may administrate.
#[derive(Debug, Clone)]
pub struct AdministratorSeed {
    /// Login and address at once; at most 150 characters.
    pub email: String,
    /// Stands in for the last name until the person changes it.
    pub organization: String,
    /// Argon2id in PHC format.
    pub password_hash: SecretString,
}

/// Why an administrator could not be made.
#[derive(Debug, thiserror::Error)]
pub enum AdministratorError {
    /// The schema has no room for it.
    #[error(
        "the administrator's address must be 1 to {} characters long, not {actual}",
        AdministratorSeed::MAX_EMAIL_LEN
    )]
    EmailLength {
        /// How long it is.
        actual: usize,
    },
    /// Only argon2id is checked at sign-in.
    #[error("the administrator's password hash is not argon2id in PHC format ($argon2id$v=19$...)")]
    PasswordFormat,
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl AdministratorSeed {
    /// What `customer_user.email` and `users.login` both have room for.
    pub const MAX_EMAIL_LEN: usize = 150;

    fn check(&self) -> Result<(), AdministratorError> {
        let actual = self.email.chars().count();
        if !(1..=Self::MAX_EMAIL_LEN).contains(&actual) {
            return Err(AdministratorError::EmailLength { actual });
        }
        if !self.password_hash.expose_secret().starts_with("$argon2id$") {
            return Err(AdministratorError::PasswordFormat);
        }
        Ok(())
    }
}

impl TenantDatabase {
    /// Makes the first administrator where it is missing: an agent whose login is the address, with full rights on the
    /// groups users, admin and stats. What exists is never changed: the tenant may have. Answers whether it was made now.
    pub async fn ensure_administrator(
        &self,
        tenant: TenantId,
        seed: &AdministratorSeed,
    ) -> Result<bool, AdministratorError> {
        seed.check()?;
        limited(self.make_administrator(tenant, seed)).await
    }

    async fn make_administrator(
        &self,
        tenant: TenantId,
        seed: &AdministratorSeed,
    ) -> Result<bool, AdministratorError> {
        let names = TenantNames::of(tenant);
        let mut transaction = self.begin(tenant).await?;
        run(&mut transaction, as_owner(&names))
            .await
            .doing("acting as the tenant's owner")?;
        let made: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT FROM gotrs_setting WHERE key = $1)")
                .bind(MADE)
                .fetch_one(&mut *transaction)
                .await
                .doing("looking for the first administrator")?;
        if made {
            return Ok(false);
        }
        // `*` is no hash that any version of OTRS accepts; the real one lies in gotrs_credential.
        let created: Option<i32> = sqlx::query_scalar(
            "INSERT INTO users (login, pw, first_name, last_name, valid_id,
                                create_time, create_by, change_time, change_by)
             VALUES ($1, '*', 'Administrator', left($2, 100), 1,
                     now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1)
             ON CONFLICT (login) DO NOTHING
             RETURNING id",
        )
        .bind(&seed.email)
        .bind(&seed.organization)
        .fetch_optional(&mut *transaction)
        .await
        .doing("making the administrator")?;
        if let Some(user_id) = created {
            sqlx::query(
                "INSERT INTO group_user (user_id, group_id, permission_key,
                                         create_time, create_by, change_time, change_by)
                 SELECT $1, id, 'rw', now() AT TIME ZONE 'UTC', 1, now() AT TIME ZONE 'UTC', 1
                 FROM permission_groups WHERE name IN ('users', 'admin', 'stats')",
            )
            .bind(user_id)
            .execute(&mut *transaction)
            .await
            .doing("giving the administrator its groups")?;
            sqlx::query(
                "INSERT INTO user_preferences (user_id, preferences_key, preferences_value)
                 VALUES ($1, 'UserEmail', $2)",
            )
            .bind(user_id)
            .bind(&seed.email)
            .execute(&mut *transaction)
            .await
            .doing("keeping the administrator's address")?;
            sqlx::query(
                "INSERT INTO gotrs_credential (subject_kind, login, password_hash, changed_at)
                 VALUES ('agent', $1, $2, now())
                 ON CONFLICT (subject_kind, login) DO NOTHING",
            )
            .bind(&seed.email)
            .bind(seed.password_hash.expose_secret())
            .execute(&mut *transaction)
            .await
            .doing("keeping the administrator's password hash")?;
        }
        sqlx::query("INSERT INTO gotrs_setting (key, value) VALUES ($1, to_jsonb($2::text))")
            .bind(MADE)
            .bind(&seed.email)
            .execute(&mut *transaction)
            .await
            .doing("remembering that there was a first administrator")?;
        transaction.commit().await.doing("committing")?;
        Ok(created.is_some())
    }
}

/// Setting that remembers that the first administrator was made: without it, one who changed the
/// login or was removed would come back with the old password at the next start.
pub(crate) const MADE: &str = "platform.first_administrator";

/// Until the end of the transaction everything is made by and belongs to the tenant's owner.
pub(crate) fn as_owner(names: &TenantNames) -> String {
    format!(
        "SET LOCAL ROLE {}; SET LOCAL search_path = {};",
        names.owner, names.schema
    )
}
