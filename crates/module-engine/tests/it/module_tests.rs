//! The tests that authors write.

use module_engine::module_tests::run_tests;

use crate::support::module;

const YAML: &str = "
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
- {name: serial, type: string}
computed_fields:
- {name: badge, lambda: \"log.info('asked'); return {text: item.serial, tone: db.queryRow('SELECT tone FROM x').tone}\"}
hooks:
  before_save: \"if (!item.serial) fail('serial', 'is missing'); item.by = user.login\"
tests:
- {name: passes, field: badge, item: {serial: A}, rows: [{tone: info}], expect: {text: A, tone: info}}
- {name: passes with less, field: badge, item: {serial: A}, rows: [{tone: info}], expect: {text: A}}
- {name: fails, field: badge, item: {serial: A}, rows: [{tone: info}], expect: {text: B}}
- {name: no fixture, field: badge, item: {serial: A}, expect: {text: A}}
- {name: hook refuses, hook: before_save, item: {}, expect_error: is missing}
- {name: hook changes, hook: before_save, item: {serial: A}, user: {login: ann}, expect: {by: ann}}
- {name: own lambda, lambda: \"return 1 + 1\", expect: 2}
- {name: wrong error, lambda: \"throw new Error('a')\", expect_error: b}
- {name: no error, lambda: \"return 1\", expect_error: b}
";

#[test]
fn each_test_says_what_it_expected() {
    let outcomes = run_tests(&module(YAML));
    let failures: Vec<(&str, Option<&str>)> = outcomes
        .iter()
        .map(|outcome| {
            (
                outcome.name.as_str(),
                outcome
                    .failure
                    .as_ref()
                    .map(|failure| failure.message.as_str()),
            )
        })
        .collect();
    assert_eq!(
        failures,
        [
            ("passes", None),
            ("passes with less", None),
            (
                "fails",
                Some("expected {\"text\":\"B\"}, got {\"text\":\"A\",\"tone\":\"info\"}")
            ),
            (
                "no fixture",
                Some("Error: no fixture answers this query; add `rows` to the test")
            ),
            ("hook refuses", None),
            ("hook changes", None),
            ("own lambda", None),
            (
                "wrong error",
                Some("expected an error with \"b\", got: Error: a")
            ),
            ("no error", Some("expected an error with \"b\", got 1")),
        ]
    );
    assert_eq!(outcomes[0].log.len(), 1);
    let place = outcomes[3]
        .failure
        .as_ref()
        .unwrap()
        .position
        .as_ref()
        .unwrap();
    assert_eq!(
        (place.lambda.as_str(), place.line),
        ("computed_fields[0].lambda", 6)
    );
}
