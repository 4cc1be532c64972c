//! Measures the sandbox and two other ways of running the same lambdas on the same rows, and writes the tables into
//! docs/performance.md. Results that differ between the three are an error: nobody is fast at something else.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::root;

const DOCUMENT: &str = "docs/performance.md";
const BEGIN: &str = "<!-- sandbox: written by `make bench` -->\n";
const END: &str = "<!-- sandbox: end -->\n";

#[derive(Deserialize)]
struct Times {
    p50_us: f64,
    p99_us: f64,
}

/// What the bench of module-engine wrote.
#[derive(Deserialize)]
struct Sandbox {
    workload: Value,
    results: Value,
    times: BTreeMap<String, Times>,
    memory: Memory,
}

#[derive(Deserialize)]
struct Memory {
    idle_kib: f64,
    busy_kib: f64,
}

/// What a contender answered.
#[derive(Deserialize)]
struct Contender {
    results: Value,
    times: BTreeMap<String, Times>,
    /// Resident memory of one more idle engine.
    idle_kib: Option<f64>,
}

/// Measures, compares and writes.
pub(crate) fn run() -> anyhow::Result<()> {
    let root = root()?;
    let folder = tempfile::tempdir().context("making a folder for what is measured")?;
    let measured = folder.path().join("sandbox.json");
    crate::run(
        Command::new("cargo")
            .current_dir(&root)
            .args([
                "bench",
                "--locked",
                "-p",
                "module-engine",
                "--bench",
                "sandbox",
                "--",
                "--json",
            ])
            .arg(&measured),
    )
    .context("measuring the sandbox")?;
    let text = std::fs::read(&measured).context("reading what was measured")?;
    let sandbox: Sandbox = serde_json::from_slice(&text).context("what was measured")?;
    let workload = folder.path().join("workload.json");
    std::fs::write(&workload, sandbox.workload.to_string()).context("writing the workload")?;

    let quickjs = quickjs(&root, &workload)?;
    let goja = goja(&root, &workload)?;
    compare("QuickJS in process", &sandbox.results, &quickjs.results)?;
    if let Some(goja) = &goja {
        compare("goja", &sandbox.results, &goja.results)?;
    }
    write(&root, &tables(&sandbox, &quickjs, goja.as_ref())?)
}

fn quickjs(root: &Path, workload: &Path) -> anyhow::Result<Contender> {
    let folder = root.join("benches/comparison/quickjs");
    answer(
        Command::new("cargo")
            .current_dir(&folder)
            .args(["run", "--quiet", "--release", "--locked", "--target-dir"])
            .arg(root.join("target/comparison")),
        workload,
    )
    .context("running QuickJS in process")
}

#[expect(clippy::print_stderr, reason = "it is for whoever measures")]
fn goja(root: &Path, workload: &Path) -> anyhow::Result<Option<Contender>> {
    let found = Command::new("go")
        .arg("version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !found.is_ok_and(|status| status.success()) {
        eprintln!("no Go toolchain here: goja is left out");
        return Ok(None);
    }
    let folder = root.join("benches/comparison/goja");
    answer(
        Command::new("go")
            .current_dir(&folder)
            .args(["run", "-mod=readonly", "."]),
        workload,
    )
    .map(Some)
    .context("running goja")
}

fn answer(command: &mut Command, workload: &Path) -> anyhow::Result<Contender> {
    let output = command
        .stdin(File::open(workload).context("opening the workload")?)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    ensure!(output.status.success(), "it ended with {}", output.status);
    serde_json::from_slice(&output.stdout).context("reading its answer")
}

fn compare(who: &str, ours: &Value, theirs: &Value) -> anyhow::Result<()> {
    let rows = |results: &Value| results.as_array().cloned().unwrap_or_default();
    let (ours, theirs) = (rows(ours), rows(theirs));
    ensure!(
        ours.len() == theirs.len() && !ours.is_empty(),
        "{who} answered {} rows, the sandbox {}",
        theirs.len(),
        ours.len()
    );
    for (row, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
        if !is_same(ours, theirs) {
            bail!("row {row}: the sandbox gives {ours}, {who} {theirs}");
        }
    }
    Ok(())
}

/// Equal as JavaScript sees it: `1` is `1.0`.
fn is_same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .zip(other)
                    .all(|(one, other)| is_same(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one
                    .iter()
                    .all(|(key, value)| other.get(key).is_some_and(|other| is_same(value, other)))
        }
        _ => one == other,
    }
}

fn tables(
    sandbox: &Sandbox,
    quickjs: &Contender,
    goja: Option<&Contender>,
) -> anyhow::Result<String> {
    let mut text = String::from("| what | p50 | p99 | aim |\n| --- | --- | --- | --- |\n");
    for (name, what, aim) in [
        ("start", "engine start", "≤ 20 ms"),
        ("compile", "compile a module (syntax of seven lambdas)", ""),
        (
            "single",
            "one invocation in a fresh sandbox",
            "p50 ≤ 0.1 ms, p99 ≤ 1 ms",
        ),
        ("rows-25", "25 rows × 5 computed fields", ""),
        ("rows-100", "100 rows × 5 computed fields", "≤ 3 ms"),
        ("rows-1000", "1 000 rows × 5 computed fields", ""),
        (
            "rows-100-1kb",
            "100 rows × 5, with 1 kB in each row that no lambda reads",
            "",
        ),
        (
            "rows-100-html",
            "100 rows × 5, cleaned and written as HTML for a page",
            "",
        ),
        (
            "query-each",
            "100 rows with a query each, answered from memory",
            "",
        ),
        (
            "query-batched",
            "one query for all of 100 rows, answered from memory",
            "",
        ),
    ] {
        let times = of(&sandbox.times, name)?;
        writeln!(
            text,
            "| {what} | {} | {} | {aim} |",
            time(times.p50_us),
            time(times.p99_us)
        )?;
    }
    let kib = |kib: f64| format!("{:.2} MiB", kib / 1024.0);
    writeln!(
        text,
        "| resident memory of one more idle instance | {} | | ≤ 2 MiB |",
        kib(sandbox.memory.idle_kib)
    )?;
    writeln!(
        text,
        "| of one more busy instance (in a query of a batch, its thread included) | {} | | |",
        kib(sandbox.memory.busy_kib)
    )?;
    if let Some(idle) = quickjs.idle_kib {
        writeln!(
            text,
            "| of one more idle QuickJS in process | {} | | |",
            kib(idle)
        )?;
    }
    text.push_str(
        "\nThe same lambdas and rows, p50 each, in the same run:\n\n\
         | what | sandbox | QuickJS in process | the wall costs | goja as GOTRS uses it | faster than goja (aim ≥ 50) |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    for (name, what) in [
        ("single", "one invocation"),
        ("rows-25", "25 rows × 5"),
        ("rows-100", "100 rows × 5"),
        ("rows-1000", "1 000 rows × 5"),
        ("rows-100-1kb", "100 rows × 5 with 1 kB each"),
    ] {
        let ours = of(&sandbox.times, name)?.p50_us;
        let native = of(&quickjs.times, name)?.p50_us;
        write!(
            text,
            "| {what} | {} | {} | {:.1} × | ",
            time(ours),
            time(native),
            ours / native
        )?;
        match goja {
            Some(goja) => {
                let theirs = of(&goja.times, name)?.p50_us;
                writeln!(text, "{} | {:.1} × |", time(theirs), theirs / ours)?;
            }
            None => text.push_str("no Go toolchain | |\n"),
        }
    }
    Ok(text)
}

fn of<'a>(times: &'a BTreeMap<String, Times>, name: &str) -> anyhow::Result<&'a Times> {
    times
        .get(name)
        .with_context(|| format!("{name} was not measured"))
}

fn time(micros: f64) -> String {
    if micros < 10_000.0 {
        format!("{:.3} ms", micros / 1000.0)
    } else {
        format!("{:.0} ms", micros / 1000.0)
    }
}

/// Replaces what stands between the marks.
fn write(root: &Path, tables: &str) -> anyhow::Result<()> {
    let path = root.join(DOCUMENT);
    let text = std::fs::read_to_string(&path).with_context(|| format!("reading {DOCUMENT}"))?;
    let (before, rest) = text
        .split_once(BEGIN)
        .with_context(|| format!("{DOCUMENT} has lost the line {BEGIN}"))?;
    let (_, after) = rest
        .split_once(END)
        .with_context(|| format!("{DOCUMENT} has lost the line {END}"))?;
    std::fs::write(&path, [before, BEGIN, tables, END, after].concat())
        .with_context(|| format!("writing {DOCUMENT}"))
}
