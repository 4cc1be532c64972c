//! One invocation's account: what it asked of the host, and what it has left.

use std::time::{Duration, Instant};

use domain::limits::LambdaLimits;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::call::Purpose;
use crate::error::Limit;
use crate::executor::Halt;
use crate::host::{Budget, Host, HostError, LogLevel, Query, Rows};
use crate::{effect, find, guest_json};

/// A log line is cut here.
const MAX_LOG_BYTES: usize = 4 * 1024;
/// Larger requests are refused before they are read: a query with its parameters is far smaller.
pub(crate) const MAX_REQUEST_BYTES: usize = 1024 * 1024;

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
    /// `db.find`, `db.get`, `db.count`.
    Find,
    /// `records`, `tickets`, `notify`, `queue`.
    Effect,
}

impl Operation {
    pub(crate) fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Panic,
            1 => Self::Query,
            2 => Self::Log,
            3 => Self::Translate,
            4 => Self::Stopped,
            5 => Self::Find,
            6 => Self::Effect,
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
    purpose: Purpose,
    pub(crate) limits: LambdaLimits,
    pub(crate) deadline: Instant,
    /// Processor time of this thread at which the invocation ends.
    cpu_deadline: Duration,
    /// Processor time that the guest has used outside of this thread.
    guest_cpu: Duration,
    pub(crate) now_micros: f64,
    queries: u32,
    rows: u32,
    bytes: u64,
    log_lines: u32,
    effects: u32,
    /// The limit that the guest was told about.
    hit: Option<Limit>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(
        host: &'a dyn Host,
        limits: LambdaLimits,
        purpose: Purpose,
        started: Instant,
    ) -> Self {
        let wall = Duration::from_millis(limits.wall_ms.into());
        let cpu = Duration::from_millis(limits.cpu_ms.into());
        #[expect(clippy::cast_precision_loss, reason = "exact until the year 2255")]
        let now_micros = host.now().timestamp_micros() as f64;
        Self {
            host,
            purpose,
            limits,
            deadline: started.checked_add(wall).unwrap_or(started),
            cpu_deadline: thread_cpu_time().saturating_add(cpu),
            guest_cpu: Duration::ZERO,
            now_micros,
            queries: 0,
            rows: 0,
            bytes: 0,
            log_lines: 0,
            effects: 0,
            hit: None,
        }
    }

    /// The limit of time that is used up, if one is. An invocation stays on one thread from beginning to end.
    pub(crate) fn time_is_up(&self) -> Option<Limit> {
        if Instant::now() >= self.deadline {
            return Some(Limit::Wall);
        }
        self.cpu_left().is_zero().then_some(Limit::Cpu)
    }

    /// Time until a limit is hit if all of it is used; the processor's cannot pass faster than the wall's.
    pub(crate) fn time_left(&self) -> Duration {
        self.wall_left().min(self.cpu_left())
    }

    /// Time until the deadline.
    pub(crate) fn wall_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Processor time that is left.
    pub(crate) fn cpu_left(&self) -> Duration {
        self.cpu_deadline
            .saturating_sub(thread_cpu_time())
            .saturating_sub(self.guest_cpu)
    }

    /// Says how much processor time the guest has used so far, where it does not run on this thread.
    pub(crate) fn charge_guest(&mut self, cpu: Duration) {
        self.guest_cpu = cpu;
    }

    /// Answers one call of the guest, in JSON: `{"ok": ...}`, `{"error": text}` to be thrown, or `{"limit": true}`.
    pub(crate) fn answer(&mut self, operation: Operation, request: &[u8]) -> Result<Vec<u8>, Halt> {
        if request.len() > MAX_REQUEST_BYTES {
            return refuse("this is too much for one call of the host (at most 1 MiB)");
        }
        if operation != Operation::Stopped
            && let Some(limit) = self.time_is_up()
        {
            return self.hit(limit);
        }
        let answer = match operation {
            Operation::Query => self.query(request),
            Operation::Find => self.find(request),
            Operation::Effect => self.effect(request),
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
        if self.hit.is_none()
            && answer.is_ok()
            && let Some(limit) = self.time_is_up()
        {
            return self.hit(limit);
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
        self.rows(|host, budget| {
            let query = Query {
                sql: &sql,
                args: &args,
            };
            host.query(&query, budget)
        })
    }

    fn find(&mut self, request: &[u8]) -> Result<Vec<u8>, Halt> {
        match read::<find::Request>(request)?.check() {
            Ok(find) => self.rows(|host, budget| host.find(&find, budget)),
            Err(problem) => refuse(&problem),
        }
    }

    /// Counts one query, asks it and counts what it answers.
    fn rows(
        &mut self,
        ask: impl FnOnce(&dyn Host, Budget) -> Result<Rows, HostError>,
    ) -> Result<Vec<u8>, Halt> {
        if self.queries >= self.limits.queries {
            return self.hit(Limit::Queries);
        }
        self.queries = self.queries.saturating_add(1);
        match ask(self.host, self.budget()) {
            Ok(rows) => self.give(rows.rows.len(), &json!({ "ok": rows })),
            Err(error) => self.failed(error),
        }
    }

    fn effect(&mut self, request: &[u8]) -> Result<Vec<u8>, Halt> {
        let request: effect::Request = read(request)?;
        if !self.purpose.may_act() {
            return refuse(&format!(
                "{} cannot be used in {}: computed fields, hooks and conditions only read; use an event, an action or a schedule",
                request.name(),
                self.purpose.as_str()
            ));
        }
        let effect = match request.check() {
            Ok(effect) => effect,
            Err(problem) => return refuse(&problem),
        };
        if self.effects >= self.limits.effects {
            return self.hit(Limit::Effects);
        }
        self.effects = self.effects.saturating_add(1);
        match self.host.effect(&effect, self.budget()) {
            Ok(answer) => {
                let rows = answer.as_array().map_or(0, Vec::len);
                self.give(rows, &json!({ "ok": answer }))
            }
            Err(error) => self.failed(error),
        }
    }

    /// What is left for one call.
    fn budget(&self) -> Budget {
        Budget {
            deadline: self.deadline,
            max_rows: self.limits.rows.saturating_sub(self.rows),
            max_bytes: self.limits.bytes.saturating_sub(self.bytes),
        }
    }

    /// Counts an answer with so many rows. The host stops at the limits by itself; this is what holds when it does not.
    fn give(&mut self, rows: usize, answer: &Value) -> Result<Vec<u8>, Halt> {
        let budget = self.budget();
        let rows = u32::try_from(rows).unwrap_or(u32::MAX);
        if rows > budget.max_rows {
            return self.hit(Limit::Rows);
        }
        let answer = write(answer)?;
        let size = answer.len() as u64;
        if size > budget.max_bytes {
            return self.hit(Limit::Bytes);
        }
        self.rows = self.rows.saturating_add(rows);
        self.bytes = self.bytes.saturating_add(size);
        Ok(answer)
    }

    fn failed(&mut self, error: HostError) -> Result<Vec<u8>, Halt> {
        match error {
            HostError::Refused(text) | HostError::Failed(text) => refuse(&text),
            HostError::Deadline => self.hit(Limit::Wall),
            HostError::TooManyRows => self.hit(Limit::Rows),
            HostError::TooManyBytes => self.hit(Limit::Bytes),
        }
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

/// Processor time that this thread has used.
fn thread_cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

fn read<T: DeserializeOwned>(request: &[u8]) -> Result<T, Halt> {
    guest_json::read(request)
        .map_err(|error| Halt::Crashed(format!("the guest asked in a wrong form: {error}")))
}

fn write(answer: &Value) -> Result<Vec<u8>, Halt> {
    serde_json::to_vec(answer)
        .map_err(|error| Halt::Crashed(format!("the answer cannot be written: {error}")))
}

fn refuse(text: &str) -> Result<Vec<u8>, Halt> {
    write(&json!({ "error": text }))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the guest can ask for is what the documentation says, and nothing else.
    #[test]
    fn the_operations_are_documented() {
        let documentation = include_str!("../../../docs/security/sandbox.md");
        let (_, table) = documentation
            .split_once("| number | request | answer |\n| --- | --- | --- |\n")
            .unwrap();
        let documented: Vec<u32> = table
            .lines()
            .map_while(|line| line.strip_prefix("| "))
            .map(|line| line.split(' ').next().unwrap().parse().unwrap())
            .collect();
        let known: Vec<u32> = (0..1_000)
            .filter(|number| Operation::from_number(*number).is_some())
            .collect();
        assert_eq!(documented, known);
    }
}
