//! The two long-running processes of a cluster: the control plane and the router. On one machine `gotrs up` is both.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use blob_store::config::S3Args;
use domain::clock::SystemClock;
use http::uri::Authority;
use service_kit::Tasks;
use service_kit::client_address::{AddressRange, TrustedProxies};
use service_kit::internal::{self, PartState, Readiness};
use service_kit::telemetry::TelemetryGuard;
use tenant_crd::v1::channel::ChannelName;

use crate::app::{self, App, Parts};
use crate::config::ControlPlaneConfig;
use crate::http::web;
use crate::kubernetes::{self, KubeProvisioner, KubeSleepers, RouteWatch, TokenReviewer};
use crate::metrics;
use crate::router::lanes::DEFAULT_REQUESTS_PER_SECOND;
use crate::router::{self, Proxy, RouterConfig};

/// Longest wait for the first copy of what the cluster has; then the process ends and is started again.
const FIRST_COPY: Duration = Duration::from_mins(2);

/// Settings of the control plane as a process of its own, the same as flags and environment variables.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the text of --help"
    )]
    #[command(flatten)]
    pub control_plane: ControlPlaneConfig,
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the text of --help"
    )]
    #[command(flatten)]
    pub s3: S3Args,
    /// Address for tenants' runtimes, which then come there and nowhere else; the same as for everybody if absent. What is said of clients by
    /// whoever comes from a trusted range should be believed only where no runtime gets to
    #[arg(long, env = "GOTRS_RUNTIME_LISTEN", value_name = "ADDRESS")]
    pub runtime_listen: Option<SocketAddr>,
    /// Namespace of the platform: Secrets for the operator go there
    #[arg(
        long,
        env = "GOTRS_NAMESPACE",
        default_value = "gotrs-cloud",
        help_heading = "Kubernetes"
    )]
    pub namespace: String,
    /// Audience for which runtimes' tokens must have been made
    #[arg(
        long,
        env = "GOTRS_TOKEN_AUDIENCE",
        default_value = "gotrs-control-plane",
        help_heading = "Kubernetes"
    )]
    pub token_audience: String,
    /// Channel that new tenants follow, such as stable; the operator's own choice if absent. Tenants that are there keep theirs
    #[arg(
        long,
        env = "GOTRS_TENANT_CHANNEL",
        value_name = "CHANNEL",
        help_heading = "Kubernetes"
    )]
    pub tenant_channel: Option<ChannelName>,
}

/// Settings of the router as a process of its own, the same as flags and environment variables.
#[derive(Debug, Clone, clap::Args)]
pub struct RouterArgs {
    /// Address of the router
    #[arg(long, env = "GOTRS_LISTEN", default_value = "127.0.0.1:8080")]
    pub listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "GOTRS_INTERNAL_LISTEN", default_value = "127.0.0.1:9080")]
    pub internal_listen: SocketAddr,
    /// Tenants are served at <slug>.<base domain>
    #[arg(long, env = "GOTRS_BASE_DOMAIN", default_value = "localhost")]
    pub base_domain: String,
    /// Host and port of the control plane, where hosts that are no tenant's go
    #[arg(
        long,
        env = "GOTRS_CONSOLE",
        default_value = "127.0.0.1:8081",
        value_name = "HOST:PORT"
    )]
    pub console: Authority,
    /// Clients reach the router over TLS, which ends in front of it
    #[arg(long, env = "GOTRS_SECURE")]
    pub secure: bool,
    /// Addresses or ranges of load balancers and proxies in front of the router whose X-Forwarded-For is believed
    #[arg(
        long,
        env = "GOTRS_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "RANGE"
    )]
    pub trusted_proxies: Vec<AddressRange>,
    /// Requests per second that one tenant may get through this router; twice as many may come at once
    #[arg(
        long,
        env = "GOTRS_REQUESTS_PER_SECOND",
        default_value_t = DEFAULT_REQUESTS_PER_SECOND,
        value_name = "NUMBER"
    )]
    pub requests_per_second: NonZeroU32,
}

/// Serves console and API until a signal comes.
pub async fn control_plane(args: ServeArgs, guard: &TelemetryGuard) -> anyhow::Result<ExitCode> {
    metrics::describe_control_plane();
    let config = &args.control_plane;
    // What is wrong in the settings is said before anything is connected.
    let (keys, settings) = (config.keys()?, config.settings()?);
    let (database_url, blobs) = (config.database_url()?, args.s3.store()?);
    let connections = config.database_connections.get();
    let tasks = Tasks::new();
    let readiness = Readiness::waiting_for(&["database", "control_plane", "tenants"]);
    let listener = service_kit::http::bind(config.listen).await?;
    let for_runtimes = match args.runtime_listen {
        Some(address) => Some(service_kit::http::bind(address).await?),
        None => None,
    };
    serve_internal(&tasks, config.internal_listen, &readiness, guard).await?;
    let client = kubernetes::connect().await?;
    let provisioner = KubeProvisioner::start(
        &client,
        &tasks,
        Arc::new(SystemClock),
        &args.namespace,
        &settings.tenant_urls.base_domain,
        args.tenant_channel.clone(),
    );
    let tenants = provisioner.known();
    let runtime_tokens = TokenReviewer::new(&client, tenants.clone(), &args.token_audience);
    set_up(&tasks, "setting up the control plane", {
        let tasks = tasks.clone();
        async move {
            let pool = app::connect_when_migrated(&database_url, connections).await?;
            readiness.set("database", PartState::Ready);
            let app = App::build(Parts {
                pool,
                blobs,
                provisioner: Arc::new(provisioner),
                runtime_tokens: Arc::new(runtime_tokens),
                clock: Arc::new(SystemClock),
                keys,
                tasks: tasks.clone(),
                settings,
            })
            .context("setting up the control plane")?;
            if let Some(for_runtimes) = for_runtimes {
                let runtimes = app.http_router_for_runtimes();
                service_kit::http::serve(&tasks, "runtimes' listener", for_runtimes, runtimes);
                let people = app.http_router_for_people();
                service_kit::http::serve(&tasks, "control plane", listener, people);
            } else {
                service_kit::http::serve(&tasks, "control plane", listener, app.http_router());
            }
            readiness.set("control_plane", PartState::Ready);
            first_copy(tenants.complete())
                .await
                .context("reading the cluster's Tenants")?;
            // Before it every tenant would seem to be unknown to the cluster.
            app.spawn_jobs();
            readiness.set("tenants", PartState::Ready);
            Ok(())
        }
    });
    tasks.run_until_stopped().await
}

/// Routes requests until a signal comes.
pub async fn router(args: RouterArgs, guard: &TelemetryGuard) -> anyhow::Result<ExitCode> {
    metrics::describe_router();
    let tasks = Tasks::new();
    let readiness = Readiness::waiting_for(&["router"]);
    let listener = service_kit::http::bind(args.listen).await?;
    serve_internal(&tasks, args.internal_listen, &readiness, guard).await?;
    let client = kubernetes::connect().await?;
    let pages = web::templates()?;
    set_up(&tasks, "setting up the router", {
        let tasks = tasks.clone();
        async move {
            let clock = Arc::new(SystemClock);
            let routes = RouteWatch::start(&client, &tasks, clock.clone(), &args.base_domain);
            // Before it every host would seem to be nobody's.
            first_copy(routes.published())
                .await
                .context("reading the cluster's Tenants and pods")?;
            let proxy = Proxy::new(
                RouterConfig {
                    base_domain: args.base_domain,
                    console: args.console,
                    secure: args.secure,
                    trusted_proxies: TrustedProxies::new(args.trusted_proxies),
                    requests_per_second: args.requests_per_second,
                },
                routes.table(),
                router::pages::render_page(pages),
                tasks.clone(),
            )
            .with_sleepers(Arc::new(KubeSleepers::start(&client, &tasks, clock)));
            router::serve(&tasks, listener, Arc::new(proxy));
            readiness.set("router", PartState::Ready);
            Ok(())
        }
    });
    tasks.run_until_stopped().await
}

/// Does what must be done before a process is ready. A signal is heard meanwhile: what is waited for may never come.
fn set_up(
    tasks: &Tasks,
    name: &'static str,
    steps: impl Future<Output = anyhow::Result<()>> + Send + 'static,
) {
    let stopping = tasks.stopping();
    tasks.spawn_service(name, async move {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            outcome = steps => outcome?,
        }
        stopping.cancelled().await;
        Ok(())
    });
}

/// Answers `/livez`, `/readyz` and `/metrics`.
async fn serve_internal(
    tasks: &Tasks,
    address: SocketAddr,
    readiness: &Readiness,
    guard: &TelemetryGuard,
) -> anyhow::Result<()> {
    let listener = service_kit::http::bind(address).await?;
    let router = internal::router(readiness.clone(), Some(guard.metrics.clone()));
    service_kit::http::serve(tasks, "internal server", listener, router);
    guard.sum_up(tasks);
    Ok(())
}

async fn first_copy(complete: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::time::timeout(FIRST_COPY, complete)
        .await
        .context("the API server has not answered for too long")?
}
