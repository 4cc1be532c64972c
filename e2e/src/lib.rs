//! Black-box tests: they start the real programs and use them as people and programs do, over HTTP and in a browser.
//!
//! `cargo build --workspace --exclude lambda-guest --lib --bins --tests` builds the programs under test, then
//! `cargo test --workspace --exclude lambda-guest --test black_box` runs these.

#![warn(missing_docs)]

pub mod api_server;
pub mod browser;
pub mod collector;
pub mod operator;
pub mod platform;
pub mod service;
pub mod tenant;
