//! What is not there, and what cannot be changed.

use serde_json::json;

use crate::support::run;

#[test]
fn nothing_ambient_is_there() {
    for name in [
        "eval",
        "SharedArrayBuffer",
        "Atomics",
        "WeakRef",
        "FinalizationRegistry",
        "performance",
        "console",
        "print",
        "require",
        "process",
        "setTimeout",
        "setInterval",
        "queueMicrotask",
        "fetch",
        "XMLHttpRequest",
        "std",
        "os",
        "gc",
        "native",
        "prelude",
        "navigator",
        "scriptArgs",
        "DOMException",
    ] {
        assert_eq!(
            run(&format!("return typeof {name}")).unwrap(),
            json!("undefined"),
            "{name}"
        );
    }
}

/// A new global of a later QuickJS must be looked at before lambdas see it.
#[test]
fn the_globals_are_known() {
    let globals = run("return Object.getOwnPropertyNames(globalThis).sort().join(' ')").unwrap();
    insta::assert_snapshot!(globals.as_str().unwrap());
}

#[test]
fn code_is_not_made_from_text() {
    for lambda in [
        "return Function('return 1')()",
        "return new Function('return 1')()",
        "return (() => {}).constructor('return 1')()",
        "return (async () => {}).constructor('return 1')()",
        "return (function* () {}).constructor('return 1')()",
        "return (async function* () {}).constructor('return 1')()",
        "return Object.getPrototypeOf(async function () {}).constructor('return 1')()",
        "return log.info.constructor('return 1')()",
        "return formatDate.constructor('return 1')()",
        "return html.constructor('return 1')()",
        "return Object.constructor('return 1')()",
        "return [].map.constructor('return 1')()",
        "return class {}.constructor('return 1')()",
        "return Reflect.construct(Function, ['return 1'])()",
        "return Function.prototype.constructor.call(null, 'return 1')()",
        "return Function.bind(null, 'return 1')()()",
        "return Object.getOwnPropertyDescriptor(Function.prototype, 'constructor').value('return 1')()",
        "return eval('1')",
        "return (0, eval)('1')",
        "return globalThis['ev' + 'al']('1')",
    ] {
        let error = run(lambda).unwrap_err().to_string();
        assert!(
            error.contains("code cannot be made from text here")
                || error.contains("eval is not defined")
                || error.contains("not a function"),
            "{lambda}: {error}"
        );
    }
    assert_eq!(
        run("return (() => {}) instanceof Function").unwrap(),
        json!(true)
    );
}

#[test]
fn modules_cannot_be_imported() {
    assert!(run("return import('std')").is_err());
    assert!(run("return import('./x.js').then(() => 1)").is_err());
}

#[test]
fn what_all_share_cannot_be_changed() {
    for lambda in [
        "'use strict'; Object.prototype.polluted = 1",
        "'use strict'; Array.prototype.map = () => 1",
        "'use strict'; String.prototype.trim = () => 1",
        "'use strict'; Object.prototype.toString = () => 1",
        "'use strict'; JSON.stringify = () => 1",
        "'use strict'; Math.random = () => 1",
        "'use strict'; globalThis.db = {}",
        "'use strict'; db.query = () => []",
        "'use strict'; Promise.prototype.then = () => 1",
        "'use strict'; Error.prepareStackTrace = () => 1",
        "'use strict'; Error.stackTraceLimit = 1",
        "'use strict'; RegExp.prototype.exec = () => 1",
        "'use strict'; [][Symbol.iterator]().__proto__.next = () => 1",
        "'use strict'; (function* () {})().__proto__.__proto__.next = () => 1",
        "'use strict'; user.login = 'root'",
        "user.groups.push('admin2')",
        "'use strict'; user.groups[0] = 'admin2'",
        "'use strict'; Object.setPrototypeOf(Object.prototype, {})",
        "'use strict'; Object.defineProperty(Array.prototype, '0', {set() {}})",
        "'use strict'; delete globalThis.JSON",
        "'use strict'; Array = 1",
        "'use strict'; undefined = 1",
        "'use strict'; (async () => {}).__proto__.x = 1",
    ] {
        let error = run(lambda).expect_err(lambda).to_string();
        assert!(error.starts_with("TypeError"), "{lambda}: {error}");
    }
    assert_eq!(
        run("Object.prototype.polluted = 1; return ({}).polluted").unwrap(),
        json!(null)
    );
}

#[test]
fn nothing_survives_an_invocation() {
    run("globalThis.left = 1; var also = 2; implicit = 3").unwrap();
    assert_eq!(
        run("return [typeof left, typeof also, typeof implicit]").unwrap(),
        json!(["undefined", "undefined", "undefined"])
    );
}

#[test]
fn time_stands_still() {
    assert_eq!(
        run("const a = Date.now(); for (let i = 0; i < 1e5; i++); return [Date.now() - a, +new Date() - a, new Date().getTimezoneOffset()]").unwrap(),
        json!([0, 0, 0])
    );
}
