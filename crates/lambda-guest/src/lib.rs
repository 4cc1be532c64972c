//! The inside of the sandbox: QuickJS and the prelude, which run the lambdas of one invocation.
//!
//! It is built in two ways. As a WebAssembly module (`wasm.rs`): `cargo xtask guest` compiles it for wasm32-unknown-unknown, runs
//! `guest_init` once, keeps the memory that this leaves, and compiles the result ahead of time; `module-engine` embeds it and
//! runs each invocation in a copy. And natively, as a part of `lambda-worker`: a process of its own for one invocation, where no
//! guest can be built. Nothing else may link it.
//!
//! Bytes go in and out by copy, as JSON; nothing is shared. What the script can reach outside is its [`Transport`]. Nothing here
//! is trusted by the host: whoever breaks out of QuickJS stands in this memory, or in this process.

#![warn(missing_docs)]

mod script;

#[cfg(target_arch = "wasm32")]
mod wasm;

pub use self::script::{PANIC, STACK_BYTES, Script, Transport};
