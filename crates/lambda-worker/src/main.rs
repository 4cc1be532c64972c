//! `lambda-worker PARENT MEMORY_MB`: started by `module-engine` only, with its end of a socket as standard input.

use std::process::ExitCode;

use lambda_worker::memory::Limited;
use lambda_worker::run;

#[global_allocator]
static ALLOCATOR: Limited = Limited;

fn main() -> ExitCode {
    run::main(std::env::args().skip(1))
}
