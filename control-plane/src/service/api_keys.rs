//! Keys of programs. A key is its id and a signature, so it can be made again for a repeated call; what authenticates is
//! the row with its hash, so deleting the row ends the key.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{AccountId, ApiKeyId};
use http::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::problem::ProblemItem;
use uuid::Uuid;

use crate::app::AppState;
use crate::db::api_key::ApiKeyRow;
use crate::db::{self, DbError, DbResult};
use crate::http::extract::Caller;
use crate::keys::Purpose;
use crate::service::audit::{self, Deed};
use crate::token;

/// What every key begins with, so that one found in a log is recognised.
pub const PREFIX: &str = "gotrs_";
/// Longest name of a key.
pub const MAX_NAME_LEN: usize = 100;
/// Keys of one account; more are a program that makes them in a loop.
pub const MAX_KEYS: i64 = 100;
/// Characters of a key that a list shows.
const SHOWN: usize = 14;
/// The last use is noted this often at most.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(1);

/// What a key may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Scope {
    /// See tenants and their state.
    TenantsRead,
    /// Suspend, resume, delete.
    TenantsWrite,
    /// Make exports and download them: all of a tenant's data.
    TenantsExport,
    /// See modules and their state.
    ModulesRead,
    /// Upload, roll back, delete modules.
    ModulesWrite,
    /// See the audit log.
    AuditRead,
}

/// A text that is no scope.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "unknown scope; choose among tenants:read, tenants:write, tenants:export, modules:read, modules:write, audit:read"
)]
pub struct ParseScopeError;

impl Scope {
    /// Every scope.
    pub const ALL: [Self; 6] = [
        Self::TenantsRead,
        Self::TenantsWrite,
        Self::TenantsExport,
        Self::ModulesRead,
        Self::ModulesWrite,
        Self::AuditRead,
    ];

    /// As it is stored and written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TenantsRead => "tenants:read",
            Self::TenantsWrite => "tenants:write",
            Self::TenantsExport => "tenants:export",
            Self::ModulesRead => "modules:read",
            Self::ModulesWrite => "modules:write",
            Self::AuditRead => "audit:read",
        }
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Scope {
    type Err = ParseScopeError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|scope| scope.as_str() == text)
            .ok_or(ParseScopeError)
    }
}

impl Serialize for Scope {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A key without its secret.
#[derive(Debug, Clone, Serialize)]
pub struct ApiKey {
    /// Its id.
    pub id: ApiKeyId,
    /// Whose it is.
    #[serde(skip)]
    pub account: AccountId,
    /// What its owner calls it.
    pub name: String,
    /// Its first characters.
    pub prefix: String,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it ends, if it does.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was last used, to within a minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

impl TryFrom<ApiKeyRow> for ApiKey {
    type Error = DbError;

    fn try_from(row: ApiKeyRow) -> Result<Self, DbError> {
        let scopes = row
            .scopes
            .iter()
            .map(|scope| scope.parse())
            .collect::<Result<_, ParseScopeError>>()
            .map_err(DbError::inconsistent("api_key", "scopes", row.id))?;
        Ok(Self {
            id: row.id,
            account: row.account,
            name: row.name,
            prefix: row.prefix,
            scopes,
            created_at: row.created_at,
            expires_at: row.expires_at,
            last_used_at: row.last_used_at,
        })
    }
}

/// What a new key should be.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewApiKey {
    /// What its owner calls it.
    #[serde(default)]
    pub name: String,
    /// What it may do, as text.
    #[serde(default)]
    pub scopes: Vec<String>,
    /// When it ends, if it does.
    #[serde(default)]
    pub expires_at: Option<DateTime<Utc>>,
}

/// Why a key was not made or removed.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// Some of it is not right.
    #[error("the key is not right")]
    Invalid(Vec<ProblemItem>),
    /// Enough is enough.
    #[error("the account has {MAX_KEYS} keys")]
    TooManyKeys,
    /// Absent or somebody else's.
    #[error("no such key")]
    NotFound,
    /// The database.
    #[error("keys could not be read or written")]
    Database(#[from] DbError),
}

impl From<ApiKeyError> for Problem {
    fn from(error: ApiKeyError) -> Self {
        match error {
            ApiKeyError::Invalid(items) => Self::unprocessable(items),
            ApiKeyError::TooManyKeys => Self::new(
                StatusCode::CONFLICT,
                "too_many_api_keys",
                "There are too many API keys",
            )
            .with_detail(format!(
                "An account has at most {MAX_KEYS}. Delete some that are not used."
            )),
            ApiKeyError::NotFound => Self::not_found("You have no API key of this id."),
            ApiKeyError::Database(error) => error.into(),
        }
    }
}

/// The key of an id.
pub fn secret(state: &AppState, id: ApiKeyId) -> SecretString {
    token::sign_id(&state.keys, Purpose::ApiKey, PREFIX, id.as_uuid())
}

/// Makes a key; [`secret`] is shown once.
pub async fn create(
    state: &AppState,
    caller: &Caller,
    new: NewApiKey,
) -> Result<ApiKey, ApiKeyError> {
    let now = state.clock.now();
    let scopes = validate(&new, now).map_err(ApiKeyError::Invalid)?;
    let id = ApiKeyId::generate();
    let secret = secret(state, id);
    let row = ApiKeyRow {
        id,
        account: caller.account,
        name: new.name.trim().to_owned(),
        prefix: secret.expose_secret().chars().take(SHOWN).collect(),
        scopes: scopes.iter().map(ToString::to_string).collect(),
        created_at: now,
        expires_at: new.expires_at,
        last_used_at: None,
    };
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    if db::api_key::count(&mut tx, caller.account).await? >= MAX_KEYS {
        return Err(ApiKeyError::TooManyKeys);
    }
    db::api_key::insert(&mut tx, &row, &token::hash(&secret)).await?;
    let deed = Deed {
        account: caller.account,
        tenant: None,
        actor: &caller.actor(),
        action: "api_key.create",
        detail: serde_json::json!({"id": id, "name": row.name, "scopes": row.scopes}),
    };
    audit::record(&mut tx, deed, now).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(row.try_into()?)
}

fn validate(new: &NewApiKey, now: DateTime<Utc>) -> Result<Vec<Scope>, Vec<ProblemItem>> {
    let mut items = Vec::new();
    let name = new.name.trim();
    if name.is_empty() {
        items.push(ProblemItem::field("/name", "required", "is required"));
    } else if name.chars().count() > MAX_NAME_LEN {
        let message = format!("must be at most {MAX_NAME_LEN} characters long");
        items.push(ProblemItem::field("/name", "too_long", message));
    }
    if new.scopes.is_empty() {
        items.push(ProblemItem::field(
            "/scopes",
            "required",
            "name at least one scope",
        ));
    }
    let mut scopes = Vec::new();
    for (index, text) in new.scopes.iter().enumerate() {
        match text.parse() {
            Ok(scope) => scopes.push(scope),
            Err(error @ ParseScopeError) => items.push(ProblemItem::field(
                format!("/scopes/{index}"),
                "unknown_scope",
                error.to_string(),
            )),
        }
    }
    scopes.sort_unstable();
    scopes.dedup();
    if new.expires_at.is_some_and(|end| end <= now) {
        items.push(ProblemItem::field(
            "/expires_at",
            "in_the_past",
            "must be in the future",
        ));
    }
    if items.is_empty() {
        Ok(scopes)
    } else {
        Err(items)
    }
}

/// The live key that somebody shows; `None` for anything else.
pub async fn authenticate(state: &AppState, text: &str) -> DbResult<Option<ApiKey>> {
    // Anything that we did not make is refused without asking the database.
    if token::verify_id(&state.keys, Purpose::ApiKey, PREFIX, text).is_none() {
        return Ok(None);
    }
    let now = state.clock.now();
    let mut db = state.pool.acquire().await?;
    let hash = token::hash(&text.to_owned().into());
    let Some(row) = db::api_key::find_live(&mut db, &hash, now).await? else {
        return Ok(None);
    };
    if row.last_used_at.is_none_or(|last| now - last > TOUCH_EVERY) {
        db::api_key::touch(&mut db, row.id, now).await?;
    }
    row.try_into().map(Some)
}

/// An account's keys after `after`, oldest first.
pub async fn list(
    state: &AppState,
    account: AccountId,
    after: Option<Uuid>,
    limit: i64,
) -> DbResult<Vec<ApiKey>> {
    let mut db = state.pool.acquire().await?;
    db::api_key::list(&mut db, account, after.unwrap_or_default(), limit)
        .await?
        .into_iter()
        .map(ApiKey::try_from)
        .collect()
}

/// Ends a key.
pub async fn remove(state: &AppState, caller: &Caller, id: ApiKeyId) -> Result<(), ApiKeyError> {
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    if !db::api_key::delete(&mut tx, caller.account, id).await? {
        return Err(ApiKeyError::NotFound);
    }
    let deed = Deed {
        account: caller.account,
        tenant: None,
        actor: &caller.actor(),
        action: "api_key.delete",
        detail: serde_json::json!({"id": id}),
    };
    audit::record(&mut tx, deed, state.clock.now()).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}
