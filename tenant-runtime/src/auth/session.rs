//! Signing in and out, and finding out whose session a request belongs to.

use chrono::{DateTime, TimeDelta, Utc};
use domain::id::SessionId;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

use crate::app::App;
use crate::auth::password::{self, HashError, Verdict};
use crate::auth::permission::PermissionSet;
use crate::auth::secret::OpaqueToken;
use crate::auth::token::{self, SignTokenError, SigningKey};
use crate::db;
use crate::db::agent::AgentRow;
use crate::db::session::NewSession;

/// A page's session ends after this, used or not.
const PAGE_LIFETIME: TimeDelta = TimeDelta::days(7);
/// A page's session that is not used for this long ends.
pub const PAGE_IDLE: TimeDelta = TimeDelta::hours(12);
/// A program signs in anew after this.
const PROGRAM_LIFETIME: TimeDelta = TimeDelta::days(30);
/// How long a session that is over is kept, for whoever looks into a case.
const KEPT_AFTER_END: TimeDelta = TimeDelta::days(30);
/// How exact `last_used_at` is: a write per request would cost more than it tells.
pub const SEEN_EVERY: TimeDelta = TimeDelta::minutes(5);

/// What kind of person a session or password belongs to. Never interchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Subject {
    /// Somebody of `users`.
    Agent,
    /// Somebody of `customer_user`.
    Customer,
}

impl Subject {
    /// As it is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Agent => "agent",
            Self::Customer => "customer",
        }
    }
}

/// A signed-in agent and what they may do; remembered for some seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentAccount {
    /// `users.id`.
    pub id: i32,
    /// `users.login`.
    pub login: String,
    /// First and last name.
    pub name: String,
    /// What they may do.
    pub permissions: PermissionSet,
    /// The session that they are signed in with.
    pub session: Uuid,
}

/// The session could not be looked up.
#[derive(Debug, thiserror::Error)]
#[error("looking up a session")]
pub struct ResolveError(#[source] pub sqlx::Error);

/// Why somebody could not sign in (or go on).
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// Unknown login, wrong password, or not valid any more: not told apart.
    #[error("login or password is wrong")]
    Wrong,
    /// A refresh token that is unknown, over, or was used before (then its family is revoked).
    #[error("the refresh token is not good any more")]
    BadRefreshToken,
    /// The database did not answer.
    #[error("the database cannot be asked")]
    Database(#[source] sqlx::Error),
    /// The hash could not be computed.
    #[error("checking a password")]
    Blocking(#[source] service_kit::lifecycle::BlockingError),
    /// A new hash could not be made.
    #[error("storing a password anew")]
    Hash(#[source] HashError),
    /// The access token could not be made.
    #[error("making an access token")]
    Sign(#[source] SignTokenError),
}

impl From<sqlx::Error> for SignInError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// A page's sign-in.
#[derive(Debug)]
pub struct PageSession {
    /// Goes into the cookie.
    pub cookie: OpaqueToken,
}

/// A program's sign-in, or what a refresh gave.
#[derive(Debug)]
pub struct ProgramSession {
    /// JWT for `Authorization`.
    pub access_token: String,
    /// For one refresh.
    pub refresh_token: OpaqueToken,
}

/// What somebody shows to be let in.
#[derive(Debug, Clone, Copy)]
pub struct Attempt<'a> {
    /// As typed.
    pub login: &'a str,
    /// As typed.
    pub password: &'a SecretString,
    /// What the browser or program calls itself.
    pub user_agent: Option<&'a str>,
}

/// Signs an agent in for pages.
pub async fn sign_in_page(app: &App, attempt: Attempt<'_>) -> Result<PageSession, SignInError> {
    let agent = check_password(app, attempt).await?;
    let cookie = OpaqueToken::generate();
    let now = app.clock.now();
    let session = new_session(&agent, attempt, now, PAGE_LIFETIME);
    let mut connection = app.database.acquire().await?;
    let mut transaction = connection.begin().await?;
    db::session::remove_expired(&mut transaction, now - KEPT_AFTER_END).await?;
    db::session::insert(&mut transaction, &session).await?;
    db::refresh_token::insert(
        &mut transaction,
        cookie.cookie_digest(),
        session.id,
        now,
        session.expires_at,
    )
    .await?;
    transaction.commit().await?;
    Ok(PageSession { cookie })
}

fn new_session<'a>(
    agent: &'a AgentRow,
    attempt: Attempt<'a>,
    now: DateTime<Utc>,
    lifetime: TimeDelta,
) -> NewSession<'a> {
    NewSession {
        id: SessionId::generate().as_uuid(),
        subject: Subject::Agent,
        subject_id: agent.id,
        login: &agent.login,
        user_agent: attempt.user_agent,
        created_at: now,
        expires_at: now + lifetime,
    }
}

/// Signs an agent in for a program.
pub async fn sign_in_program(
    app: &App,
    attempt: Attempt<'_>,
) -> Result<ProgramSession, SignInError> {
    let agent = check_password(app, attempt).await?;
    let now = app.clock.now();
    let session = new_session(&agent, attempt, now, PROGRAM_LIFETIME);
    let mut connection = app.database.acquire().await?;
    let key = app.auth.newest_key(&mut connection, now).await?;
    let mut transaction = connection.begin().await?;
    db::session::insert(&mut transaction, &session).await?;
    let family = Family {
        session: session.id,
        agent: agent.id,
        expires_at: session.expires_at,
    };
    let tokens = issue(app, &mut transaction, &key, &family, now).await?;
    transaction.commit().await?;
    Ok(tokens)
}

/// Exchanges a refresh token for new tokens. One that was exchanged before revokes the whole family: of two who
/// hold it, one is a thief, and nobody can tell which.
pub async fn refresh(app: &App, given: &OpaqueToken) -> Result<ProgramSession, SignInError> {
    let now = app.clock.now();
    let mut connection = app.database.acquire().await?;
    let key = app.auth.newest_key(&mut connection, now).await?;
    let mut transaction = connection.begin().await?;
    let Some(stored) = db::refresh_token::find_for_update(&mut transaction, given.digest()).await?
    else {
        return Err(SignInError::BadRefreshToken);
    };
    if stored.used_at.is_some() {
        db::session::revoke(&mut transaction, stored.session_id, now).await?;
        transaction.commit().await?;
        app.auth.forget_session(stored.session_id);
        tracing::warn!(session.id = %stored.session_id, "a refresh token came twice, its session is revoked");
        return Err(SignInError::BadRefreshToken);
    }
    let live =
        db::session::find_live(&mut transaction, Subject::Agent, stored.session_id, now).await?;
    let (Some(live), true) = (live, now < stored.expires_at) else {
        return Err(SignInError::BadRefreshToken);
    };
    if db::agent::find_name(&mut transaction, live.subject_id)
        .await?
        .is_none()
    {
        return Err(SignInError::BadRefreshToken);
    }
    db::refresh_token::mark_used(&mut transaction, given.digest(), now).await?;
    db::session::touch(&mut transaction, live.id, now).await?;
    let family = Family {
        session: live.id,
        agent: live.subject_id,
        expires_at: stored.expires_at,
    };
    let tokens = issue(app, &mut transaction, &key, &family, now).await?;
    transaction.commit().await?;
    Ok(tokens)
}

/// Ends the session that a refresh token belongs to; an unknown one is no error, since there is nothing to end.
pub async fn sign_out_by_refresh_token(app: &App, given: &OpaqueToken) -> Result<(), SignInError> {
    let mut connection = app.database.acquire().await?;
    let mut transaction = connection.begin().await?;
    if let Some(stored) =
        db::refresh_token::find_for_update(&mut transaction, given.digest()).await?
    {
        db::session::revoke(&mut transaction, stored.session_id, app.clock.now()).await?;
        app.auth.forget_session(stored.session_id);
    }
    transaction.commit().await?;
    Ok(())
}

/// Ends a session.
pub async fn sign_out(app: &App, session: Uuid) -> Result<(), SignInError> {
    let mut connection = app.database.acquire().await?;
    db::session::revoke(&mut connection, session, app.clock.now()).await?;
    app.auth.forget_session(session);
    Ok(())
}

/// Gives an agent a new password, in the caller's transaction, and ends all of the agent's sessions. `users.pw` gets a
/// text that no version of OTRS accepts, so that an old password there cannot come back to life.
pub async fn set_agent_password(
    connection: &mut PgConnection,
    agent: i32,
    login: &str,
    hash: &str,
    now: DateTime<Utc>,
) -> sqlx::Result<()> {
    db::credential::put(connection, Subject::Agent, login, hash, now).await?;
    db::agent::disable_legacy_password(connection, agent).await?;
    db::session::revoke_all(connection, Subject::Agent, agent, now).await
}

/// What the tokens of one sign-in have in common.
struct Family {
    session: Uuid,
    agent: i32,
    expires_at: DateTime<Utc>,
}

async fn issue(
    app: &App,
    connection: &mut PgConnection,
    key: &SigningKey,
    family: &Family,
    now: DateTime<Utc>,
) -> Result<ProgramSession, SignInError> {
    let refresh_token = OpaqueToken::generate();
    db::refresh_token::insert(
        connection,
        refresh_token.digest(),
        family.session,
        now,
        family.expires_at,
    )
    .await?;
    let access_token = token::sign(key, app.tenant.id, family.agent, family.session, now)
        .map_err(SignInError::Sign)?;
    Ok(ProgramSession {
        access_token,
        refresh_token,
    })
}

/// The agent when the password is right. An old shape is replaced by ours on the way.
async fn check_password(app: &App, attempt: Attempt<'_>) -> Result<AgentRow, SignInError> {
    let login = attempt.login.trim();
    let (agent, stored) = {
        let mut connection = app.database.acquire().await?;
        let agent = db::agent::find_by_login(&mut connection, login).await?;
        let stored = match &agent {
            Some(agent) => {
                let ours =
                    db::credential::find(&mut connection, Subject::Agent, &agent.login).await?;
                Some(ours.unwrap_or_else(|| agent.legacy_password.clone()))
            }
            None => None,
        };
        // Given back before the slow part: hashing must not hold a connection.
        (agent, stored)
    };
    let given = attempt.password.clone();
    let (verdict, renewed) = app
        .tasks
        .spawn_blocking("check a password", move || {
            let given = given.expose_secret();
            let verdict = password::verify(stored.as_deref(), given);
            let renewed = (verdict == Verdict::MatchOldShape).then(|| password::hash(given));
            (verdict, renewed)
        })
        .await
        .map_err(SignInError::Blocking)?;
    let outcome = match verdict {
        Verdict::Mismatch => "refused",
        Verdict::Match | Verdict::MatchOldShape => "admitted",
    };
    metrics::counter!("sign_ins_total", "subject" => "agent", "outcome" => outcome).increment(1);
    let Some(agent) = agent.filter(|_| verdict != Verdict::Mismatch) else {
        return Err(SignInError::Wrong);
    };
    if let Some(hash) = renewed {
        let hash = hash.map_err(SignInError::Hash)?;
        let mut connection = app.database.acquire().await?;
        db::credential::put(
            &mut connection,
            Subject::Agent,
            &agent.login,
            &hash,
            app.clock.now(),
        )
        .await?;
        tracing::info!(agent.id = agent.id, "an imported password was stored anew");
    }
    Ok(agent)
}
