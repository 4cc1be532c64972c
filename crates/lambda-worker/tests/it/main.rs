//! The engine's own tests once more, with a process per invocation in the place of WebAssembly; and what only processes have.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says that something is wrong by panicking"
)]

#[path = "../../../module-engine/tests/hostile/attack.rs"]
mod attack;
#[path = "../../../module-engine/tests/it/batch.rs"]
mod batch;
#[path = "../../../module-engine/tests/hostile/corpus.rs"]
mod corpus;
#[path = "../../../module-engine/tests/it/hooks.rs"]
mod hooks;
#[path = "../../../module-engine/tests/it/host_calls.rs"]
mod host_calls;
#[path = "../../../module-engine/tests/it/hostile.rs"]
mod hostile;
#[path = "../../../module-engine/tests/hostile/hosts.rs"]
mod hosts;
#[path = "../../../module-engine/tests/it/hygiene.rs"]
mod hygiene;
#[path = "../../../module-engine/tests/it/library.rs"]
mod library;
#[path = "../../../module-engine/tests/it/limits.rs"]
mod limits;
#[path = "../../../module-engine/tests/it/module_tests.rs"]
mod module_tests;
#[path = "../../../module-engine/tests/it/positions.rs"]
mod positions;
mod start;
#[path = "../../../module-engine/tests/hostile/storm.rs"]
mod storm;
#[path = "../../../module-engine/tests/hostile/suite.rs"]
mod suite;
#[path = "../../../module-engine/tests/it/support.rs"]
mod support;
mod time;

use module_engine::config::{ExecutorChoice, SandboxArgs};

/// The folder of the cases.
const CORPUS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../module-engine/tests/hostile/corpus"
);

/// Cases that may also end in another way here: natively QuickJS lays out its memory and its stack in another way, so a script meets
/// one limit before another.
const OTHERWISE: &[(&str, &str)] = &[
    (
        "proxies: the message of what is thrown is a library",
        "throws Error: xxxxxxxx",
    ),
    ("json: indentation that multiplies", "stack"),
    // A million of anything takes twice the memory; which limit comes first depends on how fast the machine is.
    ("comparators: a million equal elements", "memory"),
    ("comparators: quadratic on what is sorted already", "memory"),
    (
        "regexp: classes nested without end",
        "throws SyntaxError: stack overflow",
    ),
];

/// Worker processes, of the program that was built with these tests.
fn sandbox() -> SandboxArgs {
    SandboxArgs {
        lambda_executor: ExecutorChoice::Process,
        lambda_worker: Some(env!("CARGO_BIN_EXE_lambda-worker").into()),
    }
}
