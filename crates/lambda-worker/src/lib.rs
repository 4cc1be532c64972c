//! A process that runs the lambdas of one invocation: what `module-engine` uses where the WebAssembly guest cannot be built, and
//! can be told to use.
//!
//! The process is the wall. It links QuickJS, locks itself before it reads anything, and is killed by the engine when its reply
//! is there, when its time is up, or when it does anything else than the protocol says. See docs/security/sandbox.md and
//! docs/adr/0004-worker-processes-where-there-is-no-guest.md.
//!
//! A library so that tests can lock a process of theirs in the same way and try to get out.

#![warn(missing_docs)]

pub mod clock;
pub mod lockdown;
pub mod memory;
pub mod run;
