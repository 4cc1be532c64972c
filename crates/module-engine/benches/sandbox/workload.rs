//! The rows and lambdas that all contenders run.

use std::sync::Arc;

use module_engine::call::Item;
use module_engine::compiled::CompiledModule;
use module_engine::engine::Engine;
use serde_json::{Value, json};

const YAML: &str = "
module: {name: invoice, singular: Invoice, plural: Invoices, storage: managed}
limits: {max_queries: 100}
fields:
- {name: net, type: decimal}
- {name: rate, type: decimal}
- {name: state, type: string}
- {name: created, type: datetime}
computed_fields:
- {name: one, lambda: \"return 1\"}
- {name: tax, lambda: \"return item.net * item.rate\"}
- {name: gross, lambda: \"return formatNumber(item.net + item.net * item.rate, 2)\"}
- {name: badge, lambda: \"return {text: item.state, tone: item.state === 'open' ? 'warning' : 'success'}\"}
- {name: since, lambda: \"return html`<b>${formatDate(item.created)}</b>`\"}
- {name: queried, lambda: \"return db.queryRow('SELECT count(*) AS n FROM ticket WHERE id = $1', item.net).n\"}
- name: batched
  lambda: |
    const found = new Map(db.find('ticket', {where: {id: item.ids}, columns: ['id', 'n'], limit: 100}).map((row) => [row.id, row.n]));
    return item.ids.map((id) => found.get(id));
";

/// The computed fields of a batch.
pub(crate) const FIELDS: [&str; 5] = ["one", "tax", "gross", "badge", "since"];

pub(crate) fn compile(engine: &Arc<Engine>) -> CompiledModule {
    let (spec, findings) = module_spec::parse(YAML);
    let spec = spec.unwrap_or_else(|| unreachable!("{findings:#?}"));
    CompiledModule::compile(engine, Arc::new(spec)).expect("the module compiles")
}

pub(crate) fn compile_again(engine: &Arc<Engine>, module: &CompiledModule) -> CompiledModule {
    CompiledModule::compile(engine, Arc::clone(module.spec())).expect("the module compiles")
}

pub(crate) fn rows(count: usize, padding: usize) -> Vec<Item> {
    (0..count)
        .map(|number| {
            let state = if number % 3 == 0 { "closed" } else { "open" };
            item(json!({
                "net": number * 37, "rate": 0.19, "state": state, "created": "2026-01-15 12:00:00", "other": "x".repeat(padding),
            }))
        })
        .collect()
}

pub(crate) fn item(value: Value) -> Item {
    match value {
        Value::Object(item) => item,
        other => unreachable!("not an object: {other}"),
    }
}

/// For the other contenders: the lambdas, in the order of the cells, and 1 000 rows of which they take as many as they need.
pub(crate) fn describe(module: &CompiledModule) -> Value {
    let lambdas: Vec<Value> = FIELDS
        .iter()
        .filter_map(|name| module.spec().computed_field(name))
        .map(|field| json!({ "name": field.name().as_str(), "source": field.lambda().source() }))
        .collect();
    json!({ "lambdas": lambdas, "rows": rows(1000, 0) })
}
