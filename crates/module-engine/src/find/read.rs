//! From what a lambda wrote to a [`Find`]. Errors are thrown inside the lambda: they speak to its author.

use domain::identifier::SqlIdent;
use serde::Deserialize;
use serde_json::Value;

use super::{
    Condition, Find, MAX_COLUMNS, MAX_CONDITIONS, MAX_LIST, MAX_ORDER, Order, Selection, Test, Want,
};

/// Names of operators, as they stand in messages.
const OPERATORS: &str = "eq, ne, gt, gte, lt, lte, like, in, not_in, is_null";

/// A call of `db.find`, `db.get` or `db.count` as the guest sends it.
#[derive(Debug, Deserialize)]
pub(crate) struct Request {
    table: Value,
    #[serde(default)]
    columns: Value,
    #[serde(default, rename = "where")]
    conditions: Value,
    #[serde(default)]
    order: Value,
    #[serde(default)]
    limit: Value,
    count: bool,
}

impl Request {
    /// The typed form, or what is wrong with it.
    pub(crate) fn check(&self) -> Result<Find, String> {
        Ok(Find {
            table: identifier("the table", &self.table)?,
            columns: columns(&self.columns)?,
            selection: selection(&self.conditions, &self.order, &self.limit)?,
            want: if self.count { Want::Count } else { Want::Rows },
        })
    }
}

/// Which rows, in which order, how many.
pub(crate) fn selection(
    conditions: &Value,
    order: &Value,
    limit: &Value,
) -> Result<Selection, String> {
    Ok(Selection {
        conditions: self::conditions(conditions)?,
        order: self::order(order)?,
        limit: self::limit(limit)?,
    })
}

fn identifier(what: &str, value: &Value) -> Result<SqlIdent, String> {
    let Value::String(text) = value else {
        return Err(format!("{what} must be a text, not {}", kind(value)));
    };
    text.parse().map_err(|problem| format!("{what}: {problem}"))
}

fn columns(value: &Value) -> Result<Vec<SqlIdent>, String> {
    let names = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Array(names) if names.is_empty() => {
            return Err("columns: name at least one, or leave it out for all".to_owned());
        }
        Value::Array(names) => names,
        other => return Err(format!("columns must be a list, not {}", kind(other))),
    };
    at_most("columns", names.len(), MAX_COLUMNS)?;
    names
        .iter()
        .map(|name| identifier("a column", name))
        .collect()
}

fn conditions(value: &Value) -> Result<Vec<Condition>, String> {
    let by_column = match value {
        Value::Null => return Ok(Vec::new()),
        Value::Object(by_column) => by_column,
        other => {
            return Err(format!(
                "where must be an object like {{state: 'open'}}, not {}",
                kind(other)
            ));
        }
    };
    let mut found = Vec::new();
    for (name, asked) in by_column {
        let column: SqlIdent = name
            .parse()
            .map_err(|problem| format!("where: {problem}"))?;
        for test in tests(name, asked)? {
            found.push(Condition {
                column: column.clone(),
                test,
            });
        }
    }
    at_most("conditions", found.len(), MAX_CONDITIONS)?;
    Ok(found)
}

fn tests(column: &str, asked: &Value) -> Result<Vec<Test>, String> {
    Ok(match asked {
        Value::Null => vec![Test::IsNull(true)],
        Value::Array(values) => vec![Test::In(list(column, values)?)],
        Value::Object(operators) if operators.is_empty() => {
            return Err(format!(
                "where.{column}: an empty object asks for nothing; the operators are {OPERATORS}"
            ));
        }
        Value::Object(operators) => operators
            .iter()
            .map(|(operator, value)| test(column, operator, value))
            .collect::<Result<_, _>>()?,
        value => vec![Test::Eq(scalar(&format!("where.{column}"), value)?)],
    })
}

fn test(column: &str, operator: &str, value: &Value) -> Result<Test, String> {
    let place = || format!("where.{column}.{operator}");
    let scalar = |value| scalar(&place(), value);
    Ok(match (operator, value) {
        ("eq", Value::Null) => Test::IsNull(true),
        ("ne", Value::Null) => Test::IsNull(false),
        ("eq", value) => Test::Eq(scalar(value)?),
        ("ne", value) => Test::Ne(scalar(value)?),
        ("gt", value) => Test::Gt(scalar(value)?),
        ("gte", value) => Test::Gte(scalar(value)?),
        ("lt", value) => Test::Lt(scalar(value)?),
        ("lte", value) => Test::Lte(scalar(value)?),
        ("like", Value::String(pattern)) => Test::Like(pattern.clone()),
        ("in", Value::Array(values)) => Test::In(list(column, values)?),
        ("not_in", Value::Array(values)) => Test::NotIn(list(column, values)?),
        ("is_null", Value::Bool(is_null)) => Test::IsNull(*is_null),
        ("like", other) => return Err(format!("{} must be a text, not {}", place(), kind(other))),
        ("in" | "not_in", other) => {
            return Err(format!("{} must be a list, not {}", place(), kind(other)));
        }
        ("is_null", other) => {
            return Err(format!(
                "{} must be true or false, not {}",
                place(),
                kind(other)
            ));
        }
        _ => {
            return Err(format!(
                "where.{column}: there is no operator \"{}\"; the operators are {OPERATORS}",
                operator.chars().take(40).collect::<String>()
            ));
        }
    })
}

fn list(column: &str, values: &[Value]) -> Result<Vec<Value>, String> {
    at_most(&format!("values for {column}"), values.len(), MAX_LIST)?;
    values
        .iter()
        .map(|value| scalar(&format!("a value for {column}"), value))
        .collect()
}

/// A boolean, number or text.
fn scalar(place: &str, value: &Value) -> Result<Value, String> {
    match value {
        Value::Bool(_) | Value::Number(_) | Value::String(_) => Ok(value.clone()),
        other => Err(format!(
            "{place} must be a text, a number or a boolean, not {}",
            kind(other)
        )),
    }
}

fn order(value: &Value) -> Result<Vec<Order>, String> {
    let keys = match value {
        Value::Null => return Ok(Vec::new()),
        Value::String(_) => std::slice::from_ref(value),
        Value::Array(keys) => keys.as_slice(),
        other => {
            return Err(format!(
                "order must be a list like ['name', '-id'], not {}",
                kind(other)
            ));
        }
    };
    at_most("keys of order", keys.len(), MAX_ORDER)?;
    keys.iter()
        .map(|key| {
            let Value::String(text) = key else {
                return Err(format!("a key of order must be a text, not {}", kind(key)));
            };
            let (descending, name) = match text.strip_prefix('-') {
                Some(name) => (true, name),
                None => (false, text.as_str()),
            };
            let column = name
                .parse()
                .map_err(|problem| format!("order: {problem}"))?;
            Ok(Order { column, descending })
        })
        .collect()
}

fn limit(value: &Value) -> Result<Option<u32>, String> {
    match value {
        Value::Null => Ok(None),
        value => value
            .as_f64()
            .filter(|limit| *limit >= 1.0 && limit.fract() == 0.0)
            .map(|limit| {
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    reason = "a whole number from 1; the cast saturates"
                )]
                let limit = limit as u32;
                Some(limit)
            })
            .ok_or_else(|| "limit must be a whole number from 1".to_owned()),
    }
}

fn at_most(what: &str, count: usize, most: usize) -> Result<(), String> {
    if count > most {
        return Err(format!("{count} {what} are too many: at most {most}"));
    }
    Ok(())
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;

    fn check(request: Value) -> Result<Find, String> {
        serde_json::from_value::<Request>(request).unwrap().check()
    }

    #[test]
    fn every_operator_has_its_test() {
        let find = check(json!({"table": "ticket", "count": false, "columns": ["id", "title"], "order": ["queue_id", "-id"], "limit": 5,
            "where": {"a": 1, "b": null, "c": [1, "x"], "d": {"gte": 1, "lt": 5}, "e": {"eq": "x"}, "f": {"ne": null}, "g": {"ne": 1},
                "h": {"gt": 1}, "i": {"lte": 1}, "j": {"like": "a%"}, "k": {"in": []}, "l": {"not_in": [true]}, "m": {"is_null": false}, "n": {"eq": null}}}))
        .unwrap();
        let tests: Vec<(&str, &Test)> = find
            .selection
            .conditions
            .iter()
            .map(|condition| (condition.column.as_str(), &condition.test))
            .collect();
        assert_eq!(
            tests,
            [
                ("a", &Test::Eq(json!(1))),
                ("b", &Test::IsNull(true)),
                ("c", &Test::In(vec![json!(1), json!("x")])),
                ("d", &Test::Gte(json!(1))),
                ("d", &Test::Lt(json!(5))),
                ("e", &Test::Eq(json!("x"))),
                ("f", &Test::IsNull(false)),
                ("g", &Test::Ne(json!(1))),
                ("h", &Test::Gt(json!(1))),
                ("i", &Test::Lte(json!(1))),
                ("j", &Test::Like("a%".to_owned())),
                ("k", &Test::In(vec![])),
                ("l", &Test::NotIn(vec![json!(true)])),
                ("m", &Test::IsNull(false)),
                ("n", &Test::IsNull(true)),
            ]
        );
        let order: Vec<(&str, bool)> = find
            .selection
            .order
            .iter()
            .map(|order| (order.column.as_str(), order.descending))
            .collect();
        assert_eq!(order, [("queue_id", false), ("id", true)]);
        assert_eq!((find.selection.limit, find.want), (Some(5), Want::Rows));
        assert_eq!(find.columns.len(), 2);
    }

    #[test]
    fn what_is_wrong_is_said_in_the_words_of_the_author() {
        let with = |key: &str, value: Value| {
            let mut request = json!({"table": "ticket", "count": false});
            request
                .as_object_mut()
                .unwrap()
                .insert(key.to_owned(), value);
            check(request).unwrap_err()
        };
        for (key, value, message) in [
            ("table", json!(null), "the table must be a text, not null"),
            (
                "table",
                json!("a; DROP"),
                "the table: \"a; DROP\" is not an identifier",
            ),
            ("columns", json!("id"), "columns must be a list, not a text"),
            ("columns", json!([]), "columns: name at least one"),
            (
                "columns",
                json!([1]),
                "a column must be a text, not a number",
            ),
            (
                "columns",
                json!(["count(*)"]),
                "a column: \"count(*)\" is not an identifier",
            ),
            ("where", json!("id = 1"), "where must be an object like"),
            ("where", json!([]), "where must be an object like"),
            (
                "where",
                json!({"1=1 --": 1}),
                "where: \"1=1 --\" is not an identifier",
            ),
            (
                "where",
                json!({"a": {}}),
                "where.a: an empty object asks for nothing",
            ),
            (
                "where",
                json!({"a": {"regex": 1}}),
                "where.a: there is no operator \"regex\"",
            ),
            (
                "where",
                json!({"a": {"like": 1}}),
                "where.a.like must be a text, not a number",
            ),
            (
                "where",
                json!({"a": {"in": 1}}),
                "where.a.in must be a list, not a number",
            ),
            (
                "where",
                json!({"a": {"is_null": 1}}),
                "where.a.is_null must be true or false",
            ),
            (
                "where",
                json!({"a": {"gt": null}}),
                "where.a.gt must be a text, a number or a boolean, not null",
            ),
            (
                "where",
                json!({"a": [null]}),
                "a value for a must be a text, a number or a boolean, not null",
            ),
            (
                "where",
                json!({"a": vec![1; MAX_LIST + 1]}),
                "1001 values for a are too many: at most 1000",
            ),
            ("order", json!({"a": 1}), "order must be a list like"),
            ("order", json!([1]), "a key of order must be a text"),
            (
                "order",
                json!(["--a"]),
                "order: \"-a\" is not an identifier",
            ),
            (
                "order",
                json!(vec!["a"; 9]),
                "9 keys of order are too many: at most 8",
            ),
            ("limit", json!(0), "limit must be a whole number from 1"),
            ("limit", json!(1.5), "limit must be a whole number from 1"),
            ("limit", json!("1"), "limit must be a whole number from 1"),
        ] {
            let found = with(key, value.clone());
            assert!(found.starts_with(message), "{key} {value}: {found}");
        }
        let many: Map<String, Value> = (0..=MAX_CONDITIONS)
            .map(|number| (format!("c{number}"), json!(1)))
            .collect();
        assert_eq!(
            with("where", Value::Object(many)),
            "33 conditions are too many: at most 32"
        );
    }
}
