//! From checked values to columns.

use module_engine::call::Item;
use module_spec::Field;
use serde_json::Value;

use super::{VALID, bounds_of, is_text};
use crate::data::list::Desk;
use crate::data::sql::Assignment;
use crate::data::value;

/// Whether the column can hold the value; the database would not say which column it could not.
pub(super) fn fit(desk: Desk<'_>, field: &Field, value: &Value) -> Result<(), String> {
    let column = desk.module.table.columns.get(field.column().as_str());
    let Some(column) = column.filter(|_| !field.is_virtual() && !field.is_secret()) else {
        return Ok(());
    };
    if let Some(most) = column
        .max_length
        .and_then(|most| usize::try_from(most).ok())
    {
        let text = value::to_sql(value, &column.type_name).unwrap_or_default();
        let length = text.chars().count();
        if length > most {
            return Err(format!(
                "This may have at most {most} characters; it has {length}."
            ));
        }
    }
    if let (Some((low, high)), Some(number)) = (bounds_of(&column.type_name), as_integer(value))
        && !(low..=high).contains(&number)
    {
        return Err(format!("This must be between {low} and {high}."));
    }
    if bounds_of(&column.type_name).is_some()
        && !matches!(value, Value::Null | Value::Bool(_))
        && as_integer(value).is_none()
    {
        return Err("This must be a whole number.".to_owned());
    }
    Ok(())
}

fn as_integer(value: &Value) -> Option<i64> {
    value
        .as_i64()
        .or_else(|| value.as_str()?.trim().parse().ok())
}

/// What the fields say; secrets and what the server fills come from elsewhere.
pub(super) fn assignments(
    desk: Desk<'_>,
    fields: &[&Field],
    item: &Item,
    is_new: bool,
) -> Vec<Assignment> {
    let table = &desk.module.table;
    let mut assignments = Vec::new();
    for field in fields
        .iter()
        .filter(|field| !field.is_virtual() && !field.is_secret() && !field.is_server_filled())
    {
        let Some(column) = table.columns.get(field.column().as_str()) else {
            continue;
        };
        let text = item
            .get(field.name().as_str())
            .and_then(|value| value::to_sql(value, &column.type_name));
        let text = match text {
            None if is_new && column.has_default => continue,
            None if is_new && column.name == "valid_id" => Some(VALID.to_string()),
            None if !column.nullable && is_text(&column.type_name) => Some(String::new()),
            other => other,
        };
        assignments.push(Assignment {
            column: field.column().clone(),
            value: text,
        });
    }
    let is_assigned = |name: &str| assignments.iter().any(|one| one.column.as_str() == name);
    if is_new
        && table.has("valid_id")
        && !is_assigned("valid_id")
        && let Ok(column) = "valid_id".parse()
    {
        assignments.push(Assignment {
            column,
            value: Some(VALID.to_string()),
        });
    }
    assignments
}

/// Who and when, as far as the table keeps it.
pub(super) fn audit(desk: Desk<'_>, is_new: bool) -> Vec<Assignment> {
    let now = desk.app.clock.now().format("%Y-%m-%d %H:%M:%S").to_string();
    let by = desk.agent.id().to_string();
    let mut columns = vec![("change_time", &now), ("change_by", &by)];
    if is_new {
        columns.extend([("create_time", &now), ("create_by", &by)]);
    }
    columns
        .into_iter()
        .filter(|(name, _)| desk.module.table.has(name))
        .filter_map(|(name, value)| {
            Some(Assignment {
                column: name.parse().ok()?,
                value: Some(value.clone()),
            })
        })
        .collect()
}
