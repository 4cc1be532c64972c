//! Who is signed in: passwords, sessions, tokens and permissions of agents.

pub mod cache;
pub mod csrf;
pub mod limits;
pub mod password;
pub mod permission;
pub mod secret;
pub mod session;
pub mod token;

pub use cache::Auth;
