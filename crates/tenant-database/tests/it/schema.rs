//! A fresh tenant has exactly the tables and first rows of Znuny 6.5, and answers to the names of OTRS 6.0.

use std::collections::{BTreeMap, BTreeSet};

use sqlx::{PgConnection, Row as _};

use crate::server::{Server, run};

const COLUMNS: &str = include_str!("../../fixtures/znuny65.columns.tsv");
const CONSTRAINTS: &str = include_str!("../../fixtures/znuny65.constraints.tsv");
const INDEXES: &str = include_str!("../../fixtures/znuny65.indexes.tsv");
const ROWS: &str = include_str!("../../fixtures/default-rows.tsv");

/// Lines as in the files, from the catalogue; our own tables and the view left out.
async fn catalogue(
    connection: &mut PgConnection,
    query: &'static str,
) -> anyhow::Result<BTreeSet<String>> {
    let lines: Vec<String> = sqlx::query_scalar(query).fetch_all(connection).await?;
    Ok(lines.into_iter().collect())
}

fn file(text: &str) -> BTreeSet<String> {
    text.lines()
        .map(|line| line.trim_end().to_owned())
        .collect()
}

fn assert_same(what: &str, expected: &BTreeSet<String>, actual: &BTreeSet<String>) {
    let missing: Vec<_> = expected.difference(actual).collect();
    let surplus: Vec<_> = actual.difference(expected).collect();
    assert!(
        missing.is_empty() && surplus.is_empty(),
        "{what}: missing {missing:#?}, surplus {surplus:#?}"
    );
}

#[tokio::test]
async fn every_column_constraint_and_index_is_that_of_the_fixture_and_nothing_else_is_there()
-> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut connection = server.superuser().await?;
    run(
        &mut connection,
        &format!("SET search_path = {}", tenant.names.schema),
    )
    .await?;

    let columns = catalogue(
        &mut connection,
        r"SELECT rtrim(concat_ws(E'\t', c.relname, a.attnum, a.attname,
                regexp_replace(
                    replace(replace(format_type(a.atttypid, a.atttypmod), 'character varying', 'varchar'),
                            ' without time zone', ''), '^numeric.*', 'numeric'),
                CASE WHEN a.attnotnull THEN 'not null' ELSE 'null' END,
                coalesce(pg_get_expr(d.adbin, d.adrelid), '')), E'\t')
          FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
          LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
          WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r' AND c.relname NOT LIKE 'gotrs\_%'",
    )
    .await?;
    assert_same("columns", &file(COLUMNS), &columns);

    let constraints = catalogue(
        &mut connection,
        r"SELECT concat_ws(E'\t', c.relname, n.conname, n.contype, pg_get_constraintdef(n.oid))
          FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
          WHERE n.connamespace = current_schema()::regnamespace AND c.relname NOT LIKE 'gotrs\_%'",
    )
    .await?;
    assert_same("constraints", &file(CONSTRAINTS), &constraints);

    let indexes = catalogue(
        &mut connection,
        r"SELECT concat_ws(E'\t', tablename, indexname, replace(indexdef, ' ON ' || schemaname || '.', ' ON public.'))
          FROM pg_indexes WHERE schemaname = current_schema() AND tablename NOT LIKE 'gotrs\_%'",
    )
    .await?;
    assert_same("indexes", &file(INDEXES), &indexes);

    assert_eq!(server.tenants.verify(tenant.id).await?, []);
    server.stop(&[&tenant]).await
}

/// The columns that identify a row in the file, in its order.
fn identifying(table: &str) -> &'static [&'static str] {
    match table {
        "communication_channel" => &["id", "name", "module"],
        "dynamic_field" => &["id", "name", "field_type", "object_type"],
        "group_user" => &["user_id"],
        "users" => &["id", "login"],
        "system_address" => &["id", "value0"],
        _ => &["id", "name"],
    }
}

#[tokio::test]
async fn every_row_of_the_fixture_is_there_and_the_next_id_is_free() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut connection = server.runtime(&tenant).await?;
    let mut counted: BTreeMap<&str, i64> = BTreeMap::new();
    for line in ROWS.lines() {
        let fields: Vec<&str> = line.split('\t').collect();
        let (table, values) = fields.split_first().unwrap();
        // Left behind in the file by whoever read the database that it was made of.
        if line == "ticket_type\t2\ty" {
            continue;
        }
        let mut named = identifying(table).iter();
        let conditions: Vec<String> = values
            .iter()
            .map(|value| match value.split_once('=') {
                Some(("internal", value)) => format!("internal_field = {value}"),
                Some((column, value)) if !column.contains(' ') => format!("{column} = {value}"),
                _ if *value == "rw" => "permission_key = 'rw'".to_owned(),
                _ => format!(
                    "{}::text = '{}'",
                    named.next().unwrap(),
                    value.replace('\'', "''")
                ),
            })
            .collect();
        let query = format!(
            "SELECT count(*) FROM {table} WHERE {}",
            conditions.join(" AND ")
        );
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query.clone()))
            .fetch_one(&mut connection)
            .await?;
        assert_eq!(count, 1, "{query}");
        *counted.entry(table).or_default() += 1;
    }
    for (table, expected) in counted {
        let query = format!("SELECT count(*), coalesce(max(id), 0)::bigint FROM {table}");
        if ["group_user", "users"].contains(&table) {
            continue;
        }
        let row = sqlx::query(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut connection)
            .await?;
        let (count, highest): (i64, i64) = (row.get(0), row.get(1));
        assert_eq!((count, highest), (expected, expected), "{table}");
        let query = format!("SELECT nextval(pg_get_serial_sequence('{table}', 'id'))");
        let next: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(query))
            .fetch_one(&mut connection)
            .await?;
        assert_eq!(next, highest + 1, "{table}");
    }
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn groups_of_otrs_6_0_can_be_read_and_written() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut connection = server.runtime(&tenant).await?;
    let id: i32 = sqlx::query_scalar(
        "INSERT INTO groups (name, valid_id, create_time, create_by, change_time, change_by)
         VALUES ('night shift', 1, localtimestamp, 1, localtimestamp, 1) RETURNING id",
    )
    .fetch_one(&mut connection)
    .await?;
    assert_eq!(id, 5);
    run(
        &mut connection,
        "UPDATE groups SET comments = 'after eight' WHERE id = 5",
    )
    .await?;
    let comments: Option<String> =
        sqlx::query_scalar("SELECT comments FROM permission_groups WHERE name = 'night shift'")
            .fetch_one(&mut connection)
            .await?;
    assert_eq!(comments.as_deref(), Some("after eight"));
    run(&mut connection, "DELETE FROM groups WHERE id = 5").await?;
    let left: i64 = sqlx::query_scalar("SELECT count(*) FROM permission_groups")
        .fetch_one(&mut connection)
        .await?;
    assert_eq!(left, 4);
    server.stop(&[&tenant]).await
}

#[tokio::test]
async fn what_somebody_changed_by_hand_is_reported() -> anyhow::Result<()> {
    let server = Server::start().await?;
    let tenant = server.provision().await?;
    let mut connection = server.superuser().await?;
    let names = &tenant.names;
    run(
        &mut connection,
        &format!(
            "SET search_path = {schema};
             ALTER TABLE ticket ALTER COLUMN title TYPE text;
             ALTER TABLE ticket DROP CONSTRAINT ticket_tn;
             DROP INDEX ticket_title;
             ALTER TABLE queue OWNER TO CURRENT_USER;
             GRANT SELECT ON users TO {lambda};
             GRANT SELECT ON ticket TO PUBLIC;
             REVOKE INSERT ON ticket FROM {runtime};
             ALTER ROLE {lambda} CREATEDB;
             GRANT gotrs_owner TO {runtime};
             DELETE FROM gotrs_schema_migration WHERE version = 2;
             UPDATE gotrs_schema_migration SET checksum = '' WHERE version = 1;",
            schema = names.schema,
            lambda = names.lambda,
            runtime = names.runtime,
        ),
    )
    .await?;
    let found: Vec<String> = server
        .tenants
        .verify(tenant.id)
        .await?
        .iter()
        .map(|drift| drift.object.clone())
        .collect();
    for object in [
        "column ticket.title".to_owned(),
        "constraint ticket.ticket_tn".to_owned(),
        "index ticket.ticket_tn".to_owned(),
        "index ticket.ticket_title".to_owned(),
        "relation queue".to_owned(),
        "relation ticket".to_owned(),
        format!("rights on users for {}", names.lambda.as_str()),
        format!("rights on ticket for {}", names.runtime.as_str()),
        format!("role {}", names.lambda.as_str()),
        format!("role {}", names.runtime.as_str()),
        "migration 1".to_owned(),
        "migration 2".to_owned(),
    ] {
        assert!(found.contains(&object), "{object} is not in {found:#?}");
    }
    server.stop(&[&tenant]).await
}
