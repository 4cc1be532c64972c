//! `module.parent`, `events`, `schedules`, `actions` and `views`.

use std::collections::HashSet;

use domain::spelling::nearest;
use serde_json::Value;

use super::field::report_unknown;
use super::screen::find;
use crate::cron::Cron;
use crate::keys;
use crate::reader::Reader;
use crate::spec::{
    Action, ActionScope, ComputedField, EventHandler, EventKind, Field, FieldName, ListColumn,
    Parent, Places, Schedule, SectionEntry, Sort, SortOrder, ValueKind, View, ViewFilter, ViewKind,
};
use crate::text::{Text, title_case};
use crate::yaml::{Content, shorten};

/// The names of the IANA time zone database, one a line, sorted. The list costs 8 KB; rules are the database server's.
const TIME_ZONES: &str = include_str!("../time_zones.txt");

pub(super) fn parent(module: &Reader<'_>, fields: &[Field]) -> Option<Parent> {
    let reader = module.mapping("parent", &keys::PARENT)?;
    let name = reader.parsed("module", "bad-name");
    let field = own_field(&reader, "field", fields)?;
    if field.is_virtual || field.is_secret() || field.multiple {
        let message = format!(
            "\"{}\" cannot hold the number of another record",
            field.name
        );
        reader.error("bad-relation", "field", message, None);
        return None;
    }
    Some(Parent {
        module: name?,
        field: field.name.clone(),
    })
}

fn own_field<'f>(reader: &Reader<'_>, key: &str, fields: &'f [Field]) -> Option<&'f Field> {
    let name = reader.string(key)?;
    let found = fields.iter().find(|field| field.name.as_str() == name);
    if found.is_none() {
        let at = (reader.place_of(key), reader.child_path(key));
        let names = fields.iter().map(|field| field.name.as_str());
        report_unknown(reader, name, (at.0, &at.1), names);
    }
    found
}

pub(super) fn events(document: &Reader<'_>, places: &mut Places) -> Vec<EventHandler> {
    let readers = document.mappings("events", &keys::EVENT);
    let read = |(index, reader): (usize, &Reader<'_>)| {
        places.note(reader, &["on"]);
        let is_list = reader.raw_list("on").is_some();
        let on = if is_list {
            reader.some_of("on", EventKind::WORDS)
        } else {
            let one = reader.one_of("on", EventKind::WORDS, "unknown-value");
            one.map(|kind| vec![kind])
        };
        let when = reader.expression("when");
        let lambda = reader.lambda("lambda");
        Some(EventHandler {
            on: on?,
            when,
            lambda: lambda?,
            index,
        })
    };
    readers.iter().enumerate().filter_map(read).collect()
}

pub(super) fn schedules(document: &Reader<'_>, places: &mut Places) -> Vec<Schedule> {
    let readers = document.mappings("schedules", &keys::SCHEDULE);
    let read = |(index, reader): (usize, &Reader<'_>)| {
        places.note(reader, &["cron"]);
        let cron: Option<Cron> = reader.parsed("cron", "bad-cron");
        let time_zone = time_zone(reader);
        let lambda = reader.lambda("lambda");
        Some(Schedule {
            cron: cron?,
            time_zone: time_zone?,
            lambda: lambda?,
            index,
        })
    };
    readers.iter().enumerate().filter_map(read).collect()
}

fn time_zone(reader: &Reader<'_>) -> Option<&'static str> {
    if !reader.has("time_zone") {
        return Some("UTC");
    }
    let written = reader.string("time_zone")?;
    let found = TIME_ZONES.lines().find(|zone| *zone == written);
    if found.is_none() {
        let help = nearest(written, TIME_ZONES.lines()).map_or_else(
            || "write a name of the IANA database, for example Europe/Berlin".to_owned(),
            |zone| format!("did you mean \"{zone}\"?"),
        );
        let message = format!("there is no time zone \"{}\"", shorten(written));
        reader.error("bad-time-zone", "time_zone", message, Some(help));
    }
    found
}

pub(super) fn actions(document: &Reader<'_>, places: &mut Places) -> Vec<Action> {
    let mut names = HashSet::new();
    let readers = document.mappings("actions", &keys::ACTION);
    let read = |(index, reader): (usize, &Reader<'_>)| {
        places.note(reader, &["name"]);
        let name = unique_name(reader, &mut names, "actions");
        let label = reader.text("label");
        let icon = reader.word("icon");
        let confirm = reader.text("confirm");
        let scope = reader.one_of("scope", ActionScope::WORDS, "unknown-value");
        let access = reader.words("access");
        let lambda = reader.lambda("lambda");
        let name = name?;
        Some(Action {
            label: label.unwrap_or_else(|| Text::new(&title_case(name.as_str()))),
            name,
            icon,
            confirm,
            scope: scope.unwrap_or(ActionScope::Row),
            access,
            lambda: lambda?,
            index,
        })
    };
    readers.iter().enumerate().filter_map(read).collect()
}

fn unique_name(
    reader: &Reader<'_>,
    names: &mut HashSet<FieldName>,
    what: &str,
) -> Option<FieldName> {
    let name: FieldName = reader.parsed("name", "bad-identifier")?;
    if !names.insert(name.clone()) {
        let message = format!("there are two {what} \"{name}\"");
        let help = "rename one of them".to_owned();
        reader.error("duplicate-name", "name", message, Some(help));
    }
    Some(name)
}

pub(super) fn views(
    document: &Reader<'_>,
    fields: &[Field],
    computed: &[ComputedField],
    places: &mut Places,
) -> Vec<View> {
    let mut names = HashSet::new();
    let readers = document.mappings("views", &keys::VIEW);
    let read = |(index, reader): (usize, &Reader<'_>)| {
        places.note(reader, &["name"]);
        let name = unique_name(reader, &mut names, "views");
        let kind = reader
            .one_of("kind", ViewKind::WORDS, "unknown-value")
            .unwrap_or(ViewKind::Table);
        let columns = columns(reader, fields, computed);
        let filters = filters(reader, fields);
        let sort = sort(reader, fields);
        check_first_column(reader, kind, &columns, fields);
        Some(View {
            name: name?,
            kind,
            columns,
            filters,
            sort,
            index,
        })
    };
    readers.iter().enumerate().filter_map(read).collect()
}

fn columns(reader: &Reader<'_>, fields: &[Field], computed: &[ComputedField]) -> Vec<ListColumn> {
    let mut columns = Vec::new();
    for (name, place, path) in reader.texts("columns") {
        match find(name, fields, computed) {
            Some(SectionEntry::Field(at)) if fields.get(at).is_some_and(Field::is_secret) => {
                let message = format!("\"{name}\" is a password and never listed");
                reader
                    .findings
                    .warning("secret-in-list", place, &path, message, None);
            }
            Some(SectionEntry::Field(at)) => columns.push(ListColumn::Field(at)),
            Some(SectionEntry::Computed(at)) => columns.push(ListColumn::Computed(at)),
            None => {
                let names = fields.iter().map(|field| field.name.as_str());
                let names = names.chain(computed.iter().map(|field| field.name.as_str()));
                report_unknown(reader, name, (place, &path), names);
            }
        }
    }
    columns
}

/// A calendar needs a day, a board something to sort cards by.
fn check_first_column(
    reader: &Reader<'_>,
    kind: ViewKind,
    columns: &[ListColumn],
    fields: &[Field],
) {
    let first = match columns.first() {
        Some(ListColumn::Field(at)) => fields.get(*at),
        _ => None,
    };
    let (fits, needed) = match kind {
        ViewKind::Table | ViewKind::Chart => return,
        ViewKind::Calendar => (
            first.is_some_and(|field| {
                let kind = field.kind.value_kind();
                matches!(kind, ValueKind::Date | ValueKind::DateTime)
            }),
            "a date",
        ),
        ViewKind::Board => (
            first.is_some_and(|field| {
                !field.choices.is_empty()
                    || field.lookup.is_some()
                    || field.relation.is_some()
                    || field.kind.value_kind() == ValueKind::Boolean
            }),
            "a field with choices",
        ),
    };
    if !fits {
        let message = format!("the first column of a {} must be {needed}", kind.as_str());
        let help = "put that field first in \"columns\"".to_owned();
        reader.error("bad-view", "columns", message, Some(help));
    }
}

fn filters(reader: &Reader<'_>, fields: &[Field]) -> Vec<ViewFilter> {
    let Some(node) = reader.node("filters") else {
        return Vec::new();
    };
    let Content::Mapping(entries) = &node.content else {
        let message = format!(
            "\"filters\" must be a mapping from fields to values, not {}",
            node.described()
        );
        let help = "for example `{state: open}`".to_owned();
        reader.error("wrong-type", "filters", message, Some(help));
        return Vec::new();
    };
    let mut filters = Vec::new();
    for entry in entries {
        let path = format!("{}.{}", reader.child_path("filters"), shorten(&entry.key));
        let at = fields.iter().position(|f| f.name.as_str() == entry.key);
        let Some((field_index, field)) = at.and_then(|at| Some((at, fields.get(at)?))) else {
            let names = fields.iter().map(|field| field.name.as_str());
            report_unknown(reader, &entry.key, (entry.key_place, &path), names);
            continue;
        };
        let values = match entry.value.to_json() {
            Value::Array(values) => values,
            value => vec![value],
        };
        let is_nested = values.iter().any(|v| v.is_object() || v.is_array());
        let message = if field.is_virtual || field.is_secret() {
            format!("\"{}\" has no column to filter by", field.name)
        } else if is_nested {
            "a value or a list of values must stand here".to_owned()
        } else {
            filters.push(ViewFilter {
                field_index,
                values,
            });
            continue;
        };
        let place = entry.value.place;
        reader
            .findings
            .error("bad-filter", place, &path, message, None);
    }
    filters
}

/// `field` or `field desc`.
fn sort(reader: &Reader<'_>, fields: &[Field]) -> Option<Sort> {
    let written = reader.string("sort")?;
    let (name, order) = written.split_once(' ').unwrap_or((written, "asc"));
    let order = match order.trim() {
        "asc" => SortOrder::Asc,
        "desc" => SortOrder::Desc,
        _ => {
            let message = format!("\"{}\" is no order", shorten(written));
            let help = "write a field, or a field and `desc`".to_owned();
            reader.error("bad-view", "sort", message, Some(help));
            return None;
        }
    };
    let field = fields.iter().find(|field| field.name.as_str() == name);
    let Some(field) = field.filter(|field| !field.is_virtual) else {
        let at = (reader.place_of("sort"), reader.child_path("sort"));
        let names = fields.iter().map(|field| field.name.as_str());
        report_unknown(reader, name, (at.0, &at.1), names);
        return None;
    };
    Some(Sort {
        column: field.column.clone(),
        order,
    })
}
