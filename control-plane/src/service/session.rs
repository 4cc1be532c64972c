//! Sessions: of people in the console by cookie, of programs by access and refresh token.

use std::net::IpAddr;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, TimeDelta, Utc};
use domain::id::{AccountId, SessionId};
use http::StatusCode;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::{Chain, Problem};

use crate::app::AppState;
use crate::db::session::{LiveSession, NewSession};
use crate::db::{self, DbError};
use crate::email::EmailAddress;
use crate::keys::Purpose;
use crate::password::{self, HashError};
use crate::rate_limit::TooMany;
use crate::token;

/// Life of an access token.
pub const ACCESS_LIFETIME: Duration = Duration::from_mins(15);
/// A session ends after this time without use.
pub const SESSION_LIFETIME: Duration = Duration::from_hours(720);
/// The use of a session is noted this often at most, so that reading pages does not write all the time.
const TOUCH_EVERY: TimeDelta = TimeDelta::minutes(5);
/// For whom access tokens are good; those of tenants' agents and customers have others.
const AUDIENCE: &str = "gotrs-console";

/// Why somebody cannot sign in or go on.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// Unknown address or wrong password; which of the two is nobody's business.
    #[error("wrong e-mail address or password")]
    WrongCredentials,
    /// Right password, but the link of the signup was not opened.
    #[error("the e-mail address is not verified yet")]
    NotVerified,
    /// Unknown, ended or revoked.
    #[error("the refresh token is not valid")]
    BadRefreshToken,
    /// Too many attempts.
    #[error("too many attempts")]
    TooMany(#[source] TooMany),
    /// The CSRF token is missing or wrong.
    #[error("the form was not sent from one of our pages")]
    Csrf,
    /// The database.
    #[error("the session could not be read or written")]
    Database(#[from] DbError),
    /// Argon2.
    #[error("the password could not be compared")]
    Hash(#[source] HashError),
    /// The signature.
    #[error("the access token could not be signed")]
    Sign(#[source] jsonwebtoken::errors::Error),
}

impl From<SessionError> for Problem {
    fn from(error: SessionError) -> Self {
        match error {
            SessionError::WrongCredentials => Self::new(
                StatusCode::UNAUTHORIZED,
                "wrong_credentials",
                "E-mail address or password is wrong",
            ),
            SessionError::NotVerified => Self::new(
                StatusCode::FORBIDDEN,
                "email_not_verified",
                "The e-mail address is not verified yet",
            )
            .with_detail("Open the link in the mail, or have it sent again."),
            SessionError::BadRefreshToken => Self::new(
                StatusCode::UNAUTHORIZED,
                "bad_refresh_token",
                "The session has ended",
            )
            .with_detail("Sign in again."),
            SessionError::TooMany(refused) => refused.into(),
            SessionError::Csrf => {
                Self::new(StatusCode::FORBIDDEN, "csrf", "This form is out of date")
                    .with_detail("Reload the page and send it again.")
            }
            SessionError::Database(error) => error.into(),
            error @ (SessionError::Hash(_) | SessionError::Sign(_)) => {
                tracing::error!(error = %Chain(&error), "a session could not be started");
                Self::internal()
            }
        }
    }
}

/// What a program gets when it signs in or refreshes.
#[derive(Debug)]
pub struct Tokens {
    /// A JWT for `Authorization: Bearer`.
    pub access_token: SecretString,
    /// Good for one refresh.
    pub refresh_token: SecretString,
    /// Life of the access token.
    pub expires_in: Duration,
}

/// What a browser gets when a person signs in.
#[derive(Debug)]
pub struct ConsoleSession {
    /// The session.
    pub id: SessionId,
    /// The value of the cookie; see [`crate::http::cookie::Cookie`].
    pub cookie: SecretString,
}

#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: AccountId,
    sid: SessionId,
    iat: i64,
    exp: i64,
}

/// Compares e-mail address and password. Takes as long for an unknown address as for a known one.
pub async fn check_credentials(
    state: &AppState,
    client: IpAddr,
    email: &str,
    password: SecretString,
) -> Result<AccountId, SessionError> {
    let email_key = email.trim().to_lowercase();
    if email_key.len() > EmailAddress::MAX_LEN || password.expose_secret().len() > password::MAX_LEN
    {
        return Err(SessionError::WrongCredentials);
    }
    state
        .limits
        .check_sign_in(client, &email_key)
        .map_err(SessionError::TooMany)?;
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    let account = db::account::find_by_email(&mut db, &email_key).await?;
    // Hashing takes long and needs no connection.
    drop(db);
    let hash = account
        .as_ref()
        .map(|account| account.password_hash.clone());
    let is_right = password::verify(&state.tasks, password, hash)
        .await
        .map_err(SessionError::Hash)?;
    match account {
        Some(account) if is_right && account.verified_at.is_some() => Ok(account.id),
        Some(_) if is_right => Err(SessionError::NotVerified),
        _ => Err(SessionError::WrongCredentials),
    }
}

/// Starts a session of a program.
pub async fn start(state: &AppState, account: AccountId) -> Result<Tokens, SessionError> {
    let now = state.clock.now();
    let session = SessionId::generate();
    let refresh_token = token::generate();
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let new = NewSession {
        id: session,
        account,
        cookie_hash: None,
        expires_at: now + SESSION_LIFETIME,
    };
    db::session::insert(&mut tx, &new, now).await?;
    db::session::insert_refresh_token(&mut tx, session, &token::hash(&refresh_token), now).await?;
    tx.commit().await.map_err(DbError::from)?;
    tokens(state, account, session, refresh_token, now)
}

/// Starts a session of a person in the console.
pub async fn start_console(
    state: &AppState,
    account: AccountId,
) -> Result<ConsoleSession, SessionError> {
    let now = state.clock.now();
    let id = SessionId::generate();
    let cookie = token::generate();
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    let new = NewSession {
        id,
        account,
        cookie_hash: Some(&token::hash(&cookie)),
        expires_at: now + SESSION_LIFETIME,
    };
    db::session::insert(&mut db, &new, now).await?;
    Ok(ConsoleSession { id, cookie })
}

/// Exchanges a refresh token for new tokens. One that was used before is a stolen one: its whole session ends.
pub async fn refresh(
    state: &AppState,
    refresh_token: &SecretString,
) -> Result<Tokens, SessionError> {
    let now = state.clock.now();
    let hash = token::hash(refresh_token);
    let mut tx = state.pool.begin().await.map_err(DbError::from)?;
    let Some(known) = db::session::lock_refresh_token(&mut tx, &hash, now).await? else {
        return Err(SessionError::BadRefreshToken);
    };
    if known.is_used || !known.is_live {
        if known.is_used && known.is_live {
            tracing::warn!(session.id = %known.session, "a refresh token was used twice, the session is revoked");
            db::session::revoke(&mut tx, known.session, now).await?;
            tx.commit().await.map_err(DbError::from)?;
        }
        return Err(SessionError::BadRefreshToken);
    }
    let next = token::generate();
    db::session::set_refresh_token_used(&mut tx, &hash, now).await?;
    db::session::insert_refresh_token(&mut tx, known.session, &token::hash(&next), now).await?;
    db::session::touch(&mut tx, known.session, now, now + SESSION_LIFETIME).await?;
    tx.commit().await.map_err(DbError::from)?;
    tokens(state, known.account, known.session, next, now)
}

/// Ends a session: its cookie, its access tokens and its refresh tokens.
pub async fn end(state: &AppState, session: SessionId) -> Result<(), SessionError> {
    let mut db = state.pool.acquire().await.map_err(DbError::from)?;
    Ok(db::session::revoke(&mut db, session, state.clock.now()).await?)
}

/// The live session of an access token; `None` for anything else.
pub async fn authenticate_access_token(
    state: &AppState,
    text: &str,
) -> Result<Option<LiveSession>, DbError> {
    let now = state.clock.now();
    let mut validation = Validation::new(Algorithm::HS256);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[AUDIENCE]);
    // Against our clock, below.
    validation.validate_exp = false;
    let key = DecodingKey::from_secret(&state.keys.derive(Purpose::AccessToken));
    let Ok(decoded) = jsonwebtoken::decode::<Claims>(text, &key, &validation) else {
        return Ok(None);
    };
    if decoded.claims.exp <= now.timestamp() {
        return Ok(None);
    }
    let mut db = state.pool.acquire().await?;
    let live = db::session::find_live(&mut db, decoded.claims.sid, now).await?;
    Ok(live.filter(|live| live.account == decoded.claims.sub))
}

/// The live session of a console cookie.
pub async fn authenticate_cookie(
    state: &AppState,
    cookie: &SecretString,
) -> Result<Option<LiveSession>, DbError> {
    let now = state.clock.now();
    let mut db = state.pool.acquire().await?;
    let live = db::session::find_live_by_cookie(&mut db, &token::hash(cookie), now).await?;
    if let Some(live) = live.filter(|live| now - live.last_used_at > TOUCH_EVERY) {
        db::session::touch(&mut db, live.id, now, now + SESSION_LIFETIME).await?;
    }
    Ok(live)
}

/// The CSRF token of a console session: for a form's hidden field or the header `X-CSRF-Token`.
pub fn csrf_token(state: &AppState, session: SessionId) -> String {
    URL_SAFE_NO_PAD.encode(state.keys.sign(Purpose::Csrf, session.as_uuid().as_bytes()))
}

/// Whether a form or request comes from one of our pages.
pub fn check_csrf(state: &AppState, session: SessionId, given: &str) -> Result<(), SessionError> {
    let message = session.as_uuid();
    match URL_SAFE_NO_PAD.decode(given) {
        Ok(code) if state.keys.verify(Purpose::Csrf, message.as_bytes(), &code) => Ok(()),
        _ => Err(SessionError::Csrf),
    }
}

fn tokens(
    state: &AppState,
    account: AccountId,
    session: SessionId,
    refresh_token: SecretString,
    now: DateTime<Utc>,
) -> Result<Tokens, SessionError> {
    let claims = Claims {
        iss: AUDIENCE.to_owned(),
        aud: AUDIENCE.to_owned(),
        sub: account,
        sid: session,
        iat: now.timestamp(),
        exp: (now + ACCESS_LIFETIME).timestamp(),
    };
    let key = EncodingKey::from_secret(&state.keys.derive(Purpose::AccessToken));
    let access_token = jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &key)
        .map_err(SessionError::Sign)?;
    Ok(Tokens {
        access_token: access_token.into(),
        refresh_token,
        expires_in: ACCESS_LIFETIME,
    })
}
