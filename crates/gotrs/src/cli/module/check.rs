//! `gotrs module check` and `gotrs module test`: what an upload would find, on this machine.

use std::path::PathBuf;

use control_plane::modules::{CheckReport, TestReport, Tests, check_source, render, start_engine};
use domain::diagnostic::Diagnostic;
use serde::Serialize;

use super::files::{self, ModuleFile};
use crate::cli::Verdict;
use crate::cli::error::CliError;
use crate::cli::output::{Output, Style, clean};

#[derive(Serialize)]
struct Checked {
    file: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    diagnostics: Vec<Diagnostic>,
    tests: Vec<TestReport>,
}

#[derive(Serialize)]
struct Document {
    files: Vec<Checked>,
}

/// Reads and checks files one after the other; `show` writes about each.
fn each(
    paths: &[PathBuf],
    tests: Tests,
    output: &mut Output,
    show: impl Fn(&ModuleFile, &CheckReport, &mut Output) -> Result<(), CliError>,
) -> Result<Verdict, CliError> {
    let engine = start_engine().map_err(|error| CliError::Machine {
        doing: "starting the sandbox",
        reason: error.to_string(),
    })?;
    let mut verdict = Verdict::Good;
    let mut checked = Vec::new();
    for path in files::expand(paths)? {
        let file = ModuleFile::read(&path)?;
        let report = check_source(&engine, None, &file.source, tests);
        show(&file, &report, output)?;
        if !report.is_good() {
            verdict = Verdict::Bad;
        }
        checked.push(Checked {
            file: file.shown(),
            ok: report.is_good(),
            name: report.name().map(ToString::to_string),
            diagnostics: report.diagnostics,
            tests: report.tests,
        });
    }
    output.json(&Document { files: checked })?;
    Ok(verdict)
}

/// `gotrs module check`
pub(super) fn check(
    paths: &[PathBuf],
    no_tests: bool,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let tests = if no_tests { Tests::Skip } else { Tests::Run };
    each(paths, tests, output, |file, report, output| {
        output.findings(&render(&file.shown(), &file.source, &report.diagnostics))?;
        if report.is_good() {
            output.line(format!(
                "{}: {}",
                file.shown(),
                output.paint("good", Style::Good)
            ))?;
        }
        Ok(())
    })
}

/// `gotrs module test`
pub(super) fn test(paths: &[PathBuf], output: &mut Output) -> Result<Verdict, CliError> {
    each(paths, Tests::Run, output, |file, report, output| {
        // Failing tests are shown below in their own way.
        let others: Vec<Diagnostic> = report
            .diagnostics
            .iter()
            .filter(|finding| finding.code != "test-failed")
            .cloned()
            .collect();
        output.findings(&render(&file.shown(), &file.source, &others))?;
        if report.spec().is_some() {
            let text = tests_text(file, &report.tests, output);
            output.text(&text)?;
        }
        Ok(())
    })
}

fn tests_text(file: &ModuleFile, tests: &[TestReport], output: &Output) -> String {
    let mut text = format!("{}\n", file.shown());
    for test in tests {
        let (word, style) = if test.passed {
            ("ok  ", Style::Good)
        } else {
            ("FAIL", Style::Bad)
        };
        text.push_str(&format!(
            "  {} {}\n",
            output.paint(word, style),
            clean(&test.name)
        ));
        if let Some(message) = &test.message {
            text.push_str(&format!(
                "       {}\n",
                clean(message).replace('\n', "\n       ")
            ));
        }
        for line in &test.log {
            text.push_str(&format!(
                "       {}\n",
                output.paint(&clean(line), Style::Dim)
            ));
        }
    }
    let failed = tests.iter().filter(|test| !test.passed).count();
    text.push_str(&match (tests.len(), failed) {
        (0, _) => "  no tests\n".to_owned(),
        (all, 0) => format!("  {all} passed\n"),
        (all, failed) => format!("  {} passed, {failed} failed\n", all - failed),
    });
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::output::Format;
    use crate::cli::output::tests::captured;

    #[test]
    fn tests_are_listed_with_what_went_wrong() {
        let (output, ..) = captured(Format::Text);
        let file = ModuleFile {
            path: "laptop.yaml".into(),
            source: "".into(),
        };
        let report = |name: &str, message: Option<&str>, log: &[&str]| TestReport {
            name: name.to_owned(),
            passed: message.is_none(),
            message: message.map(str::to_owned),
            log: log.iter().map(|&line| line.to_owned()).collect(),
            took: Duration::ZERO,
        };
        let tests = [
            report("it shouts", None, &[]),
            report(
                "it whispers",
                Some("expected \"abc\", got \"ABC\""),
                &["info: called"],
            ),
        ];
        insta::assert_snapshot!(tests_text(&file, &tests, &output), @r#"
        laptop.yaml
          ok   it shouts
          FAIL it whispers
               expected "abc", got "ABC"
               info: called
          1 passed, 1 failed
        "#);
        assert!(tests_text(&file, &[], &output).contains("no tests"));
    }

    const GOOD: &str = "\
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
  - {name: serial, type: string}
computed_fields:
  - {name: shout, lambda: return item.serial.toUpperCase();}
tests:
  - {name: it shouts, item: {serial: abc}, field: shout, expect: ABC}
";

    fn folder_with(source: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("laptop.yaml"), source).unwrap();
        folder
    }

    #[test]
    fn a_good_file_is_good_and_a_bad_one_shown_with_its_place() {
        let folder = folder_with(GOOD);
        let (mut output, out, _) = captured(Format::Text);
        let verdict = check(&[folder.path().to_owned()], false, &mut output).unwrap();
        assert_eq!(
            (verdict, out.text().ends_with("laptop.yaml: good\n")),
            (Verdict::Good, true),
            "{}",
            out.text()
        );

        let folder = folder_with(&GOOD.replace("type: string", "type: strng"));
        let (mut output, out, _) = captured(Format::Text);
        let verdict = check(&[folder.path().to_owned()], false, &mut output).unwrap();
        assert_eq!(verdict, Verdict::Bad);
        assert!(
            out.text().contains("laptop.yaml:3:26") && out.text().contains("^^^^^"),
            "{}",
            out.text()
        );

        let folder = folder_with(&GOOD.replace("expect: ABC", "expect: XYZ"));
        let (mut output, out, _) = captured(Format::Json);
        assert_eq!(
            check(&[folder.path().to_owned()], false, &mut output).unwrap(),
            Verdict::Bad
        );
        let document: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
        assert_eq!(document["files"][0]["tests"][0]["passed"], false);
        let (mut output, ..) = captured(Format::Json);
        assert_eq!(
            check(&[folder.path().to_owned()], true, &mut output).unwrap(),
            Verdict::Good
        );
        let (mut output, out, _) = captured(Format::Text);
        assert_eq!(
            test(&[folder.path().to_owned()], &mut output).unwrap(),
            Verdict::Bad
        );
        assert!(out.text().contains("FAIL it shouts"), "{}", out.text());
    }
}
