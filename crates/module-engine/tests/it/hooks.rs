//! Hooks change the record or refuse it.

use domain::limits::LambdaLimits;
use module_engine::call::Failure;
use module_engine::dry_run::DryRunHost;
use module_spec::Hook;
use serde_json::json;

use crate::support::{item, module};

const YAML: &str = "
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
- {name: serial, type: string}
- {name: notes, type: textarea}
hooks:
  before_validate: |
    item.serial = item.serial.trim().toUpperCase();
    if (item.serial === '') fail('serial', 'Give it a serial number');
    if (item.serial === 'X') { fail('Not this one'); fail('serial', 1); }
  before_save: \"throw new Error('no')\"
";

#[test]
fn a_hook_changes_the_record() {
    let notes = "x".repeat(200_000);
    let outcome = module(YAML)
        .hook(
            Hook::BeforeValidate,
            &item(json!({"serial": " ab1 ", "notes": notes})),
            &DryRunHost::new(),
            LambdaLimits::DEFAULT,
        )
        .unwrap();
    assert_eq!(outcome.item["serial"], json!("AB1"));
    assert_eq!(
        outcome.item["notes"],
        json!(notes),
        "what was long before may stay long"
    );
    assert!(outcome.failures.is_empty());
}

#[test]
fn a_hook_refuses_with_reasons() {
    let run = |serial: &str| {
        module(YAML)
            .hook(
                Hook::BeforeValidate,
                &item(json!({"serial": serial})),
                &DryRunHost::new(),
                LambdaLimits::DEFAULT,
            )
            .unwrap()
            .failures
    };
    let failure = |field: &str, text: &str| Failure {
        field: field.to_owned(),
        text: text.to_owned(),
    };
    assert_eq!(run("  "), [failure("serial", "Give it a serial number")]);
    assert_eq!(
        run("x"),
        [failure("", "Not this one"), failure("serial", "1")]
    );
}

#[test]
fn a_hook_that_throws_is_an_error_and_one_that_is_not_there_does_nothing() {
    let (module, host, item) = (
        module(YAML),
        DryRunHost::new(),
        item(json!({"serial": "a"})),
    );
    let error = module
        .hook(Hook::BeforeSave, &item, &host, LambdaLimits::DEFAULT)
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "Error: no (hooks.before_save, line 11, column 27)"
    );
    assert_eq!(
        module
            .hook(Hook::AfterDelete, &item, &host, LambdaLimits::DEFAULT)
            .unwrap()
            .item,
        item
    );
}
