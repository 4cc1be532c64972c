//! What lambdas reach of the tenant's database: reading, through the lambda role.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use domain::identifier::SqlIdent;
use futures_util::TryStreamExt as _;
use module_engine::effect::Effect;
use module_engine::find::{Condition, Find, Test, Want};
use module_engine::host::{Budget, Host, HostError, LogLevel, Query, Rows, Tenant, User};
use serde_json::Value;
use sql_gate::MissingParameter;
use sqlx::postgres::{PgTypeInfo, PgTypeKind, Postgres};
use sqlx::{
    Column as _, Either, Executor as _, PgPool, Row as _, Statement as _, Transaction,
    TypeInfo as _,
};
use tokio::runtime::Handle;

use crate::app::App;
use crate::data::readable::ReadableTables;
use crate::data::sql;
use crate::http::extract::Agent;

/// What an invocation sees: one transaction that only reads, opened by the first query and rolled back at the end.
pub struct PgHost {
    pool: PgPool,
    runtime: Handle,
    readable: Arc<ReadableTables>,
    transaction: Mutex<Option<Transaction<'static, Postgres>>>,
    module: String,
    user: Option<User>,
    tenant: Tenant,
    now: DateTime<Utc>,
    entropy: [u8; 32],
}

impl PgHost {
    /// For one invocation of a lambda of `module` on behalf of `agent`. Call it inside of the runtime.
    pub fn new(app: &App, module: &str, agent: &Agent) -> Self {
        let account = &agent.account;
        Self {
            pool: app.lambda_database.clone(),
            runtime: Handle::current(),
            readable: Arc::clone(&app.modules.current().readable),
            transaction: Mutex::new(None),
            module: module.to_owned(),
            user: Some(User {
                id: i64::from(account.id),
                login: account.login.clone(),
                name: account.name.clone(),
                groups: account.permissions.groups().map(str::to_owned).collect(),
            }),
            tenant: Tenant {
                slug: app.tenant.slug.to_string(),
                name: app.tenant.name.clone(),
            },
            now: app.clock.now(),
            entropy: rand::random(),
        }
    }

    /// A lambda has one thread; a poisoned lock only means that an earlier query panicked.
    fn held(&self) -> MutexGuard<'_, Option<Transaction<'static, Postgres>>> {
        self.transaction
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The transaction of this invocation, opened by its first query.
    ///
    /// Waiting for a connection that others hold is given up with time left to say so: it is not the module's fault, and must
    /// not count as its limit of time.
    async fn transaction(
        &self,
        budget: Budget,
    ) -> Result<Transaction<'static, Postgres>, HostError> {
        let held = self.held().take();
        if let Some(transaction) = held {
            return Ok(transaction);
        }
        let patience = time_left(budget) / 2;
        match tokio::time::timeout(patience, self.pool.begin_with("BEGIN READ ONLY")).await {
            Ok(begun) => begun.map_err(|error| failed(&error)),
            Err(_elapsed) => Err(unavailable()),
        }
    }

    async fn run(&self, query: &Query<'_>, budget: Budget) -> Result<Rows, HostError> {
        let mut transaction = self.transaction(budget).await?;
        let gate = self.readable.check(&mut transaction, |readable| {
            sql_gate::check_query(query.sql, readable)
        });
        let checked = match gate.await.map_err(|error| failed(&error))? {
            Ok(checked) => checked,
            Err(refusal) => {
                *self.held() = Some(transaction);
                return Err(HostError::Refused(refusal.to_string()));
            }
        };
        // After an error the transaction is of no use; dropping it rolls back.
        let with_casts = |types: &[String]| checked.with_casts(types);
        let rows = read(
            &mut transaction,
            checked.text(),
            with_casts,
            query.args,
            budget,
        )
        .await?;
        *self.held() = Some(transaction);
        Ok(rows)
    }

    async fn run_find(&self, find: &Find, budget: Budget) -> Result<Rows, HostError> {
        let all = find.want == Want::Rows && find.columns.is_empty();
        let columns = if all {
            self.readable_columns(&find.table, budget).await?
        } else {
            find.columns.clone()
        };
        let (sql, args) = select_of(find, &columns);
        let query = Query {
            sql: &sql,
            args: &args,
        };
        let answer = self.run(&query, budget).await;
        if all && matches!(answer, Err(HostError::Refused(_))) {
            // We chose the columns: perhaps the table is not any more what it was.
            self.readable.forget();
        }
        answer
    }

    /// What `db.find` gives when no columns are named. Not `*`: that is refused on a table with a single column that is secret.
    async fn readable_columns(
        &self,
        table: &SqlIdent,
        budget: Budget,
    ) -> Result<Vec<SqlIdent>, HostError> {
        let mut transaction = self.transaction(budget).await?;
        let columns = self.readable.columns(table, &mut transaction).await;
        let columns = columns.map_err(|error| failed(&error))?;
        *self.held() = Some(transaction);
        let columns: Vec<SqlIdent> = columns
            .iter()
            .filter_map(|column| column.parse().ok())
            .collect();
        if columns.is_empty() {
            return Err(HostError::Refused(format!(
                "there is no table {table} that a lambda may read"
            )));
        }
        Ok(columns)
    }

    /// Waits for an answer, at most as long as the invocation has left.
    fn wait<T>(
        &self,
        budget: Budget,
        answer: impl Future<Output = Result<T, HostError>>,
    ) -> Result<T, HostError> {
        let left = time_left(budget).max(Duration::from_millis(1));
        self.runtime.block_on(async {
            tokio::time::timeout(left, answer)
                .await
                .unwrap_or(Err(HostError::Deadline))
        })
    }
}

fn time_left(budget: Budget) -> Duration {
    budget.deadline.saturating_duration_since(Instant::now())
}

/// Asks one statement, which the gate has let through, within what `budget` allows of time, rows and bytes. `with_casts` gives
/// its text with parameters of these types.
pub async fn read(
    transaction: &mut Transaction<'static, Postgres>,
    text: &str,
    with_casts: impl FnOnce(&[String]) -> Result<String, MissingParameter>,
    args: &[Value],
    budget: Budget,
) -> Result<Rows, HostError> {
    let milliseconds = u64::try_from(time_left(budget).as_millis())
        .unwrap_or(u64::MAX)
        .clamp(1, 60_000);
    sql::statement_timeout(milliseconds)
        .query()
        .execute(&mut **transaction)
        .await
        .map_err(|error| failed(&error))?;
    let described = sql::Statement::new(text);
    let statement = (&mut **transaction)
        .prepare(sqlx::SqlSafeStr::into_sql_str(described.sql()))
        .await
        .map_err(|error| failed(&error))?;
    let types: Vec<String> = match statement.parameters() {
        Some(Either::Left(types)) => types.iter().map(type_name).collect(),
        _ => Vec::new(),
    };
    if types.len() != args.len() {
        return Err(HostError::Refused(format!(
            "the query has {} parameters and was given {} values",
            types.len(),
            args.len()
        )));
    }
    let columns: Vec<String> = statement
        .columns()
        .iter()
        .map(|column| column.name().to_owned())
        .collect();
    drop(statement);
    let cast = with_casts(&types).map_err(|error| HostError::Refused(error.to_string()))?;
    let values = args
        .iter()
        .zip(&types)
        .map(|(value, kind)| parameter(value, kind))
        .collect::<Result<_, _>>()
        .map_err(HostError::Refused)?;
    // One more than allowed tells that there are too many.
    let wrapped = sql::author_rows(&cast, values, i64::from(budget.max_rows) + 1);
    let mut answer = Rows {
        columns,
        rows: Vec::new(),
    };
    let mut bytes: u64 = 0;
    let mut stream = wrapped.query().fetch(&mut **transaction);
    while let Some(row) = stream.try_next().await.map_err(|error| failed(&error))? {
        let text: &str = row.try_get(0).map_err(|error| failed(&error))?;
        bytes = bytes.saturating_add(u64::try_from(text.len()).unwrap_or(u64::MAX));
        if bytes > budget.max_bytes {
            return Err(HostError::TooManyBytes);
        }
        if answer.rows.len() >= usize::try_from(budget.max_rows).unwrap_or(usize::MAX) {
            return Err(HostError::TooManyRows);
        }
        let Ok(Value::Object(mut row)) = serde_json::from_str(text) else {
            return Err(unavailable());
        };
        answer.rows.push(
            answer
                .columns
                .iter()
                .map(|column| row.remove(column).unwrap_or_default())
                .collect(),
        );
    }
    Ok(answer)
}

/// The name of a type in the catalogue; of an array, that of its elements with [`sql_gate::ARRAY`] behind it.
fn type_name(kind: &PgTypeInfo) -> String {
    if let PgTypeKind::Array(element) = kind.kind() {
        return type_name(element) + sql_gate::ARRAY;
    }
    match kind.name() {
        // What sqlx calls CHAR is blank-padded; the type "char" is another.
        "CHAR" => "bpchar".to_owned(),
        "\"CHAR\"" => "char".to_owned(),
        // Types of its own are written in capitals; those that somebody made are as they were made.
        name if name.contains(char::is_lowercase) => name.to_owned(),
        name => name.to_lowercase(),
    }
}

/// The text that is cast to a parameter's type.
fn parameter(value: &Value, kind: &str) -> Result<Option<String>, String> {
    let wants_list = kind.ends_with(sql_gate::ARRAY);
    match value {
        Value::Null => Ok(None),
        Value::Array(items) if wants_list => array_literal(items).map(Some),
        Value::Array(_) if !matches!(kind, "json" | "jsonb") => Err(format!(
            "a list cannot be a value of the type {kind}; compare with = ANY ($1) to find one of several"
        )),
        Value::String(text) => Ok(Some(text.clone())),
        other => Ok(Some(other.to_string())),
    }
}

/// A list as PostgreSQL reads arrays from text: `{1,NULL,"a \"b\""}`.
fn array_literal(items: &[Value]) -> Result<String, String> {
    let element = |item: &Value| match item {
        Value::Null => Ok("NULL".to_owned()),
        Value::Bool(_) | Value::Number(_) => Ok(item.to_string()),
        // In quotes everything is itself but these two; so a text NULL is no null.
        Value::String(text) => Ok(quoted_element(text)),
        Value::Object(_) => Ok(quoted_element(&item.to_string())),
        Value::Array(_) => Err("a list within a list cannot be a parameter".to_owned()),
    };
    let elements = items.iter().map(element).collect::<Result<Vec<_>, _>>()?;
    Ok(format!("{{{}}}", elements.join(",")))
}

fn quoted_element(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', r#"\""#))
}

/// What the author may read: the server's own words about the query, nothing about where the server is.
fn failed(error: &sqlx::Error) -> HostError {
    match error {
        sqlx::Error::Database(error) if error.code().as_deref() == Some("57014") => {
            HostError::Deadline
        }
        sqlx::Error::Database(error) => HostError::Refused(error.message().to_owned()),
        other => {
            tracing::error!(error = %service_kit::Chain(other), "a query of a lambda failed");
            unavailable()
        }
    }
}

fn unavailable() -> HostError {
    HostError::Failed("the database does not answer".to_owned())
}

/// The SELECT that a `db.find` or `db.count` stands for, with its parameters. It goes the way of an author's own SQL, through
/// the same walls: being typed gives it no more rights.
fn select_of(find: &Find, columns: &[SqlIdent]) -> (String, Vec<Value>) {
    let mut args = Vec::new();
    let columns = match find.want {
        Want::Count => "count(*) AS count".to_owned(),
        Want::Rows => list(columns.iter().map(ToString::to_string)),
    };
    let selection = &find.selection;
    let conditions: Vec<String> = selection
        .conditions
        .iter()
        .map(|condition| condition_of(condition, &mut args))
        .collect();
    let mut sql = format!("SELECT {columns} FROM {}", find.table);
    if !conditions.is_empty() {
        sql.push_str(&format!(" WHERE {}", conditions.join(" AND ")));
    }
    if find.want == Want::Rows {
        let keys = selection.order.iter().map(|order| {
            let direction = if order.descending { "DESC" } else { "ASC" };
            format!("{} {direction} NULLS LAST", order.column)
        });
        if !selection.order.is_empty() {
            sql.push_str(&format!(" ORDER BY {}", list(keys)));
        }
        if let Some(limit) = selection.limit {
            sql.push_str(&format!(" LIMIT {limit}"));
        }
    }
    (sql, args)
}

fn condition_of(condition: &Condition, args: &mut Vec<Value>) -> String {
    let column = &condition.column;
    let mut bound = |value: &Value| {
        args.push(value.clone());
        format!("${}", args.len())
    };
    let mut compared =
        |operator: &str, value: &Value| format!("{column} {operator} {}", bound(value));
    match &condition.test {
        Test::Eq(value) => compared("=", value),
        Test::Ne(value) => compared("<>", value),
        Test::Gt(value) => compared(">", value),
        Test::Gte(value) => compared(">=", value),
        Test::Lt(value) => compared("<", value),
        Test::Lte(value) => compared("<=", value),
        Test::Like(pattern) => compared("LIKE", &Value::from(pattern.as_str())),
        Test::In(values) if values.is_empty() => "false".to_owned(),
        Test::NotIn(values) if values.is_empty() => format!("{column} IS NOT NULL"),
        Test::In(values) => format!("{column} IN ({})", list(values.iter().map(bound))),
        Test::NotIn(values) => format!("{column} NOT IN ({})", list(values.iter().map(bound))),
        Test::IsNull(true) => format!("{column} IS NULL"),
        Test::IsNull(false) => format!("{column} IS NOT NULL"),
    }
}

fn list(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(", ")
}

impl Host for PgHost {
    fn query(&self, query: &Query<'_>, budget: Budget) -> Result<Rows, HostError> {
        self.wait(budget, self.run(query, budget))
    }

    fn find(&self, find: &Find, budget: Budget) -> Result<Rows, HostError> {
        self.wait(budget, self.run_find(find, budget))
    }

    fn effect(&self, effect: &Effect, _: Budget) -> Result<Value, HostError> {
        // The runtime runs computed fields and hooks only, to which the engine itself refuses this.
        Err(HostError::Refused(format!(
            "{}: this server runs no events, actions or schedules",
            effect.name()
        )))
    }

    fn log(&self, level: LogLevel, message: &str) {
        // What tenants log is theirs; only how much and from where is ours.
        tracing::debug!(module.name = %self.module, lambda.level = ?level, bytes = message.len(), "a lambda logged");
    }

    fn translate(&self, _key: &str) -> Option<String> {
        // Pages are in English; module texts carry their fallbacks.
        None
    }

    fn now(&self) -> DateTime<Utc> {
        self.now
    }

    fn user(&self) -> Option<User> {
        self.user.clone()
    }

    fn tenant(&self) -> Tenant {
        self.tenant.clone()
    }

    fn entropy(&self) -> [u8; 32] {
        self.entropy
    }
}

#[cfg(test)]
mod tests {
    use module_engine::find::{Order, Selection};
    use serde_json::json;
    use sql_gate::Readable;

    use super::*;

    #[test]
    fn a_find_is_one_select_that_passes_the_gate() {
        let condition = |column: &str, test| Condition {
            column: column.parse().unwrap(),
            test,
        };
        let mut find = Find {
            table: "queue".parse().unwrap(),
            columns: vec!["id".parse().unwrap(), "name".parse().unwrap()],
            selection: Selection {
                conditions: vec![
                    condition("valid_id", Test::Eq(json!(1))),
                    condition("name", Test::Like("R%".to_owned())),
                    condition("id", Test::In(vec![json!(1), json!(2)])),
                    condition("id", Test::NotIn(Vec::new())),
                    condition("comments", Test::IsNull(true)),
                    condition("id", Test::In(Vec::new())),
                    condition("id", Test::Gte(json!(3))),
                ],
                order: vec![Order {
                    column: "name".parse().unwrap(),
                    descending: true,
                }],
                limit: Some(5),
            },
            want: Want::Rows,
        };
        let (sql, args) = select_of(&find, &find.columns);
        assert_eq!(
            sql,
            "SELECT \"id\", \"name\" FROM \"queue\" WHERE \"valid_id\" = $1 AND \"name\" LIKE $2 AND \"id\" IN ($3, $4) AND \"id\" IS \
             NOT NULL AND \"comments\" IS NULL AND false AND \"id\" >= $5 ORDER BY \"name\" DESC NULLS LAST LIMIT 5"
        );
        assert_eq!(args, [json!(1), json!("R%"), json!(1), json!(2), json!(3)]);
        let queues =
            Readable::of_schema("t").with("queue", &["id", "name", "valid_id", "comments"]);
        sql_gate::check_query(&sql, &queues).unwrap();
        find.want = Want::Count;
        let (sql, _) = select_of(&find, &find.columns);
        assert!(sql.starts_with("SELECT count(*) AS count FROM \"queue\" WHERE"));
        sql_gate::check_query(&sql, &queues).unwrap();
    }

    #[test]
    fn lists_are_arrays_where_the_query_wants_one() {
        let list = json!([1, 2.5, null, true, "a", "NULL", "q\"\\{},"]);
        assert_eq!(
            parameter(&list, "text[]").unwrap().unwrap(),
            r#"{1,2.5,NULL,true,"a","NULL","q\"\\{},"}"#
        );
        assert_eq!(parameter(&json!([]), "int4[]").unwrap().unwrap(), "{}");
        assert_eq!(parameter(&json!([1]), "jsonb").unwrap().unwrap(), "[1]");
        assert!(
            parameter(&json!([1]), "int4")
                .unwrap_err()
                .contains("= ANY ($1)")
        );
        assert!(parameter(&json!([[1]]), "int4[]").is_err());
        assert_eq!(parameter(&json!(null), "int4[]").unwrap(), None);
    }
}
