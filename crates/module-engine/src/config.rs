//! Where lambdas run: settings that every program with an engine has.

use std::path::PathBuf;

/// Where code of modules runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum ExecutorChoice {
    /// In WebAssembly if this program was built with the guest, otherwise in worker processes
    #[default]
    Auto,
    /// In WebAssembly inside this process
    Wasm,
    /// In a process of its own for each invocation
    Process,
}

/// Settings of the sandbox, the same for every program.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Sandbox")]
pub struct SandboxArgs {
    /// Where code of modules runs
    #[arg(
        long,
        env = "GOTRS_LAMBDA_EXECUTOR",
        value_enum,
        default_value_t,
        value_name = "WHERE"
    )]
    pub lambda_executor: ExecutorChoice,
    /// Program of a worker process; without it, lambda-worker beside this program
    #[arg(long, env = "GOTRS_LAMBDA_WORKER", value_name = "PATH")]
    pub lambda_worker: Option<PathBuf>,
}

impl ExecutorChoice {
    /// Its value on the command line and in the environment.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Wasm => "wasm",
            Self::Process => "process",
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum as _;

    use super::*;

    /// The supervisor writes into a child's environment what the child reads.
    #[test]
    fn a_choice_is_written_as_it_is_read() {
        for choice in ExecutorChoice::value_variants() {
            assert_eq!(
                ExecutorChoice::from_str(choice.as_str(), false),
                Ok(*choice)
            );
        }
    }
}
