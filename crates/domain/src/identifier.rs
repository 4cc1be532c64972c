//! The one way an identifier gets into SQL text.

use std::fmt;
use std::str::FromStr;

/// A name of a table, column, schema or role that may be written into SQL; `Display` quotes it.
///
/// Parsing admits what the OTRS schema and module files use (`[A-Za-z_][A-Za-z0-9_-]*`, at most
/// 63 bytes, PostgreSQL's `NAMEDATALEN - 1`), so a quote can never be part of it. Quoting
/// is done all the same: it keeps case and key words as they are.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlIdent(String);

/// A text that cannot be an identifier.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not an identifier: letters, digits, underscores and hyphens, starting with a letter or an \
     underscore, at most 63 characters"
)]
pub struct ParseSqlIdentError(String);

impl SqlIdent {
    /// Longest identifier in bytes.
    pub const MAX_LEN: usize = 63;

    /// The bare name, for use as a bound value (a look-up in the catalogue), never in SQL text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SqlIdent {
    type Err = ParseSqlIdentError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = text.bytes();
        let starts_well = bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let goes_well = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if starts_well && goes_well && text.len() <= Self::MAX_LEN {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseSqlIdentError(text.chars().take(80).collect()))
        }
    }
}

impl fmt::Display for SqlIdent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_printed_is_one_quoted_token(text in "\\PC{0,70}") {
            if let Ok(ident) = text.parse::<SqlIdent>() {
                let printed = ident.to_string();
                let inner = printed.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')).unwrap();
                prop_assert!(!inner.contains(['"', '\\', '\0', ' ']));
                prop_assert_eq!(inner, text);
            }
        }
    }
}
