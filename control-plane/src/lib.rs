//! The control plane: accounts, tenants, module registry, watch stream and console; and the router.
//!
//! It never talks to a tenant's database and never runs a tenant's process: it says what should be
//! ([`provision::Desired`]) and reads what is. [`app::App`] is the entry.

pub mod app;
pub mod check;
pub mod config;
pub mod db;
pub mod email;
pub mod http;
pub mod jobs;
pub mod keys;
pub mod kubernetes;
pub mod mail;
pub mod metrics;
pub mod password;
pub mod places;
pub mod provision;
pub mod rate_limit;
pub mod router;
pub mod runtime_token;
pub mod serve;
pub mod service;
pub mod status;
pub mod token;

pub use app::{App, AppState};
pub use config::{ControlPlaneConfig, Settings};
pub use service::modules;
