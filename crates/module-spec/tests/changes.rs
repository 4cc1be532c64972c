//! Every kind of change, one by one, there and back.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use std::collections::BTreeSet;

use domain::diagnostic::Diagnostic;
use module_spec::{ChangeKind, ModuleSpec, diff, parse, render_text};

const BASE: &str = r"
module:
  name: laptop
  singular: Laptop
  plural: Laptops
  description: What we lend
  storage: managed
  route_prefix: /admin/laptops
  read_only: false
  default_sort: serial
  default_sort_dir: asc
  page_size: 25
  menu: {group: Assets, order: 20, icon: laptop}
  portals: [admin, agent]
  parent: {module: users, field: price}
fields:
  - name: serial
    type: string
    db_column: serial_no
    label: Serial
    required: false
    unique: false
    searchable: true
    sortable: true
    filterable: false
    show_in_list: true
    show_in_form: true
    readonly: false
    virtual: false
    default: AB1
    widget: typeahead
    display_as: chip
    display_map: {AB1: first}
    validation: '^[A-Z]'
    pattern: '[A-Z0-9]+'
    max_length: 20
    rows: 3
    help: On the back
    placeholder: AB12
    list_class: font-mono
    access: {read: [users, stats], write: [admin]}
    index: false
    visible_when: item.size > 1
    required_when: item.size > 2
  - {name: size, type: select, options: [1, {value: 2, label: Two, group: Even}]}
  - {name: price, type: decimal, min: 1, max: 100, step: 0.5, precision: 2}
  - {name: bought, type: date, min: '2020-01-01'}
  - {name: queue_id, type: select, lookup_table: queue, lookup_key: id, lookup_display: name, lookup_condition: valid_id = 1}
  - {name: owner, type: select, relation: {module: users, many: false, on_delete: restrict}}
  - {name: papers, type: file, accept: application/pdf}
  - {name: pin, type: password}
  - {name: note, type: string, virtual: true}
computed_fields:
  - {name: age, label: Age, show_in_list: true, show_in_form: true, lambda: return 1;}
  - {name: gross, label: Gross, lambda: return item.price;}
features: {soft_delete: true, search: true, import_csv: false, export_csv: true, status_toggle: true, color_picker: true}
permissions: [view, create, update]
validation: {unique_fields: [], required_fields: []}
ui:
  list_columns: [serial, size, age]
  form_sections: [{title: Main, description: First, fields: [serial, size]}]
  actions: [view, edit]
filters:
  - {field: size, type: select, label: Size}
  - {field: bought, type: date_range}
access: {view: [users], create: [], update: [admin], delete: [admin]}
hooks:
  before_save: item.a = 1;
  after_save: log.info('saved');
events: [{on: [ticket.created, article.added], when: item.id > 1, lambda: log.info('a');}]
schedules: [{cron: 0 7 * * *, time_zone: UTC, lambda: log.info('b');}]
actions:
  - {name: retire, label: Retire, icon: archive, confirm: Sure?, scope: row, access: [admin], lambda: log.info('c');}
  - {name: lend, lambda: log.info('d');}
views:
  - {name: by_size, kind: board, columns: [size, serial], filters: {size: [1]}, sort: serial desc}
  - {name: days, kind: calendar, columns: [bought]}
tests: [{name: t, field: age, expect: 1}]
limits: {timeout_ms: 1000, memory_limit_mb: 16, max_queries: 10, max_rows: 100}
";

/// What stands in `BASE`, and what stands there instead.
const EDITS: &[(&str, &str)] = &[
    ("name: laptop\n", "name: notebook\n"),
    ("storage: managed", "table: x_laptop"),
    ("storage: managed", "table: queue"),
    ("singular: Laptop", "singular: '@a.laptop|Laptop'"),
    ("plural: Laptops", "plural: Notebooks"),
    ("description: What we lend", "description:"),
    (
        "route_prefix: /admin/laptops",
        "route_prefix: /admin/assets/laptops",
    ),
    ("route_prefix: /admin/laptops", "route_prefix:"),
    ("read_only: false", "read_only: true"),
    ("default_sort: serial", "default_sort: price"),
    ("default_sort_dir: asc", "default_sort_dir: desc"),
    ("page_size: 25", "page_size: 50"),
    ("group: Assets", "group: Things"),
    ("order: 20", "order: 30"),
    ("icon: laptop", "icon: monitor"),
    ("portals: [admin, agent]", "portals: [admin, customer]"),
    ("portals: [admin, agent]", "portals: [agent, admin]"),
    ("parent: {module: users, field: price}", "parent:"),
    ("parent: {module: users", "parent: {module: queue"),
    ("  - {name: pin, type: password}\n", ""),
    ("  - {name: note, type: string, virtual: true}\n", ""),
    (
        "  - {name: pin, type: password}\n",
        "  - {name: pin, type: password}\n  - {name: colour, type: color, required: true}\n",
    ),
    (
        "  - {name: pin, type: password}\n  - {name: note, type: string, virtual: true}\n",
        "  - {name: note, type: string, virtual: true}\n  - {name: pin, type: password}\n",
    ),
    (
        "name: pin, type: password",
        "name: code, db_column: pin, type: password",
    ),
    (
        "name: pin, type: password",
        "name: pin, db_column: code, type: password",
    ),
    ("name: pin, type: password", "name: pin, type: string"),
    (
        "name: note, type: string, virtual: true",
        "name: note, type: string",
    ),
    (
        "name: note, type: string, virtual: true",
        "name: note, db_column: memo, type: string, virtual: true",
    ),
    ("    type: string", "    type: textarea"),
    ("    type: string", "    type: email"),
    ("name: bought, type: date", "name: bought, type: datetime"),
    ("label: Serial", "label: Number"),
    ("required: false", "required: true"),
    ("unique: false", "unique: true"),
    ("searchable: true", "searchable: false"),
    ("sortable: true", "sortable: false"),
    ("filterable: false", "filterable: true"),
    ("show_in_list: true\n", "show_in_list: false\n"),
    ("show_in_form: true\n", "show_in_form: false\n"),
    ("readonly: false", "readonly: true"),
    ("default: AB1", "default: CD2"),
    ("options: [1, {value: 2", "options: [3, {value: 2"),
    ("options: [1, {value: 2", "options: [one, {value: 2"),
    ("label: Two, group: Even", "label: Zwei, group: Even"),
    ("group: Even}]", "group: Even}], multiple: true"),
    ("widget: typeahead", "widget:"),
    ("display_as: chip", "display_as:"),
    ("display_map: {AB1: first}", "display_map: {AB1: second}"),
    ("validation: '^[A-Z]'", "validation: '^[a-z]'"),
    ("pattern: '[A-Z0-9]+'", "pattern:"),
    ("max_length: 20", "max_length: 10"),
    ("max_length: 20", "max_length:"),
    ("rows: 3", "rows: 5"),
    ("help: On the back", "help:"),
    ("placeholder: AB12", "placeholder: CD34"),
    ("list_class: font-mono", "list_class: text-right"),
    ("read: [users, stats]", "read: [users]"),
    ("write: [admin]", "write: []"),
    ("index: false", "index: true"),
    ("visible_when: item.size > 1", "visible_when: item.size > 3"),
    ("    required_when: item.size > 2\n", ""),
    ("min: 1,", "min: 2,"),
    ("max: 100", "max: 200"),
    ("min: '2020-01-01'", "min: '2019-01-01'"),
    ("step: 0.5", "step: 1"),
    ("precision: 2", "precision: 1"),
    ("lookup_table: queue", "lookup_table: service"),
    ("lookup_key: id", "lookup_key: name"),
    ("lookup_display: name", "lookup_display: comments"),
    (
        "lookup_condition: valid_id = 1",
        "lookup_condition: valid_id = 2",
    ),
    (", lookup_condition: valid_id = 1", ""),
    (
        "type: select, lookup_table: queue, lookup_key: id, lookup_display: name, lookup_condition: valid_id = 1",
        "type: select, options: [1]",
    ),
    ("relation: {module: users", "relation: {module: queue"),
    ("many: false", "many: true"),
    ("on_delete: restrict", "on_delete: set_null"),
    ("on_delete: restrict", "on_delete: cascade"),
    (
        "type: select, relation: {module: users, many: false, on_delete: restrict}",
        "type: integer",
    ),
    ("accept: application/pdf", "accept: image/*"),
    (
        "{name: age, label: Age, show_in_list: true, show_in_form: true, lambda: return 1;}",
        "{name: age, label: Years, show_in_list: false, show_in_form: false, lambda: return 2;}",
    ),
    (
        "  - {name: gross, label: Gross, lambda: return item.price;}\n",
        "",
    ),
    (
        "  - {name: gross, label: Gross, lambda: return item.price;}\n",
        "  - {name: gross, label: Gross, lambda: return item.price;}\n  - {name: net, lambda: return 1;}\n",
    ),
    ("soft_delete: true", "soft_delete: false"),
    ("search: true", "search: false"),
    ("import_csv: false", "import_csv: true"),
    ("export_csv: true", "export_csv: false"),
    ("status_toggle: true, c", "status_toggle: false, c"),
    ("color_picker: true", "color_picker: false"),
    (
        "permissions: [view, create, update]",
        "permissions: [view, update, delete]",
    ),
    ("unique_fields: []", "unique_fields: [serial]"),
    ("required_fields: []", "required_fields: [price]"),
    (
        "list_columns: [serial, size, age]",
        "list_columns: [size, serial, age]",
    ),
    (
        "list_columns: [serial, size, age]",
        "list_columns: [serial]",
    ),
    ("title: Main", "title: Other"),
    ("description: First", "description: Second"),
    ("fields: [serial, size]", "fields: [size, serial]"),
    ("actions: [view, edit]", "actions: [view]"),
    (
        "{field: size, type: select, label: Size}",
        "{field: size, type: multi_select, label: Size}",
    ),
    (
        "{field: size, type: select, label: Size}",
        "{field: size, type: select, label: Size, options: [1]}",
    ),
    ("  - {field: bought, type: date_range}\n", ""),
    (
        "  - {field: size, type: select, label: Size}\n  - {field: bought, type: date_range}\n",
        "  - {field: bought, type: date_range}\n  - {field: size, type: select, label: Size}\n",
    ),
    ("view: [users]", "view: [users, stats]"),
    ("create: []", "create: [admin]"),
    ("update: [admin]", "update: [stats]"),
    ("delete: [admin]", "delete: []"),
    ("  before_save: item.a = 1;\n", ""),
    ("before_save: item.a = 1;", "before_save: item.a = 2;"),
    ("  after_save: log.info('saved');\n", ""),
    (
        "after_save: log.info('saved');",
        "after_save: log.info('kept');",
    ),
    (
        "on: [ticket.created, article.added]",
        "on: [ticket.created, record.saved]",
    ),
    ("when: item.id > 1, ", ""),
    ("when: item.id > 1", "when: item.id > 2"),
    ("log.info('a')", "log.info('x')"),
    (
        "events: [{on: [ticket.created, article.added], when: item.id > 1, lambda: log.info('a');}]",
        "events: []",
    ),
    ("cron: 0 7 * * *", "cron: 0 8 * * *"),
    ("time_zone: UTC", "time_zone: Europe/Berlin"),
    ("log.info('b')", "log.info('x')"),
    (
        "schedules: [{cron: 0 7 * * *, time_zone: UTC, lambda: log.info('b');}]",
        "schedules: []",
    ),
    ("label: Retire", "label: Scrap"),
    ("icon: archive", "icon: trash"),
    ("confirm: Sure?", "confirm:"),
    ("scope: row", "scope: selection"),
    ("access: [admin], lambda", "access: [stats], lambda"),
    ("log.info('c')", "log.info('x')"),
    ("  - {name: lend, lambda: log.info('d');}\n", ""),
    ("kind: board", "kind: chart"),
    ("columns: [size, serial]", "columns: [size]"),
    ("filters: {size: [1]}", "filters: {size: [2]}"),
    ("sort: serial desc", "sort: serial"),
    ("  - {name: days, kind: calendar, columns: [bought]}\n", ""),
    ("expect: 1}", "expect: 2}"),
    ("timeout_ms: 1000", "timeout_ms: 500"),
    ("memory_limit_mb: 16", "memory_limit_mb: 32"),
    ("max_queries: 10", "max_queries: 5"),
    ("max_rows: 100", "max_rows: 200"),
];

fn good(file: &str) -> ModuleSpec {
    let (spec, findings) = parse(file);
    assert!(
        !findings.iter().any(Diagnostic::is_error),
        "{}",
        render_text("f", file, &findings)
    );
    spec.unwrap()
}

fn lines(old: &ModuleSpec, new: &ModuleSpec, mark: &str) -> String {
    let line = |change: module_spec::Change| {
        let stored = if change.stored { " (stored)" } else { "" };
        let kind = format!("{:?}", change.kind).to_lowercase();
        format!(
            "  {mark} {kind}{stored} {}: {}\n",
            change.path, change.message
        )
    };
    diff(old, new).into_iter().map(line).collect()
}

#[test]
fn every_change_has_its_kind_and_its_words() {
    let old = good(BASE);
    let mut all = String::new();
    let mut kinds = BTreeSet::new();
    for (from, to) in EDITS {
        assert!(BASE.contains(from), "{from}");
        let new = good(&BASE.replacen(from, to, 1));
        assert!(old != new, "{from}");
        let (there, back) = (lines(&old, &new, ">"), lines(&new, &old, "<"));
        assert!(!there.is_empty() && !back.is_empty(), "{from}");
        kinds.extend(diff(&old, &new).iter().map(|change| change.kind));
        all.push_str(&format!(
            "{:?} => {:?}\n{there}{back}",
            from.trim(),
            to.trim()
        ));
    }
    assert_eq!(
        kinds.into_iter().collect::<Vec<_>>(),
        [
            ChangeKind::Cosmetic,
            ChangeKind::Additive,
            ChangeKind::Narrowing,
            ChangeKind::Destructive
        ]
    );
    insta::assert_snapshot!(all);
}

#[test]
fn where_things_stand_is_no_change() {
    let moved = format!(
        "# A remark.\n\n{}",
        BASE.replace("    label: Serial\n", "")
            .replace("    rows: 3\n", "    rows: 3\n    label: Serial\n")
    );
    assert_eq!(diff(&good(BASE), &good(&moved)), []);
    assert_eq!(good(BASE), good(&moved));
}

/// The form that the API answers with.
#[test]
fn a_change_is_an_object_of_three_texts() {
    let new = good(&BASE.replace("unique: false", "unique: true"));
    let json = serde_json::to_value(diff(&good(BASE), &new)).unwrap();
    let expected = serde_json::json!([{"kind": "narrowing", "path": "fields.serial.unique", "message": "false becomes true"}]);
    assert_eq!(json, expected);
}
