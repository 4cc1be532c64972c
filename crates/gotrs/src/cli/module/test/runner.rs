//! Runs tests in parallel and says how they ended.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use control_plane::modules::compile_source;
use domain::diagnostic::{Diagnostic, Severity};
use lambda_coverage::Measured;
use module_engine::compiled::CompiledModule;
use module_engine::engine::Engine;
use module_engine::module_tests::{TestOutcome, host_of, run_test, run_test_on};
use module_spec::{ModuleSpec, TestCase, TestTarget};

use super::coverage::FileCoverage;
use crate::cli::Verdict;
use crate::cli::error::CliError;
use crate::cli::module::files::ModuleFile;
use crate::cli::module::{parallel, sandbox};

/// What runs tests: the sandbox, and which of them are wanted.
pub(super) struct Runner {
    engine: Arc<Engine>,
    jobs: NonZeroUsize,
    /// In lower case.
    filter: Option<String>,
    /// Whether the lines that run are counted.
    coverage: bool,
}

/// The files and how their tests ended.
pub(super) struct TestRun {
    pub(super) files: Vec<FileRun>,
    pub(super) took: Duration,
}

/// One file and how its tests ended.
pub(super) struct FileRun {
    pub(super) file: ModuleFile,
    /// The module's name, where the file was good enough to tell.
    pub(super) name: Option<String>,
    /// What is to say about the file itself; where one of them is an error no test ran.
    pub(super) findings: Vec<Diagnostic>,
    /// In the order of the file.
    pub(super) tests: Vec<TestResult>,
    /// How many tests were not wanted.
    pub(super) left_out: usize,
    /// Which lines of its lambdas they ran, where that is wanted.
    pub(super) coverage: Option<FileCoverage>,
}

/// One test and how it ended.
pub(super) struct TestResult {
    pub(super) outcome: TestOutcome,
    /// What it runs, in words.
    pub(super) target: String,
    /// Where it stands in the file.
    pub(super) line: u32,
    pub(super) column: u32,
}

impl Runner {
    /// Starts the sandbox.
    pub(super) fn start(
        jobs: NonZeroUsize,
        filter: Option<String>,
        coverage: bool,
    ) -> Result<Self, CliError> {
        Ok(Self {
            engine: sandbox::start(jobs)?,
            jobs,
            filter: filter.map(|filter| filter.to_lowercase()),
            coverage,
        })
    }

    /// Compiles the files and runs the tests that are wanted; takes at most as long as the limits of the tests allow.
    pub(super) fn run(&self, files: Vec<ModuleFile>) -> TestRun {
        let started = Instant::now();
        let compiled = parallel::each(&files, self.jobs, |file| {
            compile_source(&self.engine, None, &file.source)
        });
        let wanted: Vec<(usize, &CompiledModule, &TestCase)> = compiled
            .iter()
            .enumerate()
            .filter_map(|(file, compiled)| Some((file, compiled.module.as_ref()?)))
            .flat_map(|(file, module)| {
                let tests = module.spec().tests().iter();
                tests
                    .filter(|test| self.wants(test))
                    .map(move |test| (file, module, test))
            })
            .collect();
        let mut counting: Vec<Option<Counting>> = compiled
            .iter()
            .map(|compiled| {
                let module = compiled.module.as_ref().filter(|_| self.coverage)?;
                Some(Counting::new(&self.engine, module.spec()))
            })
            .collect();
        let ended = parallel::each(&wanted, self.jobs, |(file, module, test)| {
            let counters = counting.get(*file).and_then(Option::as_ref);
            let reached = counters.map(|counting| counting.run(test));
            (*file, run_one(module, test), reached.unwrap_or_default())
        });
        let mut runs: Vec<FileRun> = files
            .into_iter()
            .zip(&compiled)
            .map(|(file, compiled)| FileRun {
                file,
                name: compiled.name().map(ToString::to_string),
                findings: compiled.diagnostics.clone(),
                tests: Vec::new(),
                left_out: compiled
                    .module
                    .as_ref()
                    .map_or(0, |module| self.left_out(module.spec())),
                coverage: None,
            })
            .collect();
        for (file, result, reached) in ended {
            if let Some(run) = runs.get_mut(file) {
                run.tests.push(result);
            }
            if let Some(Some(counting)) = counting.get_mut(file) {
                counting.measured.record(reached.iter().map(String::as_str));
            }
        }
        for (run, counting) in runs.iter_mut().zip(counting) {
            run.coverage = counting.map(Counting::coverage);
        }
        TestRun {
            files: runs,
            took: started.elapsed(),
        }
    }

    fn left_out(&self, spec: &ModuleSpec) -> usize {
        spec.tests().iter().filter(|test| !self.wants(test)).count()
    }

    fn wants(&self, test: &TestCase) -> bool {
        self.filter.as_ref().is_none_or(|text| {
            test.name().to_lowercase().contains(text)
                || target_of(test).to_lowercase().contains(text)
        })
    }
}

/// A module with counters in its lambdas. Its tests run once more there: how they end is told by the code as it was written.
struct Counting {
    measured: Measured,
    module: Result<CompiledModule, String>,
}

impl Counting {
    fn new(engine: &Arc<Engine>, spec: &ModuleSpec) -> Self {
        let measured = Measured::new(spec);
        let module = CompiledModule::compile(engine, Arc::new(measured.spec().clone()));
        Self {
            measured,
            module: module.map_err(|findings| {
                let first = findings.into_iter().next();
                first.map_or_else(String::new, |finding| finding.message)
            }),
        }
    }

    /// What the counters of one test say.
    fn run(&self, test: &TestCase) -> BTreeSet<String> {
        let host = host_of(test).keeping_translations();
        if let Ok(module) = &self.module {
            run_test_on(module, test, &host);
        }
        host.translations()
    }

    fn coverage(self) -> FileCoverage {
        match self.module {
            Ok(_) => FileCoverage::of(self.measured.spec(), &self.measured),
            Err(problem) => FileCoverage::unknown(problem),
        }
    }
}

fn run_one(module: &CompiledModule, test: &TestCase) -> TestResult {
    let path = format!("tests[{}].name", test.index());
    // A place by its path; only the place is of interest here.
    let place = module
        .spec()
        .finding_at(&path, Severity::Error, "test-failed", "", None);
    TestResult {
        outcome: run_test(module, test),
        target: target_of(test),
        line: place.line,
        column: place.column,
    }
}

/// What a test runs, in words.
fn target_of(test: &TestCase) -> String {
    match test.target() {
        TestTarget::Field(name) => format!("field {name}"),
        TestTarget::Hook(hook) => format!("hook {}", hook.as_str()),
        TestTarget::Event { kind, .. } => format!("event {}", kind.as_str()),
        TestTarget::Action(name) => format!("action {name}"),
        TestTarget::Schedule(index) => format!("schedules[{index}]"),
        TestTarget::VisibleWhen(name) => format!("visible_when {name}"),
        TestTarget::RequiredWhen(name) => format!("required_when {name}"),
        TestTarget::Lambda(_) => "lambda".to_owned(),
    }
}

impl TestRun {
    /// How many tests ran.
    pub(super) fn tests(&self) -> usize {
        self.files.iter().map(|file| file.tests.len()).sum()
    }

    /// How many of them failed.
    pub(super) fn failed(&self) -> usize {
        self.files.iter().map(FileRun::failed).sum()
    }

    /// How many files could not be tested.
    pub(super) fn broken(&self) -> usize {
        self.files.iter().filter(|file| file.is_broken()).count()
    }

    /// Whether all is well.
    pub(super) fn is_good(&self) -> bool {
        self.failed() == 0 && self.broken() == 0
    }

    /// Whether all is well, as the command ends.
    pub(super) fn verdict(&self) -> Verdict {
        if self.is_good() {
            Verdict::Good
        } else {
            Verdict::Bad
        }
    }
}

impl FileRun {
    /// How many tests failed.
    pub(super) fn failed(&self) -> usize {
        self.tests
            .iter()
            .filter(|test| !test.outcome.passed())
            .count()
    }

    /// Whether the file itself is wrong, so that no test could run.
    pub(super) fn is_broken(&self) -> bool {
        self.findings.iter().any(Diagnostic::is_error)
    }
}
