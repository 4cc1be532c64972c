//! One record, and the question before it is deleted.

use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use module_spec::{Operation, SectionEntry};
use serde::Serialize;
use serde_json::{Value, json};
use service_kit::Problem;
use service_kit::pages::Page;

use super::answer::{as_fault, data_problem, fault_sentence};
use super::cell::{self, Cell};
use super::notice::{self, Notice};
use super::{Call, list::name_of};
use crate::data::fault::Fault;
use crate::data::list::{self, DataError, Record};
use crate::data::save::{FieldErrors, VALID};
use crate::http::wants::Wants;

/// The page of one record.
#[derive(Debug, Serialize)]
pub struct RecordPage {
    /// What people call it.
    pub title: String,
    /// Name of the list.
    pub list: String,
    /// Path of the list.
    pub base: String,
    /// Parts with their lines.
    pub sections: Vec<FactSection>,
    /// Whether it is in use; `None` where the table has no status.
    pub valid: Option<bool>,
    /// Paths of what can be done; empty for what cannot.
    pub edit: String,
    /// Enables or disables.
    pub status: String,
    /// Deletes.
    pub delete: String,
    /// It was saved just now.
    pub saved: bool,
    /// The module's code does not run.
    pub notice: Option<Notice>,
}

impl Page for RecordPage {
    const TEMPLATE: &'static str = "modules/record.html";
}

/// Lines under one heading.
#[derive(Debug, Serialize)]
pub struct FactSection {
    /// Heading; may be empty.
    pub title: String,
    /// Lines.
    pub facts: Vec<Fact>,
}

/// One line.
#[derive(Debug, Serialize)]
pub struct Fact {
    /// What.
    pub label: String,
    /// Its value.
    pub cell: Cell,
}

/// The question before a record is deleted.
#[derive(Debug, Serialize)]
pub struct DeletePage {
    /// What people call it.
    pub title: String,
    /// Name of the list.
    pub list: String,
    /// Path of the list.
    pub base: String,
    /// Path of the record.
    pub record: String,
    /// Whether it is only disabled.
    pub soft: bool,
    /// Why it cannot be deleted; empty when nothing is known against it.
    pub refusal: String,
    /// What the author is told of a hook that failed; else empty.
    pub report: String,
}

impl Page for DeletePage {
    const TEMPLATE: &'static str = "modules/delete.html";
}

/// A record with its computed fields.
pub(super) async fn get(call: Call<'_>, id: &str) -> Result<Record, Problem> {
    found(call, id, list::find(call.desk, id).await)
}

fn found(
    call: Call<'_>,
    id: &str,
    record: Result<Option<Record>, DataError>,
) -> Result<Record, Problem> {
    let missing = || {
        let spec = call.desk.module.spec();
        Problem::not_found(format!(
            "There is no {} {id}; it may have been deleted.",
            spec.singular()
        ))
    };
    record.map_err(data_problem)?.ok_or_else(missing)
}

pub(super) async fn show(call: Call<'_>, id: &str, query: &str) -> Result<Response, Problem> {
    let record = get(call, id).await?;
    if call.wants == Wants::Json {
        let mut body = json!({ "success": true, "data": record.json() });
        if let Some(suspension) = notice::for_programs(call) {
            body["suspension"] = suspension;
        }
        return Ok(axum::Json(body).into_response());
    }
    let spec = call.desk.module.spec();
    let path = call.path_of(&record.key);
    let status = record.raw.get("_valid_id").and_then(Value::as_i64);
    let below = |allowed: bool, what: &str| {
        if allowed {
            format!("{path}/{what}")
        } else {
            String::new()
        }
    };
    let updates = call.desk.allows(Operation::Update);
    let page = RecordPage {
        title: name_of(call, &record),
        list: spec.plural().display().to_owned(),
        base: call.target.base.clone(),
        sections: sections(call, &record),
        valid: status.map(|status| status == VALID),
        edit: below(updates, "edit"),
        status: below(
            updates && spec.features().status_toggle && status.is_some(),
            "status",
        ),
        delete: below(
            call.desk.allows(Operation::Delete)
                && (!spec.features().soft_delete || status.is_none_or(|status| status == VALID)),
            "delete",
        ),
        saved: list::pairs(query).iter().any(|(name, _)| name == "saved"),
        notice: Notice::of(call),
    };
    Ok(call.desk.app.pages.render(&page, call.context))
}

fn sections(call: Call<'_>, record: &Record) -> Vec<FactSection> {
    let spec = call.desk.module.spec();
    let mut placed: Vec<SectionEntry> = Vec::new();
    let mut sections: Vec<FactSection> = Vec::new();
    let fact = |entry: &SectionEntry| match entry {
        SectionEntry::Field(at) => {
            let field = spec
                .fields()
                .get(*at)
                .filter(|field| call.desk.may_read(field) && !field.is_virtual())?;
            Some(Fact {
                label: field.label().display().to_owned(),
                cell: cell::of_field(field, record),
            })
        }
        SectionEntry::Computed(at) => {
            let field = spec.computed_fields().get(*at)?;
            let cell = cell::of_computed_alone(record.computed(field.name().as_str()));
            Some(Fact {
                label: field.label().display().to_owned(),
                cell,
            })
        }
    };
    for section in spec.form_sections() {
        placed.extend(section.entries());
        let title = section
            .title()
            .map(|text| text.display().to_owned())
            .unwrap_or_default();
        sections.push(FactSection {
            title,
            facts: section.entries().iter().filter_map(fact).collect(),
        });
    }
    // What the form does not have: computed fields, who and when.
    let rest = (0..spec.computed_fields().len())
        .map(SectionEntry::Computed)
        .chain((0..spec.fields().len()).map(SectionEntry::Field));
    let rest: Vec<Fact> = rest
        .filter(|entry| !placed.contains(entry))
        .filter_map(|entry| fact(&entry))
        .collect();
    match sections.as_mut_slice() {
        [only] if only.title.is_empty() => only.facts.extend(rest),
        _ if !rest.is_empty() => sections.push(FactSection {
            title: "More".to_owned(),
            facts: rest,
        }),
        _ => {}
    }
    sections.retain(|section| !section.facts.is_empty());
    sections
}

pub(super) async fn show_deletion(call: Call<'_>, id: &str) -> Result<Response, Problem> {
    let page = deletion(call, id, String::new(), String::new()).await?;
    Ok(call.desk.app.pages.render(&page, call.context))
}

pub(super) async fn refuse_deletion(
    call: Call<'_>,
    id: &str,
    errors: &FieldErrors,
) -> Result<Response, Problem> {
    let why = errors
        .iter()
        .map(|(_, message)| message)
        .collect::<Vec<_>>()
        .join(" ");
    let page = deletion(call, id, why, String::new()).await?;
    let mut response = call.desk.app.pages.render(&page, call.context);
    *response.status_mut() = StatusCode::CONFLICT;
    Ok(response)
}

/// The question again, with what became of the hook that has a word in it.
pub(super) async fn refuse_deletion_after_fault(
    call: Call<'_>,
    id: &str,
    fault: &Fault,
) -> Result<Response, Problem> {
    let report = fault.report().unwrap_or_default();
    let page = deletion(call, id, fault_sentence(fault), report).await?;
    Ok(as_fault(
        call.desk.app.pages.render(&page, call.context),
        fault,
    ))
}

async fn deletion(
    call: Call<'_>,
    id: &str,
    refusal: String,
    report: String,
) -> Result<DeletePage, Problem> {
    let record = found(call, id, list::find_kept(call.desk, id).await)?;
    let spec = call.desk.module.spec();
    Ok(DeletePage {
        title: name_of(call, &record),
        list: spec.plural().display().to_owned(),
        base: call.target.base.clone(),
        record: call.path_of(&record.key),
        soft: spec.features().soft_delete && call.desk.module.table.has("valid_id"),
        refusal,
        report,
    })
}
