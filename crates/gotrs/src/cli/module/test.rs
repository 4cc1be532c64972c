//! `gotrs module test`: the modules' own tests, in the sandbox that also runs them at upload.

mod junit;
mod report;
mod runner;
mod watch;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::Args;

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
    /// How results are shown
    #[command(flatten)]
    pub(super) output: OutputArgs,
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
    let runner = Runner::start(args.jobs(), args.filter.clone())?;
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
    report::show(run, output)?;
    if let Some(path) = &args.junit {
        std::fs::write(path, junit::document(run)).map_err(|source| CliError::WriteFile {
            path: path.clone(),
            source,
        })?;
    }
    Ok(run.verdict())
}
