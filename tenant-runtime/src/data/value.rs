//! Values of fields: from what a form or a program sends to what the database takes, and to what people read.
//!
//! Inside, a value is JSON: text, number, boolean, list or null, dates as ISO text. Converting is idempotent, so hooks may
//! put back what they were given.

use chrono::{NaiveDate, NaiveDateTime, NaiveTime};
use module_spec::{Field, FieldType, ValueKind};
use serde_json::Value;

/// Longest text of a field that says nothing else; a form is no file store.
const MAX_TEXT: usize = 1_000_000;

/// The value of a field, checked against its type and rules; the error is for the person at the form.
pub fn convert(field: &Field, given: &Value) -> Result<Value, String> {
    let value = if field.multiple() {
        convert_list(field, given)?
    } else {
        convert_one(field, given)?
    };
    if is_empty(&value) {
        return if field.required() && !field.is_secret() {
            Err("This is required.".to_owned())
        } else {
            Ok(Value::Null)
        };
    }
    check_rules(field, &value)?;
    Ok(value)
}

/// Whether nothing is there.
pub fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn convert_list(field: &Field, given: &Value) -> Result<Value, String> {
    let items = match given {
        Value::Null => return Ok(Value::Null),
        Value::Array(items) => items.clone(),
        one => vec![one.clone()],
    };
    let converted: Result<Vec<Value>, String> = items
        .iter()
        .filter(|item| !is_empty(item))
        .map(|item| convert_one(field, item))
        .collect();
    converted.map(Value::Array)
}

fn convert_one(field: &Field, given: &Value) -> Result<Value, String> {
    let given = match given {
        // A form may send a name twice; the last one counts, as in HTML.
        Value::Array(items) => items.last().unwrap_or(&Value::Null),
        Value::Object(_) if field.kind().value_kind() != ValueKind::File => {
            return Err("This must be a single value.".to_owned());
        }
        one => one,
    };
    if is_empty(given) && field.kind() != FieldType::Boolean {
        return Ok(Value::Null);
    }
    let text = plain(given);
    let trimmed = text.trim();
    match field.kind().value_kind() {
        ValueKind::Integer => trimmed
            .parse::<i64>()
            .ok()
            .map(Value::from)
            .ok_or_else(|| "This must be a whole number.".to_owned()),
        ValueKind::Decimal => decimal(trimmed),
        ValueKind::Boolean => boolean(given, trimmed),
        ValueKind::Date => parse_date(trimmed)
            .map(|date| Value::from(date.format("%Y-%m-%d").to_string()))
            .ok_or_else(|| "This must be a date such as 2026-01-31.".to_owned()),
        ValueKind::DateTime => parse_date_time(trimmed)
            .map(|time| Value::from(time.format("%Y-%m-%dT%H:%M:%S").to_string()))
            .ok_or_else(|| "This must be a date and time such as 2026-01-31T14:05.".to_owned()),
        ValueKind::Time => parse_time(trimmed)
            .map(|time| Value::from(time.format("%H:%M:%S").to_string()))
            .ok_or_else(|| "This must be a time such as 14:05.".to_owned()),
        ValueKind::File => Ok(given.clone()),
        ValueKind::Secret => Ok(Value::from(text)),
        ValueKind::Text => choice_or_text(field, given, &text),
    }
}

/// What people type into a select is one of its options; other texts are kept as they are, without a NUL, which PostgreSQL cannot hold.
fn choice_or_text(field: &Field, given: &Value, text: &str) -> Result<Value, String> {
    if text.contains('\0') {
        return Err("This contains a character that cannot be stored.".to_owned());
    }
    if field.lookup().is_none() && !field.choices().is_empty() {
        let chosen = field
            .choices()
            .iter()
            .find(|choice| choice.value_text() == text);
        return chosen
            .map(|choice| choice.value().clone())
            .ok_or_else(|| "Choose one of the options.".to_owned());
    }
    let keeps_spaces = matches!(field.kind(), FieldType::Text | FieldType::Notes);
    match given {
        Value::Number(_) => Ok(given.clone()),
        _ if keeps_spaces => Ok(Value::from(text.replace("\r\n", "\n"))),
        _ => Ok(Value::from(text.trim())),
    }
}

/// Kept as text, so that no digit is lost between the form and a numeric column.
fn decimal(text: &str) -> Result<Value, String> {
    let plain = text.replace(',', ".");
    let digits = plain.strip_prefix(['-', '+']).unwrap_or(&plain);
    let good = !digits.is_empty()
        && digits.len() <= 60
        && digits.chars().filter(|c| *c == '.').count() <= 1
        && digits.chars().all(|c| c.is_ascii_digit() || c == '.')
        && digits != ".";
    if good {
        Ok(Value::from(plain))
    } else {
        Err("This must be a number.".to_owned())
    }
}

fn boolean(given: &Value, text: &str) -> Result<Value, String> {
    match (given, text.to_ascii_lowercase().as_str()) {
        (Value::Bool(value), _) => Ok(Value::from(*value)),
        (_, "1" | "true" | "on" | "yes") => Ok(Value::from(true)),
        (_, "0" | "false" | "off" | "no" | "2") => Ok(Value::from(false)),
        (_, "") => Ok(Value::Null),
        _ => Err("This must be yes or no.".to_owned()),
    }
}

fn check_rules(field: &Field, value: &Value) -> Result<(), String> {
    if let Value::Array(items) = value {
        return items.iter().try_for_each(|item| check_rules(field, item));
    }
    let text = plain(value);
    let length = text.chars().count();
    let most = field
        .max_length()
        .map_or(MAX_TEXT, |most| usize::try_from(most).unwrap_or(MAX_TEXT));
    if length > most {
        return Err(format!(
            "This may have at most {most} characters; it has {length}."
        ));
    }
    if field.validation().is_some_and(|rule| !rule.is_match(&text))
        || field.pattern().is_some_and(|rule| !rule.is_match(&text))
    {
        return Err("This does not have the expected form.".to_owned());
    }
    check_range(field, &text)?;
    match field.kind() {
        FieldType::Email if !is_email(&text) => {
            Err("This must be an e-mail address such as ann@example.com.".to_owned())
        }
        FieldType::Url if !is_url(&text) => {
            Err("This must be a web address such as https://example.com.".to_owned())
        }
        FieldType::Phone if !is_phone(&text) => {
            Err("This must be a telephone number such as +49 30 123456.".to_owned())
        }
        FieldType::Color if !is_color(&text) => {
            Err("This must be a colour such as #3b82f6.".to_owned())
        }
        _ => Ok(()),
    }
}

fn check_range(field: &Field, text: &str) -> Result<(), String> {
    let number = |value: &Value| value.as_f64().or_else(|| plain(value).parse().ok());
    match field.kind().value_kind() {
        ValueKind::Integer | ValueKind::Decimal => {
            let Ok(value) = text.parse::<f64>() else {
                return Ok(());
            };
            if let Some(min) = field.min().and_then(number).filter(|min| value < *min) {
                return Err(format!("This must be at least {min}."));
            }
            if let Some(max) = field.max().and_then(number).filter(|max| value > *max) {
                return Err(format!("This must be at most {max}."));
            }
            let Some(step) = field.step() else {
                return Ok(());
            };
            let steps = (value - field.min().and_then(number).unwrap_or(0.0)) / step;
            // Decimal steps such as 0.1 are not exact in binary.
            if (steps - steps.round()).abs() > 1e-6 {
                return Err(format!("This must be a multiple of {step}."));
            }
            Ok(())
        }
        // ISO texts compare like the times that they say.
        ValueKind::Date | ValueKind::DateTime | ValueKind::Time => {
            let (min, max) = (field.min().map(plain), field.max().map(plain));
            if let Some(min) = min.filter(|min| text < min.as_str()) {
                return Err(format!("This must not be before {min}."));
            }
            if let Some(max) =
                max.filter(|max| !text.starts_with(max.as_str()) && text > max.as_str())
            {
                return Err(format!("This must not be after {max}."));
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    let plain = |part: &str| {
        !part.is_empty()
            && !part
                .chars()
                .any(|c| c.is_whitespace() || c.is_control() || matches!(c, '<' | '>' | '"' | ','))
    };
    plain(local)
        && !local.contains('@')
        && plain(domain)
        && domain.split('.').all(|label| !label.is_empty())
        && text.len() <= 254
}

fn is_url(text: &str) -> bool {
    reqwest::Url::parse(text)
        .is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

fn is_phone(text: &str) -> bool {
    text.chars().any(|c| c.is_ascii_digit())
        && text
            .chars()
            .all(|c| c.is_ascii_digit() || " +-/().xext".contains(c))
}

fn is_color(text: &str) -> bool {
    text.strip_prefix('#').is_some_and(|digits| {
        matches!(digits.len(), 3 | 6) && digits.bytes().all(|b| b.is_ascii_hexdigit())
    })
}

fn parse_date(text: &str) -> Option<NaiveDate> {
    NaiveDate::parse_from_str(text, "%Y-%m-%d")
        .ok()
        .filter(|date| in_range(*date))
}

/// What both PostgreSQL and people can work with.
fn in_range(date: NaiveDate) -> bool {
    use chrono::Datelike as _;
    (1..=9999).contains(&date.year())
}

fn parse_date_time(text: &str) -> Option<NaiveDateTime> {
    let time = [
        "%Y-%m-%dT%H:%M:%S",
        "%Y-%m-%dT%H:%M",
        "%Y-%m-%d %H:%M:%S",
        "%Y-%m-%d %H:%M",
        "%Y-%m-%dT%H:%M:%S%.f",
    ]
    .iter()
    .find_map(|form| NaiveDateTime::parse_from_str(text, form).ok())
    .or_else(|| {
        chrono::DateTime::parse_from_rfc3339(text)
            .ok()
            .map(|time| time.naive_utc())
    });
    time.filter(|time| in_range(time.date()))
}

fn parse_time(text: &str) -> Option<NaiveTime> {
    ["%H:%M:%S", "%H:%M"]
        .iter()
        .find_map(|form| NaiveTime::parse_from_str(text, form).ok())
}

/// A scalar as text.
pub fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// As the database takes it, by the type of the column.
pub fn to_sql(value: &Value, type_name: &str) -> Option<String> {
    let is_json = matches!(type_name, "json" | "jsonb");
    match value {
        Value::Null => None,
        _ if is_json => Some(value.to_string()),
        // Booleans of OTRS are small numbers.
        Value::Bool(value) if type_name.starts_with("int") => Some(u8::from(*value).to_string()),
        Value::Array(items) => Some(items.iter().map(plain).collect::<Vec<_>>().join(",")),
        other => Some(plain(other)),
    }
}

/// As lambdas and programs see what the database gave.
pub fn from_sql(field: &Field, value: Value) -> Value {
    match (field.kind().value_kind(), &value) {
        (ValueKind::Boolean, Value::Number(number)) => Value::from(number.as_i64() == Some(1)),
        (ValueKind::Decimal, Value::String(text)) => text
            .parse::<f64>()
            .map_or_else(|_| value.clone(), Value::from),
        (_, Value::String(text)) if field.multiple() => Value::Array(
            text.split(',')
                .filter(|part| !part.is_empty())
                .map(Value::from)
                .collect(),
        ),
        _ => value,
    }
}

/// As people read it. `raw` is what the database gave.
pub fn display(field: &Field, raw: &Value) -> String {
    if field.is_secret() {
        return String::new();
    }
    let value = from_sql(field, raw.clone());
    if let Value::Array(items) = &value {
        return items
            .iter()
            .map(|item| one_display(field, item))
            .collect::<Vec<_>>()
            .join(", ");
    }
    match (field.kind().value_kind(), raw) {
        // "10.50" stays "10.50".
        (ValueKind::Decimal, Value::String(text)) => text.clone(),
        _ => one_display(field, &value),
    }
}

fn one_display(field: &Field, value: &Value) -> String {
    let text = plain(value);
    if let Some(known) = field.display_of(&text) {
        return known.display().to_owned();
    }
    match (field.kind().value_kind(), value) {
        (ValueKind::Boolean, Value::Bool(true)) => "Yes".to_owned(),
        (ValueKind::Boolean, Value::Bool(false)) => "No".to_owned(),
        (ValueKind::DateTime, _) => text
            .get(..16)
            .map_or_else(|| text.clone(), |text| text.replace('T', " ")),
        (ValueKind::Time, _) => text.get(..5).unwrap_or(&text).to_owned(),
        _ => text,
    }
}

#[cfg(test)]
mod tests;
