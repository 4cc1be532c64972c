//! Which lines of lambdas the tests ran: for people, and in the formats that editors and CI servers read.

use std::fmt::Write as _;

use clap::ValueEnum;
use lambda_coverage::{LambdaCoverage, LineCoverage, Lines, Measured};
use module_spec::ModuleSpec;
use serde_json::{Value, json};
use unicode_width::UnicodeWidthStr as _;

use super::runner::{FileRun, TestRun};
use crate::cli::module::pieces::{Piece, pieces};
use crate::cli::output::{Output, Style, clean};

/// How a file with the coverage is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum CoverageFormat {
    /// What genhtml, editors and CI servers read
    Lcov,
    /// One JSON document, as under `coverage` of `--output json`
    Json,
}

/// What of one file was reached.
#[derive(Debug)]
pub(super) struct FileCoverage {
    lambdas: Vec<Titled>,
    lines: Lines,
    /// Why nothing is known of the file.
    problem: Option<String>,
}

/// A lambda and what it is, in words.
#[derive(Debug)]
struct Titled {
    title: String,
    coverage: LambdaCoverage,
}

impl FileCoverage {
    /// What was counted.
    pub(super) fn of(spec: &ModuleSpec, measured: &Measured) -> Self {
        let pieces = pieces(spec);
        let coverage = measured.coverage();
        let lines = Lines::of_file(&coverage);
        let lambdas = coverage.into_iter().map(|coverage| {
            let piece = pieces
                .iter()
                .find(|piece| piece.lambda.path() == coverage.path());
            Titled {
                title: piece.map_or_else(|| coverage.path().to_owned(), Piece::title),
                coverage,
            }
        });
        Self {
            lambdas: lambdas.collect(),
            lines,
            problem: None,
        }
    }

    /// A file that could not be measured.
    pub(super) fn unknown(problem: String) -> Self {
        Self {
            lambdas: Vec::new(),
            lines: Lines::default(),
            problem: Some(problem),
        }
    }

    /// Whether there are lambdas at all.
    fn says_something(&self) -> bool {
        !self.lambdas.is_empty() || self.problem.is_some()
    }

    fn problems(&self) -> impl Iterator<Item = &str> {
        let of_lambdas = self.lambdas.iter().filter_map(|one| one.coverage.problem());
        self.problem.as_deref().into_iter().chain(of_lambdas)
    }
}

/// How many lines there are, and how many of them were reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Count {
    covered: usize,
    total: usize,
}

impl Count {
    fn of(lines: &Lines) -> Self {
        Self {
            covered: lines.covered(),
            total: lines.total(),
        }
    }

    fn and(self, other: Self) -> Self {
        Self {
            covered: self.covered.saturating_add(other.covered),
            total: self.total.saturating_add(other.total),
        }
    }

    /// In tenths of a percent, rounded down: all is only all. Of nothing, all is reached.
    fn permille(self) -> usize {
        self.covered
            .saturating_mul(1_000)
            .checked_div(self.total)
            .unwrap_or(1_000)
    }

    #[expect(clippy::cast_precision_loss, reason = "at most 1000")]
    fn percent(self) -> f64 {
        self.permille() as f64 / 10.0
    }

    fn json(self) -> Value {
        json!({"total": self.total, "covered": self.covered, "percent": self.percent()})
    }
}

fn measured(run: &TestRun) -> impl Iterator<Item = (&FileRun, &FileCoverage)> {
    run.files
        .iter()
        .filter_map(|file| Some((file, file.coverage.as_ref()?)))
}

fn total(run: &TestRun) -> Count {
    measured(run).fold(Count::default(), |sum, (_, coverage)| {
        sum.and(Count::of(&coverage.lines))
    })
}

/// What is missing to so many percent of the lines; nothing when there are as many.
pub(super) fn missing(run: &TestRun, percent: f64) -> Option<String> {
    if let Some(problem) = measured(run).flat_map(|(_, file)| file.problems()).next() {
        return Some(format!("not all lambdas could be measured: {problem}"));
    }
    let count = total(run);
    let reached = count.percent();
    (reached < percent).then(|| {
        format!(
            "the tests ran {} of {} lines of lambdas: {reached} % is less than {percent} %",
            count.covered, count.total
        )
    })
}

/// A table with a line for each file and each lambda.
pub(super) fn text(run: &TestRun, output: &Output) -> String {
    struct Row {
        name: String,
        count: Count,
        note: String,
        is_lambda: bool,
    }
    let mut rows = Vec::new();
    for (file, coverage) in measured(run).filter(|(_, coverage)| coverage.says_something()) {
        rows.push(Row {
            name: file.file.shown(),
            count: Count::of(&coverage.lines),
            note: problem_text(coverage.problem.as_deref()),
            is_lambda: false,
        });
        for Titled { title, coverage } in &coverage.lambdas {
            let lines = coverage.lines();
            rows.push(Row {
                name: format!("  {}", clean(title)),
                count: Count::of(&lines),
                note: match coverage.problem() {
                    None => note(&lines),
                    problem => problem_text(problem),
                },
                is_lambda: true,
            });
        }
    }
    if run.files.len() > 1 {
        rows.push(Row {
            name: "all files".to_owned(),
            count: total(run),
            note: String::new(),
            is_lambda: false,
        });
    }
    let width = rows.iter().map(|row| row.name.width()).max().unwrap_or(0);
    let mut text = format!(
        "\n{}\n",
        output.paint("Lines of lambdas that ran", Style::Strong)
    );
    for row in rows {
        let Count { covered, total } = row.count;
        let permille = row.count.permille();
        let percent = format!("{:>3}.{} %", permille / 10, permille % 10);
        let style = match covered {
            _ if covered == total => Style::Good,
            0 => Style::Bad,
            _ => Style::Attention,
        };
        let padding = " ".repeat(width.saturating_sub(row.name.width()));
        let name = if row.is_lambda {
            row.name
        } else {
            output.paint(&row.name, Style::Strong)
        };
        let counted = format!("{covered} of {total}");
        let line = format!(
            "  {name}{padding}  {}  {counted:<10}  {}",
            output.paint(&percent, style),
            row.note
        );
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn problem_text(problem: Option<&str>) -> String {
    problem.map_or_else(String::new, |problem| {
        format!("could not be measured: {}", clean(problem))
    })
}

/// The lines that never ran, and those of which a part never did.
fn note(lines: &Lines) -> String {
    let mut parts = Vec::new();
    let never = ranges(lines, |line| line.hits == 0);
    if !never.is_empty() {
        parts.push(format!("not {never}"));
    }
    let partly = ranges(lines, LineCoverage::is_partial);
    if !partly.is_empty() {
        parts.push(format!("partly {partly}"));
    }
    parts.join("; ")
}

/// `3, 7-9`: lines that follow each other, as far as something begins on them, are one range.
fn ranges(lines: &Lines, belongs: impl Fn(&LineCoverage) -> bool) -> String {
    let mut ranges: Vec<(u32, u32)> = Vec::new();
    let mut goes_on = false;
    for line in lines.iter() {
        if !belongs(line) {
            goes_on = false;
            continue;
        }
        match ranges.last_mut() {
            Some((_, end)) if goes_on => *end = line.line,
            _ => ranges.push((line.line, line.line)),
        }
        goes_on = true;
    }
    let shown: Vec<String> = ranges
        .iter()
        .map(|(start, end)| {
            if start == end {
                start.to_string()
            } else {
                format!("{start}-{end}")
            }
        })
        .collect();
    shown.join(", ")
}

/// The whole as a file.
pub(super) fn file(run: &TestRun, format: CoverageFormat) -> String {
    match format {
        CoverageFormat::Lcov => lcov(run),
        CoverageFormat::Json => format!("{:#}\n", document(run)),
    }
}

/// For programs.
pub(super) fn document(run: &TestRun) -> Value {
    let files: Vec<Value> = measured(run)
        .map(|(file, coverage)| {
            let lambdas: Vec<Value> = coverage
                .lambdas
                .iter()
                .map(|Titled { title, coverage }| {
                    let lines = coverage.lines();
                    let each: Vec<Value> = lines
                        .iter()
                        .map(|line| json!({"line": line.line, "runs": line.hits, "missed_columns": line.missed}))
                        .collect();
                    let mut lambda = json!({
                        "lambda": coverage.path(),
                        "name": title,
                        "line": coverage.line(),
                        "runs": coverage.runs(),
                        "lines": Count::of(&lines).json(),
                        "each": each,
                    });
                    if let Some(problem) = coverage.problem() {
                        lambda["problem"] = problem.into();
                    }
                    lambda
                })
                .collect();
            let mut document = json!({
                "file": file.file.shown(),
                "lines": Count::of(&coverage.lines).json(),
                "lambdas": lambdas,
            });
            if let Some(problem) = &coverage.problem {
                document["problem"] = problem.as_str().into();
            }
            document
        })
        .collect();
    json!({"lines": total(run).json(), "files": files})
}

/// `TN`, `SF`, `FN`, `FNDA`, `DA` and the sums, as geninfo(1) describes them. A lambda is a function; a line has been hit by as many
/// tests as ran it.
fn lcov(run: &TestRun) -> String {
    let mut text = String::new();
    for (file, coverage) in measured(run).filter(|(_, coverage)| coverage.says_something()) {
        // Writing to a String cannot fail.
        let _ = lcov_file(&mut text, file, coverage);
    }
    text
}

fn lcov_file(text: &mut String, file: &FileRun, coverage: &FileCoverage) -> std::fmt::Result {
    writeln!(text, "TN:\nSF:{}", one_line(&file.file.shown()))?;
    for Titled { title, coverage } in &coverage.lambdas {
        writeln!(text, "FN:{},{}", coverage.line(), one_line(title))?;
    }
    for Titled { title, coverage } in &coverage.lambdas {
        writeln!(text, "FNDA:{},{}", coverage.runs(), one_line(title))?;
    }
    let reached = coverage
        .lambdas
        .iter()
        .filter(|one| one.coverage.runs() > 0);
    writeln!(
        text,
        "FNF:{}\nFNH:{}",
        coverage.lambdas.len(),
        reached.count()
    )?;
    for line in coverage.lines.iter() {
        writeln!(text, "DA:{},{}", line.line, line.hits)?;
    }
    let Count { covered, total } = Count::of(&coverage.lines);
    writeln!(text, "LF:{total}\nLH:{covered}\nend_of_record")
}

/// The format knows no escapes.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}
