//! The form: for a new record, for one that is there, and again with what was typed when something is wrong.

use axum::response::Response;
use http::StatusCode;
use module_spec::{Field, FieldType, SectionEntry, ValueKind};
use serde::Serialize;
use serde_json::Value;
use service_kit::Problem;
use service_kit::pages::Page;

use super::answer::{as_fault, data_problem, fault_sentence};
use super::cell::{self, Cell};
use super::list::name_of;
use super::notice::Notice;
use super::{Call, record};
use crate::data::choices::{self, Entry};
use crate::data::fault::Fault;
use crate::data::list::Record;
use crate::data::save::{FieldErrors, Submission};
use crate::data::value;

/// The page of a form.
#[derive(Debug, Serialize)]
pub struct FormPage {
    /// Title.
    pub title: String,
    /// Name of the list.
    pub list: String,
    /// Path of the list.
    pub base: String,
    /// Where the form goes.
    pub action: String,
    /// Where "Cancel" leads.
    pub cancel: String,
    /// Text of the button.
    pub button: String,
    /// Parts with their inputs.
    pub sections: Vec<InputSection>,
    /// What is wrong with the record as a whole.
    pub error: String,
    /// Whether anything is wrong.
    pub invalid: bool,
    /// What the author is told of a hook that failed; else empty.
    pub report: String,
    /// The module's code does not run.
    pub notice: Option<Notice>,
}

impl Page for FormPage {
    const TEMPLATE: &'static str = "modules/form.html";
}

/// Inputs under one heading.
#[derive(Debug, Serialize)]
pub struct InputSection {
    /// Heading; may be empty.
    pub title: String,
    /// A sentence under it.
    pub text: String,
    /// The inputs.
    pub inputs: Vec<Input>,
}

/// One input.
#[derive(Debug, Default, Serialize)]
pub struct Input {
    /// `input`, `textarea`, `select`, `typeahead`, `date`, `checkbox`, `choices` or `fact`.
    pub control: &'static str,
    /// HTML's `type`, or that of a group of choices.
    pub kind: &'static str,
    /// Parameter.
    pub name: String,
    /// What it is called.
    pub label: String,
    /// What is in it.
    pub value: String,
    /// What is chosen of several.
    pub values: Vec<String>,
    /// Whether a box is checked.
    pub checked: bool,
    /// What can be chosen.
    pub options: Vec<OptionEntry>,
    /// Label of no choice; empty when one must be made.
    pub empty: String,
    /// A sentence under it.
    pub help: String,
    /// What is wrong with it.
    pub error: String,
    /// Must be filled in.
    pub required: bool,
    /// Cannot be changed.
    pub disabled: bool,
    /// HTML attributes; `None` is left out.
    pub placeholder: Option<String>,
    /// Smallest.
    pub min: Option<String>,
    /// Largest.
    pub max: Option<String>,
    /// Distance.
    pub step: Option<String>,
    /// Regular expression for the browser.
    pub pattern: Option<String>,
    /// Most characters.
    pub maxlength: Option<u32>,
    /// For password managers.
    pub autocomplete: Option<&'static str>,
    /// Lines of a text box.
    pub rows: u32,
    /// Takes the whole width.
    pub wide: bool,
    /// What is shown where nothing can be entered.
    pub cell: Cell,
}

/// An option, or a group of them.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum OptionEntry {
    /// One.
    One(Entry),
    /// Several under a heading.
    Group {
        /// The heading.
        label: String,
        /// The options.
        options: Vec<Entry>,
    },
}

pub(super) async fn show_new(call: Call<'_>) -> Result<Response, Problem> {
    let page = build(call, None, None, &FieldErrors::default()).await?;
    Ok(call.desk.app.pages.render(&page, call.context))
}

pub(super) async fn show_edit(call: Call<'_>, id: &str) -> Result<Response, Problem> {
    let record = record::get(call, id).await?;
    let page = build(call, Some(&record), None, &FieldErrors::default()).await?;
    Ok(call.desk.app.pages.render(&page, call.context))
}

/// The form again, with everything that was typed (but passwords) and what is wrong with it.
pub(super) async fn refill(
    call: Call<'_>,
    id: Option<&str>,
    submission: &Submission,
    errors: &FieldErrors,
) -> Result<Response, Problem> {
    let record = match id {
        Some(id) => Some(record::get(call, id).await?),
        None => None,
    };
    let page = build(call, record.as_ref(), Some(submission), errors).await?;
    let mut response = call.desk.app.pages.render(&page, call.context);
    *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}

/// The form again, with everything that was typed (but passwords): a hook that has to look at it did not come to its end.
pub(super) async fn refill_after_fault(
    call: Call<'_>,
    id: Option<&str>,
    submission: &Submission,
    fault: &Fault,
) -> Result<Response, Problem> {
    let record = match id {
        Some(id) => Some(record::get(call, id).await?),
        None => None,
    };
    let nothing = FieldErrors::default();
    let page = FormPage {
        error: fault_sentence(fault),
        report: fault.report().unwrap_or_default(),
        ..build(call, record.as_ref(), Some(submission), &nothing).await?
    };
    Ok(as_fault(
        call.desk.app.pages.render(&page, call.context),
        fault,
    ))
}

async fn build(
    call: Call<'_>,
    record: Option<&Record>,
    submission: Option<&Submission>,
    errors: &FieldErrors,
) -> Result<FormPage, Problem> {
    let spec = call.desk.module.spec();
    let mut sections = Vec::new();
    let mut placed = Vec::new();
    for section in spec.form_sections() {
        let mut inputs = Vec::new();
        for entry in section.entries() {
            match entry {
                SectionEntry::Field(at) => {
                    let Some(field) = spec
                        .fields()
                        .get(*at)
                        .filter(|field| is_shown(call, field, record))
                    else {
                        continue;
                    };
                    placed.push(field.name().as_str());
                    inputs.push(input(call, field, record, submission, errors).await?);
                }
                SectionEntry::Computed(at) => {
                    let computed = spec.computed_fields().get(*at).zip(record);
                    inputs.extend(computed.map(|(field, record)| Input {
                        control: "fact",
                        label: field.label().display().to_owned(),
                        cell: cell::of_computed_alone(record.computed(field.name().as_str())),
                        ..Input::default()
                    }));
                }
            }
        }
        if !inputs.is_empty() {
            let text = |text: Option<&module_spec::Text>| {
                text.map(|text| text.display().to_owned())
                    .unwrap_or_default()
            };
            sections.push(InputSection {
                title: text(section.title()),
                text: text(section.description()),
                inputs,
            });
        }
    }
    // Errors of fields that the form does not have must not be lost.
    let elsewhere: Vec<String> = errors
        .iter()
        .filter(|(name, _)| !placed.contains(name))
        .map(|(name, message)| match spec.field(name) {
            Some(field) => format!("{}: {message}", field.label()),
            None => message.to_owned(),
        })
        .collect();
    let singular = spec.singular().display();
    let path = record.map(|record| call.path_of(&record.key));
    Ok(FormPage {
        title: record.map_or_else(
            || format!("New {}", lower_first(singular)),
            |record| format!("Edit {}", name_of(call, record)),
        ),
        list: spec.plural().display().to_owned(),
        base: call.target.base.clone(),
        action: path.clone().unwrap_or_else(|| call.target.base.clone()),
        cancel: path.unwrap_or_else(|| call.target.base.clone()),
        button: if record.is_some() {
            "Save".to_owned()
        } else {
            format!("Create {}", lower_first(singular))
        },
        sections,
        error: elsewhere.join(" "),
        invalid: !errors.is_empty(),
        report: String::new(),
        notice: Notice::of(call),
    })
}

/// `Laptop` within a sentence; abbreviations such as `SLA` stay.
fn lower_first(word: &str) -> String {
    let mut letters = word.chars();
    match (letters.next(), letters.next()) {
        (Some(first), Some(second)) if second.is_lowercase() => first
            .to_lowercase()
            .chain([second])
            .chain(letters)
            .collect(),
        _ => word.to_owned(),
    }
}

/// Fields that may not be set are shown with a record, and not asked for with a new one.
fn is_shown(call: Call<'_>, field: &Field, record: Option<&Record>) -> bool {
    let may_write = call.desk.may_write(field);
    let may_read = call.desk.may_read(field) || field.is_secret();
    may_read
        && field.kind().value_kind() != ValueKind::File
        && (may_write || record.is_some() && !field.is_secret() && !field.is_virtual())
}

async fn input(
    call: Call<'_>,
    field: &Field,
    record: Option<&Record>,
    submission: Option<&Submission>,
    errors: &FieldErrors,
) -> Result<Input, Problem> {
    let name = field.name().as_str();
    let typed =
        submission.map(|submission| submission.values.get(name).cloned().unwrap_or_default());
    let stored = record.map(|record| record.item.get(name).cloned().unwrap_or_default());
    let current = typed
        .or(stored)
        .or_else(|| field.default().cloned())
        .unwrap_or_default();
    let current = if field.is_secret() {
        Value::Null
    } else {
        current
    };
    if !call.desk.may_write(field) {
        let cell = record
            .map(|record| cell::of_field(field, record))
            .unwrap_or_default();
        return Ok(Input {
            control: "fact",
            label: field.label().display().to_owned(),
            cell,
            ..Input::default()
        });
    }
    let options = options(call, field).await?;
    let (control, kind) = control(field);
    let text = |text: Option<&module_spec::Text>| {
        text.map(|text| text.display().to_owned())
            .unwrap_or_default()
    };
    let optional_secret = field.is_secret() && record.is_some();
    let help = match (text(field.help()), optional_secret) {
        (help, true) if help.is_empty() => {
            "Leave it empty to keep the password as it is.".to_owned()
        }
        (help, _) => help,
    };
    let values = match &current {
        Value::Array(items) => items.iter().map(value::plain).collect(),
        Value::Null => Vec::new(),
        one => vec![value::plain(one)],
    };
    let bound = |bound: Option<&Value>| bound.map(value::plain);
    Ok(Input {
        control,
        kind,
        name: name.to_owned(),
        label: field.label().display().to_owned(),
        checked: matches!(current, Value::Bool(true))
            || matches!(
                values.first().map(String::as_str),
                Some("1" | "true" | "on" | "yes")
            ),
        value: shown_value(field, &values),
        values,
        // "None" is a choice unless one must be made; a new record without default has not made it yet.
        empty: if !field.required() || current.is_null() {
            "Choose".to_owned()
        } else {
            String::new()
        },
        options,
        help,
        error: errors.of(name).unwrap_or_default().to_owned(),
        required: field.required() && !optional_secret,
        disabled: false,
        placeholder: field.placeholder().map(|text| text.display().to_owned()),
        min: bound(field.min()),
        max: bound(field.max()),
        step: step(field),
        pattern: field.pattern().map(|pattern| pattern.as_str().to_owned()),
        maxlength: field.max_length(),
        autocomplete: field.is_secret().then_some("new-password"),
        rows: field.rows().unwrap_or(4),
        wide: matches!(field.kind(), FieldType::Text | FieldType::Notes),
        cell: Cell::default(),
    })
}

fn control(field: &Field) -> (&'static str, &'static str) {
    let chooses = field.lookup().is_some() || !field.choices().is_empty();
    match field.kind() {
        _ if chooses && field.multiple() => ("choices", "checkbox"),
        FieldType::Radio if chooses => ("choices", "radio"),
        _ if chooses && field.typeahead() => ("typeahead", ""),
        _ if chooses => ("select", ""),
        FieldType::Text | FieldType::Notes => ("textarea", ""),
        FieldType::Boolean => ("checkbox", ""),
        FieldType::Date => ("date", "date"),
        FieldType::DateTime => ("date", "datetime-local"),
        FieldType::Time => ("date", "time"),
        FieldType::Integer | FieldType::Decimal => ("input", "number"),
        FieldType::Range => ("input", "range"),
        FieldType::Email => ("input", "email"),
        FieldType::Url => ("input", "url"),
        FieldType::Phone => ("input", "tel"),
        FieldType::Color => ("input", "color"),
        FieldType::Password => ("input", "password"),
        _ => ("input", "text"),
    }
}

fn step(field: &Field) -> Option<String> {
    match (field.step(), field.kind()) {
        (Some(step), _) => Some(step.to_string()),
        (None, FieldType::Decimal) => Some("any".to_owned()),
        (None, FieldType::DateTime | FieldType::Time) => Some("1".to_owned()),
        _ => None,
    }
}

/// HTML wants `2026-01-31T14:05`, and colours are never empty.
fn shown_value(field: &Field, values: &[String]) -> String {
    let text = values.last().cloned().unwrap_or_default();
    match field.kind() {
        FieldType::Color if text.is_empty() => "#000000".to_owned(),
        FieldType::DateTime | FieldType::Time => {
            text.strip_suffix(":00").map_or_else(
                || text.clone(),
                |short| {
                    // Only seconds are cut off, never minutes.
                    if short.matches(':').count() >= 1 {
                        short.to_owned()
                    } else {
                        text.clone()
                    }
                },
            )
        }
        _ => text,
    }
}

async fn options(call: Call<'_>, field: &Field) -> Result<Vec<OptionEntry>, Problem> {
    if field.lookup().is_none() && field.choices().is_empty() {
        return Ok(Vec::new());
    }
    let gone = |error: sqlx::Error| data_problem(error.into());
    let mut connection = call.desk.app.read_as_lambda().await.map_err(gone)?;
    let modules = call.desk.app.modules.current();
    let entries = choices::of_field(field, &modules.readable, &mut connection)
        .await
        .map_err(gone)?;
    let mut options: Vec<OptionEntry> = Vec::new();
    for entry in entries {
        if entry.group.is_empty() {
            options.push(OptionEntry::One(entry));
            continue;
        }
        let group = options.iter_mut().find_map(|option| match option {
            OptionEntry::Group { label, options } if *label == entry.group => Some(options),
            _ => None,
        });
        match group {
            Some(group) => group.push(entry),
            None => options.push(OptionEntry::Group {
                label: entry.group.clone(),
                options: vec![entry],
            }),
        }
    }
    Ok(options)
}
