//! `gotrs up`: everything on one machine, in the foreground.
//!
//! Two sets of tasks, stopped one after the other: first what people reach (router, control plane, tenants' servers),
//! then what that needs (S3, PostgreSQL).

mod backing;
pub mod config;
pub mod data_folder;
mod demo;
mod run_file;
pub mod secrets;
mod serving;
mod summary;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use service_kit::Tasks;
use service_kit::internal::Readiness;
use service_kit::telemetry::{TelemetryArgs, TelemetryGuard};
use tokio::signal::unix::{SignalKind, signal};

use crate::postgres::account::Account;
use crate::process::spawner::Spawner;
use crate::up::backing::Backing;
pub use crate::up::config::UpArgs;
use crate::up::data_folder::DataFolder;
use crate::up::serving::Serving;

/// How long S3 and PostgreSQL may take to stop; PostgreSQL is ended by force within it.
const BACKING_LIMIT: Duration = Duration::from_secs(30);

/// What a running `gotrs up` is made of; each reports to `/readyz`.
const PARTS: [&str; 4] = ["postgres", "s3", "control_plane", "router"];

/// Starts everything, waits for SIGINT or SIGTERM, stops everything.
pub async fn run(
    args: UpArgs,
    telemetry: &TelemetryArgs,
    guard: &TelemetryGuard,
) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let external_database = args.database.external()?;
    let external_s3 = args.s3.external()?;
    let account = match external_database {
        Some(_) => None,
        None => Account::for_postgres()?,
    };
    // Before anything is started: the folder may be in use, the port taken.
    let folder = DataFolder::open(&args.data, account.as_ref())?;
    let listener = service_kit::http::bind(args.listen).await?;
    let internal = tokio::net::TcpListener::bind(args.internal_listen)
        .await
        .with_context(|| {
            format!(
                "listening on {}: choose another address with --internal-listen",
                args.internal_listen
            )
        })?;
    let readiness = Readiness::waiting_for(&PARTS);
    // Children die with its last clone; this one lives until the end.
    let spawner = Spawner::start().context("starting the thread that starts processes")?;

    let below = Tasks::new();
    let outcome = async {
        let plan = backing::Plan {
            args: &args,
            folder: &folder,
            account,
            external_database,
            external_s3,
        };
        let backing = Backing::start(plan, &spawner, &below, &readiness).await?;
        let serving = Serving {
            args: &args,
            telemetry,
            folder: &folder,
            backing: &backing,
            spawner: &spawner,
            readiness: &readiness,
            guard,
            started,
        };
        serving.run(listener, internal, &below).await
    }
    .await;
    stop_backing(&below).await?;
    drop(spawner);
    run_file::remove(&folder.run());
    outcome
}

/// In order, or at once at a further signal: PostgreSQL recovers from that at its next start.
async fn stop_backing(below: &Tasks) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    tokio::select! {
        () = below.shut_down(BACKING_LIMIT) => {}
        _ = interrupt.recv() => tracing::warn!("another signal, stopping at once"),
        _ = terminate.recv() => tracing::warn!("another signal, stopping at once"),
    }
    Ok(())
}
