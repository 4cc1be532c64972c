//! The seam between what an invocation means and where its code runs.

use crate::error::Limit;
use crate::session::Session;

/// Runs one request of the guest's protocol in isolation. Today that is wasmtime in this process; a worker process can stand
/// around it or in its place. QuickJS itself never runs outside an executor's wall.
pub(crate) trait Executor: Send + Sync {
    /// Runs `request` in a fresh guest and answers with its reply. What the guest asks for goes through `session`, which counts it.
    fn execute(&self, request: &[u8], session: Session<'_>) -> Result<Vec<u8>, Halt>;
}

/// Why a guest gave no reply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Halt {
    /// A limit was hit; the stack says where, when the guest could say it.
    Limit {
        /// Which.
        limit: Limit,
        /// As QuickJS writes it; empty when unknown.
        stack: String,
    },
    /// The guest died, broke the protocol or could not go on.
    Crashed(String),
    /// No guest was free until the deadline.
    Busy,
    /// The executor failed.
    Internal(String),
}

impl Halt {
    pub(crate) fn limit(limit: Limit) -> Self {
        Self::Limit {
            limit,
            stack: String::new(),
        }
    }
}
