//! Regular expressions of a module.

use regex::Regex;

/// A regular expression as it was written, and as it is applied.
#[derive(Debug, Clone)]
pub struct Pattern {
    pub(crate) written: String,
    pub(crate) regex: Regex,
}

impl Pattern {
    /// As it was written; what a browser takes in `pattern`.
    pub fn as_str(&self) -> &str {
        &self.written
    }

    /// Whether `value` has this form.
    pub fn is_match(&self, value: &str) -> bool {
        self.regex.is_match(value)
    }
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.regex.as_str() == other.regex.as_str() && self.written == other.written
    }
}

impl Eq for Pattern {}
