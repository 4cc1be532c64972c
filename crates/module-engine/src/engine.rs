//! The process-wide part of the sandbox.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use domain::limits::LambdaLimits;

use crate::call::Purpose;
#[cfg(feature = "wall")]
use crate::config::ExecutorChoice;
use crate::config::SandboxArgs;
use crate::executor::{Executor, Halt};
use crate::host::Host;
use crate::session::Session;
#[cfg(feature = "wall")]
use crate::wasm::{self, WasmExecutor};
#[cfg(feature = "wall")]
use crate::worker::WorkerExecutor;

/// The program of a worker process.
const WORKER: &str = "lambda-worker";

/// How large the sandbox of a process is, and of which kind.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Invocations at the same time. More wait until their deadline.
    pub concurrency: u32,
    /// The largest memory of one guest in MiB, above every plan's ceiling.
    pub max_memory_mb: u32,
    /// Where the code runs.
    pub sandbox: SandboxArgs,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            concurrency: 8,
            max_memory_mb: 256,
            sandbox: SandboxArgs::default(),
        }
    }
}

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartEngineError {
    /// WebAssembly was asked for in a program that was built without the guest.
    #[error(
        "this program was built without the WebAssembly guest ({0}): build it again after `cargo xtask guest`, or choose \
         --lambda-executor=process (GOTRS_LAMBDA_EXECUTOR)"
    )]
    NoGuest(&'static str),
    /// The embedded guest cannot be loaded: another processor, or a build that mixes versions.
    #[error("the embedded sandbox cannot be loaded; run `cargo xtask guest` and build again: {0}")]
    LoadGuest(String),
    /// Lambdas should run in worker processes, and there is no program for them.
    #[error(
        "lambdas are to run in worker processes, but the program {} is missing: build it with `cargo build -p lambda-worker` \
         (`make build` does where it is needed), or say where it is with --lambda-worker (GOTRS_LAMBDA_WORKER)",
        .0.display()
    )]
    NoWorker(PathBuf),
    /// The program for worker processes does not do its part.
    #[error("the worker process {} does not start: {reason}", program.display())]
    StartWorker {
        /// Which program.
        program: PathBuf,
        /// What it said, or the system.
        reason: String,
    },
    /// No memory or threads.
    #[error("the sandbox cannot be set up: {0}")]
    Setup(String),
}

/// The sandbox of a process: code, memory pool and timer. Make one and share it.
pub struct Engine {
    executor: Box<dyn Executor>,
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine").finish_non_exhaustive()
    }
}

impl Engine {
    /// Loads the embedded guest, or starts the first worker process, and says in the log which of them. Takes a few milliseconds.
    #[cfg(feature = "wall")]
    #[expect(
        clippy::needless_pass_by_value,
        reason = "callers make the options for this call; a borrow would only be noise in each of them"
    )]
    pub fn new(options: EngineOptions) -> Result<Arc<Self>, StartEngineError> {
        let missing = wasm::missing();
        let why_process = match (options.sandbox.lambda_executor, missing) {
            (ExecutorChoice::Wasm, _) | (ExecutorChoice::Auto, None) => None,
            (ExecutorChoice::Process, _) => Some("it was chosen"),
            (ExecutorChoice::Auto, Some(reason)) => Some(reason),
        };
        let executor: Box<dyn Executor> = match why_process {
            None => {
                let executor = WasmExecutor::new(&options)?;
                tracing::info!(
                    executor = "wasm",
                    "lambdas run in WebAssembly inside this process"
                );
                Box::new(executor)
            }
            Some(reason) => {
                let program = worker_program(&options.sandbox)?;
                let executor = WorkerExecutor::start(&options, program.clone())?;
                tracing::warn!(
                    executor = "process",
                    reason,
                    program = %program.display(),
                    landlock = executor.landlock().as_str(),
                    "lambdas run in worker processes instead of WebAssembly"
                );
                Box::new(executor)
            }
        };
        Ok(Arc::new(Self { executor }))
    }

    /// With something else in the place of the guest.
    #[cfg(any(test, feature = "fuzz"))]
    pub(crate) fn over(executor: impl Executor + 'static) -> Arc<Self> {
        Arc::new(Self {
            executor: Box::new(executor),
        })
    }

    /// Runs one request of the guest's protocol against `host`.
    pub(crate) fn execute(
        &self,
        request: &[u8],
        host: &dyn Host,
        limits: LambdaLimits,
        purpose: Purpose,
    ) -> Result<Vec<u8>, Halt> {
        self.executor
            .execute(request, Session::new(host, limits, purpose, Instant::now()))
    }
}

/// The program that was named, or the one beside this program.
fn worker_program(sandbox: &SandboxArgs) -> Result<PathBuf, StartEngineError> {
    let program = match &sandbox.lambda_worker {
        Some(program) => program.clone(),
        None => std::env::current_exe()
            .map_err(|error| StartEngineError::Setup(error.to_string()))?
            .with_file_name(WORKER),
    };
    // A relative path would mean another file in another folder, and the worker runs in none of ours.
    let program = std::path::absolute(&program).unwrap_or(program);
    if program.is_file() {
        Ok(program)
    } else {
        Err(StartEngineError::NoWorker(program))
    }
}
