//! The application: its parts, put together once, and what all handlers and jobs share.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use axum::Router;
use blob_store::BlobStore;
use domain::clock::Clock;
use domain::id::{AccountId, TenantId};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::Tasks;
use service_kit::pages::Pages;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use tokio::sync::{Notify, broadcast};
use tokio::time::Instant;

use crate::config::Settings;
use crate::http::{router, web};
use crate::keys::Keys;
use crate::mail::Mailer;
use crate::places::Places;
use crate::provision::Provisioner;
use crate::rate_limit::RateLimits;
use crate::runtime_token::RuntimeTokens;
use crate::service::modules::registry::Registry;
use crate::{db, jobs};

/// Everything that is outside of the control plane.
pub struct Parts {
    /// Made by [`connect`].
    pub pool: PgPool,
    /// Where modules lie.
    pub blobs: BlobStore,
    /// Makes tenants real.
    pub provisioner: Arc<dyn Provisioner>,
    /// Says whose runtime calls.
    pub runtime_tokens: Arc<dyn RuntimeTokens>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Signs.
    pub keys: Keys,
    /// Runs what outlives a request.
    pub tasks: Tasks,
    /// Everything else.
    pub settings: Settings,
}

/// What handlers and jobs share. Clones are the same.
#[derive(Clone)]
pub struct AppState {
    /// The control plane's database.
    pub pool: PgPool,
    /// Where modules lie.
    pub blobs: BlobStore,
    /// Makes tenants real; only the reconcile job calls it.
    pub provisioner: Arc<dyn Provisioner>,
    /// Says whose runtime calls.
    pub runtime_tokens: Arc<dyn RuntimeTokens>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Signs.
    pub keys: Keys,
    /// Runs what outlives a request.
    pub tasks: Tasks,
    /// Checked settings.
    pub settings: Arc<Settings>,
    /// Sends mail.
    pub mailer: Mailer,
    /// Templates of the console.
    pub pages: Pages,
    /// How much is too much.
    pub limits: Arc<RateLimits>,
    /// Streams of events that an account may have open: a few tabs of some people.
    pub event_streams: Places<AccountId>,
    /// The module registry's part.
    pub modules: Registry,
    /// Which tenant's row, steps or conditions changed, in any replica. Lossy: whoever lags reads everything again.
    pub tenant_changes: broadcast::Sender<TenantId>,
    /// Changes may have been missed: read all tenants again.
    pub everything_changed: Arc<Notify>,
    /// A mail waits to be sent.
    pub mail_due: Arc<Notify>,
}

/// The control plane as a whole.
#[derive(Clone)]
pub struct App {
    state: AppState,
}

/// Changes that a slow reader may be behind before it has to read everything again.
const CHANGES_KEPT: usize = 256;
/// Each asks the database every few seconds.
const EVENT_STREAMS: usize = 64;

impl App {
    /// Puts the parts together. Starts nothing.
    pub fn build(parts: Parts) -> anyhow::Result<Self> {
        let mailer = Mailer::new(&parts.settings.mail).context("setting up mail")?;
        Ok(Self {
            state: AppState {
                pool: parts.pool,
                blobs: parts.blobs,
                provisioner: parts.provisioner,
                runtime_tokens: parts.runtime_tokens,
                clock: parts.clock,
                keys: parts.keys,
                tasks: parts.tasks,
                mailer,
                pages: web::templates()?,
                modules: Registry::start(&parts.settings.sandbox)
                    .context("starting the sandbox that checks modules")?,
                limits: Arc::new(RateLimits::new(parts.settings.rates)),
                event_streams: Places::new(EVENT_STREAMS, EVENT_STREAMS),
                settings: Arc::new(parts.settings),
                tenant_changes: broadcast::Sender::new(CHANGES_KEPT),
                everything_changed: Arc::default(),
                mail_due: Arc::default(),
            },
        })
    }

    /// What handlers and jobs share.
    pub const fn state(&self) -> &AppState {
        &self.state
    }

    /// Console and API with the middleware of every service.
    pub fn http_router(&self) -> Router {
        let router = service_kit::http::with_middleware(router::routes(&self.state));
        web::dress(&self.state, router)
    }

    /// The same without what runtimes come for, where they have a listener of their own.
    pub fn http_router_for_people(&self) -> Router {
        let routes = router::routes_for_people(&self.state);
        web::dress(&self.state, service_kit::http::with_middleware(routes))
    }

    /// Only what runtimes come for.
    pub fn http_router_for_runtimes(&self) -> Router {
        service_kit::http::with_middleware(router::routes_for_runtimes(&self.state))
    }

    /// Starts the background jobs; they end when the tasks are stopped.
    pub fn spawn_jobs(&self) {
        jobs::spawn(&self.state);
    }
}

/// How long a database may take to come up and to get its schema; then the process ends and is started again.
const DATABASE_PATIENCE: Duration = Duration::from_mins(2);
/// Time between two looks at it.
const DATABASE_PAUSE: Duration = Duration::from_secs(1);

/// A setting that is no URL of a database.
#[derive(Debug, thiserror::Error)]
#[error("GOTRS_DATABASE_URL is not a PostgreSQL URL")]
struct WrongDatabaseUrl(#[source] sqlx::Error);

/// How long a request waits for a free connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);

/// Opens the control plane's database with the limits that keep one bad query from stopping everything.
pub async fn connect(url: &SecretString, max_connections: u32) -> anyhow::Result<PgPool> {
    let options: PgConnectOptions = url.expose_secret().parse().map_err(WrongDatabaseUrl)?;
    connect_with(options, max_connections).await
}

/// Like [`connect`], for those who hold options.
pub async fn connect_with(
    options: PgConnectOptions,
    max_connections: u32,
) -> anyhow::Result<PgPool> {
    let options = options.application_name("gotrs control-plane").options([
        ("statement_timeout", "10s"),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "15s"),
    ]);
    PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .connect_with(options)
        .await
        .context("connecting to the control plane's database")
}

/// What a database must have before it is of use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Needed {
    Answer,
    Schema,
}

/// Like [`connect`], but waits for a server that is not there yet: on a cluster everything starts at the same time.
pub async fn connect_when_there(
    url: &SecretString,
    max_connections: u32,
) -> anyhow::Result<PgPool> {
    patiently(url, max_connections, Needed::Answer).await
}

/// Like [`connect_when_there`], and waits too for whoever brings the database to the schema of this program.
pub async fn connect_when_migrated(
    url: &SecretString,
    max_connections: u32,
) -> anyhow::Result<PgPool> {
    patiently(url, max_connections, Needed::Schema).await
}

/// Tries until it works or the patience is over; a wrong setting does not change by waiting.
async fn patiently(
    url: &SecretString,
    max_connections: u32,
    needed: Needed,
) -> anyhow::Result<PgPool> {
    let until = Instant::now() + DATABASE_PATIENCE;
    loop {
        match connect_with_needed(url, max_connections, needed).await {
            Err(problem) if !problem.is::<WrongDatabaseUrl>() && Instant::now() < until => {
                tracing::info!(error = format!("{problem:#}"), "waiting for the database");
                tokio::time::sleep(DATABASE_PAUSE).await;
            }
            outcome => return outcome,
        }
    }
}

async fn connect_with_needed(
    url: &SecretString,
    max_connections: u32,
    needed: Needed,
) -> anyhow::Result<PgPool> {
    let pool = connect(url, max_connections).await?;
    ensure!(
        needed == Needed::Answer || db::is_migrated(&pool).await?,
        "the control plane's database has not the schema of this version: run `control-plane migrate`"
    );
    Ok(pool)
}

/// Brings the database to the schema that this program needs. Safe to repeat, and from several processes at once.
pub async fn migrate(pool: &PgPool) -> anyhow::Result<()> {
    db::MIGRATOR
        .run(pool)
        .await
        .context("migrating the control plane's database")
}
