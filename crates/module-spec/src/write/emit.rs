//! JSON values as YAML.
//!
//! Our own, since `serde_yaml` loses texts: U+2028 and U+2029 go out as line breaks and come back as spaces.

use serde_json::{Map, Value};

/// A list of words up to this long stands on one line.
const LINE: usize = 100;
/// A key that is longer must be marked as one; YAML ends at 1024 characters.
const LONGEST_KEY: usize = 200;

/// The document in block style.
pub(super) fn emit(document: &Map<String, Value>) -> String {
    let mut writer = Writer(String::new());
    writer.mapping(document, 0);
    writer.0
}

struct Writer(String);

impl Writer {
    fn pad(&mut self, indent: usize) {
        self.0.extend(std::iter::repeat_n(' ', indent));
    }

    /// The entries, the first on the line that has begun.
    fn mapping(&mut self, entries: &Map<String, Value>, indent: usize) {
        for (at, (key, value)) in entries.iter().enumerate() {
            if at > 0 {
                self.pad(indent);
            }
            let word = scalar_on_a_line(key);
            if word.len() > LONGEST_KEY {
                self.0.push_str("? ");
                self.0.push_str(&word);
                self.0.push('\n');
                self.pad(indent);
            } else {
                self.0.push_str(&word);
            }
            self.0.push(':');
            match value {
                Value::Object(inner) if !inner.is_empty() => {
                    let inner_indent = indent.saturating_add(2);
                    self.0.push('\n');
                    self.pad(inner_indent);
                    self.mapping(inner, inner_indent);
                }
                Value::Array(items) if !items.is_empty() && words(items).is_none() => {
                    self.0.push('\n');
                    self.pad(indent);
                    self.list(items, indent);
                }
                value => {
                    self.0.push(' ');
                    self.on_the_line(value, indent);
                }
            }
        }
    }

    /// The items, the first on the line that has begun.
    fn list(&mut self, items: &[Value], indent: usize) {
        let inner_indent = indent.saturating_add(2);
        for (at, item) in items.iter().enumerate() {
            if at > 0 {
                self.pad(indent);
            }
            self.0.push_str("- ");
            match item {
                Value::Object(inner) if !inner.is_empty() => self.mapping(inner, inner_indent),
                Value::Array(inner) if !inner.is_empty() && words(inner).is_none() => {
                    self.list(inner, inner_indent);
                }
                item => self.on_the_line(item, indent),
            }
        }
    }

    /// What begins on this line; `indent` is that of the mapping or list around it.
    fn on_the_line(&mut self, value: &Value, indent: usize) {
        match value {
            Value::Object(_) => self.0.push_str("{}"),
            Value::Array(items) => {
                let words = words(items).unwrap_or_default();
                self.0.push_str(&format!("[{words}]"));
            }
            Value::String(text) if is_literal(text) => return self.literal(text, indent),
            Value::String(text) => self.0.push_str(&scalar_on_a_line(text)),
            other => self.0.push_str(&other.to_string()),
        }
        self.0.push('\n');
    }

    fn literal(&mut self, text: &str, indent: usize) {
        let body = text.trim_end_matches('\n');
        let ends = text.len().saturating_sub(body.len());
        self.0.push_str(match ends {
            0 => "|-\n",
            1 => "|\n",
            _ => "|+\n",
        });
        for line in body.split('\n') {
            if !line.is_empty() {
                self.pad(indent.saturating_add(2));
                self.0.push_str(line);
            }
            self.0.push('\n');
        }
        let more = ends.saturating_sub(1);
        self.0.extend(std::iter::repeat_n('\n', more));
    }
}

/// A list of short words as it stands between brackets.
fn words(items: &[Value]) -> Option<String> {
    let mut line = String::new();
    for item in items {
        if !line.is_empty() {
            line.push_str(", ");
        }
        match item {
            Value::Object(_) | Value::Array(_) => return None,
            Value::String(text) => line.push_str(&scalar_on_a_line(text)),
            other => line.push_str(&other.to_string()),
        }
        if line.len() > LINE {
            return None;
        }
    }
    Some(line)
}

/// Whether a text of several lines comes back unchanged from a block without an indentation indicator.
fn is_literal(text: &str) -> bool {
    let is_shown = |letter: char| letter == '\n' || letter == '\t' || is_printable(letter);
    text.contains('\n')
        && !text.starts_with(char::is_whitespace)
        && text.chars().all(is_shown)
        && text
            .split('\n')
            .all(|line| line.is_empty() || !line.trim().is_empty())
}

/// What YAML allows outside of an escape, without its several kinds of line breaks.
const fn is_printable(letter: char) -> bool {
    !matches!(
        letter,
        '\0'..='\x1f' | '\x7f'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}'
    )
}

/// A text without quotes where it can be nothing else, otherwise with.
fn scalar_on_a_line(text: &str) -> String {
    if is_plain(text) {
        return text.to_owned();
    }
    let mut quoted = String::with_capacity(text.len().saturating_add(2));
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            letter if is_printable(letter) => quoted.push(letter),
            letter => quoted.push_str(&format!("\\u{:04x}", u32::from(letter))),
        }
    }
    quoted.push('"');
    quoted
}

/// Words that YAML, some version of it, takes for something else.
const RESERVED: &[&str] = &["null", "true", "false", "yes", "no", "on", "off", "y", "n"];

fn is_plain(text: &str) -> bool {
    let is_harmless = |letter: char| {
        letter.is_ascii_alphanumeric() || matches!(letter, '_' | '-' | '.' | '/' | ' ')
    };
    text.starts_with(|letter: char| letter.is_ascii_alphabetic() || letter == '_')
        && !text.ends_with(' ')
        && text.chars().all(is_harmless)
        && !RESERVED.contains(&text.to_ascii_lowercase().as_str())
}
