//! Reading a table by conditions, without SQL: `db.find`, `db.get`, `db.count`, and `records(module).find`.

mod matching;
mod read;

use domain::identifier::SqlIdent;
use serde_json::{Map, Value, json};

pub(crate) use self::read::{Request, selection};

/// Most conditions of one call.
pub const MAX_CONDITIONS: usize = 32;
/// Most values of one `in`.
pub const MAX_LIST: usize = 1_000;
/// Most columns that one call names.
pub const MAX_COLUMNS: usize = 100;
/// Most keys of one order.
pub const MAX_ORDER: usize = 8;

/// What a lambda wants from one table. Names are well-formed identifiers and nothing more: whether they exist and may be read, the host
/// decides. Values are scalars (booleans, numbers, texts), never null, never nested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Find {
    /// The table.
    pub table: SqlIdent,
    /// Columns of the answer; all that may be read when empty. Nothing for [`Want::Count`].
    pub columns: Vec<SqlIdent>,
    /// Which rows, in which order, how many.
    pub selection: Selection,
    /// Rows or their number.
    pub want: Want,
}

/// What the answer of a [`Find`] is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Want {
    /// The rows.
    Rows,
    /// One row with one integer: how many rows there are.
    Count,
}

/// Which rows, in which order, how many.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// All of them must hold.
    pub conditions: Vec<Condition>,
    /// First by the first.
    pub order: Vec<Order>,
    /// No more than this, silently; at least 1. The budget holds beside it, and is an error.
    pub limit: Option<u32>,
}

impl Selection {
    /// `{where, order, limit}` as an author could have written it.
    pub(crate) fn to_json(&self) -> Value {
        let mut conditions = Map::new();
        for condition in &self.conditions {
            let (operator, value) = condition.test.to_json();
            let tests = conditions
                .entry(condition.column.as_str())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(tests) = tests {
                tests.insert(operator.to_owned(), value);
            }
        }
        let order: Vec<String> = self
            .order
            .iter()
            .map(|key| {
                let sign = if key.descending { "-" } else { "" };
                format!("{sign}{}", key.column.as_str())
            })
            .collect();
        json!({ "where": conditions, "order": order, "limit": self.limit })
    }
}

impl Test {
    fn to_json(&self) -> (&'static str, Value) {
        match self {
            Self::Eq(value) => ("eq", value.clone()),
            Self::Ne(value) => ("ne", value.clone()),
            Self::Gt(value) => ("gt", value.clone()),
            Self::Gte(value) => ("gte", value.clone()),
            Self::Lt(value) => ("lt", value.clone()),
            Self::Lte(value) => ("lte", value.clone()),
            Self::Like(pattern) => ("like", json!(pattern)),
            Self::In(values) => ("in", json!(values)),
            Self::NotIn(values) => ("not_in", json!(values)),
            Self::IsNull(is_null) => ("is_null", json!(is_null)),
        }
    }
}

/// One condition on one column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// The column, or the field of a module's record.
    pub column: SqlIdent,
    /// What must hold for it.
    pub test: Test,
}

/// What a condition asks. As in SQL, nothing but [`Test::IsNull`] holds for a null.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Equal.
    Eq(Value),
    /// Not equal.
    Ne(Value),
    /// Greater.
    Gt(Value),
    /// Greater or equal.
    Gte(Value),
    /// Less.
    Lt(Value),
    /// Less or equal.
    Lte(Value),
    /// SQL's LIKE: `%` any text, `_` one character, `\` takes the next as it is.
    Like(String),
    /// One of these; of an empty list, none.
    In(Vec<Value>),
    /// None of these; of an empty list, any that is not null.
    NotIn(Vec<Value>),
    /// Null, or (when false) not null.
    IsNull(bool),
}

/// One key of an order. Nulls come last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The column.
    pub column: SqlIdent,
    /// Whether the largest comes first.
    pub descending: bool,
}
