//! Lambdas that mean harm, as data: each case of `corpus/*.js` says how it must end. See docs/security/tried.md.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says that something is wrong by panicking"
)]
mod attack;
mod corpus;
mod hosts;
mod html;
mod source;
mod storm;
mod suite;

/// The folder of the cases.
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hostile/corpus");

/// Cases that may also end in another way here.
const OTHERWISE: &[(&str, &str)] = &[];

/// The guest, or what this machine has in its place. The same tests run against worker processes in `lambda-worker`.
fn sandbox() -> module_engine::config::SandboxArgs {
    module_engine::config::SandboxArgs::default()
}
