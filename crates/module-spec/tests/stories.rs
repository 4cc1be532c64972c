//! Whole files: what comes out of good ones.

use domain::diagnostic::Diagnostic;
use module_spec::{Expectation, FieldType, ListColumn, ModuleSpec, SqlType, TestTarget, parse};
use serde_json::Value;

const LAPTOP: &str = "\
module:
  name: laptop
  singular: Laptop
  plural: Laptops
  storage: managed
fields:
  - {name: serial_number, type: string, required: true, unique: true}
  - {name: model, type: string, label: Model}
  - {name: bought_on, type: date}
  - {name: price, type: decimal}
  - {name: pin, type: password}
computed_fields:
  - name: age
    lambda: |
      if (!item.bought_on) return '-';
      return String(new Date().getFullYear() - Number(item.bought_on.slice(0, 4)));
";

#[expect(clippy::unwrap_used, reason = "asserted above it")]
fn good(source: &str) -> ModuleSpec {
    let (spec, findings) = parse(source);
    assert_eq!(
        findings,
        Vec::<Diagnostic>::new(),
        "{}",
        module_spec::render_text("f", source, &findings)
    );
    spec.unwrap()
}

#[test]
fn fifteen_lines_make_a_screen() {
    let spec = good(LAPTOP);
    assert_eq!(spec.table().as_str(), "x_laptop");
    let labels: Vec<&str> = spec
        .fields()
        .iter()
        .map(|field| field.label().display())
        .collect();
    assert_eq!(
        labels,
        [
            "Serial Number",
            "Model",
            "Bought On",
            "Price",
            "Pin",
            "Status"
        ]
    );
    // Everything but the password is listed, the computed field last.
    let columns = [0, 1, 2, 3, 5]
        .map(ListColumn::Field)
        .into_iter()
        .chain([ListColumn::Computed(0)]);
    assert_eq!(spec.list_columns(), columns.collect::<Vec<_>>());
    let searchable: Vec<&str> = spec
        .fields()
        .iter()
        .filter(|f| f.searchable())
        .map(|f| f.name().as_str())
        .collect();
    assert_eq!(searchable, ["serial_number", "model"]);
    assert!(spec.features().soft_delete && spec.features().search && spec.features().export_csv);
    assert!(spec.permissions().create);
    assert_eq!(spec.page_size(), 25);
    insta::assert_json_snapshot!(spec.managed_columns(), @r#"
    [
      {
        "name": "serial_number",
        "type": "text",
        "required": true,
        "unique": true,
        "secret": false
      },
      {
        "name": "model",
        "type": "text",
        "required": false,
        "unique": false,
        "secret": false
      },
      {
        "name": "bought_on",
        "type": "date",
        "required": false,
        "unique": false,
        "secret": false
      },
      {
        "name": "price",
        "type": "numeric",
        "required": false,
        "unique": false,
        "secret": false
      },
      {
        "name": "pin",
        "type": "text",
        "required": false,
        "unique": false,
        "secret": true
      }
    ]
    "#);
}

/// Every character of a lambda that is not white space must be found where it stands in the file.
fn assert_positions(source: &str) {
    let spec = good(source);
    let lines: Vec<Vec<char>> = source.lines().map(|line| line.chars().collect()).collect();
    let mut seen = 0;
    for lambda in spec.lambdas() {
        for (line, text) in (1..).zip(lambda.source().split('\n')) {
            for (column, letter) in (1..).zip(text.chars()) {
                let (yaml_line, yaml_column) = lambda.position(line, column);
                let found = lines[yaml_line as usize - 1]
                    .get(yaml_column as usize - 1)
                    .copied();
                if !letter.is_whitespace() && found != Some('\\') {
                    assert_eq!(
                        found,
                        Some(letter),
                        "{line}:{column} of {:?} in {source}",
                        lambda.source()
                    );
                    seen += 1;
                }
            }
        }
    }
    assert!(seen > 0);
}

#[test]
fn places_in_a_lambda_are_places_in_the_file() {
    let head = "module: {name: m, storage: managed}\nfields: [{name: a, type: string}]\ncomputed_fields:\n- name: c\n";
    for lambda in [
        "  lambda: return item.a;\n",
        "  lambda: return\n    item.a +\n\n    item.b;\n",
        "  lambda: 'return ''a'' +\n    item.a;'\n",
        "  lambda: \"return\\t\\\"a\\\" + \\u00e4\\n  + item.a\\\n      + 1;\"\n",
        "  lambda: \"return a\n\n     + b;\"\n",
        "  lambda: |\n    const x = 1;\n      return x;\n",
        "  lambda: |2-  # two\n      return ü + 1;\n    x\n",
        "  lambda: |\n\n\n    return\n\n    1;\n\n",
        "  lambda: >\n    return\n    item.a;\n\n      deeper\n      still\n    back\n",
        "  lambda: >+1\n   return\n\n   1\n\n",
        "  lambda:\n    return 1;\n",
    ] {
        assert_positions(&format!("{head}{lambda}"));
        assert_positions(&format!("{head}{lambda}").replace('\n', "\r\n"));
    }
}

#[test]
fn a_lambda_behind_an_alias_stands_at_its_anchor() {
    let source = "module: {name: m, storage: managed}\nfields: [{name: a, type: string}]\ncomputed_fields:\n\
                  - {name: c, lambda: &l return item.a}\n- {name: d, lambda: *l}\n";
    let spec = good(source);
    let lambda = spec.computed_field("d").unwrap().lambda();
    assert_eq!(lambda.position(1, 8), (4, 31));
    assert_eq!(lambda.path(), "computed_fields[1].lambda");
}

#[test]
fn merge_keys_and_translation_keys_are_understood() {
    let spec = good(
        "module: {name: m, table: queue, singular: \"@queue.one|Queue\", default_sort: name}\n\
         fields:\n\
         - &base {name: name, type: string, show_in_list: true, label: \"@admin.queue.name\"}\n\
         - <<: *base\n  name: comments\n  type: textarea\n",
    );
    assert_eq!(spec.singular().display(), "Queue");
    let comments = spec.field("comments").unwrap();
    assert_eq!(comments.kind(), FieldType::Text);
    assert_eq!(comments.label().display(), "Name");
    assert!(comments.show_in_list());
}

#[test]
fn sql_types_follow_the_kind_of_value() {
    let spec = good(
        "module: {name: m, storage: managed}\nfields:\n\
         - {name: a, type: int}\n- {name: b, type: checkbox}\n- {name: c, type: datetime-local}\n- {name: d, type: time}\n\
         - {name: e, type: select, options: [1, 2]}\n- {name: f, type: select, options: [one, two]}\n\
         - {name: g, type: select, lookup_table: queue}\n- {name: h, type: select, lookup_table: users, lookup_key: login, lookup_display: login}\n\
         - {name: i, type: select, multiple: true, options: [1]}\n- {name: k, type: string, virtual: true}\n",
    );
    let types: Vec<(String, SqlType)> = spec
        .managed_columns()
        .into_iter()
        .map(|c| (c.name, c.sql_type))
        .collect();
    let expected = [
        ("a", SqlType::Bigint),
        ("b", SqlType::Boolean),
        ("c", SqlType::Timestamp),
        ("d", SqlType::Time),
        ("e", SqlType::Bigint),
        ("f", SqlType::Text),
        ("g", SqlType::Bigint),
        ("h", SqlType::Text),
        ("i", SqlType::Jsonb),
    ];
    assert_eq!(types, expected.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn findings_of_later_stages_point_at_what_is_written() {
    let spec = good(
        "module:\n  name: m\n  table: nowhere\nfields:\n  - name: a\n    type: string\n  - name: b\n    db_column: bb\n    type: string\n",
    );
    for (path, line, column) in [
        ("module.table", 3, 10),
        ("fields[0].db_column", 5, 11),
        ("fields[1].db_column", 8, 16),
        ("ui", 0, 0),
    ] {
        let finding = spec.finding_at(
            path,
            domain::diagnostic::Severity::Error,
            "unknown-table",
            "no",
            None,
        );
        assert_eq!((finding.line, finding.column), (line, column), "{path}");
    }
}

#[test]
fn changes_are_classified() {
    let old = good(LAPTOP);
    let new = good(
        &LAPTOP
            .replace("label: Model", "label: Modell, max_length: 20")
            .replace(
                "  - {name: price, type: decimal}\n",
                "  - {name: cost, type: decimal}\n",
            )
            .replace("bought_on, type: date", "bought_on, type: datetime")
            .replace("unique: true", "unique: false"),
    );
    let lines: Vec<String> = module_spec::diff(&old, &new)
        .iter()
        .map(|change| format!("{:?} {}: {}", change.kind, change.path, change.message))
        .collect();
    insta::assert_snapshot!(lines.join("\n"));
    assert!(module_spec::diff(&old, &old).is_empty());
}

#[test]
fn a_broken_file_still_has_its_lambdas() {
    let source = "module: {name: m, storage: managed}\nfields: [{name: a, type: strng}]\ncomputed_fields:\n- {name: b, lambda: return item.a}\n\
                  hooks:\n  before_save: |\n    item.a = 1;\n";
    let parsed = module_spec::parse_all(source);
    assert!(parsed.spec.is_none());
    let found: Vec<(&str, (u32, u32))> = parsed
        .lambdas
        .iter()
        .map(|lambda| (lambda.path(), lambda.position(1, 1)))
        .collect();
    assert_eq!(
        found,
        [
            ("computed_fields[0].lambda", (4, 21)),
            ("hooks.before_save", (7, 5))
        ]
    );
    let good = module_spec::parse_all(&source.replace("strng", "string"));
    let spec = good.spec.unwrap();
    assert_eq!(spec.lambdas().cloned().collect::<Vec<_>>(), good.lambdas);
}

#[test]
fn part_b_is_typed_and_its_expressions_keep_their_places() {
    let source = "\
module: {name: m, storage: managed, parent: {module: customer_company, field: company}}
fields:
- {name: company, type: int, index: true}
- name: price
  type: decimal
  precision: 2
  visible_when: item.company > 0 // yes
- {name: users, type: select, relation: {module: users, many: true, on_delete: cascade}}
- {name: due, type: date}
events:
- {on: ticket.created, when: item.id > 1, lambda: log.info('a')}
schedules:
- {cron: '0 7 * * mon', time_zone: Europe/Berlin, lambda: log.info('b')}
actions:
- {name: retire, scope: selection, lambda: log.info('c')}
views:
- {name: days, kind: calendar, columns: [due, price], sort: price desc, filters: {price: [1, 2]}}
";
    let (spec, findings) = parse(source);
    assert!(
        findings
            .iter()
            .all(|finding| finding.code == "not-supported-yet"),
        "{findings:#?}"
    );
    assert_eq!(findings.len(), 9);
    let spec = spec.unwrap();
    assert_eq!(spec.parent().unwrap().field().as_str(), "company");
    let price = spec.field("price").unwrap();
    assert_eq!(price.precision(), Some(2));
    let expression = price.visible_when().unwrap();
    assert_eq!(
        expression.source(),
        "return (item.company > 0 // yes\n) ?? null;"
    );
    assert_eq!(expression.expression(), Some("item.company > 0 // yes"));
    assert_eq!(spec.actions()[0].lambda().expression(), None);
    assert_eq!(expression.position(1, 9), (7, 17));
    assert_eq!(expression.position(1, 14), (7, 22));
    let users = spec.field("users").unwrap();
    assert!(users.relation().unwrap().many() && users.is_virtual());
    assert!(spec.managed_columns().iter().all(|c| c.name != "users"));
    assert_eq!(spec.schedules()[0].time_zone(), "Europe/Berlin");
    assert!(spec.schedules()[0].cron().matches(0, 7, 3, 2, 1));
    assert_eq!(spec.views()[0].filters()[0].values(), [1, 2]);
    assert_eq!(spec.views()[0].columns(), [3, 1].map(ListColumn::Field));
    let paths: Vec<&str> = spec.lambdas().map(module_spec::Lambda::path).collect();
    assert_eq!(
        paths,
        [
            "fields[1].visible_when",
            "events[0].when",
            "events[0].lambda",
            "schedules[0].lambda",
            "actions[0].lambda"
        ]
    );
}

#[test]
fn tests_say_what_runs_and_what_is_expected() {
    let source = "
module: {name: laptop, storage: managed}
fields:
- {name: serial, type: string, visible_when: item.a, required_when: item.b}
hooks: {before_save: fail('serial')}
events:
- {on: [ticket.created, article.added], lambda: return 1}
schedules:
- {cron: 0 7 * * *, lambda: return 1}
- {cron: 0 8 * * *, lambda: return 2}
- {cron: 0 8 * * *, lambda: return 3}
actions:
- {name: retire, lambda: return 1}
tests:
- {name: event, event: ticket.created, item: {id: 1}, expect_effects: []}
- {name: event with more, event: {name: article.added, by: ann}, expect: 1}
- name: action
  action: retire
  items: [{id: 1}, {id: 2}]
  input: {why: old}
  records: {laptop: [{id: 1}]}
  tickets: [{id: 12}]
  expect: null
  expect_effects:
  - records.update: [laptop, 1, {state: retired}]
  - notify: {to: ann}
  - queue
- {name: schedule, schedule: 0 7 * * *, expect: 1}
- {name: schedule by its place, schedule: 'schedules[2]', expect: 3}
- {name: shown, visible_when: serial, expect: true}
- {name: needed, required_when: serial, expect: false}
- {name: hook, hook: before_save, expect_failures: {serial: missing, '': whole}}
";
    let (spec, findings) = parse(source);
    assert!(
        findings
            .iter()
            .all(|finding| finding.code == "not-supported-yet"),
        "{findings:#?}"
    );
    let spec = spec.unwrap();
    let tests = spec.tests();
    assert!(tests[0].outcome().is_none() && tests[0].effects().unwrap().is_empty());
    match tests[1].target() {
        TestTarget::Event { kind, details } => {
            assert_eq!(
                (kind.as_str(), &details["by"]),
                ("article.added", &"ann".into())
            );
        }
        other => panic!("{other:?}"),
    }
    let action = &tests[2];
    assert_eq!(action.outcome(), Some(&Expectation::Value(Value::Null)));
    assert_eq!((action.items().len(), action.input().len()), (2, 1));
    assert_eq!(action.records()[0].0, "laptop");
    assert_eq!(action.tickets().len(), 1);
    let calls: Vec<(&str, usize)> = action
        .effects()
        .unwrap()
        .iter()
        .map(|call| (call.name(), call.arguments().len()))
        .collect();
    assert_eq!(calls, [("records.update", 3), ("notify", 1), ("queue", 0)]);
    for (test, index) in [(3, 0), (4, 2)] {
        let target = tests[test].target();
        assert!(
            matches!(target, TestTarget::Schedule(at) if *at == index),
            "{target:?}"
        );
    }
    assert!(
        matches!(tests[5].target(), TestTarget::VisibleWhen(name) if name.as_str() == "serial")
    );
    assert!(matches!(tests[6].target(), TestTarget::RequiredWhen(_)));
    assert_eq!(
        tests[7].failures().unwrap()[1],
        (String::new(), "whole".to_owned())
    );
}

#[test]
fn other_code_stands_at_the_same_places() {
    let source = "
module: {name: laptop, storage: managed}
fields:
- {name: serial, type: string, visible_when: item.a}
computed_fields:
- {name: a, lambda: return 1}
hooks: {before_save: return 2}
events: [{on: record.saved, when: item.b, lambda: return 3}]
schedules: [{cron: 0 7 * * *, lambda: return 4}]
actions: [{name: b, lambda: return 5}]
tests: [{name: c, lambda: return 6, expect: 6}]
";
    let spec = parse(source).0.unwrap();
    let mut seen = Vec::new();
    let other = spec.with_code(|lambda| {
        seen.push(lambda.path().to_owned());
        (lambda.path() != "hooks.before_save").then(|| format!("/**/{}", lambda.source()))
    });
    let paths: Vec<&str> = spec.lambdas().map(module_spec::Lambda::path).collect();
    assert_eq!(
        (seen.len(), seen),
        (8, paths.iter().map(|path| (*path).to_owned()).collect())
    );
    for (before, after) in spec.lambdas().zip(other.lambdas()) {
        assert_eq!(
            (before.path(), before.position(1, 1)),
            (after.path(), after.position(1, 1))
        );
        let changed = after.source().starts_with("/**/");
        assert_eq!(
            changed,
            before.path() != "hooks.before_save",
            "{}",
            before.path()
        );
    }
}
