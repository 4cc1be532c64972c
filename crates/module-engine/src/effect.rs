//! What events, actions and schedules may do outside of the sandbox: `records`, `tickets`, `notify`, `queue`.

mod read;

use std::fmt;

use domain::name::ModuleName;
use serde::Serialize;
use serde_json::{Value, json};

use crate::call::Item;
use crate::find::Selection;

pub(crate) use self::read::Request;

/// Most fields of one record, ticket change or payload.
pub const MAX_VALUES: usize = 200;
/// Most recipients of one notification.
pub const MAX_RECIPIENTS: usize = 50;
/// Longest subject of a note or notification in characters.
pub const MAX_SUBJECT: usize = 255;
/// Longest time that a queued event may wait.
pub const MAX_DELAY_SECONDS: u32 = 30 * 24 * 60 * 60;

/// One thing that a lambda wants done. Names and sizes are checked; whether it is allowed, the host decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// `records(module).find({where, order, limit})`; answers with a list of records.
    FindRecords {
        /// The module.
        module: ModuleName,
        /// Which, by field names.
        selection: Selection,
    },
    /// `records(module).get(id)`; answers with the record, or null when there is none.
    GetRecord {
        /// The module.
        module: ModuleName,
        /// Which.
        key: RecordKey,
    },
    /// `records(module).create(values)`; answers with the record as it was saved, its `id` among the values.
    CreateRecord {
        /// The module.
        module: ModuleName,
        /// Field name → value.
        values: Item,
    },
    /// `records(module).update(id, values)`; answers with the record as it was saved.
    UpdateRecord {
        /// The module.
        module: ModuleName,
        /// Which.
        key: RecordKey,
        /// What changes: field name → value. Other fields stay.
        values: Item,
    },
    /// `tickets.get(id)`; answers with the ticket, or null when there is none.
    GetTicket {
        /// Which.
        ticket: TicketId,
    },
    /// `tickets.update(id, changes)`; answers with the ticket as it is then.
    UpdateTicket {
        /// Which.
        ticket: TicketId,
        /// What changes: such as `{queue: 'Raw', state: 'open', priority: '3 normal', owner: 'ann', title: '...'}`.
        changes: Item,
    },
    /// `tickets.addNote(id, {subject, text, visible_to_customer})`; answers with `{id}` of the article.
    AddNote {
        /// Which.
        ticket: TicketId,
        /// The note.
        note: Note,
    },
    /// `notify({to, subject, text, ticket})`; answers with how many people are told.
    Notify(Notification),
    /// `queue(event, payload, {delay_seconds})`: an event of the module's own, which its `events` handle later; answers with null.
    Queue(QueuedEvent),
}

impl Effect {
    /// As the author writes it, for messages and logs.
    pub fn name(&self) -> &'static str {
        match self {
            Self::FindRecords { .. } => "records.find",
            Self::GetRecord { .. } => "records.get",
            Self::CreateRecord { .. } => "records.create",
            Self::UpdateRecord { .. } => "records.update",
            Self::GetTicket { .. } => "tickets.get",
            Self::UpdateTicket { .. } => "tickets.update",
            Self::AddNote { .. } => "tickets.addNote",
            Self::Notify(_) => "notify",
            Self::Queue(_) => "queue",
        }
    }

    /// Whether it asks for something and changes nothing.
    pub fn only_reads(&self) -> bool {
        matches!(
            self,
            Self::FindRecords { .. } | Self::GetRecord { .. } | Self::GetTicket { .. }
        )
    }

    /// The arguments as the author could have written them, the module of `records(module)` before the others; what was left out
    /// stands there with the value that it got.
    pub fn arguments(&self) -> Vec<Value> {
        match self {
            Self::FindRecords { module, selection } => vec![json!(module), selection.to_json()],
            Self::GetRecord { module, key } => vec![json!(module), key.to_json()],
            Self::CreateRecord { module, values } => vec![json!(module), json!(values)],
            Self::UpdateRecord {
                module,
                key,
                values,
            } => vec![json!(module), key.to_json(), json!(values)],
            Self::GetTicket { ticket } => vec![json!(ticket)],
            Self::UpdateTicket { ticket, changes } => vec![json!(ticket), json!(changes)],
            Self::AddNote { ticket, note } => vec![
                json!(ticket),
                json!({
                    "subject": note.subject,
                    "text": note.text,
                    "visible_to_customer": note.visible_to_customer,
                }),
            ],
            Self::Notify(message) => {
                let to: Vec<String> = message.to.iter().map(ToString::to_string).collect();
                vec![json!({
                    "to": to,
                    "subject": message.subject,
                    "text": message.text,
                    "ticket": message.ticket,
                })]
            }
            Self::Queue(event) => vec![
                json!(event.event),
                json!(event.payload),
                json!({ "delay_seconds": event.delay_seconds }),
            ],
        }
    }
}

/// As the author writes it: `tickets.update(12, {"state":"open"})`.
impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let arguments: Vec<String> = self.arguments().iter().map(Value::to_string).collect();
        let arguments = arguments.join(", ");
        match self.name().split_once('.') {
            Some(("records", call)) => match arguments.split_once(", ") {
                Some((module, others)) => write!(f, "records({module}).{call}({others})"),
                None => write!(f, "records({arguments}).{call}()"),
            },
            _ => write!(f, "{}({arguments})", self.name()),
        }
    }
}

/// The key of a record, as it stands in its URL.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct RecordKey(String);

impl RecordKey {
    /// Longest key in bytes.
    pub const MAX_LEN: usize = 200;

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A number where it is one.
    fn to_json(&self) -> Value {
        match self.0.parse::<i64>() {
            Ok(number) if number.to_string() == self.0 => Value::from(number),
            _ => Value::from(self.0.as_str()),
        }
    }

    /// A whole number or a short text.
    pub(crate) fn from_value(value: &Value) -> Option<Self> {
        let text = match value {
            Value::Number(number) => number.as_i64()?.to_string(),
            Value::String(text) if !text.is_empty() && text.len() <= Self::MAX_LEN => text.clone(),
            _ => return None,
        };
        Some(Self(text))
    }
}

/// The number of a ticket in the database (`ticket.id`, not the number that people read).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct TicketId(i64);

impl TicketId {
    /// The number.
    pub fn get(self) -> i64 {
        self.0
    }
}

/// A note on a ticket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// Its subject; one is made up when the author gives none.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// Whether the customer sees it.
    pub visible_to_customer: bool,
}

/// A message to people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// To whom; at least one.
    pub to: Vec<Recipient>,
    /// The subject.
    pub subject: String,
    /// Plain text.
    pub text: String,
    /// The ticket that it is about.
    pub ticket: Option<TicketId>,
}

/// One of those who are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recipient {
    /// An agent, by login: `'ann'`.
    User(String),
    /// Everybody who may read in a group: `'group:users'`.
    Group(String),
}

/// As the author writes it.
impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(login) => f.write_str(login),
            Self::Group(name) => write!(f, "group:{name}"),
        }
    }
}

/// An event of a module's own, to be handled later.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedEvent {
    /// Its name: lower-case words with dots, such as `laptop.lent`.
    pub event: String,
    /// The `item` of its lambdas.
    pub payload: Item,
    /// How long it waits first.
    pub delay_seconds: u32,
}
