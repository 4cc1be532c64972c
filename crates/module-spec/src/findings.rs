//! The list of findings while a file is read.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use domain::diagnostic::{Diagnostic, Severity};

use crate::lambda::Lambda;
use crate::lines::NamedLines;
use crate::spec::Place;

/// Collects findings. Readers hold it shared, therefore the cell.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    found: RefCell<Vec<Diagnostic>>,
    declared: RefCell<HashSet<String>>,
    lambdas: RefCell<Vec<Lambda>>,
    pattern_bytes: Cell<usize>,
}

/// What is missing stands behind the end of a line; the last character before it is marked instead, which can be seen.
fn keep_inside(finding: &mut Diagnostic, lines: &NamedLines<'_>) {
    let Some(line) = lines.get(finding.line) else {
        return;
    };
    let length = u32::try_from(line.chars().count())
        .unwrap_or(u32::MAX)
        .max(1);
    finding.column = finding.column.clamp(1, length);
    let room = length.saturating_sub(finding.column).saturating_add(1);
    finding.length = finding.length.clamp(1, room);
}

/// More than this help nobody, and a hostile file must not make megabytes of them.
const MOST: usize = 200;

impl Findings {
    pub(crate) fn error(
        &self,
        code: &str,
        place: Place,
        path: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(Diagnostic {
            severity: Severity::Error,
            code: code.to_owned(),
            message: message.into(),
            help,
            line: place.line,
            column: place.column,
            length: place.length,
            path: path.to_owned(),
        });
    }

    pub(crate) fn warning(
        &self,
        code: &str,
        place: Place,
        path: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(Diagnostic {
            severity: Severity::Warning,
            code: code.to_owned(),
            message: message.into(),
            help,
            line: place.line,
            column: place.column,
            length: place.length,
            path: path.to_owned(),
        });
    }

    fn push(&self, finding: Diagnostic) {
        let mut found = self.found.borrow_mut();
        // Errors are kept beyond the limit of warnings, so that a flood of warnings cannot hide one.
        let most = if finding.is_error() {
            MOST.saturating_mul(2)
        } else {
            MOST
        };
        if found.len() < most {
            found.push(finding);
        }
    }

    /// Notes the name of a field, be the rest of it right or wrong: whoever refers to it makes no mistake.
    pub(crate) fn declare(&self, name: &str) {
        self.declared.borrow_mut().insert(name.to_owned());
    }

    /// Whether some field is called so.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.declared.borrow().contains(name)
    }

    /// Takes from what the regular expressions of a file may cost together; whether there was so much left.
    pub(crate) fn spend_on_patterns(&self, bytes: usize, most: usize) -> bool {
        let spent = self.pattern_bytes.get().saturating_add(bytes);
        self.pattern_bytes.set(spent);
        spent <= most
    }

    /// Keeps a lambda that was read, whatever becomes of the rest of the file.
    pub(crate) fn note_lambda(&self, lambda: &Lambda) {
        self.lambdas.borrow_mut().push(lambda.clone());
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.borrow().iter().any(Diagnostic::is_error)
    }

    /// What was found in `source`, in the order of the file, and the lambdas that were read.
    pub(crate) fn into_parts(self, source: &str) -> (Vec<Diagnostic>, Vec<Lambda>) {
        let mut findings = self.found.into_inner();
        let lines = NamedLines::of(source, &findings);
        for finding in &mut findings {
            keep_inside(finding, &lines);
        }
        findings.sort_by_key(|finding| (finding.line, finding.column));
        (findings, self.lambdas.into_inner())
    }
}
