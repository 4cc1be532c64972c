//! The universal handler on a real PostgreSQL.

#[path = "../it/harness.rs"]
#[expect(dead_code, reason = "shared with the tests of the rest of the server")]
mod harness;
mod laptop;
mod stock;
mod support;
