//! The guide for customers is true: each example loads without a finding, and its own tests pass.

use std::sync::Arc;

use module_engine::compiled::CompiledModule;
use module_engine::module_tests::run_tests;

use crate::support::ENGINE;

#[test]
fn the_examples_of_the_guide_work() {
    let guide = include_str!("../../../../docs/modules/lambdas.md");
    let examples: Vec<&str> = guide
        .split("```yaml\n")
        .skip(1)
        .map(|rest| rest.split_once("```").expect("a fence that is closed").0)
        .collect();
    assert_eq!(examples.len(), 12);
    for example in examples {
        let (spec, findings) = module_spec::parse(example);
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
}
