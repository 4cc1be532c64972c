//! The `gotrs` command, and everything that `gotrs up` runs on one machine: PostgreSQL, an S3 server, the control
//! plane, the router, and a supervisor with one child process per tenant.
//!
//! The only crate that sees both the control plane and the tenant runtime. It has no business rules of its own: it
//! is a [`Provisioner`](control_plane::provision::Provisioner) and wiring. The entry is [`command::Command`].

#![warn(missing_docs)]

pub mod cli;
pub mod command;
pub mod postgres;
pub mod process;
pub mod s3;
pub mod supervisor;
pub mod up;
