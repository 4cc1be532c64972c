//! The platform as a stranger meets it: one command, a signup, a screen from a YAML file, and things that go wrong.

mod bad_input;
mod browser;
mod exports;
mod greedy;
mod kills;
mod operator_autoscaling;
mod operator_kills;
mod operator_leaders;
mod operator_report;
mod phases;
mod story;
mod traces;
