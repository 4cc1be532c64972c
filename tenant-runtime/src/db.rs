//! SQL of the tables that this program knows by name; module tables are the business of [`crate::data`].

pub mod agent;
pub mod credential;
pub mod due;
pub mod refresh_token;
pub mod session;
pub mod signing_key;
pub mod ticket;
