//! The two long-running processes of a cluster: the control plane and the router. On one machine `gotrs up` is both.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use blob_store::config::S3Args;
use domain::clock::SystemClock;
use http::uri::Authority;
use service_kit::Tasks;
use service_kit::internal::{self, PartState, Readiness};
use service_kit::telemetry::TelemetryGuard;

use crate::app::{self, App, Parts};
use crate::config::ControlPlaneConfig;
use crate::http::web;
use crate::kubernetes::{self, KubeProvisioner, KubeSleepers, RouteWatch, TokenReviewer};
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
}

/// Serves console and API until a signal comes.
pub async fn control_plane(args: ServeArgs, guard: &TelemetryGuard) -> anyhow::Result<ExitCode> {
    let config = &args.control_plane;
    // What is wrong in the settings is said before anything is connected.
    let (keys, settings) = (config.keys()?, config.settings()?);
    let (database_url, blobs) = (config.database_url()?, args.s3.store()?);
    let tasks = Tasks::new();
    let readiness = Readiness::waiting_for(&["control_plane", "tenants"]);
    let listener = service_kit::http::bind(config.listen).await?;
    serve_internal(&tasks, config.internal_listen, &readiness, guard).await?;
    let client = kubernetes::connect().await?;
    let provisioner = KubeProvisioner::start(
        &client,
        &tasks,
        &args.namespace,
        &settings.tenant_urls.base_domain,
    );
    let tenants = provisioner.known();
    let pool = app::connect(&database_url, config.database_connections.get()).await?;
    let app = App::build(Parts {
        pool,
        blobs,
        provisioner: Arc::new(provisioner),
        runtime_tokens: Arc::new(TokenReviewer::new(
            &client,
            tenants.clone(),
            &args.token_audience,
        )),
        clock: Arc::new(SystemClock),
        keys,
        tasks: tasks.clone(),
        settings,
    })
    .context("setting up the control plane")?;
    service_kit::http::serve(&tasks, "control plane", listener, app.http_router());
    readiness.set("control_plane", PartState::Ready);
    let stopping = tasks.stopping();
    tasks.spawn_service("first copy of tenants", async move {
        first_copy(tenants.complete())
            .await
            .context("reading the cluster's Tenants")?;
        // Before it every tenant would seem to be unknown to the cluster.
        app.spawn_jobs();
        readiness.set("tenants", PartState::Ready);
        stopping.cancelled().await;
        Ok(())
    });
    tasks.run_until_stopped().await
}

/// Routes requests until a signal comes.
pub async fn router(args: RouterArgs, guard: &TelemetryGuard) -> anyhow::Result<ExitCode> {
    let tasks = Tasks::new();
    let readiness = Readiness::waiting_for(&["router"]);
    let listener = service_kit::http::bind(args.listen).await?;
    serve_internal(&tasks, args.internal_listen, &readiness, guard).await?;
    let client = kubernetes::connect().await?;
    let routes = RouteWatch::start(&client, &tasks, Arc::new(SystemClock), &args.base_domain);
    first_copy(routes.complete())
        .await
        .context("reading the cluster's Tenants and pods")?;
    let proxy = Proxy::new(
        RouterConfig {
            base_domain: args.base_domain,
            console: args.console,
            secure: args.secure,
        },
        routes.table(),
        router::pages::render_page(web::templates()?),
        tasks.clone(),
    )
    .with_sleepers(Arc::new(KubeSleepers::start(
        &client,
        &tasks,
        Arc::new(SystemClock),
    )));
    router::serve(&tasks, listener, Arc::new(proxy));
    readiness.set("router", PartState::Ready);
    tasks.run_until_stopped().await
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
    Ok(())
}

async fn first_copy(complete: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<()> {
    tokio::time::timeout(FIRST_COPY, complete)
        .await
        .context("the API server has not answered for too long")?
}
