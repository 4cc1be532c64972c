//! Errors stand at their line and column of the YAML file.

use std::sync::Arc;

use domain::limits::LambdaLimits;
use module_engine::compiled::CompiledModule;
use module_engine::dry_run::DryRunHost;
use module_engine::error::InvokeError;
use serde_json::json;

use crate::support::{ENGINE, invoke, item, module, run, yaml_with};

fn findings(lambda: &str) -> Vec<(u32, u32, String)> {
    let (spec, findings) = module_spec::parse(&yaml_with(lambda));
    let spec = spec.unwrap_or_else(|| panic!("{findings:#?}"));
    CompiledModule::compile(&ENGINE, Arc::new(spec))
        .unwrap_err()
        .into_iter()
        .map(|finding| {
            assert_eq!(
                (finding.code.as_str(), finding.path.as_str()),
                ("lambda-syntax", "computed_fields[0].lambda")
            );
            (finding.line, finding.column, finding.message)
        })
        .collect()
}

#[test]
fn syntax_errors_stand_where_they_are() {
    for (lambda, line) in [
        ("return 1 +", 7),
        ("let a = 1;\nlet a = 2;\nreturn a", 8),
        ("if (item.name) {\nreturn 1", 8),
        ("const x = 'a\nreturn x", 7),
        ("return await 1", 7),
        ("}); globalThis.x = 1; (function () {", 7),
        ("return 1 }, function () { return 2", 7),
        ("return /(/", 7),
    ] {
        let found = findings(lambda);
        assert_eq!(found.len(), 1, "{lambda}");
        let (found_line, column, message) = &found[0];
        assert_eq!(*found_line, line, "{lambda}: {found:?}");
        assert!(
            *column >= 1
                && message.starts_with("this lambda is not valid JavaScript: SyntaxError: "),
            "{found:?}"
        );
    }
}

#[test]
fn a_check_runs_nothing_for_long() {
    let found = {
        let (spec, _) = module_spec::parse(&yaml_with("}); for (;;); (function () {"));
        CompiledModule::compile(&ENGINE, Arc::new(spec.unwrap())).unwrap_err()
    };
    assert_eq!(found[0].code, "lambda-check");
    assert!(found[0].message.contains("took longer than"), "{found:?}");
}

#[test]
fn a_throw_stands_where_it_is() {
    let error = run("let a = null;\n\n  return a.name").unwrap_err();
    let InvokeError::Script(error) = error else {
        panic!("{error}")
    };
    assert_eq!(
        error.message,
        "TypeError: cannot read property 'name' of null"
    );
    let position = error.position.unwrap();
    assert_eq!(
        (position.lambda.as_str(), position.line),
        ("computed_fields[0].lambda", 9)
    );
    assert!((16..=18).contains(&position.column), "{position}");
}

#[test]
fn the_stack_names_the_authors_functions_and_none_of_ours() {
    let error =
        run("function inner() { throw new Error('x') }\nfunction outer() { inner() }\nouter()")
            .unwrap_err();
    let InvokeError::Script(error) = error else {
        panic!("{error}")
    };
    let lines: Vec<(&str, bool)> = error
        .stack
        .iter()
        .map(|line| {
            (
                line.split(' ').next().unwrap(),
                line.contains("computed_fields[0].lambda"),
            )
        })
        .collect();
    assert_eq!(
        lines,
        [("inner", true), ("outer", true), ("lambda", true)],
        "{error:?}"
    );
}

#[test]
fn what_is_no_error_can_be_thrown_too() {
    for (lambda, message) in [
        ("throw 'text'", "threw text"),
        ("throw null", "threw null"),
        ("throw undefined", "threw undefined"),
        ("throw {code: 1}", "threw {\"code\":1}"),
        (
            "throw {get toJSON() { throw 1 }}",
            "threw an error that cannot be shown",
        ),
        (
            "const e = new Error('a'); Object.defineProperty(e, 'message', {get() { throw 1 }}); throw e",
            "threw an error that cannot be shown",
        ),
        (
            "return Symbol('a')",
            "TypeError: the lambda returned a symbol; return a text, a number or an object",
        ),
        (
            "return Promise.reject(new RangeError('later'))",
            "RangeError: later",
        ),
        (
            "return new Promise(() => {})",
            "Error: the promise that was returned never settles",
        ),
    ] {
        let InvokeError::Script(error) = run(lambda).unwrap_err() else {
            panic!("{lambda}")
        };
        assert_eq!(error.message, message, "{lambda}");
        assert_eq!(
            error.position.unwrap().lambda,
            "computed_fields[0].lambda",
            "{lambda}"
        );
    }
}

#[test]
fn a_lambda_in_quotes_has_places_too() {
    let module = module(
        "module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}\n\
         fields:\n- {name: name, type: string}\n\
         computed_fields:\n- {name: result, lambda: \"return item.name.first.second\"}\n",
    );
    let error = invoke(
        &module,
        &item(json!({"name": 1})),
        &DryRunHost::new(),
        LambdaLimits::DEFAULT,
    )
    .unwrap_err();
    let InvokeError::Script(error) = error else {
        panic!("{error}")
    };
    let position = error.position.unwrap();
    assert_eq!(position.line, 5);
    assert!((27..=55).contains(&position.column), "{position}");
}

/// Conditions are expressions; what only becomes valid by the brackets around them is none.
#[test]
fn a_condition_is_one_expression() {
    let check = |condition: &str| {
        let source = format!(
            "module: {{name: m, storage: managed}}\nfields:\n- name: a\n  type: string\n  visible_when: |\n    {condition}\n"
        );
        let spec = module_spec::parse(&source).0.unwrap();
        match CompiledModule::compile(&ENGINE, Arc::new(spec)) {
            Ok(_) => None,
            Err(findings) => Some((
                findings.len(),
                findings[0].line,
                findings[0].message.clone(),
            )),
        }
    };
    for good in [
        "{}",
        "{a: 1}.a",
        "(item.a)",
        "item.a, item.b",
        "item.a // why",
        "[1].includes(item.a)",
        "() => 1",
        "function () { return 1 }",
    ] {
        assert_eq!(check(good), None, "{good}");
    }
    for bad in [
        "item.a); log.info('x'); (item.b",
        "item.a); [(item.b)][0]; (1",
    ] {
        let found = check(bad);
        let message = "this condition is more than one expression".to_owned();
        assert_eq!(found, Some((1, 6, message)), "{bad}");
    }
    for bad in ["...item.a", "item.a +", "if (item.a) 1", "item.a,,item.b"] {
        let (count, line, message) = check(bad).unwrap();
        assert!(
            count == 1 && line == 6 && message.starts_with("this lambda is not valid JavaScript"),
            "{bad}: {line} {message}"
        );
    }
}
