//! `fields` and `validation`.

use std::collections::HashSet;

use domain::spelling::nearest;
use serde_json::Value;

use super::screen::field_named;
use crate::keys;
use crate::reader::Reader;
use crate::spec::{
    Choice, Field, FieldAccess, FieldName, FieldType, Lookup, OnDelete, Place, Places, Relation,
    ValueKind,
};
use crate::text::{Text, title_case};
use crate::yaml::{Content, shorten};

/// Keys that a later stage, which knows the catalogue, may find fault with.
const CATALOGUE_KEYS: &[&str] = &[
    "name",
    "type",
    "db_column",
    "lookup_table",
    "lookup_key",
    "lookup_display",
    "lookup_condition",
    "unique",
];

/// What a file means by not writing a boolean key.
#[derive(Debug, Clone, Copy)]
pub(super) struct Otherwise(bool);

impl Otherwise {
    /// In GOTRS an absent key is `false`; but a file in which no entry mentions the key means all of them, and so
    /// does a managed module.
    pub(super) fn of(readers: &[Reader<'_>], key: &str, managed: bool) -> Self {
        Self(managed || !readers.iter().any(|reader| reader.has(key)))
    }

    pub(super) fn unless_written(self, reader: &Reader<'_>, key: &str) -> bool {
        reader.boolean(key).unwrap_or(self.0)
    }
}

struct Defaults {
    searchable: Otherwise,
    sortable: Otherwise,
    show_in_list: Otherwise,
    show_in_form: Otherwise,
}

pub(super) fn fields(document: &Reader<'_>, managed: bool, places: &mut Places) -> Vec<Field> {
    let readers = document.mappings("fields", &keys::FIELD);
    if document.raw_list("fields").is_some_and(<[_]>::is_empty) {
        let help = "add at least one, for example `- {name: title, type: string}`".to_owned();
        document.error(
            "no-fields",
            "fields",
            "a module needs at least one field",
            Some(help),
        );
    }
    let defaults = Defaults {
        searchable: Otherwise::of(&readers, "searchable", managed),
        sortable: Otherwise::of(&readers, "sortable", managed),
        show_in_list: Otherwise::of(&readers, "show_in_list", managed),
        show_in_form: Otherwise::of(&readers, "show_in_form", managed),
    };
    let mut names = HashSet::new();
    let mut columns = HashSet::new();
    let mut fields = Vec::new();
    for reader in &readers {
        places.note(reader, CATALOGUE_KEYS);
        for key in ["name", "db_column"] {
            let _ = reader
                .node(key)
                .and_then(|node| node.scalar())
                .map(|name| reader.findings.declare(name));
        }
        let Some(field) = field(reader, &defaults, fields.len()) else {
            continue;
        };
        if !names.insert(field.name.clone()) {
            let message = format!("there are two fields \"{}\"", field.name);
            reader.error(
                "duplicate-field",
                "name",
                message,
                Some("rename one of them".to_owned()),
            );
            continue;
        }
        if !field.is_virtual && !columns.insert(field.column.clone()) {
            let key = if reader.has("db_column") {
                "db_column"
            } else {
                "name"
            };
            let message = format!("two fields use the column \"{}\"", field.column.as_str());
            reader.error("duplicate-field", key, message, None);
        }
        fields.push(field);
    }
    fields
}

fn field(reader: &Reader<'_>, defaults: &Defaults, position: usize) -> Option<Field> {
    let name: Option<FieldName> = reader.parsed("name", "bad-identifier");
    let kind = reader.one_of("type", FieldType::SPELLINGS, "unknown-type");
    if matches!(kind, Some(FieldType::File | FieldType::Files)) {
        let message = "uploaded files are not supported yet; this version leaves the field out of list and form";
        let help =
            "the module works without it; remove the field if it must not be left out".to_owned();
        reader.warning("not-supported-yet", "type", message, Some(help));
    }
    let column = reader.identifier("db_column");
    let wrong_column = reader.has("db_column") && column.is_none();
    let multiple = reader.boolean("multiple").unwrap_or(false);
    let choices = reader.choices("options", &keys::CHOICE);
    let lookup = lookup(reader, name.as_ref(), kind, &choices);
    let relation = relation(reader, kind, multiple);
    check_storage(reader, kind);
    let precision = reader.count("precision");
    let visible_when = reader.expression("visible_when");
    let required_when = reader.expression("required_when");
    // What the server cannot show yet must not stand there as a choice of nothing.
    let hidden = relation.is_some() && keys::FIELD.not_supported_yet("relation").is_some();
    let range = range(reader, kind);
    let default = reader.json("default");
    check_default(reader, kind, multiple, default.as_ref(), &choices);
    let texts = Texts::read(reader);
    let access = access(reader);
    let flag = |key: &str| reader.boolean(key).unwrap_or(false);
    let (name, kind) = (name?, kind?);
    if wrong_column {
        return None;
    }
    let column = column.or_else(|| name.as_str().parse().ok())?;
    Some(Field {
        label: texts
            .label
            .unwrap_or_else(|| Text::new(&title_case(name.as_str().trim_end_matches("_id")))),
        required: flag("required"),
        unique: flag("unique"),
        searchable: kind.is_searchable()
            && defaults.searchable.unless_written(reader, "searchable"),
        sortable: kind.value_kind() != ValueKind::Secret
            && kind.value_kind() != ValueKind::File
            && defaults.sortable.unless_written(reader, "sortable"),
        filterable: flag("filterable"),
        show_in_list: kind != FieldType::Password
            && !hidden
            && defaults.show_in_list.unless_written(reader, "show_in_list"),
        show_in_form: !hidden && defaults.show_in_form.unless_written(reader, "show_in_form"),
        read_only: flag("readonly"),
        // Many records are linked by a table of their own, not by a column.
        is_virtual: flag("virtual") || relation.as_ref().is_some_and(|relation| relation.many),
        multiple,
        default,
        choices,
        lookup,
        typeahead: reader
            .one_of("widget", &[("typeahead", ())], "unknown-value")
            .is_some(),
        chip: reader
            .one_of("display_as", &[("chip", ())], "unknown-value")
            .is_some(),
        display_map: texts.display_map,
        validation: reader.pattern("validation", false),
        pattern: reader.pattern("pattern", true),
        max_length: reader.count("max_length"),
        min: range.0,
        max: range.1,
        step: step(reader),
        rows: reader.count("rows"),
        accept: reader.word("accept"),
        help: texts.help,
        placeholder: texts.placeholder,
        list_class: list_class(reader),
        access,
        relation,
        indexed: flag("index"),
        precision,
        visible_when,
        required_when,
        index: position,
        name,
        kind,
        column,
    })
}

/// `relation`, which takes the place of a lookup and of options.
fn relation(reader: &Reader<'_>, kind: Option<FieldType>, multiple: bool) -> Option<Relation> {
    let relation = reader.mapping("relation", &keys::RELATION)?;
    let module = relation.parsed("module", "bad-name");
    let many = relation.boolean("many").unwrap_or(false);
    let on_delete = relation
        .one_of("on_delete", OnDelete::WORDS, "unknown-value")
        .unwrap_or(OnDelete::Restrict);
    let refuse = |key: &str, message: &str| reader.error("bad-relation", key, message, None);
    for key in ["options", "lookup_table"] {
        if reader.has(key) {
            refuse(
                key,
                &format!("\"{key}\" and \"relation\" exclude each other"),
            );
        }
    }
    if !matches!(
        kind,
        None | Some(FieldType::Select | FieldType::Radio | FieldType::Integer)
    ) {
        refuse(
            "type",
            "a field with a relation is of type select, radio or integer",
        );
    }
    if multiple && !many {
        refuse(
            "multiple",
            "write `many: true` in the relation instead of \"multiple\"",
        );
    }
    let relation = Relation {
        module: module?,
        many,
        on_delete,
    };
    if empties(Some(&relation)) && reader.boolean("required") == Some(true) {
        refuse("relation", SET_NULL_OF_REQUIRED);
    }
    Some(relation)
}

const SET_NULL_OF_REQUIRED: &str =
    "a required field cannot become empty: `set_null` contradicts `required`";

fn empties(relation: Option<&Relation>) -> bool {
    relation.is_some_and(|relation| relation.on_delete == OnDelete::SetNull)
}

/// Combinations of `encrypted`, `index`, `precision` and others that cannot be.
fn check_storage(reader: &Reader<'_>, kind: Option<FieldType>) {
    let is_on = |key: &str| reader.has(key) && reader.boolean(key) == Some(true);
    let refuse = |key: &str, message: String| reader.error("conflicting-keys", key, message, None);
    if is_on("encrypted") {
        // Ignoring it would store in plain text what the author wants protected.
        let message = "this version cannot encrypt fields; the value would be stored as it is";
        let help = "remove \"encrypted\" if that will do; a field of type password is hashed and never shown";
        reader.error(
            "cannot-encrypt",
            "encrypted",
            message,
            Some(help.to_owned()),
        );
        for key in ["unique", "index", "searchable", "sortable", "filterable"] {
            if is_on(key) {
                refuse(key, format!("an encrypted field cannot be \"{key}\""));
            }
        }
    }
    if is_on("virtual") && is_on("index") {
        refuse("index", "a virtual field has no column to index".to_owned());
    }
    let is_decimal = kind.is_none_or(|kind| kind.value_kind() == ValueKind::Decimal);
    if reader.has("precision") && !is_decimal {
        let message = "\"precision\" belongs to a decimal or range".to_owned();
        refuse("precision", message);
    }
}

struct Texts {
    label: Option<Text>,
    help: Option<Text>,
    placeholder: Option<Text>,
    display_map: Vec<(String, Text)>,
}

impl Texts {
    fn read(reader: &Reader<'_>) -> Self {
        Self {
            label: reader.text("label"),
            help: reader.text("help"),
            placeholder: reader.text("placeholder"),
            display_map: display_map(reader),
        }
    }
}

fn display_map(reader: &Reader<'_>) -> Vec<(String, Text)> {
    let Some(node) = reader.node("display_map") else {
        return Vec::new();
    };
    let Content::Mapping(entries) = &node.content else {
        let message = format!(
            "\"display_map\" must be a mapping from values to texts, not {}",
            node.described()
        );
        reader.error(
            "wrong-type",
            "display_map",
            message,
            Some("for example `{1: low, 2: high}`".to_owned()),
        );
        return Vec::new();
    };
    let mut map = Vec::new();
    for entry in entries {
        match entry.value.scalar() {
            Some(text) => map.push((entry.key.clone(), Text::new(text))),
            None => {
                let path = format!(
                    "{}.{}",
                    reader.child_path("display_map"),
                    shorten(&entry.key)
                );
                let message = format!("a text must stand here, not {}", entry.value.described());
                reader
                    .findings
                    .error("wrong-type", entry.value.place, &path, message, None);
            }
        }
    }
    map
}

/// The choices of a field come from a lookup, a list, or, for `valid_id`, from what every helpdesk has.
fn lookup(
    reader: &Reader<'_>,
    name: Option<&FieldName>,
    kind: Option<FieldType>,
    choices: &[Choice],
) -> Option<Lookup> {
    let lookup = reader.lookup();
    if lookup.is_some() && !choices.is_empty() {
        let message = "\"options\" has no effect beside \"lookup_table\"";
        reader.warning(
            "conflicting-choices",
            "options",
            message,
            Some("keep one of the two".to_owned()),
        );
    }
    let chooses = matches!(kind, Some(FieldType::Select | FieldType::Radio));
    if lookup.is_some()
        || !chooses
        || ["options", "lookup_table", "relation"]
            .iter()
            .any(|key| reader.has(key))
    {
        return lookup;
    }
    let column = reader
        .string("db_column")
        .or_else(|| name.map(FieldName::as_str));
    if column == Some("valid_id") {
        return Some(Lookup {
            table: "valid".parse().ok()?,
            key: "id".parse().ok()?,
            display: "name".parse().ok()?,
            condition: None,
        });
    }
    let help = "add `options: [...]` or `lookup_table: ...`".to_owned();
    reader.error(
        "missing-options",
        "type",
        "there is nothing to choose from",
        Some(help),
    );
    None
}

/// `min` and `max`, of a kind that fits the type.
fn range(reader: &Reader<'_>, kind: Option<FieldType>) -> (Option<Value>, Option<Value>) {
    let bound = |key: &str| {
        let value = reader.json(key)?;
        let good = match kind.map(FieldType::value_kind) {
            Some(ValueKind::Integer | ValueKind::Decimal) => value.is_number(),
            Some(ValueKind::Date | ValueKind::DateTime | ValueKind::Time) => value.is_string(),
            _ => true,
        };
        if !good {
            let expected = if value.is_number() {
                "a date or time such as \"2026-01-31\""
            } else {
                "a number"
            };
            reader.error(
                "wrong-type",
                key,
                format!("\"{key}\" must be {expected}"),
                None,
            );
        }
        good.then_some(value)
    };
    let (min, max) = (bound("min"), bound("max"));
    if let (Some(low), Some(high)) = (
        min.as_ref().and_then(Value::as_f64),
        max.as_ref().and_then(Value::as_f64),
    ) && low > high
    {
        let message = format!("no value fits: min {low} is above max {high}");
        reader.error("out-of-range", "min", message, None);
    }
    (min, max)
}

fn step(reader: &Reader<'_>) -> Option<f64> {
    let step = reader.number("step")?;
    if step <= 0.0 {
        reader.error("out-of-range", "step", "\"step\" must be above 0", None);
        return None;
    }
    Some(step)
}

/// Class names reach an attribute of the page; only names may stand there.
fn list_class(reader: &Reader<'_>) -> Option<String> {
    let class = reader.word("list_class")?;
    let good = class
        .chars()
        .all(|c| c.is_ascii_alphanumeric() || matches!(c, ' ' | '-' | '_' | ':' | '/'));
    if !good {
        reader.error(
            "bad-class",
            "list_class",
            "\"list_class\" is a list of CSS class names",
            None,
        );
    }
    good.then_some(class)
}

fn access(reader: &Reader<'_>) -> FieldAccess {
    let access = reader.mapping("access", &keys::FIELD_ACCESS);
    access.map_or_else(FieldAccess::default, |access| FieldAccess {
        read: access.words("read"),
        write: access.words("write"),
    })
}

fn check_default(
    reader: &Reader<'_>,
    kind: Option<FieldType>,
    multiple: bool,
    default: Option<&Value>,
    choices: &[Choice],
) {
    let (Some(kind), Some(default)) = (kind, default) else {
        return;
    };
    let is_list = default.is_array();
    let fits = match kind.value_kind() {
        _ if multiple || is_list => multiple && is_list,
        _ if default.is_object() => false,
        ValueKind::Integer => default.is_i64() || is_number_text(default),
        ValueKind::Decimal => default.is_number() || is_number_text(default),
        ValueKind::Boolean => {
            reader
                .node("default")
                .and_then(|node| node.boolean())
                .is_some()
                || matches!(default.as_i64(), Some(0 | 1))
                || matches!(default.as_str(), Some("true" | "false" | "0" | "1"))
        }
        ValueKind::File => false,
        _ => true,
    };
    if !fits {
        let message = format!("the default does not fit a field of type {}", kind.as_str());
        reader.error("bad-default", "default", message, None);
    } else if !choices.is_empty()
        && !multiple
        && matches!(kind, FieldType::Select | FieldType::Radio)
    {
        let written = crate::spec::plain_text(default);
        if !written.is_empty() && !choices.iter().any(|choice| choice.value_text() == written) {
            let values: Vec<String> = choices.iter().take(10).map(Choice::value_text).collect();
            let help = nearest(&written, values.iter().map(String::as_str)).map_or_else(
                || format!("options are {}", values.join(", ")),
                |near| format!("did you mean \"{near}\"?"),
            );
            let message = format!(
                "the default \"{}\" is not one of the options",
                shorten(&written)
            );
            reader.error("bad-default", "default", message, Some(help));
        }
    }
}

fn is_number_text(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.parse::<f64>().is_ok())
}

/// `validation.unique_fields` and `required_fields`.
pub(super) fn apply_rules(document: &Reader<'_>, fields: &mut [Field]) {
    let Some(rules) = document.mapping("validation", &keys::VALIDATION) else {
        return;
    };
    let unique: fn(&mut Field) = |field| field.unique = true;
    let required: fn(&mut Field) = |field| field.required = true;
    for (key, apply) in [("unique_fields", unique), ("required_fields", required)] {
        for (name, place, path) in rules.texts(key) {
            let at = field_named(name, fields).map(|(at, _)| at);
            match at.and_then(|at| fields.get_mut(at)) {
                Some(field) => {
                    let was_required = field.required;
                    apply(field);
                    if field.required && !was_required && empties(field.relation.as_ref()) {
                        let findings = rules.findings;
                        findings.error("bad-relation", place, &path, SET_NULL_OF_REQUIRED, None);
                    }
                }
                None => {
                    let names = fields.iter().map(|field| field.name.as_str());
                    report_unknown(&rules, name, (place, &path), names);
                }
            }
        }
    }
}

/// Reports a name that no field has, unless the field is there and only something else in it is wrong.
pub(super) fn report_unknown<'n>(
    reader: &Reader<'_>,
    name: &str,
    (place, path): (Place, &str),
    names: impl Iterator<Item = &'n str> + Clone,
) {
    if reader.findings.is_declared(name) {
        return;
    }
    let help = nearest(name, names.clone()).map_or_else(
        || {
            format!(
                "fields are {}",
                names.take(20).collect::<Vec<_>>().join(", ")
            )
        },
        |near| format!("did you mean \"{near}\"?"),
    );
    let message = format!("there is no field \"{}\"", shorten(name));
    reader
        .findings
        .error("unknown-field", place, path, message, Some(help));
}
