//! Which lines of a module's lambdas its tests ran.
//!
//! [`Measured::new`] puts counters into the lambdas of a [`ModuleSpec`]; whoever runs the tests of [`Measured::spec`] gives what the
//! counters said to [`Measured::record`], and [`Measured::coverage`] tells the lines of the YAML file. The counters say it by asking for
//! translations of [keys of their own](is_counter): no wall of the sandbox knows about them. This is for the tool of authors; nothing that serves tenants
//! uses it, and a test's verdict is never taken from code with counters.

#![warn(missing_docs)]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod instrument;
mod measure;

pub use measure::{LambdaCoverage, LineCoverage, Lines, Measured, is_counter};
