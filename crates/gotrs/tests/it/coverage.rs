//! Counters in lambdas: they tell the lines that ran, and change nothing else.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use domain::limits::LambdaLimits;
use lambda_coverage::{Lines, Measured, is_counter};
use module_engine::call::Item;
use module_engine::compiled::CompiledModule;
use module_engine::dry_run::DryRunHost;
use module_engine::engine::{Engine, EngineOptions};
use module_engine::module_tests::{host_of, run_test_on};
use module_spec::ModuleSpec;
use proptest::prelude::*;
use serde_json::{Value, json};

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Engine::new(EngineOptions::default()).expect("the sandbox starts"));

fn spec_of(source: &str) -> ModuleSpec {
    let (spec, findings) = module_spec::parse(source);
    spec.unwrap_or_else(|| panic!("{findings:#?}\n{source}"))
}

fn compiled(spec: &ModuleSpec) -> CompiledModule {
    CompiledModule::compile(&ENGINE, Arc::new(spec.clone()))
        .unwrap_or_else(|findings| panic!("{findings:#?}"))
}

/// The file of a computed field `result`; the first line of `body` is line 6.
fn file_of(body: &str) -> String {
    let indented = body.replace('\n', "\n      ");
    format!(
        "module: {{name: m, storage: managed}}\nfields:\n- {{name: a, type: string}}\ncomputed_fields:\n- name: result\n  lambda: |\n      {indented}\n"
    )
}

/// What a computed field `result` gives for an item, or the error without its place.
fn result_of(module: &CompiledModule, item: &Item, host: &DryRunHost) -> Result<Value, String> {
    let rows = std::slice::from_ref(item);
    let cells = module.computed_fields(rows, &["result"], host, LambdaLimits::DEFAULT);
    match cells.map(|cells| cells.into_iter().flatten().next()) {
        Ok(Some(Ok(value))) => Ok(value.into_raw()),
        Ok(Some(Err(error))) => Err(module_engine::error::InvokeError::from(error).message()),
        Ok(None) => Err("nothing".to_owned()),
        Err(error) => Err(error.message()),
    }
}

fn item(value: Value) -> Item {
    match value {
        Value::Object(item) => item,
        other => panic!("not an object: {other}"),
    }
}

/// The lines of `body`, from 1, that run for an item `{a}`, and those of which a part does not.
fn reached(body: &str, a: &Value) -> (Vec<u32>, Vec<u32>) {
    let mut measured = Measured::new(&spec_of(&file_of(body)));
    let host = DryRunHost::new().keeping_translations();
    let module = compiled(measured.spec());
    // Whether it throws is not of interest here.
    let _ = result_of(&module, &item(json!({ "a": a })), &host);
    let keys = host.translations();
    measured.record(keys.iter().map(String::as_str));
    let lines = Lines::of_file(&measured.coverage());
    let numbers = |wanted: &dyn Fn(&&lambda_coverage::LineCoverage) -> bool| {
        lines
            .iter()
            .filter(wanted)
            .map(|line| line.line - 6)
            .collect()
    };
    (
        numbers(&|line| line.hits > 0),
        numbers(&|line| line.is_partial()),
    )
}

#[test]
fn the_lines_that_ran_are_told() {
    for (body, a, ran, partly) in [
        ("return item.a", json!(1), &[1][..], &[][..]),
        (
            "if (item.a)\n  return 1\nelse\n  return 2",
            json!(1),
            &[1, 2],
            &[],
        ),
        (
            "if (item.a)\n  return 1\nelse\n  return 2",
            json!(0),
            &[1, 4],
            &[],
        ),
        ("if (item.a) return 1; else return 2", json!(0), &[1], &[1]),
        (
            "if (item.a) {\n  return 1\n} else if (item.b) {\n  return 2\n}\nreturn 3",
            json!(0),
            &[1, 3, 6],
            &[],
        ),
        ("return item.a ?\n  1 :\n  2", json!(1), &[1, 2], &[]),
        ("return item.a ? 1 : 2", json!(1), &[1], &[1]),
        ("return item.a &&\n  item.b", json!(0), &[1], &[]),
        ("return item.a ??\n  2", json!(null), &[1, 2], &[]),
        (
            "const f = (x) =>\n  x + 1\nreturn item.a ? f(1) : 0",
            json!(0),
            &[1, 3],
            &[3],
        ),
        (
            "return [1, 2].map((x) =>\n  x + item.a).length",
            json!(1),
            &[1, 2],
            &[],
        ),
        (
            "for (const x of [])\n  item.a = x\nreturn 1",
            json!(1),
            &[1, 3],
            &[],
        ),
        (
            "for (let i = 0; i < 2; i++)\n  item.a = i\nreturn 1",
            json!(1),
            &[1, 2, 3],
            &[],
        ),
        (
            "while (false)\n  item.a = 1\ndo\n  item.a = 2\nwhile (false)\nreturn 1",
            json!(1),
            &[1, 3, 4, 6],
            &[],
        ),
        (
            "switch (item.a) {\n  case 1:\n    return 1\n  case 2:\n  case 3:\n    item.b = 1\n  default:\n    return 2\n}",
            json!(2),
            &[1, 6, 8],
            &[],
        ),
        (
            "try {\n  throw new Error('x')\n  item.b = 1\n} catch {\n  return 1\n} finally {\n  item.b = 2\n}",
            json!(1),
            &[1, 2, 5, 7],
            &[],
        ),
        (
            "item.b = 1\nitem.a.b.c\nreturn 2",
            json!(null),
            &[1, 2],
            &[],
        ),
        (
            "function f() {\n  return 1\n}\nfunction g() {\n  return 2\n}\nreturn g()",
            json!(1),
            &[5, 7],
            &[],
        ),
        (
            "outer: for (;;) {\n  for (;;)\n    break outer\n}\nreturn 1",
            json!(1),
            &[1, 2, 3, 5],
            &[],
        ),
        (
            "class A {\n  static b = () =>\n    1\n  c() {\n    return 2\n  }\n}\nreturn new A().c()",
            json!(1),
            &[1, 5, 8],
            &[],
        ),
        (
            "'use strict'\nconst t = 1\nreturn [t].map((t) => t)[0]",
            json!(1),
            &[2, 3],
            &[],
        ),
        (
            "return (async () => {\n  await null\n  return 1\n})()",
            json!(1),
            &[1, 2, 3],
            &[],
        ),
    ] {
        let expected = (ran.to_vec(), partly.to_vec());
        assert_eq!(reached(body, &a), expected, "{a}: {body}");
    }
}

#[test]
fn lines_are_told_also_of_what_runs_into_a_limit_and_of_conditions() {
    let source = "
module: {name: m, storage: managed}
limits: {timeout_ms: 300}
fields:
- {name: a, type: string, visible_when: item.a === 1 && item.b}
events:
- on: ticket.created
  when: |
    item.urgent
  lambda: |
    let n = 0;
    for (;;)
      n++;
    return n;
tests:
- {name: endless, event: ticket.created, item: {urgent: true}, expect_error: took longer}
- {name: hidden, visible_when: a, item: {a: 2}, expect: false}
";
    let spec = spec_of(source);
    let mut measured = Measured::new(&spec);
    let module = compiled(measured.spec());
    for test in spec.tests() {
        let host = host_of(test).keeping_translations();
        let outcome = run_test_on(&module, test, &host);
        assert!(outcome.passed(), "{outcome:?}");
        measured.record(host.translations().iter().map(String::as_str));
    }
    let lines = Lines::of_file(&measured.coverage());
    let hits: Vec<(u32, u32, bool)> = lines
        .iter()
        .map(|line| (line.line, line.hits, line.is_partial()))
        .collect();
    assert_eq!(
        hits,
        [
            (5, 1, true),
            (9, 1, false),
            (11, 1, false),
            (12, 1, false),
            (13, 1, false),
            (14, 0, false)
        ]
    );
}

/// How a test ended and what it did, without times and without what only the counters did.
#[derive(Debug, PartialEq)]
struct End {
    name: String,
    failure: Option<String>,
    did: Vec<String>,
}

fn ends(module: &CompiledModule) -> Vec<End> {
    let end = |test| {
        let host = host_of(test).keeping_translations();
        let outcome = run_test_on(module, test, &host);
        let log = outcome.log.into_iter().map(|(_, line)| line);
        let asked = host
            .translations()
            .into_iter()
            .filter(|key| !is_counter(key));
        let effects = host.effects().into_iter().map(|effect| effect.to_string());
        End {
            name: outcome.name,
            failure: outcome.failure.map(|failure| failure.message),
            did: log
                .chain(host.queries())
                .chain(effects)
                .chain(asked)
                .collect(),
        }
    };
    module.spec().tests().iter().map(end).collect()
}

/// The examples of a page of the documentation.
fn examples(page: &str) -> Vec<String> {
    page.split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(example, _)| example.to_owned())
        .filter(|example| example.contains("module:"))
        .collect()
}

#[test]
fn modules_of_the_documentation_end_the_same_with_counters() {
    let mut sources = examples(include_str!("../../../../docs/modules/lambdas.md"));
    sources.extend(examples(include_str!(
        "../../../../docs/modules/testing.md"
    )));
    assert!(sources.len() >= 15, "{}", sources.len());
    for source in sources {
        let spec = spec_of(&source);
        let measured = Measured::new(&spec);
        let coverage = measured.coverage();
        assert!(
            coverage.iter().all(|lambda| lambda.problem().is_none()),
            "{source}"
        );
        let plain = ends(&compiled(&spec));
        assert_eq!(plain, ends(&compiled(measured.spec())), "{source}");
    }
}

/// What rows of the database look like to the stock modules: any column that they ask for.
fn rows() -> Vec<Item> {
    [0, 1, 2]
        .map(|n| {
            item(json!({"n": n, "count": n, "id": n, "name": "x", "login": "ann", "total": n}))
        })
        .to_vec()
}

#[test]
fn stock_modules_give_the_same_with_counters() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules");
    let mut lambdas = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let source = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        let spec = spec_of(&source);
        let measured = Measured::new(&spec);
        let (plain, counting) = (compiled(&spec), compiled(measured.spec()));
        assert_eq!(ends(&plain), ends(&counting), "{source}");
        let names: Vec<&str> = spec
            .computed_fields()
            .iter()
            .map(|field| field.name().as_str())
            .collect();
        for value in [
            json!(null),
            json!(0),
            json!(1),
            json!(2),
            json!("1"),
            json!("<b>"),
            json!(true),
        ] {
            let record: Item = spec
                .fields()
                .iter()
                .flat_map(|field| {
                    let name = field.name().as_str();
                    [name.to_owned(), format!("{name}_display")]
                })
                .map(|name| (name, value.clone()))
                .collect();
            let host = || DryRunHost::new().with_fixture(None, &rows());
            let (one, other) = (host(), host());
            let ceiling = LambdaLimits::DEFAULT;
            let records = [record];
            let cells = |module: &CompiledModule, host: &DryRunHost| {
                let cells = module
                    .computed_fields(&records, &names, host, ceiling)
                    .unwrap();
                let cells = cells.into_iter().flatten();
                cells
                    .map(|cell| {
                        cell.map_err(|error| {
                            module_engine::error::InvokeError::from(error).message()
                        })
                    })
                    .collect::<Vec<_>>()
            };
            assert_eq!(
                cells(&plain, &one),
                cells(&counting, &other),
                "{value}: {source}"
            );
            assert_eq!(one.queries(), other.queries(), "{source}");
            lambdas += names.len();
        }
    }
    assert!(lambdas >= 7 * 8, "{lambdas}");
}

/// Programs that end, of most kinds of statements, with and without braces and semicolons.
fn expression() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("1".to_owned()),
        Just("0".to_owned()),
        Just("'é'".to_owned()),
        Just("item.a".to_owned()),
        Just("item.b?.c".to_owned()),
        Just("x".to_owned()),
        Just("[1, 2]".to_owned()),
        Just("/;{/.test('a')".to_owned()),
        Just("`${x} ? 1 : 2`".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let e = inner.clone();
        prop_oneof![
            (e.clone(), e.clone()).prop_map(|(a, b)| format!("({a} + {b})")),
            (e.clone(), e.clone(), e.clone()).prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
            (e.clone(), e.clone(), e.clone()).prop_map(|(a, b, c)| format!("({a}\n? {b}\n: {c})")),
            (e.clone(), e.clone()).prop_map(|(a, b)| format!("({a} && {b})")),
            (e.clone(), e.clone(), e.clone()).prop_map(|(a, b, c)| format!("({a} || {b} && {c})")),
            (e.clone(), e.clone()).prop_map(|(a, b)| format!("({a} ?? {b})")),
            (e.clone(), e.clone()).prop_map(|(a, b)| format!("((y) => {a})({b})")),
            (e.clone(), e.clone())
                .prop_map(|(a, b)| format!("[1, 2].map((y, z = {b}) => ({{n: {a}, y}})).length")),
            e.clone().prop_map(|a| format!("f({a})")),
            e.clone()
                .prop_map(|a| format!("(function () {{ return {a} }})()")),
            e.prop_map(|a| format!("(x = {a})")),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    let end = || prop_oneof![Just(";"), Just("\n")];
    let leaf = prop_oneof![
        (expression(), end()).prop_map(|(a, end)| format!("x = {a}{end}")),
        (expression(), end()).prop_map(|(a, end)| format!("log.info(x, {a}){end}")),
        (expression(), end()).prop_map(|(a, end)| format!("return {a}{end}")),
        (expression(), end()).prop_map(|(a, end)| format!("throw new Error({a}){end}")),
        Just("x++\n".to_owned()),
        Just(";".to_owned()),
    ];
    leaf.prop_recursive(4, 24, 3, |inner| {
        let s = || inner.clone();
        let block = || {
            proptest::collection::vec(inner.clone(), 0..3)
                .prop_map(|all| format!("{{{}}}", all.concat()))
        };
        prop_oneof![
            (expression(), s()).prop_map(|(a, b)| format!("if ({a}) {b}")),
            (expression(), s(), s()).prop_map(|(a, b, c)| format!("if ({a})\n{b} else {c}")),
            (expression(), block(), block())
                .prop_map(|(a, b, c)| format!("if ({a}) {b} else {c}\n")),
            s().prop_map(|a| format!("for (let i = 0; i < 2; i++) {a}")),
            s().prop_map(|a| format!("for (const k of [1, 2])\n{a}")),
            s().prop_map(|a| format!("for (const k in {{p: 1}}) {a}")),
            s().prop_map(|a| format!("do {a} while (false)\n")),
            (s(), s()).prop_map(|(a, b)| format!("w: while (true) {{ {a} {b} break w }}\n")),
            (expression(), s(), s()).prop_map(|(a, b, c)| format!(
                "switch ({a}) {{ case 1: {b} case 'é': {c} break\n default: {b} }}\n"
            )),
            (block(), block()).prop_map(|(a, b)| format!("try {a} catch (e) {b}\n")),
            (block(), block()).prop_map(|(a, b)| format!("try {a} finally {b}\n")),
            block(),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn programs_give_the_same_with_counters(statements in proptest::collection::vec(statement(), 1..6)) {
        let body = format!("let x = 0\n{}\nreturn x\nfunction f(n) {{ return n ? 2 : n }}", statements.concat());
        let spec = spec_of(&file_of(&body));
        // A statement without a semicolon may swallow the next in a way that is no JavaScript.
        let Ok(plain) = CompiledModule::compile(&ENGINE, Arc::new(spec.clone())) else {
            return Err(TestCaseError::reject("no JavaScript"));
        };
        let measured = Measured::new(&spec);
        let problems: Vec<_> = measured.coverage().iter().filter_map(|lambda| lambda.problem().map(str::to_owned)).collect();
        prop_assert!(problems.is_empty(), "{problems:?}\n{body}");
        let counting = compiled(measured.spec());
        for a in [json!(null), json!(1), json!("é")] {
            let record = item(json!({ "a": a }));
            let (one, other) = (DryRunHost::new(), DryRunHost::new());
            prop_assert_eq!(
                result_of(&plain, &record, &one),
                result_of(&counting, &record, &other),
                "{}", body
            );
            prop_assert_eq!(one.log_lines(), other.log_lines(), "{}", body);
        }
    }
}
