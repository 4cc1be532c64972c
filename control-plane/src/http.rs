//! HTTP of the control plane: one list of routes, extractors that authorise, handlers that call one service each.

pub mod api;
pub mod cookie;
pub mod extract;
pub mod idempotency;
pub mod router;
pub mod web;
