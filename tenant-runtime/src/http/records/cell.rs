//! One value as a page shows it.

use module_engine::value::{Display, Tone};
use module_spec::{Field, FieldType, ValueKind};
use serde::Serialize;

use crate::data::computed::Computed;
use crate::data::fault::FaultKind;
use crate::data::list::Record;
use crate::data::value;

/// How a value is shown; templates decide by `kind`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Cell {
    /// `text`, `empty`, `badge`, `html`, `link`, `color`, `error`, `paused` or `busy`.
    pub kind: &'static str,
    /// What is read.
    pub text: String,
    /// Tone of a badge: empty, `positive`, `caution`, `critical`, `info`, `accent`.
    pub tone: &'static str,
    /// Icon of a badge; may be empty.
    pub icon: String,
    /// Where it leads; empty for nowhere.
    pub href: String,
    /// Cleaned by the engine's allow-list.
    pub html: String,
    /// CSS classes that the module wants.
    pub class: String,
    /// A number, right-aligned.
    pub numeric: bool,
    /// Of an error: message, place, stack and item, where the author looks at one record; else empty.
    pub report: String,
}

/// Whether values of a field are numbers to compare, not signs for something else.
pub(super) fn is_numeric(field: &Field) -> bool {
    field.lookup().is_none()
        && field.choices().is_empty()
        && matches!(
            field.kind().value_kind(),
            ValueKind::Integer | ValueKind::Decimal
        )
}

/// A field of a record.
pub(super) fn of_field(field: &Field, record: &Record) -> Cell {
    let text = record.shown(field).to_owned();
    let raw = record.raw.get(field.name().as_str());
    let base = Cell {
        kind: "text",
        class: field.list_class().unwrap_or_default().to_owned(),
        numeric: is_numeric(field),
        ..Cell::default()
    };
    if text.is_empty() {
        return Cell {
            kind: "empty",
            ..base
        };
    }
    if field.column().as_str() == "valid_id" && !field.is_virtual() {
        let tone = match raw.and_then(serde_json::Value::as_i64) {
            Some(1) => "positive",
            Some(3) => "caution",
            _ => "",
        };
        return Cell {
            kind: "badge",
            text,
            tone,
            ..base
        };
    }
    if field.chip() {
        return Cell {
            kind: "badge",
            text,
            ..base
        };
    }
    let href = match field.kind() {
        FieldType::Email => format!("mailto:{text}"),
        FieldType::Url if text.starts_with("https://") || text.starts_with("http://") => {
            text.clone()
        }
        FieldType::Phone => format!("tel:{}", text.replace(' ', "")),
        _ => String::new(),
    };
    match field.kind() {
        FieldType::Boolean => Cell {
            kind: "badge",
            tone: if text == "Yes" { "positive" } else { "" },
            text,
            ..base
        },
        FieldType::Color => Cell {
            kind: "color",
            text,
            ..base
        },
        _ if !href.is_empty() => Cell {
            kind: "link",
            text,
            href,
            ..base
        },
        _ => Cell { text, ..base },
    }
}

/// A computed field in a list.
pub(super) fn of_computed(computed: Option<&Computed>) -> Cell {
    let Some(computed) = computed else {
        return Cell {
            kind: "empty",
            ..Cell::default()
        };
    };
    if let Some(fault) = &computed.fault {
        return Cell {
            kind: match fault.kind() {
                FaultKind::Failed => "error",
                FaultKind::Suspended => "paused",
                FaultKind::Busy => "busy",
            },
            text: fault.message().to_owned(),
            ..Cell::default()
        };
    }
    match computed.display.clone() {
        Display::Empty => Cell {
            kind: "empty",
            ..Cell::default()
        },
        Display::Text { text } => Cell {
            kind: "text",
            text,
            numeric: computed.raw.is_number(),
            ..Cell::default()
        },
        Display::Html { html } => Cell {
            kind: "html",
            text: value::plain(&computed.raw),
            html,
            ..Cell::default()
        },
        Display::Badge {
            text,
            tone,
            icon,
            href,
        } => Cell {
            kind: "badge",
            text,
            tone: match tone {
                Tone::Neutral => "",
                Tone::Success => "positive",
                Tone::Warning => "caution",
                Tone::Danger => "critical",
                Tone::Info => "info",
                Tone::Accent => "accent",
            },
            icon: icon.unwrap_or_default(),
            href: href.unwrap_or_default(),
            ..Cell::default()
        },
    }
}

/// A computed field of one record: as in a list, and all that an author may know when it failed.
pub(super) fn of_computed_alone(computed: Option<&Computed>) -> Cell {
    let fault = computed.and_then(|computed| computed.fault.as_ref());
    Cell {
        report: fault.and_then(|fault| fault.report()).unwrap_or_default(),
        ..of_computed(computed)
    }
}
