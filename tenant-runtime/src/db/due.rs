//! What becomes due by time alone.

use chrono::{DateTime, Utc};
use sqlx::PgExecutor;

/// The next time after `now` at which a ticket escalates, a reminder or an automatic close is due, a planned task is to run, or
/// people are to be told of an appointment; `None` when nothing waits for its time.
///
/// What is due already is left out: a tenant that is awake has it in hand, and it must not keep the tenant awake for ever.
pub async fn next_due(
    executor: impl PgExecutor<'_>,
    now: DateTime<Utc>,
) -> sqlx::Result<Option<DateTime<Utc>>> {
    sqlx::query_scalar!(
        r#"WITH open_ticket AS (
               SELECT t.until_time, t.escalation_time, y.name AS state_type
               FROM ticket t
               JOIN ticket_state s ON s.id = t.ticket_state_id
               JOIN ticket_state_type y ON y.id = s.type_id
               WHERE t.archive_flag = 0 AND y.name IN ('new', 'open', 'pending reminder', 'pending auto')
                 AND (t.until_time > extract(epoch FROM $1::timestamptz)
                      OR t.escalation_time > extract(epoch FROM $1::timestamptz))
           )
           SELECT min(due) FROM (
               SELECT to_timestamp(until_time) AS due FROM open_ticket WHERE state_type LIKE 'pending %'
               UNION ALL
               SELECT to_timestamp(escalation_time) FROM open_ticket
               UNION ALL
               SELECT execution_time AT TIME ZONE 'UTC' FROM scheduler_future_task
               UNION ALL
               SELECT notify_time AT TIME ZONE 'UTC' FROM calendar_appointment WHERE notify_time IS NOT NULL
           ) everything
           WHERE due > $1"#,
        now,
    )
    .fetch_one(executor)
    .await
}
