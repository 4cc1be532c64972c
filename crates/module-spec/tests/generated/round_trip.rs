//! What is written says what was read.

use std::collections::BTreeSet;
use std::path::Path;

use module_spec::{ModuleSpec, json_schema, parse, to_yaml};
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;
use serde_json::Value;

use crate::strategy::module;
use crate::{file, good};

#[track_caller]
fn assert_round_trip(spec: &ModuleSpec) {
    let written = to_yaml(spec);
    let again = good(&written);
    if &again != spec {
        // The whole of both fills screens.
        let (before, after) = (format!("{spec:#?}"), format!("{again:#?}"));
        let lines = before.lines().zip(after.lines());
        let different = lines.filter(|(before, after)| before != after);
        let few: Vec<(&str, &str)> = different.take(8).collect();
        panic!("{few:#?}\n{written}");
    }
    assert_eq!(to_yaml(&again), written);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(120) })]

    #[test]
    fn every_generated_module_survives(document in module()) {
        assert_round_trip(&good(&file(&document)));
    }
}

/// Every key that the schema names, as `definition.key`.
fn keys_of_the_schema() -> BTreeSet<String> {
    let schema = json_schema();
    let mut keys = BTreeSet::new();
    let mut note = |title: &str, table: &Value| {
        for key in table["properties"].as_object().unwrap().keys() {
            keys.insert(format!("{title}.{key}"));
        }
    };
    note("", &schema);
    for (title, table) in schema["$defs"].as_object().unwrap() {
        note(title, table);
    }
    keys
}

/// Notes which keys a document has, following the schema.
fn note_keys(
    schema: &Value,
    shape: &Value,
    title: &str,
    value: &Value,
    seen: &mut BTreeSet<String>,
) {
    if let Some(reference) = shape["$ref"].as_str() {
        let title = reference.rsplit('/').next().unwrap();
        return note_keys(schema, &schema["$defs"][title], title, value, seen);
    }
    if let Some(several) = shape["anyOf"].as_array() {
        for one in several {
            note_keys(schema, one, title, value, seen);
        }
    }
    if let (Some(properties), Some(keys)) = (shape["properties"].as_object(), value.as_object()) {
        // What an event of a test tells beside its name is the author's own.
        let known = |(key, value)| Some((key, properties.get(key)?, value));
        for (key, shape, value) in keys.iter().filter_map(known) {
            seen.insert(format!("{title}.{key}"));
            note_keys(schema, shape, title, value, seen);
        }
    }
    for item in value.as_array().into_iter().flatten() {
        note_keys(schema, &shape["items"], title, item, seen);
    }
}

#[test]
fn the_generated_modules_use_every_key() {
    let schema = json_schema();
    let mut seen = BTreeSet::new();
    let mut runner = TestRunner::deterministic();
    for _ in 0..300 {
        let document = module().new_tree(&mut runner).unwrap().current();
        note_keys(&schema, &schema, "", &document, &mut seen);
    }
    assert_eq!(seen, keys_of_the_schema());
}

#[test]
fn the_modules_of_this_repository_survive() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut count = 0;
    for folder in ["modules", "examples"] {
        for entry in std::fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path
                .extension()
                .is_some_and(|extension| extension == "yaml")
            {
                assert_round_trip(&good(&std::fs::read_to_string(path).unwrap()));
                count += 1;
            }
        }
    }
    assert!(count > 20);
}

/// Every file in a Rust string of the tests that tell stories, and what tests of other crates load.
#[test]
fn the_modules_of_the_stories_survive() {
    let stories = include_str!("../stories.rs");
    let mut count = 0;
    for literal in stories.split("\"\\\n").skip(1) {
        let file = literal.split("\n\";").next().unwrap();
        let file = format!("{}\n", file.replace("\\\"", "\""));
        if let Some(spec) = parse(&file).0 {
            assert_round_trip(&spec);
            count += 1;
        }
    }
    assert!(count >= 2, "{count}");
}
