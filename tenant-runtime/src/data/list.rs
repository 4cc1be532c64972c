//! Reading records: one page of a list, or one record.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::identifier::SqlIdent;
use module_engine::compiled::Columns;
use module_spec::{Field, FilterKind, ListColumn, Operation, SortOrder, ValueKind};
use serde_json::{Map, Value};
use sqlx::Row as _;

use crate::app::App;
use crate::auth::permission::{Permission, PermissionSet};
use crate::data::choices::{self, LookupTexts};
use crate::data::computed::{self, Computed, Detail};
use crate::data::sql::{self, Condition, Output};
use crate::data::value;
use crate::http::extract::Agent;
use crate::modules::LoadedModule;

/// Most records of one page.
pub const MAX_PAGE_SIZE: i64 = 500;
/// Most records of one export.
pub const MAX_EXPORT: i64 = 50_000;
/// Longest search text.
const MAX_SEARCH: usize = 200;

/// Somebody working with a module: what they may see and do follows from both.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    /// The app.
    pub app: &'a App,
    /// The module, as it was when the request came.
    pub module: &'a Arc<LoadedModule>,
    /// Who asks.
    pub agent: &'a Agent,
}

impl<'a> Desk<'a> {
    /// Whether the module and the person's groups allow it.
    pub fn allows(&self, operation: Operation) -> bool {
        let spec = self.module.spec();
        let wanted = match operation {
            Operation::View => Permission::Ro,
            Operation::Create => Permission::Create,
            Operation::Update | Operation::Delete => Permission::Rw,
        };
        let groups = spec.access().groups(operation);
        spec.permissions().allows(operation)
            && (groups.is_empty()
                || groups
                    .iter()
                    .any(|group| self.agent.permissions().allows(group, wanted)))
    }

    /// Fields that this person may see, without secrets.
    pub fn readable(&self) -> impl Iterator<Item = &'a Field> {
        let permissions = self.agent.permissions();
        self.module.spec().fields().iter().filter(move |field| {
            !field.is_secret() && in_groups(field.access().read(), permissions, Permission::Ro)
        })
    }

    /// Whether this person may see the field.
    pub fn may_read(&self, field: &Field) -> bool {
        self.readable().any(|one| one.name() == field.name())
    }

    /// Whether this person may set the field.
    pub fn may_write(&self, field: &Field) -> bool {
        !field.read_only()
            && !field.is_server_filled()
            && in_groups(
                field.access().read(),
                self.agent.permissions(),
                Permission::Ro,
            )
            && in_groups(
                field.access().write(),
                self.agent.permissions(),
                Permission::Rw,
            )
    }

    /// Whether this person may know what goes wrong inside of the module's code, and with which values: those who may
    /// change modules and see every record, the administrators of the tenant.
    pub fn is_author(&self) -> bool {
        self.agent.permissions().is_admin()
    }

    /// The column that tells records apart.
    pub fn key(&self) -> Result<&'a SqlIdent, DataError> {
        self.module.table.key.as_ref().ok_or(DataError::NoKey)
    }
}

fn in_groups(groups: &[String], permissions: &PermissionSet, wanted: Permission) -> bool {
    groups.is_empty() || groups.iter().any(|group| permissions.allows(group, wanted))
}

/// Why records could not be read.
#[derive(Debug, thiserror::Error)]
pub enum DataError {
    /// The database refused or did not answer.
    #[error("reading records")]
    Database(#[from] sqlx::Error),
    /// A row is not the JSON that it was asked to be.
    #[error("reading a row")]
    Row(#[from] serde_json::Error),
    /// The table has no key; refused when the module was loaded.
    #[error("the table has no key")]
    NoKey,
    /// The request is wrong; the text is for the caller.
    #[error("{0}")]
    Request(String),
}

/// Which records, in which order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListRequest {
    /// Text to search for.
    pub search: String,
    /// Name of a field.
    pub sort: Option<String>,
    /// Which way; as the module says when absent.
    pub order: Option<SortOrder>,
    /// From 1.
    pub page: i64,
    /// Records per page; as the module says when absent.
    pub page_size: Option<i64>,
    /// Values by filter: `filter_state=1`, `filter_bought_from=2026-01-01`.
    pub filters: BTreeMap<String, Vec<String>>,
}

impl ListRequest {
    /// Reads a query string. What is not a number where one is expected is refused; unknown parameters are ignored, as browsers
    /// and mail programs add their own.
    pub fn read(query: &str) -> Result<Self, DataError> {
        let mut request = Self {
            page: 1,
            ..Self::default()
        };
        for (name, value) in pairs(query) {
            let value = value.trim().to_owned();
            let number = |value: &str| {
                value
                    .parse::<i64>()
                    .ok()
                    .filter(|number| *number >= 1)
                    .ok_or_else(|| {
                        DataError::Request(format!("{name} must be a whole number from 1 on."))
                    })
            };
            match name.as_str() {
                "search" | "q" => request.search = value.chars().take(MAX_SEARCH).collect(),
                "sort" if !value.is_empty() => request.sort = Some(value),
                "order" => {
                    request.order = match value.to_ascii_lowercase().as_str() {
                        "asc" => Some(SortOrder::Asc),
                        "desc" => Some(SortOrder::Desc),
                        "" => None,
                        _ => {
                            return Err(DataError::Request(
                                "order must be asc or desc.".to_owned(),
                            ));
                        }
                    }
                }
                "page" if !value.is_empty() => request.page = number(&value)?.min(1_000_000),
                "page_size" if !value.is_empty() => {
                    request.page_size = Some(number(&value)?.min(MAX_PAGE_SIZE));
                }
                _ => {
                    if let Some(filter) = name.strip_prefix("filter_").filter(|_| !value.is_empty())
                    {
                        request
                            .filters
                            .entry(filter.to_owned())
                            .or_default()
                            .push(value);
                    }
                }
            }
        }
        Ok(request)
    }
}

/// Name and value pairs of a query string or a form's body.
pub fn pairs(query: &str) -> Vec<(String, String)> {
    let Ok(mut url) = reqwest::Url::parse("http://form/") else {
        return Vec::new();
    };
    url.set_query(Some(query));
    url.query_pairs()
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

/// One record.
#[derive(Debug, Clone)]
pub struct Record {
    /// What tells it apart.
    pub key: String,
    /// What the database gave, by field.
    pub raw: Map<String, Value>,
    /// What people read, by field.
    pub shown: BTreeMap<String, String>,
    /// As lambdas see it.
    pub item: Map<String, Value>,
    /// By name, in the order of the file.
    pub computed: Vec<(String, Computed)>,
}

impl Record {
    /// What people read for a field.
    pub fn shown(&self, field: &Field) -> &str {
        self.shown
            .get(field.name().as_str())
            .map_or("", String::as_str)
    }

    /// The computed field of this name.
    pub fn computed(&self, name: &str) -> Option<&Computed> {
        self.computed
            .iter()
            .find(|(one, _)| one == name)
            .map(|(_, computed)| computed)
    }

    /// For programs: `item`, the raw values of computed fields, and under `<field>_error` what went wrong with them.
    pub fn json(&self) -> Value {
        let mut object = self.item.clone();
        for (name, computed) in &self.computed {
            object.insert(name.clone(), computed.raw.clone());
            if let Some(fault) = &computed.fault {
                object.insert(format!("{name}_error"), fault.json());
            }
        }
        Value::Object(object)
    }
}

/// One page of a list.
#[derive(Debug)]
pub struct Listing {
    /// The records.
    pub records: Vec<Record>,
    /// How many match in all.
    pub total: i64,
    /// From 1.
    pub page: i64,
    /// Records per page.
    pub page_size: i64,
    /// The field that it is sorted by, if it is one.
    pub sort: Option<String>,
    /// Which way.
    pub order: SortOrder,
}

/// One page of the list.
pub async fn list(desk: Desk<'_>, request: &ListRequest) -> Result<Listing, DataError> {
    let spec = desk.module.spec();
    let page_size = request
        .page_size
        .unwrap_or_else(|| i64::from(spec.page_size()))
        .clamp(1, MAX_PAGE_SIZE);
    let conditions = conditions(desk, request)?;
    let (sort, order) = order(desk, request)?;
    let table = &desk.module.table;
    let total: i64 = sql::count(table, &conditions)
        .query()
        .fetch_one(&desk.app.database)
        .await?
        .try_get("total")?;
    // A page behind the end (records were deleted meanwhile) is the last one.
    let last = ((total + page_size - 1) / page_size).max(1);
    let page = request.page.clamp(1, last);
    let window = Some((page_size, (page - 1) * page_size));
    let rows = select(
        desk,
        &conditions,
        sort.as_ref().map(|column| (column, order)),
        window,
    )
    .await?;
    let fields = listed_computed(desk);
    let records = complete(desk, rows, fields, Detail::Brief).await?;
    let sort = sort.and_then(|column| {
        desk.readable()
            .find(|field| *field.column() == column)
            .map(|field| field.name().to_string())
    });
    Ok(Listing {
        records,
        total,
        page,
        page_size,
        sort,
        order,
    })
}

/// Records for an export: all that match, up to [`MAX_EXPORT`].
pub async fn export(desk: Desk<'_>, request: &ListRequest) -> Result<Vec<Record>, DataError> {
    let conditions = conditions(desk, request)?;
    let (sort, order) = order(desk, request)?;
    let rows = select(
        desk,
        &conditions,
        sort.as_ref().map(|column| (column, order)),
        Some((MAX_EXPORT, 0)),
    )
    .await?;
    let mut records = Vec::with_capacity(rows.len());
    // In portions, so that one call of the sandbox stays within its limits.
    let portion = usize::try_from(MAX_PAGE_SIZE).unwrap_or(usize::MAX);
    let mut rows = rows.into_iter().peekable();
    while rows.peek().is_some() {
        let some: Vec<_> = rows.by_ref().take(portion).collect();
        records.extend(complete(desk, some, listed_computed(desk), Detail::Brief).await?);
    }
    Ok(records)
}

/// One record with everything that this person may see of it.
pub async fn find(desk: Desk<'_>, id: &str) -> Result<Option<Record>, DataError> {
    let rows = select_one(desk, id).await?;
    let fields = desk
        .module
        .spec()
        .computed_fields()
        .iter()
        .map(|field| field.name().to_string())
        .collect();
    Ok(complete(desk, rows, fields, Detail::Full).await?.pop())
}

/// One record as it is kept: without computed fields, so that no code of the module runs for it.
pub async fn find_kept(desk: Desk<'_>, id: &str) -> Result<Option<Record>, DataError> {
    let rows = select_one(desk, id).await?;
    Ok(complete(desk, rows, Vec::new(), Detail::Brief).await?.pop())
}

async fn select_one(desk: Desk<'_>, id: &str) -> Result<Vec<Map<String, Value>>, DataError> {
    if !desk.module.table.is_possible_key(id) {
        return Ok(Vec::new());
    }
    let conditions = [Condition::Key(desk.key()?.clone(), id.to_owned())];
    select(desk, &conditions, None, Some((1, 0))).await
}

fn listed_computed(desk: Desk<'_>) -> Vec<String> {
    let spec = desk.module.spec();
    let listed = spec
        .list_columns()
        .iter()
        .filter_map(|column| match column {
            ListColumn::Computed(at) => spec.computed_fields().get(*at),
            ListColumn::Field(_) => None,
        });
    listed.map(|field| field.name().to_string()).collect()
}

async fn select(
    desk: Desk<'_>,
    conditions: &[Condition],
    order: Option<(&SqlIdent, SortOrder)>,
    window: Option<(i64, i64)>,
) -> Result<Vec<Map<String, Value>>, DataError> {
    let mut outputs: Vec<Output> = desk
        .readable()
        .filter(|field| !field.is_virtual())
        .map(|field| Output {
            column: field.column().clone(),
            name: field.name().to_string(),
        })
        .collect();
    // The status decides about what can be done with a record, whether or not the module shows it.
    if desk.module.table.has("valid_id")
        && let Ok(column) = "valid_id".parse()
    {
        outputs.push(Output {
            column,
            name: "_valid_id".to_owned(),
        });
    }
    let statement = sql::select(
        &desk.module.table,
        desk.key()?,
        &outputs,
        conditions,
        order,
        window,
    );
    let rows = statement.query().fetch_all(&desk.app.database).await?;
    rows.iter()
        .map(|row| Ok(serde_json::from_str(row.try_get("row")?)?))
        .collect()
}

async fn complete(
    desk: Desk<'_>,
    rows: Vec<Map<String, Value>>,
    fields: Vec<String>,
    detail: Detail,
) -> Result<Vec<Record>, DataError> {
    let spec = desk.module.spec();
    let texts = if spec.fields().iter().any(|field| field.lookup().is_some()) && !rows.is_empty() {
        let mut connection = desk.app.read_as_lambda().await?;
        choices::lookup_texts(spec, &rows, &mut connection).await?
    } else {
        LookupTexts::new()
    };
    let items: Vec<Map<String, Value>> = rows
        .iter()
        .map(|row| computed::item(desk.module, row, &texts))
        .collect();
    let inputs = narrowed(desk, &items, &fields);
    let cells = computed::compute(desk, inputs, &fields, detail).await;
    let records = rows
        .into_iter()
        .zip(items)
        .zip(cells)
        .map(|((raw, item), cells)| {
            let shown = desk
                .readable()
                .filter_map(|field| {
                    let value = raw.get(field.name().as_str())?;
                    Some((
                        field.name().to_string(),
                        choices::display(field, value, &texts),
                    ))
                })
                .collect();
            Record {
                key: raw.get("_key").map(value::plain).unwrap_or_default(),
                raw,
                shown,
                item,
                computed: fields.iter().cloned().zip(cells).collect(),
            }
        });
    Ok(records.collect())
}

/// Only the columns that the lambdas read.
fn narrowed(
    desk: Desk<'_>,
    items: &[Map<String, Value>],
    fields: &[String],
) -> Vec<Map<String, Value>> {
    let names: Vec<&str> = fields.iter().map(String::as_str).collect();
    match desk.module.compiled.columns(&names) {
        Columns::All => items.to_vec(),
        Columns::Named(wanted) => items
            .iter()
            .map(|item| {
                wanted
                    .iter()
                    .filter_map(|name| Some((name.clone(), item.get(name)?.clone())))
                    .collect()
            })
            .collect(),
    }
}

fn order(
    desk: Desk<'_>,
    request: &ListRequest,
) -> Result<(Option<SqlIdent>, SortOrder), DataError> {
    let spec = desk.module.spec();
    if let Some(name) = &request.sort {
        let field = desk
            .readable()
            .find(|field| field.name().as_str() == name && field.sortable() && !field.is_virtual());
        return match field {
            Some(field) => Ok((
                Some(field.column().clone()),
                request.order.unwrap_or(SortOrder::Asc),
            )),
            None if name == "id" => Ok((None, request.order.unwrap_or(SortOrder::Asc))),
            None => Err(DataError::Request(format!(
                "The list cannot be sorted by \"{name}\"."
            ))),
        };
    }
    let default = spec
        .default_sort()
        .filter(|sort| desk.module.table.has(sort.column().as_str()));
    Ok(match default {
        Some(sort) => (
            Some(sort.column().clone()),
            request.order.unwrap_or_else(|| sort.order()),
        ),
        None => (None, request.order.unwrap_or(SortOrder::Asc)),
    })
}

fn conditions(desk: Desk<'_>, request: &ListRequest) -> Result<Vec<Condition>, DataError> {
    let spec = desk.module.spec();
    let mut conditions = Vec::new();
    if !request.search.is_empty() {
        let columns: Vec<SqlIdent> = desk
            .readable()
            .filter(|field| field.searchable() && !field.is_virtual())
            .map(|field| field.column().clone())
            .collect();
        if !spec.features().search || columns.is_empty() {
            return Err(DataError::Request(
                "This list cannot be searched.".to_owned(),
            ));
        }
        conditions.push(Condition::Search(columns, request.search.clone()));
    }
    for (name, values) in &request.filters {
        let (field_name, bound) = match name
            .strip_suffix("_from")
            .or_else(|| name.strip_suffix("_to"))
        {
            Some(field) if spec.field(name).is_none() => (field, Some(name.ends_with("_from"))),
            _ => (name.as_str(), None),
        };
        let field = desk
            .readable()
            .find(|field| field.name().as_str() == field_name && !field.is_virtual());
        let filter = spec
            .filters()
            .iter()
            .find(|filter| filter.field().as_str() == field_name);
        let (Some(field), Some(filter)) = (field, filter) else {
            return Err(DataError::Request(format!(
                "The list cannot be filtered by \"{field_name}\"."
            )));
        };
        let column = field.column().clone();
        let one = values.last().cloned().unwrap_or_default();
        conditions.push(match (filter.kind(), bound) {
            (FilterKind::DateRange, Some(is_from)) => {
                if chrono::NaiveDate::parse_from_str(&one, "%Y-%m-%d").is_err() {
                    return Err(DataError::Request(format!(
                        "filter_{name} must be a date such as 2026-01-31."
                    )));
                }
                if is_from {
                    Condition::From(column, one)
                } else {
                    Condition::Until(column, one)
                }
            }
            (FilterKind::Text, None) => Condition::Contains(column, one),
            (FilterKind::MultiSelect, None) => {
                Condition::OneOf(column, spellings(desk, field, values))
            }
            (FilterKind::Select, None) => {
                Condition::OneOf(column, spellings(desk, field, std::slice::from_ref(&one)))
            }
            _ => {
                return Err(DataError::Request(format!(
                    "filter_{name} is not a parameter of this list."
                )));
            }
        });
    }
    Ok(conditions)
}

/// A boolean is `true` or a 1, by the type of its column.
fn spellings(desk: Desk<'_>, field: &Field, values: &[String]) -> Vec<String> {
    if field.kind().value_kind() != ValueKind::Boolean {
        return values.to_vec();
    }
    let column = desk.module.table.columns.get(field.column().as_str());
    let is_bool = column.is_some_and(|column| column.type_name == "bool");
    let spell = |value: &String| match (matches!(value.as_str(), "true" | "1" | "on"), is_bool) {
        (true, true) => vec!["true".to_owned()],
        (false, true) => vec!["false".to_owned()],
        (true, false) => vec!["1".to_owned()],
        (false, false) => vec!["0".to_owned(), "2".to_owned()],
    };
    values.iter().flat_map(spell).collect()
}
