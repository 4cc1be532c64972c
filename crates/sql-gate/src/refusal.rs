//! Why a statement does not pass, and where.

use std::fmt;

use sqlparser::tokenizer::Location;

/// Why a statement does not pass, for its author to read. Lines and columns count from 1, inside the statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refusal {
    message: String,
    place: Option<(u64, u64)>,
    unknown_name: bool,
}

impl Refusal {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            place: None,
            unknown_name: false,
        }
    }

    pub(crate) fn at(place: Location, message: impl Into<String>) -> Self {
        Self {
            // The parser's word for "nowhere" is line 0.
            place: (place.line > 0).then_some((place.line, place.column)),
            ..Self::new(message)
        }
    }

    /// A relation or column that may not be read, or is not there.
    pub(crate) fn unknown(place: Location, message: impl Into<String>) -> Self {
        Self {
            unknown_name: true,
            ..Self::at(place, message)
        }
    }

    /// The parser writes the place behind its message.
    pub(crate) fn of_parser(message: &str) -> Self {
        let place = message
            .rsplit_once(" at Line: ")
            .and_then(|(message, place)| {
                let (line, column) = place.split_once(", Column: ")?;
                Some((message, (line.parse().ok()?, column.parse().ok()?)))
            });
        match place {
            Some((message, place)) => Self {
                place: Some(place),
                ..Self::new(message)
            },
            None => Self::new(message),
        }
    }

    /// What is the matter, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Line and column inside the statement, where known.
    pub fn place(&self) -> Option<(u64, u64)> {
        self.place
    }

    /// Whether a relation or a column is not among the readable ones: it may have been made since those were read.
    pub fn is_unknown_name(&self) -> bool {
        self.unknown_name
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match self.place {
            Some((line, column)) => {
                write!(f, " (line {line}, column {column} of the statement)")
            }
            None => Ok(()),
        }
    }
}
