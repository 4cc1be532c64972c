//! Writing records: check everything, run the hooks, write in one transaction, and say in the form's words what the database refused.

mod columns;
mod password;
mod refusal;

use module_engine::breaker::Ending;
use module_engine::call::Item;
use module_engine::error::InvokeError;
use module_spec::{Field, FieldType, Hook};
use serde_json::{Map, Value};
use sqlx::Row as _;

use crate::data::fault::{Fault, Telling};
use crate::data::host::PgHost;
use crate::data::list::{DataError, Desk, Record, find_kept};
use crate::data::sql::{self, Assignment, Condition};
use crate::data::{choices, value};
use crate::lambdas::{self, Purpose};

pub use refusal::FieldErrors;

/// What somebody sent for a record.
#[derive(Debug, Clone, Default)]
pub struct Submission {
    /// By field name.
    pub values: Map<String, Value>,
    /// From an HTML form, where an unchecked box sends nothing.
    pub is_form: bool,
}

/// Why a record was not written.
#[derive(Debug, thiserror::Error)]
pub enum SaveError {
    /// By field; what concerns the record as a whole stands under the empty name.
    #[error("some of this is not right")]
    Invalid(FieldErrors),
    /// There is no such record.
    #[error("there is no such record")]
    NotFound,
    /// Reading or writing failed.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A hook that has to look at the record first did not come to its end.
    #[error("a hook could not be run")]
    Hook(Fault),
    /// A password could not be hashed.
    #[error("a password could not be hashed: {0}")]
    Password(String),
}

impl From<sqlx::Error> for SaveError {
    fn from(error: sqlx::Error) -> Self {
        Self::Data(DataError::Database(error))
    }
}

/// Adds a record; answers its key.
pub async fn create(desk: Desk<'_>, submission: &Submission) -> Result<String, SaveError> {
    let mut item = Item::new();
    for field in desk.module.spec().fields() {
        let name = field.name().as_str();
        let given = desk
            .may_write(field)
            .then(|| submitted(field, submission))
            .flatten();
        // What is not asked for or may not be set starts with the default.
        if let Some(value) = given.or_else(|| field.default().cloned()) {
            item.insert(name.to_owned(), value);
        }
    }
    let touched = |field: &Field| !field.is_server_filled();
    let item = check(desk, submission, item, None, &touched).await?;
    let key = write(desk, &item, None, &touched).await?;
    after(desk, Hook::AfterSave, &key, item).await;
    Ok(key)
}

/// Changes a record; fields that were not sent stay as they are. Answers its key.
pub async fn update(
    desk: Desk<'_>,
    id: &str,
    submission: &Submission,
) -> Result<String, SaveError> {
    let current = find_kept(desk, id).await?.ok_or(SaveError::NotFound)?;
    let mut item = current.item.clone();
    let mut sent = Vec::new();
    for field in desk
        .module
        .spec()
        .fields()
        .iter()
        .filter(|field| desk.may_write(field))
    {
        if let Some(value) = submitted(field, submission) {
            // An empty password field leaves the password as it is.
            if !(field.is_secret() && value::is_empty(&value)) {
                sent.push(field.name().clone());
                item.insert(field.name().to_string(), value);
            }
        }
    }
    let before = current.item.clone();
    let touched = |field: &Field| sent.contains(field.name());
    let checked = check(desk, submission, item, Some(&current), &touched).await?;
    // A hook may have changed other fields too.
    let changed = |field: &Field| {
        let name = field.name().as_str();
        touched(field)
            || !field.is_server_filled()
                && checked.get(name) != before.get(name)
                && checked.contains_key(name)
    };
    let key = write(desk, &checked, Some(&current), &changed).await?;
    after(desk, Hook::AfterSave, &key, checked).await;
    Ok(key)
}

/// What was sent for a field.
fn submitted(field: &Field, submission: &Submission) -> Option<Value> {
    let given = submission.values.get(field.name().as_str()).cloned();
    let silent_input = field.kind() == FieldType::Boolean || field.multiple();
    match given {
        None if submission.is_form && field.show_in_form() && silent_input => {
            Some(if field.multiple() {
                Value::Array(Vec::new())
            } else {
                Value::Bool(false)
            })
        }
        other => other,
    }
}

/// Hooks and rules; answers the record as it will be written.
async fn check(
    desk: Desk<'_>,
    submission: &Submission,
    item: Item,
    current: Option<&Record>,
    touched: &(dyn Fn(&Field) -> bool + Sync),
) -> Result<Item, SaveError> {
    let mut errors = unknown_names(desk, submission);
    let mut item = item;
    // Hooks are written for plain values; what cannot be one does not get to them.
    for (name, value) in item
        .iter_mut()
        .filter(|(name, value)| value.is_object() && submission.values.contains_key(*name))
    {
        errors.add(name, "This must be a single value.".to_owned());
        *value = Value::Null;
    }
    let before = item.clone();
    let mut item = run_hook(desk, Hook::BeforeValidate, item, &mut errors).await?;
    // What the hook changed is checked as well.
    let is_changed = |name: &str, item: &Item| item.get(name) != before.get(name);
    let spec = desk.module.spec();
    for field in spec.fields() {
        let name = field.name().as_str();
        if !touched(field) && !is_changed(name, &item) {
            continue;
        }
        let given = item.get(name).cloned().unwrap_or_default();
        match value::convert(field, &given)
            .and_then(|value| columns::fit(desk, field, &value).map(|()| value))
        {
            Ok(value) => {
                if let Err(message) = password::check(desk, field, &value, current.is_none()) {
                    errors.add(name, message);
                }
                item.insert(name.to_owned(), value);
            }
            Err(message) => errors.add(name, message),
        }
    }
    let mut item = run_hook(desk, Hook::BeforeSave, item, &mut errors).await?;
    for field in spec.fields() {
        let name = field.name().as_str();
        let is_settled = errors.has(name) || !(touched(field) || is_changed(name, &item));
        let Some(given) = item.get(name).filter(|_| !is_settled) else {
            continue;
        };
        match value::convert(field, given)
            .and_then(|value| columns::fit(desk, field, &value).map(|()| value))
        {
            Ok(value) => drop(item.insert(name.to_owned(), value)),
            Err(message) => errors.add(name, message),
        }
    }
    check_references(desk, &item, touched, &mut errors).await?;
    check_unique(
        desk,
        &item,
        current.map(|record| record.key.as_str()),
        touched,
        &mut errors,
    )
    .await?;
    if errors.is_empty() {
        Ok(item)
    } else {
        Err(SaveError::Invalid(errors))
    }
}

/// A program that misspells a field should not believe that it was saved. What a GET answers may come back.
fn unknown_names(desk: Desk<'_>, submission: &Submission) -> FieldErrors {
    let spec = desk.module.spec();
    let mut errors = FieldErrors::default();
    for (name, value) in &submission.values {
        let derived = name
            .strip_suffix("_display")
            .or_else(|| name.strip_suffix("_error"))
            .unwrap_or(name);
        let known = Field::AUDIT_COLUMNS.contains(&name.as_str())
            || spec.computed_field(derived).is_some()
            || spec.field(derived).is_some();
        if submission.is_form {
            continue;
        }
        match spec.field(name) {
            _ if !known => errors.add(name, "There is no such field.".to_owned()),
            Some(field)
                if !desk.may_write(field)
                    && !field.is_server_filled()
                    && !field.read_only()
                    && !value.is_null() =>
            {
                errors.add(name, "You may not set this field.".to_owned());
            }
            _ => {}
        }
    }
    errors
}

/// What refers to another table must be there, whether or not the database has a foreign key for it.
async fn check_references(
    desk: Desk<'_>,
    item: &Item,
    touched: &(dyn Fn(&Field) -> bool + Sync),
    errors: &mut FieldErrors,
) -> Result<(), SaveError> {
    let spec = desk.module.spec();
    let wanted = |field: &&Field| {
        field.lookup().is_some() && touched(field) && !errors.has(field.name().as_str())
    };
    let fields: Vec<&Field> = spec.fields().iter().filter(wanted).collect();
    if fields.is_empty() {
        return Ok(());
    }
    let mut connection = desk.app.read_as_lambda().await?;
    let texts = choices::lookup_texts(spec, std::slice::from_ref(item), &mut connection).await?;
    for field in fields {
        let name = field.name().as_str();
        let values = match item.get(name) {
            None | Some(Value::Null) => continue,
            Some(Value::Array(items)) => items.iter().map(value::plain).collect(),
            Some(one) => vec![value::plain(one)],
        };
        let known = texts.get(name);
        if values
            .iter()
            .any(|value| known.is_none_or(|known| !known.contains_key(value)))
        {
            errors.add(name, "Choose one of the options.".to_owned());
        }
    }
    Ok(())
}

async fn check_unique(
    desk: Desk<'_>,
    item: &Item,
    id: Option<&str>,
    touched: &(dyn Fn(&Field) -> bool + Sync),
    errors: &mut FieldErrors,
) -> Result<(), SaveError> {
    for field in desk
        .module
        .spec()
        .fields()
        .iter()
        .filter(|field| field.unique() && !field.is_virtual() && touched(field))
    {
        let name = field.name().as_str();
        let Some(value) = item.get(name).filter(|value| !value::is_empty(value)) else {
            continue;
        };
        let mut conditions = vec![Condition::Is(field.column().clone(), value::plain(value))];
        if let Some(id) = id {
            conditions.push(Condition::IsNot(desk.key()?.clone(), id.to_owned()));
        }
        let statement = sql::count(&desk.module.table, &conditions);
        let others: i64 = statement
            .query()
            .fetch_one(&desk.app.database)
            .await?
            .try_get("total")?;
        if others > 0 {
            errors.add(name, refusal::TAKEN.to_owned());
        }
    }
    Ok(())
}

async fn write(
    desk: Desk<'_>,
    item: &Item,
    current: Option<&Record>,
    touched: &(dyn Fn(&Field) -> bool + Sync),
) -> Result<String, SaveError> {
    let fields: Vec<&Field> = desk
        .module
        .spec()
        .fields()
        .iter()
        .filter(|field| touched(field))
        .collect();
    let secrets = password::prepare(desk, &fields, item, current.is_none()).await?;
    let mut assignments = columns::assignments(desk, &fields, item, current.is_none());
    assignments.extend(secrets.assignments.iter().cloned());
    assignments.extend(columns::audit(desk, current.is_none()));
    let (table, key) = (&desk.module.table, desk.key()?);
    let statement = match current {
        None => sql::insert(table, key, &assignments),
        // Nothing was sent and nobody keeps account of it.
        Some(record) if assignments.is_empty() => return Ok(record.key.clone()),
        Some(record) => sql::update(table, key, &record.key, &assignments),
    };
    let mut transaction = desk.app.database.begin().await?;
    let row = statement.query().fetch_optional(&mut *transaction).await;
    let row = row
        .map_err(|error| refusal::explain(desk, error))?
        .ok_or(SaveError::NotFound)?;
    let written: String = row.try_get("key")?;
    password::store(desk, &secrets, item, current, &mut transaction).await?;
    transaction
        .commit()
        .await
        .map_err(|error| refusal::explain(desk, error))?;
    Ok(written)
}

/// Deletes a record, or disables it where the module says so.
pub async fn delete(desk: Desk<'_>, id: &str) -> Result<(), SaveError> {
    let current = find_kept(desk, id).await?.ok_or(SaveError::NotFound)?;
    let mut errors = own_account(desk, id);
    run_hook(desk, Hook::BeforeDelete, current.item.clone(), &mut errors).await?;
    if !errors.is_empty() {
        return Err(SaveError::Invalid(errors));
    }
    let (table, key) = (&desk.module.table, desk.key()?);
    if desk.module.spec().features().soft_delete && table.has("valid_id") {
        set_status(desk, id, INVALID).await?;
    } else {
        let mut transaction = desk.app.database.begin().await?;
        let done = sql::delete(table, key, id)
            .query()
            .execute(&mut *transaction)
            .await;
        done.map_err(|error| refusal::explain_deletion(desk, error))?;
        password::forget(desk, &current, &mut transaction).await?;
        transaction
            .commit()
            .await
            .map_err(|error| refusal::explain_deletion(desk, error))?;
    }
    after(desk, Hook::AfterDelete, id, current.item).await;
    Ok(())
}

/// `valid_id` of what is in use.
pub const VALID: i64 = 1;
/// `valid_id` of what is disabled.
const INVALID: i64 = 2;

/// Enables what is disabled and the other way round; answers the new state.
pub async fn toggle(desk: Desk<'_>, id: &str) -> Result<bool, SaveError> {
    let current = find_kept(desk, id).await?.ok_or(SaveError::NotFound)?;
    let is_valid = current.raw.get("_valid_id").and_then(Value::as_i64) == Some(VALID);
    if is_valid {
        let errors = own_account(desk, id);
        if !errors.is_empty() {
            return Err(SaveError::Invalid(errors));
        }
    }
    set_status(desk, id, if is_valid { INVALID } else { VALID }).await?;
    Ok(!is_valid)
}

async fn set_status(desk: Desk<'_>, id: &str, status: i64) -> Result<(), SaveError> {
    let Ok(column) = "valid_id".parse() else {
        return Ok(());
    };
    let mut assignments = vec![Assignment {
        column,
        value: Some(status.to_string()),
    }];
    assignments.extend(columns::audit(desk, false));
    let statement = sql::update(&desk.module.table, desk.key()?, id, &assignments);
    let row = statement.query().fetch_optional(&desk.app.database).await;
    row.map_err(|error| refusal::explain(desk, error))?
        .ok_or(SaveError::NotFound)?;
    Ok(())
}

/// Nobody locks themselves out.
fn own_account(desk: Desk<'_>, id: &str) -> FieldErrors {
    let mut errors = FieldErrors::default();
    if desk.module.table.name.as_str() == "users" && id == desk.agent.id().to_string() {
        errors.add(
            "",
            "This is your own account. Ask another administrator to disable it.".to_owned(),
        );
    }
    errors
}

async fn run_hook(
    desk: Desk<'_>,
    hook: Hook,
    item: Item,
    errors: &mut FieldErrors,
) -> Result<Item, SaveError> {
    let spec = desk.module.spec();
    if spec.hooks().get(hook).is_none() {
        return Ok(item);
    }
    let host = PgHost::new(desk.app, spec.name().as_str(), desk.agent);
    let given = item.clone();
    let ran = lambdas::run(
        desk.app,
        desk.module,
        Purpose::Hook,
        Ending::of,
        move |compiled, ceiling| compiled.hook(hook, &given, &host, ceiling),
    )
    .await;
    let outcome = ran.map_err(|error| {
        log_failure(desk, hook, &error);
        let done = match hook {
            Hook::BeforeDelete | Hook::AfterDelete => "deleted",
            Hook::BeforeValidate | Hook::BeforeSave | Hook::AfterSave => "saved",
        };
        let what = format!("The check of {} before they are {done}", spec.plural());
        SaveError::Hook(Fault::new(desk, &what, &error, Telling::Full(&item)))
    })?;
    for failure in outcome.failures {
        let known = failure.field.is_empty() || spec.field(&failure.field).is_some();
        errors.add(if known { &failure.field } else { "" }, failure.text);
    }
    Ok(outcome.item)
}

/// Where, and for limits which one: what a lambda threw may hold anybody's data and is not for our log.
fn log_failure(desk: Desk<'_>, hook: Hook, error: &InvokeError) {
    let place = error.position().map(ToString::to_string);
    let why = match error {
        InvokeError::Script(_) => "it threw".to_owned(),
        InvokeError::Limit(limit) => limit.limit.as_str().to_owned(),
        InvokeError::Suspended { .. } => "suspended".to_owned(),
        other => other.to_string(),
    };
    tracing::warn!(
        module.name = %desk.module.spec().name(),
        hook = hook.as_str(),
        place,
        why,
        "a hook did not come to its end"
    );
}

/// The record is written already: what goes wrong now is in the log, and in the author's notice when it goes on.
async fn after(desk: Desk<'_>, hook: Hook, key: &str, mut item: Item) {
    item.insert(
        "id".to_owned(),
        key.parse::<i64>()
            .map_or_else(|_| Value::from(key), Value::from),
    );
    let mut errors = FieldErrors::default();
    // Logged where it happened.
    let _ran = run_hook(desk, hook, item, &mut errors).await;
}

/// Numbers that a column of this type can hold; `None` for other types.
fn bounds_of(type_name: &str) -> Option<(i64, i64)> {
    match type_name {
        "int2" => Some((i64::from(i16::MIN), i64::from(i16::MAX))),
        "int4" => Some((i64::from(i32::MIN), i64::from(i32::MAX))),
        _ => None,
    }
}

/// Whether a field's value is text in a column that may not be null: then nothing is the empty text.
fn is_text(type_name: &str) -> bool {
    matches!(type_name, "varchar" | "text" | "bpchar")
}
