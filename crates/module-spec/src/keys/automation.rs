//! The tables of what a module does by itself, and what of it the server does not act upon yet.

use super::tables::key;
use super::{Shape, Table};
use crate::spec::{ActionScope, OnDelete, ViewKind};

/// Keys that are read and checked in full and that the server does not act upon yet; each gives a warning. Whoever makes
/// one work deletes its line.
pub(crate) const NOT_SUPPORTED_YET: &[&str] = &[
    "events",
    "schedules",
    "actions",
    "views",
    "module.parent",
    "fields[].relation",
    "fields[].index",
    "fields[].precision",
    "fields[].encrypted",
    "fields[].visible_when",
    "fields[].required_when",
];

pub(crate) static PARENT: Table = Table {
    what: "a parent",
    title: "module.parent",
    keys: &[
        key("module", Shape::Identifier, "Name of the other module."),
        key(
            "field",
            Shape::FieldName,
            "The field of this module that holds the number of the other's record.",
        ),
    ],
    required: &["module", "field"],
};

pub(crate) static RELATION: Table = Table {
    what: "a relation",
    title: "fields[].relation",
    keys: &[
        key("module", Shape::Identifier, "Name of the other module."),
        key(
            "many",
            Shape::Boolean,
            "Any number of records, by a link table.",
        ),
        key(
            "on_delete",
            Shape::OneOf(OnDelete::SPELLINGS),
            "When the other record is deleted: `restrict` refuses, `set_null` empties the field, `cascade` deletes this record too; `restrict` when absent.",
        ),
    ],
    required: &["module"],
};

pub(crate) static EVENT: Table = Table {
    what: "an event",
    title: "events[]",
    keys: &[
        key("on", Shape::Events, "What it waits for, one or several."),
        key(
            "when",
            Shape::Expression,
            "A JavaScript expression: it runs only when this is true.",
        ),
        key("lambda", Shape::Lambda, "What runs."),
    ],
    required: &["on", "lambda"],
};

pub(crate) static SCHEDULE: Table = Table {
    what: "a schedule",
    title: "schedules[]",
    keys: &[
        key(
            "cron",
            Shape::Cron,
            "When: minute, hour, day of the month, month, day of the week.",
        ),
        key(
            "time_zone",
            Shape::Text,
            "In which time zone of the IANA database; `UTC` when absent.",
        ),
        key("lambda", Shape::Lambda, "What runs."),
    ],
    required: &["cron", "lambda"],
};

pub(crate) static ACTION: Table = Table {
    what: "an action",
    title: "actions[]",
    keys: &[
        key("name", Shape::Identifier, "Its name in URLs."),
        key(
            "label",
            Shape::Text,
            "What is on the button; from the name when absent.",
        ),
        key("icon", Shape::Text, "Name of an icon (Lucide)."),
        key("confirm", Shape::Text, "What is asked before it runs."),
        key(
            "scope",
            Shape::OneOf(ActionScope::SPELLINGS),
            "What it works on; `row` when absent.",
        ),
        key("access", Shape::Texts, "Groups or roles that may."),
        key("lambda", Shape::Lambda, "What runs."),
    ],
    required: &["name", "lambda"],
};

pub(crate) static VIEW: Table = Table {
    what: "a view",
    title: "views[]",
    keys: &[
        key(
            "name",
            Shape::Identifier,
            "Its name in URLs; the title is made from it.",
        ),
        key(
            "columns",
            Shape::FieldNames,
            "What it shows; the columns of the list when absent. A board and a chart group by the first, a calendar takes the day from it.",
        ),
        key(
            "filters",
            Shape::Any,
            "Which records: a mapping from fields to a value or a list of values.",
        ),
        key("sort", Shape::Text, "A field, or a field and `desc`."),
        key(
            "kind",
            Shape::OneOf(ViewKind::SPELLINGS),
            "How it shows them; `table` when absent.",
        ),
    ],
    required: &["name"],
};
