//! What can be chosen in selects and filters, and the texts of values that refer to other tables.

use std::collections::{BTreeMap, BTreeSet};

use module_spec::{Field, Filter, FilterSource, Lookup, ModuleSpec};
use serde::Serialize;
use serde_json::Value;
use sql_gate::{Checked, Refusal};
use sqlx::{PgConnection, Row as _};

use crate::data::readable::ReadableTables;
use crate::data::{sql, value};

/// Most entries of one select; longer lists need a typeahead on the server.
const MOST: usize = 1_000;

/// One entry of a select.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// What is sent.
    pub value: String,
    /// What is read.
    pub label: String,
    /// The heading it stands under; empty for none.
    #[serde(skip)]
    pub group: String,
}

/// Texts of looked-up values: field name → value → text.
pub type LookupTexts = BTreeMap<String, BTreeMap<String, String>>;

/// Texts for all rows of a page: one query per lookup. `connection` is the lambda role's, which sees no secrets.
pub async fn lookup_texts(
    spec: &ModuleSpec,
    rows: &[serde_json::Map<String, Value>],
    connection: &mut PgConnection,
) -> sqlx::Result<LookupTexts> {
    let mut texts = LookupTexts::new();
    for field in spec.fields() {
        let Some(lookup) = field.lookup() else {
            continue;
        };
        let name = field.name().as_str();
        let keys: BTreeSet<String> = rows
            .iter()
            .filter_map(|row| row.get(name))
            .flat_map(|value| keys_of(field, value))
            .collect();
        if keys.is_empty() {
            continue;
        }
        let statement = sql::lookup_texts(lookup, keys.into_iter().collect());
        let found = statement.query().fetch_all(&mut *connection).await?;
        let pairs: sqlx::Result<BTreeMap<String, String>> = found
            .iter()
            .map(|row| {
                Ok((
                    row.try_get("key")?,
                    row.try_get::<Option<String>, _>("display")?
                        .unwrap_or_default(),
                ))
            })
            .collect();
        texts.insert(name.to_owned(), pairs?);
    }
    Ok(texts)
}

fn keys_of(field: &Field, raw: &Value) -> Vec<String> {
    match value::from_sql(field, raw.clone()) {
        Value::Array(items) => items.iter().map(value::plain).collect(),
        Value::Null => Vec::new(),
        one => vec![value::plain(&one)],
    }
}

/// What a person reads for a field of a row.
pub fn display(field: &Field, raw: &Value, texts: &LookupTexts) -> String {
    let Some(known) = texts.get(field.name().as_str()) else {
        return value::display(field, raw);
    };
    let shown: Vec<String> = keys_of(field, raw)
        .iter()
        .map(|key| known.get(key).cloned().unwrap_or_else(|| key.clone()))
        .collect();
    shown.join(", ")
}

/// What can be chosen in a field's input.
pub async fn of_field(
    field: &Field,
    readable: &ReadableTables,
    connection: &mut PgConnection,
) -> sqlx::Result<Vec<Entry>> {
    match field.lookup() {
        Some(lookup) => of_lookup(lookup, readable, connection).await,
        None => Ok(fixed(field)),
    }
}

fn fixed(field: &Field) -> Vec<Entry> {
    field
        .choices()
        .iter()
        .map(|choice| Entry {
            value: choice.value_text(),
            label: choice.label().display().to_owned(),
            group: choice
                .group()
                .map(|group| group.display().to_owned())
                .unwrap_or_default(),
        })
        .collect()
}

async fn of_lookup(
    lookup: &Lookup,
    readable: &ReadableTables,
    connection: &mut PgConnection,
) -> sqlx::Result<Vec<Entry>> {
    let condition = match lookup.condition() {
        None => None,
        Some(condition) => {
            let table = lookup.table().as_str();
            let checked = readable.check(connection, |readable| {
                sql_gate::check_condition(condition, table, readable)
            });
            Some(checked.await?.map_err(|refusal| refused(&refusal))?)
        }
    };
    let condition = condition.as_ref().map(Checked::text);
    fetch(&sql::lookup_choices(lookup, condition, MOST), connection).await
}

/// It passed when the module was loaded; since then the schema has changed.
fn refused(refusal: &Refusal) -> sqlx::Error {
    sqlx::Error::Protocol(refusal.to_string())
}

async fn fetch(
    statement: &sql::Statement,
    connection: &mut PgConnection,
) -> sqlx::Result<Vec<Entry>> {
    let rows = statement.query().fetch_all(connection).await?;
    rows.iter()
        .map(|row| {
            let value: Option<String> = row.try_get("key")?;
            let label: Option<String> = row.try_get("display")?;
            let value = value.unwrap_or_default();
            Ok(Entry {
                label: label.unwrap_or_else(|| value.clone()),
                value,
                group: String::new(),
            })
        })
        .collect()
}

/// What can be chosen in a filter.
pub async fn of_filter(
    spec: &ModuleSpec,
    filter: &Filter,
    readable: &ReadableTables,
    connection: &mut PgConnection,
) -> sqlx::Result<Vec<Entry>> {
    let Some(field) = spec.fields().get(filter.field_index()) else {
        return Ok(Vec::new());
    };
    match filter.source() {
        FilterSource::Choices(choices) => Ok(choices
            .iter()
            .map(|choice| Entry {
                value: choice.value_text(),
                label: choice.label().display().to_owned(),
                group: String::new(),
            })
            .collect()),
        FilterSource::Lookup(lookup) => of_lookup(lookup, readable, connection).await,
        FilterSource::Query(query) => of_query(query, readable, connection).await,
        FilterSource::Field if field.lookup().is_some() || !field.choices().is_empty() => {
            of_field(field, readable, connection).await
        }
        FilterSource::Field if field.kind() == module_spec::FieldType::Boolean => {
            Ok([("true", "Yes"), ("false", "No")]
                .map(|(value, label)| Entry {
                    value: value.to_owned(),
                    label: label.to_owned(),
                    group: String::new(),
                })
                .to_vec())
        }
        FilterSource::Field => {
            fetch(
                &sql::distinct(spec.table(), field.column(), MOST),
                connection,
            )
            .await
        }
    }
}

/// The author's query: its first column is the value, its second (or the first) the text.
async fn of_query(
    query: &str,
    readable: &ReadableTables,
    connection: &mut PgConnection,
) -> sqlx::Result<Vec<Entry>> {
    let checked = readable.check(connection, |readable| {
        sql_gate::check_query(query, readable)
    });
    let checked = checked.await?.map_err(|refusal| refused(&refusal))?;
    let most = i64::try_from(MOST).unwrap_or(i64::MAX);
    let rows = sql::author_rows(checked.text(), Vec::new(), most)
        .query()
        .fetch_all(connection)
        .await?;
    rows.iter()
        .map(|row| {
            let row: serde_json::Map<String, Value> = serde_json::from_str(row.try_get("row")?)
                .map_err(|error| sqlx::Error::Decode(Box::new(error)))?;
            let mut cells = row.values().map(value::plain);
            let value = cells.next().unwrap_or_default();
            Ok(Entry {
                label: cells.next().unwrap_or_else(|| value.clone()),
                value,
                group: String::new(),
            })
        })
        .collect()
}
