//! tenant-database against a real PostgreSQL.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::many_single_char_names,
    clippy::disallowed_methods,
    reason = "tests and their helpers: a failure is a panic, tenants are a, b and c, and nothing here is shut down gracefully"
)]

mod export;
mod fence;
mod isolation;
mod lambda;
mod life;
mod managed_tables;
mod note;
mod recovery;
mod schema;
mod server;
