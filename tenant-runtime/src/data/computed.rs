//! Computed fields: one call of the sandbox per page of rows.

use std::sync::Arc;

use module_engine::breaker::Ending;
use module_engine::call::{Cell, Item};
use module_engine::error::InvokeError;
use module_engine::value::{CellValue, Display};
use serde_json::Value;

use crate::data::choices::LookupTexts;
use crate::data::fault::{Fault, Telling};
use crate::data::list::Desk;
use crate::data::{choices, host::PgHost, value};
use crate::lambdas::{self, Purpose};
use crate::modules::LoadedModule;

/// One computed cell.
#[derive(Debug, Clone)]
pub struct Computed {
    /// For programs.
    pub raw: Value,
    /// For pages.
    pub display: Display,
    /// What went wrong; the cell is empty then.
    pub fault: Option<Arc<Fault>>,
}

/// How much is told of what goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Of many records.
    Brief,
    /// Of one record: an author is told what the lambda had.
    Full,
}

/// Computes `fields` for all rows. What fails, fails in its own cells.
pub async fn compute(
    desk: Desk<'_>,
    items: Vec<Item>,
    fields: &[String],
    detail: Detail,
) -> Vec<Vec<Computed>> {
    if fields.is_empty() || items.is_empty() {
        return items.iter().map(|_| Vec::new()).collect();
    }
    let labels: Vec<String> = fields.iter().map(|name| label(desk, name)).collect();
    let rows = items.len();
    let told = match detail {
        Detail::Full if desk.is_author() => items.clone(),
        Detail::Full | Detail::Brief => Vec::new(),
    };
    let telling = |row: usize| told.get(row).map_or(Telling::Brief, Telling::Full);
    let host = PgHost::new(desk.app, desk.module.spec().name().as_str(), desk.agent);
    let names = fields.to_vec();
    let outcome = lambdas::run(
        desk.app,
        desk.module,
        Purpose::ComputedFields,
        Ending::of_cells,
        move |compiled, ceiling| {
            let names: Vec<&str> = names.iter().map(String::as_str).collect();
            compiled.computed_fields(&items, &names, &host, ceiling)
        },
    )
    .await;
    match outcome {
        Ok(cells) => cells
            .into_iter()
            .enumerate()
            .map(|(row, cells)| {
                let labelled = cells.into_iter().zip(&labels);
                labelled
                    .map(|(cell, label)| computed(desk, cell, label, telling(row)))
                    .collect()
            })
            .collect(),
        Err(error) => {
            // The same for every row: told once per field.
            let faults: Vec<Arc<Fault>> = labels
                .iter()
                .map(|label| Arc::new(Fault::new(desk, label, &error, telling(0))))
                .collect();
            (0..rows)
                .map(|_| {
                    faults
                        .iter()
                        .map(|fault| failed(Arc::clone(fault)))
                        .collect()
                })
                .collect()
        }
    }
}

fn label(desk: Desk<'_>, name: &str) -> String {
    let field = desk.module.spec().computed_field(name);
    let label = field.map_or(name, |field| field.label().display());
    format!("The computed field \"{label}\"")
}

fn computed(desk: Desk<'_>, cell: Cell, label: &str, telling: Telling<'_>) -> Computed {
    match cell {
        Ok(value) => Computed {
            display: value.display(),
            raw: value.into_raw(),
            fault: None,
        },
        Err(error) => {
            let fault = Fault::new(desk, label, &InvokeError::from(error), telling);
            failed(Arc::new(fault))
        }
    }
}

fn failed(fault: Arc<Fault>) -> Computed {
    Computed {
        display: CellValue::new(Value::Null).display(),
        raw: Value::Null,
        fault: Some(fault),
    }
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
