//! Findings as text for people: an excerpt of the file with a caret under the place.

use std::fmt::Write as _;

use domain::diagnostic::{Diagnostic, Severity};
use unicode_width::UnicodeWidthChar as _;

use crate::lines::NamedLines;

/// Widest excerpt in terminal columns; longer lines are cut around the place.
const MAX_WIDTH: usize = 120;
/// A tab is shown as so many spaces.
const TAB: usize = 4;

/// Findings as text, in the order given, each with the line it is about and a caret under the place:
///
/// ```text
/// error[unknown-type]: "strng" is not a field type
///  --> laptop.yaml:4:11
///   |
/// 4 |     type: strng
///   |           ^^^^^
///   = help: did you mean "string"?
/// ```
pub fn render_text(file_name: &str, source: &str, findings: &[Diagnostic]) -> String {
    let lines = NamedLines::of(source, findings);
    let mut text = String::new();
    for finding in findings {
        // Writing to a String cannot fail.
        let _ = render_one(&mut text, file_name, &lines, finding);
    }
    let errors = findings.iter().filter(|finding| finding.is_error()).count();
    let warnings = findings.len().saturating_sub(errors);
    let summary = match (errors, warnings) {
        (0, 0) => return text,
        (errors, 0) => count(errors, "error"),
        (0, warnings) => count(warnings, "warning"),
        (errors, warnings) => format!(
            "{} and {}",
            count(errors, "error"),
            count(warnings, "warning")
        ),
    };
    let _ = writeln!(text, "{file_name}: {summary}");
    text
}

fn count(number: usize, word: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {word}{plural}")
}

fn render_one(
    text: &mut String,
    file_name: &str,
    lines: &NamedLines<'_>,
    finding: &Diagnostic,
) -> std::fmt::Result {
    let severity = match finding.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    writeln!(
        text,
        "{severity}[{}]: {}",
        finding.code,
        one_line(&finding.message)
    )?;
    let number = finding.line.to_string();
    let margin = " ".repeat(number.len());
    if finding.line == 0 {
        writeln!(text, " --> {file_name}")?;
    } else {
        writeln!(
            text,
            "{margin}--> {file_name}:{}:{}",
            finding.line, finding.column
        )?;
        if let Some(line) = lines.get(finding.line) {
            let excerpt = Excerpt::of(line, finding.column, finding.length);
            writeln!(text, "{margin} |")?;
            writeln!(text, "{number} | {}", excerpt.line)?;
            writeln!(
                text,
                "{margin} | {}{}",
                " ".repeat(excerpt.before),
                "^".repeat(excerpt.width)
            )?;
        }
    }
    if let Some(help) = &finding.help {
        writeln!(text, "{margin} = help: {}", one_line(help))?;
    }
    writeln!(text)
}

/// Messages may quote the author's text; a terminal must not obey what is in it.
fn one_line(message: &str) -> String {
    message
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

/// What is shown of one line: the text, how far the caret is indented and how wide it is, in terminal columns.
struct Excerpt {
    line: String,
    before: usize,
    width: usize,
}

impl Excerpt {
    fn of(line: &str, column: u32, length: u32) -> Self {
        let start = usize::try_from(column)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        let end = start.saturating_add(usize::try_from(length).unwrap_or(usize::MAX).max(1));
        // Long lines: begin so that the place is visible with some text before it.
        let first = if line.chars().count() > MAX_WIDTH {
            start.saturating_sub(MAX_WIDTH / 3)
        } else {
            0
        };
        let mut shown = String::new();
        let (mut total, mut before, mut width) = (0_usize, 0_usize, 0_usize);
        if first > 0 {
            shown.push_str("...");
            total = 3;
            before = 3;
        }
        for (at, letter) in line.chars().enumerate().skip(first) {
            if total >= MAX_WIDTH {
                shown.push_str("...");
                break;
            }
            let columns = push_visible(&mut shown, letter);
            total = total.saturating_add(columns);
            if at < start {
                before = before.saturating_add(columns);
            } else if at < end {
                width = width.saturating_add(columns);
            }
        }
        Self {
            line: shown,
            before,
            width: width.max(1),
        }
    }
}

/// Appends a character as it can be shown and says how many columns it takes.
fn push_visible(shown: &mut String, letter: char) -> usize {
    match letter {
        '\t' => {
            shown.push_str("    ");
            TAB
        }
        control if control.is_control() => {
            shown.push('\u{fffd}');
            1
        }
        letter => {
            shown.push(letter);
            letter.width().unwrap_or(0)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(line: u32, column: u32, length: u32) -> Diagnostic {
        Diagnostic {
            severity: Severity::Error,
            code: "code".to_owned(),
            message: "message".to_owned(),
            help: None,
            line,
            column,
            length,
            path: String::new(),
        }
    }

    #[test]
    fn tabs_and_wide_characters_keep_the_caret_in_place() {
        insta::assert_snapshot!(render_text("f.yaml", "a:\n\tlabel: 日本語 x\r\n", &[finding(2, 9, 3), finding(2, 13, 1)]), @r"
        error[code]: message
         --> f.yaml:2:9
          |
        2 |     label: 日本語 x
          |            ^^^^^^
        
        error[code]: message
         --> f.yaml:2:13
          |
        2 |     label: 日本語 x
          |                   ^
        
        f.yaml: 2 errors
        ");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let line = format!("{}!{}", "a".repeat(500), "b".repeat(500));
        let text = render_text("f.yaml", &line, &[finding(1, 501, 1)]);
        let caret_line = text.lines().find(|line| line.contains('^')).unwrap();
        let source_line = text.lines().find(|line| line.contains('!')).unwrap();
        assert_eq!(source_line.find('!'), caret_line.find('^'));
        assert!(source_line.len() < 140, "{source_line}");
    }

    #[test]
    fn places_outside_the_file_and_control_characters_are_harmless() {
        let mut escape = finding(9, 9, 9);
        escape.message = "a\u{1b}[31m\nb".to_owned();
        assert_eq!(
            render_text("f", "x", &[escape]),
            "error[code]: a [31m b\n --> f:9:9\n\nf: 1 error\n"
        );
        let text = render_text("f", "\u{1b}x", &[finding(1, 5, u32::MAX), finding(0, 0, 0)]);
        assert!(!text.contains('\u{1b}'));
    }
}
