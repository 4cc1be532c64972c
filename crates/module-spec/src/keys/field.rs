//! The tables of fields, computed fields and what belongs to them.

use super::automation::RELATION;
use super::tables::key;
use super::{Shape, Table, Word};

/// Spellings of field types, as `FieldType::SPELLINGS` has them (a test compares).
pub(crate) const FIELD_TYPES: &[Word] = &[
    ("string", "One line of text."),
    ("text", "Several lines of text."),
    ("textarea", "The same as `text`."),
    ("notes", "Several lines of text for remarks."),
    ("int", "The same as `integer`."),
    ("integer", "A whole number."),
    ("number", "The same as `integer`."),
    ("float", "The same as `decimal`."),
    ("decimal", "A number with decimals."),
    ("bool", "The same as `boolean`."),
    ("boolean", "Yes or no."),
    ("checkbox", "The same as `boolean`."),
    ("date", "A day."),
    ("datetime", "A day and a time."),
    ("datetime-local", "The same as `datetime`."),
    ("time", "A time of day."),
    ("email", "An e-mail address."),
    ("url", "A web address."),
    ("tel", "The same as `phone`."),
    ("phone", "A telephone number."),
    ("color", "A colour such as `#3b82f6`."),
    ("password", "A secret: written, hashed, never shown."),
    (
        "select",
        "One of several values, from `options` or a lookup.",
    ),
    ("radio", "One of several values, all visible."),
    ("range", "A number on a slider."),
    ("file", "One uploaded file."),
    ("files", "Several uploaded files."),
    ("filelist", "The same as `files`."),
];

pub(crate) static FIELD: Table = Table {
    what: "a field",
    title: "fields[]",
    keys: &[
        key(
            "name",
            Shape::Identifier,
            "Key in JSON, in forms and in `item`.",
            "name: serial",
        ),
        key(
            "type",
            Shape::OneOf(FIELD_TYPES),
            "How the value is entered, checked and shown.",
            "type: date",
        ),
        key(
            "db_column",
            Shape::Identifier,
            "The column; the name when absent.",
            "db_column: serial_no",
        ),
        key(
            "label",
            Shape::Text,
            "What it is called; from the name when absent.",
            "label: \"@laptop.serial|Serial number\"",
        ),
        key(
            "required",
            Shape::Boolean,
            "It must be filled in.",
            "required: true",
        ),
        key(
            "unique",
            Shape::Boolean,
            "No two records may have the same value.",
            "unique: true",
        ),
        key(
            "searchable",
            Shape::Boolean,
            "The search looks into it.",
            "searchable: true",
        ),
        key(
            "sortable",
            Shape::Boolean,
            "The list can be sorted by it.",
            "sortable: false",
        ),
        key(
            "filterable",
            Shape::Boolean,
            "There is a filter for it above the list.",
            "filterable: true",
        ),
        key(
            "show_in_list",
            Shape::Boolean,
            "It is a column of the list.",
            "show_in_list: false",
        ),
        key(
            "show_in_form",
            Shape::Boolean,
            "It is in the form.",
            "show_in_form: true",
        ),
        key(
            "readonly",
            Shape::Boolean,
            "It is shown but never changed.",
            "readonly: true",
        ),
        key(
            "virtual",
            Shape::Boolean,
            "It has no column; only hooks and lambdas see it.",
            "virtual: true",
        ),
        key(
            "default",
            Shape::Any,
            "What a new record starts with.",
            "{type: integer, default: 1}",
        ),
        key(
            "options",
            Shape::Choices,
            "Values to choose from: `{value, label, group}` or just the value.",
            "{type: select, options: [new, {value: 2, label: Used}]}",
        ),
        key(
            "lookup_table",
            Shape::Identifier,
            "The table to choose from.",
            "{type: select, lookup_table: queue}",
        ),
        key(
            "lookup_key",
            Shape::Identifier,
            "The column whose value is stored; `id` when absent.",
            "{type: select, lookup_table: users, lookup_key: login}",
        ),
        key(
            "lookup_display",
            Shape::Identifier,
            "The column that is shown; `name` when absent.",
            "{type: select, lookup_table: users, lookup_display: login}",
        ),
        key(
            "lookup_condition",
            Shape::Sql,
            "An SQL condition for the choices. It runs with the lambda role.",
            "{type: select, lookup_table: queue, lookup_condition: valid_id = 1}",
        ),
        key(
            "multiple",
            Shape::Boolean,
            "Several values can be chosen.",
            "{type: select, options: [s, m, l], multiple: true}",
        ),
        key(
            "widget",
            Shape::OneOf(&[("typeahead", "Choices are searched while typing.")]),
            "`typeahead`: choices are searched while typing.",
            "{type: select, lookup_table: users, widget: typeahead}",
        ),
        key(
            "display_as",
            Shape::OneOf(&[("chip", "A small coloured label.")]),
            "`chip`: the value is shown as a small coloured label.",
            "display_as: chip",
        ),
        key(
            "display_map",
            Shape::TextMap,
            "Texts that are shown instead of values.",
            "{type: integer, display_map: {1: low, 2: high}}",
        ),
        key(
            "validation",
            Shape::Pattern,
            "A regular expression that must match somewhere in the value.",
            "validation: '^[A-Z]{2}[0-9]+$'",
        ),
        key(
            "pattern",
            Shape::Pattern,
            "A regular expression for the whole value; the browser checks it too.",
            "pattern: '[A-Z]{2}[0-9]+'",
        ),
        key(
            "max_length",
            Shape::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Most characters.",
            "max_length: 40",
        ),
        key(
            "min",
            Shape::Any,
            "Smallest number, earliest date or time.",
            "{type: integer, min: 1}",
        ),
        key(
            "max",
            Shape::Any,
            "Largest number, latest date or time.",
            "{type: date, max: '2030-12-31'}",
        ),
        key(
            "step",
            Shape::Number,
            "Distance between allowed numbers.",
            "{type: decimal, step: 0.5}",
        ),
        key(
            "rows",
            Shape::Integer { min: 1, max: 100 },
            "Height of a text box in lines.",
            "{type: text, rows: 8}",
        ),
        key(
            "accept",
            Shape::Text,
            "Accepted kinds of files, as in HTML.",
            "{type: file, accept: image/*}",
        ),
        key(
            "help",
            Shape::Text,
            "A sentence under the input.",
            "help: It is on the back of the case.",
        ),
        key(
            "placeholder",
            Shape::Text,
            "What stands in the empty input.",
            "placeholder: AB12345",
        ),
        key(
            "list_position",
            Shape::Integer { min: 0, max: 1_000 },
            "Place among the columns of the list.",
            "list_position: 1",
        ),
        key(
            "list_class",
            Shape::Text,
            "A CSS class of the list cell.",
            "list_class: font-mono text-right",
        ),
        key(
            "access",
            Shape::Mapping(&FIELD_ACCESS),
            "Which groups or roles see and change it.",
            "access: {read: [users], write: [admin]}",
        ),
        key(
            "relation",
            Shape::Mapping(&RELATION),
            "Records of another module that it points to; instead of `lookup_table`.",
            "{type: select, relation: {module: users}}",
        ),
        key(
            "index",
            Shape::Boolean,
            "Its column has an index.",
            "index: true",
        ),
        key(
            "precision",
            Shape::Integer { min: 0, max: 10 },
            "Digits behind the decimal point, of a `decimal` or `range`.",
            "{type: decimal, precision: 2}",
        ),
        key(
            "encrypted",
            Shape::Boolean,
            "Meant for encryption in the database, which does not exist yet: `true` is refused, since ignoring it would store in plain text what is to be protected.",
            "encrypted: false",
        ),
        key(
            "visible_when",
            Shape::Expression,
            "A JavaScript expression over `item`: the field is shown while it is true.",
            "visible_when: item.owner !== ''",
        ),
        key(
            "required_when",
            Shape::Expression,
            "A JavaScript expression over `item`: the field must be filled in while it is true.",
            "required_when: item.owner === 'root'",
        ),
    ],
    required: &["name", "type"],
};

pub(crate) static FIELD_ACCESS: Table = Table {
    what: "the access of a field",
    title: "fields[].access",
    keys: &[
        key(
            "read",
            Shape::Texts,
            "Groups or roles that see it.",
            "read: [users, finance]",
        ),
        key(
            "write",
            Shape::Texts,
            "Groups or roles that may change it.",
            "write: [finance]",
        ),
    ],
    required: &[],
};

pub(crate) static CHOICE: Table = Table {
    what: "an option",
    title: "options[]",
    keys: &[
        key("value", Shape::Any, "What is stored.", "value: m"),
        key(
            "label",
            Shape::Text,
            "What is shown; the value when absent.",
            "{value: m, label: \"@size.m|Medium\"}",
        ),
        key(
            "group",
            Shape::Text,
            "The heading it stands under.",
            "{value: m, group: Usual}",
        ),
    ],
    required: &["value"],
};

pub(crate) static COMPUTED_FIELD: Table = Table {
    what: "a computed field",
    title: "computed_fields[]",
    keys: &[
        key(
            "name",
            Shape::Identifier,
            "Key in JSON, and in `item` for the computed fields below it.",
            "name: age",
        ),
        key(
            "label",
            Shape::Text,
            "What it is called; from the name when absent.",
            "label: Age in years",
        ),
        key(
            "show_in_list",
            Shape::Boolean,
            "It is a column of the list.",
            "show_in_list: false",
        ),
        key(
            "show_in_form",
            Shape::Boolean,
            "It is shown with the record.",
            "show_in_form: true",
        ),
        key(
            "list_position",
            Shape::Integer { min: 0, max: 1_000 },
            "Place among the columns of the list.",
            "list_position: 2",
        ),
        key(
            "lambda",
            Shape::Lambda,
            "A function body that ends in `return`. It sees `item`, `db` and the host functions.",
            "lambda: return item.name.toUpperCase();",
        ),
    ],
    required: &["name", "lambda"],
};
