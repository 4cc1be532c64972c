//! The server as a whole, on a real PostgreSQL: the same router as in `main`, called without sockets.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on says so by ending"
)]

mod authz;
mod csrf;
mod due;
mod events;
mod harness;
mod pages;
mod sign_in;
mod watch;
