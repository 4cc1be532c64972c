//! The control plane's program: what runs it on a cluster. On one machine `gotrs up` runs the same library.

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use control_plane::app;
use control_plane::check::{self, CheckArgs};
use control_plane::serve::{self, RouterArgs, ServeArgs};
use secrecy::SecretString;
use service_kit::config::{SecretName, required_secret};
use service_kit::telemetry::{self, TelemetryArgs, TelemetryGuard};

/// The control plane of GOTRS Cloud, and its router, on a Kubernetes cluster
///
/// The operator makes there what the control plane asks for. On one machine `gotrs up` serves control plane, router and
/// tenants together.
#[derive(Debug, Parser)]
#[command(name = "control-plane", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve console and API
    Serve(Box<ServeArgs>),
    /// Route requests to the control plane and to tenants
    Router(RouterArgs),
    /// Look at an installed platform through its router, as a client does; fails with what is wrong
    Check(CheckArgs),
    /// Bring the control plane's database to the schema that this version needs; safe to repeat
    Migrate {
        /// Database of the control plane, such as <postgres://control_plane:secret@db.internal/gotrs_control_plane>
        #[arg(long, env = "GOTRS_DATABASE_URL", hide_env_values = true)]
        database_url: Option<SecretString>,
        /// File that holds the database URL
        #[arg(long, env = "GOTRS_DATABASE_URL_FILE")]
        database_url_file: Option<std::path::PathBuf>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::install_tls_provider();
    // Flushed when it is dropped, so also after a failure.
    let service = match &cli.command {
        Command::Router(_) => "router",
        Command::Serve(_) | Command::Check(_) | Command::Migrate { .. } => "control-plane",
    };
    let guard = match telemetry::init(service, &cli.telemetry) {
        Ok(guard) => guard,
        Err(error) => return fail(&error),
    };
    match run(cli.command, &guard).await {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the log may be what could not be set up"
)]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("control-plane: {error:#}");
    ExitCode::FAILURE
}

async fn run(command: Command, guard: &TelemetryGuard) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(args) => serve::control_plane(*args, guard).await,
        Command::Router(args) => serve::router(args, guard).await,
        Command::Check(args) => check::run(args).await,
        Command::Migrate {
            database_url,
            database_url_file,
        } => {
            let url = required_secret(
                SecretName {
                    variable: "GOTRS_DATABASE_URL",
                    flag: "--database-url",
                    example: "postgres://control_plane:secret@db.internal/gotrs_control_plane",
                },
                database_url,
                database_url_file.as_deref(),
            )?;
            let pool = app::connect_when_there(&url, 2).await?;
            app::migrate(&pool)
                .await
                .context("nothing was half done; run it again")?;
            tracing::info!("the database is up to date");
            Ok(ExitCode::SUCCESS)
        }
    }
}
