//! Whether a module file is good: the same question for an upload and for `gotrs module check`, answered the same way.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::diagnostic::{Diagnostic, Severity};
use domain::name::ModuleName;
use module_engine::compiled::{CompiledModule, check_lambdas};
use module_engine::config::SandboxArgs;
use module_engine::engine::{Engine, EngineOptions, StartEngineError};
use module_engine::host::LogLevel;
use module_engine::module_tests::{TestOutcome, run_test};
use module_spec::{Lambda, ModuleSpec};
use serde::Serialize;

/// Whether the module's own tests are run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tests {
    /// A failing one makes the file bad.
    Run,
    /// They are not looked at.
    Skip,
}

/// What all tests of a module may take together: an upload must not hold a thread for as long as its author likes.
const TESTS_BUDGET: Duration = Duration::from_secs(8);

/// Everything that is known of a file without a tenant.
#[derive(Debug, Clone)]
pub struct CheckReport {
    /// Findings in the order of the file; the file is good when none of them is an error.
    pub diagnostics: Vec<Diagnostic>,
    /// How its tests ended; empty when they did not run.
    pub tests: Vec<TestReport>,
    spec: Option<Arc<ModuleSpec>>,
}

/// How one test of a module ended.
#[derive(Debug, Clone, Serialize)]
pub struct TestReport {
    /// Its name.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
    /// What was expected and what came instead, if it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// What its lambdas logged.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub log: Vec<String>,
    /// How long it took.
    #[serde(skip)]
    pub took: Duration,
}

impl CheckReport {
    /// Whether the file can be used.
    pub fn is_good(&self) -> bool {
        self.spec.is_some() && !self.diagnostics.iter().any(Diagnostic::is_error)
    }

    /// The module's name, where the file was good enough to tell.
    pub fn name(&self) -> Option<&ModuleName> {
        self.spec.as_deref().map(ModuleSpec::name)
    }

    /// The module, where the file was good enough to make one.
    pub const fn spec(&self) -> Option<&Arc<ModuleSpec>> {
        self.spec.as_ref()
    }
}

/// The sandbox for checks: small, since lambdas of uploads have no database to wait for.
pub fn start_engine(sandbox: &SandboxArgs) -> Result<Arc<Engine>, StartEngineError> {
    Engine::new(EngineOptions {
        // Checks run on the bounded blocking pool; more sandboxes than cores would only take memory.
        concurrency: 4,
        max_memory_mb: 64,
        sandbox: sandbox.clone(),
    })
}

/// A file as far as it can be told without running its tests.
#[derive(Debug)]
pub struct CompiledSource {
    /// Findings in the order of the file.
    pub diagnostics: Vec<Diagnostic>,
    /// What can be run, when neither the format nor a lambda is wrong.
    pub module: Option<CompiledModule>,
    spec: Option<Arc<ModuleSpec>>,
}

impl CompiledSource {
    /// The module's name, where the file was good enough to tell.
    pub fn name(&self) -> Option<&ModuleName> {
        self.spec.as_deref().map(ModuleSpec::name)
    }
}

/// Reads `source` and compiles its lambdas. With `expected`, a file of another name is bad: where it is put says what it is.
pub fn compile_source(
    engine: &Arc<Engine>,
    expected: Option<&ModuleName>,
    source: &str,
) -> CompiledSource {
    let parsed = module_spec::parse_all(source);
    let mut diagnostics = parsed.findings;
    let spec = parsed.spec.map(Arc::new);
    if let (Some(spec), Some(expected)) = (&spec, expected)
        && expected != spec.name()
    {
        diagnostics.push(wrong_name(spec, expected));
    }
    let compiled = spec
        .as_ref()
        .map(|spec| CompiledModule::compile(engine, Arc::clone(spec)));
    let module = match compiled {
        Some(Err(findings)) => {
            diagnostics.extend(findings);
            None
        }
        Some(Ok(module)) => Some(module),
        // What is wrong with the format must not hide what is wrong with the code.
        None => {
            let lambdas: Vec<&Lambda> = parsed.lambdas.iter().collect();
            diagnostics.extend(check_lambdas(engine, &lambdas));
            None
        }
    };
    in_order(&mut diagnostics);
    CompiledSource {
        diagnostics,
        module,
        spec,
    }
}

/// [`compile_source`], and runs the tests of a file that compiles. Blocks until the sandbox is done, seconds at worst.
pub fn check_source(
    engine: &Arc<Engine>,
    expected: Option<&ModuleName>,
    source: &str,
    tests: Tests,
) -> CheckReport {
    let CompiledSource {
        mut diagnostics,
        module,
        spec,
    } = compile_source(engine, expected, source);
    let reports = match module {
        Some(module) if tests == Tests::Run => run_tests(&module, TESTS_BUDGET, &mut diagnostics),
        _ => Vec::new(),
    };
    in_order(&mut diagnostics);
    CheckReport {
        diagnostics,
        tests: reports,
        spec,
    }
}

fn wrong_name(spec: &ModuleSpec, expected: &ModuleName) -> Diagnostic {
    spec.finding_at(
        "module.name",
        Severity::Error,
        "wrong-name",
        format!(
            "the module is called \"{}\", but it was put under \"{expected}\"",
            spec.name()
        ),
        Some(format!(
            "write `name: {expected}`, or put it under \"{}\"",
            spec.name()
        )),
    )
}

fn in_order(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|finding| (finding.line, finding.column));
}

/// Runs tests until `budget` is used up; those that did not get their turn are one finding.
fn run_tests(
    module: &CompiledModule,
    budget: Duration,
    diagnostics: &mut Vec<Diagnostic>,
) -> Vec<TestReport> {
    let spec = module.spec();
    let started = Instant::now();
    let mut reports = Vec::new();
    for test in spec.tests() {
        if started.elapsed() >= budget {
            diagnostics.push(spec.finding_at(
                &format!("tests[{}].name", test.index()),
                Severity::Error,
                "tests-too-slow",
                format!(
                    "the tests took {} seconds and did not come to this one",
                    budget.as_secs()
                ),
                Some("make them faster, or fewer".to_owned()),
            ));
            break;
        }
        let outcome = run_test(module, test);
        diagnostics.extend(failure(spec, &outcome));
        reports.push(report(outcome));
    }
    reports
}

/// The name that a file gives its module; `None` where the file has errors.
pub fn name_in(source: &str) -> Option<ModuleName> {
    module_spec::parse(source).0.map(|spec| spec.name().clone())
}

/// Findings as text for people, each with an excerpt of the file.
pub fn render(file_name: &str, source: &str, findings: &[Diagnostic]) -> String {
    module_spec::render_text(file_name, source, findings)
}

fn failure(spec: &ModuleSpec, outcome: &TestOutcome) -> Option<Diagnostic> {
    let failure = outcome.failure.as_ref()?;
    Some(
        spec.finding_at(
            &format!("tests[{}].name", outcome.index),
            Severity::Error,
            "test-failed",
            format!("the test \"{}\" failed: {}", outcome.name, failure.message),
            failure
                .position
                .as_ref()
                .map(|position| format!("it comes from {position}")),
        ),
    )
}

fn report(outcome: TestOutcome) -> TestReport {
    TestReport {
        passed: outcome.passed(),
        message: outcome.failure.map(|failure| failure.message),
        log: outcome
            .log
            .into_iter()
            .map(|(level, line)| format!("{}: {line}", level_word(level)))
            .collect(),
        took: outcome.duration,
        name: outcome.name,
    }
}

/// The word for a level of a lambda's log.
pub const fn level_word(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Debug => "debug",
        LogLevel::Info => "info",
        LogLevel::Warn => "warn",
        LogLevel::Error => "error",
    }
}
