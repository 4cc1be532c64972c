//! The HTTP side: every route, who may call it, and how answers look to people and to programs.

pub mod api_auth;
pub mod client;
pub mod cookies;
pub mod csrf;
pub mod events;
pub mod extract;
pub mod login;
pub mod portal;
pub mod records;
pub mod router;
pub mod routes;
pub mod session;
pub mod wants;
