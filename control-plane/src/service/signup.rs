//! From a form to a tenant that is being made.
//!
//! Every signup makes an account of its own, whatever is known of its address: the answer is the same, takes as long,
//! and a link goes out. When the link is opened and the address already has an account, the tenant goes to that.

use std::net::IpAddr;

use chrono::TimeDelta;
use domain::id::{AccountId, RequestId, TenantId};
use domain::name::{ParseNameError, TenantSlug};
use domain::plan::Plan;
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use service_kit::problem::ProblemItem;
use service_kit::{Chain, Problem};
use sqlx::PgConnection;

use crate::app::AppState;
use crate::db::account::NewAccount;
use crate::db::tenant::{self, NewTenant, Tenant, Wanted};
use crate::db::verification::{self, Verification};
use crate::db::{self, DbError};
use crate::email::{EmailAddress, ParseEmailError};
use crate::keys::Purpose;
use crate::password::{self, HashError};
use crate::rate_limit::{MAILS_SENT_AGAIN, TooMany};
use crate::service::audit::{self, Deed, VISITOR};
use crate::status::{self, Intent, Subject};
use crate::token;

/// How long a link can be used. After it the slug is free again.
pub const LINK_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// Longest name of an organization.
pub const MAX_ORGANIZATION_LEN: usize = 100;

/// The form as it was filled in.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignupInput {
    /// The organization's name.
    #[serde(default)]
    pub organization: String,
    /// The tenant's part of its host.
    #[serde(default)]
    pub slug: String,
    /// Who signs up; the first administrator.
    #[serde(default)]
    pub email: String,
    /// For the console and the tenant.
    #[serde(default)]
    pub password: SecretString,
    /// `free`, `team` or `business`; free if empty.
    #[serde(default)]
    pub plan: String,
}

/// A signup that waits for its link to be opened.
#[derive(Debug)]
pub struct SignedUp {
    /// The account of this signup.
    pub account: AccountId,
    /// In phase Pending.
    pub tenant: Tenant,
}

/// A link that was opened.
#[derive(Debug)]
pub struct Verified {
    /// Who owns the tenant; may be signed in when `is_first`.
    pub account: AccountId,
    /// Being made, or further.
    pub tenant: Tenant,
    /// Whether the link was opened for the first time: only then does it prove who opens it.
    pub is_first: bool,
}

/// A link as it is before somebody opens it.
#[derive(Debug)]
pub struct Link {
    /// The account of its signup.
    pub account: AccountId,
    /// Which tenant waits for it.
    pub tenant: Tenant,
    /// Whether somebody has opened it.
    pub is_used: bool,
}

/// Why a signup or a link was refused.
#[derive(Debug, thiserror::Error)]
pub enum SignupError {
    /// Some of it is not right; everything that is not.
    #[error("the form is not right")]
    Invalid(Vec<ProblemItem>),
    /// Somebody has it.
    #[error("the slug is taken")]
    SlugTaken,
    /// Too many.
    #[error("too many signups")]
    TooMany(#[source] TooMany),
    /// No link of ours.
    #[error("the link is not valid")]
    BadLink,
    /// Too late.
    #[error("the link has expired")]
    LinkExpired,
    /// Whoever opens the link did not make its signup.
    #[error("the password is not that of the signup")]
    WrongPassword,
    /// Argon2.
    #[error("the password could not be hashed")]
    Hash(#[source] HashError),
    /// The database.
    #[error("the signup could not be stored")]
    Database(#[from] DbError),
}

impl From<SignupError> for Problem {
    fn from(error: SignupError) -> Self {
        match error {
            SignupError::Invalid(items) => Self::unprocessable(items),
            SignupError::SlugTaken => {
                Self::new(StatusCode::CONFLICT, "slug_taken", "This address is taken")
                    .with_detail("Choose another slug.")
                    .with_errors(vec![ProblemItem::field("/slug", "slug_taken", "is taken")])
            }
            SignupError::TooMany(refused) => refused.into(),
            SignupError::BadLink => {
                Self::new(StatusCode::NOT_FOUND, "bad_link", "This link is not valid")
                    .with_detail("Open the link of the newest mail, or sign up again.")
            }
            SignupError::LinkExpired => {
                Self::new(StatusCode::GONE, "link_expired", "This link has expired")
                    .with_detail("Sign up again.")
            }
            SignupError::WrongPassword => Self::new(
                StatusCode::UNAUTHORIZED,
                "wrong_credentials",
                "This is not the password of this signup",
            )
            .with_detail(
                "Type the one that was chosen when this helpdesk was signed up, or sign up again.",
            ),
            error @ SignupError::Hash(_) => {
                tracing::error!(error = %Chain(&error), "a signup failed");
                Self::internal()
            }
            SignupError::Database(error) => error.into(),
        }
    }
}

struct ValidSignup<'a> {
    organization: &'a str,
    slug: TenantSlug,
    email: EmailAddress,
    plan: Plan,
}

/// Checks the form and stores the signup; its mail goes out at once.
pub async fn sign_up(
    state: &AppState,
    client: IpAddr,
    input: &SignupInput,
) -> Result<SignedUp, SignupError> {
    let valid = validate(input).map_err(SignupError::Invalid)?;
    state
        .limits
        .check_signup(client, &valid.email.key())
        .map_err(SignupError::TooMany)?;
    let password_hash = password::hash(&state.tasks, input.password.clone())
        .await
        .map_err(SignupError::Hash)?;
    let now = state.clock.now();
    let account = NewAccount {
        id: AccountId::generate(),
        email: &valid.email,
        organization: valid.organization,
        password_hash: &password_hash,
    };
    let new_tenant = NewTenant {
        id: TenantId::generate(),
        account: account.id,
        slug: &valid.slug,
        organization: valid.organization,
        plan: valid.plan,
        cell: &state.settings.cell,
    };
    let verification = Verification {
        id: RequestId::generate().as_uuid(),
        account: account.id,
        tenant: new_tenant.id,
        expires_at: now + LINK_LIFETIME,
        used_at: None,
    };
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    db::account::insert(&mut tx, &account, now).await?;
    tenant::insert(&mut tx, &new_tenant, now)
        .await
        .map_err(|error| match error.constraint() {
            Some(tenant::SLUG_TAKEN) => SignupError::SlugTaken,
            _ => error.into(),
        })?;
    verification::insert(&mut tx, &verification, now).await?;
    let deed = Deed {
        account: account.id,
        tenant: Some(new_tenant.id),
        actor: VISITOR,
        action: "signup",
        detail: serde_json::json!({"slug": valid.slug, "plan": valid.plan}),
    };
    audit::record(&mut tx, deed, now).await?;
    let tenant = stored(&mut tx, new_tenant.id).await?;
    tx.commit().await.map_err(DbError::from)?;
    tracing::info!(tenant.id = %tenant.id, tenant.slug = %tenant.slug, "signed up");
    Ok(SignedUp {
        account: account.id,
        tenant,
    })
}

/// The token of a link.
pub fn link_token(state: &AppState, verification: uuid::Uuid) -> SecretString {
    token::sign_id(&state.keys, Purpose::EmailVerification, "", verification)
}

/// Marks the browser of a signup, for its cookie.
pub fn browser_token(state: &AppState, account: AccountId) -> SecretString {
    token::sign_id(&state.keys, Purpose::SignupBrowser, "", account.as_uuid())
}

/// Whether this is the mark of the browser in which the account signed up.
pub fn is_browser_of(state: &AppState, account: AccountId, text: &str) -> bool {
    token::verify_id(&state.keys, Purpose::SignupBrowser, "", text) == Some(account.as_uuid())
}

/// Looks at a link without opening it.
pub async fn look(state: &AppState, text: &str) -> Result<Link, SignupError> {
    let id = token::verify_id(&state.keys, Purpose::EmailVerification, "", text)
        .ok_or(SignupError::BadLink)?;
    // Ends with nothing done: the link is free again at once.
    let mut db = state.pool.begin().await.map_err(DbError::from)?;
    let link = verification::lock(&mut db, id)
        .await?
        .ok_or(SignupError::BadLink)?;
    if link.used_at.is_none() && link.expires_at <= state.clock.now() {
        return Err(SignupError::LinkExpired);
    }
    Ok(Link {
        account: link.account,
        tenant: stored(&mut db, link.tenant).await?,
        is_used: link.used_at.is_some(),
    })
}

/// Opens a link for somebody who knows the password of its signup: the mailbox is theirs, and so was the signup.
pub async fn verify_with_password(
    state: &AppState,
    client: IpAddr,
    text: &str,
    password: SecretString,
) -> Result<Verified, SignupError> {
    let link = look(state, text).await?;
    if password.expose_secret().len() > password::MAX_LEN {
        return Err(SignupError::WrongPassword);
    }
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    let account = db::account::find(&mut db, link.account)
        .await?
        .ok_or(SignupError::BadLink)?;
    // Hashing takes long and needs no connection.
    drop(db);
    state
        .limits
        .check_sign_in(client, &account.email.to_lowercase())
        .map_err(SignupError::TooMany)?;
    if !password::verify(&state.tasks, password, Some(account.password_hash))
        .await
        .map_err(SignupError::Hash)?
    {
        return Err(SignupError::WrongPassword);
    }
    verify(state, text).await
}

/// Opens a link: the address is proven and the tenant is being made. Opening it again tells how far it is.
pub async fn verify(state: &AppState, text: &str) -> Result<Verified, SignupError> {
    let id = token::verify_id(&state.keys, Purpose::EmailVerification, "", text)
        .ok_or(SignupError::BadLink)?;
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let link = verification::lock(&mut tx, id)
        .await?
        .ok_or(SignupError::BadLink)?;
    if link.used_at.is_some() {
        return Ok(Verified {
            account: link.account,
            tenant: stored(&mut tx, link.tenant).await?,
            is_first: false,
        });
    }
    if link.expires_at <= now {
        return Err(SignupError::LinkExpired);
    }
    let account = prove_address(&mut tx, link.account, now).await?;
    claim_adopted(&mut tx, account, now).await?;
    if account != link.account {
        tenant::set_owner(&mut tx, link.tenant, account).await?;
    }
    verification::set_used(&mut tx, id, account, now).await?;
    if account != link.account {
        db::account::delete_unverified(&mut tx, link.account).await?;
    }
    let wanted = Wanted {
        intent: Intent::Running,
        suspended_reason: None,
        deletion: None,
    };
    let subject = Subject {
        intent: wanted.intent,
        is_being_deleted: false,
        was_active: false,
        generation: 1,
    };
    tenant::set_wanted(
        &mut tx,
        link.tenant,
        &wanted,
        status::phase(subject, false),
        now,
    )
    .await?;
    let deed = Deed {
        account,
        tenant: Some(link.tenant),
        actor: VISITOR,
        action: "signup.verify",
        detail: serde_json::json!({}),
    };
    audit::record(&mut tx, deed, now).await?;
    let tenant = stored(&mut tx, link.tenant).await?;
    tx.commit().await.map_err(DbError::from)?;
    tracing::info!(tenant.id = %tenant.id, tenant.slug = %tenant.slug, "address proven, provisioning begins");
    Ok(Verified {
        account,
        tenant,
        is_first: true,
    })
}

/// Tenants that were made as resources for the administrator of this address are the account's from now on.
async fn claim_adopted(
    db: &mut PgConnection,
    account: AccountId,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<(), SignupError> {
    let Some(found) = db::account::find(db, account).await? else {
        return Ok(());
    };
    let email_key = found.email.to_lowercase();
    for tenant in db::adoption::claim_all(db, &email_key, account, now).await? {
        let deed = Deed {
            account,
            tenant: Some(tenant),
            actor: VISITOR,
            action: "tenant.claim",
            detail: serde_json::json!({}),
        };
        audit::record(db, deed, now).await?;
    }
    Ok(())
}

/// The account that owns the address from now on: the one that already does, else this one.
async fn prove_address(
    db: &mut PgConnection,
    id: AccountId,
    now: chrono::DateTime<chrono::Utc>,
) -> Result<AccountId, SignupError> {
    let account = db::account::find(db, id)
        .await?
        .ok_or(SignupError::BadLink)?;
    let email_key = account.email.to_lowercase();
    db::account::lock_email(db, &email_key).await?;
    match db::account::find_verified(db, &email_key).await? {
        Some(existing) => Ok(existing),
        None => {
            db::account::set_verified(db, id, now).await?;
            Ok(id)
        }
    }
}

/// Sends the mails of the newest open signups of this address again, more than one since a stranger may have signed up with it. Says nothing about whether there is one.
pub async fn resend(state: &AppState, client: IpAddr, email: &str) -> Result<(), SignupError> {
    let email: EmailAddress = email
        .parse()
        .map_err(|error| SignupError::Invalid(vec![email_item(error)]))?;
    state
        .limits
        .check_resend(client, &email.key())
        .map_err(SignupError::TooMany)?;
    let now = state.clock.now();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    verification::send_again(
        &mut tx,
        &email.key(),
        i64::from(MAILS_SENT_AGAIN.get()),
        now,
        now + LINK_LIFETIME,
        LINK_LIFETIME * 2,
    )
    .await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

async fn stored(db: &mut PgConnection, id: TenantId) -> Result<Tenant, SignupError> {
    tenant::find(db, id).await?.ok_or(SignupError::BadLink)
}

fn validate(input: &SignupInput) -> Result<ValidSignup<'_>, Vec<ProblemItem>> {
    let mut items = Vec::new();
    let organization = input.organization.trim();
    if organization.is_empty() {
        items.push(ProblemItem::field(
            "/organization",
            "required",
            "is required",
        ));
    } else if organization.chars().count() > MAX_ORGANIZATION_LEN {
        let message = format!("must be at most {MAX_ORGANIZATION_LEN} characters long");
        items.push(ProblemItem::field("/organization", "too_long", message));
    } else if organization.chars().any(char::is_control) {
        items.push(ProblemItem::field(
            "/organization",
            "bad_character",
            "must not hold control characters",
        ));
    }
    let slug = input
        .slug
        .parse::<TenantSlug>()
        .map_err(|error| items.push(slug_item(&input.slug, &error)))
        .ok();
    let email = input
        .email
        .parse::<EmailAddress>()
        .map_err(|error| items.push(email_item(error)))
        .ok();
    let known = [
        email.as_ref().map_or("", EmailAddress::local_part),
        input.email.as_str(),
        organization,
        input.slug.as_str(),
    ];
    if let Err(error) = password::check_strength(&input.password, &known) {
        items.push(ProblemItem::field(
            "/password",
            error.code(),
            error.to_string(),
        ));
    }
    let plan = match input.plan.as_str() {
        "" => Ok(Plan::Free),
        text => text.parse(),
    };
    let plan = plan
        .map_err(|error: domain::plan::ParsePlanError| {
            items.push(ProblemItem::field(
                "/plan",
                "unknown_plan",
                error.to_string(),
            ));
        })
        .ok();
    match (slug, email, plan) {
        (Some(slug), Some(email), Some(plan)) if items.is_empty() => Ok(ValidSignup {
            organization,
            slug,
            email,
            plan,
        }),
        _ => Err(items),
    }
}

fn slug_item(text: &str, error: &ParseNameError) -> ProblemItem {
    let code = match error {
        ParseNameError::Length { .. } if text.is_empty() => {
            return ProblemItem::field("/slug", "required", "is required");
        }
        ParseNameError::Length { actual, min, .. } if actual < min => "too_short",
        ParseNameError::Length { .. } => "too_long",
        ParseNameError::Character { .. } => "bad_character",
        ParseNameError::Reserved(_) => "reserved",
    };
    ProblemItem::field("/slug", code, error.to_string())
}

fn email_item(error: ParseEmailError) -> ProblemItem {
    let code = match error {
        ParseEmailError::Empty => "required",
        ParseEmailError::TooLong => "too_long",
        ParseEmailError::Shape => "bad_email",
    };
    ProblemItem::field("/email", code, error.to_string())
}
