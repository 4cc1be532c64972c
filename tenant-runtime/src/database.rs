//! Whether the tenant's database answers, for `/readyz`.

use std::time::Duration;

use service_kit::internal::PartState;

use crate::app::AppState;

/// The name of this part on the board behind `/readyz`.
pub const PART: &str = "database";

/// While it works: seldom enough for idle connections to be given back in between.
const CALM: Duration = Duration::from_mins(1);
const AWAY: Duration = Duration::from_secs(1);

/// Asks the database for a sign of life, until the shutdown.
pub async fn watch(app: AppState) -> anyhow::Result<()> {
    let stopping = app.tasks.stopping();
    loop {
        let pause = match sqlx::query_scalar!("SELECT 1")
            .fetch_one(&app.database)
            .await
        {
            Ok(_) => {
                app.readiness.set(PART, PartState::Ready);
                CALM
            }
            Err(error) => {
                tracing::warn!(error = %service_kit::Chain(&error), "the database does not answer");
                app.readiness.set(
                    PART,
                    PartState::NotReady {
                        reason: "the database does not answer".to_owned(),
                    },
                );
                AWAY
            }
        };
        if stopping
            .run_until_cancelled(tokio::time::sleep(pause))
            .await
            .is_none()
        {
            return Ok(());
        }
    }
}
