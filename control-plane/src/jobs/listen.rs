//! Carries the database's notifications to the jobs and streams of this process. Lossy: everybody who listens has a
//! timer as a net.

use std::time::Duration;

use domain::id::TenantId;
use service_kit::Chain;
use sqlx::postgres::{PgListener, PgNotification};

use crate::app::AppState;
use crate::db::{MAIL_DUE, TENANT_CHANGED};

/// Before the database is tried again.
const PAUSE: Duration = Duration::from_secs(1);

/// Runs until the process stops.
pub async fn run(state: AppState) -> anyhow::Result<()> {
    let stopping = state.tasks.stopping();
    loop {
        tokio::select! {
            outcome = forward(&state) => {
                if let Err(error) = outcome {
                    tracing::warn!(error = %Chain(&error), "notifications of the database are interrupted");
                }
            }
            () = stopping.cancelled() => return Ok(()),
        }
        tokio::select! {
            () = tokio::time::sleep(PAUSE) => {}
            () = stopping.cancelled() => return Ok(()),
        }
    }
}

async fn forward(state: &AppState) -> Result<(), sqlx::Error> {
    let mut listener = PgListener::connect_with(&state.pool).await?;
    listener.listen_all([TENANT_CHANGED, MAIL_DUE]).await?;
    // Whatever was told before the subscription.
    state.mail_due.notify_one();
    state.everything_changed.notify_one();
    while let Some(notification) = listener.try_recv().await? {
        tell(state, &notification);
    }
    Ok(())
}

fn tell(state: &AppState, notification: &PgNotification) {
    if notification.channel() == MAIL_DUE {
        state.mail_due.notify_one();
        return;
    }
    match notification.payload().parse::<TenantId>() {
        // Fails only when nobody listens.
        Ok(tenant) => drop(state.tenant_changes.send(tenant)),
        Err(error) => tracing::warn!(%error, "a notification names no tenant"),
    }
}
