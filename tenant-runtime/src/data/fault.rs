//! What went wrong in a module's own code, told as the one who asks may know it.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, Utc};
use module_engine::author_report::AuthorReport;
use module_engine::call::Item;
use module_engine::error::InvokeError;
use serde_json::{Map, Value, json};

use crate::data::list::Desk;

/// Longest message of one line; a lambda may throw more.
const MAX_MESSAGE: usize = 500;

/// What is the matter, as far as anybody may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The code failed: it threw, hit a limit or broke the sandbox.
    Failed,
    /// The module's code does not run for a while, because it hit limits again and again.
    Suspended,
    /// Too much ran at once; the code is not to blame.
    Busy,
}

impl FaultKind {
    /// Stable word for programs.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failed => "lambda_failed",
            Self::Suspended => "module_suspended",
            Self::Busy => "busy",
        }
    }
}

/// Something in a module's code that went wrong. It is made for one reader: what only the author may know is in it
/// only when an administrator of the tenant asks, so that no page and no answer can give it to anybody else.
#[derive(Clone)]
pub struct Fault {
    kind: FaultKind,
    message: String,
    until: Option<DateTime<Utc>>,
    retry_after: Option<Duration>,
    report: Option<AuthorReport>,
}

/// How much an administrator is told.
#[derive(Debug, Clone, Copy)]
pub enum Telling<'a> {
    /// Message and place: in lists, where the record stands beside it.
    Brief,
    /// Also the record that the lambda had.
    Full(&'a Item),
}

impl Fault {
    /// `what` failed, such as `The computed field "Age"`.
    pub fn new(desk: Desk<'_>, what: &str, error: &InvokeError, telling: Telling<'_>) -> Self {
        let (kind, until) = match error {
            InvokeError::Suspended { until, .. } => (FaultKind::Suspended, Some(*until)),
            InvokeError::Busy => (FaultKind::Busy, None),
            _ => (FaultKind::Failed, None),
        };
        let retry_after = match kind {
            FaultKind::Failed => None,
            FaultKind::Suspended => until
                .and_then(|until| (until - desk.app.clock.now()).to_std().ok())
                .or(Some(Duration::ZERO)),
            FaultKind::Busy => Some(Duration::from_secs(2)),
        };
        let report = (kind == FaultKind::Failed && desk.is_author()).then(|| {
            let nothing = Item::new();
            let item = match telling {
                Telling::Brief => &nothing,
                Telling::Full(item) => item,
            };
            AuthorReport::new(error, item, |name| {
                let field = desk.module.spec().field(name);
                field.is_some_and(|field| field.is_secret() || !desk.may_read(field))
            })
        });
        let message = match (kind, &report) {
            (FaultKind::Failed, Some(report)) => report.reveal_message_to_author(),
            (FaultKind::Failed, None) => format!("{what} failed."),
            // The reason has no data of anybody in it; still, it is the owner's.
            (FaultKind::Suspended, _) if desk.is_author() => format!("{what} is {error}"),
            (FaultKind::Suspended, _) => format!("{what} is paused at the moment."),
            (FaultKind::Busy, _) => {
                format!("{what} could not be run just now: the server is busy.")
            }
        };
        Self {
            kind,
            message: message.chars().take(MAX_MESSAGE).collect(),
            until,
            retry_after,
            report,
        }
    }

    /// What is the matter.
    pub fn kind(&self) -> FaultKind {
        self.kind
    }

    /// One line for this reader.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// When it may be tried again, where that would help.
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }

    /// Message, place, stack and item as text, when this reader is the author.
    pub fn report(&self) -> Option<String> {
        self.report.as_ref().map(AuthorReport::reveal_to_author)
    }

    /// For programs: `code` and `message`, `until` of a suspension, and for the author what [`AuthorReport`] has.
    pub fn json(&self) -> Value {
        let mut object = self
            .report
            .as_ref()
            .map_or_else(Map::new, AuthorReport::reveal_json_to_author);
        object.insert("code".to_owned(), Value::from(self.kind.as_str()));
        object
            .entry("message")
            .or_insert_with(|| Value::from(self.message.as_str()));
        if let Some(until) = self.until {
            object.insert("until".to_owned(), json!(until));
        }
        Value::Object(object)
    }
}

impl fmt::Debug for Fault {
    /// Without anybody's data.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fault")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}
