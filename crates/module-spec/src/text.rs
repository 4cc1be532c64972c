//! Texts that may be translation keys.

use std::fmt;

use serde::{Serialize, Serializer};

/// A text of a module: literal, or `@key|Fallback`, which is looked up in the reader's language.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Text {
    key: Option<String>,
    shown: String,
}

impl Text {
    /// Reads a text as it stands in the file.
    pub fn new(written: &str) -> Self {
        let Some(reference) = written.strip_prefix('@') else {
            return Self {
                key: None,
                shown: written.to_owned(),
            };
        };
        let (key, fallback) = reference.split_once('|').unwrap_or((reference, ""));
        let key = key.trim();
        let fallback = fallback.trim();
        let shown = if fallback.is_empty() {
            title_case(key.rsplit('.').next().unwrap_or(key))
        } else {
            fallback.to_owned()
        };
        Self {
            key: Some(key.to_owned()),
            shown,
        }
    }

    /// The translation key, without `@`.
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// What is shown where there is no translation: the literal text, the fallback, or the last segment of the key
    /// in title case.
    pub fn display(&self) -> &str {
        &self.shown
    }

    /// As it may stand in a file: [`Text::new`] reads the same text from it.
    pub(crate) fn written(&self) -> String {
        let Some(key) = &self.key else {
            return self.shown.clone();
        };
        let short = format!("@{key}");
        if Self::new(&short) == *self {
            short
        } else {
            format!("{short}|{}", self.shown)
        }
    }

    /// The translation that `lookup` knows for the key, otherwise what [`Text::display`] says.
    pub fn resolve<'a>(&'a self, lookup: impl FnOnce(&str) -> Option<&'a str>) -> &'a str {
        self.key().and_then(lookup).unwrap_or(&self.shown)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.shown)
    }
}

/// `serial_number` becomes `Serial number`'s more formal sister `Serial Number`.
pub(crate) fn title_case(name: &str) -> String {
    let words = name
        .split(['_', '-', ' '])
        .filter(|word| !word.is_empty())
        .map(|word| {
            let mut letters = word.chars();
            letters.next().map_or_else(String::new, |first| {
                first.to_uppercase().chain(letters).collect()
            })
        });
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_shown_by_fallback_or_last_segment() {
        for (written, shown, key) in [
            ("Serial", "Serial", None),
            (
                "@admin.user.login|Login name",
                "Login name",
                Some("admin.user.login"),
            ),
            (
                "@admin.user.first_name",
                "First Name",
                Some("admin.user.first_name"),
            ),
            ("@|", "", Some("")),
        ] {
            let text = Text::new(written);
            assert_eq!((text.display(), text.key()), (shown, key), "{written}");
        }
    }

    #[test]
    fn a_translation_wins_over_the_fallback() {
        let text = Text::new("@user.login|Login");
        assert_eq!(
            text.resolve(|key| (key == "user.login").then_some("Anmeldename")),
            "Anmeldename"
        );
        assert_eq!(text.resolve(|_| None), "Login");
    }
}
