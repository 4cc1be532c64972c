//! One tenant's part of a PostgreSQL database: its schema, its three roles, its tables.
//!
//! A database holds many tenants. Each has the schema `t_<id>` and the roles `t_<id>_owner` (owns everything, cannot
//! sign in), `t_<id>_runtime` (reads and writes rows, cannot create anything) and `t_<id>_lambda` (reads what is
//! not secret; tenant code runs with it). This crate is the only one that makes roles and schemas.
//!
//! Everything here is level-triggered: each operation compares what is with what should be, under an advisory lock
//! of the tenant, and can be repeated at any time, also after it was killed half-way. It must be given a
//! direct connection (no pooler in between) as superuser: only a superuser may revoke what `pg_catalog` grants to all.
//!
//! It knows nothing of helpdesks, HTTP or modules beyond names and types. The entry is [`TenantDatabase`].

#![warn(missing_docs)]

mod administrator;
mod archive;
mod connection;
mod credentials;
mod drift;
mod export;
mod fence;
mod fixture;
mod migrate;
mod names;
mod note;
mod prepare;
mod privileges;
mod relations;
mod removal;
mod roles;
mod schema;
mod scram;

pub use administrator::{AdministratorError, AdministratorSeed};
pub use archive::ArchiveError;
pub use connection::{CONNECTIONS, ConnectError, DatabaseError, TenantDatabase};
pub use credentials::{Credentials, StoredCredentials};
pub use drift::{Drift, VerifyError};
pub use export::{ExportError, ExportReport, ImportError};
pub use fence::{FenceError, FencingEpoch};
pub use migrate::{MigrateError, MigrationReport};
pub use names::TenantNames;
pub use note::{Note, NoteError, SOURCE_DIGEST};
pub use prepare::PrepareError;
pub use removal::RemovalError;
pub use roles::{RoleLimits, RolesError};
pub use schema::SchemaError;
