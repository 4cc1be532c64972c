//! Which fields of `item` a lambda reads, so that only those columns are copied into the sandbox.

use std::collections::BTreeSet;

/// The fields that a lambda reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reads {
    /// `item` is used in a way that does not say which: all of them.
    All,
    /// These.
    Named(BTreeSet<String>),
}

impl Reads {
    /// What `self` and `other` read together.
    pub(crate) fn union(self, other: &Self) -> Self {
        match (self, other) {
            (Self::Named(mut names), Self::Named(others)) => {
                names.extend(others.iter().cloned());
                Self::Named(names)
            }
            _ => Self::All,
        }
    }

    pub(crate) fn contains(&self, name: &str) -> bool {
        match self {
            Self::All => true,
            Self::Named(names) => names.contains(name),
        }
    }
}

/// Finds the fields by looking at every `item` in the text, also in strings and comments: too many names cost a little time,
/// a missing one would be wrong. `arguments` and escaped identifiers can reach `item` by another name.
pub(crate) fn reads_of(source: &str) -> Reads {
    let mut names = BTreeSet::new();
    if source.contains("\\u")
        || words(source).any(|(_, word)| word == "arguments" || word == "with")
    {
        return Reads::All;
    }
    for (at, word) in words(source) {
        if word != "item" {
            continue;
        }
        let before = source.get(..at).unwrap_or_default().trim_end();
        if before.ends_with('.') && !before.ends_with("...") {
            // `row.item` is a field of something else.
            continue;
        }
        let after = source
            .get(at.saturating_add(word.len())..)
            .unwrap_or_default();
        match field_after(after) {
            Some(name) => names.insert(name.to_owned()),
            None => return Reads::All,
        };
    }
    Reads::Named(names)
}

/// Identifiers with their positions in bytes.
fn words(source: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut rest = 0_usize;
    std::iter::from_fn(move || {
        let text = source.get(rest..)?;
        let start = text.find(is_word)?;
        let tail = text.get(start..)?;
        let length = tail.find(|c| !is_word(c)).unwrap_or(tail.len());
        let at = rest.saturating_add(start);
        rest = at.saturating_add(length);
        Some((at, tail.get(..length)?))
    })
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$' || c == '\u{200c}' || c == '\u{200d}'
}

/// The name in `.name`, `?.name`, `["name"]`, `['name']` or `?.["name"]` right behind `item`.
fn field_after(after: &str) -> Option<&str> {
    let after = after.trim_start();
    let (optional, after) = match after.strip_prefix("?.") {
        Some(rest) => (true, rest.trim_start()),
        None => (false, after),
    };
    if let Some(rest) = after.strip_prefix('[') {
        let rest = rest.trim_start();
        let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let rest = rest.get(1..)?;
        let (name, rest) = rest.split_once(quote)?;
        return (rest.trim_start().starts_with(']') && !name.contains('\\')).then_some(name);
    }
    let name = match after.strip_prefix('.') {
        Some(rest) if !optional => rest.trim_start(),
        None if optional => after,
        _ => return None,
    };
    let end = name.find(|c| !is_word(c)).unwrap_or(name.len());
    name.get(..end).filter(|name| !name.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Reads {
        Reads::Named(names.iter().map(|&name| name.to_owned()).collect())
    }

    #[test]
    fn plain_uses_name_their_field() {
        for (source, fields) in [
            ("return item.name", &["name"][..]),
            ("return item?.name + item\n  .first", &["first", "name"]),
            (
                "return item['a b'] + item [ \"c\" ] + item?.['d']",
                &["a b", "c", "d"],
            ),
            ("return `${item.name}`", &["name"]),
            (
                "item.total = item.net * 2; return item.total",
                &["net", "total"],
            ),
            ("return row.item + items + my_item + item1", &[]),
            ("return db.queryRow('SELECT 1')", &[]),
        ] {
            assert_eq!(reads_of(source), named(fields), "{source}");
        }
    }

    #[test]
    fn any_other_use_reads_everything() {
        for source in [
            "return JSON.stringify(item)",
            "const {name} = item; return name",
            "return item[key]",
            "return {...item}.name",
            "return item.",
            "return item['a' + x]",
            "return item['a\\x62']",
            "return arguments[0].name",
            "with (item) { return name }",
            "return \\u0069tem.name",
            "return item /* of the list */ .name",
            "// the item\nreturn 1",
            "return it\\u0065m",
            "const x=item;return x.name",
            "return item\u{200c}",
        ] {
            if source.ends_with('\u{200c}') {
                // Another identifier.
                assert_eq!(reads_of(source), named(&[]), "{source}");
            } else {
                assert_eq!(reads_of(source), Reads::All, "{source}");
            }
        }
    }
}
