//! The seam between what an invocation means and where its code runs.

use crate::error::Limit;
use crate::session::Session;

/// What a script allows by itself, and the most that it can; of WebAssembly's stack, or of the worker's.
pub(crate) const DEFAULT_STACK_KB: u32 = 320;
/// Below this not even the prelude runs.
pub(crate) const MIN_STACK_KB: u32 = 32;
/// A reply is at most this large. A batch of 1 000 rows with results at their limit is larger; its caller splits it.
pub(crate) const MAX_REPLY_BYTES: usize = 64 * 1024 * 1024;

/// Runs one request of the guest's protocol in isolation: in WebAssembly inside this process, or in a process of its own. QuickJS
/// itself never runs outside an executor's wall.
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

/// What a reply means. Its first letter says it: `=` JSON, `!` the stack where it was interrupted for the limit `interrupted`, `#` a
/// failure of the script itself.
pub(crate) fn read_reply(reply: &[u8], interrupted: Option<Limit>) -> Result<Vec<u8>, Halt> {
    match reply.split_first() {
        Some((b'=', answer)) if answer.len() <= MAX_REPLY_BYTES => Ok(answer.to_vec()),
        Some((b'=', _)) => Err(Halt::limit(Limit::ResultBytes)),
        Some((b'!', stack)) => Err(Halt::Limit {
            limit: interrupted.unwrap_or(Limit::Wall),
            stack: lossy(stack),
        }),
        Some((b'#', why)) => Err(Halt::Crashed(lossy(why))),
        _ => Err(Halt::Crashed(
            "the guest replied in a wrong form".to_owned(),
        )),
    }
}

/// What a guest says is only ever shown; a megabyte of it is not.
pub(crate) fn lossy(bytes: &[u8]) -> String {
    const MAX_BYTES: usize = 16 * 1024;
    String::from_utf8_lossy(bytes.get(..MAX_BYTES).unwrap_or(bytes)).into_owned()
}

/// The stack that a request may use.
pub(crate) fn stack_bytes(stack_kb: u32) -> u32 {
    stack_kb
        .clamp(MIN_STACK_KB, DEFAULT_STACK_KB)
        .saturating_mul(1024)
}

pub(crate) fn mebibytes(count: u32) -> usize {
    usize::try_from(count)
        .unwrap_or(usize::MAX)
        .saturating_mul(1024 * 1024)
}
