//! Makes `Tenant` resources real on Kubernetes: schema, roles, namespace, runtimes, policies.
//!
//! One reconcile is dereference → validate → build → apply → status ([`reconcile`]). Validate and build are pure; what
//! talks to the API server or to PostgreSQL is in steps of its own. Nothing is remembered that cannot be found again: a
//! kill at any point leaves a state from which the next start goes on.
//!
//! Knows no JavaScript and nothing of the control plane's database; of S3 only where exports go. It meets the control plane in the `Tenant`
//! resource only.

pub mod backoff;
pub mod calls;
pub mod channel;
pub mod command;
pub mod config;
pub mod controller;
pub mod events;
pub mod ids;
pub mod import;
pub mod lane;
pub mod lease;
pub mod memory;
pub mod metrics;
pub mod note;
pub mod queue;
pub mod reconcile;
pub mod report;
pub mod run;
pub mod seen;
pub mod store;
pub mod transactions;
