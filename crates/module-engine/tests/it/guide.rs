//! What is written for customers is true: each example loads without a finding, and its own tests pass.

use std::sync::Arc;

use module_engine::compiled::CompiledModule;
use module_engine::module_tests::run_tests;

use crate::support::ENGINE;

/// The examples of a page that are whole modules.
fn examples(page: &str) -> Vec<&str> {
    page.split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("a fence that is closed").0)
        .collect()
}

/// Runs the tests of an example, which must load with no other findings than these.
fn works(example: &str, known: &str) {
    let (spec, mut findings) = module_spec::parse(example);
    findings.retain(|finding| finding.code != known);
    let shown = module_spec::render_text("example.yaml", example, &findings);
    assert!(findings.is_empty(), "{shown}{example}");
    let module = CompiledModule::compile(&ENGINE, Arc::new(spec.unwrap())).unwrap();
    let outcomes = run_tests(&module);
    assert!(!outcomes.is_empty(), "no test:\n{example}");
    for outcome in outcomes {
        assert!(
            outcome.passed(),
            "{}: {:?}\n{example}",
            outcome.name,
            outcome.failure
        );
    }
}

#[test]
fn the_examples_of_the_guide_work() {
    let examples = examples(include_str!("../../../../docs/modules/lambdas.md"));
    assert_eq!(examples.len(), 12);
    for example in examples {
        works(example, "");
    }
}

#[test]
fn the_examples_of_the_page_about_tests_work() {
    let examples = examples(include_str!("../../../../docs/modules/testing.md"));
    assert_eq!(examples.len(), 5);
    for example in examples {
        // The page says so.
        works(example, "not-supported-yet");
    }
}
