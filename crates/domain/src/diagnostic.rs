//! Findings about a module file: what, where and what to do, for people, programs and editors alike.

use serde::{Deserialize, Serialize};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The file cannot be used.
    Error,
    /// The file can be used; something in it has no effect or is probably a mistake.
    Warning,
}

/// One finding about one place of one file. Lines and columns count from 1 (columns in characters); 0 means
/// that the finding is about the file as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Diagnostic {
    /// Whether the file can be used all the same.
    pub severity: Severity,
    /// Stable and documented, such as `unknown-key` (docs/modules/diagnostics.md).
    pub code: String,
    /// What is wrong, in one sentence without a full stop.
    pub message: String,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Line in the YAML file, also for what is inside a lambda.
    pub line: u32,
    /// Column in characters.
    pub column: u32,
    /// Length of the marked text in characters; at least 1 where there is a place.
    pub length: u32,
    /// Where in the document, such as `fields[2].type`; empty for the file as a whole.
    #[serde(default)]
    pub path: String,
}

impl Diagnostic {
    /// Whether this finding makes the file unusable.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}
