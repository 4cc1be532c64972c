//! The process: connects, waits for the lease, reconciles, hands over.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use blob_store::config::S3Args;
use domain::clock::{Clock as _, SystemClock};
use kube::runtime::events::Reporter;
use kube::{Client, Config};
use secrecy::SecretString;
use service_kit::config::{ConfigError, SecretName, required_secret};
use service_kit::internal::{self, PartState, Readiness};
use service_kit::telemetry::TelemetryGuard;
use service_kit::{Chain, Tasks, http};
use tenant_database::{ConnectError, TenantDatabase};
use tenant_export::{Archives, Exports};
use tokio::sync::{Notify, oneshot};
use tokio_util::sync::CancellationToken;

use crate::calls::Calls;
use crate::config::ClusterConfig;
use crate::events::Events;
use crate::ids::Ids;
use crate::lane::DatabasePermits;
use crate::lease::Candidate;
use crate::memory::Memory;
use crate::reconcile::Context;
use crate::seen::Seen;
use crate::store::Stores;
use crate::{channel, controller, metrics, note, transactions};

/// How often something that does not answer is asked again.
const ASK_EVERY: Duration = Duration::from_secs(2);
/// A new tenant waits so long for the list of channels, which says what it runs.
const CHANNELS: Duration = Duration::from_secs(5);
/// Longest wait for a connection to the API server.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Longest wait for its answer to a call of a reconcile, which is tried again.
const ANSWER_WITHIN: Duration = Duration::from_secs(15);
/// A watch hears a bookmark about each minute, whatever happens: two of them missing is an end.
const SILENCE_OF_WATCHES: Duration = Duration::from_secs(150);
const API: &str = "cluster";
const DATABASE: &str = "database";

/// Where tenants live.
#[derive(Debug, clap::Args)]
pub struct DatabaseArgs {
    /// PostgreSQL in which tenants live, as superuser and not through a pooler; the cluster `default`
    #[arg(
        long,
        env = "GOTRS_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<SecretString>,
    /// File that holds the database URL
    #[arg(long, env = "GOTRS_DATABASE_URL_FILE", value_name = "PATH")]
    pub database_url_file: Option<PathBuf>,
}

/// Settings of `operator run`.
#[derive(Debug, clap::Args)]
pub struct RunConfig {
    /// Where tenants live
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[command(flatten)]
    pub s3: S3Args,
    /// What the operator must know of the cluster (JSON); `--help` ends with an example
    #[arg(long, env = "GOTRS_CLUSTER_CONFIG", value_name = "PATH")]
    pub cluster_config: PathBuf,
    /// Address for /livez, /readyz and /metrics
    #[arg(
        long,
        env = "GOTRS_INTERNAL_LISTEN",
        default_value = "0.0.0.0:9090",
        value_name = "ADDRESS"
    )]
    pub internal_listen: SocketAddr,
    /// Name of this operator among its replicas, such as its pod's
    #[arg(
        long,
        env = "GOTRS_IDENTITY",
        default_value = "operator",
        value_name = "NAME"
    )]
    pub identity: String,
    /// Name of the Lease by which the replicas agree on who works
    #[arg(
        long,
        env = "GOTRS_LEASE",
        default_value = "gotrs-operator",
        value_name = "NAME"
    )]
    pub lease: String,
    /// For tests: abort, as by `kill -9`, once reconciles have had so many answers from API server and databases
    #[arg(
        long,
        env = "GOTRS_ABORT_AFTER_CALLS",
        hide = true,
        value_name = "NUMBER"
    )]
    pub abort_after_calls: Option<u32>,
}

const DATABASE_URL: SecretName = SecretName {
    variable: "GOTRS_DATABASE_URL",
    flag: "--database-url",
    example: "postgres://postgres:secret@postgres.databases.svc:5432/tenants",
};

impl DatabaseArgs {
    /// The URL, from wherever it was given.
    pub fn url(&self) -> Result<SecretString, ConfigError> {
        required_secret(
            DATABASE_URL,
            self.database_url.clone(),
            self.database_url_file.as_deref(),
        )
    }
}

/// Runs until SIGINT or SIGTERM, or until the lease is lost.
pub async fn run(config: RunConfig, guard: &TelemetryGuard) -> anyhow::Result<ExitCode> {
    let cluster = ClusterConfig::read(&config.cluster_config)?;
    let database_url = config.database.url()?;
    let archives = config.s3.optional_store()?;
    metrics::describe();
    let tasks = Tasks::new();
    guard.sum_up(&tasks);
    let readiness = Readiness::waiting_for(&[API, DATABASE]);
    http::serve(
        &tasks,
        "internal server",
        http::bind(config.internal_listen).await?,
        internal::router(readiness.clone(), Some(guard.metrics.clone())),
    );
    let access = Config::infer()
        .await
        .context("no cluster: run in a pod, or set KUBECONFIG")?;
    let watching = patient(access.clone(), SILENCE_OF_WATCHES);
    let operator = Operator {
        client: Client::try_from(watching).context("making a client of the cluster")?,
        access: patient(access, ANSWER_WITHIN),
        calls: config.abort_after_calls.map(Calls::abort_after),
        urls: urls(&cluster, database_url)?,
        cluster,
        archives: archives.map(|store| Arc::new(store) as Arc<dyn Archives>),
        // Unique also where two processes were given the same name.
        identity: format!("{}-{:08x}", config.identity, rand::random::<u32>()),
        lease: config.lease,
        readiness,
        tasks: tasks.clone(),
    };
    tasks.spawn_service("operator", operator.work());
    tasks.run_until_stopped().await
}

type Databases = Vec<(String, TenantDatabase)>;

/// What one process works with.
struct Operator {
    /// For watches and the Lease.
    client: Client,
    /// For reconciles.
    access: Config,
    calls: Option<Calls>,
    urls: Vec<(String, SecretString)>,
    cluster: ClusterConfig,
    /// Where exports go; none are made without.
    archives: Option<Arc<dyn Archives>>,
    identity: String,
    lease: String,
    readiness: Readiness,
    tasks: Tasks,
}

impl Operator {
    async fn work(self) -> anyhow::Result<()> {
        let stopping = self.tasks.stopping();
        ::metrics::gauge!("operator_leading").set(0);
        let Some(databases) = self.connect(&stopping).await? else {
            return Ok(());
        };
        let mut candidate = Candidate::new(
            self.client.clone(),
            &self.cluster.namespace,
            &self.lease,
            self.identity.clone(),
            Arc::new(SystemClock),
        );
        // Standing by is being ready: the deployment of a new version must not wait for the old leader to end.
        if !candidate.acquire(&stopping).await {
            return Ok(());
        }
        ::metrics::gauge!("operator_leading").set(1);
        let mut stores = take_over(&databases).await?;
        self.tasks.spawn(
            "old transactions",
            transactions::end_old(databases, candidate.leadership(), stopping.clone()),
        );
        let mut client =
            Client::try_from(self.access.clone()).context("making a client of the cluster")?;
        if let Some(calls) = &self.calls {
            client = calls.client(self.access)?;
            for store in stores.values_mut() {
                *store = calls.store(Arc::clone(store));
            }
        }
        let (seen, memory) = (Seen::by_watches_of(&note::KINDS), Memory::default());
        for (name, store) in &stores {
            match store.notes().await {
                Ok(notes) => {
                    for note in notes {
                        note::restore(&note, &seen, &memory, SystemClock.now());
                    }
                }
                // Then everything is looked at again.
                Err(error) => tracing::warn!(
                    database = name,
                    error = %Chain(&error),
                    "the notes of the operator before cannot be read"
                ),
            }
        }
        let (touched, ids) = (Arc::new(Notify::new()), Arc::new(Ids::default()));
        let (tenants, changes) =
            controller::tenants(&self.client, Arc::clone(&touched), Arc::clone(&ids));
        let (channels, channel_changes) = channel::work::channels(&self.client);
        let ctx = Arc::new(Context {
            events: Events::new(
                client.clone(),
                Reporter {
                    controller: "gotrs.io/operator".to_owned(),
                    instance: Some(self.identity),
                },
            ),
            client,
            cluster: self.cluster,
            stores,
            exports: Exports::new(tenant_export::Settings {
                archives: self.archives,
                tasks: self.tasks.clone(),
                metric: "operator_exports_total",
                // Who waits for one looks again by itself.
                ended: Box::new(|_tenant| {}),
            }),
            database_permits: DatabasePermits::new(
                // Whoever waits, waits for a place and not for a connection.
                usize::try_from(tenant_database::CONNECTIONS).unwrap_or(1),
            ),
            seen: Arc::new(seen),
            memory,
            tenants: tenants.clone(),
            ids,
            channels,
            touched,
            leadership: candidate.leadership(),
            clock: Arc::new(SystemClock),
            tasks: self.tasks.clone(),
        });
        self.tasks.spawn(
            "tenant census",
            metrics::count_tenants(tenants, stopping.clone()),
        );
        self.tasks.spawn_service("channels", {
            let (ctx, stopping) = (Arc::clone(&ctx), stopping.clone());
            async move {
                channel::work::run(ctx, channel_changes, stopping).await;
                Ok(())
            }
        });
        let (finished, done) = oneshot::channel::<()>();
        let (until, watching) = (stopping.clone(), self.client);
        self.tasks.spawn_service("reconciles", async move {
            let channels = ctx.channels.wait_until_ready();
            if tokio::time::timeout(CHANNELS, channels).await.is_err() {
                tracing::warn!(
                    "the channels are not known: is the definition of RuntimeChannel installed? New tenants get the platform's version"
                );
            }
            controller::run(ctx, &watching, changes, until).await;
            // Nobody listens any more when the lease was lost.
            finished.send(()).ok();
            Ok(())
        });
        candidate
            .hold(&stopping, async {
                // An error means that the reconciles have ended too, though not well.
                done.await.ok();
            })
            .await
    }

    /// Waits until API server and databases answer: after an outage of either, all that needs them starts in any order.
    /// `None` when the process stops first.
    async fn connect(&self, stopping: &CancellationToken) -> anyhow::Result<Option<Databases>> {
        loop {
            match self.client.apiserver_version().await {
                Ok(version) => {
                    tracing::info!(kubernetes = version.git_version, "connected to the cluster");
                    break;
                }
                Err(error) => {
                    tracing::warn!(%error, "the API server does not answer; it is asked again");
                }
            }
            if !pause(stopping).await {
                return Ok(None);
            }
        }
        self.readiness.set(API, PartState::Ready);
        let mut databases = Databases::new();
        for (name, url) in &self.urls {
            let database = loop {
                match TenantDatabase::connect(url).await {
                    Ok(database) => break database,
                    // No patience helps against a wrong address.
                    Err(error @ ConnectError::ParseUrl(_)) => {
                        return Err(error)
                            .with_context(|| format!("connecting to the database cluster {name}"));
                    }
                    Err(error) => tracing::warn!(
                        database = name,
                        error = %Chain(&error),
                        "a database does not answer; it is asked again"
                    ),
                }
                if !pause(stopping).await {
                    return Ok(None);
                }
            };
            tracing::info!(database = name, "connected to a database cluster");
            databases.push((name.clone(), database));
        }
        self.readiness.set(DATABASE, PartState::Ready);
        Ok(Some(databases))
    }
}

/// Access whose server may be silent for so long: a connection that died without a word (a machine that is gone) must not keep who
/// waits for its answer.
pub(crate) fn patient(mut access: Config, silence: Duration) -> Config {
    access.connect_timeout = Some(CONNECT_WITHIN);
    access.read_timeout = Some(silence);
    // Counted from the request, not from the last use of its connection.
    access.reset_reader_on_write = true;
    access
}

/// Waits a little; `false` when the process stops.
async fn pause(stopping: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(ASK_EVERY) => true,
        () = stopping.cancelled() => false,
    }
}

fn urls(
    cluster: &ClusterConfig,
    default: SecretString,
) -> anyhow::Result<Vec<(String, SecretString)>> {
    let mut urls = vec![("default".to_owned(), default)];
    for name in cluster.databases.keys() {
        urls.extend(cluster.database_url(name)?.map(|url| (name.clone(), url)));
    }
    Ok(urls)
}

/// Begins a new epoch everywhere: a former leader that wakes up late is refused from now on.
async fn take_over(databases: &Databases) -> anyhow::Result<Stores> {
    let mut stores = Stores::new();
    for (name, database) in databases {
        database
            .prepare_server()
            .await
            .with_context(|| format!("preparing the database cluster {name}"))?;
        let (ours, epoch) = database
            .take_over()
            .await
            .with_context(|| format!("taking over the database cluster {name}"))?;
        tracing::info!(database = name, %epoch, "taken over");
        stores.insert(name.clone(), Arc::new(ours));
    }
    Ok(stores)
}
