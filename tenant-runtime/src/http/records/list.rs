//! The list.

use axum::response::{IntoResponse as _, Response};
use module_spec::{FilterKind, ListColumn, Operation, RowAction, SortOrder};
use serde::Serialize;
use serde_json::json;
use service_kit::Problem;
use service_kit::pages::Page;

use super::answer::data_problem;
use super::cell::{self, Cell};
use super::notice::{self, Notice};
use super::{Call, target};
use crate::data::choices::{self, Entry};
use crate::data::list::{self, ListRequest, Listing, Record};
use crate::data::save::VALID;
use crate::http::wants::Wants;

/// The page of a list.
#[derive(Debug, Serialize)]
pub struct ListPage {
    /// Title.
    pub title: String,
    /// A sentence under it.
    pub text: String,
    /// One record, for "New ...".
    pub singular: String,
    /// Path of the list.
    pub base: String,
    /// Whether there is a search box.
    pub searchable: bool,
    /// What was searched for.
    pub search: String,
    /// What else the query says and the form must send again.
    pub hidden: Vec<(String, String)>,
    /// Filters.
    pub filters: Vec<FilterInput>,
    /// What the list is narrowed by.
    pub chips: Vec<Chip>,
    /// Head of the table.
    pub columns: Vec<ColumnHead>,
    /// Its rows.
    pub rows: Vec<Row>,
    /// How many there are in all.
    pub total: i64,
    /// Number of the first row shown.
    pub first: i64,
    /// Number of the last.
    pub last: i64,
    /// Path of the page before; empty for none.
    pub previous: String,
    /// Path of the page behind.
    pub next: String,
    /// Path of "New ..."; empty when it is not allowed.
    pub create: String,
    /// Path of the export; empty when there is none.
    pub export: String,
    /// Whether rows have a menu.
    pub has_actions: bool,
    /// Something was deleted just now.
    pub deleted: bool,
    /// The module's code does not run.
    pub notice: Option<Notice>,
}

impl Page for ListPage {
    const TEMPLATE: &'static str = "modules/list.html";
}

/// A filter above the list.
#[derive(Debug, Serialize)]
pub struct FilterInput {
    /// Parameter.
    pub name: String,
    /// What it is called.
    pub label: String,
    /// `select`, `multi_select`, `text` or `date_range`.
    pub kind: &'static str,
    /// What can be chosen.
    pub options: Vec<Entry>,
    /// What is chosen.
    pub values: Vec<String>,
    /// First day of a range.
    pub from: String,
    /// Last day of a range.
    pub to: String,
}

/// Something that the list is narrowed by; following `href` takes it away.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Chip {
    /// What.
    pub label: String,
    /// The list without it.
    pub href: String,
}

/// Head of a column.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ColumnHead {
    /// What it is called.
    pub label: String,
    /// Sorts by it; empty when it cannot.
    pub href: String,
    /// `ascending`, `descending` or empty.
    pub sort: &'static str,
    /// Right-aligned.
    pub numeric: bool,
}

/// One row.
#[derive(Debug, Serialize)]
pub struct Row {
    /// What tells it apart.
    pub key: String,
    /// Its name for readers.
    pub name: String,
    /// Path of the record.
    pub href: String,
    /// Cells in the order of the columns.
    pub cells: Vec<Cell>,
    /// Whether it is in use (`valid_id` 1).
    pub valid: bool,
    /// Paths of what can be done; empty for what cannot.
    pub edit: String,
    /// Enables or disables.
    pub status: String,
    /// Deletes.
    pub delete: String,
}

pub(super) async fn show(call: Call<'_>, query: &str) -> Result<Response, Problem> {
    let request = ListRequest::read(query).map_err(data_problem)?;
    let listing = list::list(call.desk, &request)
        .await
        .map_err(data_problem)?;
    if call.wants == Wants::Json {
        let data: Vec<_> = listing.records.iter().map(Record::json).collect();
        let mut body = json!({
            "success": true,
            "data": data,
            "total": listing.total,
            "page": listing.page,
            "page_size": listing.page_size,
        });
        if let Some(suspension) = notice::for_programs(call) {
            body["suspension"] = suspension;
        }
        return Ok(axum::Json(body).into_response());
    }
    let filters = filters(call, &request).await?;
    let page = page(
        call,
        &request,
        &listing,
        filters,
        list::pairs(query).iter().any(|(name, _)| name == "deleted"),
    );
    Ok(call.desk.app.pages.render(&page, call.context))
}

async fn filters(call: Call<'_>, request: &ListRequest) -> Result<Vec<FilterInput>, Problem> {
    let spec = call.desk.module.spec();
    let mut inputs = Vec::new();
    let visible: Vec<_> = spec
        .filters()
        .iter()
        .filter(|filter| {
            spec.fields()
                .get(filter.field_index())
                .is_some_and(|field| call.desk.may_read(field))
        })
        .collect();
    if visible.is_empty() {
        return Ok(inputs);
    }
    let gone = |error: sqlx::Error| data_problem(error.into());
    let modules = call.desk.app.modules.current();
    let mut connection = call.desk.app.read_as_lambda().await.map_err(gone)?;
    for filter in visible {
        let name = filter.field().as_str();
        let options = match filter.kind() {
            FilterKind::Select | FilterKind::MultiSelect => {
                choices::of_filter(spec, filter, &modules.readable, &mut connection)
                    .await
                    .map_err(gone)?
            }
            FilterKind::Text | FilterKind::DateRange => Vec::new(),
        };
        let values = |name: &str| request.filters.get(name).cloned().unwrap_or_default();
        let one = |name: String| values(&name).pop().unwrap_or_default();
        inputs.push(FilterInput {
            name: format!("filter_{name}"),
            label: filter.label().display().to_owned(),
            kind: match filter.kind() {
                FilterKind::Select => "select",
                FilterKind::MultiSelect => "multi_select",
                FilterKind::Text => "text",
                FilterKind::DateRange => "date_range",
            },
            options,
            values: values(name),
            from: one(format!("{name}_from")),
            to: one(format!("{name}_to")),
        });
    }
    Ok(inputs)
}

fn page(
    call: Call<'_>,
    request: &ListRequest,
    listing: &Listing,
    filters: Vec<FilterInput>,
    deleted: bool,
) -> ListPage {
    let spec = call.desk.module.spec();
    let links = Links {
        base: &call.target.base,
        request,
        listing,
    };
    let first = (listing.page - 1) * listing.page_size + 1;
    let shown = i64::try_from(listing.records.len()).unwrap_or(i64::MAX);
    let last = first + shown - 1;
    let actions = Actions::of(call);
    let rows: Vec<Row> = listing
        .records
        .iter()
        .map(|record| row(call, record, &actions))
        .collect();
    ListPage {
        title: spec.plural().display().to_owned(),
        text: spec
            .description()
            .map(|text| text.display().to_owned())
            .unwrap_or_default(),
        singular: spec.singular().display().to_owned(),
        base: call.target.base.clone(),
        searchable: spec.features().search
            && call
                .desk
                .readable()
                .any(|field| field.searchable() && !field.is_virtual()),
        search: request.search.clone(),
        hidden: links.hidden(),
        chips: links.chips(&filters),
        filters,
        columns: columns(call, &links, listing),
        has_actions: rows
            .iter()
            .any(|row| !(row.edit.is_empty() && row.status.is_empty() && row.delete.is_empty())),
        rows,
        total: listing.total,
        first,
        last: if listing.total == 0 { 0 } else { last },
        previous: if listing.page > 1 {
            links.with(&[("page", Some((listing.page - 1).to_string()))])
        } else {
            String::new()
        },
        next: if last < listing.total {
            links.with(&[("page", Some((listing.page + 1).to_string()))])
        } else {
            String::new()
        },
        create: if call.desk.allows(Operation::Create) {
            format!("{}/new", call.target.base)
        } else {
            String::new()
        },
        export: if spec.features().export_csv {
            links.of("/export", &[("page", None), ("page_size", None)])
        } else {
            String::new()
        },
        deleted,
        notice: Notice::of(call),
    }
}

fn columns(call: Call<'_>, links: &Links<'_>, listing: &Listing) -> Vec<ColumnHead> {
    let spec = call.desk.module.spec();
    let head = |column: &ListColumn| match column {
        ListColumn::Field(at) => {
            let field = spec
                .fields()
                .get(*at)
                .filter(|field| call.desk.may_read(field))?;
            let name = field.name().as_str();
            let sort = match (listing.sort.as_deref() == Some(name), listing.order) {
                (false, _) => "",
                (true, SortOrder::Asc) => "ascending",
                (true, SortOrder::Desc) => "descending",
            };
            let order = if sort == "ascending" { "desc" } else { "asc" };
            let href = if field.sortable() && !field.is_virtual() {
                links.with(&[
                    ("sort", Some(name.to_owned())),
                    ("order", Some(order.to_owned())),
                    ("page", None),
                ])
            } else {
                String::new()
            };
            Some(ColumnHead {
                label: field.label().display().to_owned(),
                href,
                sort,
                numeric: cell::is_numeric(field),
            })
        }
        ListColumn::Computed(at) => Some(ColumnHead {
            label: spec
                .computed_fields()
                .get(*at)?
                .label()
                .display()
                .to_owned(),
            href: String::new(),
            sort: "",
            numeric: false,
        }),
    };
    spec.list_columns().iter().filter_map(head).collect()
}

/// What can be done from a row.
struct Actions {
    edit: bool,
    status: bool,
    delete: bool,
}

impl Actions {
    fn of(call: Call<'_>) -> Self {
        let spec = call.desk.module.spec();
        let wants = |action| spec.row_actions().contains(&action);
        Self {
            edit: wants(RowAction::Edit) && call.desk.allows(Operation::Update),
            status: wants(RowAction::StatusToggle)
                && spec.features().status_toggle
                && call.desk.module.table.has("valid_id")
                && call.desk.allows(Operation::Update),
            delete: wants(RowAction::Delete) && call.desk.allows(Operation::Delete),
        }
    }
}

fn row(call: Call<'_>, record: &Record, actions: &Actions) -> Row {
    let spec = call.desk.module.spec();
    let cells = spec
        .list_columns()
        .iter()
        .filter_map(|column| match column {
            ListColumn::Field(at) => {
                let field = spec
                    .fields()
                    .get(*at)
                    .filter(|field| call.desk.may_read(field))?;
                Some(cell::of_field(field, record))
            }
            ListColumn::Computed(at) => {
                let field = spec.computed_fields().get(*at)?;
                Some(cell::of_computed(record.computed(field.name().as_str())))
            }
        });
    let cells: Vec<Cell> = cells.collect();
    let href = format!("{}/{}", call.target.base, target::encode(&record.key));
    let path = |allowed: bool, what: &str| {
        if allowed {
            format!("{href}/{what}")
        } else {
            String::new()
        }
    };
    let valid = record
        .raw
        .get("_valid_id")
        .and_then(serde_json::Value::as_i64)
        .is_none_or(|status| status == VALID);
    Row {
        name: name_of(call, record),
        valid,
        edit: path(actions.edit, "edit"),
        status: path(actions.status, "status"),
        delete: path(
            actions.delete && (valid || !spec.features().soft_delete),
            "delete",
        ),
        key: record.key.clone(),
        href,
        cells,
    }
}

/// What people call a record: its first text in the list, otherwise its key.
pub(super) fn name_of(call: Call<'_>, record: &Record) -> String {
    let spec = call.desk.module.spec();
    let texts =
        spec.list_columns()
            .iter()
            .filter_map(|column| match column {
                ListColumn::Field(at) => {
                    let field = spec.fields().get(*at).filter(|field| {
                        field.name().as_str() != "id" && call.desk.may_read(field)
                    })?;
                    Some(record.shown(field)).filter(|text| !text.is_empty())
                }
                ListColumn::Computed(_) => None,
            });
    let mut texts = texts;
    texts.next().map_or_else(
        || format!("{} {}", spec.singular(), record.key),
        str::to_owned,
    )
}

/// Links to other views of the same list.
struct Links<'a> {
    base: &'a str,
    request: &'a ListRequest,
    listing: &'a Listing,
}

impl Links<'_> {
    fn parameters(&self) -> Vec<(String, String)> {
        let request = self.request;
        let mut all = Vec::new();
        if !request.search.is_empty() {
            all.push(("search".to_owned(), request.search.clone()));
        }
        for (name, values) in &request.filters {
            all.extend(
                values
                    .iter()
                    .map(|value| (format!("filter_{name}"), value.clone())),
            );
        }
        if let Some(sort) = &request.sort {
            all.push(("sort".to_owned(), sort.clone()));
        }
        if let Some(order) = request.order {
            all.push((
                "order".to_owned(),
                if order == SortOrder::Asc {
                    "asc"
                } else {
                    "desc"
                }
                .to_owned(),
            ));
        }
        if let Some(size) = request.page_size {
            all.push(("page_size".to_owned(), size.to_string()));
        }
        if self.listing.page > 1 {
            all.push(("page".to_owned(), self.listing.page.to_string()));
        }
        all
    }

    /// What the form of search and filters sends along.
    fn hidden(&self) -> Vec<(String, String)> {
        self.parameters()
            .into_iter()
            .filter(|(name, _)| matches!(name.as_str(), "sort" | "order" | "page_size"))
            .collect()
    }

    fn with(&self, changes: &[(&str, Option<String>)]) -> String {
        self.of("", changes)
    }

    /// The list (or what is below it) with some parameters changed or, with `None`, taken away.
    fn of(&self, below: &str, changes: &[(&str, Option<String>)]) -> String {
        let mut all = self.parameters();
        for (name, value) in changes {
            all.retain(|(one, _)| one != name);
            all.extend(
                value
                    .iter()
                    .map(|value| ((*name).to_owned(), value.clone())),
            );
        }
        link(&format!("{}{below}", self.base), &all)
    }

    fn chips(&self, filters: &[FilterInput]) -> Vec<Chip> {
        let mut chips = Vec::new();
        if !self.request.search.is_empty() {
            let label = format!("\"{}\"", self.request.search);
            chips.push(Chip {
                label,
                href: self.with(&[("search", None), ("page", None)]),
            });
        }
        for filter in filters {
            let shown: Vec<&str> = filter
                .values
                .iter()
                .map(|value| {
                    let option = filter.options.iter().find(|option| option.value == *value);
                    option.map_or(value.as_str(), |option| option.label.as_str())
                })
                .collect();
            let parts = [
                (filter.name.clone(), shown.join(", ")),
                (
                    format!("{}_from", filter.name),
                    prefixed("from ", &filter.from),
                ),
                (
                    format!("{}_to", filter.name),
                    prefixed("until ", &filter.to),
                ),
            ];
            for (name, text) in parts.into_iter().filter(|(_, text)| !text.is_empty()) {
                let label = format!("{}: {text}", filter.label);
                chips.push(Chip {
                    label,
                    href: self.with(&[(&name, None), ("page", None)]),
                });
            }
        }
        chips
    }
}

fn prefixed(word: &str, text: &str) -> String {
    if text.is_empty() {
        String::new()
    } else {
        format!("{word}{text}")
    }
}

fn link(path: &str, parameters: &[(String, String)]) -> String {
    let Ok(mut url) = reqwest::Url::parse("http://form/") else {
        return path.to_owned();
    };
    if parameters.is_empty() {
        return path.to_owned();
    }
    url.query_pairs_mut().extend_pairs(parameters);
    format!("{path}?{}", url.query().unwrap_or_default())
}
