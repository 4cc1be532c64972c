//! `tests`.

use serde_json::{Map, Value};

use super::field::report_unknown;
use domain::spelling::nearest;

use crate::keys;
use crate::reader::{MAX_LIST, Reader};
use crate::spec::{
    Action, ComputedField, EventHandler, EventKind, Expectation, ExpectedCall, Field, FieldName,
    Fixture, Hook, Hooks, Places, Schedule, TestCase, TestTarget,
};
use crate::yaml::{Content, Node, shorten};

/// What of a module has code that a test can run.
#[derive(Clone, Copy)]
pub(super) struct Testable<'m> {
    pub(super) fields: &'m [Field],
    pub(super) computed: &'m [ComputedField],
    pub(super) hooks: &'m Hooks,
    pub(super) events: &'m [EventHandler],
    pub(super) actions: &'m [Action],
    pub(super) schedules: &'m [Schedule],
}

/// The keys that say what a test runs.
const TARGETS: [&str; 8] = [
    "field",
    "hook",
    "event",
    "action",
    "schedule",
    "visible_when",
    "required_when",
    "lambda",
];

pub(super) fn tests(
    document: &Reader<'_>,
    module: Testable<'_>,
    places: &mut Places,
) -> Vec<TestCase> {
    let readers = document.mappings("tests", &keys::TEST);
    let read = |(index, reader): (usize, &Reader<'_>)| {
        // Whoever runs the tests says there what failed.
        places.note(reader, &["name"]);
        let name = reader.string("name");
        let target = target(reader, module);
        let outcome = outcome(reader);
        let failures = failures(reader);
        let effects = effects(reader);
        let item = mapping(reader, "item");
        let items = rows(reader, "items");
        let input = mapping(reader, "input");
        let user = mapping(reader, "user");
        let fixtures = fixtures(reader);
        let records = records(reader);
        let tickets = rows(reader, "tickets");
        let fits = target.as_ref().is_none_or(|target| {
            let given = only_with(reader, target);
            let expected = is_judged(reader, target);
            given && expected
        });
        if !fits {
            return None;
        }
        Some(TestCase {
            name: name?.to_owned(),
            target: target?,
            item,
            items,
            input,
            user,
            fixtures,
            records,
            tickets,
            outcome,
            failures,
            effects,
            index,
        })
    };
    readers.iter().enumerate().filter_map(read).collect()
}

fn bad_test(reader: &Reader<'_>, message: impl Into<String>, help: Option<String>) {
    reader
        .findings
        .error("bad-test", reader.place, &reader.path, message, help);
}

fn target(reader: &Reader<'_>, module: Testable<'_>) -> Option<TestTarget> {
    let mut written = TARGETS.into_iter().filter(|key| reader.has(key));
    let (Some(key), None) = (written.next(), written.next()) else {
        let message = format!("a test runs exactly one of {}", TARGETS.join(", "));
        bad_test(reader, message, None);
        return None;
    };
    match key {
        "lambda" => reader
            .lambda("lambda")
            .map(|lambda| TestTarget::Lambda(Box::new(lambda))),
        "hook" => {
            let words = Hook::ALL.map(|hook| (hook.as_str(), hook));
            let hook = reader.one_of("hook", &words, "unknown-value")?;
            if module.hooks.get(hook).is_none() {
                let message = format!("this module has no hook \"{}\"", hook.as_str());
                reader.error("bad-test", "hook", message, None);
                return None;
            }
            Some(TestTarget::Hook(hook))
        }
        "event" => event(reader, module.events),
        "action" => {
            let name = reader.string("action")?;
            let names = module.actions.iter().map(|action| action.name.as_str());
            let found = module.actions.iter().find(|a| a.name.as_str() == name);
            if found.is_none() {
                missing(
                    reader,
                    "action",
                    &format!("action \"{}\"", shorten(name)),
                    name,
                    names,
                );
            }
            Some(TestTarget::Action(found?.name.clone()))
        }
        "schedule" => schedule(reader, module.schedules),
        "visible_when" => {
            condition(reader, key, module.fields, Field::visible_when).map(TestTarget::VisibleWhen)
        }
        "required_when" => condition(reader, key, module.fields, Field::required_when)
            .map(TestTarget::RequiredWhen),
        _ => {
            let name = reader.string("field")?;
            let found = module.computed.iter().find(|f| f.name.as_str() == name);
            if found.is_none() {
                let names = module.computed.iter().map(|field| field.name.as_str());
                let place = reader.place_of("field");
                report_unknown(reader, name, (place, &reader.child_path("field")), names);
            }
            Some(TestTarget::Field(found?.name.clone()))
        }
    }
}

/// An error about something that the module does not have, with the name that may be meant.
fn missing<'n>(
    reader: &Reader<'_>,
    key: &str,
    what: &str,
    written: &str,
    names: impl Iterator<Item = &'n str>,
) {
    let help = nearest(written, names).map(|near| format!("did you mean \"{near}\"?"));
    reader.error("bad-test", key, format!("this module has no {what}"), help);
}

/// The field whose condition is tested.
fn condition(
    reader: &Reader<'_>,
    key: &str,
    fields: &[Field],
    of: impl Fn(&Field) -> Option<&crate::lambda::Lambda>,
) -> Option<FieldName> {
    let name = reader.string(key)?;
    let Some(field) = fields.iter().find(|field| field.name.as_str() == name) else {
        let names = fields.iter().map(|field| field.name.as_str());
        let place = reader.place_of(key);
        report_unknown(reader, name, (place, &reader.child_path(key)), names);
        return None;
    };
    if of(field).is_none() {
        let message = format!("the field \"{name}\" has no \"{key}\"");
        reader.error("bad-test", key, message, None);
        return None;
    }
    Some(field.name.clone())
}

/// A word, or a mapping with `name` and what else the handlers see in `event`.
fn event(reader: &Reader<'_>, handlers: &[EventHandler]) -> Option<TestTarget> {
    let node = reader.node("event")?;
    let (name, details) = match &node.content {
        Content::Mapping(_) => {
            let Value::Object(mut details) = node.to_json() else {
                return None;
            };
            match details.remove("name") {
                Some(Value::String(name)) => (name, details),
                _ => {
                    let message = "\"event\" needs the name of what happened";
                    let help = "for example {name: ticket.created}".to_owned();
                    reader.error("bad-test", "event", message, Some(help));
                    return None;
                }
            }
        }
        _ => (reader.string("event")?.to_owned(), Map::new()),
    };
    let known = EventKind::WORDS.iter().find(|(word, _)| *word == name);
    let Some((_, kind)) = known else {
        let words = || EventKind::WORDS.iter().map(|(word, _)| *word);
        let help = nearest(&name, words()).map_or_else(
            || format!("one of {}", words().collect::<Vec<_>>().join(", ")),
            |near| format!("did you mean \"{near}\"?"),
        );
        let message = format!("there is no event \"{}\"", shorten(&name));
        reader.error("unknown-value", "event", message, Some(help));
        return None;
    };
    if !handlers.iter().any(|handler| handler.on.contains(kind)) {
        let message = format!("nothing in \"events\" waits for {name}");
        reader.error("bad-test", "event", message, None);
        return None;
    }
    Some(TestTarget::Event {
        kind: *kind,
        details,
    })
}

/// A schedule by its `cron`, or by its path where two have the same.
fn schedule(reader: &Reader<'_>, schedules: &[Schedule]) -> Option<TestTarget> {
    let written = reader.string("schedule")?;
    let path = |schedule: &Schedule| format!("schedules[{}]", schedule.index);
    let mut fits = schedules
        .iter()
        .filter(|schedule| schedule.cron.as_str() == written.trim() || path(schedule) == written);
    match (fits.next(), fits.next()) {
        (Some(one), None) => Some(TestTarget::Schedule(one.index)),
        (Some(_), Some(_)) => {
            let message = format!("several schedules run at \"{}\"", shorten(written));
            let help = "write the place of the one that is meant, such as `schedules[0]`";
            reader.error("bad-test", "schedule", message, Some(help.to_owned()));
            None
        }
        (None, _) => {
            let names = schedules.iter().map(|schedule| schedule.cron.as_str());
            let what = format!("schedule \"{}\"", shorten(written));
            missing(reader, "schedule", &what, written, names);
            None
        }
    }
}

/// Whether keys that mean something for some targets only stand beside one of those.
fn only_with(reader: &Reader<'_>, target: &TestTarget) -> bool {
    let is_action = matches!(target, TestTarget::Action(_));
    let may_act = is_action || matches!(target, TestTarget::Event { .. } | TestTarget::Schedule(_));
    let is_hook = matches!(target, TestTarget::Hook(_));
    let rules = [
        ("items", is_action, "an action"),
        ("input", is_action, "an action"),
        ("records", may_act, "an event, an action or a schedule"),
        ("tickets", may_act, "an event, an action or a schedule"),
        (
            "expect_effects",
            may_act,
            "an event, an action or a schedule",
        ),
        ("expect_failures", is_hook, "a hook"),
    ];
    let mut good = true;
    for (key, fits, whom) in rules {
        if reader.has(key) && !fits {
            let message = format!("\"{key}\" is for a test of {whom}");
            reader.error("bad-test", key, message, None);
            good = false;
        }
    }
    good
}

/// Whether the test can fail: it says what it expects, and only one thing of what comes out.
fn is_judged(reader: &Reader<'_>, target: &TestTarget) -> bool {
    // `expect: null` is an expectation too: the lambda returns nothing.
    let outcomes = [
        reader.is_written("expect"),
        reader.has("expect_error"),
        reader.has("expect_failures"),
    ];
    let outcomes = outcomes.into_iter().filter(|written| *written).count();
    let effects = reader.has("expect_effects");
    if outcomes == 1 || outcomes == 0 && effects {
        return true;
    }
    let others = match target {
        TestTarget::Hook(_) => ", \"expect_failures\"",
        TestTarget::Event { .. } | TestTarget::Action(_) | TestTarget::Schedule(_) => {
            " (beside \"expect_effects\" none is needed)"
        }
        _ => "",
    };
    let message = format!("a test has exactly one of \"expect\", \"expect_error\"{others}");
    bad_test(reader, message, None);
    false
}

fn outcome(reader: &Reader<'_>) -> Option<Expectation> {
    if reader.is_written("expect") {
        return Some(Expectation::Value(
            reader.json("expect").unwrap_or(Value::Null),
        ));
    }
    reader
        .string("expect_error")
        .map(|text| Expectation::Error(text.to_owned()))
}

/// Texts by the names of fields.
fn failures(reader: &Reader<'_>) -> Option<Vec<(String, String)>> {
    let node = reader.node("expect_failures")?;
    let texts = match &node.content {
        Content::Mapping(entries) => entries
            .iter()
            .map(|entry| Some((entry.key.clone(), entry.value.scalar()?.to_owned())))
            .collect::<Option<Vec<_>>>(),
        _ => None,
    };
    if texts.is_none() {
        let message = "\"expect_failures\" must be a mapping from fields to texts";
        let help = "for example {serial: is missing}; an empty name is the record as a whole";
        reader.error(
            "wrong-type",
            "expect_failures",
            message,
            Some(help.to_owned()),
        );
    }
    texts
}

/// What a call looks like.
const CALL_HELP: &str =
    "for example `- tickets.update: [12, {state: open}]`, with the arguments in their order";

/// The calls, each a name or a mapping from its name to its arguments.
fn effects(reader: &Reader<'_>) -> Option<Vec<ExpectedCall>> {
    reader.node("expect_effects")?;
    let calls = reader
        .list("expect_effects", MAX_LIST)
        .into_iter()
        .map(|at| {
            let (name, arguments) = match &at.node.content {
                Content::Mapping(entries) => match entries.as_slice() {
                    [entry] => (entry.key.as_str(), arguments(&entry.value)),
                    _ => ("", Vec::new()),
                },
                _ => (at.node.scalar().unwrap_or(""), Vec::new()),
            };
            let known = ExpectedCall::NAMES.iter().find(|known| **known == name);
            if known.is_none() {
                let message = match name {
                    "" => "this is no call".to_owned(),
                    name => format!("\"{}\" is no call that does something", shorten(name)),
                };
                let help = nearest(name, ExpectedCall::NAMES.iter().copied()).map_or_else(
                    || format!("{CALL_HELP}; calls are {}", ExpectedCall::NAMES.join(", ")),
                    |near| format!("did you mean \"{near}\"?"),
                );
                reader
                    .findings
                    .error("bad-test", at.node.place, &at.path, message, Some(help));
            }
            Some(ExpectedCall {
                name: known?,
                arguments,
            })
        });
    // Each is looked at, and none is left out silently.
    let calls: Vec<Option<ExpectedCall>> = calls.collect();
    calls.into_iter().collect()
}

/// Several arguments are a list; one that is no list stands alone.
fn arguments(node: &Node) -> Vec<Value> {
    match node.to_json() {
        Value::Null => Vec::new(),
        Value::Array(arguments) => arguments,
        argument => vec![argument],
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

/// A list of mappings.
fn rows(reader: &Reader<'_>, key: &str) -> Vec<Map<String, Value>> {
    let Some(node) = reader.node(key) else {
        return Vec::new();
    };
    rows_of(node.to_json()).unwrap_or_else(|| {
        let message = format!("\"{key}\" must be a list of mappings");
        reader.error("wrong-type", key, message, None);
        Vec::new()
    })
}

fn rows_of(value: Value) -> Option<Vec<Map<String, Value>>> {
    let Value::Array(rows) = value else {
        return None;
    };
    rows.into_iter()
        .map(|row| match row {
            Value::Object(row) => Some(row),
            _ => None,
        })
        .collect()
}

/// Lists of rows by name; nothing where it is something else.
/// Rows of each table or text.
type RowsByName = Vec<(String, Vec<Map<String, Value>>)>;

fn rows_by_name(node: &Node) -> Option<RowsByName> {
    let Content::Mapping(entries) = &node.content else {
        return None;
    };
    entries
        .iter()
        .map(|entry| Some((entry.key.clone(), rows_of(entry.value.to_json())?)))
        .collect()
}

/// `rows` is one list of rows for any query, or lists of rows by a text that the query contains.
fn fixtures(reader: &Reader<'_>) -> Vec<Fixture> {
    let Some(node) = reader.node("rows") else {
        return Vec::new();
    };
    let fixtures = match &node.content {
        Content::Mapping(_) => rows_by_name(node).map(|lists| {
            let fixture = |(text, rows)| Fixture {
                contains: Some(text),
                rows,
            };
            lists.into_iter().map(fixture).collect()
        }),
        _ => rows_of(node.to_json()).map(|rows| {
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

/// Records by the names of modules.
fn records(reader: &Reader<'_>) -> Vec<(String, Vec<Map<String, Value>>)> {
    let Some(node) = reader.node("records") else {
        return Vec::new();
    };
    rows_by_name(node).unwrap_or_else(|| {
        let message = "\"records\" must be lists of records by the name of their module";
        let help = "for example `records: {laptop: [{id: 1, serial: A-1}]}`".to_owned();
        reader.error("wrong-type", "records", message, Some(help));
        Vec::new()
    })
}
