//! From what a lambda wrote to an [`Effect`]. Errors are thrown inside the lambda: they speak to its author.

use domain::name::ModuleName;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Effect, MAX_DELAY_SECONDS, MAX_RECIPIENTS, MAX_SUBJECT, MAX_VALUES, Note, Notification,
    QueuedEvent, Recipient, RecordKey, TicketId,
};
use crate::call::Item;
use crate::find::selection;

/// A call of `records`, `tickets`, `notify` or `queue` as the guest sends it.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    /// As the author writes it, such as `records.create`.
    effect: String,
    #[serde(default)]
    module: Value,
    /// The arguments, in order.
    #[serde(default)]
    args: Vec<Value>,
}

impl Request {
    /// What is called, for messages.
    pub(crate) fn name(&self) -> &str {
        &self.effect
    }

    /// The typed form, or what is wrong with it.
    pub(crate) fn check(&self) -> Result<Effect, String> {
        let argument = |at: usize| self.args.get(at).unwrap_or(&Value::Null);
        Ok(match self.effect.as_str() {
            "records.find" => {
                let options = argument(0);
                let of = |key: &str| options.get(key).unwrap_or(&Value::Null);
                if !options.is_null() && !options.is_object() {
                    return Err("records.find takes {where, order, limit}".to_owned());
                }
                Effect::FindRecords {
                    module: self.module()?,
                    selection: selection(of("where"), of("order"), of("limit"))?,
                }
            }
            "records.get" => Effect::GetRecord {
                module: self.module()?,
                key: self.key(argument(0))?,
            },
            "records.create" => Effect::CreateRecord {
                module: self.module()?,
                values: self.values(argument(0))?,
            },
            "records.update" => Effect::UpdateRecord {
                module: self.module()?,
                key: self.key(argument(0))?,
                values: self.values(argument(1))?,
            },
            "tickets.get" => Effect::GetTicket {
                ticket: self.ticket(argument(0))?,
            },
            "tickets.update" => Effect::UpdateTicket {
                ticket: self.ticket(argument(0))?,
                changes: self.values(argument(1))?,
            },
            "tickets.addNote" => Effect::AddNote {
                ticket: self.ticket(argument(0))?,
                note: self.note(argument(1))?,
            },
            "notify" => Effect::Notify(self.notification(argument(0))?),
            "queue" => Effect::Queue(self.queued(argument(0), argument(1), argument(2))?),
            _ => return Err("there is no such call".to_owned()),
        })
    }

    fn module(&self) -> Result<ModuleName, String> {
        self.module
            .as_str()
            .and_then(|name| name.parse().ok())
            .ok_or_else(|| {
                "records(module): give the name of a module, such as 'laptop'".to_owned()
            })
    }

    fn key(&self, value: &Value) -> Result<RecordKey, String> {
        RecordKey::from_value(value)
            .ok_or_else(|| self.wrong("the id must be a whole number or a short text"))
    }

    fn ticket(&self, value: &Value) -> Result<TicketId, String> {
        let id = match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_i64(),
        };
        id.filter(|id| *id > 0)
            .map(TicketId)
            .ok_or_else(|| self.wrong("the id of the ticket must be a whole number from 1"))
    }

    fn values(&self, value: &Value) -> Result<Item, String> {
        match value {
            Value::Object(values) if values.len() <= MAX_VALUES => Ok(values.clone()),
            Value::Object(_) => Err(self.wrong(&format!("at most {MAX_VALUES} values"))),
            _ => Err(self.wrong("the values must be an object like {name: 'value'}")),
        }
    }

    fn note(&self, value: &Value) -> Result<Note, String> {
        if let Value::String(text) = value {
            return Ok(Note {
                subject: "Note".to_owned(),
                text: self.text("text", text)?,
                visible_to_customer: false,
            });
        }
        let note = self.options(value, &["subject", "text", "visible_to_customer"])?;
        Ok(Note {
            subject: match note.get("subject") {
                None | Some(Value::Null) => "Note".to_owned(),
                Some(subject) => self.subject(subject)?,
            },
            text: self.text("text", str_of(note.get("text")))?,
            visible_to_customer: match note.get("visible_to_customer") {
                None | Some(Value::Null) => false,
                Some(Value::Bool(visible)) => *visible,
                Some(_) => return Err(self.wrong("visible_to_customer must be true or false")),
            },
        })
    }

    fn notification(&self, value: &Value) -> Result<Notification, String> {
        let message = self.options(value, &["to", "subject", "text", "ticket"])?;
        let to = match message.get("to") {
            Some(one @ Value::String(_)) => std::slice::from_ref(one),
            Some(Value::Array(several)) => several.as_slice(),
            _ => &[],
        };
        if to.is_empty() || to.len() > MAX_RECIPIENTS {
            return Err(self.wrong(&format!(
                "to must name 1 to {MAX_RECIPIENTS} recipients: logins, or 'group:NAME'"
            )));
        }
        let to = to
            .iter()
            .map(|recipient| match recipient.as_str().map(str::trim) {
                None | Some("" | "group:") => {
                    Err(self.wrong("a recipient is a login or 'group:NAME'"))
                }
                Some(text) if text.len() > MAX_SUBJECT => {
                    Err(self.wrong("a recipient is a login or 'group:NAME'"))
                }
                Some(text) => Ok(match text.strip_prefix("group:") {
                    Some(group) => Recipient::Group(group.trim().to_owned()),
                    None => Recipient::User(text.to_owned()),
                }),
            })
            .collect::<Result<_, _>>()?;
        Ok(Notification {
            to,
            subject: self.subject(message.get("subject").unwrap_or(&Value::Null))?,
            text: self.text("text", str_of(message.get("text")))?,
            ticket: match message.get("ticket") {
                None | Some(Value::Null) => None,
                Some(ticket) => Some(self.ticket(ticket)?),
            },
        })
    }

    fn queued(
        &self,
        event: &Value,
        payload: &Value,
        options: &Value,
    ) -> Result<QueuedEvent, String> {
        let event = event
            .as_str()
            .filter(|name| is_event_name(name))
            .ok_or_else(|| {
                self.wrong("an event's name is lower-case words with dots, such as 'laptop.lent'")
            })?;
        let delay = match options {
            Value::Null => None,
            options => self
                .options(options, &["delay_seconds"])?
                .get("delay_seconds"),
        };
        let delay_seconds = match delay {
            None | Some(Value::Null) => 0,
            Some(delay) => delay
                .as_u64()
                .and_then(|seconds| u32::try_from(seconds).ok())
                .filter(|seconds| *seconds <= MAX_DELAY_SECONDS)
                .ok_or_else(|| {
                    self.wrong(&format!(
                        "delay_seconds must be a whole number up to {MAX_DELAY_SECONDS}"
                    ))
                })?,
        };
        Ok(QueuedEvent {
            event: event.to_owned(),
            payload: match payload {
                Value::Null => Item::new(),
                payload => self.values(payload)?,
            },
            delay_seconds,
        })
    }

    /// An object with no other keys than these: a misspelt one must not go unseen.
    fn options<'a>(&self, value: &'a Value, keys: &[&str]) -> Result<&'a Item, String> {
        let Value::Object(options) = value else {
            return Err(self.wrong(&format!("give an object with {}", keys.join(", "))));
        };
        match options.keys().find(|key| !keys.contains(&key.as_str())) {
            Some(unknown) => Err(self.wrong(&format!(
                "there is no \"{}\"; the keys are {}",
                unknown.chars().take(40).collect::<String>(),
                keys.join(", ")
            ))),
            None => Ok(options),
        }
    }

    fn subject(&self, value: &Value) -> Result<String, String> {
        let text = self.text("subject", str_of(Some(value)))?;
        if text.chars().count() > MAX_SUBJECT || text.chars().any(char::is_control) {
            return Err(self.wrong(&format!(
                "the subject must be one line of at most {MAX_SUBJECT} characters"
            )));
        }
        Ok(text)
    }

    fn text(&self, what: &str, text: &str) -> Result<String, String> {
        if text.trim().is_empty() || text.contains('\0') {
            return Err(self.wrong(&format!("{what} must be a text that is not empty")));
        }
        Ok(text.to_owned())
    }

    fn wrong(&self, what: &str) -> String {
        format!("{}: {what}", self.effect)
    }
}

/// What is no text is as wrong as an empty one.
fn str_of(value: Option<&Value>) -> &str {
    value.and_then(Value::as_str).unwrap_or_default()
}

fn is_event_name(name: &str) -> bool {
    name.len() <= 64
        && name.split('.').all(|word| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word
                    .bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(effect: &str, args: &Value) -> Result<Effect, String> {
        serde_json::from_value::<Request>(
            json!({"effect": effect, "module": "laptop", "args": args}),
        )
        .unwrap()
        .check()
    }

    #[test]
    fn each_call_has_its_effect() {
        for (effect, args) in [
            (
                "records.find",
                json!([{"where": {"serial": "A"}, "order": "-id", "limit": 2}]),
            ),
            ("records.get", json!([7])),
            ("records.create", json!([{"serial": "A"}])),
            ("records.update", json!(["A-1", {"serial": "B"}])),
            ("tickets.get", json!(["12"])),
            ("tickets.update", json!([12, {"state": "open"}])),
            (
                "tickets.addNote",
                json!([12, {"subject": "a", "text": "b", "visible_to_customer": true}]),
            ),
            (
                "notify",
                json!([{"to": ["ann", "group:users"], "subject": "a", "text": "b", "ticket": 3}]),
            ),
            (
                "queue",
                json!(["laptop.lent", {"id": 1}, {"delay_seconds": 60}]),
            ),
        ] {
            assert_eq!(check(effect, &args).unwrap().name(), effect);
        }
        assert_eq!(
            check("tickets.addNote", &json!([1, "text"])).unwrap(),
            Effect::AddNote {
                ticket: TicketId(1),
                note: Note {
                    subject: "Note".to_owned(),
                    text: "text".to_owned(),
                    visible_to_customer: false
                }
            }
        );
        match check(
            "notify",
            &json!([{"to": "group: users", "subject": "a", "text": "b"}]),
        )
        .unwrap()
        {
            Effect::Notify(message) => {
                assert_eq!(message.to, [Recipient::Group("users".to_owned())]);
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn each_effect_can_be_written_as_its_call() {
        for (effect, args, shown) in [
            (
                "records.find",
                json!([{"where": {"a": 1, "b": {"gt": 2, "lt": 9}}, "order": "-id", "limit": 2}]),
                r#"records("laptop").find({"where":{"a":{"eq":1},"b":{"gt":2,"lt":9}},"order":["-id"],"limit":2})"#,
            ),
            ("records.get", json!(["7"]), r#"records("laptop").get(7)"#),
            (
                "records.get",
                json!(["007"]),
                r#"records("laptop").get("007")"#,
            ),
            (
                "records.create",
                json!([{"a": 1}]),
                r#"records("laptop").create({"a":1})"#,
            ),
            (
                "records.update",
                json!([7, {"a": 1}]),
                r#"records("laptop").update(7, {"a":1})"#,
            ),
            ("tickets.get", json!(["12"]), "tickets.get(12)"),
            (
                "tickets.update",
                json!([12, {"state": "open"}]),
                r#"tickets.update(12, {"state":"open"})"#,
            ),
            (
                "tickets.addNote",
                json!([12, "a"]),
                r#"tickets.addNote(12, {"subject":"Note","text":"a","visible_to_customer":false})"#,
            ),
            (
                "notify",
                json!([{"to": ["ann", "group: b"], "subject": "a", "text": "b", "ticket": 3}]),
                r#"notify({"to":["ann","group:b"],"subject":"a","text":"b","ticket":3})"#,
            ),
            (
                "queue",
                json!(["a.b"]),
                r#"queue("a.b", {}, {"delay_seconds":0})"#,
            ),
        ] {
            let found = check(effect, &args).unwrap();
            assert_eq!(found.to_string(), shown);
            let reads = matches!(effect, "records.find" | "records.get" | "tickets.get");
            assert_eq!(found.only_reads(), reads, "{effect}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_the_author() {
        for (effect, args, message) in [
            (
                "records.find",
                json!(["x"]),
                "records.find takes {where, order, limit}",
            ),
            (
                "records.find",
                json!([{"where": 1}]),
                "where must be an object",
            ),
            (
                "records.get",
                json!([]),
                "records.get: the id must be a whole number",
            ),
            (
                "records.get",
                json!([1.5]),
                "records.get: the id must be a whole number",
            ),
            (
                "records.get",
                json!(["x".repeat(201)]),
                "records.get: the id must be",
            ),
            (
                "records.create",
                json!([[1]]),
                "records.create: the values must be an object",
            ),
            (
                "tickets.get",
                json!([0]),
                "tickets.get: the id of the ticket must be",
            ),
            (
                "tickets.update",
                json!([1]),
                "tickets.update: the values must be an object",
            ),
            (
                "tickets.addNote",
                json!([1, ""]),
                "tickets.addNote: text must be a text",
            ),
            (
                "tickets.addNote",
                json!([1, {"text": "a", "body": 1}]),
                "tickets.addNote: there is no \"body\"",
            ),
            (
                "tickets.addNote",
                json!([1, {"text": "a", "subject": "a\nb"}]),
                "tickets.addNote: the subject must be one line",
            ),
            (
                "tickets.addNote",
                json!([1, {"text": "a", "visible_to_customer": 1}]),
                "tickets.addNote: visible_to_customer must be",
            ),
            (
                "notify",
                json!([{"to": [], "subject": "a", "text": "b"}]),
                "notify: to must name 1 to 50",
            ),
            (
                "notify",
                json!([{"to": ["group:"], "subject": "a", "text": "b"}]),
                "notify: a recipient is",
            ),
            (
                "notify",
                json!([{"to": "ann", "text": "b"}]),
                "notify: subject must be a text",
            ),
            ("queue", json!(["Laptop"]), "queue: an event's name is"),
            ("queue", json!(["a..b"]), "queue: an event's name is"),
            (
                "queue",
                json!(["a", [1]]),
                "queue: the values must be an object",
            ),
            (
                "queue",
                json!(["a", {}, {"delay_seconds": -1}]),
                "queue: delay_seconds must be",
            ),
            (
                "queue",
                json!(["a", {}, {"delay": 1}]),
                "queue: there is no \"delay\"",
            ),
            ("files.read", json!([]), "there is no such call"),
        ] {
            let found = check(effect, &args).unwrap_err();
            assert!(found.starts_with(message), "{effect} {args}: {found}");
        }
    }
}
