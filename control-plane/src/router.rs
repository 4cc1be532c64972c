//! The router: Host → tenant → runtime, from a table in memory.

pub mod table;

pub use table::{Route, RouteTarget, RoutingTable};
