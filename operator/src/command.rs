//! The command line.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use service_kit::telemetry::{TelemetryArgs, TelemetryGuard};
use tenant_crd::manifest;

use crate::config::EXAMPLE;
use crate::import::ImportConfig;
use crate::report::ReportConfig;
use crate::run::RunConfig;

/// The operator of GOTRS Cloud: makes Tenant resources real
#[derive(Debug, Parser)]
#[command(name = "operator", version)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
    /// Logs, traces and metrics.
    #[command(flatten)]
    pub telemetry: TelemetryArgs,
}

/// What the operator can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Reconcile Tenants until told to stop
    #[command(after_long_help = run_help())]
    Run(Box<RunConfig>),
    /// Print the definitions of the resources for tenants and for channels (YAML)
    Crd,
    /// Write an archive about one tenant for a bug report; it holds no secrets
    Report(ReportConfig),
    /// Make the data of a new tenant of an export
    Import(ImportConfig),
}

fn run_help() -> String {
    format!(
        "A cluster configuration; what is left out has a default:\n\n{EXAMPLE}\n\
         Ports are those of pods, not of Services before them. clusterRanges must hold the ranges of pods, services, nodes and \
         the API server: tenants may reach mail servers anywhere else."
    )
}

/// Does what the command line says.
pub async fn execute(cli: Cli, guard: &TelemetryGuard) -> anyhow::Result<ExitCode> {
    match cli.command {
        Command::Run(config) => crate::run::run(*config, guard).await,
        Command::Crd => {
            for definition in [manifest::tenants(), manifest::runtime_channels()] {
                let text = serde_yaml::to_string(&definition).context("writing the definition")?;
                std::io::stdout()
                    .write_all(format!("---\n{text}").as_bytes())
                    .context("printing the definition")?;
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Report(config) => {
            crate::report::write(config).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Import(config) => {
            crate::import::run(config).await?;
            Ok(ExitCode::SUCCESS)
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed_and_shows_an_example() {
        Cli::command().debug_assert();
        let help = Cli::try_parse_from(["operator", "run", "--help"])
            .unwrap_err()
            .to_string();
        assert!(help.contains("\"clusterRanges\""), "{help}");
    }
}
