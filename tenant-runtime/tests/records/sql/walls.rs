//! The walls that do not look at the statement, each with the others switched off: the role here is the runtime's, which may
//! write every row of its schema, and no gate stands before it.

use std::time::{Duration, Instant};

use module_engine::host::{Budget, HostError};
use tenant_runtime::data::host::read;

use super::*;

/// A tenant, and a connection of its runtime role, for which nothing is forbidden but what the server as a whole forbids.
struct Writable {
    database: TestDatabase,
    server: TenantDatabase,
    tenant: Provisioned,
    pool: PgPool,
}

impl Writable {
    async fn start() -> anyhow::Result<Self> {
        let database = TestDatabase::create().await?;
        let server = TenantDatabase::connect(&database.url().into()).await?;
        server.prepare_server().await?;
        let tenant = provision(&server).await?;
        let pool = lambda_pool(tenant.runtime_url.parse()?);
        Ok(Self {
            database,
            server,
            tenant,
            pool,
        })
    }

    /// Without the settings of the pool, too.
    async fn connection(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect(&self.tenant.runtime_url).await?)
    }

    async fn administrator(&self) -> anyhow::Result<PgConnection> {
        Ok(PgConnection::connect_with(&self.database.options()).await?)
    }

    async fn stop(self) -> anyhow::Result<()> {
        self.pool.close().await;
        self.server.drop_tenant(self.tenant.id).await?;
        self.server.close().await;
        self.database.drop_database().await
    }
}

/// One statement of the extended protocol; the SQLSTATE, or `done`.
async fn extended(connection: &mut PgConnection, sql: &str) -> String {
    let answer = sqlx::query(AssertSqlSafe(sql.to_owned()))
        .persistent(false)
        .execute(connection)
        .await;
    match answer {
        Ok(_) => "done".to_owned(),
        Err(sqlx::Error::Database(error)) => error.code().unwrap().into_owned(),
        Err(error) => panic!("{sql}: {error}"),
    }
}

/// That one statement is all that a text can be is what keeps it from ending the transaction in which it runs.
#[tokio::test]
async fn the_protocol_alone_takes_no_second_statement() -> anyhow::Result<()> {
    let world = Writable::start().await?;
    let mut administrator = world.administrator().await?;
    let schemas = [world.tenant.schema.as_str()];
    let before = everything(&mut administrator, &schemas).await?;
    let mut connection = world.connection().await?;
    let several = [
        "SELECT 1; DELETE FROM ticket",
        "SELECT 1;DELETE\tFROM ticket",
        "SELECT 1; COMMIT; DELETE FROM ticket",
        "SELECT 1; COMMIT; BEGIN READ WRITE; TRUNCATE valid CASCADE; COMMIT",
        "COMMIT; UPDATE users SET login = 'x' WHERE id = 1",
        "SELECT 1 --\r; DELETE FROM ticket\n; DELETE FROM ticket",
        "SELECT 1 /* /* */ */; DELETE FROM ticket",
        "VALUES (1); VALUES (2)",
        "SELECT 1) q; DELETE FROM ticket --",
    ];
    for sql in several {
        assert_eq!(extended(&mut connection, sql).await, "42601", "{sql}");
    }
    // The same over the protocol that takes many: the wall is the protocol, nothing else.
    let title = "UPDATE ticket SET title = 'written'";
    assert_eq!(
        outcome(&mut connection, &format!("SELECT 1; {title}")).await,
        "rows"
    );
    assert_ne!(everything(&mut administrator, &schemas).await?, before);
    connection.close().await?;
    administrator.close().await?;
    world.stop().await
}

/// A role that may write, one statement at a time, in the transaction that lambdas get.
#[tokio::test]
async fn the_transaction_alone_writes_nothing() -> anyhow::Result<()> {
    let world = Writable::start().await?;
    let mut administrator = world.administrator().await?;
    let schemas = [world.tenant.schema.as_str()];
    let before = everything(&mut administrator, &schemas).await?;
    let (mut refused, mut done) = (0, 0);
    for case in cases() {
        let sql = written_out(case.sql, &world.tenant.schema, "t_other");
        // What takes its time until the timeout of statements writes nothing either, and what ends the transaction is
        // another wall's: no second statement could follow it.
        let ends_it = ["COMMIT", "ROLLBACK"]
            .iter()
            .any(|word| sql.starts_with(word));
        if sql.contains('\0') || ends_it || case.server.contains("57014") {
            continue;
        }
        let mut transaction = world.pool.begin_with("BEGIN READ ONLY").await?;
        match extended(&mut transaction, &sql).await.as_str() {
            "25006" => refused += 1,
            "done" => done += 1,
            _ => {}
        }
        transaction.rollback().await?;
    }
    assert!(refused >= 20 && done >= 20, "{refused} {done}");
    assert_eq!(everything(&mut administrator, &schemas).await?, before);
    // Without it the role does write.
    let mut connection = world.connection().await?;
    assert_eq!(
        extended(&mut connection, "UPDATE ticket SET title = 'written'").await,
        "done"
    );
    assert_ne!(everything(&mut administrator, &schemas).await?, before);
    connection.close().await?;
    administrator.close().await?;
    world.stop().await
}

/// What an answer may cost, when the statement and the role allow everything.
#[tokio::test]
async fn the_budget_alone_bounds_rows_bytes_and_time() -> anyhow::Result<()> {
    let world = Writable::start().await?;
    let plenty = Budget {
        deadline: Instant::now() + Duration::from_secs(20),
        max_rows: 1_000,
        max_bytes: 1_000_000,
    };
    for (sql, budget, expected) in [
        (
            "SELECT n FROM generate_series(1, 1001) n",
            plenty,
            HostError::TooManyRows,
        ),
        (
            "SELECT repeat('x', 10000) FROM generate_series(1, 1000)",
            plenty,
            HostError::TooManyBytes,
        ),
        (
            "SELECT count(*) FROM generate_series(1, 1000000000000)",
            Budget {
                deadline: Instant::now() + Duration::from_millis(300),
                ..plenty
            },
            HostError::Deadline,
        ),
    ] {
        let mut transaction = world.pool.begin_with("BEGIN READ ONLY").await?;
        let as_it_is = |_: &[String]| Ok(sql.to_owned());
        let ended = read(&mut transaction, sql, as_it_is, &[], budget)
            .await
            .unwrap_err();
        assert_eq!(ended, expected, "{sql}");
        drop(transaction);
        until_idle(&world.pool).await;
    }
    let mut transaction = world.pool.begin_with("BEGIN READ ONLY").await?;
    let most = "SELECT n FROM generate_series(1, 1000) n";
    let as_it_is = |_: &[String]| Ok(most.to_owned());
    let rows = read(&mut transaction, most, as_it_is, &[], plenty).await?;
    assert_eq!(rows.rows.len(), 1_000);
    transaction.rollback().await?;
    world.stop().await
}
