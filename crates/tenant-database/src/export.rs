//! All rows of a tenant as one file, and a tenant made of such a file.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use domain::id::TenantId;
use domain::identifier::SqlIdent;
use futures_util::TryStreamExt as _;
use sqlx::{Connection as _, PgConnection};

use crate::administrator::{MADE, as_owner};
use crate::archive::{
    ArchiveError, End, Entry, FORMAT, ManagedTable, Manifest, PART_BYTES, Reader, TableEntry,
    Writer,
};
use crate::connection::{DatabaseError, Doing as _, TenantDatabase, run, without_readers};
use crate::migrate::MigrateError;
use crate::names::TenantNames;
use crate::privileges;
use crate::relations::of_schema;
use crate::schema::SchemaError;

/// Of no use elsewhere: who is signed in and the keys that prove it, half-finished uploads, and the list of migrations,
/// of which the manifest has the newest.
const LEFT_OUT: &[&str] = &[
    "gotrs_refresh_token",
    "gotrs_schema_migration",
    "gotrs_session",
    "gotrs_signing_key",
    "sessions",
    "web_upload_cache",
];

/// What an export or an import moved.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportReport {
    /// Tables with or without rows.
    pub tables: usize,
    /// Rows of all tables.
    pub rows: u64,
    /// Size of the file that was written; 0 for an import.
    pub bytes: u64,
}

/// Why a tenant could not be exported.
#[derive(Debug, thiserror::Error)]
pub enum ExportError {
    /// There is nothing to export.
    #[error("the tenant's schema {schema} does not exist or was never migrated")]
    NoSchema {
        /// Which schema.
        schema: String,
    },
    /// The file cannot be written.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// Why a tenant could not be made of an archive. Its schema may exist then, without an administrator: drop it.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// Somebody works in it already.
    #[error("the tenant has an administrator already; import into a new tenant")]
    NotNew,
    /// The archive names what the schema does not have.
    #[error("the archive does not fit the schema: {0}")]
    Misfit(String),
    /// The file is damaged or something else.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The schema could not be made.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// The schema could not be brought to the version of the archive, or from it to the present one.
    #[error(transparent)]
    Migrate(#[from] MigrateError),
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

impl TenantDatabase {
    /// Writes all rows of a tenant, as they are at one moment, to `destination`: a tar with a manifest and tables as CSV,
    /// compressed with Zstandard. Password hashes are in it, sessions and signing keys are not. Changes of the schema wait
    /// until it is done; the tenant itself goes on working. Has no deadline of its own: how long it may take depends on
    /// how much there is, so the caller knows.
    pub async fn export(
        &self,
        tenant: TenantId,
        destination: Box<dyn Write + Send>,
    ) -> Result<ExportReport, ExportError> {
        if self.is_fenced() {
            // Who has been followed by another begins nothing any more.
            let transaction = self.begin(tenant).await?;
            transaction.rollback().await.doing("ending a transaction")?;
        }
        // A connection of its own, closed at the end: a session lock goes with it. The lock comes before the snapshot,
        // so that what a migration did while we waited is seen.
        let mut connection = self.lock_for_reading(tenant).await?;
        let report = copy_out(&mut connection, tenant, destination).await;
        // Nothing depends on how it is closed.
        let _ = connection.close().await;
        report
    }

    /// Makes the schema of a new tenant from what [`export`](Self::export) wrote, under this tenant's own id. Roles come
    /// from [`ensure_roles`](Self::ensure_roles), before or after.
    pub async fn import(
        &self,
        tenant: TenantId,
        source: Box<dyn Read + Send>,
    ) -> Result<ExportReport, ImportError> {
        let mut reader = Reader::start(source)?;
        let Some(Entry::Manifest(manifest)) = reader.next().await? else {
            return Err(ArchiveError::Form("it has no manifest".to_owned()).into());
        };
        self.ensure_schema(tenant).await?;
        self.migrate_to(tenant, manifest.schema_version).await?;
        let report = self.copy_in(tenant, &manifest, &mut reader).await?;
        self.migrate(tenant).await?;
        Ok(report)
    }

    async fn copy_in(
        &self,
        tenant: TenantId,
        manifest: &Manifest,
        reader: &mut Reader,
    ) -> Result<ExportReport, ImportError> {
        let names = TenantNames::of(tenant);
        let mut transaction = self.begin(tenant).await?;
        without_readers(&mut transaction, tenant).await?;
        // Rows come table by table, and tables refer to each other in circles.
        let settings = format!(
            "SET LOCAL statement_timeout = 0; SET LOCAL session_replication_role = replica; {}",
            as_owner(&names)
        );
        run(&mut transaction, settings)
            .await
            .doing("acting as the tenant's owner")?;
        if has_administrator(&mut transaction).await? {
            return Err(ImportError::NotNew);
        }
        make_managed_tables(&mut transaction, manifest).await?;
        let schema = columns_by_table(&mut transaction, &names).await?;
        let tables = fitting(manifest, &schema)?;
        let list = tables
            .values()
            .map(|table| table.name.to_string())
            .collect::<Vec<_>>()
            .join(", ");
        if !list.is_empty() {
            run(&mut transaction, format!("TRUNCATE {list};"))
                .await
                .doing("making room")?;
        }
        let rows = copy_parts(&mut transaction, &tables, reader).await?;
        run(&mut transaction, SEQUENCES.to_owned())
            .await
            .doing("setting the sequences")?;
        privileges::bring_in_line(&mut transaction, &names).await?;
        transaction.commit().await.doing("committing")?;
        Ok(ExportReport {
            tables: tables.len(),
            rows,
            bytes: 0,
        })
    }
}

async fn copy_out(
    connection: &mut PgConnection,
    tenant: TenantId,
    destination: Box<dyn Write + Send>,
) -> Result<ExportReport, ExportError> {
    let names = TenantNames::of(tenant);
    let mut transaction = connection
        .begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .doing("beginning a transaction")?;
    let migrated: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
        .bind(format!("{}.gotrs_schema_migration", names.schema))
        .fetch_one(&mut *transaction)
        .await
        .doing("looking for the schema")?;
    if !migrated {
        return Err(ExportError::NoSchema {
            schema: names.schema.as_str().to_owned(),
        });
    }
    let settings = format!("SET LOCAL statement_timeout = 0; {}", as_owner(&names));
    run(&mut transaction, settings)
        .await
        .doing("acting as the tenant's owner")?;
    let manifest = describe(&mut transaction, tenant, &names).await?;
    let writer = Writer::start(destination)?;
    let Copied::All(end) = copy_tables(&mut transaction, &manifest, &writer).await? else {
        // The thread that writes has ended, and says why. The transaction ends with its connection: a table that was not read to
        // its end is in the way of everything else.
        writer.finish().await?;
        return Err(ArchiveError::CutShort.into());
    };
    transaction.rollback().await.doing("ending a transaction")?;
    Ok(ExportReport {
        tables: manifest.tables.len(),
        rows: end.rows.values().sum(),
        bytes: writer.finish().await?,
    })
}

enum Copied {
    All(End),
    /// Nobody takes it any more.
    Stopped,
}

async fn copy_tables(
    connection: &mut PgConnection,
    manifest: &Manifest,
    writer: &Writer,
) -> Result<Copied, ExportError> {
    let mut end = End::default();
    if writer.add(Entry::Manifest(manifest.clone())).await.is_err() {
        return Ok(Copied::Stopped);
    }
    for table in &manifest.tables {
        let header = format!("{}\n", table.columns.join(","));
        let statement = format!(
            "COPY \"{}\" ({}) TO STDOUT (FORMAT csv)",
            table.name,
            quoted(&table.columns)
        );
        let mut stream = connection
            .copy_out_raw(&statement)
            .await
            .doing("reading a table")?;
        let mut rows = 0;
        let mut part = header.clone().into_bytes();
        loop {
            // One message is one row.
            let row = stream.try_next().await.doing("reading a table")?;
            let ended = row.is_none();
            if let Some(row) = row {
                rows += 1;
                part.extend_from_slice(&row);
            }
            if part.len() >= PART_BYTES || ended {
                let csv = std::mem::replace(&mut part, header.clone().into_bytes());
                if csv.len() > header.len() {
                    let entry = Entry::Part {
                        table: table.name.clone(),
                        csv,
                    };
                    if writer.add(entry).await.is_err() {
                        return Ok(Copied::Stopped);
                    }
                }
            }
            if ended {
                break;
            }
        }
        end.rows.insert(table.name.clone(), rows);
    }
    if writer.add(Entry::End(end.clone())).await.is_err() {
        return Ok(Copied::Stopped);
    }
    Ok(Copied::All(end))
}

/// Names that come from [`columns_by_table`], which gives only what can be quoted.
fn quoted(columns: &[String]) -> String {
    columns
        .iter()
        .map(|column| format!("\"{column}\""))
        .collect::<Vec<_>>()
        .join(", ")
}

async fn describe(
    connection: &mut PgConnection,
    tenant: TenantId,
    names: &TenantNames,
) -> Result<Manifest, DatabaseError> {
    let (exported_at, schema_version): (String, i64) = sqlx::query_as(
        "SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"'),
                (SELECT max(version) FROM gotrs_schema_migration)",
    )
    .fetch_one(&mut *connection)
    .await
    .doing("reading the newest migration")?;
    let managed: Vec<(String, String, serde_json::Value)> = sqlx::query_as(
        "SELECT t.table_name, t.module, coalesce(jsonb_agg(jsonb_build_object(
                    'name', c.name, 'type', c.type, 'required', c.required,
                    'unique', c.is_unique AND c.in_use, 'secret', c.secret) ORDER BY a.attnum)
                    FILTER (WHERE c.name IS NOT NULL), '[]')
         FROM gotrs_managed_table t
         LEFT JOIN gotrs_managed_column c USING (table_name)
         LEFT JOIN pg_attribute a ON a.attrelid = to_regclass(quote_ident(t.table_name)) AND a.attname = c.name
         GROUP BY t.table_name, t.module",
    )
    .fetch_all(&mut *connection)
    .await
    .doing("reading the tables of modules")?;
    let mut managed: BTreeMap<String, ManagedTable> = managed
        .into_iter()
        .map(|(table, module, columns)| (table, ManagedTable { module, columns }))
        .collect();
    let tables = columns_by_table(connection, names).await?;
    Ok(Manifest {
        format: FORMAT.to_owned(),
        tenant: tenant.to_string(),
        exported_at,
        schema_version,
        tables: tables
            .into_iter()
            .filter(|(table, _)| !LEFT_OUT.contains(&table.as_str()))
            .map(|(name, columns)| TableEntry {
                managed: managed.remove(&name),
                columns,
                name,
            })
            .collect(),
    })
}

/// Every table of the schema with the columns that can be written, in their order.
async fn columns_by_table(
    connection: &mut PgConnection,
    names: &TenantNames,
) -> Result<BTreeMap<String, Vec<String>>, DatabaseError> {
    let columns: Vec<(String, String)> = sqlx::query_as(concat!(
        "SELECT c.relname::text, a.attname::text
         FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
         WHERE c.oid = ANY(",
        of_schema!(),
        ") AND c.relkind = 'r'
           AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
         ORDER BY c.relname, a.attnum"
    ))
    .bind(names.schema.as_str())
    .fetch_all(connection)
    .await
    .doing("reading the columns")?;
    let mut tables: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (table, column) in columns {
        // Whatever was added by hand under a name that we never give stays out.
        if table.parse::<SqlIdent>().is_ok() && column.parse::<SqlIdent>().is_ok() {
            tables.entry(table).or_default().push(column);
        }
    }
    Ok(tables)
}

async fn has_administrator(connection: &mut PgConnection) -> Result<bool, DatabaseError> {
    let settings: bool = sqlx::query_scalar("SELECT to_regclass('gotrs_setting') IS NOT NULL")
        .fetch_one(&mut *connection)
        .await
        .doing("looking for tables")?;
    if !settings {
        return Ok(false);
    }
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM gotrs_setting WHERE key = $1)")
        .bind(MADE)
        .fetch_one(connection)
        .await
        .doing("looking for the first administrator")
}

async fn make_managed_tables(
    connection: &mut PgConnection,
    manifest: &Manifest,
) -> Result<(), DatabaseError> {
    for managed in manifest
        .tables
        .iter()
        .filter_map(|table| table.managed.as_ref())
    {
        // Checks every name and type again.
        sqlx::query("SELECT gotrs_apply_managed_table($1, $2)")
            .bind(&managed.module)
            .bind(&managed.columns)
            .execute(&mut *connection)
            .await
            .doing("making the table of a module")?;
    }
    Ok(())
}

/// A table of the archive that the schema has, too.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    name: SqlIdent,
    /// Quoted, separated by commas.
    columns: String,
}

/// Pure: the tables of the archive, each of which must be there with each of its columns.
fn fitting(
    manifest: &Manifest,
    schema: &BTreeMap<String, Vec<String>>,
) -> Result<BTreeMap<String, Target>, ImportError> {
    let mut tables = BTreeMap::new();
    for table in &manifest.tables {
        let misfit = |what: &str| ImportError::Misfit(format!("{what} of table {:?}", table.name));
        let present: BTreeSet<&str> = schema
            .get(&table.name)
            .filter(|_| !LEFT_OUT.contains(&table.name.as_str()))
            .ok_or_else(|| ImportError::Misfit(format!("there is no table {:?}", table.name)))?
            .iter()
            .map(String::as_str)
            .collect();
        if let Some(unknown) = table
            .columns
            .iter()
            .find(|column| !present.contains(column.as_str()))
        {
            return Err(misfit(&format!("there is no column {unknown:?}")));
        }
        let target = Target {
            // Both are known to the schema, which has no other names.
            name: table.name.parse().map_err(|_invalid| misfit("the name"))?,
            columns: quoted(&table.columns),
        };
        if tables.insert(table.name.clone(), target).is_some() {
            return Err(misfit("there is a second list"));
        }
    }
    Ok(tables)
}

async fn copy_parts(
    connection: &mut PgConnection,
    tables: &BTreeMap<String, Target>,
    reader: &mut Reader,
) -> Result<u64, ImportError> {
    let mut rows: BTreeMap<String, u64> = tables.keys().map(|name| (name.clone(), 0)).collect();
    loop {
        match reader.next().await? {
            Some(Entry::Part { table, csv }) => {
                let (Some(target), Some(count)) = (tables.get(&table), rows.get_mut(&table)) else {
                    return Err(ImportError::Misfit(format!(
                        "rows of table {table:?}, of which the manifest does not speak"
                    )));
                };
                let statement = format!(
                    "COPY {} ({}) FROM STDIN (FORMAT csv, HEADER)",
                    target.name, target.columns
                );
                let mut copy = connection
                    .copy_in_raw(&statement)
                    .await
                    .doing("writing a table")?;
                copy.send(csv).await.doing("writing a table")?;
                *count += copy.finish().await.doing("writing a table")?;
            }
            Some(Entry::End(end)) if end.rows == rows => {
                return match reader.next().await? {
                    None => Ok(rows.values().sum()),
                    Some(_) => {
                        Err(ArchiveError::Form("it goes on behind its end".to_owned()).into())
                    }
                };
            }
            Some(Entry::End(_)) => {
                return Err(ArchiveError::Form("it has other rows than it says".to_owned()).into());
            }
            Some(Entry::Manifest(_)) => {
                return Err(ArchiveError::Form("it has two manifests".to_owned()).into());
            }
            None => return Err(ArchiveError::CutShort.into()),
        }
    }
}

/// Behind the greatest number that is taken.
const SEQUENCES: &str = "\
DO $body$
DECLARE
    owned record;
BEGIN
    FOR owned IN
        -- By dependencies, not by pg_get_serial_sequence: that may be asked about other tenants' tables first, and is refused.
        SELECT t.oid::regclass AS relation, a.attname AS name, s.oid::regclass AS sequence
        FROM pg_class s
        JOIN pg_depend d ON d.objid = s.oid AND d.classid = 'pg_class'::regclass
                        AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
        JOIN pg_class t ON t.oid = d.refobjid
        JOIN pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
        WHERE s.relkind = 'S' AND s.relnamespace = current_schema()::regnamespace
    LOOP
        EXECUTE format('SELECT setval(%L, coalesce((SELECT max(%I) FROM %s), 0) + 1, false)',
                       owned.sequence, owned.name, owned.relation);
    END LOOP;
END
$body$;";

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(tables: &[(&str, &[&str])]) -> Manifest {
        Manifest {
            format: FORMAT.to_owned(),
            tenant: String::new(),
            exported_at: String::new(),
            schema_version: 1,
            tables: tables
                .iter()
                .map(|(name, columns)| TableEntry {
                    name: (*name).to_owned(),
                    columns: columns.iter().map(|&column| column.to_owned()).collect(),
                    managed: None,
                })
                .collect(),
        }
    }

    #[test]
    fn only_what_the_schema_has_is_taken() {
        let schema = BTreeMap::from([
            (
                "ticket".to_owned(),
                vec!["id".to_owned(), "title".to_owned()],
            ),
            ("gotrs_session".to_owned(), vec!["id".to_owned()]),
        ]);
        let fit = fitting(&manifest(&[("ticket", &["title", "id"])]), &schema).unwrap();
        assert_eq!(fit["ticket"].columns, "\"title\", \"id\"");
        for (tables, problem) in [
            (
                manifest(&[("users", &["id"])]),
                "there is no table \"users\"",
            ),
            (
                manifest(&[("ticket\"; DROP TABLE ticket; --", &["id"])]),
                "there is no table \"ticket\\\"; DROP TABLE ticket; --\"",
            ),
            (
                manifest(&[("ticket", &["id\") FROM PROGRAM 'x"])]),
                "there is no column \"id\\\") FROM PROGRAM 'x\" of table \"ticket\"",
            ),
            (
                manifest(&[("gotrs_session", &["id"])]),
                "there is no table \"gotrs_session\"",
            ),
            (
                manifest(&[("ticket", &["id"]), ("ticket", &["id"])]),
                "there is a second list of table \"ticket\"",
            ),
        ] {
            assert_eq!(
                fitting(&tables, &schema).unwrap_err().to_string(),
                format!("the archive does not fit the schema: {problem}")
            );
        }
    }
}
