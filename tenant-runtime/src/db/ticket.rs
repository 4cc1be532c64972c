//! Counts of tickets for the agent's home page.

use sqlx::PgExecutor;

/// How many tickets are in states of one type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTypeCount {
    /// `ticket_state_type.name`.
    pub name: String,
    /// How many.
    pub tickets: i64,
}

/// Tickets by state type, in the order of the types, in queues of groups that the agent may see; administrators of the
/// helpdesk are agents like others here.
pub async fn count_by_state_type(
    executor: impl PgExecutor<'_>,
    groups: &[String],
) -> sqlx::Result<Vec<StateTypeCount>> {
    sqlx::query_as!(
        StateTypeCount,
        r#"SELECT y.name, count(t.id) FILTER (WHERE g.name = ANY($1)) AS "tickets!"
           FROM ticket_state_type y
           LEFT JOIN ticket_state s ON s.type_id = y.id
           LEFT JOIN ticket t ON t.ticket_state_id = s.id AND t.archive_flag = 0
           LEFT JOIN queue q ON q.id = t.queue_id
           LEFT JOIN permission_groups g ON g.id = q.group_id
           GROUP BY y.id, y.name
           ORDER BY y.id"#,
        groups
    )
    .fetch_all(executor)
    .await
}

/// Open tickets that the agent owns.
pub async fn count_owned_open(executor: impl PgExecutor<'_>, agent: i32) -> sqlx::Result<i64> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "tickets!"
           FROM ticket t
           JOIN ticket_state s ON s.id = t.ticket_state_id
           JOIN ticket_state_type y ON y.id = s.type_id
           WHERE t.user_id = $1 AND t.archive_flag = 0 AND y.name IN ('new', 'open', 'pending reminder', 'pending auto')"#,
        agent
    )
    .fetch_one(executor)
    .await
}
