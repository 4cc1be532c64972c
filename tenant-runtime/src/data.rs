//! The tenant's data as modules see it: the schema as it really is, and what a module needs of it.

pub mod choices;
pub mod computed;
pub mod fault;
pub mod host;
pub mod list;
pub mod readable;
pub mod save;
pub mod sql;
pub mod value;

use std::collections::BTreeMap;

use domain::diagnostic::{Diagnostic, Severity};
use domain::identifier::SqlIdent;
use module_spec::{Field, Filter, FilterSource, ModuleSpec};
use sql_gate::Readable;
use sqlx::{PgConnection, PgPool};

/// One column as the catalogue describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// `int4`, `varchar`, `timestamptz`, ...
    pub type_name: String,
    /// Longest text in characters, where the type has one.
    pub max_length: Option<i32>,
    /// Whether it may be null.
    pub nullable: bool,
    /// Whether the database fills it when nothing is given.
    pub has_default: bool,
}

/// A table as it really is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableModel {
    /// Its name.
    pub name: SqlIdent,
    /// Its columns by name.
    pub columns: BTreeMap<String, Column>,
    /// The column that tells records apart: `id`, or the only column of the primary key.
    pub key: Option<SqlIdent>,
    /// Columns of each unique or foreign key, by its name: what a violation is about.
    pub constraints: BTreeMap<String, Vec<String>>,
}

impl TableModel {
    /// Whether there is such a column.
    pub fn has(&self, column: &str) -> bool {
        self.columns.contains_key(column)
    }

    /// Whether a text can be a key of this table. What cannot be one names no record; the database would call it an error.
    pub fn is_possible_key(&self, id: &str) -> bool {
        let column = self
            .key
            .as_ref()
            .and_then(|key| self.columns.get(key.as_str()));
        let Some(column) = column else {
            return false;
        };
        match column.type_name.as_str() {
            "int2" => is_spelled_as::<i16>(id),
            "int4" => is_spelled_as::<i32>(id),
            "int8" => is_spelled_as::<i64>(id),
            "uuid" => is_spelled_as::<uuid::Uuid>(id),
            "varchar" | "text" | "bpchar" => !id.contains('\0'),
            // Keys of other types are not supported: no table of the schema has one.
            _ => false,
        }
    }
}

/// Whether the text is how such a value prints: `007` is no second name of record 7, so that comparing texts stays right.
fn is_spelled_as<T: std::str::FromStr + ToString>(text: &str) -> bool {
    text.parse::<T>()
        .is_ok_and(|value| value.to_string() == text)
}

/// What the platform keeps for itself; a module could read keys and hashes there.
const RESERVED_PREFIX: &str = "gotrs_";

/// Why a module cannot work on this schema.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// The module is at fault; all findings.
    #[error("the module does not fit the schema")]
    Refused(Vec<Diagnostic>),
    /// The database did not answer; try again.
    #[error("reading the schema")]
    Database(#[source] sqlx::Error),
}

impl From<sqlx::Error> for PrepareError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

/// Makes the module's own table fit its fields (managed storage), then checks that every table and column that it
/// names is there.
pub async fn prepare(spec: &ModuleSpec, pool: &PgPool) -> Result<TableModel, PrepareError> {
    let mut connection = pool.acquire().await?;
    if spec.is_managed() {
        apply_managed_table(spec, &mut connection).await?;
    }
    let Some(model) = read_table(&mut connection, spec.table()).await? else {
        return Err(PrepareError::Refused(vec![spec.finding_at(
            "module.table",
            Severity::Error,
            "unknown-table",
            format!("there is no table {}", spec.table().as_str()),
            Some("name a table of the helpdesk, or write \"storage: managed\" to get one of your own".to_owned()),
        )]));
    };
    let hidden = read_hidden_columns(&mut connection, spec.table()).await?;
    let mut findings = check_table(spec, &model);
    findings.extend(check_columns(spec, &model, &hidden));
    findings.extend(check_lookups(spec, &mut connection).await?);
    if findings.is_empty() {
        Ok(model)
    } else {
        Err(PrepareError::Refused(findings))
    }
}

fn check_table(spec: &ModuleSpec, model: &TableModel) -> Vec<Diagnostic> {
    let name = spec.table().as_str();
    let mut findings = Vec::new();
    let mut report = |code: &str, message: String, help: &str| {
        findings.push(spec.finding_at(
            "module.table",
            Severity::Error,
            code,
            message,
            Some(help.to_owned()),
        ));
    };
    if name.starts_with(RESERVED_PREFIX) {
        report(
            "reserved-table",
            format!("the table {name} belongs to the platform"),
            "modules cannot show what sign-in and the platform keep",
        );
    }
    if model.key.is_none() {
        report(
            "table-without-key",
            format!("the table {name} has neither a column id nor a primary key of one column"),
            "a module needs one column that tells records apart",
        );
    }
    findings
}

fn check_columns(spec: &ModuleSpec, model: &TableModel, hidden: &[String]) -> Vec<Diagnostic> {
    let table = spec.table().as_str();
    let report = |index: usize, code: &str, message: String, help: Option<String>| {
        spec.finding_at(
            &format!("fields[{index}].db_column"),
            Severity::Error,
            code,
            message,
            help,
        )
    };
    let fields = spec.fields().iter().filter(|field| !field.is_virtual());
    fields
        .filter_map(|field| {
            let column = field.column().as_str();
            if !model.has(column) {
                let message = format!("the table {table} has no column {column}");
                let help = format!("columns are {}", names(model));
                return Some(report(field.index(), "unknown-column", message, Some(help)));
            }
            // What lambdas must not read, pages must not show: passwords and their hashes.
            (!field.is_secret() && hidden.iter().any(|name| name == column)).then(|| {
                let message = format!("the column {column} of {table} is secret");
                let help = "use `type: password`: it can be set but never read".to_owned();
                report(field.index(), "secret-column", message, Some(help))
            })
        })
        .collect()
}

fn names(model: &TableModel) -> String {
    model
        .columns
        .keys()
        .take(40)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// Tables and columns that fields and filters look things up in.
async fn check_lookups(
    spec: &ModuleSpec,
    connection: &mut PgConnection,
) -> sqlx::Result<Vec<Diagnostic>> {
    let of_fields = spec
        .fields()
        .iter()
        .filter_map(|field| Some((format!("fields[{}]", field.index()), field.lookup()?)));
    let of_filters = spec
        .filters()
        .iter()
        .filter_map(|filter| match filter.source() {
            FilterSource::Lookup(lookup) => Some((format!("filters[{}]", filter.index()?), lookup)),
            _ => None,
        });
    let mut findings = Vec::new();
    let readable = if has_sql(spec) {
        readable::read(connection).await?
    } else {
        Readable::default()
    };
    for (path, lookup) in of_fields.chain(of_filters) {
        let table = lookup.table().as_str();
        let mut report = |key: &str, code: &str, message: String| {
            findings.push(spec.finding_at(
                &format!("{path}.{key}"),
                Severity::Error,
                code,
                message,
                None,
            ));
        };
        if table.starts_with(RESERVED_PREFIX) {
            report(
                "lookup_table",
                "reserved-table",
                format!("the table {table} belongs to the platform"),
            );
            continue;
        }
        let Some(model) = read_table(connection, lookup.table()).await? else {
            report(
                "lookup_table",
                "unknown-table",
                format!("there is no table {table}"),
            );
            continue;
        };
        let hidden = read_hidden_columns(connection, lookup.table()).await?;
        for (key, column) in [
            ("lookup_key", lookup.key().as_str()),
            ("lookup_display", lookup.display().as_str()),
        ] {
            if !model.has(column) {
                report(
                    key,
                    "unknown-column",
                    format!("the table {table} has no column {column}"),
                );
            } else if hidden.iter().any(|name| name == column) {
                report(
                    key,
                    "secret-column",
                    format!("the column {column} of {table} is secret"),
                );
            }
        }
        if let Some(condition) = lookup.condition()
            && let Err(refusal) = sql_gate::check_condition(condition, table, &readable)
        {
            report("lookup_condition", "bad-sql", refusal.to_string());
        }
    }
    for filter in spec.filters() {
        if let FilterSource::Query(query) = filter.source()
            && let Err(refusal) = sql_gate::check_query(query, &readable)
        {
            let path = filter
                .index()
                .map_or_else(String::new, |index| format!("filters[{index}].query"));
            let reason = refusal.to_string();
            findings.push(spec.finding_at(&path, Severity::Error, "bad-sql", reason, None));
        }
    }
    Ok(findings)
}

/// Whether fields or filters have conditions or queries of the author.
fn has_sql(spec: &ModuleSpec) -> bool {
    let of_fields = spec.fields().iter().filter_map(Field::lookup);
    let of_filters = spec
        .filters()
        .iter()
        .filter_map(|filter| match filter.source() {
            FilterSource::Lookup(lookup) => Some(lookup),
            _ => None,
        });
    let has_query = |filter: &Filter| matches!(filter.source(), FilterSource::Query(_));
    spec.filters().iter().any(has_query)
        || of_fields
            .chain(of_filters)
            .any(|lookup| lookup.condition().is_some())
}

/// Columns that the lambda role may not read. Where there is no such role (a schema outside of the platform), none.
async fn read_hidden_columns(
    connection: &mut PgConnection,
    name: &SqlIdent,
) -> sqlx::Result<Vec<String>> {
    sqlx::query_scalar!(
        r#"SELECT a.attname AS "name!"
           FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           JOIN pg_roles r ON r.rolname = current_schema() || '_lambda'
           WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'p')
             AND NOT has_column_privilege(r.oid, c.oid, a.attnum, 'SELECT')"#,
        name.as_str()
    )
    .fetch_all(connection)
    .await
}

/// Asks the owner's function to make or widen the module's own table; it checks everything again.
async fn apply_managed_table(
    spec: &ModuleSpec,
    connection: &mut PgConnection,
) -> Result<(), PrepareError> {
    let columns: Vec<serde_json::Value> = spec
        .managed_columns()
        .into_iter()
        .map(|column| {
            serde_json::json!({
                "name": column.name,
                "type": column.sql_type.as_str(),
                "required": column.required,
                "unique": spec.fields().iter().any(|field| {
                    field.unique() && !field.is_virtual() && field.column().as_str() == column.name
                }),
                "secret": column.secret,
            })
        })
        .collect();
    let applied = sqlx::query_scalar!(
        "SELECT gotrs_apply_managed_table($1, $2)",
        spec.name().as_str(),
        serde_json::Value::Array(columns)
    )
    .fetch_one(connection)
    .await;
    match applied {
        Ok(_) => Ok(()),
        Err(sqlx::Error::Database(error)) if is_authors_fault(error.code().as_deref()) => {
            let hint = error
                .try_downcast_ref::<sqlx::postgres::PgDatabaseError>()
                .and_then(|error| error.hint())
                .map(str::to_owned);
            Err(PrepareError::Refused(vec![spec.finding_at(
                "module.storage",
                Severity::Error,
                "managed-table",
                error.message().to_owned(),
                hint,
            )]))
        }
        Err(error) => Err(error.into()),
    }
}

/// `invalid_parameter_value`, `datatype_mismatch`, `duplicate_table`: what the function raises about the columns.
fn is_authors_fault(code: Option<&str>) -> bool {
    matches!(code, Some("22023" | "42804" | "42P07"))
}

/// The table of this name in the tenant's schema; `None` when there is none.
pub async fn read_table(
    connection: &mut PgConnection,
    name: &SqlIdent,
) -> sqlx::Result<Option<TableModel>> {
    let rows = sqlx::query!(
        r#"SELECT a.attname AS "name!", t.typname AS "type_name!",
                  CASE WHEN t.typname IN ('varchar', 'bpchar') AND a.atttypmod > 4 THEN a.atttypmod - 4 END AS max_length,
                  NOT a.attnotnull AS "nullable!",
                  (a.atthasdef OR a.attidentity <> '') AS "has_default!"
           FROM pg_class c
           JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
           JOIN pg_type t ON t.oid = a.atttypid
           WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r', 'v', 'p')
           ORDER BY a.attnum"#,
        name.as_str()
    )
    .fetch_all(&mut *connection)
    .await?;
    if rows.is_empty() {
        return Ok(None);
    }
    let columns = rows
        .into_iter()
        .map(|row| {
            let column = Column {
                name: row.name.clone(),
                type_name: row.type_name,
                max_length: row.max_length,
                nullable: row.nullable,
                has_default: row.has_default,
            };
            (row.name, column)
        })
        .collect();
    let keys = sqlx::query!(
        r#"SELECT i.relname AS "name!", x.indisprimary AS "primary!",
                  ARRAY(SELECT a.attname::text FROM pg_attribute a
                        WHERE a.attrelid = c.oid AND a.attnum = ANY (x.indkey) ORDER BY a.attnum) AS "columns!"
           FROM pg_class c
           JOIN pg_index x ON x.indrelid = c.oid AND x.indisunique
           JOIN pg_class i ON i.oid = x.indexrelid
           WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace
           UNION ALL
           SELECT k.conname, false,
                  ARRAY(SELECT a.attname::text FROM pg_attribute a
                        WHERE a.attrelid = c.oid AND a.attnum = ANY (k.conkey) ORDER BY a.attnum)
           FROM pg_class c
           JOIN pg_constraint k ON k.conrelid = c.oid AND k.contype = 'f'
           WHERE c.relname = $1 AND c.relnamespace = current_schema()::regnamespace"#,
        name.as_str()
    )
    .fetch_all(&mut *connection)
    .await?;
    let columns: BTreeMap<String, Column> = columns;
    let primary = keys
        .iter()
        .find(|key| key.primary)
        .map(|key| key.columns.as_slice());
    let key = match primary {
        _ if columns.contains_key("id") => Some("id"),
        Some([only]) => Some(only.as_str()),
        _ => None,
    };
    Ok(Some(TableModel {
        name: name.clone(),
        key: key.and_then(|key| key.parse().ok()),
        constraints: keys
            .into_iter()
            .map(|key| (key.name, key.columns))
            .collect(),
        columns,
    }))
}
