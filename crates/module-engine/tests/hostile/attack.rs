//! One case against a fresh sandbox, and the innocent invocation after it.

use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};

use domain::limits::LambdaLimits;
use module_engine::call::{Call, Item, Outcome};
use module_engine::compiled::CompiledModule;
use module_engine::engine::{Engine, EngineOptions};
use module_engine::error::InvokeError;
use serde_json::{Value, json};

use crate::corpus::{Case, End, Options, read_end};
use crate::hosts::{Answering, Meeting};

/// Sandboxes at the same time.
pub(crate) const SLOTS: u32 = 4;
/// The deadline of what must be stopped by it.
pub(crate) const DEADLINE_MS: u32 = 60;
/// The deadline of all others: they must end by themselves, also on a busy machine.
const PATIENCE_MS: u32 = 60_000;
/// What every script is stopped by, "for ever" being the alternative.
const HANG: Duration = Duration::from_secs(90);

pub(crate) static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    Engine::new(EngineOptions {
        concurrency: SLOTS,
        max_memory_mb: 128,
        sandbox: crate::sandbox(),
    })
    .expect("the sandbox starts")
});

/// The tests of this program measure memory or fill all slots: one at a time.
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

/// A module with one computed field, whatever is in the lambda. It asks for much: the limits of its invocations are what counts.
pub(crate) fn compile(lambda: &str) -> Result<CompiledModule, String> {
    // JSON texts are YAML texts.
    let yaml = format!(
        "module: {{name: laptop, singular: Laptop, plural: Laptops, storage: managed}}\n\
         limits: {{timeout_ms: 60000, memory_limit_mb: 128, max_queries: 10000, max_rows: 1000000}}\n\
         fields:\n- {{name: n, type: integer}}\n\
         computed_fields:\n- name: result\n  lambda: {}\n",
        json!(lambda)
    );
    let (spec, findings) = module_spec::parse(&yaml);
    let spec = spec.ok_or_else(|| format!("{findings:?}"))?;
    CompiledModule::compile(&ENGINE, Arc::new(spec)).map_err(|findings| {
        let texts: Vec<String> = findings.into_iter().map(|found| found.message).collect();
        texts.join("; ")
    })
}

/// How it ended, and how long it took.
pub(crate) fn run(case: &Case) -> (String, End, Duration) {
    let started = Instant::now();
    let module = match compile(&case.lambda) {
        Ok(module) => module,
        Err(finding) => return (finding.clone(), End::Refused(finding), started.elapsed()),
    };
    let by_deadline = case.ends.contains(&End::Limit("wall".to_owned()));
    let Options {
        slow,
        queries,
        rows_limit,
        bytes,
        memory,
        answer,
        width,
        rows,
    } = case.options;
    let default = LambdaLimits::DEFAULT;
    let limits = LambdaLimits {
        wall_ms: if by_deadline {
            DEADLINE_MS
        } else {
            PATIENCE_MS
        },
        queries: queries.unwrap_or(default.queries),
        rows: rows_limit.unwrap_or(default.rows),
        bytes: bytes.map_or(default.bytes, u64::from),
        memory_mb: memory.unwrap_or(default.memory_mb),
        ..default
    };
    let size = |option: Option<u32>| option.map_or(1, |number| usize::try_from(number).unwrap());
    let host = Answering {
        delay: Duration::from_millis(slow.unwrap_or(0).into()),
        rows: size(answer),
        width: size(width),
        meet: None,
    };
    let attempt = Attempt {
        module: &module,
        host: &host,
        limits,
    };
    let begun = Instant::now();
    let (result, took) = loop {
        let started = Instant::now();
        let result = match rows {
            None => attempt.value(),
            Some(count) => attempt.cells(count),
        };
        // Processes are started as fast as the machine can; a deadline may come before one is ready. Nothing was run then.
        if matches!(result, Err(InvokeError::Busy)) && begun.elapsed() < HANG {
            continue;
        }
        break (result, started.elapsed());
    };
    assert!(took < HANG, "{}: {took:?}", case.name);
    let end = match &result {
        Ok(value) => End::Gives(value.clone()),
        Err(InvokeError::Limit(error)) => End::Limit(error.limit.as_str().to_owned()),
        Err(InvokeError::Script(error)) => End::Throws(error.message.clone()),
        Err(other) => End::Untyped(format!("{other:?}")),
    };
    (end.to_string(), end, took)
}

/// Whether an end is among those that are right.
pub(crate) fn is_right(case: &Case, found: &End) -> bool {
    let otherwise = crate::OTHERWISE
        .iter()
        .find(|(name, _)| *name == case.name)
        .map(|(_, end)| read_end(end));
    case.ends
        .iter()
        .chain(&otherwise)
        .any(|right| match (right, found) {
            (End::Throws(start), End::Throws(text)) => text.starts_with(start.as_str()),
            (End::Refused(part), End::Refused(text)) => text.contains(part.as_str()),
            (right, found) => right == found,
        })
}

/// A module, its host and what it may use.
struct Attempt<'a> {
    module: &'a CompiledModule,
    host: &'a Answering<'a>,
    limits: LambdaLimits,
}

impl Attempt<'_> {
    fn value(&self) -> Result<Value, InvokeError> {
        let lambda = self.module.spec().computed_fields()[0].lambda();
        let item = Item::new();
        match self.module.invoke(
            Call::Lambda {
                lambda,
                item: &item,
            },
            self.host,
            self.limits,
        )? {
            Outcome::Value(value) => Ok(value.into_raw()),
            other => panic!("{other:?}"),
        }
    }

    /// The cells of `count` rows with `n` from 0; an error of a cell stands there as its text.
    fn cells(&self, count: u32) -> Result<Value, InvokeError> {
        let rows: Vec<Item> = (0..count)
            .map(|n| Item::from_iter([("n".to_owned(), json!(n))]))
            .collect();
        let cells = self
            .module
            .computed_fields(&rows, &["result"], self.host, self.limits)?;
        Ok(cells
            .into_iter()
            .flatten()
            .map(|cell| match cell {
                Ok(value) => value.into_raw(),
                Err(error) => json!(InvokeError::from(error).message()),
            })
            .collect())
    }
}

/// An innocent lambda that would notice if anything was left behind.
pub(crate) static INNOCENT: LazyLock<CompiledModule> = LazyLock::new(|| {
    compile(
        "return [[3, 1, 2].sort().map(x => x * 2), ' a '.trim(), JSON.stringify({a: [1]}), Object.keys(globalThis), typeof left, \
         typeof kept, ({}).polluted === undefined, db.query('SELECT 1').length, user.login, /a/.test('a')]",
    )
    .unwrap()
});

/// Runs it; what it gives must be right, whatever ran before or runs beside it.
pub(crate) fn run_innocent(host: &Answering<'_>) -> Duration {
    let started = Instant::now();
    let given = Attempt {
        module: &INNOCENT,
        host,
        limits: LambdaLimits {
            wall_ms: PATIENCE_MS,
            ..LambdaLimits::DEFAULT
        },
    }
    .value()
    .unwrap();
    assert_eq!(
        given,
        json!([
            [2, 4, 6],
            "a",
            "{\"a\":[1]}",
            [],
            "undefined",
            "undefined",
            true,
            1,
            "root@localhost",
            true
        ])
    );
    started.elapsed()
}

/// Every slot of the engine is free: as many invocations as there are slots are inside a query at the same time.
pub(crate) fn assert_all_slots_are_free() {
    let meeting = Meeting::new(SLOTS);
    std::thread::scope(|scope| {
        for _ in 0..SLOTS {
            scope.spawn(|| {
                run_innocent(&Answering {
                    meet: Some(&meeting),
                    ..Answering::default()
                })
            });
        }
    });
}
