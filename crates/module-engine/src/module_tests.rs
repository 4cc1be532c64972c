//! The tests that an author writes into a module.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use domain::limits::LambdaLimits;
use module_spec::{Expectation, ExpectedCall, TestCase, TestTarget};
use serde_json::{Map, Value, json};

use crate::call::{Failure, Item};
use crate::compiled::CompiledModule;
use crate::dry_run::DryRunHost;
use crate::effect::Effect;
use crate::error::{InvokeError, Position};
use crate::host::{LogLevel, User};
use crate::trial::{Trial, Tried};

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestOutcome {
    /// Its name.
    pub name: String,
    /// Position in the file: `tests[index]` is its path.
    pub index: usize,
    /// Nothing, or why it failed.
    pub failure: Option<TestFailure>,
    /// What its lambda logged.
    pub log: Vec<(LogLevel, String)>,
    /// How long it took.
    pub duration: Duration,
}

impl TestOutcome {
    /// Whether it passed.
    pub fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// Why a test failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestFailure {
    /// What was expected and what came.
    pub message: String,
    /// Where the lambda threw, if it did.
    pub position: Option<Position>,
}

/// Runs the tests of a module, each in its own sandbox with its own fixtures.
pub fn run_tests(module: &CompiledModule) -> Vec<TestOutcome> {
    module
        .spec()
        .tests()
        .iter()
        .map(|test| run_test(module, test))
        .collect()
}

/// Runs one test of `module`, at most as long as the invocations that it needs may take.
pub fn run_test(module: &CompiledModule, test: &TestCase) -> TestOutcome {
    run_test_on(module, test, &host_of(test))
}

/// The same on a host that the caller keeps, made by [`host_of`].
pub fn run_test_on(module: &CompiledModule, test: &TestCase, host: &DryRunHost) -> TestOutcome {
    let started = Instant::now();
    let result = module.target_of(test).and_then(|target| {
        let trial = Trial {
            target,
            item: test.item(),
            items: test.items(),
            input: test.input(),
            event: details_of(test),
        };
        module.try_out(trial, host, LambdaLimits::DEFAULT)
    });
    let duration = started.elapsed();
    let failure = judge(test, result)
        .and_then(|()| judge_effects(test.effects(), &host.effects()))
        .err();
    TestOutcome {
        name: test.name().to_owned(),
        index: test.index(),
        failure,
        log: host.log_lines(),
        duration,
    }
}

/// The outside as a test describes it.
pub fn host_of(test: &TestCase) -> DryRunHost {
    let mut host = DryRunHost::new();
    for fixture in test.fixtures() {
        host = host.with_fixture(fixture.contains(), fixture.rows());
    }
    for (module, records) in test.records() {
        host = host.with_records(module, records);
    }
    for ticket in test.tickets() {
        host = host.with_ticket(ticket.clone());
    }
    if !test.user().is_empty() {
        host.with_user(Some(user_of(test.user())))
    } else if matches!(test.target(), TestTarget::Schedule(_)) {
        // Nobody is signed in when a schedule runs.
        host.with_user(None)
    } else {
        host
    }
}

/// What the lambdas of a test of an event see in `event` beside its name.
pub fn details_of(test: &TestCase) -> &Item {
    static NOTHING: LazyLock<Item> = LazyLock::new(Item::new);
    match test.target() {
        TestTarget::Event { details, .. } => details,
        _ => &NOTHING,
    }
}

fn failure(message: String) -> TestFailure {
    TestFailure {
        message,
        position: None,
    }
}

/// Compares what came out with what the test says about that.
fn judge(test: &TestCase, result: Result<Tried, InvokeError>) -> Result<(), TestFailure> {
    let found = match result {
        Ok(Tried::Record(outcome)) => match test.failures() {
            Some(expected) => return judge_failures(expected, &outcome.failures),
            None if outcome.failures.is_empty() => Ok(Value::Object(outcome.item)),
            None => Err(failure(in_words(&outcome.failures))),
        },
        Ok(Tried::Value(value)) => Ok(value.into_raw()),
        Ok(Tried::Decided(holds)) => Ok(Value::Bool(holds)),
        Ok(Tried::NothingRan) => Ok(Value::Null),
        Err(error) => Err(TestFailure {
            message: error.message(),
            position: error.position().cloned(),
        }),
    };
    match (test.outcome(), found) {
        (Some(Expectation::Value(expected)), Ok(found)) if !agrees(expected, &found) => {
            Err(failure(format!("expected {expected}, got {found}")))
        }
        (Some(Expectation::Value(_)) | None, Ok(_)) => Ok(()),
        (Some(Expectation::Value(_)) | None, Err(error)) => Err(error),
        (Some(Expectation::Error(text)), Err(error)) if error.message.contains(text) => Ok(()),
        (Some(Expectation::Error(text)), Err(error)) => Err(TestFailure {
            message: format!("expected an error with \"{text}\", got: {}", error.message),
            position: error.position,
        }),
        (Some(Expectation::Error(text)), Ok(found)) => Err(failure(format!(
            "expected an error with \"{text}\", got {found}"
        ))),
    }
}

/// The failures of a hook as one text.
fn in_words(failures: &[Failure]) -> String {
    let texts: Vec<String> = failures
        .iter()
        .map(|failure| match failure.field.as_str() {
            "" => failure.text.clone(),
            field => format!("{field}: {}", failure.text),
        })
        .collect();
    texts.join("; ")
}

/// Each expected field must have a message with its text, and no other field any.
fn judge_failures(expected: &[(String, String)], found: &[Failure]) -> Result<(), TestFailure> {
    let shown = |field: &str| match field {
        "" => "the record as a whole".to_owned(),
        field => format!("\"{field}\""),
    };
    for (field, text) in expected {
        let mut texts = found
            .iter()
            .filter(|failure| failure.field == *field)
            .map(|failure| failure.text.as_str())
            .peekable();
        if texts.peek().is_none() {
            let all = match found {
                [] => "nothing failed".to_owned(),
                found => format!("what failed is {}", in_words(found)),
            };
            return Err(failure(format!(
                "expected {} to fail with \"{text}\", but {all}",
                shown(field)
            )));
        }
        let texts: Vec<&str> = texts.collect();
        if !texts.iter().any(|found| found.contains(text.as_str())) {
            return Err(failure(format!(
                "expected {} to fail with \"{text}\", got: {}",
                shown(field),
                texts.join("; ")
            )));
        }
    }
    let unexpected = found
        .iter()
        .find(|failure| expected.iter().all(|(field, _)| *field != failure.field));
    match unexpected {
        Some(other) => Err(failure(format!(
            "{} failed too: {}",
            shown(&other.field),
            other.text
        ))),
        None => Ok(()),
    }
}

/// Compares what was done, in its order, with what the test says about that.
fn judge_effects(expected: Option<&[ExpectedCall]>, done: &[Effect]) -> Result<(), TestFailure> {
    let Some(expected) = expected else {
        return Ok(());
    };
    let done: Vec<&Effect> = done.iter().filter(|effect| !effect.only_reads()).collect();
    for (at, call) in expected.iter().enumerate() {
        let number = at.saturating_add(1);
        match done.get(at) {
            None => {
                return Err(failure(format!(
                    "expected call {number} to be {}, but there were only {}",
                    call_in_words(call),
                    done.len()
                )));
            }
            Some(found) if !is_call(call, found) => {
                return Err(failure(format!(
                    "expected call {number} to be {}, got {found}",
                    call_in_words(call)
                )));
            }
            Some(_) => {}
        }
    }
    match done.get(expected.len()) {
        Some(unexpected) => Err(failure(format!(
            "expected {} and no more, got also {unexpected}",
            match expected.len() {
                1 => "1 call".to_owned(),
                number => format!("{number} calls"),
            }
        ))),
        None => Ok(()),
    }
}

fn call_in_words(call: &ExpectedCall) -> String {
    let arguments: Vec<String> = call.arguments().iter().map(Value::to_string).collect();
    format!("{}({})", call.name(), arguments.join(", "))
}

/// Whether a call is the expected one; arguments that the test does not name may be anything.
fn is_call(expected: &ExpectedCall, found: &Effect) -> bool {
    let arguments = found.arguments();
    expected.name() == found.name()
        && expected.arguments().len() <= arguments.len()
        && expected
            .arguments()
            .iter()
            .zip(&arguments)
            .all(|(wanted, found)| agrees(&checked(expected.name(), wanted, found), found))
}

/// What may be written shorter, as the host is told it: one recipient without a list, a note as its text alone, a number as a text.
fn checked(call: &str, wanted: &Value, found: &Value) -> Value {
    match (call, wanted, found) {
        ("tickets.addNote", Value::String(text), Value::Object(_)) => json!({ "text": text }),
        ("notify", Value::Object(fields), _) => {
            let mut fields = fields.clone();
            if let Some(to @ Value::String(_)) = fields.get("to") {
                let to = json!([to]);
                fields.insert("to".to_owned(), to);
            }
            Value::Object(fields)
        }
        (_, Value::String(text), Value::Number(_)) => text
            .parse::<i64>()
            .map_or_else(|_| wanted.clone(), Value::from),
        _ => wanted.clone(),
    }
}

/// Objects need only have what is expected of them; numbers compare by value, `1` and `1.0` alike.
fn agrees(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::Object(expected), Value::Object(found)) => expected
            .iter()
            .all(|(key, value)| found.get(key).is_some_and(|found| agrees(value, found))),
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .zip(found)
                    .all(|(expected, found)| agrees(expected, found))
        }
        (Value::Number(expected), Value::Number(found)) => {
            expected == found || expected.as_f64() == found.as_f64()
        }
        (expected, found) => expected == found,
    }
}

/// The user of a test: what is not written is empty.
fn user_of(user: &Map<String, Value>) -> User {
    let text = |key: &str| {
        user.get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    User {
        id: user.get("id").and_then(Value::as_i64).unwrap_or(1),
        login: text("login"),
        name: text("name"),
        groups: user
            .get("groups")
            .and_then(Value::as_array)
            .map(|groups| {
                groups
                    .iter()
                    .filter_map(Value::as_str)
                    .map(str::to_owned)
                    .collect()
            })
            .unwrap_or_default(),
    }
}
