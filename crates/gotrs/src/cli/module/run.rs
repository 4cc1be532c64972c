//! `gotrs module run`: one lambda, tried out.

mod arguments;
mod report;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use clap::Args;
use control_plane::modules::{compile_source, render};
use domain::limits::LambdaLimits;
use module_engine::compiled::CompiledModule;
use module_engine::effect::Effect;
use module_engine::error::InvokeError;
use module_engine::host::LogLevel;
use module_engine::trial::{Trial, Tried};
use module_spec::Hook;

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
    /// What to run: a computed field, a hook, an action, an event such as `ticket.created` (everything that waits for it), the cron of a
    /// schedule, a test (what it brings is used where you give nothing), or the path of any lambda or condition such as
    /// `events[0].lambda` or `fields[2].visible_when`; without it the command lists what there is
    #[arg(long, value_name = "NAME")]
    lambda: Option<String>,
    /// The hook to run, where a computed field has the same name
    #[arg(long, value_name = "HOOK", conflicts_with = "lambda", value_parser = arguments::parse_hook)]
    hook: Option<Hook>,
    /// The record that the lambda sees as `item`: a JSON object, or @FILE with one in it
    #[arg(long, value_name = "JSON")]
    item: Option<String>,
    /// The records of an action on several, `items`: a JSON list of objects, or @FILE
    #[arg(long, value_name = "JSON")]
    items: Option<String>,
    /// What was filled in for an action, `input`: a JSON object, or @FILE
    #[arg(long, value_name = "JSON")]
    input: Option<String>,
    /// What lambdas of events see in `event` beside its name: a JSON object, or @FILE
    #[arg(long, value_name = "JSON")]
    event: Option<String>,
    /// Who is signed in: a JSON object with `id`, `login`, `name`, `groups`, or null for nobody; or @FILE
    #[arg(long, value_name = "JSON")]
    user: Option<String>,
    /// What `db.query` answers: a JSON file with a list of rows, or with lists of rows by a text that the query contains
    #[arg(long, value_name = "FILE")]
    rows: Option<PathBuf>,
    /// What `records` finds: a JSON object with lists of records by the name of their module, or @FILE
    #[arg(long, value_name = "JSON")]
    records: Option<String>,
    /// What `tickets` finds: a JSON list of objects with `id`, or @FILE
    #[arg(long, value_name = "JSON")]
    tickets: Option<String>,
    /// The time that the lambda sees; that of the modules' own tests if absent
    #[arg(long, value_name = "TIME", value_parser = arguments::parse_time)]
    now: Option<DateTime<Utc>>,
    /// How results are shown
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

/// How it went.
struct Ended {
    /// What was run, in words.
    what: String,
    result: Result<Tried, InvokeError>,
    log: Vec<(LogLevel, String)>,
    queries: Vec<String>,
    /// What was asked of `records` and `tickets`, and done, in its order.
    effects: Vec<Effect>,
    took: Duration,
    /// What it may use at most.
    limits: LambdaLimits,
}

impl Ended {
    /// Whether the lambda ran to its end and found nothing wrong with the record.
    fn verdict(&self) -> Verdict {
        match &self.result {
            Ok(Tried::Record(outcome)) if !outcome.failures.is_empty() => Verdict::Bad,
            Ok(_) => Verdict::Good,
            Err(_) => Verdict::Bad,
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
    let chosen = arguments::choose(args, &module)?;
    let inputs = Inputs::read(args, &chosen)?;
    let ended = try_out(&module, &chosen, &inputs);
    report::show(&file, &ended, output)?;
    Ok(ended.verdict())
}

fn try_out(module: &CompiledModule, chosen: &Chosen<'_>, inputs: &Inputs) -> Ended {
    let host = inputs.host(&chosen.target);
    let trial = Trial {
        target: chosen.target,
        item: &inputs.item,
        items: &inputs.items,
        input: &inputs.input,
        event: &inputs.event,
    };
    let started = Instant::now();
    let result = module.try_out(trial, &host, LambdaLimits::DEFAULT);
    Ended {
        what: chosen.what.clone(),
        result,
        took: started.elapsed(),
        log: host.log_lines(),
        queries: host.queries(),
        effects: host.effects(),
        limits: module.spec().limits().capped_by(LambdaLimits::DEFAULT),
    }
}
