//! The process-wide part of the sandbox.

use std::sync::Arc;
use std::time::Instant;

use domain::limits::LambdaLimits;

use crate::call::Purpose;
use crate::executor::{Executor, Halt};
use crate::host::Host;
use crate::session::Session;
#[cfg(feature = "wall")]
use crate::wasm::WasmExecutor;

/// How large the sandbox of a process is.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Invocations at the same time. More wait until their deadline.
    pub concurrency: u32,
    /// The largest memory of one guest in MiB, above every plan's ceiling.
    pub max_memory_mb: u32,
}

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            concurrency: 8,
            max_memory_mb: 256,
        }
    }
}

/// Why the engine cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartEngineError {
    /// The embedded guest cannot be loaded: another processor, or a build that mixes versions.
    #[error("the embedded sandbox cannot be loaded; run `cargo xtask guest` and build again: {0}")]
    LoadGuest(String),
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
    /// Loads the embedded guest. Takes a few milliseconds.
    #[cfg(feature = "wall")]
    pub fn new(options: EngineOptions) -> Result<Arc<Self>, StartEngineError> {
        Ok(Arc::new(Self {
            executor: Box::new(WasmExecutor::new(options)?),
        }))
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
