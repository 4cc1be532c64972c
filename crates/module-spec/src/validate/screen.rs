//! `ui`, `filters` and the order of the list.

use std::collections::HashSet;

use super::field;
use crate::keys;
use crate::reader::Reader;
use crate::spec::{
    ComputedField, Field, Filter, FilterKind, FilterSource, FormSection, ListColumn, Place, Places,
    RowAction, SectionEntry, Sort, SortOrder, ValueKind,
};

/// The columns of the list: as `ui.list_columns` says, otherwise what shows itself, by `list_position`.
pub(super) fn list_columns(
    document: &Reader<'_>,
    ui: Option<&Reader<'_>>,
    fields: &[Field],
    computed: &[ComputedField],
) -> Vec<ListColumn> {
    let Some(ui) = ui.filter(|ui| ui.has("list_columns")) else {
        return columns_by_position(document, fields, computed);
    };
    let mut columns = Vec::new();
    for (name, place, path) in ui.texts("list_columns") {
        let column = find(name, fields, computed).map(|entry| match entry {
            SectionEntry::Field(at) => ListColumn::Field(at),
            SectionEntry::Computed(at) => ListColumn::Computed(at),
        });
        match column {
            Some(ListColumn::Field(at)) if fields.get(at).is_some_and(Field::is_secret) => {
                let message = format!("\"{name}\" is a password and never listed");
                ui.findings.warning(
                    "secret-in-list",
                    place,
                    &path,
                    message,
                    Some("remove it".to_owned()),
                );
            }
            Some(column) if columns.contains(&column) => {
                ui.findings.warning(
                    "duplicate-field",
                    place,
                    &path,
                    format!("\"{name}\" is listed twice"),
                    None,
                );
            }
            Some(column) => columns.push(column),
            None => report_unknown(ui, name, (place, &path), fields, computed),
        }
    }
    columns
}

fn columns_by_position(
    document: &Reader<'_>,
    fields: &[Field],
    computed: &[ComputedField],
) -> Vec<ListColumn> {
    // The positions are only needed here; reading them again is simpler than keeping them in every field.
    let position = |key: &str, at: usize, behind: i64| {
        let written = document
            .raw_list(key)
            .and_then(|items| items.get(at))
            .and_then(|node| match &node.content {
                crate::yaml::Content::Mapping(entries) => entries
                    .iter()
                    .find(|entry| entry.key == "list_position")
                    .and_then(|entry| entry.value.integer()),
                _ => None,
            });
        written.unwrap_or(behind)
    };
    let of_fields = fields
        .iter()
        .enumerate()
        .filter(|(_, field)| field.show_in_list)
        .map(|(at, field)| {
            (
                position("fields", field.index, 10_000),
                ListColumn::Field(at),
            )
        });
    let of_computed = computed
        .iter()
        .enumerate()
        .filter(|(_, field)| field.show_in_list)
        .map(|(at, field)| {
            (
                position("computed_fields", field.index, 20_000),
                ListColumn::Computed(at),
            )
        });
    let mut columns: Vec<(i64, ListColumn)> = of_fields.chain(of_computed).collect();
    columns.sort_by_key(|(position, _)| *position);
    columns.into_iter().map(|(_, column)| column).collect()
}

/// The parts of the form: as `ui.form_sections` says, and what it forgot at the end; otherwise one part.
pub(super) fn form_sections(
    ui: Option<&Reader<'_>>,
    fields: &[Field],
    computed: &[ComputedField],
) -> Vec<FormSection> {
    let mut placed = HashSet::new();
    let mut sections = Vec::new();
    for reader in ui
        .map(|ui| ui.mappings("form_sections", &keys::FORM_SECTION))
        .unwrap_or_default()
    {
        let title = reader
            .text("title")
            .or_else(|| reader.text("name"))
            .or_else(|| reader.text("label"));
        let mut entries = Vec::new();
        for (name, place, path) in reader.texts("fields") {
            match find(name, fields, computed) {
                Some(SectionEntry::Field(at)) => {
                    if placed.insert(at) {
                        entries.push(SectionEntry::Field(at));
                    } else {
                        let message = format!("\"{name}\" is in the form twice");
                        reader
                            .findings
                            .warning("duplicate-field", place, &path, message, None);
                    }
                }
                Some(computed) => entries.push(computed),
                None => report_unknown(&reader, name, (place, &path), fields, computed),
            }
        }
        sections.push(FormSection {
            title,
            description: reader.text("description"),
            entries,
        });
    }
    let rest = fields
        .iter()
        .enumerate()
        .filter(|(at, field)| {
            field.show_in_form && !field.is_server_filled() && !placed.contains(at)
        })
        .map(|(at, _)| SectionEntry::Field(at));
    let rest: Vec<SectionEntry> = rest.collect();
    if !rest.is_empty() || sections.is_empty() {
        sections.push(FormSection {
            title: None,
            description: None,
            entries: rest,
        });
    }
    sections
}

pub(super) fn row_actions(ui: Option<&Reader<'_>>) -> Vec<RowAction> {
    const ALL: [(&str, RowAction); 4] = [
        ("view", RowAction::View),
        ("edit", RowAction::Edit),
        ("status_toggle", RowAction::StatusToggle),
        ("delete", RowAction::Delete),
    ];
    ui.and_then(|ui| ui.some_of("actions", &ALL))
        .unwrap_or_else(|| ALL.map(|(_, action)| action).to_vec())
}

pub(super) fn default_sort(module: &Reader<'_>, fields: &[Field]) -> Option<Sort> {
    let order = module
        .one_of(
            "default_sort_dir",
            &[("asc", SortOrder::Asc), ("desc", SortOrder::Desc)],
            "unknown-value",
        )
        .unwrap_or(SortOrder::Asc);
    let name = module.string("default_sort")?;
    let field = field_named(name, fields).map(|(_, field)| field);
    let column = match field {
        Some(field) if field.is_virtual => None,
        Some(field) => Some(field.column.clone()),
        None if Field::AUDIT_COLUMNS.contains(&name) => name.parse().ok(),
        None => None,
    };
    if column.is_none() {
        let at = (
            module.place_of("default_sort"),
            module.child_path("default_sort"),
        );
        report_unknown(module, name, (at.0, &at.1), fields, &[]);
    }
    column.map(|column| Sort { column, order })
}

pub(super) fn filters(document: &Reader<'_>, fields: &[Field], places: &mut Places) -> Vec<Filter> {
    let mut filters: Vec<Filter> = Vec::new();
    for (index, reader) in document
        .mappings("filters", &keys::FILTER)
        .iter()
        .enumerate()
    {
        places.note(
            reader,
            &[
                "field",
                "lookup_table",
                "lookup_key",
                "lookup_display",
                "query",
            ],
        );
        let kinds = [
            ("select", FilterKind::Select),
            ("text", FilterKind::Text),
            ("multi_select", FilterKind::MultiSelect),
            ("date_range", FilterKind::DateRange),
        ];
        let kind = reader.one_of("type", &kinds, "unknown-type");
        let kind_is_wrong = reader.has("type") && kind.is_none();
        let label = reader.text("label");
        let source = source(reader);
        let Some(name) = reader.string("field") else {
            continue;
        };
        let Some((field_index, field)) = field_named(name, fields) else {
            report_unknown(
                reader,
                name,
                (reader.place_of("field"), &reader.child_path("field")),
                fields,
                &[],
            );
            continue;
        };
        if field.is_virtual || field.is_secret() {
            let message = format!("\"{name}\" has no column to filter by");
            reader.error("bad-filter", "field", message, None);
            continue;
        }
        let kind = kind.unwrap_or(FilterKind::Select);
        let is_dated = matches!(
            field.kind.value_kind(),
            ValueKind::Date | ValueKind::DateTime
        );
        if kind == FilterKind::DateRange && !is_dated {
            let message = format!("\"{name}\" is not a date");
            reader.error(
                "bad-filter",
                "type",
                message,
                Some("use select or text".to_owned()),
            );
            continue;
        }
        if kind_is_wrong {
            continue;
        }
        filters.push(Filter {
            field: field.name.clone(),
            field_index,
            kind,
            label: label.unwrap_or_else(|| field.label.clone()),
            source,
            index: Some(index),
        });
    }
    let filtered: HashSet<usize> = filters.iter().map(|filter| filter.field_index).collect();
    let own = fields.iter().enumerate().filter(|(at, field)| {
        field.filterable && !field.is_virtual && !field.is_secret() && !filtered.contains(at)
    });
    filters.extend(own.map(|(field_index, field)| Filter {
        field: field.name.clone(),
        field_index,
        kind: natural_kind(field),
        label: field.label.clone(),
        source: FilterSource::Field,
        index: None,
    }));
    filters
}

/// How a field is filtered when nothing more is said.
fn natural_kind(field: &Field) -> FilterKind {
    match field.kind.value_kind() {
        ValueKind::Date | ValueKind::DateTime => FilterKind::DateRange,
        ValueKind::Boolean => FilterKind::Select,
        _ if field.lookup.is_some() || !field.choices.is_empty() => FilterKind::Select,
        _ => FilterKind::Text,
    }
}

fn source(reader: &Reader<'_>) -> FilterSource {
    let written = reader.one_of(
        "source",
        &[
            ("field", "field"),
            ("options", "options"),
            ("static", "options"),
            ("lookup", "lookup"),
            ("database", "database"),
            ("query", "query"),
        ],
        "unknown-value",
    );
    let choices = reader.choices("options", &keys::CHOICE);
    let lookup = reader.lookup();
    let query = reader.word("query");
    let needs = match written {
        Some("options") if choices.is_empty() => Some("options"),
        Some("lookup") if lookup.is_none() => Some("lookup_table"),
        Some("query") if query.is_none() => Some("query"),
        _ => None,
    };
    if let Some(key) = needs {
        reader.error(
            "bad-filter",
            "source",
            format!("this source needs \"{key}\""),
            None,
        );
    }
    match (written, query, lookup) {
        (Some("field"), _, _) => FilterSource::Field,
        (None | Some("query" | "database"), Some(query), _) => FilterSource::Query(query),
        (None | Some("lookup" | "database"), _, Some(lookup)) => FilterSource::Lookup(lookup),
        _ if !choices.is_empty() => FilterSource::Choices(choices),
        _ => FilterSource::Field,
    }
}

/// A field by its name, otherwise by its column, as GOTRS allows: names win, so that every field can be meant.
pub(super) fn field_named<'f>(name: &str, fields: &'f [Field]) -> Option<(usize, &'f Field)> {
    let named = |field: &Field| field.name.as_str() == name;
    let at = fields.iter().position(named).or_else(|| {
        fields
            .iter()
            .position(|field| field.column.as_str() == name)
    })?;
    Some((at, fields.get(at)?))
}

pub(super) fn find(
    name: &str,
    fields: &[Field],
    computed: &[ComputedField],
) -> Option<SectionEntry> {
    let field = fields
        .iter()
        .position(|field| field.name.as_str() == name)
        .map(SectionEntry::Field);
    field
        .or_else(|| {
            computed
                .iter()
                .position(|field| field.name.as_str() == name)
                .map(SectionEntry::Computed)
        })
        .or_else(|| field_named(name, fields).map(|(at, _)| SectionEntry::Field(at)))
}

fn report_unknown(
    reader: &Reader<'_>,
    name: &str,
    at: (Place, &str),
    fields: &[Field],
    computed: &[ComputedField],
) {
    let names = fields.iter().map(|field| field.name.as_str());
    field::report_unknown(
        reader,
        name,
        at,
        names.chain(computed.iter().map(|field| field.name.as_str())),
    );
}
