//! Test results as JUnit XML: what CI servers understand of it, and nothing else.

use std::fmt;
use std::fmt::Write as _;
use std::time::Duration;

use control_plane::modules::level_word;
use domain::diagnostic::Diagnostic;

use super::runner::{FileRun, TestResult, TestRun};

/// One `testsuite` per file. A file that could not be tested is a suite with one `error`.
pub(super) fn document(run: &TestRun) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n".to_owned();
    // Writing to a String cannot fail.
    let _ = write_run(&mut xml, run);
    xml
}

fn write_run(xml: &mut String, run: &TestRun) -> fmt::Result {
    let broken = run.broken();
    writeln!(
        xml,
        "<testsuites name=\"gotrs module test\" tests=\"{}\" failures=\"{}\" errors=\"{broken}\" time=\"{}\">",
        run.tests().saturating_add(broken),
        run.failed(),
        Seconds(run.took),
    )?;
    for file in &run.files {
        write_file(xml, file)?;
    }
    xml.write_str("</testsuites>\n")
}

fn write_file(xml: &mut String, run: &FileRun) -> fmt::Result {
    let path = run.file.shown();
    let suite = run.name.as_deref().unwrap_or(&path);
    let broken = usize::from(run.is_broken());
    let time: Duration = run.tests.iter().map(|test| test.outcome.duration).sum();
    writeln!(
        xml,
        "  <testsuite name=\"{}\" file=\"{}\" tests=\"{}\" failures=\"{}\" errors=\"{broken}\" skipped=\"0\" time=\"{}\">",
        Escaped(suite),
        Escaped(&path),
        run.tests.len().saturating_add(broken),
        run.failed(),
        Seconds(time),
    )?;
    if run.is_broken() {
        write_broken(xml, run, suite, &path)?;
    }
    for test in &run.tests {
        write_test(xml, test, suite, &path)?;
    }
    xml.write_str("  </testsuite>\n")
}

fn write_broken(xml: &mut String, run: &FileRun, suite: &str, path: &str) -> fmt::Result {
    let errors = || run.findings.iter().filter(|finding| finding.is_error());
    let first = errors().next();
    let message = first.map_or("", |finding| finding.message.as_str());
    writeln!(
        xml,
        "    <testcase name=\"the file can be tested\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"0.000000\">",
        Escaped(suite),
        Escaped(path),
        first.map_or(0, |finding| finding.line),
    )?;
    let all: String = errors()
        .map(|finding| finding_line(path, finding))
        .collect();
    writeln!(
        xml,
        "      <error type=\"module-invalid\" message=\"{}\">{}</error>\n    </testcase>",
        Escaped(message),
        Escaped(&all),
    )
}

fn finding_line(path: &str, finding: &Diagnostic) -> String {
    let Diagnostic {
        code,
        message,
        line,
        column,
        ..
    } = finding;
    format!("{path}:{line}:{column}: {code}: {message}\n")
}

fn write_test(xml: &mut String, test: &TestResult, suite: &str, path: &str) -> fmt::Result {
    let TestResult { outcome, .. } = test;
    write!(
        xml,
        "    <testcase name=\"{}\" classname=\"{}\" file=\"{}\" line=\"{}\" time=\"{}\"",
        Escaped(&outcome.name),
        Escaped(suite),
        Escaped(path),
        test.line,
        Seconds(outcome.duration),
    )?;
    if outcome.passed() && outcome.log.is_empty() {
        return xml.write_str("/>\n");
    }
    xml.write_str(">\n")?;
    if let Some(failure) = &outcome.failure {
        let mut text = format!(
            "{}\n{path}:{}:{}: the test\n",
            failure.message, test.line, test.column
        );
        if let Some(position) = &failure.position {
            text.push_str(&format!(
                "{path}:{}:{}: thrown here, in {}\n",
                position.line, position.column, position.lambda
            ));
        }
        writeln!(
            xml,
            "      <failure type=\"test-failed\" message=\"{}\">{}</failure>",
            Escaped(&failure.message),
            Escaped(&text),
        )?;
    }
    if !outcome.log.is_empty() {
        xml.write_str("      <system-out>")?;
        for (level, line) in &outcome.log {
            write!(
                xml,
                "{}",
                Escaped(&format!("{}: {line}\n", level_word(*level)))
            )?;
        }
        xml.write_str("</system-out>\n")?;
    }
    xml.write_str("    </testcase>\n")
}

struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06}", self.0.as_secs(), self.0.subsec_micros())
    }
}

/// Text between tags or in an attribute. What XML 1.0 cannot hold at all becomes U+FFFD.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                // Left as they are they become spaces in attributes, and line ends elsewhere.
                '\t' | '\n' | '\r' => write!(f, "&#{};", u32::from(letter))?,
                '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => f.write_char('\u{fffd}')?,
                letter => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}
