//! Where a tenant's schema and roles differ from what they should be.

use std::collections::BTreeMap;
use std::fmt;

use domain::id::TenantId;
use sqlx::PgConnection;

use crate::administrator::as_owner;
use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited, run};
use crate::names::TenantNames;
use crate::relations::of_schema;
use crate::{fixture, migrate, privileges};

/// One difference between what is and what should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// What it is about, such as `column ticket.title`.
    pub object: String,
    /// How it should be.
    pub expected: String,
    /// How it is.
    pub actual: String,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            object,
            expected,
            actual,
        } = self;
        write!(f, "{object}: expected {expected}, found {actual}")
    }
}

/// Why a tenant could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl TenantDatabase {
    /// Compares everything of a tenant with what it should be: roles, migrations, columns, constraints and indexes of the
    /// OTRS schema, owners, rights. Tables and columns that came in addition are none of its business. Empty is good.
    pub async fn verify(&self, tenant: TenantId) -> Result<Vec<Drift>, VerifyError> {
        limited(self.compare(tenant)).await
    }

    async fn compare(&self, tenant: TenantId) -> Result<Vec<Drift>, VerifyError> {
        let names = TenantNames::of(tenant);
        let mut transaction = self.begin(tenant).await?;
        let mut found = roles(&mut transaction, &names).await?;
        let schema: Option<String> = sqlx::query_scalar(
            "SELECT pg_get_userbyid(nspowner)::text FROM pg_namespace WHERE nspname = $1",
        )
        .bind(names.schema.as_str())
        .fetch_optional(&mut *transaction)
        .await
        .doing("looking for the schema")?;
        if schema.as_deref() != Some(names.owner.as_str()) {
            found.push(Drift {
                object: format!("schema {}", names.schema.as_str()),
                expected: format!("owned by {}", names.owner.as_str()),
                actual: schema
                    .map_or_else(|| "missing".to_owned(), |owner| format!("owned by {owner}")),
            });
            return Ok(found);
        }
        run(&mut transaction, as_owner(&names))
            .await
            .doing("acting as the tenant's owner")?;
        found.extend(migrations(&mut transaction).await?);
        found.extend(tables(&mut transaction, &names).await?);
        found.extend(owners(&mut transaction, &names).await?);
        let rights = privileges::differences(&mut transaction, &names).await?;
        found.extend(rights.into_iter().map(|difference| Drift {
            object: format!("rights on {}", difference.object),
            expected: difference.expected,
            actual: difference.actual,
        }));
        transaction.rollback().await.doing("ending a transaction")?;
        Ok(found)
    }
}

/// Attributes and memberships of the three roles.
async fn roles(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<Vec<Drift>, DatabaseError> {
    let mut found = Vec::new();
    for (role, group, settings) in [
        (&names.owner, "gotrs_owner", 1),
        (&names.runtime, "gotrs_runtime", 5),
        (&names.lambda, "gotrs_lambda", 9),
    ] {
        let actual: Option<String> = sqlx::query_scalar(
            "SELECT concat_ws(', ',
                        CASE WHEN rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls
                             THEN 'with powers' ELSE 'no powers' END,
                        CASE WHEN rolcanlogin AND rolname LIKE '%\\_owner' THEN 'signs in' END,
                        'member of ' || coalesce((SELECT string_agg(roleid::regrole::text, ' and ' ORDER BY roleid)
                                                  FROM pg_auth_members WHERE member = r.oid), 'nothing'),
                        coalesce((SELECT cardinality(setconfig) FROM pg_db_role_setting
                                  WHERE setrole = r.oid AND setdatabase = 0), 0) || ' settings')
             FROM pg_roles r WHERE rolname = $1",
        )
        .bind(role.as_str())
        .fetch_optional(&mut *connection)
        .await
        .doing("reading the roles")?;
        let expected = format!("no powers, member of {group}, {settings} settings");
        let actual = actual.unwrap_or_else(|| "missing".to_owned());
        if actual != expected {
            found.push(Drift {
                object: format!("role {}", role.as_str()),
                expected,
                actual,
            });
        }
    }
    Ok(found)
}

async fn migrations(connection: &mut PgConnection) -> Result<Vec<Drift>, DatabaseError> {
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass('gotrs_schema_migration') IS NOT NULL")
            .fetch_one(&mut *connection)
            .await
            .doing("looking for the list of migrations")?;
    let done: BTreeMap<i64, Vec<u8>> = if exists {
        migrate::read_ledger(connection)
            .await?
            .into_iter()
            .collect()
    } else {
        BTreeMap::new()
    };
    let ours: BTreeMap<i64, Vec<u8>> = migrate::all()
        .map(|migration| (migration.version, migration.checksum.to_vec()))
        .collect();
    let state = |of: Option<&Vec<u8>>| of.map_or_else(|| "absent".to_owned(), |sum| short(sum));
    let versions: std::collections::BTreeSet<&i64> = ours.keys().chain(done.keys()).collect();
    Ok(versions
        .into_iter()
        .filter(|version| ours.get(version) != done.get(version))
        .map(|version| Drift {
            object: format!("migration {version}"),
            expected: state(ours.get(version)),
            actual: state(done.get(version)),
        })
        .collect())
}

fn short(checksum: &[u8]) -> String {
    let start: Vec<u8> = checksum.iter().copied().take(6).collect();
    format!("checksum {}", hex::encode(start))
}

/// Columns, constraints and indexes of the OTRS schema.
async fn tables(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<Vec<Drift>, DatabaseError> {
    let columns: Vec<(String, String)> = sqlx::query_as(
        concat!("SELECT 'column ' || c.relname || '.' || a.attname,
                concat_ws(' ', 'at', a.attnum,
                    replace(replace(replace(format_type(a.atttypid, a.atttypmod),
                        'character varying', 'varchar'), ' without time zone', ''), 'numeric(10,2)', 'numeric'),
                    CASE WHEN a.attnotnull THEN 'not null' ELSE 'null' END,
                    pg_get_expr(d.adbin, d.adrelid))
         FROM pg_class c
         JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
         LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
         WHERE c.oid = ANY(", of_schema!(), ") AND c.relkind IN ('r', 'p')"),
    )
    .bind(names.schema.as_str())
    .fetch_all(&mut *connection)
    .await
    .doing("reading the columns")?;
    let constraints: Vec<(String, String)> = sqlx::query_as(concat!(
        "SELECT 'constraint ' || c.relname || '.' || n.conname,
                concat_ws(' ', n.contype::text, pg_get_constraintdef(n.oid),
                          CASE WHEN NOT n.convalidated THEN 'not validated' END)
         FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
         WHERE n.conrelid = ANY(",
        of_schema!(),
        ")"
    ))
    .bind(names.schema.as_str())
    .fetch_all(&mut *connection)
    .await
    .doing("reading the constraints")?;
    let indexes: Vec<(String, String)> = sqlx::query_as(
        // As `pg_indexes` has it.
        concat!("SELECT 'index ' || t.relname || '.' || i.relname,
                replace(pg_get_indexdef(i.oid), ' ON ' || $1 || '.', ' ON public.')
         FROM pg_index x JOIN pg_class t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
         WHERE x.indrelid = ANY(", of_schema!(), ")"),
    )
    .bind(names.schema.as_str())
    .fetch_all(connection)
    .await
    .doing("reading the indexes")?;
    let actual: BTreeMap<String, String> = columns
        .into_iter()
        .chain(constraints)
        .chain(indexes)
        .collect();
    Ok(missing_or_different(&actual))
}

/// Pure: every fact of the fixture that is not so in `actual`.
fn missing_or_different(actual: &BTreeMap<String, String>) -> Vec<Drift> {
    let columns = fixture::columns().map(|column| {
        (
            format!("column {}.{}", column.table, column.name),
            format!("at {} {}", column.position, column.definition),
        )
    });
    let constraints = fixture::constraints()
        .map(|(table, name, definition)| (format!("constraint {table}.{name}"), definition));
    let indexes = fixture::indexes()
        .map(|(table, name, definition)| (format!("index {table}.{name}"), definition));
    columns
        .chain(constraints)
        .chain(indexes)
        .filter_map(|(object, expected)| {
            let found = actual.get(&object);
            (found != Some(&expected)).then(|| Drift {
                object,
                expected,
                actual: found.cloned().unwrap_or_else(|| "nothing".to_owned()),
            })
        })
        .collect()
}

/// Everything in the schema belongs to the owner role, and PUBLIC has nothing of it.
async fn owners(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<Vec<Drift>, DatabaseError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        concat!("SELECT 'relation ' || relname, 'owned by ' || pg_get_userbyid(relowner)
         FROM pg_class c WHERE c.oid = ANY(", of_schema!(), ") AND relowner <> to_regrole($2)
         UNION ALL
         SELECT 'function ' || proname, 'owned by ' || pg_get_userbyid(proowner)
         FROM pg_proc WHERE pronamespace = to_regnamespace($1) AND proowner <> to_regrole($2)
         UNION ALL
         SELECT 'relation ' || relname, 'open to everybody'
         FROM pg_class c, aclexplode(c.relacl) a WHERE c.oid = ANY(", of_schema!(), ") AND a.grantee = 0
         UNION ALL
         SELECT 'function ' || proname, 'open to everybody'
         FROM pg_proc p WHERE pronamespace = to_regnamespace($1) AND has_function_privilege('public', p.oid, 'EXECUTE')
         ORDER BY 1, 2"),
    )
    .bind(names.schema.as_str())
    .bind(names.owner.as_str())
    .fetch_all(connection)
    .await
    .doing("reading the owners")?;
    Ok(rows
        .into_iter()
        .map(|(object, actual)| Drift {
            object,
            expected: format!("owned by and open to {} only", names.owner.as_str()),
            actual,
        })
        .collect())
}
