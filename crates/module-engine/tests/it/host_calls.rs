//! Reading by conditions, doing things outside, and who may.

use domain::limits::LambdaLimits;
use module_engine::call::{Call, Item, Outcome};
use module_engine::compiled::{CompiledModule, check_lambdas};
use module_engine::dry_run::DryRunHost;
use module_engine::effect::Effect;
use module_engine::error::{InvokeError, Limit};
use module_engine::host::Host;
use module_spec::{Hook, Lambda};
use serde_json::{Value, json};

use crate::support::{ENGINE, item, module, module_with, run_with};

const CALM: LambdaLimits = LambdaLimits::DEFAULT;

fn lambda(module: &CompiledModule) -> &Lambda {
    module.spec().computed_fields()[0].lambda()
}

/// Runs `code` as a schedule, which may act.
fn act(code: &str, host: &dyn Host, limits: LambdaLimits) -> Result<Value, InvokeError> {
    let module = module_with(code);
    let call = Call::Schedule {
        lambda: lambda(&module),
        schedule: "nightly",
    };
    match module.invoke(call, host, limits)? {
        Outcome::Value(value) => Ok(value.into_raw()),
        other => panic!("{other:?}"),
    }
}

fn queues() -> DryRunHost {
    DryRunHost::new().with_fixture(
        Some("queue"),
        &[
            item(json!({"id": 1, "name": "Raw", "valid_id": 1})),
            item(json!({"id": 2, "name": "Junk", "valid_id": 2})),
            item(json!({"id": 3, "name": "Misc", "valid_id": 1})),
        ],
    )
}

#[test]
fn tables_are_read_by_conditions() {
    for (code, expected) in [
        (
            "return db.find('queue', {where: {valid_id: 1}, columns: ['name'], order: ['-name']})",
            json!([{"name": "Raw"}, {"name": "Misc"}]),
        ),
        (
            "return db.find('queue', {where: {id: [1, 2]}, order: '-id', limit: 1})[0].id",
            json!(2),
        ),
        ("return db.find('queue').length", json!(3)),
        ("return db.get('queue', 2).name", json!("Junk")),
        (
            "return db.get('queue', 2, {columns: ['name']})",
            json!({"name": "Junk"}),
        ),
        (
            "return db.get('queue', {where: {name: 'Misc'}}).id",
            json!(3),
        ),
        ("return db.get('queue', 9)", json!(null)),
        ("return db.count('queue')", json!(3)),
        ("return db.count('queue', {id: {gte: 2}})", json!(2)),
        ("return db.count('queue', {id: {gte: 2n}})", json!(2)),
    ] {
        assert_eq!(run_with(code, &queues(), CALM).unwrap(), expected, "{code}");
    }
}

#[test]
fn a_condition_that_is_undefined_never_matches_everything() {
    for (code, message) in [
        (
            "db.find('queue', {where: {id: item.gone}})",
            "TypeError: where.id is undefined",
        ),
        (
            "db.find('queue', {where: {id: {gt: item.gone}}})",
            "TypeError: where.id.gt is undefined",
        ),
        (
            "db.find('queue', {where: {id: [1, undefined]}})",
            "TypeError: where.id is undefined",
        ),
        (
            "db.count('queue', {id: undefined})",
            "TypeError: where.id is undefined",
        ),
        (
            "db.get('queue', item.gone)",
            "TypeError: where.id is undefined",
        ),
        ("db.get('queue', {})", "TypeError: db.get needs an id"),
        (
            "db.find('queue', {were: {id: 1}})",
            "TypeError: db.find: there is no option \"were\"",
        ),
        (
            "db.find('queue', {where: {id: {like: 1}}})",
            "Error: where.id.like must be a text",
        ),
        (
            "db.find('queue; DROP TABLE x')",
            "Error: the table: \"queue; DROP TABLE x\" is not an identifier",
        ),
        ("db.find('ticket')", "Error: no fixture answers this table"),
    ] {
        match run_with(code, &queues(), CALM) {
            Err(InvokeError::Script(error)) => {
                assert!(
                    error.message.starts_with(message),
                    "{code}: {}",
                    error.message
                );
            }
            other => panic!("{code}: {other:?}"),
        }
    }
}

#[test]
fn reading_by_conditions_counts_as_queries() {
    let error = run_with(
        "for (;;) db.count('queue')",
        &queues(),
        LambdaLimits { queries: 3, ..CALM },
    );
    match error {
        Err(InvokeError::Limit(error)) => {
            assert_eq!((error.limit, error.value), (Limit::Queries, 3));
        }
        other => panic!("{other:?}"),
    }
    let error = run_with(
        "db.find('queue')",
        &queues(),
        LambdaLimits { rows: 2, ..CALM },
    );
    assert!(matches!(error, Err(InvokeError::Limit(error)) if error.limit == Limit::Rows));
}

#[test]
fn a_schedule_acts_and_sees_what_it_did() {
    let host = DryRunHost::new()
        .with_records("laptop", &[item(json!({"id": 4, "serial": "A"}))])
        .with_ticket(item(json!({"id": 7, "title": "Broken"})));
    let value = act(
        "const laptops = records('laptop');\n\
         const made = laptops.create({serial: 'B'});\n\
         laptops.update(made.id, {serial: 'C'});\n\
         tickets.update(7, {title: 'Mended'});\n\
         tickets.addNote(7, 'done');\n\
         notify({to: 'ann', subject: 'a', text: 'b', ticket: 7});\n\
         queue('laptop.lent', {id: made.id}, {delay_seconds: 5});\n\
         return [schedule, laptops.find({where: {serial: 'C'}}), laptops.get(99), tickets.get(7).title]",
        &host,
        CALM,
    )
    .unwrap();
    assert_eq!(
        value,
        json!(["nightly", [{"serial": "C", "id": 5}], null, "Mended"])
    );
    let done: Vec<&str> = host.effects().iter().map(Effect::name).collect();
    assert_eq!(
        done,
        [
            "records.create",
            "records.update",
            "tickets.update",
            "tickets.addNote",
            "notify",
            "queue",
            "records.find",
            "records.get",
            "tickets.get"
        ]
    );
    assert_eq!(host.records("laptop").len(), 2);
    assert_eq!(host.ticket(7).unwrap()["title"], json!("Mended"));
}

#[test]
fn effects_have_a_limit_of_their_own() {
    let host = DryRunHost::new();
    let error = act(
        "for (;;) queue('a', {})",
        &host,
        LambdaLimits { effects: 2, ..CALM },
    );
    match error {
        Err(InvokeError::Limit(error)) => {
            assert_eq!((error.limit, error.value), (Limit::Effects, 2));
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(host.effects().len(), 2);
}

#[test]
fn what_only_reads_may_not_act() {
    let module = module(
        "module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}\n\
         fields:\n- {name: name, type: string}\n\
         computed_fields:\n- {name: result, lambda: \"queue('a', {}); return 1\"}\n\
         hooks:\n  before_save: \"tickets.get(1)\"\n",
    );
    let host = DryRunHost::new();
    let rows = [Item::new()];
    let cells = module
        .computed_fields(&rows, &["result"], &host, CALM)
        .unwrap();
    let message = cells[0][0].as_ref().unwrap_err().to_string();
    assert!(
        message.starts_with("Error: queue cannot be used in a computed field: "),
        "{message}"
    );
    let message = module
        .hook(Hook::BeforeSave, &rows[0], &host, CALM)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("Error: tickets.get cannot be used in a hook: "),
        "{message}"
    );
    assert!(host.effects().is_empty());
}

#[test]
fn events_and_actions_see_what_they_are_about() {
    let module =
        module_with("return [item, typeof event === 'undefined' ? [items, input] : event]");
    let (first, second) = (item(json!({"id": 1})), item(json!({"id": 2})));
    let event = item(json!({"name": "record.saved"}));
    let run = |call| match module.invoke(call, &DryRunHost::new(), CALM).unwrap() {
        Outcome::Value(value) => value.into_raw(),
        other => panic!("{other:?}"),
    };
    assert_eq!(
        run(Call::Event {
            lambda: lambda(&module),
            item: &first,
            event: &event
        }),
        json!([{"id": 1}, {"name": "record.saved"}])
    );
    let (both, input) = ([first.clone(), second], item(json!({"why": "x"})));
    assert_eq!(
        run(Call::Action {
            lambda: lambda(&module),
            items: &both,
            input: &input
        }),
        json!([{"id": 1}, [[{"id": 1}, {"id": 2}], {"why": "x"}]])
    );
}

#[test]
fn conditions_are_decided_together_and_apart() {
    let codes = [
        "item.n > 1",
        "item.n > 1;",
        "return item.n === 1",
        "item.n = 5",
        "item.n === 1",
        "item.missing",
        "item.gone.x",
        "const a = 1",
    ];
    let modules: Vec<CompiledModule> = codes.iter().map(|code| module_with(code)).collect();
    let conditions: Vec<&Lambda> = modules.iter().map(lambda).collect();
    let item = item(json!({"n": 1}));
    let call = Call::Conditions {
        conditions: &conditions,
        item: &item,
    };
    let Outcome::Conditions(decided) = modules[0].invoke(call, &DryRunHost::new(), CALM).unwrap()
    else {
        panic!("another outcome");
    };
    let texts: Vec<String> = decided
        .iter()
        .map(|one| match one {
            Ok(holds) => holds.to_string(),
            Err(error) => error.to_string(),
        })
        .collect();
    assert_eq!(
        texts[..6],
        ["false", "false", "true", "true", "true", "false"]
    );
    assert!(
        texts[6].starts_with("TypeError: cannot read property 'x'"),
        "{texts:?}"
    );
    assert!(
        texts[7].starts_with("TypeError: the condition decides nothing"),
        "{texts:?}"
    );
}

#[test]
fn processor_time_and_stack_are_limits_of_their_own() {
    let limits = LambdaLimits { cpu_ms: 50, ..CALM };
    match run_with("for (;;);", &DryRunHost::new(), limits) {
        Err(InvokeError::Limit(error)) => {
            assert_eq!((error.limit, error.value), (Limit::Cpu, 50));
            assert_eq!(error.position.unwrap().line, 7);
        }
        other => panic!("{other:?}"),
    }
    let depth = |stack_kb| {
        let code = "let n = 0; (function f() { n++; try { f() } catch {} })(); return n";
        run_with(code, &DryRunHost::new(), LambdaLimits { stack_kb, ..CALM })
            .unwrap()
            .as_u64()
            .unwrap()
    };
    assert!(depth(64) * 2 < depth(320));
    match run_with(
        "function f() { return f() + 1 } return f()",
        &DryRunHost::new(),
        LambdaLimits {
            stack_kb: 64,
            ..CALM
        },
    ) {
        Err(InvokeError::Limit(error)) => {
            assert_eq!((error.limit, error.value), (Limit::Stack, 64));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn lambdas_are_checked_without_a_module() {
    let module = module_with("return 1");
    assert!(check_lambdas(&ENGINE, &[lambda(&module)]).is_empty());
    assert!(check_lambdas(&ENGINE, &[]).is_empty());
}
