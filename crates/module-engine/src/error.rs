//! What can go wrong in an invocation, in the author's terms.

use std::fmt;

use chrono::{DateTime, Utc};
use domain::limits::LambdaLimits;

/// Why an invocation gave no outcome.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvokeError {
    /// A limit was hit and the invocation stopped there.
    #[error(transparent)]
    Limit(LimitError),
    /// The lambda threw.
    #[error(transparent)]
    Script(ScriptError),
    /// The module has no such computed field or hook.
    #[error("the module {module} has no {what}")]
    Unknown {
        /// Name of the module.
        module: String,
        /// What was asked for, such as `computed field "age"`.
        what: String,
    },
    /// The module hit limits again and again: its code does not run until then. Made by callers that keep a
    /// [`Breaker`](crate::breaker::Breaker).
    #[error("suspended until {}: {reason}", until.format("%Y-%m-%d %H:%M:%S UTC"))]
    Suspended {
        /// For the owner of the module.
        reason: String,
        /// When it is tried again.
        until: DateTime<Utc>,
    },
    /// All sandboxes were in use until the deadline.
    #[error("all sandboxes are in use")]
    Busy,
    /// The guest died in a way that no limit explains. Its memory is gone with it; nothing else is affected.
    #[error("the sandbox stopped: {0}")]
    Crashed(String),
    /// The engine could not do its part; a bug or a lack of resources on our side.
    #[error("the sandbox could not be used: {0}")]
    Internal(String),
}

impl InvokeError {
    /// What went wrong, without the place.
    pub fn message(&self) -> String {
        match self {
            Self::Limit(error) => LimitError {
                position: None,
                ..error.clone()
            }
            .to_string(),
            Self::Script(error) => error.message.clone(),
            other => other.to_string(),
        }
    }

    /// Where in the YAML file, when that is known.
    pub fn position(&self) -> Option<&Position> {
        match self {
            Self::Limit(error) => error.position.as_ref(),
            Self::Script(error) => error.position.as_ref(),
            _ => None,
        }
    }
}

/// A limit that an invocation ran into.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LimitError {
    /// Which one.
    pub limit: Limit,
    /// Its value, in the unit of the limit.
    pub value: u64,
    /// Where the lambda was, when that is known.
    pub position: Option<Position>,
}

impl fmt::Display for LimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.limit {
            Limit::Wall => write!(f, "took longer than {} ms", self.value)?,
            Limit::Cpu => write!(f, "used more than {} ms of processor time", self.value)?,
            Limit::Memory => write!(f, "used more than {} MiB of memory", self.value)?,
            Limit::Stack => write!(f, "called itself too deeply")?,
            Limit::Queries => write!(f, "made more than {} queries", self.value)?,
            Limit::Rows => write!(f, "read more than {} rows", self.value)?,
            Limit::Bytes => write!(f, "read more than {} bytes of rows", self.value)?,
            Limit::LogLines => write!(f, "wrote more than {} lines of log", self.value)?,
            Limit::Effects => write!(
                f,
                "made more than {} calls of records, tickets, notify and queue",
                self.value
            )?,
            Limit::ResultBytes => write!(f, "returned more than {} bytes", self.value)?,
            Limit::Nesting => write!(f, "returned more than {} levels of nesting", self.value)?,
        }
        match &self.position {
            Some(position) => write!(f, " ({position})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for LimitError {}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Limit {
    /// Milliseconds by the clock on the wall, host calls included.
    Wall,
    /// Milliseconds of processor time.
    Cpu,
    /// MiB of guest memory.
    Memory,
    /// Depth of calls, in KiB of stack.
    Stack,
    /// Queries.
    Queries,
    /// Rows over all queries.
    Rows,
    /// Bytes over all query answers.
    Bytes,
    /// Lines of log.
    LogLines,
    /// Calls of `records`, `tickets`, `notify` and `queue`.
    Effects,
    /// Bytes of one result.
    ResultBytes,
    /// Levels of arrays and objects in one result.
    Nesting,
}

impl Limit {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Wall,
        Self::Cpu,
        Self::Memory,
        Self::Stack,
        Self::Queries,
        Self::Rows,
        Self::Bytes,
        Self::LogLines,
        Self::Effects,
        Self::ResultBytes,
        Self::Nesting,
    ];

    /// Whether it is about the size of what came out, and not about what the invocation used on the way there.
    pub const fn is_of_one_result(self) -> bool {
        matches!(self, Self::ResultBytes | Self::Nesting)
    }

    /// Its value among `limits`, in its own unit.
    pub fn value_in(self, limits: &LambdaLimits) -> u64 {
        match self {
            Self::Wall => limits.wall_ms.into(),
            Self::Cpu => limits.cpu_ms.into(),
            Self::Memory => limits.memory_mb.into(),
            Self::Stack => limits.stack_kb.into(),
            Self::Queries => limits.queries.into(),
            Self::Rows => limits.rows.into(),
            Self::Bytes => limits.bytes,
            Self::LogLines => limits.log_lines.into(),
            Self::Effects => limits.effects.into(),
            Self::ResultBytes => limits.result_bytes.into(),
            Self::Nesting => limits.nesting.into(),
        }
    }

    /// Stable name for logs, metrics and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Wall => "wall",
            Self::Cpu => "cpu",
            Self::Memory => "memory",
            Self::Stack => "stack",
            Self::Queries => "queries",
            Self::Rows => "rows",
            Self::Bytes => "bytes",
            Self::LogLines => "log-lines",
            Self::Effects => "effects",
            Self::ResultBytes => "result-bytes",
            Self::Nesting => "nesting",
        }
    }
}

/// Something that a lambda threw, or a syntax error in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// Class and text, such as `TypeError: cannot read property 'name' of null`.
    pub message: String,
    /// Where it was thrown.
    pub position: Option<Position>,
    /// The calls that led there, innermost first, each with its place in the YAML file; empty when there are none.
    pub stack: Vec<String>,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.position {
            Some(position) => write!(f, "{} ({position})", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for ScriptError {}

/// A place inside a lambda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The lambda's path in the module, such as `computed_fields[0].lambda`.
    pub lambda: String,
    /// Line in the YAML file, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}, line {}, column {}",
            self.lambda, self.line, self.column
        )
    }
}
