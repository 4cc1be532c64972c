//! tenant-database against a real PostgreSQL.

mod isolation;
mod lambda;
mod life;
mod managed_tables;
mod recovery;
mod schema;
mod server;
