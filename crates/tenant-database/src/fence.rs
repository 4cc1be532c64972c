//! One writer at a time, also when an old one does not know yet that it is not it any more.
//!
//! A leader that is chosen elsewhere (the operator's Lease) can be paused, lose its office, and wake up late, convinced that it
//! still has it. So each new leader takes the next epoch here, and whatever writes on behalf of an epoch
//! holds the row of the current one until its transaction ends: an older epoch is refused, and a new epoch waits for the
//! transactions of the old one.

use std::fmt;

use sqlx::PgConnection;

use crate::connection::{DatabaseError, Doing as _, TenantDatabase, limited, run};

/// Number of a leader's term of office; the next leader's is greater.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct FencingEpoch(i64);

impl fmt::Display for FencingEpoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why an epoch could not be taken.
#[derive(Debug, thiserror::Error)]
pub enum FenceError {
    /// The database refused or failed.
    #[error(transparent)]
    Database(#[from] DatabaseError),
}

/// One row, and what leaders write down for the next one, in a schema that no tenant may use. Written so that starting again writes nothing.
const TABLE: &str = "\
SET LOCAL search_path = pg_catalog;
SELECT pg_advisory_xact_lock(1735357554, 1);
CREATE SCHEMA IF NOT EXISTS gotrs_operator;
CREATE TABLE IF NOT EXISTS gotrs_operator.fence (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    epoch bigint NOT NULL
);
INSERT INTO gotrs_operator.fence (epoch) VALUES (0) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS gotrs_operator.note (
    tenant uuid PRIMARY KEY,
    content text NOT NULL
);";

impl TenantDatabase {
    /// Begins the next epoch and gives the handle that works in it; every handle of an older epoch is refused from now on, at its
    /// next transaction. Waits for the transactions that are open. A handle without an epoch (`gotrs up`, where nobody
    /// else can be) is never refused.
    pub async fn take_over(&self) -> Result<(Self, FencingEpoch), FenceError> {
        limited(async {
            let mut transaction = self.pool().begin().await.doing("beginning a transaction")?;
            run(&mut transaction, TABLE.to_owned())
                .await
                .doing("making the table of the epoch")?;
            let epoch = sqlx::query_scalar(
                "UPDATE gotrs_operator.fence SET epoch = epoch + 1 RETURNING epoch",
            )
            .fetch_one(&mut *transaction)
            .await
            .doing("taking the next epoch")?;
            transaction.commit().await.doing("committing")?;
            let epoch = FencingEpoch(epoch);
            Ok((self.clone().in_epoch(epoch), epoch))
        })
        .await
    }
}

/// Keeps everybody from beginning another epoch until the end of the transaction.
pub(crate) async fn hold(
    connection: &mut PgConnection,
    ours: FencingEpoch,
) -> Result<(), DatabaseError> {
    let current = sqlx::query_scalar("SELECT epoch FROM gotrs_operator.fence FOR SHARE")
        .fetch_one(connection)
        .await
        .doing("holding the epoch")?;
    let current = FencingEpoch(current);
    if current == ours {
        Ok(())
    } else {
        Err(DatabaseError::Fenced { ours, current })
    }
}
