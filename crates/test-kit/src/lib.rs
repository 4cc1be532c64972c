//! Test support: PostgreSQL databases of their own for tests that need one.
//!
//! `make test` starts one private server for the whole run and sets `DATABASE_URL`
//! (`cargo xtask with-postgres -- cargo test ...` does the same by hand).

#![warn(missing_docs)]

pub mod postgres;
#[cfg(feature = "s3")]
pub mod s3;

/// Installs the TLS provider that the programs install in `main`; HTTP clients ask for it even on loopback.
#[cfg(feature = "s3")]
pub fn install_tls_provider() {
    service_kit::telemetry::install_tls_provider();
}
