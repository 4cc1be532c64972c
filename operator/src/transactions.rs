//! Ends transactions of tenants that outlive every limit.
//!
//! A tenant's roles have timeouts, and whoever has such a role can lift its timeouts for a connection. What is lost then is not the
//! tenant's alone: as long as a transaction is open, no dead row that it may still see is cleaned up in any schema of the database.

use std::time::Duration;

use service_kit::Chain;
use tenant_database::TenantDatabase;
use tokio_util::sync::CancellationToken;

use crate::lease::Leadership;

/// How often old ones are looked for.
const EVERY: Duration = Duration::from_mins(1);
/// Twenty times the longest statement of a runtime.
const LONGEST: Duration = Duration::from_mins(10);

/// Works until the process stops or another operator leads.
pub async fn end_old(
    databases: Vec<(String, TenantDatabase)>,
    leadership: Leadership,
    stopping: CancellationToken,
) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stopping.cancelled() => return,
        }
        for (name, database) in &databases {
            if leadership.check().is_err() {
                return;
            }
            match database.end_old_transactions(LONGEST).await {
                Ok(0) => {}
                Ok(ended) => {
                    let ended = ended.unsigned_abs();
                    metrics::counter!("operator_old_transactions_total").increment(ended);
                    tracing::warn!(
                        database = name,
                        ended,
                        "transactions of tenants were older than their limits allow, and their connections were closed"
                    );
                }
                Err(error) => tracing::warn!(
                    database = name,
                    error = %Chain(&error),
                    "old transactions of tenants cannot be looked for"
                ),
            }
        }
    }
}
