//! An error with all its causes, for the log.

use std::error::Error;
use std::fmt;

/// Displays an error and its sources as `outer: inner: innermost`. Log errors through it, once, where they are
/// handled: `Display` of our errors does not repeat the source.
pub struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)?;
        let mut source = self.0.source();
        while let Some(error) = source {
            write!(f, ": {error}")?;
            source = error.source();
        }
        Ok(())
    }
}
