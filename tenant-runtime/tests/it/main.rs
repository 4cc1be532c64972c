//! The server as a whole, on a real PostgreSQL: the same router as in `main`, called without sockets.

mod authz;
mod csrf;
mod events;
mod harness;
mod pages;
mod sign_in;
mod watch;
