//! What the author of a module may see of an error, and nobody else: the values that the lambda worked on.

use std::fmt::Write as _;

use serde_json::{Map, Value};

use crate::call::Item;
use crate::error::InvokeError;

/// A text or a list longer than this is cut.
const MAX_VALUE_BYTES: usize = 1_000;
/// All values together are cut here.
const MAX_ITEM_BYTES: usize = 16 * 1024;
/// What stands for a secret.
const SECRET: &str = "(secret)";

/// An error with its place, its stack and the item, secrets removed.
///
/// It holds a person's data. So it is neither `Display`, `Debug` nor `Serialize`: nothing but [`AuthorReport::reveal_to_author`]
/// gives its text away, and whoever calls that has to know who asks.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthorReport {
    text: String,
}

impl AuthorReport {
    /// About `error` in a lambda that had `item`. `is_secret` says of a field's name whether its value must not be shown
    /// to anyone (passwords, encrypted fields).
    pub fn new(error: &InvokeError, item: &Item, is_secret: impl Fn(&str) -> bool) -> Self {
        let mut text = format!("{}\n", error.message());
        if let Some(position) = error.position() {
            text.push_str(&format!("  at {position}\n"));
        }
        if let InvokeError::Script(script) = error {
            for call in script.stack.iter().skip(1) {
                text.push_str(&format!("  called from {call}\n"));
            }
        }
        let shown: Map<String, Value> = item
            .iter()
            .map(|(name, value)| {
                // `<field>_display` shows the same as the field.
                let field = name.strip_suffix("_display").unwrap_or(name);
                let secret = is_secret(name) || is_secret(field);
                let value = if secret && !value.is_null() {
                    Value::from(SECRET)
                } else {
                    cut(value)
                };
                (name.clone(), value)
            })
            .collect();
        let mut json = Value::Object(shown).to_string();
        if json.len() > MAX_ITEM_BYTES {
            json.truncate(json.floor_char_boundary(MAX_ITEM_BYTES));
            json.push('…');
        }
        // Secrets may also stand in what the lambda threw.
        for (name, value) in item {
            if let Value::String(secret) = value
                && is_secret(name)
                && !secret.is_empty()
            {
                text = text.replace(secret.as_str(), SECRET);
            }
        }
        // Writing into a text cannot fail.
        writeln!(text, "item = {json}").ok();
        Self { text }
    }

    /// The text, to be shown to people who may change the module and see the record.
    pub fn reveal_to_author(&self) -> &str {
        &self.text
    }
}

/// A value short enough to be read.
fn cut(value: &Value) -> Value {
    match value {
        Value::String(text) if text.len() > MAX_VALUE_BYTES => {
            let end = text.floor_char_boundary(MAX_VALUE_BYTES);
            Value::from(format!("{}…", text.get(..end).unwrap_or_default()))
        }
        Value::Array(_) | Value::Object(_) => {
            let json = value.to_string();
            if json.len() <= MAX_VALUE_BYTES {
                return value.clone();
            }
            let end = json.floor_char_boundary(MAX_VALUE_BYTES);
            Value::from(format!("{}…", json.get(..end).unwrap_or_default()))
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::error::{Position, ScriptError};

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
    }
}
