//! The keys of the format: one table that reading, the JSON Schema and the reference are made from.

mod automation;
mod tables;

pub(crate) use automation::*;
pub(crate) use tables::*;

/// What stands behind a key.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Text; may be a translation key.
    Text,
    /// A name of a table or column.
    Identifier,
    /// The name of a field of this module.
    FieldName,
    /// Names of fields of this module.
    FieldNames,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer { min: i64, max: i64 },
    /// Any number.
    Number,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A list of texts.
    Texts,
    /// A list of some of these words.
    SomeOf(&'static [&'static str]),
    /// JavaScript.
    Lambda,
    /// A JavaScript expression.
    Expression,
    /// A cron expression.
    Cron,
    /// One event or a list of them.
    Events,
    /// SQL.
    Sql,
    /// A regular expression.
    Pattern,
    /// Anything.
    Any,
    /// Texts by value.
    TextMap,
    /// Values to choose from.
    Choices,
    /// Rows that queries of a test answer with.
    Fixtures,
    /// A mapping with keys of its own.
    Mapping(&'static Table),
    /// A list of mappings.
    List(&'static Table),
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// One or two sentences for the reference and for editors.
    pub(crate) doc: &'static str,
}

/// The keys of one mapping.
#[derive(Debug)]
pub(crate) struct Table {
    /// What the mapping is, with its article: `a field`.
    pub(crate) what: &'static str,
    /// Where it stands, for the reference: `fields[]`.
    pub(crate) title: &'static str,
    pub(crate) keys: &'static [Key],
    /// Keys without which it is nothing.
    pub(crate) required: &'static [&'static str],
}

impl Table {
    pub(crate) fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    /// Whether the server does not act upon this key yet.
    pub(crate) fn is_not_supported_yet(&self, name: &str) -> bool {
        let is_root = std::ptr::eq(self, &raw const DOCUMENT);
        let path = if is_root {
            name.to_owned()
        } else {
            format!("{}.{name}", self.title)
        };
        NOT_SUPPORTED_YET.contains(&path.as_str())
    }

    /// Every name that means something here.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}
