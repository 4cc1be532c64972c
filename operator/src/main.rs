//! The operator's program.

use std::process::ExitCode;

use clap::Parser as _;
use operator::command::{Cli, execute};
use service_kit::telemetry;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    telemetry::install_tls_provider();
    // Flushed when it is dropped, so also after a failure.
    let guard = telemetry::init("operator", &cli.telemetry)?;
    execute(cli, &guard).await
}
