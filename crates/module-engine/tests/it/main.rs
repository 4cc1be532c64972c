//! The sandbox from outside: what works, what is refused, and what hostile lambdas get.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says that something is wrong by panicking"
)]

mod batch;
mod conformance;
mod guide;
mod hooks;
mod host_calls;
mod hostile;
mod hygiene;
mod library;
mod limits;
mod module_tests;
mod positions;
mod support;

/// The guest, or what this machine has in its place. The same tests run against worker processes in `lambda-worker`.
fn sandbox() -> module_engine::config::SandboxArgs {
    module_engine::config::SandboxArgs::default()
}
