//! The sandbox from outside: what works, what is refused, and what hostile lambdas get.

mod batch;
mod hooks;
mod hostile;
mod hygiene;
mod library;
mod limits;
mod module_tests;
mod positions;
mod support;
