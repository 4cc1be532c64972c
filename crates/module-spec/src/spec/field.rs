//! Fields of a record.

use std::fmt;
use std::str::FromStr;

use domain::identifier::SqlIdent;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::automation::Relation;
use super::getters;
use crate::lambda::Lambda;
use crate::pattern::Pattern;
use crate::text::Text;

/// The name of a field: the key in JSON and in `item`, an identifier of letters, digits and underscores.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldName(String);

impl FieldName {
    /// Longest name: as a column it must fit PostgreSQL's 63.
    pub const MAX_LEN: usize = SqlIdent::MAX_LEN;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A text that cannot be a field's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseFieldNameError;

impl fmt::Display for ParseFieldNameError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "a field's name is letters, digits and underscores, starting with a letter or an underscore, at \
             most 63 characters",
        )
    }
}

impl std::error::Error for ParseFieldNameError {}

impl FromStr for FieldName {
    type Err = ParseFieldNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = text.bytes();
        let starts_well = bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
        let goes_well = bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_');
        if starts_well && goes_well && text.len() <= Self::MAX_LEN {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseFieldNameError)
        }
    }
}

impl fmt::Display for FieldName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for FieldName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// How a field is entered and shown. Spellings that mean the same (`int`, `number`) are one type here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FieldType {
    /// One line of text.
    String,
    /// Several lines of text (`text`, `textarea`).
    Text,
    /// Several lines of text for remarks.
    Notes,
    /// A whole number (`int`, `integer`, `number`).
    Integer,
    /// A number with decimals (`float`, `decimal`).
    Decimal,
    /// Yes or no (`bool`, `boolean`, `checkbox`).
    Boolean,
    /// A day.
    Date,
    /// A day and a time (`datetime`, `datetime-local`).
    DateTime,
    /// A time of day.
    Time,
    /// An e-mail address.
    Email,
    /// A web address.
    Url,
    /// A telephone number (`tel`, `phone`).
    Phone,
    /// A colour such as `#3b82f6`.
    Color,
    /// A secret: written, hashed, never shown.
    Password,
    /// One of several values, from a list or a lookup.
    Select,
    /// One of several values, all visible.
    Radio,
    /// A number on a slider.
    Range,
    /// One uploaded file.
    File,
    /// Several uploaded files (`files`, `filelist`).
    Files,
}

/// What kind of value a field type holds, whatever it looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ValueKind {
    /// Text.
    Text,
    /// Whole number.
    Integer,
    /// Number.
    Decimal,
    /// True or false.
    Boolean,
    /// Day.
    Date,
    /// Day and time.
    DateTime,
    /// Time of day.
    Time,
    /// Text that never leaves the server.
    Secret,
    /// Uploaded content with its name.
    File,
}

impl FieldType {
    /// Every spelling and its type.
    pub const SPELLINGS: &'static [(&'static str, Self)] = &[
        ("string", Self::String),
        ("text", Self::Text),
        ("textarea", Self::Text),
        ("notes", Self::Notes),
        ("int", Self::Integer),
        ("integer", Self::Integer),
        ("number", Self::Integer),
        ("float", Self::Decimal),
        ("decimal", Self::Decimal),
        ("bool", Self::Boolean),
        ("boolean", Self::Boolean),
        ("checkbox", Self::Boolean),
        ("date", Self::Date),
        ("datetime", Self::DateTime),
        ("datetime-local", Self::DateTime),
        ("time", Self::Time),
        ("email", Self::Email),
        ("url", Self::Url),
        ("tel", Self::Phone),
        ("phone", Self::Phone),
        ("color", Self::Color),
        ("password", Self::Password),
        ("select", Self::Select),
        ("radio", Self::Radio),
        ("range", Self::Range),
        ("file", Self::File),
        ("files", Self::Files),
        ("filelist", Self::Files),
    ];

    /// The type that a spelling means.
    pub fn from_spelling(word: &str) -> Option<Self> {
        Self::SPELLINGS
            .iter()
            .find(|(spelling, _)| *spelling == word)
            .map(|(_, kind)| *kind)
    }

    /// The name used in pages and JSON: the usual spelling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::String => "string",
            Self::Text => "text",
            Self::Notes => "notes",
            Self::Integer => "integer",
            Self::Decimal => "decimal",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::DateTime => "datetime",
            Self::Time => "time",
            Self::Email => "email",
            Self::Url => "url",
            Self::Phone => "phone",
            Self::Color => "color",
            Self::Password => "password",
            Self::Select => "select",
            Self::Radio => "radio",
            Self::Range => "range",
            Self::File => "file",
            Self::Files => "files",
        }
    }

    /// What kind of value it holds.
    pub const fn value_kind(self) -> ValueKind {
        match self {
            Self::String
            | Self::Text
            | Self::Notes
            | Self::Email
            | Self::Url
            | Self::Phone
            | Self::Color
            | Self::Select
            | Self::Radio => ValueKind::Text,
            Self::Integer => ValueKind::Integer,
            Self::Decimal | Self::Range => ValueKind::Decimal,
            Self::Boolean => ValueKind::Boolean,
            Self::Date => ValueKind::Date,
            Self::DateTime => ValueKind::DateTime,
            Self::Time => ValueKind::Time,
            Self::Password => ValueKind::Secret,
            Self::File | Self::Files => ValueKind::File,
        }
    }

    /// Whether a full-text search over it makes sense.
    pub const fn is_searchable(self) -> bool {
        matches!(
            self,
            Self::String
                | Self::Text
                | Self::Notes
                | Self::Email
                | Self::Url
                | Self::Phone
                | Self::Select
                | Self::Radio
        )
    }
}

/// One value to choose from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    pub(crate) value: Value,
    pub(crate) label: Text,
    pub(crate) group: Option<Text>,
}

getters!(Choice {
    /// What is stored.
    value: &Value = |this| &this.value;
    /// What is shown.
    label: &Text = |this| &this.label;
    /// The heading it stands under.
    group: Option<&Text> = |this| this.group.as_ref();
});

impl Choice {
    /// The value as a form sends it.
    pub fn value_text(&self) -> String {
        plain_text(&self.value)
    }
}

/// A scalar as text: what a form would send for it.
pub(crate) fn plain_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// Another table that gives a field its choices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lookup {
    pub(crate) table: SqlIdent,
    pub(crate) key: SqlIdent,
    pub(crate) display: SqlIdent,
    pub(crate) condition: Option<String>,
}

getters!(Lookup {
    /// Where the choices are.
    table: &SqlIdent = |this| &this.table;
    /// The column whose value is stored; `id` unless told.
    key: &SqlIdent = |this| &this.key;
    /// The column that is shown; `name` unless told.
    display: &SqlIdent = |this| &this.display;
    /// An SQL condition of the author; it runs with the lambda role only.
    condition: Option<&str> = |this| this.condition.as_deref();
});

/// Who may see and change a field: names of groups or roles; empty means everybody who may use the module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldAccess {
    pub(crate) read: Vec<String>,
    pub(crate) write: Vec<String>,
}

getters!(FieldAccess {
    /// Groups or roles that see it.
    read: &[String] = |this| &this.read;
    /// Groups or roles that may change it.
    write: &[String] = |this| &this.write;
});

/// One field of a record.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    pub(crate) name: FieldName,
    pub(crate) kind: FieldType,
    pub(crate) column: SqlIdent,
    pub(crate) label: Text,
    pub(crate) required: bool,
    pub(crate) unique: bool,
    pub(crate) searchable: bool,
    pub(crate) sortable: bool,
    pub(crate) filterable: bool,
    pub(crate) show_in_list: bool,
    pub(crate) show_in_form: bool,
    pub(crate) read_only: bool,
    pub(crate) is_virtual: bool,
    pub(crate) multiple: bool,
    pub(crate) default: Option<Value>,
    pub(crate) choices: Vec<Choice>,
    pub(crate) lookup: Option<Lookup>,
    pub(crate) typeahead: bool,
    pub(crate) chip: bool,
    pub(crate) display_map: Vec<(String, Text)>,
    pub(crate) validation: Option<Pattern>,
    pub(crate) pattern: Option<Pattern>,
    pub(crate) max_length: Option<u32>,
    pub(crate) min: Option<Value>,
    pub(crate) max: Option<Value>,
    pub(crate) step: Option<f64>,
    pub(crate) rows: Option<u32>,
    pub(crate) accept: Option<String>,
    pub(crate) help: Option<Text>,
    pub(crate) placeholder: Option<Text>,
    pub(crate) list_class: Option<String>,
    pub(crate) access: FieldAccess,
    pub(crate) relation: Option<Relation>,
    pub(crate) indexed: bool,
    pub(crate) precision: Option<u32>,
    pub(crate) visible_when: Option<Lambda>,
    pub(crate) required_when: Option<Lambda>,
    pub(crate) index: usize,
}

getters!(Field {
    /// Key in JSON, in forms and in `item`.
    name: &FieldName = |this| &this.name;
    /// How it is entered and shown.
    kind: FieldType = |this| this.kind;
    /// Its column; meaningless for virtual fields.
    column: &SqlIdent = |this| &this.column;
    /// What it is called.
    label: &Text = |this| &this.label;
    /// Whether it must be filled in.
    required: bool = |this| this.required;
    /// Whether no two records may have the same value.
    unique: bool = |this| this.unique;
    /// Whether the search looks into it.
    searchable: bool = |this| this.searchable;
    /// Whether the list can be sorted by it.
    sortable: bool = |this| this.sortable;
    /// Whether the list can be filtered by it without an entry in `filters`.
    filterable: bool = |this| this.filterable;
    /// Whether it is a column of the list.
    show_in_list: bool = |this| this.show_in_list;
    /// Whether it is in the form.
    show_in_form: bool = |this| this.show_in_form;
    /// Whether it is shown but never changed.
    read_only: bool = |this| this.read_only;
    /// Whether it has no column: only hooks and lambdas see it.
    is_virtual: bool = |this| this.is_virtual;
    /// Whether several values can be chosen.
    multiple: bool = |this| this.multiple;
    /// What a new record starts with.
    default: Option<&Value> = |this| this.default.as_ref();
    /// Fixed values to choose from.
    choices: &[Choice] = |this| &this.choices;
    /// The table to choose from.
    lookup: Option<&Lookup> = |this| this.lookup.as_ref();
    /// Whether choices are searched while typing.
    typeahead: bool = |this| this.typeahead;
    /// Whether the value is shown as a small coloured label.
    chip: bool = |this| this.chip;
    /// Texts shown instead of values.
    display_map: &[(String, Text)] = |this| &this.display_map;
    /// A regular expression that must match somewhere in the value.
    validation: Option<&Pattern> = |this| this.validation.as_ref();
    /// A regular expression that the whole value must match; given to the browser too.
    pattern: Option<&Pattern> = |this| this.pattern.as_ref();
    /// Most characters.
    max_length: Option<u32> = |this| this.max_length;
    /// Smallest number, earliest date or time.
    min: Option<&Value> = |this| this.min.as_ref();
    /// Largest number, latest date or time.
    max: Option<&Value> = |this| this.max.as_ref();
    /// Distance between allowed numbers.
    step: Option<f64> = |this| this.step;
    /// Height of a text box in lines.
    rows: Option<u32> = |this| this.rows;
    /// Accepted kinds of files, as in HTML.
    accept: Option<&str> = |this| this.accept.as_deref();
    /// A sentence under the input.
    help: Option<&Text> = |this| this.help.as_ref();
    /// What stands in the empty input.
    placeholder: Option<&Text> = |this| this.placeholder.as_ref();
    /// A CSS class of the list cell.
    list_class: Option<&str> = |this| this.list_class.as_deref();
    /// Who may see and change it.
    access: &FieldAccess = |this| &this.access;
    /// Records of another module that it points to.
    relation: Option<&Relation> = |this| this.relation.as_ref();
    /// Whether its column has an index.
    indexed: bool = |this| this.indexed;
    /// Digits behind the decimal point.
    precision: Option<u32> = |this| this.precision;
    /// The field is shown while this is true.
    visible_when: Option<&Lambda> = |this| this.visible_when.as_ref();
    /// The field must be filled in while this is true.
    required_when: Option<&Lambda> = |this| this.required_when.as_ref();
    /// Position in the file: `fields[index]` is its path.
    index: usize = |this| this.index;
});

impl Field {
    /// The columns that the server fills in by itself, never the client.
    pub const AUDIT_COLUMNS: &'static [&'static str] = &[
        "id",
        "create_time",
        "create_by",
        "change_time",
        "change_by",
        "valid_id",
    ];

    /// Whether the server fills it (`id` and who and when). `valid_id` is not among them: people choose it.
    pub fn is_server_filled(&self) -> bool {
        matches!(
            self.column.as_str(),
            "id" | "create_time" | "create_by" | "change_time" | "change_by"
        )
    }

    /// Whether its value may never leave the server.
    pub fn is_secret(&self) -> bool {
        self.kind == FieldType::Password
    }

    /// The text that stands for `value` by the display map or the fixed choices.
    pub fn display_of(&self, value: &str) -> Option<&Text> {
        let mapped = self
            .display_map
            .iter()
            .find(|(key, _)| key == value)
            .map(|(_, text)| text);
        mapped.or_else(|| {
            self.choices
                .iter()
                .find(|choice| choice.value_text() == value)
                .map(Choice::label)
        })
    }

    /// The PostgreSQL type of its column in a managed table.
    pub fn sql_type(&self) -> SqlType {
        if self.multiple || self.kind == FieldType::Files {
            return SqlType::Jsonb;
        }
        if self.relation.is_some() {
            return SqlType::Bigint;
        }
        if let Some(lookup) = &self.lookup {
            // A lookup by `id` holds the other record's number; by any other column its text.
            return if lookup.key.as_str() == "id" {
                SqlType::Bigint
            } else {
                SqlType::Text
            };
        }
        match self.kind.value_kind() {
            ValueKind::Text | ValueKind::Secret => self.type_of_choices(),
            ValueKind::Integer => SqlType::Bigint,
            ValueKind::Decimal => SqlType::Numeric,
            ValueKind::Boolean => SqlType::Boolean,
            ValueKind::Date => SqlType::Date,
            ValueKind::DateTime => SqlType::Timestamp,
            ValueKind::Time => SqlType::Time,
            ValueKind::File => SqlType::Jsonb,
        }
    }

    /// Choices that are all whole numbers make a number column.
    fn type_of_choices(&self) -> SqlType {
        if !self.choices.is_empty() && self.choices.iter().all(|choice| choice.value.is_i64()) {
            SqlType::Bigint
        } else {
            SqlType::Text
        }
    }
}

/// The PostgreSQL types that managed tables use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SqlType {
    /// Any text.
    Text,
    /// 32 bits.
    Integer,
    /// 64 bits.
    Bigint,
    /// Exact decimals.
    Numeric,
    /// True or false.
    Boolean,
    /// A day.
    Date,
    /// A day and a time.
    Timestamp,
    /// A time of day.
    Time,
    /// Lists and uploaded files.
    Jsonb,
}

impl SqlType {
    /// Its name in SQL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Bigint => "bigint",
            Self::Numeric => "numeric",
            Self::Boolean => "boolean",
            Self::Date => "date",
            Self::Timestamp => "timestamp",
            Self::Time => "time",
            Self::Jsonb => "jsonb",
        }
    }
}

/// A column that a managed table must have; as JSON it is what `gotrs_apply_managed_table` takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ManagedColumn {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub sql_type: SqlType,
    /// Whether the form demands it. The column itself stays nullable, so that a field can be added to a table that
    /// has rows.
    pub required: bool,
    /// Whether no two rows may have the same value.
    pub unique: bool,
    /// Whether the lambda role must not read it.
    pub secret: bool,
}
