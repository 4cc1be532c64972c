//! Tests of the control plane as a whole: the same `App` as in the program, a database and an object store of their own,
//! requests without a network.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    clippy::too_many_arguments,
    clippy::needless_pass_by_value,
    reason = "a test that cannot go on says so by ending"
)]

mod adoption;
mod authz;
mod channels;
mod cluster;
mod database;
mod docs;
mod exports;
mod fake;
mod modules;
mod platform;
mod reconcile;
mod sessions;
mod signup;
mod web;
mod world;
