//! The commands that talk to a control plane: `login`, `tenant` and `module`; and `lsp`, which talks to an editor.
//!
//! Exit codes: 0 fine, 1 the thing asked about is wrong, 2 the command was used wrongly, 3 the server could not be reached.

pub mod client;
pub mod credentials;
pub mod error;
pub mod login;
pub mod lsp;
pub mod module;
pub mod output;
pub mod tenant;

use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};

use self::client::ServerArgs;
use self::error::CliError;
use self::output::{Format, Output};

/// What can be asked of a control plane.
#[derive(Debug, Subcommand)]
pub enum RemoteCommand {
    /// Sign in, so that the other commands know who you are
    Login(login::LoginArgs),
    /// Look at your tenants, and export them
    #[command(subcommand)]
    Tenant(tenant::TenantCommand),
    /// Begin, check, upload and look after modules
    #[command(subcommand)]
    Module(module::ModuleCommand),
}

/// How results are shown.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// How results are written
    #[arg(
        long,
        env = "GOTRS_OUTPUT",
        value_enum,
        default_value_t = Format::Text,
        value_name = "FORMAT"
    )]
    pub output: Format,
}

/// How a command ended, when it did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything is as it should be.
    Good,
    /// The thing asked about is wrong; what is wrong has been written.
    Bad,
}

impl Verdict {
    /// Good only if both are.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        if self == Self::Good { other } else { Self::Bad }
    }
}

/// Does it, in an async runtime of its own.
pub fn run(command: RemoteCommand) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the async runtime")?;
    let mut output = Output::terminal(command.format());
    let outcome = runtime.block_on(async {
        match command {
            RemoteCommand::Login(args) => login::run(args, &mut output).await,
            RemoteCommand::Tenant(command) => tenant::run(command, &mut output).await,
            RemoteCommand::Module(command) => module::run(command, &mut output).await,
        }
    });
    Ok(match outcome {
        Ok(Verdict::Good) => ExitCode::SUCCESS,
        Ok(Verdict::Bad) => ExitCode::from(1),
        // `gotrs module list acme | head`: nobody reads on, which is no mistake.
        Err(CliError::Write(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            output.failure(&error);
            ExitCode::from(error.exit_code())
        }
    })
}

impl RemoteCommand {
    fn format(&self) -> Format {
        match self {
            Self::Login(args) => args.output.output,
            Self::Tenant(command) => command.format(),
            Self::Module(command) => command.format(),
        }
    }
}

/// What every command that talks to a server takes.
#[derive(Debug, Clone, Args)]
pub struct RemoteArgs {
    #[command(flatten)]
    pub(crate) server: ServerArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
