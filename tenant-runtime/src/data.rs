//! The tenant's data as modules see it: the schema as it really is, and what a module needs of it.

use std::collections::BTreeMap;

use domain::diagnostic::{Diagnostic, Severity};
use domain::identifier::SqlIdent;
use module_spec::ModuleSpec;
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
}

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
    let findings: Vec<Diagnostic> = spec
        .fields()
        .iter()
        .enumerate()
        .filter(|(_, field)| !field.is_virtual())
        .filter(|(_, field)| !model.columns.contains_key(field.column().as_str()))
        .map(|(index, field)| {
            spec.finding_at(
                &format!("fields[{index}].db_column"),
                Severity::Error,
                "unknown-column",
                format!(
                    "the table {} has no column {}",
                    spec.table().as_str(),
                    field.column().as_str()
                ),
                None,
            )
        })
        .collect();
    if findings.is_empty() {
        Ok(model)
    } else {
        Err(PrepareError::Refused(findings))
    }
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
    .fetch_all(connection)
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
    Ok(Some(TableModel {
        name: name.clone(),
        columns,
    }))
}
