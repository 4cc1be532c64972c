//! What a scalar means: YAML 1.2's core schema, with the yes and no of YAML 1.1 where a boolean is expected, as
//! GOTRS reads it.

use serde_json::{Map, Number, Value};

use super::{Content, Node};

impl Node {
    /// Whether nothing is written: an empty value, `~` or `null`.
    pub(crate) fn is_null(&self) -> bool {
        match &self.content {
            Content::Scalar { text, is_text, .. } => !is_text && is_null_word(text),
            _ => false,
        }
    }

    /// The text of a scalar, whatever it looks like (a label `5` is the text `5`).
    pub(crate) fn scalar(&self) -> Option<&str> {
        match &self.content {
            Content::Scalar { text, .. } if !self.is_null() => Some(text),
            _ => None,
        }
    }

    /// A boolean.
    pub(crate) fn boolean(&self) -> Option<bool> {
        match &self.content {
            Content::Scalar {
                text,
                is_text: false,
                ..
            } => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" => Some(true),
                "false" | "no" | "off" => Some(false),
                _ => None,
            },
            _ => None,
        }
    }

    /// A whole number.
    pub(crate) fn integer(&self) -> Option<i64> {
        match &self.content {
            Content::Scalar {
                text,
                is_text: false,
                ..
            } => parse_integer(text),
            _ => None,
        }
    }

    /// The value as JSON. Bounded by the file: aliases were counted as often as they are used.
    pub(crate) fn to_json(&self) -> Value {
        match &self.content {
            Content::Scalar {
                text,
                is_text: true,
                ..
            } => Value::String(text.clone()),
            Content::Scalar { text, .. } => plain_to_json(text),
            Content::List(items) => items.iter().map(|item| item.to_json()).collect(),
            Content::Mapping(entries) => {
                let pairs = entries
                    .iter()
                    .map(|entry| (entry.key.clone(), entry.value.to_json()));
                Value::Object(pairs.collect::<Map<_, _>>())
            }
        }
    }

    /// What it is, for messages.
    pub(crate) fn described(&self) -> &'static str {
        match &self.content {
            Content::List(_) => "a list",
            Content::Mapping(_) => "a mapping",
            Content::Scalar { .. } if self.is_null() => "nothing",
            Content::Scalar { is_text: true, .. } => "a text",
            Content::Scalar { text, .. } => match plain_to_json(text) {
                Value::Bool(_) => "a boolean",
                Value::Number(_) => "a number",
                _ => "a text",
            },
        }
    }
}

fn is_null_word(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

fn plain_to_json(text: &str) -> Value {
    if is_null_word(text) {
        return Value::Null;
    }
    match text {
        "true" | "True" | "TRUE" => return Value::Bool(true),
        "false" | "False" | "FALSE" => return Value::Bool(false),
        _ => {}
    }
    if let Some(number) = parse_integer(text) {
        return Value::from(number);
    }
    let looks_like_a_number = text
        .starts_with(|c: char| c.is_ascii_digit() || matches!(c, '-' | '+' | '.'))
        && text
            .bytes()
            .all(|b| b.is_ascii_digit() || matches!(b, b'-' | b'+' | b'.' | b'e' | b'E'));
    if looks_like_a_number
        && let Ok(number) = text.parse::<f64>()
        && let Some(number) = Number::from_f64(number)
    {
        return Value::Number(number);
    }
    Value::String(text.to_owned())
}

fn parse_integer(text: &str) -> Option<i64> {
    if let Some(digits) = text.strip_prefix("0x") {
        return i64::from_str_radix(digits, 16).ok();
    }
    if let Some(digits) = text.strip_prefix("0o") {
        return i64::from_str_radix(digits, 8).ok();
    }
    text.parse().ok()
}
