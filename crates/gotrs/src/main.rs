//! The `gotrs` program.

use std::process::ExitCode;

use clap::Parser as _;
use gotrs::command::Cli;

fn main() -> ExitCode {
    service_kit::telemetry::install_tls_provider();
    Cli::parse().run()
}
