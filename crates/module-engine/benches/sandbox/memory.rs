//! Memory of instances, in a process of its own.

use std::sync::{Barrier, Mutex, PoisonError};

use anyhow::{Context as _, ensure};
use chrono::{DateTime, Utc};
use domain::limits::LambdaLimits;
use module_engine::dry_run::DryRunHost;
use module_engine::effect::Effect;
use module_engine::engine::{Engine, EngineOptions};
use module_engine::find::Find;
use module_engine::host::{Budget, Host, HostError, LogLevel, Query, Rows, Tenant, User};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::workload;

/// The argument that makes this program the process that is measured.
pub(crate) const CHILD: &str = "--measure-memory";
/// Instances at the same time.
const INSTANCES: u32 = 64;

/// KiB of resident memory that one more instance adds.
#[derive(Serialize, Deserialize)]
pub(crate) struct PerInstance {
    /// Between two invocations.
    idle_kib: f64,
    /// Within one, waiting for a query; its thread included.
    busy_kib: f64,
}

impl std::fmt::Display for PerInstance {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "memory per instance: idle {:.0} KiB, busy {:.0} KiB",
            self.idle_kib, self.busy_kib
        )
    }
}

pub(crate) fn measure() -> anyhow::Result<PerInstance> {
    let output = std::process::Command::new(std::env::current_exe()?)
        .arg(CHILD)
        .output()
        .context("starting the process that is measured")?;
    ensure!(
        output.status.success(),
        "the process that is measured: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout).context("what the measured process says")
}

#[expect(clippy::print_stdout, reason = "its answer")]
pub(crate) fn child() -> anyhow::Result<()> {
    let engine = Engine::new(EngineOptions {
        concurrency: INSTANCES,
        ..EngineOptions::default()
    })?;
    let module = workload::compile(&engine);
    let rows = workload::rows(25, 0);
    let fields = ["tax", "badge", "since", "queried"];
    let run = |host: &Waiting<'_>| {
        let cells = module.computed_fields(&rows, &fields, host, LambdaLimits::DEFAULT)?;
        ensure!(cells.iter().flatten().all(Result::is_ok), "a lambda fails");
        Ok(())
    };
    run(&Waiting::new(None))?;
    let before = resident_kib()?;
    let meeting = Meeting {
        all_are_in: Barrier::new(INSTANCES as usize + 1),
        go_on: Barrier::new(INSTANCES as usize + 1),
    };
    let busy = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..INSTANCES)
            .map(|_| scope.spawn(|| run(&Waiting::new(Some(&meeting)))))
            .collect();
        meeting.all_are_in.wait();
        let busy = resident_kib();
        meeting.go_on.wait();
        for thread in threads {
            thread.join().expect("no invocation panics")?;
        }
        busy
    })?;
    let idle = resident_kib()?;
    // One was there before.
    let others = f64::from(INSTANCES) - 1.0;
    let answer = PerInstance {
        idle_kib: (idle - before) / others,
        busy_kib: (busy - before) / others,
    };
    println!("{}", json!(answer));
    Ok(())
}

fn resident_kib() -> anyhow::Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Where all invocations wait while somebody looks at the memory.
struct Meeting {
    all_are_in: Barrier,
    go_on: Barrier,
}

/// A host whose first query waits.
struct Waiting<'a> {
    meeting: Mutex<Option<&'a Meeting>>,
    inner: DryRunHost,
}

impl<'a> Waiting<'a> {
    fn new(meeting: Option<&'a Meeting>) -> Self {
        let answer = workload::item(json!({ "n": 7 }));
        Self {
            meeting: Mutex::new(meeting),
            inner: DryRunHost::new().with_fixture(None, &[answer]),
        }
    }
}

impl Host for Waiting<'_> {
    fn query(&self, query: &Query<'_>, budget: Budget) -> Result<Rows, HostError> {
        let meeting = self
            .meeting
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(meeting) = meeting {
            meeting.all_are_in.wait();
            meeting.go_on.wait();
        }
        self.inner.query(query, budget)
    }

    fn find(&self, find: &Find, budget: Budget) -> Result<Rows, HostError> {
        self.inner.find(find, budget)
    }

    fn effect(&self, effect: &Effect, budget: Budget) -> Result<Value, HostError> {
        self.inner.effect(effect, budget)
    }

    fn log(&self, level: LogLevel, message: &str) {
        self.inner.log(level, message);
    }

    fn translate(&self, key: &str) -> Option<String> {
        self.inner.translate(key)
    }

    fn now(&self) -> DateTime<Utc> {
        self.inner.now()
    }

    fn user(&self) -> Option<User> {
        self.inner.user()
    }

    fn tenant(&self) -> Tenant {
        self.inner.tenant()
    }

    fn entropy(&self) -> [u8; 32] {
        self.inner.entropy()
    }
}
