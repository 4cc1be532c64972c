//! Code in a module, and where it stands in the file.

use std::sync::Arc;

/// A function body in JavaScript, with a map from its own lines back to those of the YAML file.
/// Cheap to clone. Two are equal when they are the same code of the same path, wherever it stands in the file.
#[derive(Debug, Clone)]
pub struct Lambda {
    pub(crate) path: String,
    pub(crate) source: Arc<str>,
    pub(crate) segments: Arc<[Segment]>,
}

/// From here on (line, column of the code) the text stands there (line, column of the file), side by side, until the
/// next segment or the end of the line. All count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Segment {
    pub(crate) code: (u32, u32),
    pub(crate) file: (u32, u32),
}

impl PartialEq for Lambda {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path && self.source == other.source
    }
}

impl Eq for Lambda {}

/// What makes a function body of an expression; a comment at its end must not swallow the rest. A body that gives `undefined` has forgotten
/// its `return`; an expression that does (a field that is not there) means no.
const BEFORE_EXPRESSION: &str = "return (";
const BEHIND_EXPRESSION: &str = "\n) ?? null;";

impl Lambda {
    /// The function body that returns this expression; places in it are still those of the author's text.
    pub(crate) fn into_expression(self) -> Self {
        let shift = u32::try_from(BEFORE_EXPRESSION.len()).unwrap_or(0);
        let shifted = self.segments.iter().map(|segment| Segment {
            code: match segment.code {
                (1, column) => (1, column.saturating_add(shift)),
                code => code,
            },
            file: segment.file,
        });
        Self {
            segments: shifted.collect(),
            source: format!("{BEFORE_EXPRESSION}{}{BEHIND_EXPRESSION}", self.source).into(),
            path: self.path,
        }
    }

    /// Other code at the same places: its lines must be those of this one.
    pub(crate) fn set_source(&mut self, source: &str) {
        self.source = source.into();
    }

    /// The expression that the function body was made of, if it was: conditions are written as expressions.
    pub fn expression(&self) -> Option<&str> {
        let inner = self.source.strip_prefix(BEFORE_EXPRESSION)?;
        inner.strip_suffix(BEHIND_EXPRESSION)
    }

    /// Where it is in the document, such as `computed_fields[0].lambda`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The function body.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// The line and column of the YAML file (from 1, in characters) for a line and column of the code (from 1, in
    /// characters). Positions behind the end belong to the last known place.
    pub fn position(&self, line: u32, column: u32) -> (u32, u32) {
        let behind = self
            .segments
            .partition_point(|segment| segment.code <= (line, column));
        let segment = behind
            .checked_sub(1)
            .and_then(|at| self.segments.get(at))
            .or_else(|| self.segments.first());
        match segment {
            Some(segment) if segment.code.0 == line => {
                let (yaml_line, yaml_column) = segment.file;
                let along = column.saturating_sub(segment.code.1);
                (yaml_line, yaml_column.saturating_add(along))
            }
            Some(segment) => segment.file,
            None => (1, 1),
        }
    }
}
