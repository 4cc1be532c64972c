//! What a lambda may ask of the outside, and nothing else.

use std::time::Instant;

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;

use crate::effect::Effect;
use crate::find::Find;

/// The outside of the sandbox. Implemented over PostgreSQL by the tenant's runtime and in memory by
/// [`DryRunHost`](crate::dry_run::DryRunHost).
///
/// Synchronous: an invocation has a thread of its own (callers run it on a blocking pool), and a lambda waits for each
/// answer. No method may wait longer than the deadline it is given; the others must not wait at all.
pub trait Host: Send + Sync {
    /// Runs one read-only query.
    fn query(&self, query: &Query<'_>, budget: Budget) -> Result<Rows, HostError>;

    /// Reads one table by conditions: `db.find`, `db.get` and `db.count`. What may be read is the host's to decide: every table
    /// and column is only a name until then.
    fn find(&self, find: &Find, budget: Budget) -> Result<Rows, HostError>;

    /// Does something outside of the sandbox, with the permissions of the module, and answers with what the lambda gets
    /// for it. Asked for by events, actions and schedules only.
    fn effect(&self, effect: &Effect, budget: Budget) -> Result<Value, HostError>;

    /// Takes one line of the lambda's log.
    fn log(&self, level: LogLevel, message: &str);

    /// The text of a translation key in the reader's language; `None` when the key is unknown.
    fn translate(&self, key: &str) -> Option<String>;

    /// The time of the invocation. Asked once; time stands still while a lambda runs.
    fn now(&self) -> DateTime<Utc>;

    /// Who is signed in; `None` where nobody is (schedules, upload checks).
    fn user(&self) -> Option<User>;

    /// The tenant that the module belongs to.
    fn tenant(&self) -> Tenant;

    /// Randomness for `Math.random()` and `crypto.randomUUID()`. Asked once per invocation; the same bytes give the same run.
    fn entropy(&self) -> [u8; 32];
}

/// One query of a lambda.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// As the author wrote it, with `$1` parameters.
    pub sql: &'a str,
    /// Values of the parameters: null, booleans, numbers, texts. Arrays are SQL's arrays where the statement wants one and
    /// JSON elsewhere; objects are JSON.
    pub args: &'a [Value],
}

/// What one call of the host may cost: what the invocation has left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// When the answer must be there.
    pub deadline: Instant,
    /// More rows than this are a [`HostError::TooManyRows`].
    pub max_rows: u32,
    /// More bytes than this are a [`HostError::TooManyBytes`]. Stop reading there: do not collect them first.
    pub max_bytes: u64,
}

/// The answer of a query.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rows {
    /// Names of the columns.
    pub columns: Vec<String>,
    /// One value per column and row.
    pub rows: Vec<Vec<Value>>,
}

/// Why the host did not answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// What was asked for is not allowed or wrong; the text is thrown inside the lambda, for its author to read.
    #[error("{0}")]
    Refused(String),
    /// The host could not answer; the text is thrown inside the lambda and must not tell what an author may not know.
    #[error("{0}")]
    Failed(String),
    /// The deadline passed.
    #[error("the time of the invocation is used up")]
    Deadline,
    /// The answer has more rows than the invocation has left.
    #[error("the answer has too many rows")]
    TooManyRows,
    /// The answer has more bytes than the invocation has left.
    #[error("the answer has too many bytes")]
    TooManyBytes,
}

/// How important a line of log is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LogLevel {
    /// Details for the author.
    Debug,
    /// What happened.
    Info,
    /// Something to look at some day.
    Warn,
    /// Something to look at now.
    Error,
}

/// The signed-in user as lambdas see it: `user`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Number of the user (OTRS `users.id`).
    pub id: i64,
    /// Name to sign in with.
    pub login: String,
    /// Full name.
    pub name: String,
    /// Names of the groups and roles.
    pub groups: Vec<String>,
}

/// The tenant as lambdas see it: `tenant`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Tenant {
    /// Its slug.
    pub slug: String,
    /// Its name.
    pub name: String,
}
