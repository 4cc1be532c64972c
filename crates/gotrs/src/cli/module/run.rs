//! `gotrs module run`: one lambda, tried out.

mod arguments;
mod report;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::slice;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clap::Args;
use control_plane::modules::{compile_source, render};
use domain::limits::LambdaLimits;
use module_engine::call::{Call, HookOutcome, Item, Outcome};
use module_engine::compiled::CompiledModule;
use module_engine::dry_run::DryRunHost;
use module_engine::error::InvokeError;
use module_engine::host::LogLevel;
use module_engine::value::CellValue;
use module_spec::{Hook, TestTarget};

use self::arguments::{Chosen, Inputs};
use super::files::ModuleFile;
use super::sandbox;
use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::{OutputArgs, Verdict};

/// `gotrs module run`
#[derive(Debug, Clone, Args)]
pub struct RunArgs {
    /// The module file
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// What to run: a computed field, a hook, a test (its item, user and rows are used where you give none), or the path
    /// of a lambda such as `tests[0].lambda`; without it the command lists what there is
    #[arg(long, value_name = "NAME")]
    lambda: Option<String>,
    /// The hook to run, where a computed field has the same name
    #[arg(long, value_name = "HOOK", conflicts_with = "lambda", value_parser = arguments::parse_hook)]
    hook: Option<Hook>,
    /// The record that the lambda sees as `item`: a JSON object, or @FILE with one in it
    #[arg(long, value_name = "JSON")]
    item: Option<String>,
    /// Who is signed in: a JSON object with `id`, `login`, `name`, `groups`, or null for nobody; or @FILE
    #[arg(long, value_name = "JSON")]
    user: Option<String>,
    /// What `db.query` answers: a JSON file with a list of rows, or with lists of rows by a text that the query contains
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
    /// The time that the lambda sees; that of the modules' own tests if absent
    #[arg(long, value_name = "TIME", value_parser = arguments::parse_time)]
    now: Option<DateTime<Utc>>,
    /// How results are shown
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// How it went.
struct Trial {
    /// What was run, in words.
    what: String,
    result: Result<Given, InvokeError>,
    log: Vec<(LogLevel, String)>,
    queries: Vec<String>,
    took: Duration,
    /// What it may use at most.
    limits: LambdaLimits,
}

/// What came out.
enum Given {
    Value(CellValue),
    Record(HookOutcome),
}

impl Trial {
    /// Whether the lambda ran to its end and found nothing wrong with the record.
    fn verdict(&self) -> Verdict {
        match &self.result {
            Ok(Given::Value(_)) => Verdict::Good,
            Ok(Given::Record(outcome)) if outcome.failures.is_empty() => Verdict::Good,
            Ok(Given::Record(_)) | Err(_) => Verdict::Bad,
        }
    }
}

/// Does it.
pub(super) fn run(args: &RunArgs, output: &mut Output) -> Result<Verdict, CliError> {
    let file = ModuleFile::read(&args.file)?;
    let engine = sandbox::start(NonZeroUsize::MIN)?;
    let compiled = compile_source(&engine, None, &file.source);
    output.findings(&render(&file.shown(), &file.source, &compiled.diagnostics))?;
    let Some(module) = compiled.module else {
        output.json(&report::broken(&file, &compiled.diagnostics))?;
        return Ok(Verdict::Bad);
    };
    let chosen = arguments::choose(args, module.spec())?;
    let inputs = Inputs::read(args, &chosen)?;
    let trial = try_out(&module, &chosen, &inputs);
    report::show(&file, &trial, output)?;
    Ok(trial.verdict())
}

fn try_out(module: &CompiledModule, chosen: &Chosen<'_>, inputs: &Inputs) -> Trial {
    let host = inputs.host();
    let started = Instant::now();
    let result = invoke(module, &chosen.target, &inputs.item, &host);
    Trial {
        what: chosen.what.clone(),
        result,
        took: started.elapsed(),
        log: host.log_lines(),
        queries: host.queries(),
        limits: module.spec().limits().capped_by(LambdaLimits::DEFAULT),
    }
}

fn invoke(
    module: &CompiledModule,
    target: &TestTarget,
    item: &Item,
    host: &DryRunHost,
) -> Result<Given, InvokeError> {
    let ceiling = LambdaLimits::DEFAULT;
    let nothing = || InvokeError::Internal("the lambda gave nothing".to_owned());
    match target {
        TestTarget::Field(name) => {
            let rows =
                module.computed_fields(slice::from_ref(item), &[name.as_str()], host, ceiling)?;
            let cell = rows.into_iter().flatten().next().ok_or_else(nothing)?;
            Ok(Given::Value(cell?))
        }
        TestTarget::Hook(hook) => module.hook(*hook, item, host, ceiling).map(Given::Record),
        TestTarget::Lambda(lambda) => {
            match module.invoke(Call::Lambda { lambda, item }, host, ceiling)? {
                Outcome::Value(value) => Ok(Given::Value(value)),
                _ => Err(nothing()),
            }
        }
    }
}
