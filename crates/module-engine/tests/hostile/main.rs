//! Lambdas that mean harm, as data: each case of `corpus/*.js` says how it must end. See docs/security/tried.md.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says that something is wrong by panicking"
)]
mod attack;
mod corpus;
mod hosts;
mod html;
mod source;
mod storm;
mod suite;
