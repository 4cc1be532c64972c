//! Computed fields: one call of the sandbox per page of rows.

use std::sync::Arc;

use module_engine::call::Item;
use module_engine::value::{CellValue, Display};
use serde::Serialize;
use serde_json::Value;

use crate::app::App;
use crate::data::choices::LookupTexts;
use crate::data::{choices, host::PgHost, value};
use crate::http::extract::Agent;
use crate::modules::LoadedModule;

/// One computed cell.
#[derive(Debug, Clone, Serialize)]
pub struct Computed {
    /// For programs.
    #[serde(skip)]
    pub raw: Value,
    /// For pages.
    pub display: Display,
    /// What went wrong, with the place in the file; the cell is empty then.
    pub error: Option<String>,
}

/// Computes `fields` for all rows. What fails, fails in its own cells.
pub async fn compute(
    app: &App,
    module: &Arc<LoadedModule>,
    agent: &Agent,
    items: Vec<Item>,
    fields: Vec<String>,
) -> Vec<Vec<Computed>> {
    if fields.is_empty() || items.is_empty() {
        return items.iter().map(|_| Vec::new()).collect();
    }
    let (rows, columns) = (items.len(), fields.len());
    let host = PgHost::new(app, module.spec().name().as_str(), agent);
    let module = Arc::clone(module);
    let ceiling = app.tenant.plan.lambda_ceiling();
    let outcome = app
        .tasks
        .spawn_blocking("computed fields", move || {
            let names: Vec<&str> = fields.iter().map(String::as_str).collect();
            module
                .compiled
                .computed_fields(&items, &names, &host, ceiling)
        })
        .await;
    match outcome {
        Ok(Ok(cells)) => cells
            .into_iter()
            .map(|row| row.into_iter().map(cell).collect())
            .collect(),
        Ok(Err(error)) => all_failed(rows, columns, &error.to_string()),
        Err(error) => {
            tracing::error!(error = %service_kit::Chain(&error), "computed fields could not be run");
            all_failed(rows, columns, "the sandbox is not available")
        }
    }
}

fn cell(cell: module_engine::call::Cell) -> Computed {
    match cell {
        Ok(value) => Computed {
            display: value.display(),
            raw: value.into_raw(),
            error: None,
        },
        Err(error) => failed(&error.to_string()),
    }
}

fn failed(message: &str) -> Computed {
    let empty = CellValue::new(Value::Null);
    Computed {
        display: empty.display(),
        raw: Value::Null,
        error: Some(message.chars().take(500).collect()),
    }
}

fn all_failed(rows: usize, columns: usize, message: &str) -> Vec<Vec<Computed>> {
    (0..rows)
        .map(|_| (0..columns).map(|_| failed(message)).collect())
        .collect()
}

/// A row as lambdas see it: values by field, and `<field>_display` for what is looked up.
pub fn item(
    module: &LoadedModule,
    row: &serde_json::Map<String, Value>,
    texts: &LookupTexts,
) -> Item {
    let mut item = Item::new();
    if let Some(id) = row.get("_key") {
        let number = value::plain(id).parse::<i64>();
        item.insert(
            "id".to_owned(),
            number.map_or_else(|_| id.clone(), Value::from),
        );
    }
    for field in module.spec().fields() {
        let name = field.name().as_str();
        let Some(raw) = row.get(name).filter(|_| !field.is_secret()) else {
            continue;
        };
        item.insert(name.to_owned(), value::from_sql(field, raw.clone()));
        if field.lookup().is_some() || !field.choices().is_empty() {
            item.insert(
                format!("{name}_display"),
                Value::from(choices::display(field, raw, texts)),
            );
        }
    }
    item
}
