//! The universal handler on a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by ending"
)]

#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "shared with the tests of the rest of the server")]
mod harness;
mod laptop;
mod limits;
mod queries;
mod sql;
mod stock;
mod support;
