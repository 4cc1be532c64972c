//! What is run, and with what.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use module_engine::dry_run::DryRunHost;
use module_engine::host::User;
use module_spec::{Hook, ModuleSpec, TestCase, TestTarget};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::RunArgs;
use crate::cli::error::CliError;
use crate::cli::output::clean;

pub(super) fn parse_hook(text: &str) -> Result<Hook, String> {
    Hook::ALL
        .into_iter()
        .find(|hook| hook.as_str() == text)
        .ok_or_else(|| {
            format!(
                "one of {} is expected",
                Hook::ALL.map(Hook::as_str).join(", ")
            )
        })
}

pub(super) fn parse_time(text: &str) -> Result<DateTime<Utc>, String> {
    DateTime::parse_from_rfc3339(text)
        .map(|time| time.with_timezone(&Utc))
        .map_err(|error| format!("{error}; a time such as 2026-01-15T12:00:00Z is expected"))
}

/// What is run.
pub(super) struct Chosen<'a> {
    pub(super) target: Cow<'a, TestTarget>,
    /// In words.
    pub(super) what: String,
    /// The test that says with what, where one was named.
    test: Option<&'a TestCase>,
}

/// Finds what the command line names.
pub(super) fn choose<'a>(args: &RunArgs, spec: &'a ModuleSpec) -> Result<Chosen<'a>, CliError> {
    if let Some(hook) = args.hook {
        return match spec.hooks().get(hook) {
            Some(_) => Ok(of_hook(hook)),
            None => Err(unknown(&format!("hook {}", hook.as_str()), spec)),
        };
    }
    let Some(name) = args.lambda.as_deref() else {
        return Err(CliError::Usage(format!(
            "--lambda says what to run; this module has {}",
            everything(spec)
        )));
    };
    if let Some(field) = spec.computed_field(name) {
        return Ok(Chosen {
            target: Cow::Owned(TestTarget::Field(field.name().clone())),
            what: format!("computed field {name}"),
            test: None,
        });
    }
    let hook = spec
        .hooks()
        .iter()
        .find(|(hook, lambda)| hook.as_str() == name || lambda.path() == name);
    if let Some((hook, _)) = hook {
        return Ok(of_hook(hook));
    }
    let by_path = spec
        .computed_fields()
        .iter()
        .find(|field| field.lambda().path() == name);
    if let Some(field) = by_path {
        return Ok(Chosen {
            target: Cow::Owned(TestTarget::Field(field.name().clone())),
            what: format!("computed field {}", field.name()),
            test: None,
        });
    }
    let test = spec.tests().iter().find(|test| {
        test.name() == name
            || matches!(test.target(), TestTarget::Lambda(lambda) if lambda.path() == name)
    });
    match test {
        Some(test) => Ok(Chosen {
            target: Cow::Borrowed(test.target()),
            what: format!("test \"{}\"", test.name()),
            test: Some(test),
        }),
        None => Err(unknown(&format!("lambda \"{}\"", clean(name)), spec)),
    }
}

fn of_hook(hook: Hook) -> Chosen<'static> {
    Chosen {
        target: Cow::Owned(TestTarget::Hook(hook)),
        what: format!("hook {}", hook.as_str()),
        test: None,
    }
}

fn unknown(what: &str, spec: &ModuleSpec) -> CliError {
    CliError::Usage(format!(
        "this module has no {what}; it has {}",
        everything(spec)
    ))
}

/// Everything that can be run, in words.
fn everything(spec: &ModuleSpec) -> String {
    let fields = spec
        .computed_fields()
        .iter()
        .map(|field| field.name().to_string());
    let hooks = spec
        .hooks()
        .iter()
        .map(|(hook, _)| hook.as_str().to_owned());
    let tests = spec
        .tests()
        .iter()
        .map(|test| format!("\"{}\"", clean(test.name())));
    let groups = [
        ("computed fields", fields.collect::<Vec<_>>()),
        ("hooks", hooks.collect()),
        ("tests", tests.collect()),
    ];
    let words: Vec<String> = groups
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("the {what} {}", names.join(", ")))
        .collect();
    if words.is_empty() {
        "no lambdas".to_owned()
    } else {
        words.join("; ")
    }
}

/// The rows for queries that contain a text, or for all.
type Answer = (Option<String>, Vec<Map<String, Value>>);

/// With what it is run.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) item: Map<String, Value>,
    user: WhoIsSignedIn,
    fixtures: Vec<Answer>,
    now: Option<DateTime<Utc>>,
}

#[derive(Debug)]
enum WhoIsSignedIn {
    /// As in tests that do not say.
    Usual,
    Nobody,
    Somebody(User),
}

/// `user` as an author writes it: what is not said is empty.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenUser {
    #[serde(default = "first")]
    id: i64,
    #[serde(default)]
    login: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    groups: Vec<String>,
}

const fn first() -> i64 {
    1
}

impl Inputs {
    /// From the command line, else from the test that is run.
    pub(super) fn read(args: &RunArgs, chosen: &Chosen<'_>) -> Result<Self, CliError> {
        let item = match (&args.item, chosen.test) {
            (Some(text), _) => from_json("--item", &text_of("--item", text)?)?,
            (None, Some(test)) => test.item().clone(),
            (None, None) => Map::new(),
        };
        let user = match (&args.user, chosen.test) {
            (Some(text), _) => {
                from_json::<Option<WrittenUser>>("--user", &text_of("--user", text)?)?
                    .map_or(WhoIsSignedIn::Nobody, WhoIsSignedIn::from)
            }
            (None, Some(test)) if !test.user().is_empty() => {
                let user: WrittenUser = serde_json::from_value(test.user().clone().into())
                    .map_err(|error| wrong("the user of the test", &error))?;
                user.into()
            }
            (None, _) => WhoIsSignedIn::Usual,
        };
        let fixtures = match (&args.rows, chosen.test) {
            (Some(path), _) => {
                let text = std::fs::read_to_string(path).map_err(|source| CliError::ReadFile {
                    path: path.clone(),
                    source,
                })?;
                fixtures(&text)?
            }
            (None, Some(test)) => test
                .fixtures()
                .iter()
                .map(|fixture| {
                    (
                        fixture.contains().map(str::to_owned),
                        fixture.rows().to_vec(),
                    )
                })
                .collect(),
            (None, None) => Vec::new(),
        };
        Ok(Self {
            item,
            user,
            fixtures,
            now: args.now,
        })
    }

    /// The outside as the lambda will find it.
    pub(super) fn host(&self) -> DryRunHost {
        let mut host = DryRunHost::new();
        for (contains, rows) in &self.fixtures {
            host = host.with_fixture(contains.as_deref(), rows);
        }
        if let Some(now) = self.now {
            host = host.with_now(now);
        }
        match &self.user {
            WhoIsSignedIn::Usual => host,
            WhoIsSignedIn::Nobody => host.with_user(None),
            WhoIsSignedIn::Somebody(user) => host.with_user(Some(user.clone())),
        }
    }
}

impl From<WrittenUser> for WhoIsSignedIn {
    fn from(user: WrittenUser) -> Self {
        Self::Somebody(User {
            id: user.id,
            login: user.login,
            name: user.name,
            groups: user.groups,
        })
    }
}

/// The value of a flag, or the content of the file that `@FILE` names.
fn text_of<'a>(flag: &str, value: &'a str) -> Result<Cow<'a, str>, CliError> {
    match value.strip_prefix('@') {
        None => Ok(Cow::Borrowed(value)),
        Some("") => Err(CliError::Usage(format!("{flag} @ names no file"))),
        Some(path) => std::fs::read_to_string(path)
            .map(Cow::Owned)
            .map_err(|source| CliError::ReadFile {
                path: path.into(),
                source,
            }),
    }
}

fn from_json<T: for<'de> Deserialize<'de>>(flag: &str, text: &str) -> Result<T, CliError> {
    serde_json::from_str(text).map_err(|error| wrong(flag, &error))
}

fn wrong(what: &str, error: &serde_json::Error) -> CliError {
    let example = match what {
        "--item" => "{\"serial\": \"A1\"}",
        "--rows" => "[{\"n\": 3}] or {\"FROM ticket\": [{\"n\": 3}]}",
        _ => "{\"login\": \"ann\", \"groups\": [\"admin\"]}",
    };
    CliError::Usage(format!(
        "{what} is not as it should be ({error}); for example {example}"
    ))
}

#[derive(Deserialize)]
#[serde(untagged)]
enum WrittenRows {
    ForAll(Vec<Map<String, Value>>),
    ByText(Map<String, Value>),
}

fn fixtures(text: &str) -> Result<Vec<Answer>, CliError> {
    match from_json("--rows", text)? {
        WrittenRows::ForAll(rows) => Ok(vec![(None, rows)]),
        WrittenRows::ByText(lists) => lists
            .into_iter()
            .map(|(text, rows)| {
                let rows = serde_json::from_value(rows).map_err(|error| wrong("--rows", &error))?;
                Ok((Some(text), rows))
            })
            .collect(),
    }
}
