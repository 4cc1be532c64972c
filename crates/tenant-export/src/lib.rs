//! Exports of tenants into the object store: the rows of a tenant's schema as one archive, written while it is read.
//!
//! The same for whoever makes tenants real, the operator on a cluster and the supervisor on one machine. Begin with [`Exports`]; it knows
//! nothing of who asked and of what is told about it.

#![warn(missing_docs)]

mod archives;
mod exports;

pub use archives::{Archive, Archives, Source, SourceError, WriteError};
pub use exports::{Exports, Progress, Settings};
