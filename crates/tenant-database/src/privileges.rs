//! Who may do what with which table: the policy, and bringing a schema in line with it.

use std::collections::BTreeMap;

use sqlx::PgConnection;

use crate::administrator::as_owner;
use crate::connection::{DatabaseError, Doing as _, run};
use crate::names::TenantNames;
use crate::relations::of_schema;
use crate::roles::existing_roles;

/// Tables that tenant code never reads: they hold credentials, keys, tokens, or texts in which such things are
/// written down (settings with passwords of directories, web services with those of their partners, raw requests).
const WITHHELD_TABLES: &[&str] = &[
    "cloud_service_config",
    "gi_debugger_entry_content",
    "gi_webservice_config",
    "gi_webservice_config_history",
    "oauth2_token",
    "oauth2_token_config",
    "package_repository",
    "scheduler_future_task",
    "scheduler_recurrent_task",
    "scheduler_task",
    "sessions",
    "smime_keys",
    "smime_signer_cert_relations",
    "sysconfig_default",
    "sysconfig_default_version",
    "sysconfig_deployment",
    "sysconfig_modified",
    "sysconfig_modified_version",
    "system_data",
    "web_upload_cache",
];

/// Columns that tenant code never reads, in tables that it may read otherwise. Preferences hold second factors and
/// private keys beside harmless things, and only their key tells which.
const WITHHELD_COLUMNS: &[(&str, &str)] = &[
    ("calendar", "salt_string"),
    ("customer_preferences", "preferences_value"),
    ("customer_user", "pw"),
    ("mail_account", "pw"),
    ("user_preferences", "preferences_value"),
    ("users", "pw"),
];

/// Written by migrations and by the function for managed tables only.
const READ_ONLY_TABLES: &[&str] = &[
    "gotrs_managed_column",
    "gotrs_managed_table",
    "gotrs_schema_migration",
];

/// The only way for the runtime to change the schema.
pub(crate) const MANAGED_TABLE_FUNCTION: &str = "gotrs_apply_managed_table(text, jsonb)";

/// Whether tenant code may read a column. `secret` is what the list of managed columns says of it, if it is there.
fn lambda_reads(table: &str, column: &str, secret: Option<bool>) -> bool {
    if table.starts_with("gotrs_") {
        return false;
    }
    if table.starts_with("x_") {
        return match column {
            "id" | "valid_id" | "create_time" | "create_by" | "change_time" | "change_by" => true,
            _ => secret == Some(false),
        };
    }
    !WITHHELD_TABLES.contains(&table) && !WITHHELD_COLUMNS.contains(&(table, column))
}

/// A right that is there and should not be, or the other way round.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Difference {
    /// What it is about, for people.
    pub(crate) object: String,
    pub(crate) expected: String,
    pub(crate) actual: String,
    /// The statement that mends it.
    pub(crate) statement: String,
}

/// Mends every right that differs. Nothing to do while roles or tables are missing: whoever makes them comes here.
pub(crate) async fn bring_in_line(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<(), DatabaseError> {
    run(connection, as_owner(names))
        .await
        .doing("acting as the tenant's owner")?;
    let statements: String = differences(connection, names)
        .await?
        .into_iter()
        .map(|difference| difference.statement)
        .collect();
    if !statements.is_empty() {
        run(connection, statements)
            .await
            .doing("bringing the rights on tables in line")?;
    }
    Ok(())
}

/// All rights that differ; `search_path` must be the tenant's schema.
pub(crate) async fn differences(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<Vec<Difference>, DatabaseError> {
    let migrated: bool =
        sqlx::query_scalar("SELECT to_regclass('gotrs_managed_column') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await
            .doing("looking for tables")?;
    if !migrated || existing_roles(connection, names).await?.len() < 2 {
        return Ok(Vec::new());
    }
    let mut found = runtime_differences(connection, names).await?;
    found.extend(lambda_differences(connection, names).await?);
    found.extend(function_differences(connection, names).await?);
    Ok(found)
}

async fn runtime_differences(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<Vec<Difference>, DatabaseError> {
    let relations: Vec<(String, bool, String)> = sqlx::query_as(
        concat!("SELECT c.relname::text, c.relkind = 'S',
                concat_ws(', ',
                    CASE WHEN c.relkind = 'S' AND has_sequence_privilege($2, c.oid, 'USAGE') THEN 'USAGE' END,
                    CASE WHEN has_table_privilege($2, c.oid, 'SELECT') THEN 'SELECT' END,
                    CASE WHEN c.relkind <> 'S' AND has_table_privilege($2, c.oid, 'INSERT') THEN 'INSERT' END,
                    CASE WHEN has_table_privilege($2, c.oid, 'UPDATE') THEN 'UPDATE' END,
                    CASE WHEN c.relkind <> 'S' AND has_table_privilege($2, c.oid, 'DELETE') THEN 'DELETE' END,
                    CASE WHEN c.relkind <> 'S' AND has_table_privilege($2, c.oid, 'TRUNCATE') THEN 'TRUNCATE' END,
                    CASE WHEN c.relkind <> 'S' AND has_table_privilege($2, c.oid, 'TRIGGER') THEN 'TRIGGER' END)
         FROM pg_class c
         WHERE c.oid = ANY(", of_schema!(), ") AND c.relkind IN ('r', 'p', 'v', 'S')
         ORDER BY c.relname"),
    )
    .bind(names.schema.as_str())
    .bind(names.runtime.as_str())
    .fetch_all(connection)
    .await
    .doing("reading the runtime's rights")?;
    let found = relations.into_iter().filter_map(|(relation, sequence, actual)| {
        let (kind, expected) = if sequence {
            ("SEQUENCE", "USAGE, SELECT, UPDATE")
        } else if READ_ONLY_TABLES.contains(&relation.as_str()) {
            ("TABLE", "SELECT")
        } else {
            ("TABLE", "SELECT, INSERT, UPDATE, DELETE")
        };
        (actual != expected).then(|| Difference {
            object: format!("{relation} for {}", names.runtime.as_str()),
            expected: expected.to_owned(),
            actual,
            statement: format!(
                "REVOKE ALL ON {kind} \"{relation}\" FROM {role}; GRANT {expected} ON {kind} \"{relation}\" TO {role};\n",
                role = names.runtime,
            ),
        })
    });
    Ok(found.collect())
}

/// A column, whether tenant code can read it, and what the list of managed columns says of it.
type ColumnRights = (String, String, bool, Option<bool>);

async fn lambda_differences(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<Vec<Difference>, DatabaseError> {
    let columns: Vec<ColumnRights> = sqlx::query_as(concat!(
        "SELECT c.relname::text, a.attname::text,
                has_column_privilege($2, c.oid, a.attnum, 'SELECT'), m.secret
         FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN gotrs_managed_column m ON m.table_name = c.relname AND m.name = a.attname
         WHERE c.oid = ANY(",
        of_schema!(),
        ") AND c.relkind IN ('r', 'p', 'v')
         ORDER BY c.relname, a.attnum"
    ))
    .bind(names.schema.as_str())
    .bind(names.lambda.as_str())
    .fetch_all(&mut *connection)
    .await
    .doing("reading the lambda role's rights")?;
    let writable: Vec<String> = sqlx::query_scalar(
        concat!("SELECT c.relname::text FROM pg_class c
         WHERE c.oid = ANY(", of_schema!(), ") AND (
             c.relkind IN ('r', 'p', 'v')
                 AND (has_table_privilege($2, c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
                      OR has_any_column_privilege($2, c.oid, 'INSERT, UPDATE, REFERENCES'))
             OR c.relkind = 'S' AND has_sequence_privilege($2, c.oid, 'USAGE, SELECT, UPDATE'))
         ORDER BY 1"),
    )
    .bind(names.schema.as_str())
    .bind(names.lambda.as_str())
    .fetch_all(connection)
    .await
    .doing("looking for what the lambda role could write")?;
    let mut tables: BTreeMap<&str, Vec<&ColumnRights>> = BTreeMap::new();
    for column in &columns {
        tables.entry(&column.0).or_default().push(column);
    }
    let mut found: Vec<Difference> = tables
        .into_iter()
        .filter_map(|(table, columns)| lambda_difference(names, table, &columns))
        .collect();
    found.extend(writable.into_iter().map(|relation| Difference {
        object: format!("{relation} for {}", names.lambda.as_str()),
        expected: "read only".to_owned(),
        actual: "can be written".to_owned(),
        statement: format!(
            "REVOKE INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER ON \"{relation}\" FROM {};\n",
            names.lambda
        ),
    }));
    Ok(found)
}

/// Pure: compares the columns of one table with the policy.
fn lambda_difference(
    names: &TenantNames,
    table: &str,
    columns: &[&ColumnRights],
) -> Option<Difference> {
    let list = |wanted: &dyn Fn(&ColumnRights) -> bool| -> Vec<&str> {
        columns
            .iter()
            .filter(|column| wanted(column))
            .map(|column| column.1.as_str())
            .collect()
    };
    let expected = list(&|(table, column, _, secret)| lambda_reads(table, column, *secret));
    let actual = list(&|(_, _, reads, _)| *reads);
    if expected == actual {
        return None;
    }
    let lambda = &names.lambda;
    let revoke = format!("REVOKE ALL ON \"{table}\" FROM {lambda};");
    let grant = if expected.is_empty() {
        String::new()
    } else if expected.len() == columns.len() && !table.starts_with("x_") {
        // One entry for the table instead of one for each of a thousand columns.
        format!("GRANT SELECT ON \"{table}\" TO {lambda};")
    } else {
        let quoted: Vec<String> = expected
            .iter()
            .map(|column| format!("\"{column}\""))
            .collect();
        format!(
            "GRANT SELECT ({}) ON \"{table}\" TO {lambda};",
            quoted.join(", ")
        )
    };
    Some(Difference {
        object: format!("{table} for {}", lambda.as_str()),
        expected: format!("reads {}", or_nothing(&expected)),
        actual: format!("reads {}", or_nothing(&actual)),
        statement: format!("{revoke} {grant}\n"),
    })
}

fn or_nothing(columns: &[&str]) -> String {
    if columns.is_empty() {
        "nothing".to_owned()
    } else {
        columns.join(", ")
    }
}

/// Functions that run with the owner's rights see only the tenant's schema, and only the runtime calls the one.
async fn function_differences(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<Vec<Difference>, DatabaseError> {
    let functions: Vec<(String, bool, bool)> = sqlx::query_as(
        "SELECT p.oid::regprocedure::text,
                coalesce('search_path=' || $1 || ', pg_temp' = ANY (p.proconfig), false),
                has_function_privilege($2, p.oid, 'EXECUTE')
         FROM pg_proc p
         WHERE p.pronamespace = to_regnamespace($1) AND p.prosecdef
         ORDER BY 1",
    )
    .bind(names.schema.as_str())
    .bind(names.runtime.as_str())
    .fetch_all(connection)
    .await
    .doing("reading the functions")?;
    let found = functions
        .into_iter()
        .filter_map(|(function, pinned, callable)| {
            let for_runtime = function.replace(',', ", ") == MANAGED_TABLE_FUNCTION;
            (!pinned || callable != for_runtime).then(|| {
                let right = if for_runtime {
                    format!("GRANT EXECUTE ON FUNCTION {function} TO {};", names.runtime)
                } else {
                    format!(
                        "REVOKE EXECUTE ON FUNCTION {function} FROM {};",
                        names.runtime
                    )
                };
                Difference {
                    expected: format!("search path pinned, callable by the runtime: {for_runtime}"),
                    actual: format!(
                        "search path pinned: {pinned}, callable by the runtime: {callable}"
                    ),
                    statement: format!(
                        "ALTER FUNCTION {function} SET search_path = {}, pg_temp; {right}\n",
                        names.schema
                    ),
                    object: function,
                }
            })
        });
    Ok(found.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn no_column_that_looks_like_a_secret_is_readable_by_tenant_code() {
        // Public by nature although they sound secret.
        let harmless = [
            ("queue", "default_sign_key"),
            ("ticket_flag", "ticket_key"),
            ("article_flag", "article_key"),
            ("article_search_index", "article_key"),
            ("link_relation", "source_key"),
            ("link_relation", "target_key"),
        ];
        for column in fixture::columns() {
            let name = column.name;
            let suspicious = name == "pw"
                || [
                    "password",
                    "secret",
                    "token",
                    "salt",
                    "private",
                    "session",
                    "authorization",
                ]
                .iter()
                .any(|word| name.contains(word) || column.table.contains(word))
                || name == "preferences_value" && column.table.contains("user");
            if suspicious
                && !harmless.contains(&(column.table, name))
                && column.table != "mail_account"
            {
                let readable = lambda_reads(column.table, name, None);
                let only_key = ["user_id", "preferences_key"].contains(&name);
                assert!(!readable || only_key, "{}.{name}", column.table);
            }
        }
        assert!(!lambda_reads("mail_account", "pw", None));
        assert!(lambda_reads("ticket", "title", None));
    }

    #[test]
    fn withheld_names_exist() {
        let tables: Vec<&str> = fixture::columns().map(|column| column.table).collect();
        for table in WITHHELD_TABLES {
            assert!(tables.contains(table), "{table}");
        }
        for (table, name) in WITHHELD_COLUMNS {
            let found =
                fixture::columns().any(|column| column.table == *table && column.name == *name);
            assert!(found, "{table}.{name}");
        }
    }

    #[test]
    fn managed_columns_are_readable_only_when_they_are_listed_as_not_secret() {
        assert!(lambda_reads("x_laptop", "id", None));
        assert!(lambda_reads("x_laptop", "serial", Some(false)));
        assert!(!lambda_reads("x_laptop", "pin", Some(true)));
        assert!(!lambda_reads("x_laptop", "added_by_hand", None));
        assert!(!lambda_reads("gotrs_credential", "login", Some(false)));
    }
}
