//! What one lambda invocation may use.

use serde::{Deserialize, Serialize};

/// Ceilings of one invocation (or of one batch of computed fields). A module may ask for less than its
/// tenant's plan allows, never for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LambdaLimits {
    /// Wall-clock milliseconds, host calls included.
    pub wall_ms: u32,
    /// Milliseconds of processor time. Waiting for the database costs none, so this is the smaller one.
    pub cpu_ms: u32,
    /// Guest memory in MiB.
    pub memory_mb: u32,
    /// KiB of stack that calls in JavaScript may take.
    pub stack_kb: u32,
    /// Database queries.
    pub queries: u32,
    /// Rows over all queries.
    pub rows: u32,
    /// Bytes over all query answers.
    pub bytes: u64,
    /// Lines of log.
    pub log_lines: u32,
    /// Calls that do something outside: `tickets`, `records`, `notify`, `queue`.
    pub effects: u32,
    /// Bytes of one result.
    pub result_bytes: u32,
    /// Levels of arrays and objects in one result.
    pub nesting: u32,
}

impl LambdaLimits {
    /// The GOTRS defaults (`timeout_ms` 5000, `memory_limit_mb` 32) and ours beside them.
    pub const DEFAULT: Self = Self {
        wall_ms: 5_000,
        cpu_ms: 2_000,
        memory_mb: 32,
        stack_kb: 320,
        queries: 50,
        rows: 10_000,
        bytes: 8 * 1024 * 1024,
        log_lines: 100,
        effects: 50,
        result_bytes: 64 * 1024,
        nesting: 32,
    };

    /// The smaller of each: what a module asks for under its plan's ceiling.
    #[must_use]
    pub fn capped_by(self, ceiling: Self) -> Self {
        Self {
            wall_ms: self.wall_ms.min(ceiling.wall_ms),
            cpu_ms: self.cpu_ms.min(ceiling.cpu_ms),
            memory_mb: self.memory_mb.min(ceiling.memory_mb),
            stack_kb: self.stack_kb.min(ceiling.stack_kb),
            queries: self.queries.min(ceiling.queries),
            rows: self.rows.min(ceiling.rows),
            bytes: self.bytes.min(ceiling.bytes),
            log_lines: self.log_lines.min(ceiling.log_lines),
            effects: self.effects.min(ceiling.effects),
            result_bytes: self.result_bytes.min(ceiling.result_bytes),
            nesting: self.nesting.min(ceiling.nesting),
        }
    }
}

impl Default for LambdaLimits {
    fn default() -> Self {
        Self::DEFAULT
    }
}
