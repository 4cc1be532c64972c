//! The `tenant-runtime` program: the helpdesk of one tenant.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use service_kit::telemetry::{self, TelemetryArgs};
use tenant_runtime::RuntimeConfig;

/// Serves the helpdesk of one tenant.
#[derive(Debug, Parser)]
#[command(name = "tenant-runtime", version)]
struct Args {
    #[command(flatten)]
    runtime: RuntimeConfig,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    telemetry::install_tls_provider();
    // Two workers: a tenant's server mostly waits for its database, and each thread costs memory.
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(tenant_runtime::WORKER_THREADS)
        .enable_all()
        .build()
        .context("starting the async runtime")?
        .block_on(async {
            let guard = telemetry::init("tenant-runtime", &args.telemetry)?;
            tenant_runtime::run(args.runtime, &guard).await
        })
}
