//! What is run, and with what.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use module_engine::call::Item;
use module_engine::compiled::CompiledModule;
use module_engine::dry_run::DryRunHost;
use module_engine::host::User;
use module_engine::module_tests::details_of;
use module_engine::trial::Target;
use module_spec::{EventHandler, Hook, ModuleSpec, TestCase, TestTarget};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::RunArgs;
use crate::cli::error::CliError;
use crate::cli::module::pieces::{Kind, Piece, pieces};
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
    pub(super) target: Target<'a>,
    /// In words.
    pub(super) what: String,
    /// The test that says with what, where one was named.
    test: Option<&'a TestCase>,
}

impl<'a> From<Piece<'a>> for Chosen<'a> {
    fn from(piece: Piece<'a>) -> Self {
        Self {
            target: piece.target,
            what: piece.title(),
            test: None,
        }
    }
}

/// Finds what the command line names.
pub(super) fn choose<'a>(
    args: &RunArgs,
    module: &'a CompiledModule,
) -> Result<Chosen<'a>, CliError> {
    let spec = module.spec();
    let pieces = pieces(spec);
    if let Some(hook) = args.hook {
        let is_it = |piece: &Piece<'_>| piece.kind == Kind::Hook && piece.name == hook.as_str();
        return match pieces.iter().find(|piece| is_it(piece)) {
            Some(piece) => Ok(piece.clone().into()),
            None => Err(unknown(&format!("hook {}", hook.as_str()), spec, &pieces)),
        };
    }
    let Some(name) = args.lambda.as_deref() else {
        return Err(CliError::Usage(format!(
            "--lambda says what to run; this module has {}",
            everything(spec, &pieces)
        )));
    };
    let by_path = pieces.iter().find(|piece| piece.lambda.path() == name);
    let by_name = || {
        let mut named = pieces.iter().filter(|piece| piece.kind.goes_by_name());
        named.find(|piece| piece.name == name)
    };
    if let Some(piece) = by_path.or_else(by_name) {
        return Ok(piece.clone().into());
    }
    let waited_for = spec.events().iter().flat_map(EventHandler::on);
    if let Some(kind) = waited_for.copied().find(|kind| kind.as_str() == name) {
        return Ok(Chosen {
            target: Target::Event(kind),
            what: format!("event {name}"),
            test: None,
        });
    }
    let test = spec.tests().iter().find(|test| {
        test.name() == name
            || matches!(test.target(), TestTarget::Lambda(lambda) if lambda.path() == name)
    });
    let Some(test) = test else {
        return Err(unknown(
            &format!("lambda \"{}\"", clean(name)),
            spec,
            &pieces,
        ));
    };
    let target = module
        .target_of(test)
        .map_err(|error| CliError::Usage(error.to_string()))?;
    Ok(Chosen {
        target,
        what: format!("test \"{}\"", test.name()),
        test: Some(test),
    })
}

fn unknown(what: &str, spec: &ModuleSpec, pieces: &[Piece<'_>]) -> CliError {
    CliError::Usage(format!(
        "this module has no {what}; it has {}",
        everything(spec, pieces)
    ))
}

/// Everything that can be run, in words: by name where that is enough, else by its path.
fn everything(spec: &ModuleSpec, pieces: &[Piece<'_>]) -> String {
    let mut words = Vec::new();
    for kind in Kind::ALL {
        let of_kind = pieces.iter().filter(|piece| piece.kind == kind);
        let names: Vec<String> = of_kind
            .map(|piece| {
                if kind.goes_by_name() {
                    clean(&piece.name)
                } else {
                    format!("{} ({})", clean(&piece.name), piece.lambda.path())
                }
            })
            .collect();
        if !names.is_empty() {
            words.push(format!("the {} {}", kind.several(), names.join(", ")));
        }
    }
    let tests = spec.tests().iter();
    let tests: Vec<String> = tests
        .map(|test| format!("\"{}\"", clean(test.name())))
        .collect();
    if !tests.is_empty() {
        words.push(format!("the tests {}", tests.join(", ")));
    }
    if words.is_empty() {
        "no lambdas".to_owned()
    } else {
        words.join("; ")
    }
}

/// The rows for queries that contain a text, or for all.
type Answer = (Option<String>, Vec<Map<String, Value>>);

/// Records by the names of their modules.
type Records = Vec<(String, Vec<Item>)>;

/// With what it is run.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) item: Item,
    pub(super) items: Vec<Item>,
    pub(super) input: Item,
    pub(super) event: Item,
    user: WhoIsSignedIn,
    fixtures: Vec<Answer>,
    records: Records,
    tickets: Vec<Item>,
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
        let test = chosen.test;
        let user = match (&args.user, test) {
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
        let fixtures = match (&args.rows, test) {
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
        let records = match (&args.records, test) {
            (Some(text), _) => {
                let lists: Map<String, Value> = given("--records", text)?;
                let list = |(module, records): (String, Value)| {
                    let records = serde_json::from_value(records);
                    Ok((module, records.map_err(|error| wrong("--records", &error))?))
                };
                lists
                    .into_iter()
                    .map(list)
                    .collect::<Result<_, CliError>>()?
            }
            (None, Some(test)) => test.records().to_vec(),
            (None, None) => Vec::new(),
        };
        Ok(Self {
            item: given_or("--item", args.item.as_deref(), test, |test| {
                test.item().clone()
            })?,
            items: given_or("--items", args.items.as_deref(), test, |test| {
                test.items().to_vec()
            })?,
            input: given_or("--input", args.input.as_deref(), test, |test| {
                test.input().clone()
            })?,
            event: given_or("--event", args.event.as_deref(), test, |test| {
                details_of(test).clone()
            })?,
            tickets: given_or("--tickets", args.tickets.as_deref(), test, |test| {
                test.tickets().to_vec()
            })?,
            user,
            fixtures,
            records,
            now: args.now,
        })
    }

    /// The outside as the lambda will find it.
    pub(super) fn host(&self, target: &Target<'_>) -> DryRunHost {
        let mut host = DryRunHost::new();
        for (contains, rows) in &self.fixtures {
            host = host.with_fixture(contains.as_deref(), rows);
        }
        for (module, records) in &self.records {
            host = host.with_records(module, records);
        }
        for ticket in &self.tickets {
            host = host.with_ticket(ticket.clone());
        }
        if let Some(now) = self.now {
            host = host.with_now(now);
        }
        match (&self.user, target) {
            (WhoIsSignedIn::Somebody(user), _) => host.with_user(Some(user.clone())),
            // Nobody is signed in when a schedule runs.
            (WhoIsSignedIn::Nobody, _) | (WhoIsSignedIn::Usual, Target::Schedule(..)) => {
                host.with_user(None)
            }
            (WhoIsSignedIn::Usual, _) => host,
        }
    }
}

/// What a flag gives, as JSON or in a file; else what the test has; else nothing.
fn given_or<T: for<'de> Deserialize<'de> + Default>(
    flag: &str,
    written: Option<&str>,
    test: Option<&TestCase>,
    of_test: impl FnOnce(&TestCase) -> T,
) -> Result<T, CliError> {
    match (written, test) {
        (Some(text), _) => given(flag, text),
        (None, Some(test)) => Ok(of_test(test)),
        (None, None) => Ok(T::default()),
    }
}

fn given<T: for<'de> Deserialize<'de>>(flag: &str, text: &str) -> Result<T, CliError> {
    from_json(flag, &text_of(flag, text)?)
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
        "--items" => "[{\"serial\": \"A1\"}, {\"serial\": \"A2\"}]",
        "--input" | "--event" => "{\"reason\": \"lost\"}",
        "--tickets" => "[{\"id\": 12, \"state\": \"open\"}]",
        "--records" => "{\"laptop\": [{\"id\": 1, \"serial\": \"A1\"}]}",
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
