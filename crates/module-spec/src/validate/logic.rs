//! `computed_fields`, `hooks` and `tests`.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::field::{Otherwise, report_unknown};
use crate::keys;
use crate::reader::{RETURN_HELP, Reader};
use crate::spec::{
    ComputedField, Expectation, Field, FieldName, Fixture, Hook, Hooks, Places, TestCase,
    TestTarget,
};
use crate::text::{Text, title_case};
use crate::yaml::Content;

pub(super) fn computed_fields(
    document: &Reader<'_>,
    managed: bool,
    fields: &[Field],
) -> Vec<ComputedField> {
    let readers = document.mappings("computed_fields", &keys::COMPUTED_FIELD);
    let in_list = Otherwise::of(&readers, "show_in_list", managed);
    let in_form = Otherwise::of(&readers, "show_in_form", managed);
    let mut names: HashSet<FieldName> = fields.iter().map(|field| field.name.clone()).collect();
    let mut computed = Vec::new();
    for reader in &readers {
        let name: Option<FieldName> = reader.parsed("name", "bad-identifier");
        let _ = name
            .as_ref()
            .map(|name| reader.findings.declare(name.as_str()));
        let label = reader.text("label");
        let lambda = reader.lambda("lambda");
        if let Some(lambda) = &lambda
            && !lambda.source().contains("return")
        {
            let message = "this lambda never returns anything; the column will be empty";
            reader.warning("no-return", "lambda", message, Some(RETURN_HELP.to_owned()));
        }
        let show_in_list = in_list.unless_written(reader, "show_in_list");
        let show_in_form = in_form.unless_written(reader, "show_in_form");
        reader.integer("list_position");
        let Some(name) = name else { continue };
        if !names.insert(name.clone()) {
            let message = format!("there is another field \"{name}\"");
            reader.error(
                "duplicate-field",
                "name",
                message,
                Some("rename one of them".to_owned()),
            );
            continue;
        }
        let Some(lambda) = lambda else { continue };
        let label = label.unwrap_or_else(|| Text::new(&title_case(name.as_str())));
        let index = computed.len();
        computed.push(ComputedField {
            name,
            label,
            show_in_list,
            show_in_form,
            lambda,
            index,
        });
    }
    computed
}

pub(super) fn hooks(document: &Reader<'_>) -> Hooks {
    let Some(reader) = document.mapping("hooks", &keys::HOOKS) else {
        return Hooks::default();
    };
    let written = Hook::ALL
        .into_iter()
        .filter_map(|hook| Some((hook, reader.lambda(hook.as_str())?)));
    Hooks(written.collect())
}

pub(super) fn tests(
    document: &Reader<'_>,
    computed: &[ComputedField],
    hooks: &Hooks,
    places: &mut Places,
) -> Vec<TestCase> {
    let readers = document.mappings("tests", &keys::TEST);
    let read = |(index, reader): (usize, &Reader<'_>)| {
        // Whoever runs the tests says there what failed.
        places.note(reader, &["name"]);
        let name = reader.string("name");
        let target = target(reader, computed, hooks);
        let expectation = expectation(reader);
        let item = mapping(reader, "item");
        let user = mapping(reader, "user");
        let fixtures = fixtures(reader);
        Some(TestCase {
            name: name?.to_owned(),
            target: target?,
            item,
            user,
            fixtures,
            expectation: expectation?,
            index,
        })
    };
    readers.iter().enumerate().filter_map(read).collect()
}

fn target(reader: &Reader<'_>, computed: &[ComputedField], hooks: &Hooks) -> Option<TestTarget> {
    let written: Vec<&str> = ["field", "hook", "lambda"]
        .into_iter()
        .filter(|key| reader.has(key))
        .collect();
    if written.len() != 1 {
        let message = "a test runs exactly one of \"field\", \"hook\" and \"lambda\"";
        reader
            .findings
            .error("bad-test", reader.place, &reader.path, message, None);
        return None;
    }
    if reader.has("lambda") {
        return reader
            .lambda("lambda")
            .map(|lambda| TestTarget::Lambda(Box::new(lambda)));
    }
    if reader.has("hook") {
        let words = Hook::ALL.map(|hook| (hook.as_str(), hook));
        let hook = reader.one_of("hook", &words, "unknown-value")?;
        if hooks.get(hook).is_none() {
            reader.error(
                "bad-test",
                "hook",
                format!("this module has no hook \"{}\"", hook.as_str()),
                None,
            );
            return None;
        }
        return Some(TestTarget::Hook(hook));
    }
    let name = reader.string("field")?;
    match computed.iter().find(|field| field.name.as_str() == name) {
        Some(field) => Some(TestTarget::Field(field.name.clone())),
        None => {
            let names = computed.iter().map(|field| field.name.as_str());
            let place = reader.place_of("field");
            report_unknown(reader, name, (place, &reader.child_path("field")), names);
            None
        }
    }
}

fn expectation(reader: &Reader<'_>) -> Option<Expectation> {
    // `expect: null` is an expectation too: the lambda returns nothing.
    match (reader.is_written("expect"), reader.has("expect_error")) {
        (true, false) => Some(Expectation::Value(
            reader.json("expect").unwrap_or(Value::Null),
        )),
        (false, true) => reader
            .string("expect_error")
            .map(|text| Expectation::Error(text.to_owned())),
        _ => {
            let message = "a test has exactly one of \"expect\" and \"expect_error\"";
            reader
                .findings
                .error("bad-test", reader.place, &reader.path, message, None);
            None
        }
    }
}

fn mapping(reader: &Reader<'_>, key: &str) -> Map<String, Value> {
    match reader.json(key) {
        None => Map::new(),
        Some(Value::Object(map)) => map,
        Some(_) => {
            reader.error(
                "wrong-type",
                key,
                format!("\"{key}\" must be a mapping"),
                None,
            );
            Map::new()
        }
    }
}

/// `rows` is one list of rows for any query, or lists of rows by a text that the query contains.
fn fixtures(reader: &Reader<'_>) -> Vec<Fixture> {
    let Some(node) = reader.node("rows") else {
        return Vec::new();
    };
    let rows = |value: Value| -> Option<Vec<Map<String, Value>>> {
        let Value::Array(rows) = value else {
            return None;
        };
        rows.into_iter()
            .map(|row| match row {
                Value::Object(row) => Some(row),
                _ => None,
            })
            .collect()
    };
    let fixtures: Option<Vec<Fixture>> = match &node.content {
        Content::Mapping(entries) => entries
            .iter()
            .map(|entry| {
                Some(Fixture {
                    contains: Some(entry.key.clone()),
                    rows: rows(entry.value.to_json())?,
                })
            })
            .collect(),
        _ => rows(node.to_json()).map(|rows| {
            vec![Fixture {
                contains: None,
                rows,
            }]
        }),
    };
    fixtures.unwrap_or_else(|| {
        let message =
            "\"rows\" is a list of rows, or lists of rows by a text that the query contains";
        let help = "for example `rows: [{n: 3}]` or `rows: {\"FROM ticket\": [{n: 3}]}`".to_owned();
        reader.error("wrong-type", "rows", message, Some(help));
        Vec::new()
    })
}
