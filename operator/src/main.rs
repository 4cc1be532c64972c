//! The operator's program.

use std::process::ExitCode;

use clap::Parser as _;
use operator::command::{Cli, execute};
use service_kit::telemetry;

#[tokio::main]
async fn main() -> ExitCode {
    let cli = Cli::parse();
    telemetry::install_tls_provider();
    // Flushed when it is dropped, so also after a failure.
    let guard = match telemetry::init("operator", &cli.telemetry) {
        Ok(guard) => guard,
        Err(error) => return fail(&error),
    };
    match execute(cli, &guard).await {
        Ok(code) => code,
        Err(error) => fail(&error),
    }
}

#[expect(
    clippy::print_stderr,
    reason = "the log may be what could not be set up"
)]
fn fail(error: &anyhow::Error) -> ExitCode {
    eprintln!("operator: {error:#}");
    ExitCode::FAILURE
}
