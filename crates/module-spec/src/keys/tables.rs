//! The tables of the module as a whole, and the list of all.

use super::automation::{ACTION, EVENT, PARENT, RELATION, SCHEDULE, VIEW};
use super::field::{CHOICE, COMPUTED_FIELD, FIELD, FIELD_ACCESS};
use super::{Key, Shape, Table, Word};

pub(super) const fn key(
    name: &'static str,
    shape: Shape,
    doc: &'static str,
    example: &'static str,
) -> Key {
    Key {
        name,
        shape,
        doc,
        example,
    }
}

const OPERATIONS: &[Word] = &[
    ("view", "See records."),
    ("create", "Add records."),
    ("update", "Change records."),
    ("delete", "Delete or disable records."),
];
const SORT_ORDERS: &[Word] = &[("asc", "Smallest first."), ("desc", "Largest first.")];
const PORTALS: &[Word] = &[
    ("admin", "Administration."),
    ("agent", "Agents."),
    ("customer", "Customers."),
];
const HOOK_NAMES: &[Word] = &[
    ("before_validate", "Before the values are checked."),
    ("before_save", "After the check, before the row is written."),
    ("after_save", "After the row is written."),
    ("before_delete", "Before a record is deleted or disabled."),
    ("after_delete", "After it."),
];
const ROW_ACTIONS: &[Word] = &[
    ("view", "Open the record."),
    ("edit", "Open its form."),
    ("status_toggle", "Enable or disable it."),
    ("delete", "Delete it."),
];
const FILTER_KINDS: &[Word] = &[
    ("select", "One of several values."),
    ("text", "A part of the text."),
    ("multi_select", "Any of several values."),
    ("date_range", "From a day to a day."),
];
const FILTER_SOURCES: &[Word] = &[
    ("field", "The values of the field, if it has any."),
    ("options", "The list in `options`."),
    ("static", "The same as `options`."),
    ("lookup", "The table in `lookup_table`."),
    ("database", "`query`, otherwise `lookup_table`."),
    ("query", "The SELECT in `query`."),
];

pub(crate) static DOCUMENT: Table = Table {
    what: "a module file",
    title: "The file",
    keys: &[
        key(
            "api_version",
            Shape::OneOf(&[("gotrs.io/v1", "Version 1.")]),
            "Version of the format. Files without it are read as version 1.",
            "api_version: gotrs.io/v1",
        ),
        key(
            "module",
            Shape::Mapping(&MODULE),
            "What the module is and where its records live.",
            "module: {name: laptop, storage: managed}",
        ),
        key(
            "fields",
            Shape::List(&FIELD),
            "The fields of a record, in the order in which they are shown.",
            "fields: [{name: serial, type: string}]",
        ),
        key(
            "computed_fields",
            Shape::List(&COMPUTED_FIELD),
            "Columns that a lambda computes.",
            "computed_fields: [{name: age, lambda: return item.bought_on;}]",
        ),
        key(
            "features",
            Shape::Mapping(&FEATURES),
            "What the screen offers.",
            "features: {search: true, export_csv: true}",
        ),
        key(
            "permissions",
            Shape::SomeOf(OPERATIONS),
            "What the module allows at all; everything when absent.",
            "permissions: [view, update]",
        ),
        key(
            "validation",
            Shape::Mapping(&VALIDATION),
            "Rules over fields by name.",
            "validation: {required_fields: [name]}",
        ),
        key(
            "ui",
            Shape::Mapping(&UI),
            "The order of columns and the parts of the form.",
            "ui: {list_columns: [name, owner]}",
        ),
        key(
            "filters",
            Shape::List(&FILTER),
            "Filters above the list.",
            "filters: [{field: owner, type: text}]",
        ),
        key(
            "access",
            Shape::Mapping(&ACCESS),
            "Which groups or roles may do what; without it whoever may open the portal.",
            "access: {view: [users], delete: [admin]}",
        ),
        key(
            "hooks",
            Shape::Mapping(&HOOKS),
            "Code that runs when a record is saved or deleted. It may change `item` and call `fail(field, text)`.",
            "hooks: {before_save: item.name = item.name.trim();}",
        ),
        key(
            "events",
            Shape::List(&EVENT),
            "Code that runs after something has happened in the helpdesk; queued, retried and logged.",
            "events: [{on: ticket.created, lambda: log.info(item.tn);}]",
        ),
        key(
            "schedules",
            Shape::List(&SCHEDULE),
            "Code that runs at certain times.",
            "schedules: [{cron: '0 7 * * *', lambda: log.info('morning');}]",
        ),
        key(
            "actions",
            Shape::List(&ACTION),
            "Buttons that run code.",
            "actions: [{name: retire, lambda: log.info('retired');}]",
        ),
        key(
            "views",
            Shape::List(&VIEW),
            "Other ways to look at the records.",
            "views: [{name: by_owner, kind: chart, columns: [owner]}]",
        ),
        key(
            "tests",
            Shape::List(&TEST),
            "Tests of the lambdas; they run at every upload and with `gotrs module test`.",
            "tests: [{name: it counts, field: tickets, expect: 1}]",
        ),
        key(
            "limits",
            Shape::Mapping(&LIMITS),
            "Limits of the lambdas. The tenant's plan sets the ceiling.",
            "limits: {timeout_ms: 1000}",
        ),
        key(
            "lambda_config",
            Shape::Mapping(&LAMBDA_CONFIG),
            "Limits of the lambdas, as GOTRS writes them.",
            "lambda_config: {timeout_ms: 5000}",
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
            "name: laptop",
        ),
        key(
            "singular",
            Shape::Text,
            "One record, as in \"New laptop\". From `name` when absent.",
            "singular: \"@assets.laptop|Laptop\"",
        ),
        key(
            "plural",
            Shape::Text,
            "Several records; title of the list and menu entry. From `singular` when absent.",
            "plural: Laptops",
        ),
        key(
            "table",
            Shape::Identifier,
            "The table of the helpdesk that holds the records. Not with `storage: managed`.",
            "table: queue",
        ),
        key(
            "storage",
            Shape::OneOf(&[("managed", "The module owns its table `x_<name>`.")]),
            "`managed`: the module owns its table `x_<name>`, which is made and migrated from `fields`.",
            "storage: managed",
        ),
        key(
            "description",
            Shape::Text,
            "A sentence under the title.",
            "description: What we lend to people.",
        ),
        key(
            "route_prefix",
            Shape::Text,
            "A second path for the pages, such as `/admin/customer/companies`.",
            "route_prefix: /admin/assets/laptops",
        ),
        key(
            "read_only",
            Shape::Boolean,
            "Nothing can be changed through this module.",
            "read_only: true",
        ),
        key(
            "icon",
            Shape::Text,
            "Name of an icon (Lucide).",
            "icon: laptop",
        ),
        key(
            "default_sort",
            Shape::FieldName,
            "The field that the list is sorted by at first.",
            "default_sort: name",
        ),
        key(
            "default_sort_dir",
            Shape::OneOf(SORT_ORDERS),
            "Which way; `asc` when absent.",
            "{default_sort: name, default_sort_dir: desc}",
        ),
        key(
            "page_size",
            Shape::Integer { min: 1, max: 500 },
            "Lines per page; 25 when absent.",
            "page_size: 50",
        ),
        key(
            "menu",
            Shape::Mapping(&MENU),
            "Where the module stands in the menu.",
            "menu: {group: Assets, order: 20}",
        ),
        key(
            "portals",
            Shape::SomeOf(PORTALS),
            "Whose pages show it; `[admin]` when absent.",
            "portals: [admin, agent]",
        ),
        key(
            "parent",
            Shape::Mapping(&PARENT),
            "The module on whose pages the records of this one are listed.",
            "parent: {module: customer_company, field: owner}",
        ),
    ],
    required: &["name"],
};

pub(crate) static MENU: Table = Table {
    what: "a menu entry",
    title: "module.menu",
    keys: &[
        key(
            "group",
            Shape::Text,
            "The heading it stands under.",
            "group: \"@menu.assets|Assets\"",
        ),
        key(
            "order",
            Shape::Integer {
                min: -100_000,
                max: 100_000,
            },
            "Smaller is higher; 100 when absent.",
            "order: 20",
        ),
        key(
            "icon",
            Shape::Text,
            "Name of an icon (Lucide).",
            "icon: laptop",
        ),
    ],
    required: &[],
};

pub(crate) static FEATURES: Table = Table {
    what: "the features",
    title: "features",
    keys: &[
        key(
            "soft_delete",
            Shape::Boolean,
            "Deleting sets `valid_id` to 2 (invalid) instead.",
            "soft_delete: true",
        ),
        key(
            "search",
            Shape::Boolean,
            "There is a search box.",
            "search: false",
        ),
        key(
            "import_csv",
            Shape::Boolean,
            "Records can be brought in from CSV.",
            "import_csv: true",
        ),
        key(
            "export_csv",
            Shape::Boolean,
            "Records can be exported.",
            "export_csv: true",
        ),
        key(
            "status_toggle",
            Shape::Boolean,
            "Records can be enabled and disabled from the list.",
            "status_toggle: true",
        ),
        key(
            "color_picker",
            Shape::Boolean,
            "Colour fields have a picker.",
            "color_picker: false",
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
            "unique_fields: [name]",
        ),
        key(
            "required_fields",
            Shape::FieldNames,
            "Fields that must be filled in.",
            "required_fields: [name, owner]",
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
            "list_columns: [name, tickets, owner]",
        ),
        key(
            "form_sections",
            Shape::List(&FORM_SECTION),
            "Parts of the form.",
            "form_sections: [{title: Main, fields: [name]}]",
        ),
        key(
            "actions",
            Shape::SomeOf(ROW_ACTIONS),
            "What can be done from a line of the list; everything that is allowed when absent.",
            "actions: [view, edit]",
        ),
    ],
    required: &[],
};

pub(crate) static FORM_SECTION: Table = Table {
    what: "a form section",
    title: "ui.form_sections[]",
    keys: &[
        key("title", Shape::Text, "Its heading.", "title: Main"),
        key("name", Shape::Text, "The same as `title`.", "name: Main"),
        key("label", Shape::Text, "The same as `title`.", "label: Main"),
        key(
            "description",
            Shape::Text,
            "A sentence under the heading.",
            "description: What everybody must know.",
        ),
        key(
            "fields",
            Shape::FieldNames,
            "Names of the fields in it, computed fields too.",
            "fields: [name, owner]",
        ),
    ],
    required: &["fields"],
};

pub(crate) static FILTER: Table = Table {
    what: "a filter",
    title: "filters[]",
    keys: &[
        key(
            "field",
            Shape::FieldName,
            "The field it filters by.",
            "field: name",
        ),
        key(
            "type",
            Shape::OneOf(FILTER_KINDS),
            "How it is entered; `select` when absent.",
            "type: multi_select",
        ),
        key(
            "label",
            Shape::Text,
            "What it is called; the field's label when absent.",
            "label: Who has it",
        ),
        key(
            "source",
            Shape::OneOf(FILTER_SOURCES),
            "Where its values come from; follows from the other keys when absent.",
            "{source: lookup, lookup_table: users}",
        ),
        key(
            "options",
            Shape::Choices,
            "Values to choose from.",
            "options: [root, {value: ann, label: Ann}]",
        ),
        key(
            "lookup_table",
            Shape::Identifier,
            "The table to choose from.",
            "lookup_table: users",
        ),
        key(
            "lookup_key",
            Shape::Identifier,
            "The column that is compared; `id` when absent.",
            "{lookup_table: users, lookup_key: login}",
        ),
        key(
            "lookup_display",
            Shape::Identifier,
            "The column that is shown; `name` when absent.",
            "{lookup_table: users, lookup_display: login}",
        ),
        key(
            "query",
            Shape::Sql,
            "One SELECT that gives value and label. It runs with the lambda role.",
            "{query: \"SELECT id, login FROM users ORDER BY login\"}",
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
            "timeout_ms: 5000",
        ),
        key(
            "memory_limit_mb",
            Shape::Integer { min: 1, max: 512 },
            "Memory in MiB; 32 when absent.",
            "memory_limit_mb: 32",
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
            "timeout_ms: 1000",
        ),
        key(
            "memory_limit_mb",
            Shape::Integer { min: 1, max: 512 },
            "Memory in MiB.",
            "memory_limit_mb: 16",
        ),
        key(
            "max_queries",
            Shape::Integer {
                min: 0,
                max: 10_000,
            },
            "Database queries of one run.",
            "max_queries: 10",
        ),
        key(
            "max_rows",
            Shape::Integer {
                min: 0,
                max: 1_000_000,
            },
            "Rows over all queries of one run.",
            "max_rows: 1000",
        ),
    ],
    required: &[],
};

pub(crate) static ACCESS: Table = Table {
    what: "the access",
    title: "access",
    keys: &[
        key(
            "view",
            Shape::Texts,
            "Groups or roles that see records.",
            "view: [users]",
        ),
        key(
            "create",
            Shape::Texts,
            "Groups or roles that add records.",
            "create: [admin]",
        ),
        key(
            "update",
            Shape::Texts,
            "Groups or roles that change records.",
            "update: [admin, stats]",
        ),
        key(
            "delete",
            Shape::Texts,
            "Groups or roles that delete records.",
            "delete: [admin]",
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
            "before_validate: item.name = (item.name || '').trim();",
        ),
        key(
            "before_save",
            Shape::Lambda,
            "Runs after the check, before the row is written.",
            "before_save: if (item.name === 'root') fail('name', 'This name is taken.');",
        ),
        key(
            "after_save",
            Shape::Lambda,
            "Runs after the row is written.",
            "after_save: log.info('saved ' + item.id);",
        ),
        key(
            "before_delete",
            Shape::Lambda,
            "Runs before a record is deleted or disabled.",
            "before_delete: if (item.name === 'root') fail('name', 'It stays.');",
        ),
        key(
            "after_delete",
            Shape::Lambda,
            "Runs after it.",
            "after_delete: log.info('gone');",
        ),
    ],
    required: &[],
};

/// What `expect_effects` can name, as `ExpectedCall::NAMES` has it (a test compares).
pub(crate) const CALLS: &[Word] = &[
    ("records.create", "The module and the values."),
    ("records.update", "The module, the id and the values."),
    ("tickets.update", "The id and the changes."),
    (
        "tickets.addNote",
        "The id, and the text or `subject`, `text`, `visible_to_customer`.",
    ),
    ("notify", "`to`, `subject`, `text`, `ticket`."),
    (
        "queue",
        "The event's name, its payload and `delay_seconds`.",
    ),
];

pub(crate) static TEST: Table = Table {
    what: "a test",
    title: "tests[]",
    keys: &[
        key(
            "name",
            Shape::Text,
            "What it is about.",
            "name: a queue without tickets",
        ),
        key(
            "field",
            Shape::FieldName,
            "Runs this computed field. A test has exactly one of the keys down to `lambda`.",
            "field: tickets",
        ),
        key(
            "hook",
            Shape::OneOf(HOOK_NAMES),
            "Runs this hook.",
            "{hook: before_save, expect: {name: abc}}",
        ),
        key(
            "event",
            Shape::Event,
            "Runs everything in `events` that waits for this and whose `when` holds. The keys of the mapping are what the lambdas see in `event`.",
            "{event: {name: ticket.created, by: ann}, expect_effects: []}",
        ),
        key(
            "action",
            Shape::ActionName,
            "Runs this action.",
            "action: close",
        ),
        key(
            "schedule",
            Shape::Cron,
            "Runs the schedule with this `cron`; where two have the same, write the place, such as `schedules[1]`.",
            "schedule: 0 7 * * *",
        ),
        key(
            "visible_when",
            Shape::FieldName,
            "Decides the `visible_when` of this field.",
            "{visible_when: owner, expect: true}",
        ),
        key(
            "required_when",
            Shape::FieldName,
            "Decides the `required_when` of this field.",
            "{required_when: owner, expect: false}",
        ),
        key(
            "lambda",
            Shape::Lambda,
            "Runs this code, which can only read.",
            "lambda: return item.id + 1;",
        ),
        key(
            "item",
            Shape::Any,
            "The record, a mapping.",
            "item: {id: 1, name: Misc}",
        ),
        key(
            "items",
            Shape::Rows,
            "The records of an action on several.",
            "{action: close, items: [{id: 1}, {id: 2}]}",
        ),
        key(
            "input",
            Shape::Any,
            "What was filled in for an action, a mapping.",
            "{action: close, input: {reason: lost}}",
        ),
        key(
            "user",
            Shape::Any,
            "Who does it, a mapping.",
            "user: {login: ann}",
        ),
        key(
            "rows",
            Shape::Fixtures,
            "What queries answer: a list of rows for any query, or lists of rows by a text that the query contains.",
            "rows: {\"FROM ticket\": [{n: 0}]}",
        ),
        key(
            "records",
            Shape::RowsByModule,
            "What `records(module)` finds, for events, actions and schedules.",
            "{action: close, records: {laptop: [{id: 1, serial: A-1}]}}",
        ),
        key(
            "tickets",
            Shape::Rows,
            "What `tickets` finds, each with its `id`, for events, actions and schedules.",
            "{action: close, tickets: [{id: 12, state: open}]}",
        ),
        key(
            "expect",
            Shape::Any,
            "The result; of a hook, the values of `item` afterwards; of an event, what the last lambda returned, null when none ran.",
            "expect: <b>0</b>",
        ),
        key(
            "expect_error",
            Shape::Text,
            "A text that the error contains, or a message of `fail`.",
            "{hook: before_save, expect_error: This name is taken}",
        ),
        key(
            "expect_failures",
            Shape::TextMap,
            "What `fail` of a hook said: for each field a text that the message contains. Other fields must not fail.",
            "{hook: before_save, expect_failures: {name: is taken}}",
        ),
        key(
            "expect_effects",
            Shape::Calls,
            "What an event, an action or a schedule did, in this order and nothing else, each call with its first arguments. Objects need only have what is written here.",
            "{action: close, expect_effects: [tickets.update: [12, {state: open}], notify: {to: ann}]}",
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
