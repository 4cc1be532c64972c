//! Each limit, alone: a typed error with the limit, its value and the place.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::limits::LambdaLimits;
use module_engine::dry_run::DryRunHost;
use module_engine::effect::Effect;
use module_engine::error::{InvokeError, Limit, LimitError};
use module_engine::find::Find;
use module_engine::host::{Budget, Host, HostError, LogLevel, Query, Rows, Tenant, User};
use serde_json::{Value, json};

use crate::support::{invoke, item, module_with, run, run_with};

fn limit(lambda: &str, host: &dyn Host, limits: LambdaLimits) -> LimitError {
    match run_with(lambda, host, limits) {
        Err(InvokeError::Limit(error)) => error,
        other => panic!("{lambda}: {other:?}"),
    }
}

/// A database whose every answer has three rows.
fn three_rows() -> DryRunHost {
    let rows: Vec<_> = (0..3)
        .map(|n| item(json!({"n": n, "text": "x".repeat(100)})))
        .collect();
    DryRunHost::new().with_fixture(None, &rows)
}

const CALM: LambdaLimits = LambdaLimits::DEFAULT;

#[test]
fn time() {
    let error = limit(
        "let n = 0;\nwhile (true) {\n  n = Math.max(n, 1);\n}",
        &DryRunHost::new(),
        LambdaLimits {
            wall_ms: 100,
            ..CALM
        },
    );
    assert_eq!((error.limit, error.value), (Limit::Wall, 100));
    let line = error.position.expect("a loop knows where it is").line;
    // QuickJS looks at the flag in calls and where it jumps back; then the place is that of the statement before the loop.
    assert!((7..=9).contains(&line), "{line}");
}

#[test]
fn time_in_a_batch_names_the_lambda() {
    let module = module_with("for (;;);");
    let error = module
        .computed_fields(
            &[item(json!({}))],
            &["result"],
            &DryRunHost::new(),
            LambdaLimits {
                wall_ms: 100,
                ..CALM
            },
        )
        .unwrap_err();
    let InvokeError::Limit(error) = error else {
        panic!("{error}")
    };
    assert_eq!(error.position.unwrap().lambda, "computed_fields[0].lambda");
}

#[test]
fn memory() {
    let error = limit(
        "const a = []; for (;;) a.push('x'.repeat(1000) + a.length)",
        &DryRunHost::new(),
        CALM,
    );
    assert_eq!((error.limit, error.value), (Limit::Memory, 32));
    let error = limit(
        "return new ArrayBuffer(2e9).byteLength",
        &DryRunHost::new(),
        CALM,
    );
    assert_eq!(error.limit, Limit::Memory);
    // More than the default where the plan allows it, and the module asks for no less.
    let error = limit(
        "return 'x'.repeat(20e6).split('').length",
        &DryRunHost::new(),
        LambdaLimits {
            memory_mb: 8,
            ..CALM
        },
    );
    assert_eq!((error.limit, error.value), (Limit::Memory, 8));
}

#[test]
fn stack() {
    for lambda in [
        "function f() { return f() + 1 } return f()",
        "const a = []; a[0] = a; let deep = []; for (let i = 0; i < 1e5; i++) deep = [deep]; return JSON.stringify(deep)",
        "return '('.repeat(1e5).replace(/x/, '') && new RegExp('('.repeat(1e5) + ')'.repeat(1e5)).test('')",
        "class A { get b() { return this.b } } return new A().b",
        "const p = new Proxy({}, { get(t, k, r) { return r[k] } }); return p.x",
        "return [1, 2].sort(function c(a, b) { return [1, 2].sort(c) && 0 })",
    ] {
        match run(lambda) {
            Err(InvokeError::Limit(LimitError {
                limit: Limit::Stack,
                ..
            })) => {}
            // A pattern or a text nested too deeply has an error of its own.
            Err(InvokeError::Script(error)) => {
                assert!(
                    error.message.contains("stack overflow")
                        || error.message.contains("SyntaxError"),
                    "{lambda}: {error}"
                );
            }
            other => panic!("{lambda}: {other:?}"),
        }
    }
}

#[test]
fn queries() {
    let error = limit(
        "for (;;) {\n  db.query('SELECT 1');\n}",
        &three_rows(),
        LambdaLimits { queries: 5, ..CALM },
    );
    assert_eq!((error.limit, error.value), (Limit::Queries, 5));
    assert_eq!(
        error.position.expect("a host call knows where it is").line,
        8
    );
}

#[test]
fn no_limit_can_be_caught() {
    let error = limit(
        "for (;;) { try { db.query('SELECT 1') } catch (e) {} finally { continue } }",
        &three_rows(),
        LambdaLimits { queries: 5, ..CALM },
    );
    assert_eq!(error.limit, Limit::Queries);
    let error = limit(
        "for (;;) { try { for (;;); } catch (e) {} finally { continue } }",
        &three_rows(),
        LambdaLimits {
            wall_ms: 100,
            ..CALM
        },
    );
    assert_eq!(error.limit, Limit::Wall);
}

#[test]
fn rows() {
    let error = limit(
        "db.query('a'); db.query('b'); db.query('c')",
        &three_rows(),
        LambdaLimits { rows: 8, ..CALM },
    );
    assert_eq!((error.limit, error.value), (Limit::Rows, 8));
    assert!(
        run_with(
            "db.query('a'); db.query('b')",
            &three_rows(),
            LambdaLimits { rows: 6, ..CALM }
        )
        .is_ok()
    );
}

#[test]
fn bytes() {
    let error = limit(
        "db.query('a'); db.query('b'); db.query('c')",
        &three_rows(),
        LambdaLimits {
            bytes: 1000,
            ..CALM
        },
    );
    assert_eq!((error.limit, error.value), (Limit::Bytes, 1000));
}

#[test]
fn log_lines() {
    let host = DryRunHost::new();
    let error = limit(
        "for (;;) log.info('x')",
        &host,
        LambdaLimits {
            log_lines: 7,
            ..CALM
        },
    );
    assert_eq!((error.limit, error.value), (Limit::LogLines, 7));
    assert_eq!(host.log_lines().len(), 7);
}

#[test]
fn a_line_of_log_is_cut() {
    let host = DryRunHost::new();
    run_with("log.info('ü'.repeat(100000))", &host, CALM).unwrap();
    assert_eq!(host.log_lines()[0].1.len(), 4096);
}

#[test]
fn result_bytes_and_nesting() {
    let error = limit("return 'ü'.repeat(40000)", &DryRunHost::new(), CALM);
    assert_eq!((error.limit, error.value), (Limit::ResultBytes, 65536));
    let error = limit(
        "let v = {}; for (let i = 0; i < 40; i++) v = {v}; return v",
        &DryRunHost::new(),
        CALM,
    );
    assert_eq!((error.limit, error.value), (Limit::Nesting, 32));
}

#[test]
fn the_module_and_the_plan_both_cap() {
    let module = crate::support::module(
        "module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}\n\
         fields:\n- {name: name, type: string}\n\
         computed_fields:\n- {name: result, lambda: \"for (;;);\"}\n\
         lambda_config: {timeout_ms: 60}\n",
    );
    let error = invoke(&module, &item(json!({})), &DryRunHost::new(), CALM).unwrap_err();
    assert_eq!(
        error.to_string(),
        "took longer than 60 ms (computed_fields[0].lambda, line 5, column 27)"
    );
}

/// A host that is slow, or that answers with more than it was asked for.
struct Unreliable {
    delay: Duration,
    rows: usize,
}

impl Host for Unreliable {
    fn find(&self, _: &Find, _: Budget) -> Result<Rows, HostError> {
        Err(HostError::Failed("no tables here".to_owned()))
    }

    fn effect(&self, _: &Effect, _: Budget) -> Result<Value, HostError> {
        Err(HostError::Failed("nothing to act on here".to_owned()))
    }

    fn query(&self, _: &Query<'_>, budget: Budget) -> Result<Rows, HostError> {
        assert!(budget.max_rows <= CALM.rows && budget.max_bytes <= CALM.bytes);
        if !self.delay.is_zero() {
            // As long as a database would take, whatever the deadline says.
            let (_sender, receiver) = std::sync::mpsc::channel::<()>();
            assert!(receiver.recv_timeout(self.delay).is_err());
        }
        Ok(Rows {
            columns: vec!["n".to_owned()],
            rows: vec![vec![json!(1)]; self.rows],
        })
    }

    fn log(&self, _: LogLevel, _: &str) {}

    fn translate(&self, _: &str) -> Option<String> {
        None
    }

    fn now(&self) -> DateTime<Utc> {
        DateTime::default()
    }

    fn user(&self) -> Option<User> {
        None
    }

    fn tenant(&self) -> Tenant {
        Tenant {
            slug: "a".to_owned(),
            name: "A".to_owned(),
        }
    }

    fn entropy(&self) -> [u8; 32] {
        [0; 32]
    }
}

#[test]
fn a_slow_host_does_not_stretch_the_time() {
    let host = Unreliable {
        delay: Duration::from_millis(40),
        rows: 1,
    };
    let error = limit(
        "for (let i = 0; i < 50; i++)\n  db.query('SELECT 1')",
        &host,
        LambdaLimits {
            wall_ms: 100,
            ..CALM
        },
    );
    assert_eq!(error.limit, Limit::Wall);
    assert_eq!(error.position.unwrap().line, 8);
}

#[test]
fn a_host_that_answers_too_much_is_held_to_the_limits() {
    let host = Unreliable {
        delay: Duration::ZERO,
        rows: 100,
    };
    assert_eq!(
        limit("db.query('a')", &host, LambdaLimits { rows: 10, ..CALM }).limit,
        Limit::Rows
    );
    assert_eq!(
        limit("db.query('a')", &host, LambdaLimits { bytes: 100, ..CALM }).limit,
        Limit::Bytes
    );
}
