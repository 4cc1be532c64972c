//! Records and tickets in memory.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::call::Item;
use crate::effect::{Effect, RecordKey};
use crate::host::HostError;

/// What effects read and change.
#[derive(Debug, Default)]
pub(super) struct Store {
    records: BTreeMap<String, Vec<Item>>,
    tickets: BTreeMap<i64, Item>,
    articles: i64,
}

impl Store {
    pub(super) fn records(&self, module: &str) -> &[Item] {
        self.records.get(module).map_or(&[], Vec::as_slice)
    }

    pub(super) fn ticket(&self, id: i64) -> Option<&Item> {
        self.tickets.get(&id)
    }

    pub(super) fn add_ticket(&mut self, ticket: Item) {
        let id = ticket.get("id").and_then(Value::as_i64).unwrap_or(1);
        self.tickets.insert(id, ticket);
    }

    /// Adds a record; without an `id` it gets the next one.
    pub(super) fn create(&mut self, module: &str, mut values: Item) -> Item {
        let records = self.records.entry(module.to_owned()).or_default();
        let last = records
            .iter()
            .filter_map(|record| record.get("id").and_then(Value::as_i64))
            .max()
            .unwrap_or_default();
        values
            .entry("id")
            .or_insert_with(|| Value::from(last.saturating_add(1)));
        records.push(values.clone());
        values
    }

    pub(super) fn apply(&mut self, effect: &Effect) -> Result<Value, HostError> {
        Ok(match effect {
            Effect::FindRecords { module, selection } => {
                let found = selection.apply(self.records(module.as_str()).iter());
                json!(found)
            }
            Effect::GetRecord { module, key } => json!(
                self.records(module.as_str())
                    .iter()
                    .find(|record| has_key(record, key))
            ),
            Effect::CreateRecord { module, values } => {
                Value::Object(self.create(module.as_str(), values.clone()))
            }
            Effect::UpdateRecord {
                module,
                key,
                values,
            } => {
                let record = self
                    .records
                    .get_mut(module.as_str())
                    .and_then(|records| records.iter_mut().find(|record| has_key(record, key)))
                    .ok_or_else(|| {
                        HostError::Refused(format!(
                            "records.update: {module} has no record {}",
                            key.as_str()
                        ))
                    })?;
                record.extend(values.clone());
                Value::Object(record.clone())
            }
            Effect::GetTicket { ticket } => json!(self.tickets.get(&ticket.get())),
            Effect::UpdateTicket { ticket, changes } => {
                let found = self
                    .tickets
                    .get_mut(&ticket.get())
                    .ok_or_else(|| no_ticket(effect, ticket.get()))?;
                found.extend(changes.clone());
                Value::Object(found.clone())
            }
            Effect::AddNote { ticket, .. } => {
                if !self.tickets.contains_key(&ticket.get()) {
                    return Err(no_ticket(effect, ticket.get()));
                }
                self.articles = self.articles.saturating_add(1);
                json!({ "id": self.articles })
            }
            Effect::Notify(message) => Value::from(message.to.len()),
            Effect::Queue(_) => Value::Null,
        })
    }
}

fn no_ticket(effect: &Effect, id: i64) -> HostError {
    HostError::Refused(format!("{}: there is no ticket {id}", effect.name()))
}

fn has_key(record: &Item, key: &RecordKey) -> bool {
    record
        .get("id")
        .and_then(RecordKey::from_value)
        .is_some_and(|found| found == *key)
}
