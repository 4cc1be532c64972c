//! Test results for people and for programs.

use std::time::Duration;

use control_plane::modules::{level_word, render};
use domain::diagnostic::Diagnostic;
use module_engine::error::Position;
use serde::Serialize;
use serde_json::{Value, json};

use super::coverage;
use super::runner::{FileRun, TestResult, TestRun};
use crate::cli::error::CliError;
use crate::cli::output::{Output, Style, clean};

/// Writes the results in the form that is wanted; `missing` says what is missing to the coverage that was asked for.
pub(super) fn show(
    run: &TestRun,
    missing: Option<&str>,
    output: &mut Output,
) -> Result<(), CliError> {
    for file in &run.files {
        output.findings(&render(
            &file.file.shown(),
            &file.file.source,
            &file.findings,
        ))?;
        if !file.is_broken() {
            let text = file_text(file, output);
            output.text(&text)?;
        }
    }
    if run.files.iter().any(|file| file.coverage.is_some()) {
        let text = coverage::text(run, output);
        output.text(&text)?;
    }
    if let Some(missing) = missing {
        let text = format!("\n{}\n", output.paint(&clean(missing), Style::Bad));
        output.text(&text)?;
    }
    let text = summary_text(run, output);
    output.text(&text)?;
    output.json(&document(run, missing))
}

fn file_text(run: &FileRun, output: &Output) -> String {
    let mut text = format!("{}\n", run.file.shown());
    for test in &run.tests {
        text.push_str(&test_text(run, test, output));
    }
    let failed = run.failed();
    let mut words = match (run.tests.len(), failed) {
        (0, _) if run.left_out > 0 => Vec::new(),
        (0, _) => vec!["no tests".to_owned()],
        (all, 0) => vec![format!("{all} passed")],
        (all, failed) if failed == all => vec![format!("{failed} failed")],
        (all, failed) => vec![
            format!("{} passed", all.saturating_sub(failed)),
            format!("{failed} failed"),
        ],
    };
    if run.left_out > 0 {
        words.push(format!("{} left out by the filter", run.left_out));
    }
    text.push_str(&format!("  {}\n", words.join(", ")));
    text
}

fn test_text(run: &FileRun, test: &TestResult, output: &Output) -> String {
    let TestResult { outcome, .. } = test;
    let (word, style) = if outcome.passed() {
        ("ok  ", Style::Good)
    } else {
        ("FAIL", Style::Bad)
    };
    let time = output.paint(&format!("({})", duration(outcome.duration)), Style::Dim);
    let mut text = format!(
        "  {} {} {time}\n",
        output.paint(word, style),
        clean(&outcome.name)
    );
    let mut detail = |line: &str| {
        text.push_str(&format!("       {}\n", line.replace('\n', "\n       ")));
    };
    if let Some(failure) = &outcome.failure {
        detail(&clean(&failure.message));
        if let Some(position) = &failure.position {
            detail(&format!("thrown at {}", thrown_at(run, position)));
        }
        detail(&format!(
            "test at {}:{}:{}",
            run.file.shown(),
            test.line,
            test.column
        ));
    }
    for (level, line) in &outcome.log {
        let line = format!("{}: {}", level_word(*level), clean(line));
        detail(&output.paint(&line, Style::Dim));
    }
    text
}

fn thrown_at(run: &FileRun, position: &Position) -> String {
    format!(
        "{}:{}:{} ({})",
        run.file.shown(),
        position.line,
        position.column,
        clean(&position.lambda)
    )
}

fn summary_text(run: &TestRun, output: &Output) -> String {
    let (tests, failed, broken) = (run.tests(), run.failed(), run.broken());
    let plural = |count: usize, one: &str, more: &str| {
        if count == 1 {
            format!("1 {one}")
        } else {
            format!("{count} {more}")
        }
    };
    let mut words = vec![match (tests, failed) {
        (0, _) => "no test ran".to_owned(),
        (tests, 0) => format!("{} passed", plural(tests, "test", "tests")),
        (tests, failed) => format!("{failed} of {} failed", plural(tests, "test", "tests")),
    }];
    if broken > 0 {
        words.push(format!(
            "{} could not be tested",
            plural(broken, "file", "files")
        ));
    }
    let style = if run.is_good() {
        Style::Good
    } else {
        Style::Bad
    };
    format!(
        "\n{} {}\n",
        output.paint(&words.join(", "), style),
        output.paint(&format!("({})", duration(run.took)), Style::Dim)
    )
}

/// A duration as people read it.
pub(in crate::cli::module) fn duration(duration: Duration) -> String {
    let micros = duration.as_micros();
    match micros {
        0..10_000 => format!("{}.{} ms", micros / 1_000, micros % 1_000 / 100),
        10_000..1_000_000 => format!("{} ms", micros / 1_000),
        _ => format!(
            "{}.{:02} s",
            micros / 1_000_000,
            micros % 1_000_000 / 10_000
        ),
    }
}

#[derive(Serialize)]
struct Document<'a> {
    ok: bool,
    passed: usize,
    failed: usize,
    duration_ms: f64,
    files: Vec<FileDocument<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    missing: Option<&'a str>,
}

#[derive(Serialize)]
struct FileDocument<'a> {
    file: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'a str>,
    diagnostics: &'a [Diagnostic],
    tests: Vec<TestDocument<'a>>,
    left_out: usize,
}

#[derive(Serialize)]
struct TestDocument<'a> {
    name: &'a str,
    target: &'a str,
    passed: bool,
    line: u32,
    column: u32,
    duration_ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    thrown_at: Option<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    log: Vec<String>,
}

fn document<'a>(run: &'a TestRun, missing: Option<&'a str>) -> Document<'a> {
    Document {
        ok: run.is_good() && missing.is_none(),
        passed: run.tests().saturating_sub(run.failed()),
        failed: run.failed(),
        duration_ms: millis(run.took),
        files: run.files.iter().map(file_document).collect(),
        coverage: run
            .files
            .iter()
            .any(|file| file.coverage.is_some())
            .then(|| coverage::document(run)),
        missing,
    }
}

fn file_document(run: &FileRun) -> FileDocument<'_> {
    FileDocument {
        file: run.file.shown(),
        ok: !run.is_broken() && run.failed() == 0,
        name: run.name.as_deref(),
        diagnostics: &run.findings,
        tests: run.tests.iter().map(test_document).collect(),
        left_out: run.left_out,
    }
}

fn test_document(test: &TestResult) -> TestDocument<'_> {
    let failure = test.outcome.failure.as_ref();
    TestDocument {
        name: &test.outcome.name,
        target: &test.target,
        passed: test.outcome.passed(),
        line: test.line,
        column: test.column,
        duration_ms: millis(test.outcome.duration),
        message: failure.map(|failure| failure.message.as_str()),
        thrown_at: failure
            .and_then(|failure| failure.position.as_ref())
            .map(place),
        log: test
            .outcome
            .log
            .iter()
            .map(|(level, line)| format!("{}: {line}", level_word(*level)))
            .collect(),
    }
}

/// A place inside a lambda, for programs.
pub(in crate::cli::module) fn place(position: &Position) -> Value {
    json!({"lambda": position.lambda, "line": position.line, "column": position.column})
}

/// Milliseconds with microseconds behind the point.
pub(in crate::cli::module) fn millis(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}
