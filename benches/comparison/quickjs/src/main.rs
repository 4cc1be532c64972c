//! Runs the workload with QuickJS in this process: a fresh engine per batch, as the sandbox has a fresh instance, and no wall at all.
//!
//! Reads the workload from standard input and answers with results and times on standard output. `cargo xtask bench-sandbox` starts
//! it, compares the results with those of the sandbox and writes docs/performance.md.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use rquickjs::{CatchResultExt as _, Context, Ctx, Function, Runtime};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What lambdas use beside the language, and the loop over rows.
const LIBRARY: &str = include_str!("library.js");

/// Engines that are alive at the same time while their memory is measured.
const ENGINES: u32 = 64;

#[derive(Deserialize, Serialize, Clone)]
struct Lambda {
    name: String,
    source: String,
}

#[derive(Deserialize)]
struct Workload {
    lambdas: Vec<Lambda>,
    rows: Vec<Map<String, Value>>,
}

#[derive(Serialize)]
struct Times {
    p50_us: f64,
    p99_us: f64,
}

#[derive(Serialize)]
struct Answer {
    results: Vec<Vec<Value>>,
    times: BTreeMap<&'static str, Times>,
    idle_kib: f64,
}

fn main() -> anyhow::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let work: Workload = serde_json::from_str(&text).context("reading the workload")?;
    let rows = |count: usize| {
        work.rows
            .get(..count)
            .context("the workload has too few rows")
    };
    let padded: Vec<Map<String, Value>> = rows(100)?
        .iter()
        .map(|row| {
            let mut row = row.clone();
            row.insert("other".to_owned(), Value::from("x".repeat(1000)));
            row
        })
        .collect();
    let one = [Lambda {
        name: "one".to_owned(),
        source: "return 1".to_owned(),
    }];
    let mut times = BTreeMap::new();
    times.insert("start", measure(500, || start().map(drop))?);
    for (name, lambdas, rows, turns) in [
        ("single", &one[..], rows(1)?, 3000),
        ("rows-25", &work.lambdas, rows(25)?, 400),
        ("rows-100", &work.lambdas, rows(100)?, 300),
        ("rows-1000", &work.lambdas, rows(1000)?, 40),
        ("rows-100-1kb", &work.lambdas, &padded, 300),
    ] {
        times.insert(name, measure(turns, || batch(lambdas, rows).map(drop))?);
    }
    let answer = Answer {
        results: batch(&work.lambdas, rows(100)?)?,
        times,
        idle_kib: idle_kib()?,
    };
    println!("{}", serde_json::to_string(&answer)?);
    Ok(())
}

fn start() -> anyhow::Result<(Runtime, Context)> {
    let runtime = Runtime::new()?;
    let context = Context::full(&runtime)?;
    context.with(|ctx| {
        ctx.eval::<(), _>(LIBRARY)
            .catch(&ctx)
            .map_err(|error| anyhow!("{error}"))
    })?;
    Ok((runtime, context))
}

/// A fresh engine, all rows in it, and what it answers.
fn batch(lambdas: &[Lambda], rows: &[Map<String, Value>]) -> anyhow::Result<Vec<Vec<Value>>> {
    let (_runtime, context) = start()?;
    let request = json!({ "lambdas": lambdas, "rows": rows }).to_string();
    let answer = context.with(|ctx| {
        call(&ctx, &request)
            .catch(&ctx)
            .map_err(|error| anyhow!("{error}"))
    })?;
    serde_json::from_str(&answer).context("reading the answer")
}

fn call(ctx: &Ctx<'_>, request: &str) -> rquickjs::Result<String> {
    let run: Function<'_> = ctx.globals().get("runBatch")?;
    run.call((request,))
}

fn measure(turns: usize, mut run: impl FnMut() -> anyhow::Result<()>) -> anyhow::Result<Times> {
    for _ in 0..turns.div_ceil(10) {
        run()?;
    }
    let mut taken = Vec::with_capacity(turns);
    for _ in 0..turns {
        let started = Instant::now();
        run()?;
        taken.push(started.elapsed());
    }
    taken.sort_unstable();
    let percentile = |percent: usize| {
        let index = (taken.len() * percent).div_ceil(100).saturating_sub(1);
        taken
            .get(index)
            .map_or(0.0, |time: &Duration| time.as_secs_f64() * 1e6)
    };
    Ok(Times {
        p50_us: percentile(50),
        p99_us: percentile(99),
    })
}

/// What one more engine adds to the resident memory.
fn idle_kib() -> anyhow::Result<f64> {
    let first = start()?;
    let before = resident_kib()?;
    let engines = (0..ENGINES)
        .map(|_| start())
        .collect::<anyhow::Result<Vec<_>>>()?;
    let after = resident_kib()?;
    drop((first, engines));
    Ok((after - before) / f64::from(ENGINES))
}

fn resident_kib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}
