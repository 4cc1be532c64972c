//! The control plane: accounts, tenants, module registry, watch stream and console; and the router.
//!
//! It never talks to a tenant's database and never runs a tenant's process: it says what should be
//! ([`provision::Desired`]) and reads what is.

pub mod provision;
pub mod router;
