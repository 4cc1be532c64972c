//! Lambdas that mean harm. Each ends as a typed error soon after its deadline, and the next invocation works.

use std::time::{Duration, Instant};

use module_engine::dry_run::DryRunHost;
use module_engine::error::{InvokeError, Limit};
use serde_json::json;

use crate::support::{SHORT, run, run_with};

/// For a machine that does three other things at once; "for ever" is what is tested against.
const PATIENCE: Duration = Duration::from_secs(10);

const ENDLESS: &[&str] = &[
    "for (;;);",
    "return Array(1e9).join('x')",
    "return Array(4e9).fill(1)",
    "return Array.prototype.reverse.call({length: 2 ** 53 - 1})",
    "return Array.prototype.sort.call({length: 2 ** 40, 0: 1})",
    "return Array.prototype.copyWithin.call({length: 2 ** 53 - 1}, 0, 1)",
    "return Array.prototype.flat.call({length: 2 ** 53 - 1})",
    "return Array.prototype.splice.call({length: 2 ** 53 - 1}, 0, 1)",
    "return Array.prototype.unshift.call({length: 2 ** 53 - 100}, 1)",
    "return Array.prototype.shift.call({length: 2 ** 53 - 1})",
    "return Array.prototype.slice.call({length: 2 ** 40})",
    "return Array.prototype.concat.call([], {length: 2 ** 50, [Symbol.isConcatSpreadable]: true})",
    "return Array.prototype.join.call({length: 2 ** 53 - 1})",
    "return Array.prototype.indexOf.call({length: 2 ** 53 - 1}, 1)",
    "return Array.prototype.lastIndexOf.call({length: 2 ** 53 - 1}, 1)",
    "const a = []; a[4e9] = 1; return a.sort()",
    "return ('a'.repeat(1e6) + 'b').split('').reverse().join('').indexOf('x'.repeat(1e6)) + '-'.repeat(1e7).replaceAll('-', 'ab'.repeat(1e5)).length",
    "const a = 'a'.repeat(3e5); let n = 0; for (;;) n += (a + 'b').indexOf(a + 'c')",
    "return /(a+)+$/.test('a'.repeat(40) + 'b')",
    "return /^(([a-z])+.)+[A-Z]([a-z])+$/.test('a'.repeat(60))",
    "return (2n ** 8000000n).toString().length",
    "let b = 2n; for (;;) b *= b",
    "const f = () => Promise.resolve().then(f); return f()",
    "return (async () => { for (;;) await null })()",
    "const g = (function* () { for (;;) yield 1 })(); for (const x of g);",
    "return [...(function* () { for (;;) yield 1 })()]",
    "return {toJSON() { for (;;); }}",
    "return {get a() { for (;;); }}",
    "throw {toString() { for (;;); }, toJSON() { for (;;); }}",
    "const e = new Error('x'); Object.defineProperty(e, 'name', {get() { for (;;); }}); throw e",
    "return new Proxy({}, {ownKeys() { for (;;); }})",
    "try { for (;;); } finally { for (;;); }",
    "for (;;) { try { null.x } catch {} }",
    "label: for (;;) { try { continue label } finally { continue label } }",
    "return [3, 2, 1].sort(() => { for (;;); })",
    "return 'x'.replace(/x/, () => { for (;;); })",
    "return JSON.parse('[' + '1,'.repeat(1e6) + '1]', function () { for (;;); })",
    "return Array.from({length: 2 ** 53 - 1})",
    "return new Uint8Array(1e7).map((x, i) => { for (;;); })",
    "const m = new Map([[1, 1]]); for (const [k] of m) { m.delete(k); m.set(k + 1, 1) }",
    "const s = new Set([1]); s.forEach(v => { s.delete(v); s.add(v + 1) })",
    "for (let i = 0; ; i++) html`${i}`",
    "for (;;) t('x')",
    "for (;;) crypto.sha256('x'.repeat(1e5))",
    "return String.raw({raw: {length: 2 ** 53 - 1}})",
    "return 'abc'.padEnd(2 ** 30 - 1).padStart(2 ** 30)",
    "return Object.groupBy({[Symbol.iterator]: () => ({next: () => ({done: false, value: 1})})}, x => x)",
    "return Math.max(...Array(1e7).fill(0).map((_, i) => i))",
    "return new Array(1e6).fill().map(() => new Array(1e6).fill(0)).length",
    "return 'x'.normalize('NFKD') + '\\u0958'.repeat(1e7).normalize('NFKD').length && (() => { for (;;) '\\u0958'.repeat(1e5).normalize('NFC') })()",
];

const MEMORY: &[&str] = &[
    "const o = {}; for (;;) o[Symbol()] = 1",
    "const a = []; for (;;) a.push({})",
    "const a = []; for (;;) a.push(new Uint8Array(1e5))",
    "const a = []; for (;;) a.push(() => a)",
    "const a = []; for (let i = 0; ; i++) a.push('x'.repeat(1000) + i)",
    "const a = []; for (let i = 0n; ; i++) a.push(2n ** 10000n + i)",
    "let s = 'x'; for (;;) s += s",
    "const m = new Map(); for (let i = 0; ; i++) m.set(i, i)",
    "const a = []; for (;;) a.push(new Promise(() => {}))",
    "const a = []; for (;;) a.push(/x/g)",
    "const o = {}; for (let i = 0; ; i++) o['k' + i] = i",
    "const a = []; for (;;) a.push(new Proxy({}, {}))",
    "const a = []; for (;;) a.push((function* () { yield 1 })())",
    "const a = []; for (;;) { try { null.x } catch (e) { a.push(e) } }",
    "const f = async () => { await null; return Promise.all([f(), f()]) }; return f()",
    "return JSON.parse('[' + '[],'.repeat(5e6) + '1]')",
    "return 'x'.repeat(5e7)",
    "return new ArrayBuffer(3e7, {maxByteLength: 1e9}).resize(9e8)",
    "return Array(3e7).fill('x').join(',').length",
    "return Object.fromEntries(Array(1e6).fill(0).map((_, i) => [i, i]))",
];

#[test]
fn endless_lambdas_end() {
    for lambda in ENDLESS {
        let started = Instant::now();
        let result = run_with(lambda, &DryRunHost::new(), SHORT);
        let took = started.elapsed();
        assert!(took < PATIENCE, "{lambda}: {took:?}");
        match result {
            Err(InvokeError::Limit(error)) => {
                assert!(
                    matches!(error.limit, Limit::Wall | Limit::Memory | Limit::Stack),
                    "{lambda}: {error}"
                );
            }
            // QuickJS itself refuses some: an invalid length, a BigInt or a text that is too large.
            Err(InvokeError::Script(error)) => {
                assert!(
                    ["RangeError", "TypeError", "InternalError", "SyntaxError"]
                        .iter()
                        .any(|kind| error.message.starts_with(kind)),
                    "{lambda}: {error}"
                );
            }
            other => panic!("{lambda}: {other:?}"),
        }
        assert_eq!(run("return 1 + 1").unwrap(), json!(2), "after {lambda}");
    }
}

#[test]
fn hungry_lambdas_end() {
    for lambda in MEMORY {
        let result = run_with(lambda, &DryRunHost::new(), SHORT);
        match result {
            Err(InvokeError::Limit(error)) => {
                assert!(
                    matches!(
                        error.limit,
                        Limit::Memory | Limit::Wall | Limit::ResultBytes
                    ),
                    "{lambda}: {error}"
                );
            }
            Err(InvokeError::Script(error)) => {
                assert!(
                    ["RangeError", "InternalError: string too long"]
                        .iter()
                        .any(|known| error.message.starts_with(known)),
                    "{lambda}: {error}"
                );
            }
            other => panic!("{lambda}: {other:?}"),
        }
        assert_eq!(run("return 1 + 1").unwrap(), json!(2), "after {lambda}");
    }
}

#[test]
fn many_at_once_do_not_disturb_each_other() {
    std::thread::scope(|scope| {
        for number in 0..12 {
            scope.spawn(move || match number % 3 {
                0 => assert!(matches!(
                    run_with("for (;;);", &DryRunHost::new(), SHORT),
                    Err(InvokeError::Limit(_) | InvokeError::Busy)
                )),
                1 => assert_eq!(
                    run(&format!("return {number} * 2")).unwrap(),
                    json!(number * 2)
                ),
                _ => assert!(run("throw new Error('x')").is_err()),
            });
        }
    });
}
