//! The keys of the format: one table that reading, the JSON Schema and the reference are made from.

mod automation;
mod field;
mod tables;

pub(crate) use automation::*;
pub(crate) use field::*;
pub(crate) use tables::*;

use crate::spec::EventKind;

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
    OneOf(&'static [Word]),
    /// A list of texts.
    Texts,
    /// A list of some of these words.
    SomeOf(&'static [Word]),
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
    /// A list of records or rows.
    Rows,
    /// Lists of records by the name of their module.
    RowsByModule,
    /// An event, alone or with what else is known of it.
    Event,
    /// The name of an action of this module.
    ActionName,
    /// Calls with their arguments.
    Calls,
    /// A mapping with keys of its own.
    Mapping(&'static Table),
    /// A list of mappings.
    List(&'static Table),
}

/// A word of the format and what it means.
pub(crate) type Word = (&'static str, &'static str);

impl Shape {
    /// The words that may stand behind the key or in its list.
    pub(crate) fn words(self) -> &'static [Word] {
        match self {
            Self::OneOf(words) | Self::SomeOf(words) => words,
            Self::Events | Self::Event => EventKind::SPELLINGS,
            Self::Calls => CALLS,
            _ => &[],
        }
    }

    /// What a word means here.
    pub(crate) fn about(self, word: &str) -> Option<&'static str> {
        let mut words = self.words().iter();
        words
            .find(|(known, _)| *known == word)
            .map(|(_, about)| about.trim())
    }
}

/// One key.
#[derive(Debug)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// One or two sentences for the reference and for editors.
    pub(crate) doc: &'static str,
    /// How it is written, in one line; in braces with the other keys that it needs. A test reads each.
    pub(crate) example: &'static str,
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

    /// What happens instead, when the server does not act upon this key yet.
    pub(crate) fn not_supported_yet(&self, name: &str) -> Option<&'static str> {
        let is_root = std::ptr::eq(self, &raw const DOCUMENT);
        let path = if is_root {
            name.to_owned()
        } else {
            format!("{}.{name}", self.title)
        };
        NOT_SUPPORTED_YET
            .iter()
            .find(|(key, _)| *key == path)
            .map(|(_, instead)| *instead)
    }

    /// The anchor of a key in the reference, such as `fields-type`.
    pub(crate) fn anchor(&self, key: &str) -> String {
        let title: String = self.title.to_lowercase().replace("[]", "");
        format!("{}-{key}", title.replace(['.', ' '], "-"))
    }

    /// Every name that means something here.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().map(|key| key.name)
    }
}
