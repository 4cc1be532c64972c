//! The tables themselves.

use super::automation::{ACTION, EVENT, PARENT, RELATION, SCHEDULE, VIEW};
use super::{Key, Shape, Table};

pub(super) const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, doc }
}

/// Spellings of field types, as `FieldType::SPELLINGS` has them (a test compares).
pub(crate) const FIELD_TYPES: &[&str] = &[
    "string",
    "text",
    "textarea",
    "notes",
    "int",
    "integer",
    "number",
    "float",
    "decimal",
    "bool",
    "boolean",
    "checkbox",
    "date",
    "datetime",
    "datetime-local",
    "time",
    "email",
    "url",
    "tel",
    "phone",
    "color",
    "password",
    "select",
    "radio",
    "range",
    "file",
    "files",
    "filelist",
];

const OPERATIONS: &[&str] = &["view", "create", "update", "delete"];
const SORT_ORDERS: &[&str] = &["asc", "desc"];
const PORTALS: &[&str] = &["admin", "agent", "customer"];
const HOOK_NAMES: &[&str] = &[
    "before_validate",
    "before_save",
    "after_save",
    "before_delete",
    "after_delete",
];
const FILTER_KINDS: &[&str] = &["select", "text", "multi_select", "date_range"];
const FILTER_SOURCES: &[&str] = &["field", "options", "static", "lookup", "database", "query"];

pub(crate) static DOCUMENT: Table = Table {
    what: "a module file",
    title: "The file",
    keys: &[
        key(
            "api_version",
            Shape::OneOf(&["gotrs.io/v1"]),
            "Version of the format. Files without it are read as version 1.",
        ),
        key(
            "module",
            Shape::Mapping(&MODULE),
            "What the module is and where its records live.",
        ),
        key(
            "fields",
            Shape::List(&FIELD),
            "The fields of a record, in the order in which they are shown.",
        ),
        key(
            "computed_fields",
            Shape::List(&COMPUTED_FIELD),
            "Columns that a lambda computes.",
        ),
        key(
            "features",
            Shape::Mapping(&FEATURES),
            "What the screen offers.",
        ),
        key(
            "permissions",
            Shape::SomeOf(OPERATIONS),
            "What the module allows at all; everything when absent.",
        ),
        key(
            "validation",
            Shape::Mapping(&VALIDATION),
            "Rules over fields by name.",
        ),
        key(
            "ui",
            Shape::Mapping(&UI),
            "The order of columns and the parts of the form.",
        ),
        key("filters", Shape::List(&FILTER), "Filters above the list."),
        key(
            "access",
            Shape::Mapping(&ACCESS),
            "Which groups or roles may do what; without it whoever may open the portal.",
        ),
        key(
            "hooks",
            Shape::Mapping(&HOOKS),
            "Code that runs when a record is saved or deleted. It may change `item` and call `fail(field, text)`.",
        ),
        key(
            "events",
            Shape::List(&EVENT),
            "Code that runs after something has happened in the helpdesk; queued, retried and logged.",
        ),
        key(
            "schedules",
            Shape::List(&SCHEDULE),
            "Code that runs at certain times.",
        ),
        key("actions", Shape::List(&ACTION), "Buttons that run code."),
        key(
            "views",
            Shape::List(&VIEW),
            "Other ways to look at the records.",
        ),
        key(
            "tests",
            Shape::List(&TEST),
            "Tests of the lambdas; they run at every upload and with `gotrs module test`.",
        ),
        key(
            "limits",
            Shape::Mapping(&LIMITS),
            "Limits of the lambdas. The tenant's plan sets the ceiling.",
        ),
        key(
            "lambda_config",
            Shape::Mapping(&LAMBDA_CONFIG),
            "Limits of the lambdas, as GOTRS writes them.",
        ),
    ],
    required: &["module", "fields"],
};

pub(crate) static MODULE: Table = Table {
    what: "a module",
    title: "module",
    keys: &[
        key(
            "name",
            Shape::Identifier,
            "Identity and URL segment: lower-case letters, digits, underscores and hyphens, at most 50.",
        ),
        key(
            "singular",
            Shape::Text,
            "One record, as in \"New laptop\". From `name` when absent.",
        ),
        key(
            "plural",
            Shape::Text,
            "Several records; title of the list and menu entry. From `singular` when absent.",
        ),
        key(
            "table",
            Shape::Identifier,
            "The table of the helpdesk that holds the records. Not with `storage: managed`.",
        ),
        key(
            "storage",
            Shape::OneOf(&["managed"]),
            "`managed`: the module owns its table `x_<name>`, which is made and migrated from `fields`.",
        ),
        key("description", Shape::Text, "A sentence under the title."),
        key(
            "route_prefix",
            Shape::Text,
            "A second path for the pages, such as `/admin/customer/companies`.",
        ),
        key(
            "read_only",
            Shape::Boolean,
            "Nothing can be changed through this module.",
        ),
        key("icon", Shape::Text, "Name of an icon (Lucide)."),
        key(
            "default_sort",
            Shape::FieldName,
            "The field that the list is sorted by at first.",
        ),
        key(
            "default_sort_dir",
            Shape::OneOf(SORT_ORDERS),
            "Which way; `asc` when absent.",
        ),
        key(
            "page_size",
            Shape::Integer { min: 1, max: 500 },
            "Lines per page; 25 when absent.",
        ),
        key(
            "menu",
            Shape::Mapping(&MENU),
            "Where the module stands in the menu.",
        ),
        key(
            "portals",
            Shape::SomeOf(PORTALS),
            "Whose pages show it; `[admin]` when absent.",
        ),
        key(
            "parent",
            Shape::Mapping(&PARENT),
            "The module on whose pages the records of this one are listed.",
        ),
    ],
    required: &["name"],
};

pub(crate) static MENU: Table = Table {
    what: "a menu entry",
    title: "module.menu",
    keys: &[
        key("group", Shape::Text, "The heading it stands under."),
        key(
            "order",
            Shape::Integer {
                min: -100_000,
                max: 100_000,
            },
            "Smaller is higher; 100 when absent.",
        ),
        key("icon", Shape::Text, "Name of an icon (Lucide)."),
    ],
    required: &[],
};

pub(crate) static FIELD: Table = Table {
    what: "a field",
    title: "fields[]",
    keys: &[
        key(
            "name",
            Shape::Identifier,
            "Key in JSON, in forms and in `item`.",
        ),
        key(
            "type",
            Shape::OneOf(FIELD_TYPES),
            "How the value is entered, checked and shown.",
        ),
        key(
            "db_column",
            Shape::Identifier,
            "The column; the name when absent.",
        ),
        key(
            "label",
            Shape::Text,
            "What it is called; from the name when absent.",
        ),
        key("required", Shape::Boolean, "It must be filled in."),
        key(
            "unique",
            Shape::Boolean,
            "No two records may have the same value.",
        ),
        key("searchable", Shape::Boolean, "The search looks into it."),
        key("sortable", Shape::Boolean, "The list can be sorted by it."),
        key(
            "filterable",
            Shape::Boolean,
            "There is a filter for it above the list.",
        ),
        key(
            "show_in_list",
            Shape::Boolean,
            "It is a column of the list.",
        ),
        key("show_in_form", Shape::Boolean, "It is in the form."),
        key("readonly", Shape::Boolean, "It is shown but never changed."),
        key(
            "virtual",
            Shape::Boolean,
            "It has no column; only hooks and lambdas see it.",
        ),
        key("default", Shape::Any, "What a new record starts with."),
        key(
            "options",
            Shape::Choices,
            "Values to choose from: `{value, label, group}` or just the value.",
        ),
        key(
            "lookup_table",
            Shape::Identifier,
            "The table to choose from.",
        ),
        key(
            "lookup_key",
            Shape::Identifier,
            "The column whose value is stored; `id` when absent.",
        ),
        key(
            "lookup_display",
            Shape::Identifier,
            "The column that is shown; `name` when absent.",
        ),
        key(
            "lookup_condition",
            Shape::Sql,
            "An SQL condition for the choices. It runs with the lambda role.",
        ),
        key("multiple", Shape::Boolean, "Several values can be chosen."),
        key(
            "widget",
            Shape::OneOf(&["typeahead"]),
            "`typeahead`: choices are searched while typing.",
        ),
        key(
            "display_as",
            Shape::OneOf(&["chip"]),
            "`chip`: the value is shown as a small coloured label.",
        ),
        key(
            "display_map",
            Shape::TextMap,
            "Texts that are shown instead of values.",
        ),
        key(
            "validation",
            Shape::Pattern,
            "A regular expression that the value must match.",
        ),
        key(
            "pattern",
            Shape::Pattern,
            "A regular expression for the whole value; the browser checks it too.",
        ),
        key(
            "max_length",
            Shape::Integer {
                min: 1,
                max: 1_000_000,
            },
            "Most characters.",
        ),
        key("min", Shape::Any, "Smallest number, earliest date or time."),
        key("max", Shape::Any, "Largest number, latest date or time."),
        key("step", Shape::Number, "Distance between allowed numbers."),
        key(
            "rows",
            Shape::Integer { min: 1, max: 100 },
            "Height of a text box in lines.",
        ),
        key(
            "accept",
            Shape::Text,
            "Accepted kinds of files, as in HTML.",
        ),
        key("help", Shape::Text, "A sentence under the input."),
        key(
            "placeholder",
            Shape::Text,
            "What stands in the empty input.",
        ),
        key(
            "list_position",
            Shape::Integer { min: 0, max: 1_000 },
            "Place among the columns of the list.",
        ),
        key("list_class", Shape::Text, "A CSS class of the list cell."),
        key(
            "access",
            Shape::Mapping(&FIELD_ACCESS),
            "Which groups or roles see and change it.",
        ),
        key(
            "relation",
            Shape::Mapping(&RELATION),
            "Records of another module that it points to; instead of `lookup_table`.",
        ),
        key("index", Shape::Boolean, "Its column has an index."),
        key(
            "precision",
            Shape::Integer { min: 0, max: 10 },
            "Digits behind the decimal point, of a `decimal` or `range`.",
        ),
        key(
            "encrypted",
            Shape::Boolean,
            "It is encrypted in the database; it can be neither searched, sorted, filtered nor unique.",
        ),
        key(
            "visible_when",
            Shape::Expression,
            "A JavaScript expression over `item`: the field is shown while it is true.",
        ),
        key(
            "required_when",
            Shape::Expression,
            "A JavaScript expression over `item`: the field must be filled in while it is true.",
        ),
    ],
    required: &["name", "type"],
};

pub(crate) static FIELD_ACCESS: Table = Table {
    what: "the access of a field",
    title: "fields[].access",
    keys: &[
        key("read", Shape::Texts, "Groups or roles that see it."),
        key("write", Shape::Texts, "Groups or roles that may change it."),
    ],
    required: &[],
};

pub(crate) static CHOICE: Table = Table {
    what: "an option",
    title: "options[]",
    keys: &[
        key("value", Shape::Any, "What is stored."),
        key(
            "label",
            Shape::Text,
            "What is shown; the value when absent.",
        ),
        key("group", Shape::Text, "The heading it stands under."),
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
        ),
        key(
            "label",
            Shape::Text,
            "What it is called; from the name when absent.",
        ),
        key(
            "show_in_list",
            Shape::Boolean,
            "It is a column of the list.",
        ),
        key(
            "show_in_form",
            Shape::Boolean,
            "It is shown with the record.",
        ),
        key(
            "list_position",
            Shape::Integer { min: 0, max: 1_000 },
            "Place among the columns of the list.",
        ),
        key(
            "lambda",
            Shape::Lambda,
            "A function body that ends in `return`. It sees `item`, `db` and the host functions.",
        ),
    ],
    required: &["name", "lambda"],
};

pub(crate) static FEATURES: Table = Table {
    what: "the features",
    title: "features",
    keys: &[
        key(
            "soft_delete",
            Shape::Boolean,
            "Deleting sets `valid_id` to 2 (invalid) instead.",
        ),
        key("search", Shape::Boolean, "There is a search box."),
        key(
            "import_csv",
            Shape::Boolean,
            "Records can be brought in from CSV.",
        ),
        key("export_csv", Shape::Boolean, "Records can be exported."),
        key(
            "status_toggle",
            Shape::Boolean,
            "Records can be enabled and disabled from the list.",
        ),
        key(
            "color_picker",
            Shape::Boolean,
            "Colour fields have a picker.",
        ),
    ],
    required: &[],
};

pub(crate) static VALIDATION: Table = Table {
    what: "the validation",
    title: "validation",
    keys: &[
        key(
            "unique_fields",
            Shape::FieldNames,
            "Fields of which no two records may have the same value.",
        ),
        key(
            "required_fields",
            Shape::FieldNames,
            "Fields that must be filled in.",
        ),
    ],
    required: &[],
};

pub(crate) static UI: Table = Table {
    what: "the user interface",
    title: "ui",
    keys: &[
        key(
            "list_columns",
            Shape::FieldNames,
            "Columns of the list in order, computed fields too.",
        ),
        key(
            "form_sections",
            Shape::List(&FORM_SECTION),
            "Parts of the form.",
        ),
        key(
            "actions",
            Shape::SomeOf(&["view", "edit", "status_toggle", "delete"]),
            "What can be done from a line of the list; everything that is allowed when absent.",
        ),
    ],
    required: &[],
};

pub(crate) static FORM_SECTION: Table = Table {
    what: "a form section",
    title: "ui.form_sections[]",
    keys: &[
        key("title", Shape::Text, "Its heading."),
        key("name", Shape::Text, "The same as `title`."),
        key("label", Shape::Text, "The same as `title`."),
        key("description", Shape::Text, "A sentence under the heading."),
        key(
            "fields",
            Shape::FieldNames,
            "Names of the fields in it, computed fields too.",
        ),
    ],
    required: &["fields"],
};

pub(crate) static FILTER: Table = Table {
    what: "a filter",
    title: "filters[]",
    keys: &[
        key("field", Shape::FieldName, "The field it filters by."),
        key(
            "type",
            Shape::OneOf(FILTER_KINDS),
            "How it is entered; `select` when absent.",
        ),
        key(
            "label",
            Shape::Text,
            "What it is called; the field's label when absent.",
        ),
        key(
            "source",
            Shape::OneOf(FILTER_SOURCES),
            "Where its values come from; follows from the other keys when absent.",
        ),
        key("options", Shape::Choices, "Values to choose from."),
        key(
            "lookup_table",
            Shape::Identifier,
            "The table to choose from.",
        ),
        key(
            "lookup_key",
            Shape::Identifier,
            "The column that is compared; `id` when absent.",
        ),
        key(
            "lookup_display",
            Shape::Identifier,
            "The column that is shown; `name` when absent.",
        ),
        key(
            "query",
            Shape::Sql,
            "One SELECT that gives value and label. It runs with the lambda role.",
        ),
    ],
    required: &["field"],
};

pub(crate) static LAMBDA_CONFIG: Table = Table {
    what: "the lambda configuration",
    title: "lambda_config",
    keys: &[
        key(
            "timeout_ms",
            Shape::Integer {
                min: 1,
                max: 60_000,
            },
            "Milliseconds of one run, host calls included; 5000 when absent.",
        ),
        key(
            "memory_limit_mb",
            Shape::Integer { min: 1, max: 512 },
            "Memory in MiB; 32 when absent.",
        ),
    ],
    required: &[],
};

pub(crate) static LIMITS: Table = Table {
    what: "the limits",
    title: "limits",
    keys: &[
        key(
            "timeout_ms",
            Shape::Integer {
                min: 1,
                max: 60_000,
            },
            "Milliseconds of one run, host calls included.",
        ),
        key(
            "memory_limit_mb",
            Shape::Integer { min: 1, max: 512 },
            "Memory in MiB.",
        ),
        key(
            "max_queries",
            Shape::Integer {
                min: 0,
                max: 10_000,
            },
            "Database queries of one run.",
        ),
        key(
            "max_rows",
            Shape::Integer {
                min: 0,
                max: 1_000_000,
            },
            "Rows over all queries of one run.",
        ),
    ],
    required: &[],
};

pub(crate) static ACCESS: Table = Table {
    what: "the access",
    title: "access",
    keys: &[
        key("view", Shape::Texts, "Groups or roles that see records."),
        key("create", Shape::Texts, "Groups or roles that add records."),
        key(
            "update",
            Shape::Texts,
            "Groups or roles that change records.",
        ),
        key(
            "delete",
            Shape::Texts,
            "Groups or roles that delete records.",
        ),
    ],
    required: &[],
};

pub(crate) static HOOKS: Table = Table {
    what: "the hooks",
    title: "hooks",
    keys: &[
        key(
            "before_validate",
            Shape::Lambda,
            "Runs before the values are checked.",
        ),
        key(
            "before_save",
            Shape::Lambda,
            "Runs after the check, before the row is written.",
        ),
        key(
            "after_save",
            Shape::Lambda,
            "Runs after the row is written.",
        ),
        key(
            "before_delete",
            Shape::Lambda,
            "Runs before a record is deleted or disabled.",
        ),
        key("after_delete", Shape::Lambda, "Runs after it."),
    ],
    required: &[],
};

pub(crate) static TEST: Table = Table {
    what: "a test",
    title: "tests[]",
    keys: &[
        key("name", Shape::Text, "What it is about."),
        key("item", Shape::Any, "The record, a mapping."),
        key("user", Shape::Any, "Who does it, a mapping."),
        key(
            "rows",
            Shape::Fixtures,
            "What queries answer: a list of rows for any query, or lists of rows by a text that the query contains.",
        ),
        key("field", Shape::FieldName, "The computed field to run."),
        key("hook", Shape::OneOf(HOOK_NAMES), "The hook to run."),
        key("lambda", Shape::Lambda, "Code to run."),
        key(
            "expect",
            Shape::Any,
            "The result; of a hook, the values of `item` afterwards.",
        ),
        key(
            "expect_error",
            Shape::Text,
            "A text that the error contains.",
        ),
    ],
    required: &["name"],
};

/// Every mapping of the format, in the order of the reference.
pub(crate) static ALL: &[&Table] = &[
    &DOCUMENT,
    &MODULE,
    &MENU,
    &PARENT,
    &FIELD,
    &CHOICE,
    &FIELD_ACCESS,
    &RELATION,
    &COMPUTED_FIELD,
    &FEATURES,
    &VALIDATION,
    &UI,
    &FORM_SECTION,
    &FILTER,
    &ACCESS,
    &HOOKS,
    &EVENT,
    &SCHEDULE,
    &ACTION,
    &VIEW,
    &TEST,
    &LIMITS,
    &LAMBDA_CONFIG,
];
