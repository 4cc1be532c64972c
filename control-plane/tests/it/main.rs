//! Tests of the control plane as a whole: the same `App` as in the program, a database and an object store of their own,
//! requests without a network.

mod authz;
mod docs;
mod fake;
mod modules;
mod platform;
mod reconcile;
mod sessions;
mod signup;
mod web;
mod world;
