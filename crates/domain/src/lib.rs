//! The vocabulary of GOTRS Cloud: identifiers, names, plans, limits, states and the messages
//! that the control plane and a tenant's runtime exchange.
//!
//! Pure: no IO, no async, no database and no HTTP types. Values are valid by construction
//! (`FromStr` validates, `Display` prints), so nothing below re-checks a slug or a digest.

#![warn(missing_docs)]

pub mod clock;
pub mod diagnostic;
pub mod digest;
pub mod id;
pub mod identifier;
pub mod limits;
pub mod name;
pub mod plan;
pub mod sleep;
pub mod spelling;
pub mod tenant;
pub mod watch;
