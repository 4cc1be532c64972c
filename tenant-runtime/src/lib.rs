//! The helpdesk of ONE tenant: sign-in, portals, and every screen that a module describes.
//!
//! Knows its own tenant only: no S3 credentials (modules come by presigned URL), no other schema, no Kubernetes.
//! [`run`] is the whole process; [`App`](app::App) is what its handlers share.

pub mod app;
pub mod auth;
pub mod config;
pub mod data;
pub mod database;
pub mod db;
pub mod due;
pub mod http;
pub mod lambdas;
pub mod metrics;
pub mod modules;
pub mod pages;

mod address;
mod run;

pub use config::RuntimeConfig;
pub use run::{WORKER_THREADS, run};
