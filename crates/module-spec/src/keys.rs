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

/// The name nearest to `word`, if it is near enough to be meant.
pub(crate) fn nearest<'n>(word: &str, names: impl IntoIterator<Item = &'n str>) -> Option<&'n str> {
    let length = word.chars().count();
    if length > 64 {
        return None;
    }
    let most = length.checked_div(3).unwrap_or(0).max(1);
    names
        .into_iter()
        .map(|name| (distance(word, name), name))
        .filter(|(distance, _)| *distance <= most)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// Changes of one letter (insert, delete, replace, swap of neighbours) between two words, ignoring case.
fn distance(left: &str, right: &str) -> usize {
    let left: Vec<char> = left.to_lowercase().chars().collect();
    let right: Vec<char> = right.to_lowercase().chars().collect();
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=right.len()).collect();
    for (row, from) in left.iter().enumerate() {
        let mut current = vec![row.saturating_add(1)];
        for (column, to) in right.iter().enumerate() {
            let get = |line: &[usize], at: usize| line.get(at).copied().unwrap_or(usize::MAX);
            let replaced = get(&above, column).saturating_add(usize::from(from != to));
            let deleted = get(&above, column.saturating_add(1)).saturating_add(1);
            let inserted = get(&current, column).saturating_add(1);
            let mut best = replaced.min(deleted).min(inserted);
            let neighbours = (row.checked_sub(1), column.checked_sub(1));
            if let (Some(previous_row), Some(previous_column)) = neighbours
                && left.get(previous_row) == Some(to)
                && right.get(previous_column) == Some(from)
            {
                best = best.min(get(&before, previous_column).saturating_add(1));
            }
            current.push(best);
        }
        before = std::mem::replace(&mut above, current);
    }
    above.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_one_that_could_be_meant() {
        let names = ["name", "label", "searchable", "sortable", "default_sort"];
        for (word, expected) in [
            ("lable", Some("label")),
            ("Name", Some("name")),
            ("searchble", Some("searchable")),
            ("defaultsort", Some("default_sort")),
            ("zzz", None),
            ("", None),
        ] {
            assert_eq!(nearest(word, names), expected, "{word}");
        }
    }
}
