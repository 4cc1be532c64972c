//! The router: Host → tenant → runtime, from a table in memory that its publisher replaces as a whole.
//!
//! It reads nothing from a database and knows nothing of tickets or modules. Bodies, server-sent events and web sockets
//! are streamed both ways; what a client says about itself in forwarding headers is thrown away.

mod connection;
mod headers;
mod host;
pub mod lanes;
pub mod pages;
mod proxy;
mod returnable;
mod server;
mod sleep;
pub mod table;

pub use proxy::{Proxy, RenderPage, RouterConfig};
pub use server::serve;
pub use sleep::Sleepers;
pub use table::{Route, RouteTarget, RoutingTable};

#[cfg(test)]
mod tests;
