//! The platform as a stranger meets it: one command, a signup, a screen from a YAML file, and things that go wrong.

mod autoscaling;
mod bad_input;
mod browser;
mod exports;
mod greedy;
mod kills;
mod operator_kills;
mod operator_leaders;
mod phases;
mod report;
mod story;
mod traces;
