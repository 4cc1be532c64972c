//! The parts of `gotrs up` as real processes and real servers.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on says so by ending"
)]

mod coverage;
mod data;
mod language_server;
mod module_new;
mod module_tool;
mod postgres;
mod s3;
mod spawner;
