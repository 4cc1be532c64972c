//! The API, one file per resource.

pub mod api_keys;
pub mod audit;
pub mod exports;
pub mod modules;
pub mod page;
pub mod runtime;
pub mod schema;
pub mod sessions;
pub mod signup;
pub mod tenants;
