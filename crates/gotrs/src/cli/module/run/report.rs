//! What a lambda gave, for people and for programs.

use control_plane::modules::{level_word, render};
use domain::diagnostic::{Diagnostic, Severity};
use module_engine::error::InvokeError;
use module_engine::trial::Tried;
use serde_json::{Value, json};

use super::Ended;
use crate::cli::error::CliError;
use crate::cli::module::files::ModuleFile;
use crate::cli::module::test::{duration, millis, place};
use crate::cli::output::{Output, Style, clean};

/// Writes how it went in the form that is wanted.
pub(super) fn show(file: &ModuleFile, ended: &Ended, output: &mut Output) -> Result<(), CliError> {
    if let Err(error) = &ended.result {
        output.findings(&excerpt(file, ended, error))?;
    }
    let text = text(ended, output);
    output.text(&text)?;
    output.json(&document(file, ended))
}

/// The document for a file that cannot be run.
pub(super) fn broken(file: &ModuleFile, findings: &[Diagnostic]) -> Value {
    json!({"file": file.shown(), "ok": false, "diagnostics": findings})
}

/// The error under the line that it comes from.
fn excerpt(file: &ModuleFile, ended: &Ended, error: &InvokeError) -> String {
    let position = error.position();
    let finding = Diagnostic {
        severity: Severity::Error,
        code: code(error).to_owned(),
        message: format!("{}: {}", ended.what, error.message()),
        help: None,
        line: position.map_or(0, |position| position.line),
        column: position.map_or(0, |position| position.column),
        length: 1,
        path: position.map_or_else(String::new, |position| position.lambda.clone()),
    };
    render(&file.shown(), &file.source, &[finding])
}

/// A stable word for programs.
const fn code(error: &InvokeError) -> &'static str {
    match error {
        InvokeError::Limit(_) => "lambda-limit",
        InvokeError::Script(_) => "lambda-threw",
        _ => "lambda-failed",
    }
}

fn text(ended: &Ended, output: &Output) -> String {
    let mut text = String::new();
    let mut row = |label: &str, value: &str| {
        let label = output.paint(&format!("{label:<7}"), Style::Strong);
        let value = clean(value).replace('\n', "\n        ");
        text.push_str(&format!("{label} {value}\n"));
    };
    match &ended.result {
        Ok(Tried::Value(value)) => {
            row("value", &pretty(value.raw()));
            row("html", &value.to_html());
        }
        Ok(Tried::Decided(holds)) => row("value", if *holds { "true" } else { "false" }),
        Ok(Tried::NothingRan) => row("value", "nothing ran: no `when` holds"),
        Ok(Tried::Record(outcome)) => {
            row("item", &pretty(&Value::Object(outcome.item.clone())));
            for failure in &outcome.failures {
                let field = match failure.field.as_str() {
                    "" => "the record",
                    field => field,
                };
                row("fails", &format!("{field}: {}", failure.text));
            }
        }
        Err(InvokeError::Script(error)) => {
            // The innermost call is where the caret stands.
            for call in error.stack.iter().skip(1) {
                row("from", call);
            }
        }
        Err(_) => {}
    }
    for (level, line) in &ended.log {
        row("log", &format!("{}: {line}", level_word(*level)));
    }
    for query in &ended.queries {
        row("query", query);
    }
    for effect in &ended.effects {
        let label = if effect.only_reads() { "reads" } else { "does" };
        row(label, &effect.to_string());
    }
    let limits = ended.limits;
    row(
        "time",
        &format!("{} of {} ms", duration(ended.took), limits.wall_ms),
    );
    let used = format!(
        "{} of {} queries, {} of {} effects, {} of {} log lines{}",
        ended.queries.len(),
        limits.queries,
        ended.effects.len(),
        limits.effects,
        ended.log.len(),
        limits.log_lines,
        result_bytes(ended).map_or_else(String::new, |bytes| format!(
            ", {bytes} of {} bytes of result",
            limits.result_bytes
        )),
    );
    row("used", &used);
    text
}

fn result_bytes(ended: &Ended) -> Option<usize> {
    match &ended.result {
        Ok(Tried::Value(value)) => Some(value.raw().to_string().len()),
        _ => None,
    }
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

fn document(file: &ModuleFile, ended: &Ended) -> Value {
    let log: Vec<Value> = ended
        .log
        .iter()
        .map(|(level, line)| json!({"level": level_word(*level), "message": line}))
        .collect();
    let effects: Vec<Value> = ended
        .effects
        .iter()
        .map(|effect| {
            json!({
                "call": effect.name(),
                "arguments": effect.arguments(),
                "only_reads": effect.only_reads(),
            })
        })
        .collect();
    let mut document = json!({
        "file": file.shown(),
        "lambda": ended.what,
        "ok": ended.verdict() == crate::cli::Verdict::Good,
        "log": log,
        "queries": ended.queries,
        "effects": effects,
        "duration_ms": millis(ended.took),
        "limits": ended.limits,
    });
    let mut add = |key: &str, value: Value| {
        if let Some(object) = document.as_object_mut() {
            object.insert(key.to_owned(), value);
        }
    };
    match &ended.result {
        Ok(Tried::Value(value)) => {
            add("value", value.raw().clone());
            add("html", value.to_html().into());
        }
        Ok(Tried::Decided(holds)) => add("value", (*holds).into()),
        Ok(Tried::NothingRan) => add("value", Value::Null),
        Ok(Tried::Record(outcome)) => {
            add("item", Value::Object(outcome.item.clone()));
            let failures = outcome.failures.iter();
            let failures: Vec<Value> = failures
                .map(|failure| json!({"field": failure.field, "text": failure.text}))
                .collect();
            add("failures", failures.into());
        }
        Err(error) => {
            let stack = match error {
                InvokeError::Script(error) => error.stack.clone(),
                _ => Vec::new(),
            };
            add(
                "error",
                json!({
                    "code": code(error),
                    "message": error.message(),
                    "thrown_at": error.position().map(place),
                    "stack": stack,
                }),
            );
        }
    }
    document
}
