//! What every process of the platform needs once: configuration, telemetry, life cycle, problem+json, HTTP
//! middleware, the internal port and, with feature `pages`, the page engine with its components and assets.
//!
//! Knows no business word: nothing here says tenant, module or ticket.

#![warn(missing_docs)]

pub mod chain;
pub mod client_address;
pub mod config;
pub mod extract;
pub mod http;
pub mod internal;
pub mod lifecycle;
#[cfg(feature = "pages")]
pub mod pages;
pub mod problem;
pub mod request_id;
pub mod telemetry;
pub mod unread;

pub use chain::Chain;
pub use lifecycle::Tasks;
pub use problem::Problem;
