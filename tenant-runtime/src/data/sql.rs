//! The only place where SQL text is made of names that a module gave. Pure: a request in, text and bound values out.
//!
//! Names come as [`SqlIdent`] (or from our own catalogue reading) and print quoted; values are bound, always as text, and cast to the
//! column's type by the server. So one kind of bound value is enough for every type, and a wrong value is the server's error, not ours.

use domain::identifier::SqlIdent;
use module_spec::{Lookup, SortOrder};
use sqlx::postgres::{PgArguments, Postgres};
use sqlx::query::Query;

use crate::data::TableModel;

/// A value for a placeholder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Bind {
    /// One value; `None` is NULL.
    One(Option<String>),
    /// A list, for `= ANY`.
    Many(Vec<String>),
}

/// Text and values of one statement.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statement {
    /// With `$1` placeholders.
    pub text: String,
    /// Their values in order.
    pub binds: Vec<Bind>,
}

impl Statement {
    /// A statement without values so far.
    pub fn new(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            binds: Vec::new(),
        }
    }

    /// Ready to be executed.
    pub fn query(&self) -> Query<'_, Postgres, PgArguments> {
        let mut query = sqlx::query(sqlx::AssertSqlSafe(self.text.clone()));
        for bind in &self.binds {
            query = match bind {
                Bind::One(value) => query.bind(value.clone()),
                Bind::Many(values) => query.bind(values.clone()),
            };
        }
        query
    }

    /// The text alone, to ask the server which types its parameters have.
    #[expect(
        clippy::disallowed_types,
        reason = "the one place; see the head of this file"
    )]
    pub fn sql(&self) -> sqlx::AssertSqlSafe<String> {
        sqlx::AssertSqlSafe(self.text.clone())
    }

    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Binds a value and gives its placeholder.
    fn bind(&mut self, bind: Bind) -> String {
        self.binds.push(bind);
        format!("${}", self.binds.len())
    }

    fn bind_text(&mut self, value: impl Into<String>) -> String {
        self.bind(Bind::One(Some(value.into())))
    }
}

/// A column of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Which column of the table.
    pub column: SqlIdent,
    /// Key in the answer.
    pub name: String,
}

/// What a list is narrowed by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// The column is this value (as text).
    Is(SqlIdent, String),
    /// The key is this value, in the type of its column: found by the primary key. See [`TableModel::is_possible_key`].
    Key(SqlIdent, String),
    /// The column is one of these.
    OneOf(SqlIdent, Vec<String>),
    /// The column contains this text.
    Contains(SqlIdent, String),
    /// Any of the columns contains this text.
    Search(Vec<SqlIdent>, String),
    /// Not before this day.
    From(SqlIdent, String),
    /// Not after this day.
    Until(SqlIdent, String),
    /// The column is not this value (as text).
    IsNot(SqlIdent, String),
}

/// Rows as JSON texts: one column `row`. With `_key` in each, the value that tells records apart.
pub fn select(
    table: &TableModel,
    key: &SqlIdent,
    outputs: &[Output],
    conditions: &[Condition],
    order: Option<(&SqlIdent, SortOrder)>,
    window: Option<(i64, i64)>,
) -> Statement {
    let mut statement = Statement::new("SELECT row_to_json(r)::text AS row FROM (SELECT ");
    statement.push(&format!("t.{key}::text AS \"_key\""));
    for Output { column, name } in outputs {
        // A numeric as JSON number would lose its last zeros, and digits beyond what a float holds.
        let cast = match table
            .columns
            .get(column.as_str())
            .map(|column| column.type_name.as_str())
        {
            Some("numeric" | "bytea") => "::text",
            _ => "",
        };
        statement.push(&format!(", t.{column}{cast} AS {}", quoted(name)));
    }
    statement.push(&format!(" FROM {} t", table.name));
    narrow(&mut statement, table, conditions);
    statement.push(" ORDER BY ");
    if let Some((column, order)) = order.filter(|(column, _)| *column != key) {
        statement.push(&format!("t.{column}{}, t.{key}", direction(order)));
    } else {
        let order = order.map_or(SortOrder::Asc, |(_, order)| order);
        statement.push(&format!("t.{key}{}", direction(order)));
    }
    if let Some((limit, offset)) = window {
        // Numbers of our own, not text of anybody.
        statement.push(&format!(" LIMIT {limit} OFFSET {offset}"));
    }
    statement.push(") r");
    statement
}

fn direction(order: SortOrder) -> &'static str {
    match order {
        SortOrder::Asc => "",
        SortOrder::Desc => " DESC NULLS LAST",
    }
}

/// How many rows there are.
pub fn count(table: &TableModel, conditions: &[Condition]) -> Statement {
    let mut statement = Statement::new(format!("SELECT count(*) AS total FROM {} t", table.name));
    narrow(&mut statement, table, conditions);
    statement
}

fn narrow(statement: &mut Statement, table: &TableModel, conditions: &[Condition]) {
    for (at, condition) in conditions.iter().enumerate() {
        statement.push(if at == 0 { " WHERE " } else { " AND " });
        let text = match condition {
            Condition::Is(column, value) => {
                let value = statement.bind_text(value);
                format!("t.{column}::text = {value}")
            }
            Condition::Key(column, value) => {
                let value = typed(statement, table, column, Some(value.clone()));
                format!("t.{column} = {value}")
            }
            Condition::IsNot(column, value) => {
                let value = statement.bind_text(value);
                format!("t.{column}::text <> {value}")
            }
            Condition::OneOf(column, values) => {
                let values = statement.bind(Bind::Many(values.clone()));
                format!("t.{column}::text = ANY ({values})")
            }
            Condition::Contains(column, part) => {
                let part = statement.bind_text(pattern(part));
                format!("t.{column}::text ILIKE {part}")
            }
            Condition::Search(columns, part) => {
                let part = statement.bind_text(pattern(part));
                let any: Vec<String> = columns
                    .iter()
                    .map(|column| format!("t.{column}::text ILIKE {part}"))
                    .collect();
                format!("({})", any.join(" OR "))
            }
            Condition::From(column, day) => {
                let day = statement.bind_text(day);
                format!("t.{column} >= {day}::date")
            }
            Condition::Until(column, day) => {
                let day = statement.bind_text(day);
                format!("t.{column} < {day}::date + 1")
            }
        };
        statement.push(&text);
    }
}

/// `%part%`, with what LIKE would read as its own signs made literal.
fn pattern(part: &str) -> String {
    let escaped = part
        .replace('\\', r"\\")
        .replace('%', r"\%")
        .replace('_', r"\_");
    format!("%{escaped}%")
}

/// A value for a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Which column.
    pub column: SqlIdent,
    /// As text; `None` is NULL.
    pub value: Option<String>,
}

/// Adds a row and answers its key as `key`.
pub fn insert(table: &TableModel, key: &SqlIdent, assignments: &[Assignment]) -> Statement {
    let columns: Vec<String> = assignments.iter().map(|it| it.column.to_string()).collect();
    let mut statement = Statement::new(format!("INSERT INTO {} ", table.name));
    if assignments.is_empty() {
        statement.push("DEFAULT VALUES");
    } else {
        let values: Vec<String> = assignments
            .iter()
            .map(|it| typed(&mut statement, table, &it.column, it.value.clone()))
            .collect();
        statement.push(&format!(
            "({}) VALUES ({})",
            columns.join(", "),
            values.join(", ")
        ));
    }
    statement.push(&format!(" RETURNING {key}::text AS key"));
    statement
}

/// Changes one row; answers its (new) key as `key`.
pub fn update(
    table: &TableModel,
    key: &SqlIdent,
    id: &str,
    assignments: &[Assignment],
) -> Statement {
    let mut statement = Statement::new(format!("UPDATE {} SET ", table.name));
    let sets: Vec<String> = assignments
        .iter()
        .map(|it| {
            format!(
                "{} = {}",
                it.column,
                typed(&mut statement, table, &it.column, it.value.clone())
            )
        })
        .collect();
    statement.push(&sets.join(", "));
    let id = typed(&mut statement, table, key, Some(id.to_owned()));
    statement.push(&format!(" WHERE {key} = {id} RETURNING {key}::text AS key"));
    statement
}

/// Removes one row.
pub fn delete(table: &TableModel, key: &SqlIdent, id: &str) -> Statement {
    let mut statement = Statement::new(format!("DELETE FROM {}", table.name));
    let id = typed(&mut statement, table, key, Some(id.to_owned()));
    statement.push(&format!(" WHERE {key} = {id}"));
    statement
}

/// `$1::"int4"`: text becomes what the column holds.
fn typed(
    statement: &mut Statement,
    table: &TableModel,
    column: &SqlIdent,
    value: Option<String>,
) -> String {
    let value = statement.bind(Bind::One(value));
    match table.columns.get(column.as_str()) {
        Some(column) => format!("{value}::{}", quoted(&column.type_name)),
        None => value,
    }
}

/// Texts of looked-up values: columns `key` and `display`.
pub fn lookup_texts(lookup: &Lookup, keys: Vec<String>) -> Statement {
    let mut statement = Statement::default();
    let keys = statement.bind(Bind::Many(keys));
    statement.push(&format!(
        "SELECT {key}::text AS key, {display}::text AS display FROM {table} WHERE {key}::text = ANY ({keys})",
        key = lookup.key(),
        display = lookup.display(),
        table = lookup.table(),
    ));
    statement
}

/// Values to choose from: columns `key` and `display`. `condition` is the author's, checked and printed anew.
pub fn lookup_choices(lookup: &Lookup, condition: Option<&str>, most: usize) -> Statement {
    let narrowed = condition.map_or_else(String::new, |condition| format!(" WHERE ({condition})"));
    Statement::new(format!(
        "SELECT {key}::text AS key, {display}::text AS display FROM {table}{narrowed} ORDER BY {display} LIMIT {most}",
        key = lookup.key(),
        display = lookup.display(),
        table = lookup.table(),
    ))
}

/// Values of a column that occur: columns `key` and `display`.
pub fn distinct(table: &SqlIdent, column: &SqlIdent, most: usize) -> Statement {
    Statement::new(format!(
        "SELECT DISTINCT {column}::text AS key, {column}::text AS display FROM {table} WHERE {column} IS NOT NULL ORDER BY 1 LIMIT {most}"
    ))
}

/// Rows of an author's query (checked and printed anew) as JSON texts, at most `most`: column `row`.
pub fn author_rows(query: &str, values: Vec<Option<String>>, most: i64) -> Statement {
    Statement {
        text: format!("SELECT row_to_json(q)::text AS row FROM ({query}) q LIMIT {most}"),
        binds: values.into_iter().map(Bind::One).collect(),
    }
}

/// Tables and views of the schema that the lambda role may read, columns in their order: `schema`, `name`, `columns`, `has_hidden`.
/// Where there is no such role (a schema outside of the platform), what the role of the connection may read.
pub fn readable() -> Statement {
    Statement::new(
        "SELECT current_schema()::text AS schema, c.relname::text AS name,
                array_agg(a.attname::text ORDER BY a.attnum) FILTER (WHERE p.granted) AS columns,
                bool_or(NOT p.granted) AS has_hidden
         FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         CROSS JOIN (SELECT oid FROM pg_roles WHERE rolname IN (current_schema() || '_lambda', current_user)
                     ORDER BY rolname = current_schema() || '_lambda' DESC LIMIT 1) r
         CROSS JOIN LATERAL (SELECT has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT') AS granted) p
         WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'p', 'm')
         GROUP BY c.relname HAVING bool_or(p.granted)",
    )
}

/// For the rest of the transaction.
pub fn statement_timeout(milliseconds: u64) -> Statement {
    Statement::new(format!("SET LOCAL statement_timeout = {milliseconds}"))
}

/// A name that is not from a module but from the catalogue or our own code.
fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests;
