//! One invocation's account: what it asked of the host, and what it has left.

use std::time::{Duration, Instant};

use domain::limits::LambdaLimits;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::Limit;
use crate::executor::Halt;
use crate::host::{Host, HostError, LogLevel, Query};

/// A log line is cut here.
const MAX_LOG_BYTES: usize = 4 * 1024;
/// Larger requests are refused before they are read: a query with its parameters is far smaller.
const MAX_REQUEST_BYTES: usize = 1024 * 1024;

/// What a guest may ask for. The numbers are the protocol; the other side is `lambda-guest/src/prelude.js`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The guest cannot go on.
    Panic,
    /// `db.query`, `db.queryRow`.
    Query,
    /// `log.*`.
    Log,
    /// `t`.
    Translate,
    /// The guest was told that a limit is hit and says where it is.
    Stopped,
}

impl Operation {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Panic,
            1 => Self::Query,
            2 => Self::Log,
            3 => Self::Translate,
            4 => Self::Stopped,
            _ => return None,
        })
    }
}

#[derive(Deserialize)]
struct QueryRequest {
    sql: String,
    args: Vec<Value>,
}

#[derive(Deserialize)]
struct LogRequest {
    level: String,
    message: String,
}

#[derive(Deserialize)]
struct TranslateRequest {
    key: String,
}

#[derive(Deserialize)]
struct StoppedRequest {
    stack: String,
}

/// The account of one invocation.
pub(crate) struct Session<'a> {
    host: &'a dyn Host,
    pub(crate) limits: LambdaLimits,
    pub(crate) deadline: Instant,
    pub(crate) now_micros: f64,
    queries: u32,
    rows: u32,
    bytes: u64,
    log_lines: u32,
    /// The limit that the guest was told about.
    hit: Option<Limit>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(host: &'a dyn Host, limits: LambdaLimits, started: Instant) -> Self {
        let wall = Duration::from_millis(u64::from(limits.wall_ms));
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 2255")]
        let now_micros = host.now().timestamp_micros() as f64;
        Self {
            host,
            limits,
            deadline: started.checked_add(wall).unwrap_or(started),
            now_micros,
            queries: 0,
            rows: 0,
            bytes: 0,
            log_lines: 0,
            hit: None,
        }
    }

    /// Answers one call of the guest, in JSON: `{"ok": ...}`, `{"error": text}` to be thrown, or `{"limit": true}`.
    pub(crate) fn answer(&mut self, operation: Operation, request: &[u8]) -> Result<Vec<u8>, Halt> {
        if request.len() > MAX_REQUEST_BYTES {
            return refuse("this is too much for one call of the host (at most 1 MiB)");
        }
        if Instant::now() >= self.deadline && operation != Operation::Stopped {
            return self.hit(Limit::Wall);
        }
        let answer = match operation {
            Operation::Query => self.query(request),
            Operation::Log => self.log(request),
            Operation::Translate => {
                let TranslateRequest { key } = read(request)?;
                write(&json!({ "ok": self.host.translate(&key) }))
            }
            Operation::Stopped => {
                let StoppedRequest { stack } = read(request)?;
                let Some(limit) = self.hit else {
                    return Err(Halt::Crashed(
                        "the guest stopped without a reason".to_owned(),
                    ));
                };
                Err(Halt::Limit { limit, stack })
            }
            Operation::Panic => Err(Halt::Crashed(String::from_utf8_lossy(request).into_owned())),
        };
        // A host call does not tick the guest: look at the clock here.
        if self.hit.is_none() && answer.is_ok() && Instant::now() >= self.deadline {
            return self.hit(Limit::Wall);
        }
        answer
    }

    /// Remembers that a limit is hit and tells the guest, which answers with [`Operation::Stopped`] and its stack. A guest that
    /// asks for anything else instead is stopped at once.
    fn hit(&mut self, limit: Limit) -> Result<Vec<u8>, Halt> {
        match self.hit.replace(limit) {
            None => write(&json!({ "limit": true })),
            Some(first) => Err(Halt::limit(first)),
        }
    }

    fn query(&mut self, request: &[u8]) -> Result<Vec<u8>, Halt> {
        let QueryRequest { sql, args } = read(request)?;
        if self.queries >= self.limits.queries {
            return self.hit(Limit::Queries);
        }
        self.queries = self.queries.saturating_add(1);
        let max_rows = self.limits.rows.saturating_sub(self.rows);
        let max_bytes = self.limits.bytes.saturating_sub(self.bytes);
        let query = Query {
            sql: &sql,
            args: &args,
            deadline: self.deadline,
            max_rows,
            max_bytes,
        };
        let rows = match self.host.query(&query) {
            Ok(rows) => rows,
            Err(HostError::Refused(text) | HostError::Failed(text)) => return refuse(&text),
            Err(HostError::Deadline) => return self.hit(Limit::Wall),
            Err(HostError::TooManyRows) => return self.hit(Limit::Rows),
            Err(HostError::TooManyBytes) => return self.hit(Limit::Bytes),
        };
        // The host stops at the limits by itself; this is what holds when it does not.
        let count = u32::try_from(rows.rows.len()).unwrap_or(u32::MAX);
        if count > max_rows {
            return self.hit(Limit::Rows);
        }
        let answer = write(&json!({ "ok": rows }))?;
        let size = answer.len() as u64;
        if size > max_bytes {
            return self.hit(Limit::Bytes);
        }
        self.rows = self.rows.saturating_add(count);
        self.bytes = self.bytes.saturating_add(size);
        Ok(answer)
    }

    fn log(&mut self, request: &[u8]) -> Result<Vec<u8>, Halt> {
        let LogRequest { level, message } = read(request)?;
        if self.log_lines >= self.limits.log_lines {
            return self.hit(Limit::LogLines);
        }
        self.log_lines = self.log_lines.saturating_add(1);
        let level = match level.as_str() {
            "debug" => LogLevel::Debug,
            "info" => LogLevel::Info,
            "warn" => LogLevel::Warn,
            _ => LogLevel::Error,
        };
        let end = message.floor_char_boundary(MAX_LOG_BYTES);
        self.host.log(level, message.get(..end).unwrap_or_default());
        write(&json!({ "ok": null }))
    }
}

fn read<'de, T: Deserialize<'de>>(request: &'de [u8]) -> Result<T, Halt> {
    serde_json::from_slice(request)
        .map_err(|error| Halt::Crashed(format!("the guest asked in a wrong form: {error}")))
}

fn write(answer: &Value) -> Result<Vec<u8>, Halt> {
    serde_json::to_vec(answer)
        .map_err(|error| Halt::Crashed(format!("the answer cannot be written: {error}")))
}

fn refuse(text: &str) -> Result<Vec<u8>, Halt> {
    write(&json!({ "error": text }))
}
