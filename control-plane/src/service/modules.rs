//! The module registry: uploads are checked and kept as versions, and runtimes are told.
//!
//! A change is one transaction that makes the tenant's next generation and notifies; everything behind it (watch
//! streams, waiting uploads) only looks at what the database says after that.

pub mod acknowledge;
pub mod answer;
pub mod change;
pub mod check;
pub mod error;
pub mod feed;
pub mod live;
pub mod read;
pub mod registry;
pub mod upload;
pub mod watch;

pub use check::{
    CheckReport, CompiledSource, TestReport, Tests, check_source, compile_source, level_word,
    name_in, render, start_engine,
};
