//! A module with counters, and what they counted.

use std::collections::{BTreeMap, BTreeSet};

use module_spec::{Lambda, ModuleSpec};

use crate::instrument::{Counted, KEY, instrument};

/// A module whose lambdas count, and the counts so far.
#[derive(Debug, Clone)]
pub struct Measured {
    spec: ModuleSpec,
    lambdas: Vec<MeasuredLambda>,
    /// In how many runs each counter was reached.
    hits: Vec<u32>,
}

#[derive(Debug, Clone)]
struct MeasuredLambda {
    path: String,
    /// Where it begins in the file.
    line: u32,
    /// Number of its first counter.
    first: usize,
    /// Line and column of each counter in the file.
    places: Vec<(u32, u32)>,
    problem: Option<String>,
}

impl Measured {
    /// Puts counters into all lambdas but those that stand in tests. One that cannot be read as JavaScript stays as it is, and its coverage says
    /// so.
    pub fn new(spec: &ModuleSpec) -> Self {
        let mut lambdas = Vec::new();
        let mut counters = 0_usize;
        let spec = spec.with_code(|lambda| {
            if lambda.path().starts_with("tests[") {
                return None;
            }
            let (counted, problem) = match instrument(lambda.source(), counters) {
                Ok(counted) => (Some(counted), None),
                Err(problem) => (None, Some(problem)),
            };
            let (code, places) = counted.map_or((None, Vec::new()), |Counted { code, places }| {
                (Some(code), places)
            });
            lambdas.push(MeasuredLambda {
                path: lambda.path().to_owned(),
                line: begin_of(lambda),
                first: counters,
                places: places
                    .into_iter()
                    .map(|(line, column)| lambda.position(line, column))
                    .collect(),
                problem,
            });
            counters = lambdas.last().map_or(counters, |lambda| {
                counters.saturating_add(lambda.places.len())
            });
            code
        });
        Self {
            spec,
            lambdas,
            hits: vec![0; counters],
        }
    }

    /// The module with counters. Lines of errors are those of the file, columns are not.
    pub fn spec(&self) -> &ModuleSpec {
        &self.spec
    }

    /// Adds one run: everything that its lambdas asked a translation of.
    pub fn record<'k>(&mut self, keys: impl IntoIterator<Item = &'k str>) {
        // Each row and each condition of a run counts anew; the run is one.
        let reached: BTreeSet<usize> = keys.into_iter().filter_map(counter_of).collect();
        for counter in reached {
            if let Some(hits) = self.hits.get_mut(counter) {
                *hits = hits.saturating_add(1);
            }
        }
    }

    /// What was reached, for each lambda in the order in which the spec lists them.
    pub fn coverage(&self) -> Vec<LambdaCoverage> {
        self.lambdas
            .iter()
            .map(|lambda| {
                let hits = self.hits.iter().skip(lambda.first);
                let mut spots = Spots::new();
                for (place, hits) in lambda.places.iter().zip(hits) {
                    add(&mut spots, *place, *hits);
                }
                LambdaCoverage {
                    path: lambda.path.clone(),
                    line: lambda.line,
                    spots,
                    problem: lambda.problem.clone(),
                }
            })
            .collect()
    }
}

/// Whether a key that was asked for is a counter's and none of the author's.
pub fn is_counter(key: &str) -> bool {
    counter_of(key).is_some()
}

fn counter_of(key: &str) -> Option<usize> {
    key.strip_prefix(KEY)?.parse().ok()
}

fn begin_of(lambda: &Lambda) -> u32 {
    lambda.position(1, 1).0
}

/// In how many runs what stands at a line and column was reached.
type Spots = BTreeMap<(u32, u32), u32>;

fn add(spots: &mut Spots, place: (u32, u32), hits: u32) {
    let sum = spots.entry(place).or_default();
    *sum = sum.saturating_add(hits);
}

/// What was reached of one lambda.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LambdaCoverage {
    path: String,
    line: u32,
    spots: Spots,
    problem: Option<String>,
}

impl LambdaCoverage {
    /// Its path in the file, such as `computed_fields[0].lambda`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The line of the file where it begins.
    pub fn line(&self) -> u32 {
        self.line
    }

    /// Why nothing is known of it.
    pub fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// In how many runs it was reached at all.
    pub fn runs(&self) -> u32 {
        self.spots.values().copied().max().unwrap_or(0)
    }

    /// Its lines on which something begins that can run, in order.
    pub fn lines(&self) -> Lines {
        Lines::of(&self.spots)
    }
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineCoverage {
    /// Its number, from 1.
    pub line: u32,
    /// In how many runs something of it was reached.
    pub hits: u32,
    /// Columns of what was never reached.
    pub missed: Vec<u32>,
}

impl LineCoverage {
    /// Whether a part was reached and another never.
    pub fn is_partial(&self) -> bool {
        self.hits > 0 && !self.missed.is_empty()
    }
}

/// Lines of a lambda, of a file or of several files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines(Vec<LineCoverage>);

impl Lines {
    fn of(spots: &Spots) -> Self {
        let mut lines: Vec<LineCoverage> = Vec::new();
        for (&(line, column), &hits) in spots {
            if lines.last().is_none_or(|last| last.line != line) {
                lines.push(LineCoverage {
                    line,
                    hits: 0,
                    missed: Vec::new(),
                });
            }
            let Some(last) = lines.last_mut() else {
                continue;
            };
            last.hits = last.hits.max(hits);
            if hits == 0 {
                last.missed.push(column);
            }
        }
        Self(lines)
    }

    /// The lines of a whole file. One that several lambdas share (an anchor and its aliases) is one line.
    pub fn of_file(lambdas: &[LambdaCoverage]) -> Self {
        let mut spots = Spots::new();
        for lambda in lambdas {
            for (&place, &hits) in &lambda.spots {
                add(&mut spots, place, hits);
            }
        }
        Self::of(&spots)
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &LineCoverage> {
        self.0.iter()
    }

    /// How many there are.
    pub fn total(&self) -> usize {
        self.0.len()
    }

    /// How many were reached.
    pub fn covered(&self) -> usize {
        self.0.iter().filter(|line| line.hits > 0).count()
    }
}

#[cfg(test)]
#[expect(clippy::indexing_slicing, reason = "a test fails by it")]
mod tests {
    use super::*;

    const MODULE: &str = "\
module: {name: m, storage: managed}
fields:
  - {name: a, type: integer, visible_when: item.b > 0 && item.c}
computed_fields:
  - {name: b, lambda: &shared 'return item.a ? 1 : 2'}
  - {name: c, lambda: *shared}
  - name: d
    lambda: |
      if (item.a)
        return 1;
      return 2;
tests:
  - {name: own code, lambda: return 1, expect: 1}
";

    fn measured() -> Measured {
        let (spec, findings) = module_spec::parse(MODULE);
        Measured::new(&spec.unwrap_or_else(|| panic!("{findings:#?}")))
    }

    fn keys(counters: &[usize]) -> Vec<String> {
        counters.iter().map(|at| format!("{KEY}{at}")).collect()
    }

    #[test]
    fn lines_are_those_of_the_file_and_runs_are_counted_once() {
        let mut measured = measured();
        let paths: Vec<String> = measured
            .coverage()
            .into_iter()
            .map(|lambda| format!("{}:{}", lambda.path(), lambda.line()))
            .collect();
        assert_eq!(
            paths,
            [
                "computed_fields[0].lambda:5",
                "computed_fields[1].lambda:5",
                "computed_fields[2].lambda:9",
                "fields[0].visible_when:3"
            ]
        );
        // Of `d`: the `if` and the last line, twice.
        let run = keys(&[6, 8, 8, 6]);
        measured.record(run.iter().map(String::as_str));
        measured.record(run.iter().map(String::as_str));
        measured.record(["common.status", "gotrs-coverage:x", "gotrs-coverage:999"]);
        let coverage = measured.coverage();
        let lines: Vec<(u32, u32)> = coverage[2]
            .lines()
            .iter()
            .map(|line| (line.line, line.hits))
            .collect();
        assert_eq!(
            (lines, coverage[2].runs()),
            (vec![(9, 2), (10, 0), (11, 2)], 2)
        );
        let file = Lines::of_file(&coverage);
        assert_eq!((file.covered(), file.total()), (2, 5));
    }

    #[test]
    fn what_aliases_share_is_missed_only_when_no_one_reached_it() {
        let mut measured = measured();
        // The first takes one branch, the second the other.
        let run = keys(&[0, 1, 3, 5]);
        measured.record(run.iter().map(String::as_str));
        let coverage = measured.coverage();
        let line = coverage[0].lines().iter().next().cloned();
        assert!(line.is_some_and(|line| line.is_partial() && line.missed.len() == 1));
        let file = Lines::of_file(&coverage);
        let line = file.iter().find(|line| line.line == 5).cloned();
        assert!(line.is_some_and(|line| line.hits > 0 && line.missed.is_empty()));
    }

    #[test]
    fn code_of_tests_is_left_alone() {
        let measured = measured();
        let own = measured
            .spec()
            .lambdas()
            .find(|lambda| lambda.path() == "tests[0].lambda")
            .map(|lambda| lambda.source().to_owned());
        assert_eq!(own.as_deref(), Some("return 1"));
        assert!(is_counter("gotrs-coverage:3") && !is_counter("common.status"));
    }
}
