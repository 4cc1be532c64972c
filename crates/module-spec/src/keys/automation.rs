//! The tables of what a module does by itself, and what of it the server does not act upon yet.

use super::tables::key;
use super::{Shape, Table};
use crate::spec::{ActionScope, OnDelete, ViewKind};

/// Keys that are read and checked in full and that the server does not act upon yet, and what happens instead; each gives
/// a warning. Whoever makes one work deletes its line.
pub(crate) const NOT_SUPPORTED_YET: &[(&str, &str)] = &[
    ("events", "this version never runs them"),
    ("schedules", "this version never runs them"),
    ("actions", "this version shows no buttons for them"),
    ("views", "this version shows the list only"),
    (
        "module.parent",
        "this version shows the records on pages of their own only",
    ),
    (
        "fields[].relation",
        "this version leaves the field out of list and form",
    ),
    ("fields[].index", "this version makes no index"),
    (
        "fields[].precision",
        "this version keeps digits as they are written",
    ),
    (
        "fields[].visible_when",
        "this version always shows the field",
    ),
    (
        "fields[].required_when",
        "this version only enforces `required`",
    ),
];

pub(crate) static PARENT: Table = Table {
    what: "a parent",
    title: "module.parent",
    keys: &[
        key(
            "module",
            Shape::Identifier,
            "Name of the other module.",
            "module: customer_company",
        ),
        key(
            "field",
            Shape::FieldName,
            "The field of this module that holds the number of the other's record.",
            "field: owner",
        ),
    ],
    required: &["module", "field"],
};

pub(crate) static RELATION: Table = Table {
    what: "a relation",
    title: "fields[].relation",
    keys: &[
        key(
            "module",
            Shape::Identifier,
            "Name of the other module.",
            "module: users",
        ),
        key(
            "many",
            Shape::Boolean,
            "Any number of records, by a link table.",
            "many: true",
        ),
        key(
            "on_delete",
            Shape::OneOf(OnDelete::SPELLINGS),
            "When the other record is deleted: `restrict` refuses, `set_null` empties the field, `cascade` deletes this record too; `restrict` when absent.",
            "on_delete: set_null",
        ),
    ],
    required: &["module"],
};

pub(crate) static EVENT: Table = Table {
    what: "an event",
    title: "events[]",
    keys: &[
        key(
            "on",
            Shape::Events,
            "What it waits for, one or several.",
            "on: [ticket.created, ticket.state_changed]",
        ),
        key(
            "when",
            Shape::Expression,
            "A JavaScript expression: it runs only when this is true.",
            "when: item.priority_id > 3",
        ),
        key(
            "lambda",
            Shape::Lambda,
            "What runs.",
            "lambda: log.info('urgent ' + item.tn);",
        ),
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
            "cron: 0 7 * * mon-fri",
        ),
        key(
            "time_zone",
            Shape::Text,
            "In which time zone of the IANA database; `UTC` when absent.",
            "time_zone: Europe/Berlin",
        ),
        key(
            "lambda",
            Shape::Lambda,
            "What runs.",
            "lambda: log.info('good morning');",
        ),
    ],
    required: &["cron", "lambda"],
};

pub(crate) static ACTION: Table = Table {
    what: "an action",
    title: "actions[]",
    keys: &[
        key(
            "name",
            Shape::Identifier,
            "Its name in URLs.",
            "name: retire",
        ),
        key(
            "label",
            Shape::Text,
            "What is on the button; from the name when absent.",
            "label: \"@laptop.retire|Retire\"",
        ),
        key(
            "icon",
            Shape::Text,
            "Name of an icon (Lucide).",
            "icon: archive",
        ),
        key(
            "confirm",
            Shape::Text,
            "What is asked before it runs.",
            "confirm: Retire it for good?",
        ),
        key(
            "scope",
            Shape::OneOf(ActionScope::SPELLINGS),
            "What it works on; `row` when absent.",
            "scope: selection",
        ),
        key(
            "access",
            Shape::Texts,
            "Groups or roles that may.",
            "access: [admin]",
        ),
        key(
            "lambda",
            Shape::Lambda,
            "What runs.",
            "lambda: log.info('retired ' + item.name);",
        ),
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
            "name: by_owner",
        ),
        key(
            "columns",
            Shape::FieldNames,
            "What it shows; the columns of the list when absent. A board and a chart group by the first, a calendar takes the day from it.",
            "columns: [owner, name]",
        ),
        key(
            "filters",
            Shape::Any,
            "Which records: a mapping from fields to a value or a list of values.",
            "filters: {owner: [root, ann]}",
        ),
        key(
            "sort",
            Shape::Text,
            "A field, or a field and `desc`.",
            "sort: name desc",
        ),
        key(
            "kind",
            Shape::OneOf(ViewKind::SPELLINGS),
            "How it shows them; `table` when absent.",
            "{kind: calendar, columns: [due]}",
        ),
    ],
    required: &["name"],
};
