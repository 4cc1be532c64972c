//! The `Tenant` resource as it lies in a cluster: `tenants.gotrs.io`, version `v1`.
//!
//! Wire types only. Whoever acts on a `Tenant` turns its spec into values of `domain` first; whoever reports on one merges
//! conditions with [`condition::merge`]. No client in here: types are all that the operator and the control plane share.

#![warn(missing_docs)]

pub mod condition;
pub mod duration;
pub mod manifest;
pub mod names;
pub mod v1;
