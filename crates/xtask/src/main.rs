//! Automation of this repository: `cargo xtask --help`.

mod assets;
mod bench_sandbox;
mod codegen;
mod guest;
mod postgres;
mod sqlx_prepare;
mod tidy;

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::Parser;

/// Automation of this repository.
#[derive(Parser)]
enum Xtask {
    /// Makes the page assets (style sheet, script, fonts, icons) when their sources changed
    Assets {
        /// Only say whether they are up to date
        #[arg(long)]
        check: bool,
    },
    /// Writes the files that are made from types: the definition of the Tenant resource
    Codegen {
        /// Only compare; fail when something differs
        #[arg(long)]
        check: bool,
    },
    /// Measures the sandbox beside `QuickJS` in process and goja, and writes the tables into docs/performance.md
    BenchSandbox,
    /// Builds the sandbox's guest when something that it is made of changed
    Guest {
        /// Also when nothing changed
        #[arg(long)]
        force: bool,
        /// Fail where there is no tool for it, instead of recording that lambdas run in worker processes
        #[arg(long)]
        required: bool,
    },
    /// Checks the crate graph, file sizes and other house rules
    Tidy,
    /// Runs a command with `DATABASE_URL` set to a private PostgreSQL that is thrown away afterwards
    WithPostgres {
        /// The command and its arguments
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
    /// Refreshes .sqlx/ from a live database with all migrations
    SqlxPrepare {
        /// Only compare; fail when something differs
        #[arg(long)]
        check: bool,
    },
}

fn main() -> anyhow::Result<()> {
    match Xtask::parse() {
        Xtask::Assets { check } => assets::run(check),
        Xtask::Codegen { check } => codegen::run(check),
        Xtask::BenchSandbox => bench_sandbox::run(),
        Xtask::Guest { force, required } => guest::run(force, required),
        Xtask::Tidy => tidy::run(),
        Xtask::WithPostgres { command } => postgres::with_postgres(&command),
        Xtask::SqlxPrepare { check } => sqlx_prepare::run(check),
    }
}

/// The root of the repository.
fn root() -> anyhow::Result<PathBuf> {
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let root = here
        .ancestors()
        .nth(2)
        .context("crates/xtask is two levels below the root")?;
    Ok(root.to_owned())
}

/// Runs a command to its end; an exit code other than 0 is an error.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let status = command
        .status()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{} ended with {status}", command.get_program().display());
    }
    Ok(())
}
