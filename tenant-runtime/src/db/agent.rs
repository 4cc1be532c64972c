//! Agents (`users`) and their permissions.

use sqlx::{PgConnection, PgExecutor};

use crate::auth::permission::PermissionSet;

/// What a sign-in needs to know of an agent.
#[derive(Debug)]
pub struct AgentRow {
    /// `users.id`.
    pub id: i32,
    /// As it is stored, whatever case was typed.
    pub login: String,
    /// `users.pw`, as OTRS left it.
    pub legacy_password: String,
}

/// A valid agent by login, compared without case as OTRS does it; an exact match goes first.
pub async fn find_by_login(
    connection: &mut PgConnection,
    login: &str,
) -> sqlx::Result<Option<AgentRow>> {
    sqlx::query_as!(
        AgentRow,
        "SELECT id, login, pw AS legacy_password
         FROM users
         WHERE lower(login) = lower($1) AND valid_id = 1
         ORDER BY login = $1 DESC, id
         LIMIT 1",
        login
    )
    .fetch_optional(connection)
    .await
}

/// Login and full name of a valid agent.
pub async fn find_name(
    connection: &mut PgConnection,
    id: i32,
) -> sqlx::Result<Option<(String, String)>> {
    let row = sqlx::query!(
        "SELECT login, first_name, last_name FROM users WHERE id = $1 AND valid_id = 1",
        id
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(|row| {
        let name = format!("{} {}", row.first_name, row.last_name);
        (row.login, name.trim().to_owned())
    }))
}

/// What an agent may do: given directly, or through a valid role, on valid groups.
pub async fn permissions(executor: impl PgExecutor<'_>, id: i32) -> sqlx::Result<PermissionSet> {
    let rows = sqlx::query!(
        r#"SELECT g.name AS "group_name!", u.permission_key AS "permission_key!"
           FROM group_user u
           JOIN permission_groups g ON g.id = u.group_id AND g.valid_id = 1
           WHERE u.user_id = $1
           UNION
           SELECT g.name, r.permission_key
           FROM role_user m
           JOIN roles o ON o.id = m.role_id AND o.valid_id = 1
           JOIN group_role r ON r.role_id = m.role_id AND r.permission_value = 1
           JOIN permission_groups g ON g.id = r.group_id AND g.valid_id = 1
           WHERE m.user_id = $1"#,
        id
    )
    .fetch_all(executor)
    .await?;
    Ok(PermissionSet::from_grants(rows.iter().map(|row| {
        (row.group_name.as_str(), row.permission_key.as_str())
    })))
}

/// Makes `users.pw` a text that matches no password; ours lies in `gotrs_credential`.
pub async fn disable_legacy_password(connection: &mut PgConnection, id: i32) -> sqlx::Result<()> {
    sqlx::query!("UPDATE users SET pw = '*' WHERE id = $1", id)
        .execute(connection)
        .await
        .map(drop)
}
