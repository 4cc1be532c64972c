//! What the database refuses, in the words of the form.

use std::collections::BTreeMap;

use sqlx::postgres::PgDatabaseError;

use super::SaveError;
use crate::data::list::Desk;

pub(super) const TAKEN: &str = "Another record has this already.";

/// What is wrong, by field; the empty name is the record as a whole.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(BTreeMap<String, String>);

impl FieldErrors {
    /// Adds an error; the first one about a field stays.
    pub fn add(&mut self, field: &str, message: String) {
        self.0.entry(field.to_owned()).or_insert(message);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether something is wrong with this field.
    pub fn has(&self, field: &str) -> bool {
        self.0.contains_key(field)
    }

    /// What is wrong with this field.
    pub fn of(&self, field: &str) -> Option<&str> {
        self.0.get(field).map(String::as_str)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|(field, message)| (field.as_str(), message.as_str()))
    }
}

/// An error of INSERT or UPDATE.
pub(super) fn explain(desk: Desk<'_>, error: sqlx::Error) -> SaveError {
    let Some(refusal) = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
    else {
        return error.into();
    };
    let mut errors = FieldErrors::default();
    match refusal.code() {
        "23505" => add_for_key(desk, &mut errors, refusal, TAKEN),
        "23503" => add_for_key(desk, &mut errors, refusal, "Choose one of the options."),
        "23502" => add_for_column(
            desk,
            &mut errors,
            refusal.column().unwrap_or_default(),
            "This is required.",
        ),
        "23514" => errors.add("", "A rule of the table forbids this.".to_owned()),
        // Class 22: data that a type cannot hold.
        code if code.starts_with("22") => {
            errors.add(
                "",
                format!("A value does not fit its column: {}.", refusal.message()),
            );
        }
        _ => return error.into(),
    }
    SaveError::Invalid(errors)
}

/// An error of DELETE: mostly that something else refers to the record.
pub(super) fn explain_deletion(desk: Desk<'_>, error: sqlx::Error) -> SaveError {
    let Some(refusal) = error
        .as_database_error()
        .and_then(|error| error.try_downcast_ref::<PgDatabaseError>())
    else {
        return error.into();
    };
    if refusal.code() != "23503" && refusal.code() != "23001" {
        return error.into();
    }
    let mut errors = FieldErrors::default();
    let user = refusal.table().unwrap_or("another table");
    let name = desk
        .app
        .modules
        .current()
        .iter()
        .find(|module| module.spec().table().as_str() == user)
        .map(|module| module.spec().plural().display().to_owned());
    let user = name.unwrap_or_else(|| user.replace('_', " "));
    let instead = if desk.module.table.has("valid_id") {
        " Disable it instead."
    } else {
        ""
    };
    errors.add(
        "",
        format!("This cannot be deleted: it is used by {user}.{instead}"),
    );
    SaveError::Invalid(errors)
}

fn add_for_key(desk: Desk<'_>, errors: &mut FieldErrors, refusal: &PgDatabaseError, message: &str) {
    let columns = refusal
        .constraint()
        .and_then(|name| desk.module.table.constraints.get(name));
    match columns {
        Some(columns) => columns
            .iter()
            .for_each(|column| add_for_column(desk, errors, column, message)),
        None => errors.add("", message.to_owned()),
    }
}

fn add_for_column(desk: Desk<'_>, errors: &mut FieldErrors, column: &str, message: &str) {
    let field = desk
        .module
        .spec()
        .fields()
        .iter()
        .find(|field| field.column().as_str() == column);
    match field {
        Some(field) => errors.add(field.name().as_str(), message.to_owned()),
        None => errors.add("", format!("{}: {message}", column.replace('_', " "))),
    }
}
