//! The inside of the sandbox: QuickJS as a WebAssembly module that runs the lambdas of one invocation.
//!
//! `cargo xtask guest` compiles it for wasm32-unknown-unknown, runs `guest_init` once, keeps the memory that this leaves, and
//! compiles the result ahead of time; `module-engine` embeds it and runs each invocation in a copy. On any other target the
//! crate is empty.
//!
//! Bytes go in and out by copy, as JSON; nothing is shared. What the guest can reach outside is its list of imports: the
//! clock, `host_call` and `host_take`. Nothing here is trusted by the host: whoever breaks out of QuickJS stands in this memory.

#![warn(missing_docs)]

#[cfg(target_arch = "wasm32")]
mod guest;
