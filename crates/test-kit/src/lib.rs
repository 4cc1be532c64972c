//! Test support: PostgreSQL databases of their own for tests that need one.
//!
//! `make test` starts one private server for the whole run and sets `DATABASE_URL`
//! (`cargo xtask with-postgres -- cargo test ...` does the same by hand).

#![warn(missing_docs)]

pub mod postgres;
#[cfg(feature = "s3")]
pub mod s3;
