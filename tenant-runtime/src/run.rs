//! The process: binds, publishes its addresses, starts its tasks, waits for the shutdown.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use domain::clock::SystemClock;
use service_kit::internal::{self, Readiness};
use service_kit::telemetry::{self, TelemetryGuard};
use service_kit::{Tasks, http};
use tracing::Instrument as _;

use crate::app::{App, Databases, Tenant, lambda_pool, runtime_pool};
use crate::config::RuntimeConfig;
use crate::modules::cache::Cache;
use crate::modules::sync::{self, Sync};
use crate::modules::watch::ControlPlane;
use crate::{address, database, due, metrics};

/// A tenant's server mostly waits for its database, and every thread costs memory.
pub const WORKER_THREADS: usize = 2;

/// Serves one tenant until SIGINT or SIGTERM. Call inside a multi-threaded tokio runtime.
pub async fn run(config: RuntimeConfig, guard: &TelemetryGuard) -> anyhow::Result<ExitCode> {
    // Also when another program's main called us; a second time it does nothing.
    telemetry::install_tls_provider();
    let start = start_span(&config);
    let secrets = config.secrets()?;
    let listener = http::bind(config.listen).await?;
    let internal_listener = http::bind(config.internal_listen).await?;
    metrics::describe();
    let tasks = Tasks::new();
    let readiness = Readiness::waiting_for(&[database::PART, sync::PART]);
    let app = Arc::new(App::new(
        Tenant {
            id: config.tenant_id,
            slug: config.tenant_slug,
            name: config.tenant_name,
            plan: config.tenant_plan,
            url: config.public_url,
        },
        Databases {
            runtime: runtime_pool(secrets.database, config.tenant_plan),
            lambdas: lambda_pool(secrets.lambda_database),
        },
        config.sandbox,
        Arc::new(SystemClock),
        tasks.clone(),
        readiness.clone(),
    )?);
    let addresses = address::Addresses {
        listen: listener.local_addr().context("reading the address")?,
        internal: internal_listener
            .local_addr()
            .context("reading the internal address")?,
        pid: std::process::id(),
    };
    guard.sum_up(&tasks);
    http::serve(
        &tasks,
        "internal server",
        internal_listener,
        internal::router(readiness.clone(), Some(guard.metrics.clone())),
    );
    http::serve(
        &tasks,
        "server",
        listener,
        crate::http::router::app(Arc::clone(&app)),
    );
    if let Some(path) = &config.address_file {
        address::write(path, &addresses)
            .with_context(|| format!("writing the address file {}", path.display()))?;
    }
    tracing::info!(
        tenant.id = %app.tenant.id,
        tenant.slug = %app.tenant.slug,
        listen = %addresses.listen,
        internal = %addresses.internal,
        "serving"
    );
    let stopping = tasks.stopping();
    let started = async move {
        tokio::select! {
            () = readiness.ready() => {}
            () = stopping.cancelled() => {}
        }
    };
    tasks.spawn("start", started.instrument(start));
    tasks.spawn_service("database watch", database::watch(Arc::clone(&app)));
    let control_plane = secrets
        .control_plane
        .map(|access| ControlPlane::new(access.url, access.token))
        .transpose()
        .context("preparing to follow the control plane")?;
    if let Some(control_plane) = &control_plane {
        tasks.spawn_service(
            "next due",
            due::run(Arc::clone(&app), control_plane.clone()),
        );
    }
    let sync = Sync::new(
        app,
        control_plane,
        Cache::new(&config.data_dir),
        config.instance,
    );
    tasks.spawn_service("module sync", sync.run());
    tasks.run_until_stopped().await
}

/// From the beginning until the first request may come; a part of the trace of whoever wanted this runtime.
fn start_span(config: &RuntimeConfig) -> tracing::Span {
    let span = tracing::info_span!("start", tenant.slug = %config.tenant_slug);
    // A start without its trace is a start all the same.
    let written = config.trace_parent.clone().or_else(|| {
        let path = config.trace_parent_file.as_ref()?;
        std::fs::read_to_string(path).ok()
    });
    if let Some(parent) = written {
        telemetry::continue_written_trace(&span, parent.trim());
    }
    span
}
