//! The list of findings while a file is read.

use std::cell::RefCell;

use domain::diagnostic::{Diagnostic, Severity};

use crate::spec::Place;

/// Collects findings. Readers hold it shared, therefore the cell.
#[derive(Debug, Default)]
pub(crate) struct Findings(RefCell<Vec<Diagnostic>>);

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
        self.push(Severity::Error, code, place, path, message.into(), help);
    }

    pub(crate) fn warning(
        &self,
        code: &str,
        place: Place,
        path: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.push(Severity::Warning, code, place, path, message.into(), help);
    }

    fn push(
        &self,
        severity: Severity,
        code: &str,
        place: Place,
        path: &str,
        message: String,
        help: Option<String>,
    ) {
        let mut findings = self.0.borrow_mut();
        // Errors are kept beyond the limit of warnings, so that a flood of warnings cannot hide one.
        let most = if severity == Severity::Error {
            MOST.saturating_mul(2)
        } else {
            MOST
        };
        if findings.len() < most {
            findings.push(Diagnostic {
                severity,
                code: code.to_owned(),
                message,
                help,
                line: place.line,
                column: place.column,
                length: place.length,
                path: path.to_owned(),
            });
        }
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.0.borrow().iter().any(Diagnostic::is_error)
    }

    /// In the order of the file.
    pub(crate) fn into_sorted(self) -> Vec<Diagnostic> {
        let mut findings = self.0.into_inner();
        findings.sort_by_key(|finding| (finding.line, finding.column));
        findings
    }
}
