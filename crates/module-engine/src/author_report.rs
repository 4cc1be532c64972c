//! What the author of a module may see of an error, and nobody else: the values that the lambda worked on.

use serde_json::{Map, Value, json};

use crate::call::Item;
use crate::error::{InvokeError, Limit, Position};

/// A text or a list longer than this is cut.
const MAX_VALUE_BYTES: usize = 1_000;
/// All values together are cut here.
const MAX_ITEM_BYTES: usize = 16 * 1024;
/// What stands for a secret.
const SECRET: &str = "(secret)";

/// An error with its place, its stack and the item, secrets removed.
///
/// It holds a person's data. So it is neither `Display`, `Debug` nor `Serialize`: nothing but its `reveal_...` methods
/// gives it away, and whoever calls them has to know who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorReport {
    message: String,
    limit: Option<(Limit, u64)>,
    position: Option<Position>,
    stack: Vec<String>,
    /// An object, or its beginning as a text when it is too large.
    item: Value,
}

impl AuthorReport {
    /// About `error` in a lambda that had `item`. `is_secret` says of a field's name whether its value must not be shown
    /// (passwords, encrypted fields, and what the reader may not see of a record).
    pub fn new(error: &InvokeError, item: &Item, is_secret: impl Fn(&str) -> bool) -> Self {
        // `<field>_display` shows the same as the field.
        let is_secret =
            |name: &str| is_secret(name) || name.strip_suffix("_display").is_some_and(&is_secret);
        // Secrets may also stand in what the lambda threw.
        let mut secrets: Vec<String> = item
            .iter()
            .filter(|(name, _)| is_secret(name))
            .filter_map(|(_, value)| match value {
                Value::String(text) if !text.is_empty() => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                _ => None,
            })
            .collect();
        // The longest first: one may be a part of another.
        secrets.sort_by_key(|secret| std::cmp::Reverse(secret.len()));
        let clean = |text: String| {
            secrets
                .iter()
                .fold(text, |text, secret| text.replace(secret.as_str(), SECRET))
        };
        let stack = match error {
            InvokeError::Script(script) => script.stack.iter().cloned().map(clean).collect(),
            _ => Vec::new(),
        };
        let shown: Map<String, Value> = item
            .iter()
            .map(|(name, value)| {
                let value = if is_secret(name) && !value.is_null() {
                    Value::from(SECRET)
                } else {
                    cut(value)
                };
                (name.clone(), value)
            })
            .collect();
        let item = Value::Object(shown);
        let json = item.to_string();
        Self {
            message: clean(error.message()),
            limit: match error {
                InvokeError::Limit(error) => Some((error.limit, error.value)),
                _ => None,
            },
            position: error.position().cloned(),
            stack,
            item: if json.len() > MAX_ITEM_BYTES {
                Value::from(beginning(&json, MAX_ITEM_BYTES))
            } else {
                item
            },
        }
    }

    /// What went wrong and where, on one line.
    pub fn reveal_message_to_author(&self) -> String {
        match &self.position {
            Some(position) => format!("{} ({position})", self.message),
            None => self.message.clone(),
        }
    }

    /// All of it as text.
    pub fn reveal_to_author(&self) -> String {
        let mut text = format!("{}\n", self.message);
        if let Some(position) = &self.position {
            text.push_str(&format!("  at {position}\n"));
        }
        // The first call is where it is.
        for call in self.stack.iter().skip(1) {
            text.push_str(&format!("  called from {call}\n"));
        }
        let item = match &self.item {
            Value::String(beginning) => beginning.clone(),
            item => item.to_string(),
        };
        text.push_str(&format!("item = {item}\n"));
        text
    }

    /// All of it for programs: `message`, and where they are known `limit`, `value`, `lambda`, `line`, `column`, `stack` and
    /// `item`.
    pub fn reveal_json_to_author(&self) -> Map<String, Value> {
        let mut object = Map::new();
        let mut put = |name: &str, value: Value| drop(object.insert(name.to_owned(), value));
        put("message", Value::from(self.message.as_str()));
        if let Some((limit, value)) = self.limit {
            put("limit", Value::from(limit.as_str()));
            put("value", Value::from(value));
        }
        if let Some(position) = &self.position {
            put("lambda", Value::from(position.lambda.as_str()));
            put("line", Value::from(position.line));
            put("column", Value::from(position.column));
        }
        if !self.stack.is_empty() {
            put("stack", json!(self.stack));
        }
        if self.item != Value::Object(Map::new()) {
            put("item", self.item.clone());
        }
        object
    }
}

/// The beginning of a text, marked as such.
fn beginning(text: &str, bytes: usize) -> String {
    let end = text.floor_char_boundary(bytes);
    format!("{}…", text.get(..end).unwrap_or_default())
}

/// A value short enough to be read.
fn cut(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > MAX_VALUE_BYTES => {
            Value::from(beginning(text, MAX_VALUE_BYTES))
        }
        Value::Array(_) | Value::Object(_) => {
            let json = value.to_string();
            if json.len() > MAX_VALUE_BYTES {
                Value::from(beginning(&json, MAX_VALUE_BYTES))
            } else {
                value.clone()
            }
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::{LimitError, ScriptError};

    #[test]
    fn it_has_place_stack_and_item_and_no_secret() {
        let position = Position {
            lambda: "hooks.before_save".to_owned(),
            line: 11,
            column: 3,
        };
        let error = InvokeError::Script(ScriptError {
            message: "Error: hunter2 is weak".to_owned(),
            position: Some(position),
            stack: vec![
                "inner (hooks.before_save, line 11, column 3)".to_owned(),
                "lambda (hooks.before_save, line 12, column 1)".to_owned(),
            ],
        });
        let item = json!({"name": "Ann", "pw": "hunter2", "pw_display": "hunter2", "empty": null, "long": "ü".repeat(2_000)});
        let report = AuthorReport::new(&error, item.as_object().unwrap(), |name| name == "pw");
        let text = report.reveal_to_author();
        assert!(
            text.starts_with(
                "Error: (secret) is weak\n  at hooks.before_save, line 11, column 3\n  called from lambda (hooks.before_save, \
                 line 12, column 1)\nitem = {\"name\":\"Ann\",\"pw\":\"(secret)\",\"pw_display\":\"(secret)\",\"empty\":null,\"long\":\"ü"
            ),
            "{text}"
        );
        assert!(
            !text.contains("hunter2") && text.len() < 1_400,
            "{}",
            text.len()
        );
        assert_eq!(
            report.reveal_message_to_author(),
            "Error: (secret) is weak (hooks.before_save, line 11, column 3)"
        );
        let json = Value::Object(report.reveal_json_to_author());
        for (path, expected) in [
            ("/lambda", json!("hooks.before_save")),
            ("/line", json!(11)),
            ("/column", json!(3)),
            ("/item/pw_display", json!("(secret)")),
            (
                "/stack/1",
                json!("lambda (hooks.before_save, line 12, column 1)"),
            ),
        ] {
            assert_eq!(json.pointer(path), Some(&expected), "{path}: {json}");
        }
        assert!(!json.to_string().contains("hunter2"));
    }

    #[test]
    fn secret_numbers_and_large_items_are_no_way_out() {
        let error = InvokeError::Script(ScriptError {
            message: "Error: bad pin 471147".to_owned(),
            position: None,
            stack: vec!["check471147 (x, line 1, column 1)".to_owned()],
        });
        let mut item = json!({"pin": 471_147, "none": ""})
            .as_object()
            .unwrap()
            .clone();
        for number in 0..40 {
            item.insert(format!("f{number}"), Value::from("x".repeat(900)));
        }
        let report = AuthorReport::new(&error, &item, |name| name == "pin" || name == "none");
        let (text, json) = (report.reveal_to_author(), report.reveal_json_to_author());
        assert!(text.starts_with("Error: bad pin (secret)\n"), "{text}");
        assert!(!text.contains("471147") && text.len() < 17_000);
        let item = json.get("item").and_then(Value::as_str);
        assert!(item.is_some_and(|item| item.ends_with('…')));
        assert!(!Value::Object(json).to_string().contains("471147"));
    }

    #[test]
    fn a_limit_has_its_name_and_value() {
        let error = InvokeError::Limit(LimitError {
            limit: Limit::Rows,
            value: 10,
            position: None,
        });
        let report = AuthorReport::new(&error, &Item::new(), |_| false);
        assert_eq!(
            Value::Object(report.reveal_json_to_author()),
            json!({"message": "read more than 10 rows", "limit": "rows", "value": 10})
        );
    }
}
