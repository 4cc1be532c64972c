//! `gotrs module check`: what an upload would find, on this machine.

use std::path::PathBuf;

use control_plane::modules::{TestReport, Tests, check_source, render, start_engine};
use domain::diagnostic::Diagnostic;
use module_engine::config::SandboxArgs;
use serde::Serialize;

use super::files;
use crate::cli::Verdict;
use crate::cli::error::CliError;
use crate::cli::output::{Output, Style};

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

/// Reads and checks files one after the other.
pub(super) fn check(
    paths: &[PathBuf],
    no_tests: bool,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    let tests = if no_tests { Tests::Skip } else { Tests::Run };
    let engine = start_engine(&SandboxArgs::default()).map_err(|error| CliError::Machine {
        doing: "starting the sandbox",
        reason: error.to_string(),
    })?;
    let mut verdict = Verdict::Good;
    let mut checked = Vec::new();
    for file in files::read_all(paths)? {
        let report = check_source(&engine, None, &file.source, tests);
        output.findings(&render(&file.shown(), &file.source, &report.diagnostics))?;
        if report.is_good() {
            output.line(format!(
                "{}: {}",
                file.shown(),
                output.paint("good", Style::Good)
            ))?;
        } else {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::Format;
    use crate::cli::output::tests::captured;

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
    }

    /// The example of docs/modules/diagnostics.md, whose findings `module-spec` compares with its own.
    #[test]
    fn findings_as_data_are_as_documented() {
        let page = include_str!("../../../../../docs/modules/diagnostics.md");
        let block = |kind: &str| {
            let behind = page.split(&format!("```{kind}\n")).nth(1).unwrap();
            behind.split("```").next().unwrap()
        };
        let folder = folder_with(block("yaml"));
        let (mut output, out, _) = captured(Format::Json);
        check(&[folder.path().to_owned()], false, &mut output).unwrap();
        let document: serde_json::Value = serde_json::from_str(&out.text()).unwrap();
        let documented: serde_json::Value = serde_json::from_str(block("json")).unwrap();
        assert_eq!(document["files"][0]["diagnostics"], documented);
        assert_eq!(document["files"][0]["ok"], false);
    }
}
