//! What the sandbox costs: `cargo bench -p module-engine`.

use std::sync::{Arc, LazyLock};

use divan::Bencher;
use domain::limits::LambdaLimits;
use module_engine::call::{Call, Item};
use module_engine::compiled::CompiledModule;
use module_engine::dry_run::DryRunHost;
use module_engine::engine::{Engine, EngineOptions};
use serde_json::json;

const YAML: &str = "
module: {name: invoice, singular: Invoice, plural: Invoices, storage: managed}
fields:
- {name: net, type: decimal}
- {name: rate, type: decimal}
- {name: state, type: string}
- {name: created, type: datetime}
computed_fields:
- {name: one, lambda: \"return 1\"}
- {name: tax, lambda: \"return item.net * item.rate\"}
- {name: gross, lambda: \"return formatNumber(item.net + item.tax, 2)\"}
- {name: badge, lambda: \"return {text: item.state, tone: item.state === 'open' ? 'warning' : 'success'}\"}
- {name: since, lambda: \"return html`<b>${formatDate(item.created)}</b>`\"}
- {name: queried, lambda: \"return db.queryRow('SELECT count(*) AS n FROM ticket WHERE id = $1', item.net).n\"}
";

static ENGINE: LazyLock<Arc<Engine>> =
    LazyLock::new(|| Engine::new(EngineOptions::default()).expect("the sandbox starts"));

static MODULE: LazyLock<CompiledModule> = LazyLock::new(|| {
    let (spec, findings) = module_spec::parse(YAML);
    let spec = spec.unwrap_or_else(|| unreachable!("{findings:#?}"));
    CompiledModule::compile(&ENGINE, Arc::new(spec)).expect("the module compiles")
});

fn main() {
    LazyLock::force(&MODULE);
    divan::main();
}

fn rows(count: usize, padding: usize) -> Vec<Item> {
    (0..count)
        .map(|number| {
            let row = json!({
                "net": number, "rate": 0.19, "state": "open", "created": "2026-01-15 12:00:00", "other": "x".repeat(padding),
            });
            match row {
                serde_json::Value::Object(row) => row,
                _ => unreachable!("an object"),
            }
        })
        .collect()
}

#[divan::bench]
fn engine_start() -> Arc<Engine> {
    Engine::new(EngineOptions::default()).expect("the sandbox starts")
}

#[divan::bench]
fn compile_module() -> CompiledModule {
    CompiledModule::compile(&ENGINE, Arc::clone(MODULE.spec())).expect("the module compiles")
}

#[divan::bench]
fn single_invocation(bencher: Bencher<'_, '_>) {
    let item = rows(1, 0).remove(0);
    let host = DryRunHost::new();
    let lambda = MODULE
        .spec()
        .computed_field("one")
        .expect("a field")
        .lambda();
    bencher.bench(|| {
        MODULE.invoke(
            Call::Lambda {
                lambda,
                item: &item,
            },
            &host,
            LambdaLimits::DEFAULT,
        )
    });
}

#[divan::bench(args = [(25, 0), (100, 0), (1000, 0), (100, 1000)])]
fn rows_by_5_fields(bencher: Bencher<'_, '_>, (count, padding): (usize, usize)) {
    let rows = rows(count, padding);
    let host = DryRunHost::new();
    let fields = ["one", "tax", "gross", "badge", "since"];
    bencher.bench(|| MODULE.computed_fields(&rows, &fields, &host, LambdaLimits::DEFAULT));
}

#[divan::bench]
fn rows_100_with_a_query_each(bencher: Bencher<'_, '_>) {
    let rows = rows(100, 0);
    let host = DryRunHost::new().with_fixture(None, &[rows[0].clone()]);
    let limits = LambdaLimits {
        queries: 100,
        ..LambdaLimits::DEFAULT
    };
    bencher.bench(|| MODULE.computed_fields(&rows, &["queried"], &host, limits));
}
