//! Objects in S3, or in anything that speaks its protocol.
//!
//! Knows nothing of modules, tenants' data or HTTP: it stores bytes under a [`BlobKey`] in one bucket, with a deadline on
//! every call. [`BlobStore`] is the entry; it is the only code of the platform that holds credentials for S3.

#![warn(missing_docs)]

pub mod config;
pub mod error;
pub mod key;
pub mod store;
mod upload;

pub use error::BlobError;
pub use key::BlobKey;
pub use store::{Addressing, BlobStore, BlobStoreConfig, Put};
pub use upload::UploadError;
