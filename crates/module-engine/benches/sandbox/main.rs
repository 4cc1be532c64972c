//! What the sandbox costs: `cargo bench -p module-engine`. With `-- --json FILE` also what was measured, with the workload and its
//! results, for `cargo xtask bench-sandbox` to compare with other ways of running the same lambdas.

#![expect(clippy::print_stdout, reason = "a program for people at a terminal")]

mod memory;
mod workload;

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use domain::limits::LambdaLimits;
use module_engine::call::{Call, Cell, Item};
use module_engine::compiled::CompiledModule;
use module_engine::dry_run::DryRunHost;
use module_engine::engine::{Engine, EngineOptions};
use module_engine::value::CellValue;
use serde_json::{Value, json};

use self::workload::{FIELDS, item, rows};

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Engine::new(EngineOptions::default()).expect("the sandbox starts"));

static MODULE: LazyLock<CompiledModule> = LazyLock::new(|| workload::compile(&ENGINE));

/// Enough queries for one per row.
const LIMITS: LambdaLimits = LambdaLimits {
    queries: 100,
    ..LambdaLimits::DEFAULT
};

fn main() -> anyhow::Result<()> {
    let mut json_file = None;
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo's own.
            "--bench" => {}
            "--json" => {
                json_file = Some(PathBuf::from(
                    arguments.next().context("--json needs a file")?,
                ));
            }
            // For a profiler: 1 000 times 100 rows of these fields.
            "--repeat" => {
                let fields = arguments.next().context("--repeat needs names of fields")?;
                return repeat(&fields);
            }
            memory::CHILD => return memory::child(),
            other => bail!("there is no {other}; there are --json FILE and --repeat FIELD,FIELD"),
        }
    }
    let mut measured = Vec::new();
    let mut take = |name: &'static str, samples: Samples| {
        println!("{name:<20} {samples}");
        measured.push((name, samples));
    };
    take(
        "start",
        measure(50, || {
            Engine::new(EngineOptions::default()).map_err(|error| anyhow::anyhow!("{error}"))
        })?,
    );
    take(
        "compile",
        measure(500, || Ok(workload::compile_again(&ENGINE, &MODULE)))?,
    );
    take("single", single()?);
    for (name, count, padding, turns) in [
        ("rows-25", 25, 0, 400),
        ("rows-100", 100, 0, 300),
        ("rows-1000", 1000, 0, 40),
        ("rows-100-1kb", 100, 1000, 300),
    ] {
        take(name, batch(count, padding, turns, |cells| cells)?);
    }
    take("rows-100-html", batch(100, 0, 100, as_html)?);
    take("query-each", query_each()?);
    take("query-batched", query_batched()?);
    let memory = memory::measure()?;
    println!("{memory}");

    if let Some(path) = json_file {
        let host = DryRunHost::new();
        let results: Vec<Vec<Value>> = MODULE
            .computed_fields(&rows(100, 0), &FIELDS, &host, LIMITS)?
            .into_iter()
            .map(raw)
            .collect::<anyhow::Result<_>>()?;
        let times: serde_json::Map<String, Value> = measured
            .into_iter()
            .map(|(name, samples)| (name.to_owned(), samples.to_json()))
            .collect();
        let document = json!({
            "workload": workload::describe(&MODULE),
            "results": results,
            "times": times,
            "memory": memory,
        });
        std::fs::write(&path, document.to_string())
            .with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

/// How long each turn took.
struct Samples(Vec<Duration>);

impl Samples {
    fn percentile(&self, percent: usize) -> Duration {
        let index = (self.0.len() * percent).div_ceil(100).saturating_sub(1);
        self.0.get(index).copied().unwrap_or_default()
    }

    fn to_json(&self) -> Value {
        let micros = |time: Duration| time.as_secs_f64() * 1e6;
        json!({ "p50_us": micros(self.percentile(50)), "p99_us": micros(self.percentile(99)) })
    }
}

impl std::fmt::Display for Samples {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "p50 {:>10.1?}  p99 {:>10.1?}",
            self.percentile(50),
            self.percentile(99)
        )
    }
}

/// Runs it so many times, after a tenth as many to warm up.
fn measure<T>(turns: usize, mut run: impl FnMut() -> anyhow::Result<T>) -> anyhow::Result<Samples> {
    for _ in 0..turns.div_ceil(10) {
        run()?;
    }
    let mut samples = Vec::with_capacity(turns);
    for _ in 0..turns {
        let started = Instant::now();
        let given = run()?;
        samples.push(started.elapsed());
        drop(given);
    }
    samples.sort_unstable();
    Ok(Samples(samples))
}

fn repeat(fields: &str) -> anyhow::Result<()> {
    let fields: Vec<&str> = fields.split(',').collect();
    let (rows, host) = (rows(100, 0), DryRunHost::new());
    for _ in 0..1000 {
        MODULE.computed_fields(&rows, &fields, &host, LIMITS)?;
    }
    Ok(())
}

fn single() -> anyhow::Result<Samples> {
    let item = rows(1, 0).remove(0);
    let host = DryRunHost::new();
    let lambda = MODULE
        .spec()
        .computed_field("one")
        .context("a field")?
        .lambda();
    let call = Call::Lambda {
        lambda,
        item: &item,
    };
    measure(3000, || Ok(MODULE.invoke(call, &host, LIMITS)?))
}

fn batch<T>(
    count: usize,
    padding: usize,
    turns: usize,
    mut then: impl FnMut(Vec<Vec<Cell>>) -> T,
) -> anyhow::Result<Samples> {
    let rows = rows(count, padding);
    let host = DryRunHost::new();
    measure(turns, || {
        let cells = MODULE.computed_fields(&rows, &FIELDS, &host, LIMITS)?;
        ensure!(
            cells.iter().flatten().all(Result::is_ok),
            "a lambda of the workload throws"
        );
        Ok(then(cells))
    })
}

/// What a page does with the cells.
fn as_html(cells: Vec<Vec<Cell>>) -> Vec<String> {
    cells
        .into_iter()
        .flatten()
        .map(|cell| cell.map_or_else(|error| error.to_string(), |value| value.to_html()))
        .collect()
}

fn raw(cells: Vec<Cell>) -> anyhow::Result<Vec<Value>> {
    cells
        .into_iter()
        .map(|cell| Ok(cell.map(CellValue::into_raw)?))
        .collect()
}

/// One query in each of 100 rows.
fn query_each() -> anyhow::Result<Samples> {
    let rows = rows(100, 0);
    let fixture = [item(json!({ "n": 7 }))];
    measure(200, || {
        // A host remembers what it was asked: a new one for each turn.
        let host = DryRunHost::new().with_fixture(None, &fixture);
        let cells = MODULE.computed_fields(&rows, &["queried"], &host, LIMITS)?;
        ensure!(cells.iter().flatten().all(Result::is_ok), "a query fails");
        Ok(cells)
    })
}

/// One query for all of the 100 rows.
fn query_batched() -> anyhow::Result<Samples> {
    let ids: Vec<usize> = (0..100).collect();
    let item_of_all = item(json!({ "ids": ids }));
    let fixture: Vec<Item> = ids
        .iter()
        .map(|id| item(json!({ "id": id, "n": 7 })))
        .collect();
    let lambda = MODULE
        .spec()
        .computed_field("batched")
        .context("a field")?
        .lambda();
    let call = Call::Lambda {
        lambda,
        item: &item_of_all,
    };
    measure(200, || {
        let host = DryRunHost::new().with_fixture(None, &fixture);
        Ok(MODULE.invoke(call, &host, LIMITS)?)
    })
}
