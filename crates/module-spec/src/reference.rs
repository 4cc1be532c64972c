//! The reference of the format for people, made from the key tables.

use std::fmt::Write as _;

use crate::keys::{self, Shape, Table};

const HEAD: &str = "\
# The module format

One YAML file is one module: a screen (list, form, detail), a JSON API and the logic behind them. This page is generated from
the tables that the reader uses (`cargo test -p module-spec` rewrites it); the JSON Schema for editors is served at `/schema/module.json`. What can be
found wrong is in [diagnostics.md](diagnostics.md).

The shortest useful file:

";

const SHORTEST: &str = "\
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
  - {name: serial, type: string, required: true, unique: true}
  - {name: bought_on, type: date}
computed_fields:
  - name: age
    lambda: |
      return item.bought_on ? 'since ' + item.bought_on : '-';
";

const RULES: &str = "\
## Rules for the whole file

- At most 1 MiB, 64 levels of nesting and 100 000 values. An unknown key is a warning, a wrong value is an error; all findings come at once.
- A text that starts with `@` is a translation key, `@key|Fallback`. Without fallback the last segment of the key is shown in title case.
- A boolean key of a field that no field mentions means yes for all of them; if some mention it, the others mean no, as in GOTRS.
  With `storage: managed` it means yes where it is absent.
- `id`, `create_time`, `create_by`, `change_time` and `change_by` are filled by the server. `valid_id` is 1 (valid), 2 (invalid) or 3
  (invalid-temporarily).
- With `storage: managed` the module owns the table `x_<name>`: it is created from the fields, and a new field adds a column.
  Fields become `text`, `bigint` (whole numbers, lookups by `id`), `numeric`, `boolean`, `date`, `timestamp`, `time` or `jsonb` (files, `multiple`).
";

/// One example for each mapping; a test reads them all. Indented as they stand in a file.
const EXAMPLES: &[(&str, &str)] = &[
    (
        "module",
        "module:\n  name: queue\n  singular: \"@admin.queue|Queue\"\n  plural: Queues\n  table: queue\n  route_prefix: /admin/queues\n  default_sort: name\n  page_size: 50\n",
    ),
    (
        "module.menu",
        "module:\n  name: laptop\n  storage: managed\n  menu: {group: Assets, order: 20, icon: laptop}\n  portals: [admin, agent]\n",
    ),
    (
        "fields[]",
        "fields:\n  - name: email\n    type: email\n    label: E-mail address\n    required: true\n    unique: true\n    max_length: 200\n    help: Where we write to.\n  - name: owner_id\n    type: select\n    lookup_table: users\n    lookup_display: login\n    lookup_condition: valid_id = 1\n",
    ),
    (
        "options[]",
        "fields:\n  - name: size\n    type: select\n    default: m\n    options:\n      - {value: s, label: Small, group: Usual}\n      - {value: m, label: Medium, group: Usual}\n      - xl\n",
    ),
    (
        "fields[].access",
        "fields:\n  - name: price\n    type: decimal\n    access: {read: [admin, finance], write: [finance]}\n",
    ),
    (
        "computed_fields[]",
        "computed_fields:\n  - name: tickets\n    label: Open tickets\n    lambda: |\n      const row = db.queryRow('SELECT count(*) AS n FROM ticket WHERE queue_id = $1', item.id);\n      return '<b>' + row.n + '</b>';\n",
    ),
    (
        "features",
        "features: {search: true, soft_delete: true, status_toggle: true, export_csv: true}\n",
    ),
    (
        "validation",
        "validation:\n  unique_fields: [name]\n  required_fields: [name]\n",
    ),
    (
        "ui",
        "ui:\n  list_columns: [name, owner]\n  actions: [view, edit]\n",
    ),
    (
        "ui.form_sections[]",
        "ui:\n  form_sections:\n    - title: Main\n      description: What everybody must know.\n      fields: [name, owner]\n",
    ),
    (
        "filters[]",
        "filters:\n  - {field: name, type: text}\n  - field: owner\n    type: multi_select\n    label: Owner\n    query: SELECT id, login FROM users ORDER BY login\n",
    ),
    (
        "access",
        "access: {view: [users], create: [admin], update: [admin], delete: [admin]}\n",
    ),
    (
        "hooks",
        "hooks:\n  before_validate: item.name = item.name.trim();\n  before_save: |\n    if (item.name === 'root') fail('name', 'This name is taken.');\n",
    ),
    (
        "module.parent",
        "module:\n  name: laptop\n  storage: managed\n  parent: {module: customer_company, field: name}\n",
    ),
    (
        "fields[].relation",
        "fields:\n  - name: owners\n    type: select\n    relation: {module: users, many: true, on_delete: set_null}\n",
    ),
    (
        "events[]",
        "events:\n  - on: [ticket.created, ticket.state_changed]\n    when: item.priority_id > 3\n    lambda: log.info('urgent ' + item.tn);\n",
    ),
    (
        "schedules[]",
        "schedules:\n  - cron: 0 7 * * mon-fri\n    time_zone: Europe/Berlin\n    lambda: log.info('good morning');\n",
    ),
    (
        "actions[]",
        "actions:\n  - name: retire\n    label: Retire\n    icon: archive\n    confirm: Retire it for good?\n    scope: row\n    access: [admin]\n    lambda: log.info('retired ' + item.name);\n",
    ),
    (
        "views[]",
        "views:\n  - {name: by_owner, kind: chart, columns: [owner, name], sort: name desc, filters: {owner: [root, admin]}}\n",
    ),
    (
        "tests[]",
        "tests:\n  - name: a queue without tickets\n    field: tickets\n    item: {id: 1}\n    rows: [{n: 0}]\n    expect: <b>0</b>\n  - name: it is closed and said so\n    action: close\n    item: {id: 1}\n    tickets: [{id: 7, state: open}]\n    expect_effects:\n      - tickets.update: [7, {state: closed successful}]\n      - notify: {to: [ann]}\n",
    ),
    (
        "limits",
        "limits: {timeout_ms: 1000, memory_limit_mb: 16, max_queries: 10, max_rows: 1000}\n",
    ),
    (
        "lambda_config",
        "lambda_config: {timeout_ms: 5000, memory_limit_mb: 32}\n",
    ),
];

/// The reference as Markdown, as it is kept in `docs/modules/reference.md`.
pub fn reference() -> String {
    let mut page = format!("{HEAD}```yaml\n{SHORTEST}```\n\n{RULES}");
    for table in keys::ALL {
        // Writing to a String cannot fail.
        let _ = section(&mut page, table);
    }
    page
}

fn section(page: &mut String, table: &Table) -> std::fmt::Result {
    let title = if table.title.chars().next().is_some_and(char::is_lowercase) {
        format!("`{}`", table.title)
    } else {
        table.title.to_owned()
    };
    writeln!(
        page,
        "\n## {title}\n\n| Key | Value | Meaning | Example |\n| --- | --- | --- | --- |"
    )?;
    for key in table.keys {
        let must = if table.required.contains(&key.name) {
            " (required)"
        } else {
            ""
        };
        writeln!(
            page,
            "| <a id=\"{}\"></a>`{}`{must} | {} | {} | `{}` |",
            table.anchor(key.name),
            key.name,
            shape_text(key.shape),
            key.doc.replace('|', "\\|"),
            key.example.replace('|', "\\|"),
        )?;
    }
    let not_yet = |key: &keys::Key| Some((key.name, table.not_supported_yet(key.name)?));
    let not_yet: Vec<(&str, &str)> = table.keys.iter().filter_map(not_yet).collect();
    if !not_yet.is_empty() {
        writeln!(
            page,
            "\nRead and checked, but without effect yet, with a warning:\n"
        )?;
        for (name, instead) in not_yet {
            writeln!(page, "- `{name}`: {instead}.")?;
        }
    }
    for key in table.keys.iter().filter(|key| key.shape.words().len() > 2) {
        writeln!(page, "\nThe words of `{}`:\n", key.name)?;
        for (word, about) in key.shape.words() {
            writeln!(page, "- `{word}`: {}", about.trim())?;
        }
    }
    if let Some((_, example)) = EXAMPLES.iter().find(|(title, _)| *title == table.title) {
        write!(page, "\n```yaml\n{example}```\n")?;
    }
    Ok(())
}

/// What may stand behind a key.
pub(crate) fn shape_text(shape: Shape) -> String {
    let words = || {
        let words = shape.words().iter();
        words
            .map(|(word, _)| format!("`{word}`"))
            .collect::<Vec<_>>()
            .join(", ")
    };
    match shape {
        Shape::Text => "text".to_owned(),
        Shape::Identifier => "identifier".to_owned(),
        Shape::FieldName => "name of a field".to_owned(),
        Shape::FieldNames => "list of names of fields".to_owned(),
        Shape::Boolean => "`true`, `false`".to_owned(),
        Shape::Integer { min, max } => format!("whole number, {min} to {max}"),
        Shape::Number => "number".to_owned(),
        Shape::OneOf(_) => words(),
        Shape::Texts => "list of texts".to_owned(),
        Shape::SomeOf(_) => format!("list of {}", words()),
        Shape::Lambda => "JavaScript".to_owned(),
        Shape::Expression => "JavaScript expression".to_owned(),
        Shape::Cron => "cron expression".to_owned(),
        Shape::Events => format!("one or a list of {}", words()),
        Shape::Sql => "SQL".to_owned(),
        Shape::Pattern => "regular expression".to_owned(),
        Shape::Any => "any value".to_owned(),
        Shape::TextMap => "mapping from values to texts".to_owned(),
        Shape::Choices => "list of options or values".to_owned(),
        Shape::Fixtures => "list of rows".to_owned(),
        Shape::Rows => "list of mappings".to_owned(),
        Shape::RowsByModule => "lists of mappings by the name of a module".to_owned(),
        Shape::Event => format!("{}, or a mapping with such a `name`", words()),
        Shape::ActionName => "name of an action".to_owned(),
        Shape::Calls => format!("list of calls of {}", words()),
        Shape::Mapping(table) => format!("mapping, see {}", table.title),
        Shape::List(table) => format!("list of mappings, see {}", table.title),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use serde_json::Value;

    use super::*;

    /// What the examples leave out, unless they have it themselves.
    const REST: &[(&str, &str)] = &[
        ("module:", "module: {name: m, table: queue}\n"),
        (
            "fields:",
            "fields: [{name: name, type: string}, {name: owner, type: string}]\n",
        ),
    ];

    #[test]
    fn every_mapping_has_an_example_that_loads_without_a_finding() {
        for table in keys::ALL.iter().skip(1) {
            let example = EXAMPLES.iter().find(|(title, _)| *title == table.title);
            let (_, example) = example.unwrap_or_else(|| panic!("{} has no example", table.title));
            let mut source = (*example).to_owned();
            for (_, text) in REST.iter().filter(|(key, _)| !example.starts_with(key)) {
                source.push_str(text);
            }
            if table.title == "tests[]" {
                source.push_str("computed_fields: [{name: tickets, lambda: return 1}]\n");
                source.push_str("actions: [{name: close, lambda: return 1}]\n");
            }
            if table.title == "module" {
                source.push_str("computed_fields: []\n");
            }
            let (spec, findings) = crate::parse(&source);
            assert!(
                spec.is_some()
                    && findings
                        .iter()
                        .all(|finding| finding.code == "not-supported-yet"),
                "{}: {findings:#?}",
                table.title
            );
        }
        assert!(crate::parse(SHORTEST).1.is_empty());
    }

    /// Where a mapping stands in a file (at `@`), and keys without which it is nothing.
    const AROUND: &[(&str, &str, &[&str])] = &[
        ("The file", "@", &[]),
        ("module", "module:\n  @", &["name: m", "table: queue"]),
        (
            "module.menu",
            "module:\n  name: m\n  table: queue\n  menu:\n    @",
            &[],
        ),
        (
            "module.parent",
            "module:\n  name: m\n  table: queue\n  parent:\n    @",
            &["module: queue", "field: name"],
        ),
        ("fields[]", "fields:\n- @", &["name: x", "type: string"]),
        (
            "fields[].access",
            "fields:\n- name: x\n  type: string\n  access:\n    @",
            &[],
        ),
        (
            "fields[].relation",
            "fields:\n- name: x\n  type: select\n  relation:\n    @",
            &["module: users"],
        ),
        (
            "options[]",
            "fields:\n- name: x\n  type: select\n  options:\n  - @",
            &["value: m"],
        ),
        (
            "computed_fields[]",
            "computed_fields:\n- @",
            &["name: x", "lambda: return 1;"],
        ),
        (
            "ui.form_sections[]",
            "ui:\n  form_sections:\n  - @",
            &["fields: [name]"],
        ),
        ("filters[]", "filters:\n- @", &["field: owner"]),
        (
            "events[]",
            "events:\n- @",
            &["on: ticket.created", "lambda: log.info(1);"],
        ),
        (
            "schedules[]",
            "schedules:\n- @",
            &["cron: 0 7 * * *", "lambda: log.info(1);"],
        ),
        (
            "actions[]",
            "actions:\n- @",
            &["name: x", "lambda: log.info(1);"],
        ),
        ("views[]", "views:\n- @", &["name: x"]),
        (
            "tests[]",
            "tests:\n- @",
            &["name: x", "field: tickets", "expect: 1"],
        ),
    ];

    /// What every example may refer to, unless it has the key itself.
    const OTHERS: &[(&str, &str)] = &[
        ("module:", "module: {name: m, table: queue}\n"),
        ("fields:", "fields:\n"),
        (
            "computed_fields:",
            "computed_fields: [{name: tickets, lambda: return 1;}]\n",
        ),
        ("hooks:", "hooks: {before_save: item.name = 1;}\n"),
        (
            "events:",
            "events: [{on: ticket.created, lambda: log.info(1);}]\n",
        ),
        (
            "schedules:",
            "schedules: [{cron: 0 7 * * *, lambda: log.info(1);}]\n",
        ),
        (
            "actions:",
            "actions: [{name: close, lambda: log.info(1);}]\n",
        ),
    ];
    const FIELDS: &str = "\
- {name: name, type: string}
- {name: owner, type: string, visible_when: item.name, required_when: item.name}
- {name: due, type: date}
";

    /// Keys of which a mapping may have only one.
    const ALTERNATIVES: &[&[&str]] = &[
        &["table", "storage"],
        &[
            "field",
            "hook",
            "event",
            "action",
            "schedule",
            "visible_when",
            "required_when",
            "lambda",
        ],
        &["expect", "expect_error", "expect_failures"],
    ];

    /// A file around the example of one key.
    fn file_around(table: &Table, key: &keys::Key) -> String {
        let braces = key
            .example
            .strip_prefix('{')
            .and_then(|rest| rest.strip_suffix('}'));
        let inner = braces.unwrap_or(key.example);
        let mapping = format!("{}:\n  @", table.title);
        let (around, others) = AROUND
            .iter()
            .find(|(title, ..)| *title == table.title)
            .map_or((mapping.as_str(), &[][..]), |(_, around, others)| {
                (*around, *others)
            });
        let written: Value = serde_yaml::from_str(key.example).unwrap();
        let says = |name: &str| written.get(name).is_some();
        let rest = others.iter().copied().filter(|other| {
            let name = other.split(':').next().unwrap();
            let group = ALTERNATIVES
                .iter()
                .find(|group| group.contains(&name) && table.title != "events[]");
            !says(name) && !group.is_some_and(|group| group.iter().any(|name| says(name)))
        });
        let rest: Vec<&str> = rest.collect();
        let lines = match braces {
            Some(_) => {
                let all: Vec<&str> = std::iter::once(inner).chain(rest).collect();
                format!("{{{}}}", all.join(", "))
            }
            None => {
                let column = around.lines().last().unwrap().find('@').unwrap();
                let all: Vec<&str> = std::iter::once(inner).chain(rest).collect();
                all.join(&format!("\n{}", " ".repeat(column)))
            }
        };
        let mut file = around.replace('@', &lines);
        file.push('\n');
        if file.starts_with("fields:\n") {
            file.push_str(FIELDS);
        }
        for (key, text) in OTHERS {
            if !file.lines().any(|line| line.starts_with(key)) {
                file.push_str(text);
                if *key == "fields:" {
                    file.push_str(FIELDS);
                }
            }
        }
        file
    }

    #[test]
    fn every_key_has_an_example_that_loads() {
        for table in keys::ALL {
            for key in table.keys {
                let file = file_around(table, key);
                assert!(file.contains(&format!("{}:", key.name)), "{file}");
                let (spec, findings) = crate::parse(&file);
                let good = findings
                    .iter()
                    .all(|finding| finding.code == "not-supported-yet");
                let report = crate::render_text("example.yaml", &file, &findings);
                assert!(
                    spec.is_some() && good,
                    "{} {}:\n{file}\n{report}",
                    table.title,
                    key.name
                );
            }
        }
    }

    #[test]
    fn the_page_in_docs_is_this_one() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/modules/reference.md");
        let kept = fs::read_to_string(&path).unwrap_or_default();
        if kept != reference() {
            fs::write(&path, reference()).unwrap();
            panic!("docs/modules/reference.md was out of date and is rewritten; commit it");
        }
    }

    #[test]
    fn words_of_the_tables_are_those_of_the_types() {
        let written = keys::FIELD_TYPES.iter().map(|(word, _)| *word);
        let known = crate::FieldType::SPELLINGS.iter().map(|(word, _)| *word);
        assert!(written.eq(known));
        let hooks: Vec<&str> = keys::HOOKS.keys.iter().map(|key| key.name).collect();
        assert_eq!(hooks, crate::Hook::ALL.map(crate::Hook::as_str));
        let calls = keys::CALLS.iter().map(|(call, _)| *call);
        assert!(calls.eq(crate::ExpectedCall::NAMES));
    }

    #[test]
    fn the_schema_names_every_key() {
        let schema = crate::json_schema();
        let text = schema.to_string();
        for key in keys::ALL.iter().flat_map(|table| table.keys) {
            assert!(text.contains(&format!("\"{}\":", key.name)), "{}", key.name);
        }
        for reference in text.split("\"#/$defs/").skip(1) {
            let name = reference.split('"').next().unwrap();
            let pointer = format!("/$defs/{name}");
            assert!(schema.pointer(&pointer).is_some(), "{name}");
        }
    }
}
