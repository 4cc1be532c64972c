//! Runs the code of modules in a sandbox.
//!
//! [`Engine`](engine::Engine) is made once per process; [`CompiledModule`](compiled::CompiledModule) checks a module's lambdas in
//! the sandbox and runs them through one entry point, [`CompiledModule::invoke`](compiled::CompiledModule::invoke), against a
//! [`Host`](host::Host). Every invocation gets a fresh copy of the guest (`lambda-guest`: QuickJS as WebAssembly), or a process of its
//! own where there is no guest ([`config`]), and nothing of a lambda survives it. What the walls are and what was tried against them: docs/security/sandbox.md.
//!
//! All of it is synchronous and may take as long as the limits allow: call it from a blocking thread.

#![cfg(feature = "sandbox")]
#![warn(missing_docs)]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
#![cfg_attr(
    not(feature = "wall"),
    allow(
        dead_code,
        reason = "the fuzzer needs no executor, and what they share is only theirs"
    )
)]

pub mod author_report;
pub mod breaker;
pub mod call;
pub mod compiled;
pub mod config;
pub mod dry_run;
pub mod effect;
pub mod engine;
pub mod error;
pub mod find;
#[cfg(any(test, feature = "fuzz"))]
pub mod fuzz;
pub mod host;
pub mod html;
pub mod module_tests;
pub mod trial;
pub mod value;

mod executor;
mod frame;
mod guest_json;
mod leaves;
mod reads;
mod session;
#[cfg(feature = "wall")]
mod slots;
#[cfg(feature = "wall")]
mod wasm;
#[cfg(feature = "wall")]
mod worker;
