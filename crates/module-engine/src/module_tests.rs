//! The tests that an author writes into a module.

use std::slice;
use std::time::{Duration, Instant};

use domain::limits::LambdaLimits;
use module_spec::{Expectation, TestCase, TestTarget};
use serde_json::{Map, Value};

use crate::call::{Call, Outcome};
use crate::compiled::CompiledModule;
use crate::dry_run::DryRunHost;
use crate::error::{InvokeError, Position};
use crate::host::{LogLevel, User};

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

/// Runs one test of `module`, at most as long as one invocation may take.
pub fn run_test(module: &CompiledModule, test: &TestCase) -> TestOutcome {
    let mut host = DryRunHost::new();
    for fixture in test.fixtures() {
        host = host.with_fixture(fixture.contains(), fixture.rows());
    }
    if !test.user().is_empty() {
        host = host.with_user(Some(user_of(test.user())));
    }
    let started = Instant::now();
    let result = run_target(module, test, &host);
    let duration = started.elapsed();
    let failure = judge(test.expectation(), result).err();
    TestOutcome {
        name: test.name().to_owned(),
        index: test.index(),
        failure,
        log: host.log_lines(),
        duration,
    }
}

/// What came out, or the errors in words.
fn run_target(
    module: &CompiledModule,
    test: &TestCase,
    host: &DryRunHost,
) -> Result<Value, TestFailure> {
    let item = test.item();
    let limits = LambdaLimits::DEFAULT;
    let failed = |error: InvokeError| TestFailure {
        message: error.message(),
        position: error.position().cloned(),
    };
    match test.target() {
        TestTarget::Field(name) => {
            let cells = module
                .computed_fields(slice::from_ref(item), &[name.as_str()], host, limits)
                .map_err(failed)?;
            match cells.into_iter().flatten().next() {
                Some(Ok(value)) => Ok(value.into_raw()),
                Some(Err(error)) => Err(failed(error.into())),
                None => Err(TestFailure {
                    message: "the field gave nothing".to_owned(),
                    position: None,
                }),
            }
        }
        TestTarget::Hook(hook) => {
            let outcome = module.hook(*hook, item, host, limits).map_err(failed)?;
            if outcome.failures.is_empty() {
                return Ok(Value::Object(outcome.item));
            }
            let texts: Vec<String> = outcome
                .failures
                .iter()
                .map(|failure| match failure.field.as_str() {
                    "" => failure.text.clone(),
                    field => format!("{field}: {}", failure.text),
                })
                .collect();
            Err(TestFailure {
                message: texts.join("; "),
                position: None,
            })
        }
        TestTarget::Lambda(lambda) => match module
            .invoke(Call::Lambda { lambda, item }, host, limits)
            .map_err(failed)?
        {
            Outcome::Value(value) => Ok(value.into_raw()),
            _ => Err(TestFailure {
                message: "the lambda gave no value".to_owned(),
                position: None,
            }),
        },
    }
}

fn judge(expectation: &Expectation, result: Result<Value, TestFailure>) -> Result<(), TestFailure> {
    let failure = |message| {
        Err(TestFailure {
            message,
            position: None,
        })
    };
    match (expectation, result) {
        (Expectation::Value(expected), Ok(found)) if agrees(expected, &found) => Ok(()),
        (Expectation::Value(expected), Ok(found)) => {
            failure(format!("expected {expected}, got {found}"))
        }
        (Expectation::Value(_), Err(error)) => Err(error),
        (Expectation::Error(text), Err(error)) if error.message.contains(text) => Ok(()),
        (Expectation::Error(text), Err(error)) => Err(TestFailure {
            message: format!("expected an error with \"{text}\", got: {}", error.message),
            position: error.position,
        }),
        (Expectation::Error(text), Ok(found)) => {
            failure(format!("expected an error with \"{text}\", got {found}"))
        }
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
