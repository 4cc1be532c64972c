//! Black-box tests: they start the real programs and use them as people and programs do, over HTTP and in a browser.
//!
//! `cargo build -p gotrs && cargo test -p e2e`. Nothing here links against the product.

#![warn(missing_docs)]

pub mod browser;
pub mod platform;
pub mod tenant;
