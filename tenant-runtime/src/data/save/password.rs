//! Passwords: taken, hashed, never given back.

use module_engine::call::Item;
use module_spec::Field;
use serde_json::Value;
use sqlx::PgConnection;

use super::{SaveError, is_text};
use crate::auth::password;
use crate::auth::session::Subject;
use crate::data::list::{Desk, Record};
use crate::data::sql::Assignment;
use crate::data::value;
use crate::db;

/// Shortest password that somebody signs in with.
const MIN_LEN: usize = 8;
/// Stands in `pw` where the password is in `gotrs_credential`: no hash looks like it, so it matches nothing.
const UNUSABLE: &str = "*";
/// Passwords that the helpdesk itself must present elsewhere, so a hash would be of no use.
const PRESENTED: &[(&str, &str)] = &[("mail_account", "pw")];

/// What to write for passwords.
#[derive(Debug, Default)]
pub(super) struct Secrets {
    /// Into the record's own table.
    pub(super) assignments: Vec<Assignment>,
    /// The hash of somebody's new sign-in password.
    credential: Option<String>,
}

/// Whose passwords a table keeps.
fn subject(desk: Desk<'_>) -> Option<Subject> {
    match desk.module.table.name.as_str() {
        "users" => Some(Subject::Agent),
        "customer_user" => Some(Subject::Customer),
        _ => None,
    }
}

fn signs_in_with(desk: Desk<'_>, field: &Field) -> Option<Subject> {
    subject(desk).filter(|_| field.column().as_str() == "pw")
}

pub(super) fn check(
    desk: Desk<'_>,
    field: &Field,
    value: &Value,
    is_new: bool,
) -> Result<(), String> {
    if !field.is_secret() {
        return Ok(());
    }
    let text = value::plain(value);
    if text.is_empty() {
        return if is_new && field.required() {
            Err("This is required.".to_owned())
        } else {
            Ok(())
        };
    }
    let length = text.chars().count();
    if signs_in_with(desk, field).is_some() && length < MIN_LEN {
        return Err(format!("A password has at least {MIN_LEN} characters."));
    }
    if text.len() > password::MAX_LEN {
        return Err(format!(
            "A password has at most {} bytes.",
            password::MAX_LEN
        ));
    }
    Ok(())
}

/// Hashes what was given, off the worker threads.
pub(super) async fn prepare(
    desk: Desk<'_>,
    fields: &[&Field],
    item: &Item,
    is_new: bool,
) -> Result<Secrets, SaveError> {
    let mut secrets = Secrets::default();
    for field in fields
        .iter()
        .filter(|field| field.is_secret() && !field.is_virtual())
    {
        let given = item
            .get(field.name().as_str())
            .map(value::plain)
            .filter(|text| !text.is_empty());
        let assign = |value: String| Assignment {
            column: field.column().clone(),
            value: Some(value),
        };
        let Some(given) = given else {
            let column = desk.module.table.columns.get(field.column().as_str());
            let must = column.is_some_and(|column| {
                !column.nullable && !column.has_default && is_text(&column.type_name)
            });
            if is_new && must {
                secrets.assignments.push(assign(UNUSABLE.to_owned()));
            }
            continue;
        };
        if PRESENTED.contains(&(desk.module.table.name.as_str(), field.column().as_str())) {
            secrets.assignments.push(assign(given));
            continue;
        }
        let hashed = desk
            .app
            .tasks
            .spawn_blocking("hash a password", move || password::hash(&given))
            .await;
        let hash = match hashed {
            Ok(Ok(hash)) => hash,
            Ok(Err(error)) => return Err(SaveError::Password(error.to_string())),
            Err(error) => return Err(SaveError::Password(error.to_string())),
        };
        if signs_in_with(desk, field).is_some() {
            secrets.assignments.push(assign(UNUSABLE.to_owned()));
            secrets.credential = Some(hash);
        } else {
            secrets.assignments.push(assign(hash));
        }
    }
    // The table wants something, though this module has no field for it.
    if let (true, Some(_), Ok(column)) = (is_new, subject(desk), "pw".parse()) {
        let column: domain::identifier::SqlIdent = column;
        let must = desk
            .module
            .table
            .columns
            .get("pw")
            .is_some_and(|column| !column.nullable);
        if must && secrets.assignments.iter().all(|one| one.column != column) {
            secrets.assignments.push(Assignment {
                column,
                value: Some(UNUSABLE.to_owned()),
            });
        }
    }
    Ok(secrets)
}

fn login_field(desk: Desk<'_>) -> Option<&Field> {
    desk.module
        .spec()
        .fields()
        .iter()
        .find(|field| field.column().as_str() == "login" && !field.is_virtual())
}

fn login_of(desk: Desk<'_>, item: &Item) -> Option<String> {
    item.get(login_field(desk)?.name().as_str())
        .map(value::plain)
        .filter(|login| !login.is_empty())
}

/// Keeps `gotrs_credential` in step with the record, in the same transaction.
pub(super) async fn store(
    desk: Desk<'_>,
    secrets: &Secrets,
    item: &Item,
    current: Option<&Record>,
    connection: &mut PgConnection,
) -> Result<(), SaveError> {
    let Some(subject) = subject(desk) else {
        return Ok(());
    };
    let Some(login) = login_of(desk, item) else {
        return Ok(());
    };
    if let Some(old) = current
        .and_then(|record| login_of(desk, &record.item))
        .filter(|old| *old != login)
    {
        db::credential::rename(connection, subject, &old, &login).await?;
    }
    if let Some(hash) = &secrets.credential {
        db::credential::put(connection, subject, &login, hash, desk.app.clock.now()).await?;
    }
    Ok(())
}

/// A login that is gone must not come back with its old password.
pub(super) async fn forget(
    desk: Desk<'_>,
    current: &Record,
    connection: &mut PgConnection,
) -> Result<(), SaveError> {
    if let (Some(subject), Some(login)) = (subject(desk), login_of(desk, &current.item)) {
        db::credential::remove(connection, subject, &login).await?;
    }
    Ok(())
}
