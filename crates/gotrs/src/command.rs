//! The commands and what each of them does.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser, Subcommand};
use clap_complete::Shell;
use service_kit::telemetry::{self, TelemetryArgs};
use tenant_runtime::RuntimeConfig;

use crate::cli::{self, RemoteCommand};
use crate::s3::{self, serve::S3ServerArgs};
use crate::up::{self, UpArgs};

/// GOTRS Cloud: run it on one machine, and work with its tenants and modules.
#[derive(Debug, Parser)]
#[command(name = "gotrs", version, about, arg_required_else_help = true)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything on this machine and stay in the foreground
    Up(Box<UpCommand>),
    /// What is asked of a control plane
    #[command(flatten)]
    Remote(RemoteCommand),
    /// Serve an editor with findings, completion and hover for module files
    ///
    /// Speaks the Language Server Protocol over standard input and output. docs/modules/editor.md shows how to set up
    /// editors.
    Lsp {
        /// Use standard input and output; that is the only way, but many editors say it
        #[arg(long)]
        stdio: bool,
    },
    /// Print a completion script for a shell
    ///
    /// For bash: `gotrs completion bash > /etc/bash_completion.d/gotrs`
    Completion {
        /// Which shell
        shell: Shell,
    },
    /// Parts of `gotrs up` that run as processes of their own
    #[command(hide = true, subcommand)]
    Internal(Internal),
}

/// `gotrs up` with its telemetry.
#[derive(Debug, clap::Args)]
pub struct UpCommand {
    #[command(flatten)]
    up: UpArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// Processes that the supervisor and the chart start; no interface of ours with people.
#[derive(Debug, Subcommand)]
pub enum Internal {
    /// The server of one tenant
    TenantRuntime(Box<TenantRuntimeCommand>),
    /// A small S3 server, for trials on Kubernetes: one bucket, one copy of each object
    S3(S3Command),
}

/// The S3 server with its telemetry.
#[derive(Debug, clap::Args)]
pub struct S3Command {
    #[command(flatten)]
    s3: S3ServerArgs,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

/// The tenant runtime with its telemetry.
#[derive(Debug, clap::Args)]
pub struct TenantRuntimeCommand {
    #[command(flatten)]
    runtime: RuntimeConfig,
    #[command(flatten)]
    telemetry: TelemetryArgs,
}

impl Cli {
    /// Does it; what went wrong is written to standard error.
    pub fn run(self) -> ExitCode {
        let outcome = match self.command {
            Command::Up(command) => run_up(*command),
            Command::Remote(command) => cli::run(command),
            // The flag asks for what is done anyway.
            Command::Lsp { stdio: _ } => cli::lsp::run(),
            Command::Completion { shell } => print_completion(shell),
            Command::Internal(Internal::TenantRuntime(command)) => run_tenant_runtime(*command),
            Command::Internal(Internal::S3(command)) => run_s3(command),
        };
        outcome.unwrap_or_else(|error| {
            // The log may not be set up, and a person waits for an answer.
            let mut stderr = std::io::stderr().lock();
            writeln!(stderr, "error: {error:#}").unwrap_or_default();
            ExitCode::FAILURE
        })
    }
}

fn run_up(command: UpCommand) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the async runtime")?
        .block_on(async {
            let guard = telemetry::init("gotrs", &command.telemetry)?;
            // Large, and there is one of it.
            Box::pin(up::run(command.up, &command.telemetry, &guard)).await
        })
}

fn run_tenant_runtime(command: TenantRuntimeCommand) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(tenant_runtime::WORKER_THREADS)
        .enable_all()
        .build()
        .context("starting the async runtime")?
        .block_on(async {
            let guard = telemetry::init("tenant-runtime", &command.telemetry)?;
            tenant_runtime::run(command.runtime, &guard).await
        })
}

fn run_s3(command: S3Command) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("starting the async runtime")?
        .block_on(async {
            let _guard = telemetry::init("gotrs-s3", &command.telemetry)?;
            s3::serve::run(command.s3).await
        })
}

fn print_completion(shell: Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "gotrs", &mut script);
    std::io::stdout()
        .write_all(&script)
        .context("printing the completion script")?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn wrong_values_name_the_variable_and_an_example() {
        for (words, variable, example) in [
            (vec!["--listen=8080"], "GOTRS_LISTEN", "127.0.0.1:8080"),
            (
                vec!["--internal-listen=x"],
                "GOTRS_INTERNAL_LISTEN",
                "127.0.0.1:9080",
            ),
            (
                vec!["--database-url=mysql://x"],
                "GOTRS_DATABASE_URL",
                "postgres://",
            ),
            (
                vec!["--s3-endpoint=ftp://x"],
                "GOTRS_S3_ENDPOINT",
                "http://127.0.0.1:9000",
            ),
        ] {
            let arguments = ["gotrs", "up"].into_iter().chain(words.iter().copied());
            let error = match Cli::try_parse_from(arguments) {
                Err(error) => {
                    assert_eq!(error.exit_code(), 2);
                    error.to_string()
                }
                Ok(_) => panic!("{words:?} was accepted"),
            };
            assert!(
                error.contains(variable) && error.contains(example),
                "{error}"
            );
        }
    }
}
