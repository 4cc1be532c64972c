//! A worker is killed wherever it is, also where QuickJS never looks at a clock.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::limits::LambdaLimits;
use module_engine::compiled::CompiledModule;
use module_engine::config::{ExecutorChoice, SandboxArgs};
use module_engine::dry_run::DryRunHost;
use module_engine::engine::{Engine, EngineOptions};
use module_engine::error::{InvokeError, Limit};
use serde_json::json;

use crate::support::{invoke, item, module_with, run_with, yaml_with};

/// Loops of the interpreter and loops inside of single native functions.
const ENDLESS: &[&str] = &[
    "for (;;);",
    "return Array.prototype.lastIndexOf.call({length: 2 ** 53 - 1}, 1)",
    "return Array.prototype.reverse.call({length: 2 ** 53 - 1})",
    "return Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)",
    "return Array.prototype.copyWithin.call({length: 2 ** 53 - 1}, 0, 1)",
];
/// For a machine that does three other things; what is measured is printed.
const PATIENCE: Duration = Duration::from_secs(5);

#[test]
fn the_deadline_holds_inside_native_functions() {
    const WALL_MS: u32 = 150;
    let limits = LambdaLimits {
        wall_ms: WALL_MS,
        ..LambdaLimits::DEFAULT
    };
    for lambda in ENDLESS {
        let module = module_with(lambda);
        let started = Instant::now();
        let result = invoke(&module, &item(json!({})), &DryRunHost::new(), limits);
        let over = started
            .elapsed()
            .saturating_sub(Duration::from_millis(WALL_MS.into()));
        println!("{over:?} beyond the deadline: {lambda}");
        assert!(
            matches!(&result, Err(InvokeError::Limit(error)) if error.limit == Limit::Wall),
            "{lambda}: {result:?}"
        );
        assert!(over < PATIENCE, "{lambda}: {over:?}");
    }
}

#[test]
fn the_processor_time_of_the_worker_counts() {
    let limits = LambdaLimits {
        cpu_ms: 100,
        wall_ms: 60_000,
        ..LambdaLimits::DEFAULT
    };
    for lambda in ENDLESS {
        let result = run_with(lambda, &DryRunHost::new(), limits);
        assert!(
            matches!(&result, Err(InvokeError::Limit(error)) if error.limit == Limit::Cpu && error.value == 100),
            "{lambda}: {result:?}"
        );
    }
}

/// The same lambda in WebAssembly, in processes as fast as they can be had, and in processes that were ready.
#[test]
fn what_an_invocation_costs() {
    let wasm = Engine::new(EngineOptions {
        sandbox: SandboxArgs {
            lambda_executor: ExecutorChoice::Wasm,
            lambda_worker: None,
        },
        ..EngineOptions::default()
    })
    .unwrap();
    let (spec, _) = module_spec::parse(&yaml_with("return 1 + 1"));
    let wasm = CompiledModule::compile(&wasm, Arc::new(spec.unwrap())).unwrap();
    let process = module_with("return 1 + 1");
    show("WebAssembly", measure(&wasm, Duration::ZERO));
    show(
        "processes, one after the other",
        measure(&process, Duration::ZERO),
    );
    show(
        "processes, with a pause",
        measure(&process, Duration::from_millis(20)),
    );
}

fn measure(module: &CompiledModule, pause: Duration) -> Vec<Duration> {
    let (_never, pauses) = std::sync::mpsc::channel::<()>();
    (0..100)
        .map(|_| {
            assert!(pauses.recv_timeout(pause).is_err());
            let started = Instant::now();
            let result = invoke(
                module,
                &item(json!({})),
                &DryRunHost::new(),
                LambdaLimits::DEFAULT,
            );
            let took = started.elapsed();
            assert_eq!(result.unwrap(), json!(2));
            took
        })
        .collect()
}

#[expect(
    clippy::print_stdout,
    reason = "numbers for whoever asks with --nocapture"
)]
fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let (median, p99) = (times[times.len() / 2], times[times.len() * 99 / 100]);
    println!("{what}: median {median:?}, p99 {p99:?}");
    assert!(median < PATIENCE, "{what}");
}
