//! Births and deaths: no worker outlives what started it, none is left over, and none that died is missed. Alone in its program,
//! because it counts children and file descriptors.

#![expect(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test says that something is wrong by panicking"
)]

use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::limits::LambdaLimits;
use lambda_protocol::{HEADER_BYTES, Kind, Terms, header, read_header};
use module_engine::call::{Call, Item, Outcome};
use module_engine::compiled::CompiledModule;
use module_engine::config::{ExecutorChoice, SandboxArgs};
use module_engine::dry_run::DryRunHost;
use module_engine::engine::{Engine, EngineOptions};
use module_engine::error::InvokeError;
use rustix::process::{Pid, Signal, kill_process};

const WORKER: &str = env!("CARGO_BIN_EXE_lambda-worker");
const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn nothing_is_left_over() {
    let descriptors = count("/proc/self/fd");
    assert_eq!(children(), Vec::<i32>::new());
    let engine = Engine::new(EngineOptions {
        concurrency: 3,
        max_memory_mb: 64,
        sandbox: SandboxArgs {
            lambda_executor: ExecutorChoice::Process,
            lambda_worker: Some(WORKER.into()),
        },
    })
    .unwrap();
    let lambdas = [
        ("return 1", "1"),
        ("for (;;);", "took longer"),
        (
            "return Array.prototype.reverse.call({length: 2 ** 53 - 1})",
            "took longer",
        ),
        ("const a = []; for (;;) a.push({})", "MiB of memory"),
        ("throw new Error('x')", "x"),
        ("for (;;) log.info('x')", "lines of log"),
        ("return 'x'.repeat(70000)", "bytes"),
    ]
    .map(|(lambda, end)| (compile(&engine, lambda), end));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for (module, end) in lambdas.iter().cycle().take(40) {
                    let found = match run(module) {
                        Ok(value) => value,
                        Err(error) => error.to_string(),
                    };
                    assert!(found.contains(end), "{found}");
                    // Three that run, three that wait, one that is being started.
                    assert!(children().len() <= 7, "{:?}", children());
                }
            });
        }
    });

    // The system may kill idle ones when it wants memory.
    wait_until("all are ready", || children().len() == 3);
    for child in children() {
        kill_process(Pid::from_raw(child).unwrap(), Signal::KILL).unwrap();
        wait_until("it has ended", || has_ended(child));
    }
    assert_eq!(run(&lambdas[0].0).unwrap(), "1");

    drop(lambdas);
    drop(engine);
    assert_eq!(children(), Vec::<i32>::new());
    assert_eq!(count("/proc/self/fd"), descriptors);
    a_worker_dies_with_its_parent();
    a_worker_ends_when_its_engine_is_gone();
    an_orphan_does_not_start();
}

/// Only the kernel's signal can end it: it runs a loop, and its socket stays open.
fn a_worker_dies_with_its_parent() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    // A shell gives its background processes another standard input unless it is told.
    let mut parent = Command::new("sh")
        .args(["-c", "exec 3<&0; \"$0\" $$ 256 <&3 & wait", WORKER])
        .env("TZ", "UTC")
        .stdin(OwnedFd::from(theirs))
        .spawn()
        .unwrap();
    assert_eq!(greeting(&mut ours).0, Kind::Ready);
    ours.write_all(&request("for (;;);")).unwrap();
    ours.set_read_timeout(Some(Duration::from_millis(300)))
        .unwrap();
    assert_eq!(
        ours.read(&mut [0]).unwrap_err().kind(),
        std::io::ErrorKind::WouldBlock,
        "it runs"
    );
    parent.kill().unwrap();
    parent.wait().unwrap();
    ours.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(ours.read(&mut [0]).unwrap(), 0, "its end of the socket");
}

fn a_worker_ends_when_its_engine_is_gone() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut worker = worker(std::process::id(), theirs);
    assert_eq!(greeting(&mut ours).0, Kind::Ready);
    drop(ours);
    assert!(worker.wait().unwrap().success());
}

fn an_orphan_does_not_start() {
    let (mut ours, theirs) = UnixStream::pair().unwrap();
    let mut worker = worker(1, theirs);
    let (kind, text) = greeting(&mut ours);
    assert_eq!(kind, Kind::Failed);
    assert_eq!(text, "the process that started this one has ended");
    assert!(!worker.wait().unwrap().success());
}

fn worker(parent: u32, socket: UnixStream) -> std::process::Child {
    Command::new(WORKER)
        .args([parent.to_string(), "256".to_owned()])
        .env("TZ", "UTC")
        .stdin(OwnedFd::from(socket))
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

fn greeting(socket: &mut UnixStream) -> (Kind, String) {
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut head = [0; HEADER_BYTES];
    socket.read_exact(&mut head).unwrap();
    let (kind, length) = read_header(head).unwrap();
    let mut content = vec![0; length];
    socket.read_exact(&mut content).unwrap();
    (kind, String::from_utf8(content).unwrap())
}

/// A request that may take minutes.
fn request(lambda: &str) -> Vec<u8> {
    let terms = Terms {
        now_micros: 0.0,
        wall_micros: 600_000_000,
        cpu_micros: 600_000_000,
        memory_bytes: 32 * 1024 * 1024,
        stack_bytes: 320 * 1024,
    };
    let request = serde_json::json!({
        "call": "value",
        "entropy": vec![0; 32],
        "user": null,
        "tenant": {"slug": "a", "name": "A"},
        "limits": {"bytes": 1000, "nesting": 10},
        "lambda": lambda,
        "item": {},
        "context": {},
    });
    let content = [&terms.to_bytes()[..], request.to_string().as_bytes()].concat();
    [&header(Kind::Request, content.len()).unwrap()[..], &content].concat()
}

fn compile(engine: &Arc<Engine>, lambda: &str) -> CompiledModule {
    let yaml = format!(
        "module: {{name: laptop, singular: Laptop, plural: Laptops, storage: managed}}\n\
         limits: {{timeout_ms: 60000}}\n\
         fields:\n- {{name: n, type: integer}}\n\
         computed_fields:\n- name: result\n  lambda: {}\n",
        serde_json::json!(lambda)
    );
    let (spec, findings) = module_spec::parse(&yaml);
    let spec = spec.unwrap_or_else(|| panic!("{findings:?}"));
    CompiledModule::compile(engine, Arc::new(spec)).unwrap_or_else(|error| panic!("{error:?}"))
}

fn run(module: &CompiledModule) -> Result<String, InvokeError> {
    let lambda = module.spec().computed_fields()[0].lambda();
    let is_endless = ["for (;;);", "reverse"]
        .iter()
        .any(|part| lambda.source().contains(part));
    let limits = LambdaLimits {
        wall_ms: if is_endless { 50 } else { 60_000 },
        ..LambdaLimits::DEFAULT
    };
    let item = Item::new();
    let call = Call::Lambda {
        lambda,
        item: &item,
    };
    loop {
        match module.invoke(call, &DryRunHost::new(), limits) {
            // No worker was ready before the deadline; a machine may be that busy.
            Err(InvokeError::Busy) => {}
            Ok(Outcome::Value(value)) => return Ok(value.raw().to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(error) => return Err(error),
        }
    }
}

/// Processes that any thread of this one has started and that were not waited for.
fn children() -> Vec<i32> {
    let mut found = Vec::new();
    for task in std::fs::read_dir("/proc/self/task").unwrap() {
        // A thread may end while we look.
        let list = std::fs::read_to_string(task.unwrap().path().join("children"));
        for pid in list.unwrap_or_default().split_whitespace() {
            found.push(pid.parse().unwrap());
        }
    }
    found
}

/// Whether a child has ended, whether or not it was waited for.
fn has_ended(pid: i32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.contains("State:") || status.contains("State:\tZ")
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "not in time: {what}");
        std::thread::yield_now();
    }
}
