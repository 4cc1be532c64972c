//! What every request of the one tenant needs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use domain::clock::Clock;
use domain::id::TenantId;
use domain::name::TenantSlug;
use domain::plan::Plan;
use module_engine::config::SandboxArgs;
use module_engine::engine::{Engine, EngineOptions};
use reqwest::Url;
use service_kit::Tasks;
use service_kit::internal::Readiness;
use service_kit::pages::Pages;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{Executor as _, PgPool, Postgres, Transaction};
use tokio::sync::Semaphore;

use crate::auth::Auth;
use crate::data::sql;
use crate::modules::Modules;
use crate::pages::Templates;

/// Longest a statement of a request may run; exports have their own limit.
const STATEMENT_TIMEOUT: &str = "15s";
/// How long a request waits for a connection before it answers 503.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// An unused connection is given back to the server soon: connections are its first limit.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);
/// Longest query for the choices of a select or a filter.
const LOOKUP_TIMEOUT_MS: u64 = 5_000;
/// Lambdas run a few at once; a page needs one connection for all of its computed fields.
const LAMBDA_CONNECTIONS: u32 = 3;

/// The tenant that this process serves.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its id.
    pub id: TenantId,
    /// Its part of the host.
    pub slug: TenantSlug,
    /// Its name as people see it.
    pub name: String,
    /// Sets the ceilings.
    pub plan: Plan,
    /// Where people reach it.
    pub url: Url,
}

/// The tenant's database as each of the two roles.
#[derive(Debug)]
pub struct Databases {
    /// The runtime role; see [`runtime_pool`].
    pub runtime: PgPool,
    /// The lambda role; see [`lambda_pool`].
    pub lambdas: PgPool,
}

/// Everything that a handler needs; axum's state is an `Arc` of it.
#[derive(Debug)]
pub struct App {
    /// Whose server this is.
    pub tenant: Tenant,
    /// The runtime role: reads and writes the tenant's schema.
    pub database: PgPool,
    /// The lambda role: reads the columns that module authors may see.
    pub lambda_database: PgPool,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Long work and the shutdown.
    pub tasks: Tasks,
    /// Renders pages.
    pub pages: Pages,
    /// Runs the lambdas of modules; reached through [`crate::lambdas::run`] only.
    pub engine: Arc<Engine>,
    /// One permit per sandbox that lambdas may use at once.
    pub sandboxes: Arc<Semaphore>,
    /// The modules that are live now.
    pub modules: Arc<Modules>,
    /// Sign-in, sessions and what is remembered of them.
    pub auth: Auth,
    /// The board behind `/readyz`.
    pub readiness: Readiness,
}

/// Sandboxes at once. Each holds guest memory while it runs, and a tenant has two worker threads. Fewer than the blocking
/// sections that may run at once, so that lambdas at their limits of time keep nobody from signing in.
pub const SANDBOXES: u8 = 4;

impl App {
    /// An app without modules; the module sync brings them.
    pub fn new(
        tenant: Tenant,
        databases: Databases,
        sandbox: SandboxArgs,
        clock: Arc<dyn Clock>,
        tasks: Tasks,
        readiness: Readiness,
    ) -> anyhow::Result<Self> {
        let engine = Engine::new(EngineOptions {
            // One more, so that a corrected module can be compiled while others spoil theirs.
            concurrency: u32::from(SANDBOXES) + 1,
            sandbox,
            ..EngineOptions::default()
        })
        .context("starting the sandbox")?;
        Ok(Self {
            tenant,
            database: databases.runtime,
            lambda_database: databases.lambdas,
            clock,
            tasks,
            pages: Pages::new::<Templates>().context("compiling the templates")?,
            engine,
            sandboxes: Arc::new(Semaphore::new(SANDBOXES.into())),
            modules: Arc::new(Modules::new()),
            auth: Auth::new(),
            readiness,
        })
    }
}

impl App {
    /// A transaction of the lambda role that only reads: for everything in which SQL of a module's author has a part.
    pub async fn read_as_lambda(&self) -> sqlx::Result<Transaction<'static, Postgres>> {
        let mut transaction = self.lambda_database.begin_with("BEGIN READ ONLY").await?;
        sql::statement_timeout(LOOKUP_TIMEOUT_MS)
            .query()
            .execute(&mut *transaction)
            .await?;
        Ok(transaction)
    }
}

/// What handlers and extractors are given.
pub type AppState = Arc<App>;

/// The pool of the runtime role; connects when it is first used.
pub fn runtime_pool(options: PgConnectOptions, plan: Plan) -> PgPool {
    // One of the role's connections stays free for a migration check or a second replica's start.
    let most = u32::from(plan.runtime_connections())
        .saturating_sub(1)
        .max(2);
    let options = options.application_name("gotrs-runtime").options([
        ("statement_timeout", STATEMENT_TIMEOUT),
        ("lock_timeout", "5s"),
        ("idle_in_transaction_session_timeout", "30s"),
    ]);
    pool_options(most).connect_lazy_with(options)
}

/// The pool of the lambda role; connects when it is first used.
///
/// What one invocation left on a connection (settings, session locks, prepared statements, channels) is gone before the
/// next one gets it; a connection where that fails is closed. So nothing is kept prepared.
pub fn lambda_pool(options: PgConnectOptions) -> PgPool {
    // The role's own limits (`RoleLimits`) would lose against what a connection asks for: it asks for none.
    let options = options
        .application_name("gotrs-lambda")
        .statement_cache_capacity(0)
        .options([("default_transaction_read_only", "on")]);
    pool_options(LAMBDA_CONNECTIONS)
        .after_release(|connection, _| {
            Box::pin(async move {
                // A ROLLBACK that waits to be sent goes first.
                connection.execute("DISCARD ALL").await?;
                Ok(true)
            })
        })
        .connect_lazy_with(options)
}

fn pool_options(most: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(most)
        .min_connections(0)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .idle_timeout(IDLE_TIMEOUT)
}
