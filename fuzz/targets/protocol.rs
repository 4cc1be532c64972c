//! The guest's side of the wall: any call of the host, any reply to it.

#![no_main]

use std::sync::{Arc, LazyLock};

use domain::limits::LambdaLimits;
use libfuzzer_sys::fuzz_target;
use module_engine::call::{Call, Item};
use module_engine::compiled::CompiledModule;
use module_engine::dry_run::DryRunHost;
use module_engine::fuzz::{Guest, engine_that_replies};
use module_spec::{Hook, ModuleSpec};
use serde_json::{Value, json};

const MODULE: &str = "\
module: {name: m, singular: M, plural: Ms, storage: managed}
fields: [{name: name, type: string}]
computed_fields: [{name: c, lambda: return 1}]
hooks: {before_save: return item}
";
const CHECKED: &[u8] = br#"{"checked":[null,null]}"#;

static SPEC: LazyLock<Arc<ModuleSpec>> = LazyLock::new(|| {
    let (spec, findings) = module_spec::parse(MODULE);
    Arc::new(spec.unwrap_or_else(|| panic!("{findings:?}")))
});

fn object(value: Value) -> Item {
    match value {
        Value::Object(item) => item,
        other => panic!("{other}"),
    }
}

// First byte: what is played. Calls are separated by a byte 0xff, which no UTF-8 has; the first byte of each is its number.
fuzz_target!(|input: &[u8]| {
    let Some((kind, rest)) = input.split_first() else {
        return;
    };
    match kind % 4 {
        0 | 1 => calls(kind % 4 == 0, rest),
        2 => check(rest),
        _ => replies(rest),
    }
});

fn calls(may_act: bool, calls: &[u8]) {
    let queue = object(json!({"id": 1, "name": "Raw", "valid_id": 1}));
    let host = DryRunHost::new()
        .with_fixture(None, &[queue.clone(), queue.clone()])
        .with_records("m", std::slice::from_ref(&queue))
        .with_ticket(object(json!({"id": 1, "title": "t", "queue": "Raw"})));
    let mut guest = Guest::new(&host, may_act, LambdaLimits::DEFAULT);
    let mut ended = false;
    for call in calls.split(|byte| *byte == 0xff) {
        let Some((number, request)) = call.split_first() else {
            continue;
        };
        let answer = guest.call((*number).into(), request);
        assert!(!ended || answer.is_none(), "an ended guest was answered");
        ended |= answer.is_none();
        if let Some(answer) = answer {
            let answer = object(serde_json::from_slice(&answer).expect("an answer is JSON"));
            let keys: Vec<&str> = answer.keys().map(String::as_str).collect();
            assert!(
                matches!(keys.as_slice(), ["ok" | "error" | "limit"]),
                "{keys:?}"
            );
        }
    }
    assert!(host.log_lines().len() <= LambdaLimits::DEFAULT.log_lines as usize);
    assert!(host.queries().len() <= LambdaLimits::DEFAULT.queries as usize);
    assert!(host.effects().len() <= LambdaLimits::DEFAULT.effects as usize);
    assert!(may_act || host.effects().is_empty());
}

/// The reply to the check at upload.
fn check(reply: &[u8]) {
    let engine = engine_that_replies([reply.to_vec()]);
    if let Err(findings) = CompiledModule::compile(&engine, Arc::clone(&SPEC)) {
        assert!(!findings.is_empty());
        let lines = MODULE.lines().count();
        for finding in findings {
            assert!(
                (1..=lines).contains(&(finding.line as usize)),
                "{finding:?}"
            );
        }
    }
}

/// The same reply to each kind of request.
fn replies(reply: &[u8]) {
    let host = DryRunHost::new();
    let row = object(json!({"name": "a"}));
    let limits = LambdaLimits::DEFAULT;
    let compiled = || {
        let engine = engine_that_replies([CHECKED.to_vec(), reply.to_vec()]);
        CompiledModule::compile(&engine, Arc::clone(&SPEC)).expect("a checked module")
    };
    let cells = compiled().computed_fields(std::slice::from_ref(&row), &["c"], &host, limits);
    for cell in cells.iter().flatten().flatten().flatten() {
        let html = cell.to_html();
        assert!(!html.contains("<script"), "{html}");
    }
    let _ = compiled().hook(Hook::BeforeSave, &row, &host, limits);
    let module = compiled();
    let lambda = module.spec().computed_fields()[0].lambda();
    let _ = module.invoke(
        Call::Conditions {
            conditions: &[lambda],
            item: &row,
        },
        &host,
        limits,
    );
    let module = compiled();
    let lambda = module.spec().computed_fields()[0].lambda();
    let _ = module.invoke(Call::Lambda { lambda, item: &row }, &host, limits);
}
