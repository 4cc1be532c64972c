//! The sandbox on this machine.

use std::num::NonZeroUsize;
use std::sync::Arc;

use domain::limits::LambdaLimits;
use module_engine::config::SandboxArgs;
use module_engine::engine::{Engine, EngineOptions};

use crate::cli::error::CliError;

/// Starts a sandbox for so many lambdas at the same time, each within the limits that a plan without a higher ceiling has.
pub(in crate::cli) fn start(jobs: NonZeroUsize) -> Result<Arc<Engine>, CliError> {
    Engine::new(EngineOptions {
        concurrency: u32::try_from(jobs.get()).unwrap_or(u32::MAX),
        max_memory_mb: LambdaLimits::DEFAULT.memory_mb,
        sandbox: SandboxArgs::default(),
    })
    .map_err(|error| CliError::Machine {
        doing: "starting the sandbox",
        reason: error.to_string(),
    })
}
