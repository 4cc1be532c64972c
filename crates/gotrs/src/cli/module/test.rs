//! `gotrs module test`: the modules' own tests, in the sandbox that also runs them at upload.

mod coverage;
mod junit;
mod report;
mod runner;
mod watch;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

use self::coverage::CoverageFormat;
pub(super) use self::report::{duration, millis, place};
use self::runner::{Runner, TestRun};
use super::files;
use crate::cli::error::CliError;
use crate::cli::output::{Output, clean};
use crate::cli::{OutputArgs, Verdict};

/// `gotrs module test`
#[derive(Debug, Clone, Args)]
pub struct TestArgs {
    /// Module files, or folders with them
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Run only tests that have TEXT in their name or in the name of what they run; case does not matter
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,
    /// How many tests run at the same time; as many as there are cores if absent
    #[arg(long, value_name = "NUMBER", value_parser = parse_jobs)]
    jobs: Option<NonZeroUsize>,
    /// Stay and run again whenever a file is saved, until Ctrl-C
    #[arg(long)]
    watch: bool,
    /// Also write the results to FILE as JUnit XML, which CI servers read
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// Also show which lines of the lambdas the tests ran
    #[arg(long)]
    coverage: bool,
    /// Also write the coverage to FILE
    #[arg(long, value_name = "FILE", requires = "coverage")]
    coverage_file: Option<PathBuf>,
    /// How --coverage-file is written
    #[arg(
        long,
        value_enum,
        value_name = "FORMAT",
        default_value = "lcov",
        requires = "coverage_file"
    )]
    coverage_format: CoverageFormat,
    /// Fail when the tests ran fewer than PERCENT of the lines of all lambdas
    #[arg(long, value_name = "PERCENT", requires = "coverage", value_parser = parse_percent)]
    fail_under: Option<f64>,
    /// How results are shown
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

fn parse_percent(text: &str) -> Result<f64, String> {
    text.trim_end_matches('%')
        .parse()
        .ok()
        .filter(|percent| (0.0..=100.0).contains(percent))
        .ok_or_else(|| "a number from 0 to 100 is expected, such as 80".to_owned())
}

/// More sandboxes at the same time would only take memory.
const MOST_JOBS: usize = 64;

fn parse_jobs(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .ok()
        .filter(|jobs: &NonZeroUsize| jobs.get() <= MOST_JOBS)
        .ok_or_else(|| format!("a number from 1 to {MOST_JOBS} is expected, such as 4"))
}

impl TestArgs {
    fn jobs(&self) -> NonZeroUsize {
        self.jobs.unwrap_or_else(|| {
            std::thread::available_parallelism().map_or(NonZeroUsize::MIN, |cores| {
                cores.min(NonZeroUsize::MIN.saturating_add(MOST_JOBS - 1))
            })
        })
    }
}

/// Does it.
pub(super) async fn test(args: TestArgs, output: &mut Output) -> Result<Verdict, CliError> {
    let runner = Runner::start(args.jobs(), args.filter.clone(), args.coverage)?;
    if args.watch {
        return watch::watch(runner, &args, output).await;
    }
    let run = runner.run(files::read_all(&args.files)?);
    if let (Some(filter), 0) = (&args.filter, run.tests())
        && run.is_good()
    {
        return Err(CliError::Usage(format!(
            "no test has \"{}\" in its name or in the name of what it runs",
            clean(filter)
        )));
    }
    show(&run, &args, output)
}

/// Writes the results wherever they are wanted.
fn show(run: &TestRun, args: &TestArgs, output: &mut Output) -> Result<Verdict, CliError> {
    let missing = args
        .fail_under
        .and_then(|percent| coverage::missing(run, percent));
    report::show(run, missing.as_deref(), output)?;
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::document(run)).map_err(|source| CliError::WriteFile {
            path: path.clone(),
            source,
        })?;
    }
    if let Some(path) = &args.coverage_file {
        let written = std::fs::write(path, coverage::file(run, args.coverage_format));
        written.map_err(|source| CliError::WriteFile {
            path: path.clone(),
            source,
        })?;
    }
    Ok(match missing {
        Some(_) => Verdict::Bad,
        None => run.verdict(),
    })
}
