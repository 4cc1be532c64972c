//! The parts of `gotrs up` as real processes and real servers.

mod data;
mod postgres;
mod s3;
mod spawner;
