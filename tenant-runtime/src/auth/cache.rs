//! What is remembered between requests: accounts for some seconds, signing keys, attempts.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use chrono::{DateTime, Utc};
use domain::digest::Sha256Digest;
use domain::id::SessionId;
use moka::sync::Cache;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::app::App;
use crate::auth::limits::SignInLimits;
use crate::auth::secret::OpaqueToken;
use crate::auth::session::{AgentAccount, PAGE_IDLE, ResolveError, SEEN_EVERY, Subject};
use crate::auth::token::{self, SigningKey};
use crate::db;
use crate::db::session::LiveSession;

/// How long an account is taken for what it was: a revoked permission works that much longer, on other replicas also a
/// session that was ended.
const REMEMBERED: Duration = Duration::from_secs(10);
/// A tenant has at most some hundred agents at work.
const ACCOUNTS: u64 = 1_000;

/// How a session was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Shown {
    Cookie(Sha256Digest),
    AccessToken(Uuid),
}

/// Sign-in, sessions and what is remembered of them.
#[derive(Debug)]
pub struct Auth {
    accounts: Cache<Shown, Arc<AgentAccount>>,
    keys: ArcSwap<Vec<SigningKey>>,
    /// Attempts to sign in.
    pub limits: SignInLimits,
}

impl Auth {
    /// Nothing remembered.
    pub fn new() -> Self {
        Self {
            accounts: Cache::builder()
                .max_capacity(ACCOUNTS)
                .time_to_live(REMEMBERED)
                .support_invalidation_closures()
                .build(),
            keys: ArcSwap::default(),
            limits: SignInLimits::new(),
        }
    }

    /// The agent whose session cookie this is.
    pub async fn agent_of_cookie(
        &self,
        app: &App,
        token: &OpaqueToken,
    ) -> Result<Option<Arc<AgentAccount>>, ResolveError> {
        let shown = Shown::Cookie(token.cookie_digest());
        if let Some(account) = self.accounts.get(&shown) {
            return Ok(Some(account));
        }
        let now = app.clock.now();
        let mut connection = app.database.acquire().await.map_err(ResolveError)?;
        let session = db::session::find_by_token(
            &mut connection,
            Subject::Agent,
            token.cookie_digest(),
            now,
            now - PAGE_IDLE,
        )
        .await
        .map_err(ResolveError)?;
        self.account(&mut connection, shown, session, now)
            .await
            .map_err(ResolveError)
    }

    /// The agent whose access token this is.
    pub async fn agent_of_access_token(
        &self,
        app: &App,
        token: &str,
    ) -> Result<Option<Arc<AgentAccount>>, ResolveError> {
        let now = app.clock.now();
        let claims = match token::verify(&self.keys.load(), app.tenant.id, token, now) {
            Some(claims) => claims,
            None => {
                // Perhaps signed by another process, or before this one started. Only tokens that name
                // a key that is not known here are worth a look.
                if !token::names_unknown_key(&self.keys.load(), token) {
                    return Ok(None);
                }
                let mut connection = app.database.acquire().await.map_err(ResolveError)?;
                let keys = self
                    .load_keys(&mut connection)
                    .await
                    .map_err(ResolveError)?;
                match token::verify(&keys, app.tenant.id, token, now) {
                    Some(claims) => claims,
                    None => return Ok(None),
                }
            }
        };
        let shown = Shown::AccessToken(claims.sid);
        if let Some(account) = self.accounts.get(&shown) {
            return Ok(Some(account));
        }
        let mut connection = app.database.acquire().await.map_err(ResolveError)?;
        let session = db::session::find_live(&mut connection, Subject::Agent, claims.sid, now)
            .await
            .map_err(ResolveError)?;
        self.account(&mut connection, shown, session, now)
            .await
            .map_err(ResolveError)
    }

    async fn account(
        &self,
        connection: &mut PgConnection,
        shown: Shown,
        session: Option<LiveSession>,
        now: DateTime<Utc>,
    ) -> sqlx::Result<Option<Arc<AgentAccount>>> {
        let Some(session) = session else {
            return Ok(None);
        };
        let Some((login, name)) = db::agent::find_name(connection, session.subject_id).await?
        else {
            return Ok(None);
        };
        let permissions = db::agent::permissions(&mut *connection, session.subject_id).await?;
        if now - session.last_used_at > SEEN_EVERY {
            db::session::touch(connection, session.id, now).await?;
        }
        let account = Arc::new(AgentAccount {
            id: session.subject_id,
            login,
            name,
            permissions,
            session: session.id,
        });
        self.accounts.insert(shown, Arc::clone(&account));
        Ok(Some(account))
    }

    /// After a session ended: it must not work for a second longer in this process.
    pub fn forget_session(&self, session: Uuid) {
        // Refused only without support_invalidation_closures, which `new` switched on.
        if let Err(error) = self
            .accounts
            .invalidate_entries_if(move |_, account| account.session == session)
        {
            tracing::error!(%error, "a session could not be forgotten");
            self.accounts.invalidate_all();
        }
    }

    /// After rights or passwords changed: everyone is looked up again.
    pub fn forget_accounts(&self) {
        self.accounts.invalidate_all();
    }

    /// The key that new tokens are signed with; made when the tenant has none.
    pub(crate) async fn newest_key(
        &self,
        connection: &mut PgConnection,
        now: DateTime<Utc>,
    ) -> sqlx::Result<SigningKey> {
        if let Some(key) = self.keys.load().first() {
            return Ok(key.clone());
        }
        if let Some(key) = self.load_keys(connection).await?.first() {
            return Ok(key.clone());
        }
        let key = SigningKey {
            id: SessionId::generate().as_uuid(),
            secret: rand::random::<[u8; 32]>().to_vec().into(),
        };
        db::signing_key::insert_first(connection, &key, now).await?;
        Ok(self
            .load_keys(connection)
            .await?
            .first()
            .cloned()
            .unwrap_or(key))
    }

    async fn load_keys(&self, connection: &mut PgConnection) -> sqlx::Result<Arc<Vec<SigningKey>>> {
        let keys = Arc::new(db::signing_key::list(connection).await?);
        self.keys.store(Arc::clone(&keys));
        Ok(keys)
    }
}

impl Default for Auth {
    fn default() -> Self {
        Self::new()
    }
}
