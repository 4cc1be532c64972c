//! Reads the keys of one mapping by its table, reporting what is wrong with each.

use std::fmt::Display;
use std::rc::Rc;
use std::str::FromStr;

use domain::identifier::SqlIdent;
use domain::spelling::nearest;
use regex::RegexBuilder;
use serde_json::Value;

use crate::findings::Findings;
use crate::keys::{Key, Shape, Table};
use crate::lambda::Lambda;
use crate::pattern::Pattern;
use crate::spec::{Choice, Lookup, Place};
use crate::text::Text;
use crate::yaml::{Content, Entry, Node, map_lambda, shorten};

/// Longest lambda in bytes; more is data, not code.
const MAX_LAMBDA: usize = 64 * 1024;
/// Longest regular expression in bytes, and the largest machine that it may become.
const MAX_PATTERN: usize = 1_000;
const MAX_PATTERN_MACHINE: usize = 64 * 1024;
/// Sizes that are tried one after the other, so that it is known about how large each is.
const PATTERN_MACHINES: [usize; 3] = [2 * 1024, 16 * 1024, MAX_PATTERN_MACHINE];
/// What all regular expressions of a file may become together: 600 small ones, or some dozens of the largest.
const MAX_PATTERN_MACHINES: usize = 3 * 1024 * 1024;
/// Most entries of a list of mappings. PostgreSQL allows 1600 columns; a form of that size helps nobody.
pub(crate) const MAX_LIST: usize = 300;
/// Most entries of a list of texts: the names of all fields and computed fields that there can be.
const MAX_TEXTS: usize = 2 * MAX_LIST + 1;
/// Most values to choose from in one list; longer ones belong into a table.
const MAX_CHOICES: usize = 2_000;

/// One mapping that is being read.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    pub(crate) findings: &'a Findings,
    pub(crate) path: String,
    pub(crate) place: Place,
    source: &'a str,
    entries: &'a [Entry],
    table: &'static Table,
}

/// A list entry or value with its path.
#[derive(Debug)]
pub(crate) struct At<'a> {
    pub(crate) node: &'a Rc<Node>,
    pub(crate) path: String,
}

impl<'a> Reader<'a> {
    /// Checks that `node` is a mapping, and its keys against the table.
    pub(crate) fn open(
        source: &'a str,
        findings: &'a Findings,
        node: &'a Node,
        path: String,
        table: &'static Table,
    ) -> Option<Self> {
        let Content::Mapping(entries) = &node.content else {
            let message = format!(
                "{} must be a mapping of keys, not {}",
                table.what,
                node.described()
            );
            let example = table
                .required
                .first()
                .or_else(|| table.keys.first().map(|key| &key.name))
                .copied();
            let help = example.map(|key| format!("write `{key}: ...` and so on, indented"));
            findings.error("wrong-type", node.place, &path, message, help);
            return None;
        };
        let reader = Self {
            findings,
            path,
            place: node.place,
            source,
            entries,
            table,
        };
        reader.check_keys();
        Some(reader)
    }

    fn check_keys(&self) {
        for entry in self.entries {
            let name = entry.key.as_str();
            if name.is_empty() {
                continue;
            }
            let path = self.child_path(name);
            if self.table.key(name).is_some() {
                let asks_for_something = entry.value.boolean() != Some(false);
                if let Some(instead) = self.table.not_supported_yet(name)
                    && asks_for_something
                {
                    let message = format!("\"{name}\" is not supported yet; {instead}");
                    let help =
                        "the module works without it; remove the key if that is not good enough";
                    self.findings.warning(
                        "not-supported-yet",
                        entry.key_place,
                        &path,
                        message,
                        Some(help.to_owned()),
                    );
                }
                continue;
            }
            let message = format!(
                "\"{}\" is not a key of {}; it is ignored",
                shorten(name),
                self.table.what
            );
            let help = nearest(name, self.table.names())
                .map(|key| format!("did you mean \"{key}\"?"))
                .or_else(|| {
                    Some(format!(
                        "known here: {}",
                        self.table.names().collect::<Vec<_>>().join(", ")
                    ))
                });
            self.findings
                .warning("unknown-key", entry.key_place, &path, message, help);
        }
        for name in self.table.required {
            if self.node(name).is_none() {
                let message = format!("\"{name}\" is missing in {}", self.table.what);
                let doc = self.table.key(name).map_or("", |key| key.doc);
                self.findings.error(
                    "missing-key",
                    self.place,
                    &self.path,
                    message,
                    Some(format!("{name}: {doc}")),
                );
            }
        }
    }

    /// The path of a key of this mapping.
    pub(crate) fn child_path(&self, key: &str) -> String {
        let key = shorten(key);
        if self.path.is_empty() {
            key
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// What is written behind a key, unless nothing is.
    pub(crate) fn node(&self, key: &str) -> Option<&'a Rc<Node>> {
        self.entry(key)
            .map(|entry| &entry.value)
            .filter(|node| !node.is_null())
    }

    fn entry(&self, key: &str) -> Option<&'a Entry> {
        self.entries.iter().find(|entry| entry.key == key)
    }

    /// Whether a key is written with a value.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Whether a key is written, even with nothing behind it.
    pub(crate) fn is_written(&self, key: &str) -> bool {
        self.entry(key).is_some()
    }

    /// The nodes of a list as they are, without any check.
    pub(crate) fn raw_list(&self, key: &str) -> Option<&'a [Rc<Node>]> {
        match &self.node(key)?.content {
            Content::List(items) => Some(items),
            _ => None,
        }
    }

    /// Where the value of a key stands; the mapping itself when it is absent.
    pub(crate) fn place_of(&self, key: &str) -> Place {
        self.node(key).map_or(self.place, |node| node.place)
    }

    /// Where the key itself stands.
    pub(crate) fn key_place(&self, key: &str) -> Place {
        self.entry(key).map_or(self.place, |entry| entry.key_place)
    }

    /// Reports an error about the value of `key`.
    pub(crate) fn error(
        &self,
        code: &str,
        key: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.findings.error(
            code,
            self.place_of(key),
            &self.child_path(key),
            message,
            help,
        );
    }

    /// Reports a warning about the value of `key`.
    pub(crate) fn warning(
        &self,
        code: &str,
        key: &str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.findings.warning(
            code,
            self.place_of(key),
            &self.child_path(key),
            message,
            help,
        );
    }

    fn wrong_type(&self, key: &str, node: &Node, expected: &str) {
        let message = format!("\"{key}\" must be {expected}, not {}", node.described());
        let help = self.table.key(key).map(|key: &Key| key.doc.to_owned());
        self.findings.error(
            "wrong-type",
            node.place,
            &self.child_path(key),
            message,
            help,
        );
    }

    /// Any scalar as text.
    pub(crate) fn string(&self, key: &str) -> Option<&'a str> {
        let node = self.node(key)?;
        let text = node.scalar();
        if text.is_none() {
            self.wrong_type(key, node, "a text");
        }
        text
    }

    /// A text that may be a translation key.
    pub(crate) fn text(&self, key: &str) -> Option<Text> {
        self.string(key)
            .map(Text::new)
            .filter(|text| !text.display().is_empty())
    }

    /// A short text without meaning for people, such as an icon's name.
    pub(crate) fn word(&self, key: &str) -> Option<String> {
        self.string(key)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    }

    pub(crate) fn boolean(&self, key: &str) -> Option<bool> {
        let node = self.node(key)?;
        let value = node.boolean();
        if value.is_none() {
            self.wrong_type(key, node, "true or false");
        }
        value
    }

    /// A whole number within the bounds of the table.
    pub(crate) fn integer(&self, key: &str) -> Option<i64> {
        let node = self.node(key)?;
        let Some(value) = node.integer() else {
            self.wrong_type(key, node, "a whole number");
            return None;
        };
        match self.table.key(key).map(|key| key.shape) {
            Some(Shape::Integer { min, max }) if !(min..=max).contains(&value) => {
                let message = format!("\"{key}\" must be between {min} and {max}, not {value}");
                self.error("out-of-range", key, message, None);
                None
            }
            _ => Some(value),
        }
    }

    /// The same as `u32`; the tables' bounds fit.
    pub(crate) fn count(&self, key: &str) -> Option<u32> {
        self.integer(key)
            .and_then(|value| u32::try_from(value).ok())
    }

    pub(crate) fn number(&self, key: &str) -> Option<f64> {
        let node = self.node(key)?;
        let value = node.to_json().as_f64();
        if value.is_none() {
            self.wrong_type(key, node, "a number");
        }
        value
    }

    /// A value that its type validates, such as an identifier.
    pub(crate) fn parsed<T: FromStr<Err: Display>>(&self, key: &str, code: &str) -> Option<T> {
        let text = self.string(key)?;
        match text.parse() {
            Ok(value) => Some(value),
            Err(error) => {
                self.error(
                    code,
                    key,
                    format!("\"{}\" cannot be the {key}: {error}", shorten(text)),
                    None,
                );
                None
            }
        }
    }

    pub(crate) fn identifier(&self, key: &str) -> Option<SqlIdent> {
        self.parsed(key, "bad-identifier")
    }

    /// One of the words of the table, or `aliases` of them; anything else is an error.
    pub(crate) fn one_of<T: Copy>(&self, key: &str, words: &[(&str, T)], code: &str) -> Option<T> {
        let text = self.string(key)?;
        let found = words
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, value)| *value);
        if found.is_none() {
            let names = || words.iter().map(|(word, _)| *word);
            self.error(
                code,
                key,
                unknown_word(key, text),
                Some(suggestion(text, names)),
            );
        }
        found
    }

    /// Anything, as JSON.
    pub(crate) fn json(&self, key: &str) -> Option<Value> {
        self.node(key).map(|node| node.to_json())
    }

    /// The entries of a list, at most `most`.
    pub(crate) fn list(&self, key: &str, most: usize) -> Vec<At<'a>> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Content::List(items) = &node.content else {
            self.wrong_type(key, node, "a list");
            return Vec::new();
        };
        if items.len() > most {
            let message = format!(
                "\"{key}\" has {} entries; at most {most} are allowed",
                items.len()
            );
            self.error("list-too-long", key, message, None);
        }
        let path = self.child_path(key);
        let numbered = items.iter().take(most).enumerate();
        numbered
            .map(|(at, node)| At {
                node,
                path: format!("{path}[{at}]"),
            })
            .collect()
    }

    /// The mappings of a list, each checked against `table`.
    pub(crate) fn mappings(&self, key: &str, table: &'static Table) -> Vec<Self> {
        let opened = self.list(key, MAX_LIST).into_iter();
        opened
            .filter_map(|at| Reader::open(self.source, self.findings, at.node, at.path, table))
            .collect()
    }

    /// The mapping behind a key.
    pub(crate) fn mapping(&self, key: &str, table: &'static Table) -> Option<Self> {
        let node = self.node(key)?;
        Reader::open(
            self.source,
            self.findings,
            node,
            self.child_path(key),
            table,
        )
    }

    /// A list of texts, with the place of each.
    pub(crate) fn texts(&self, key: &str) -> Vec<(&'a str, Place, String)> {
        let mut texts = Vec::new();
        for at in self.list(key, MAX_TEXTS) {
            match at.node.scalar() {
                Some(text) => texts.push((text, at.node.place, at.path)),
                None => {
                    let message = format!(
                        "\"{key}\" is a list of texts; this is {}",
                        at.node.described()
                    );
                    self.findings
                        .error("wrong-type", at.node.place, &at.path, message, None);
                }
            }
        }
        texts
    }

    /// The texts alone.
    pub(crate) fn words(&self, key: &str) -> Vec<String> {
        self.texts(key)
            .into_iter()
            .map(|(text, _, _)| text.to_owned())
            .collect()
    }

    /// Some of several words; nothing when the key is absent.
    pub(crate) fn some_of<T: Copy>(&self, key: &str, words: &[(&str, T)]) -> Option<Vec<T>> {
        self.node(key)?;
        let mut chosen = Vec::new();
        for (text, place, path) in self.texts(key) {
            match words.iter().find(|(word, _)| *word == text) {
                Some((_, value)) => chosen.push(*value),
                None => {
                    let help = suggestion(text, || words.iter().map(|(word, _)| *word));
                    self.findings.error(
                        "unknown-value",
                        place,
                        &path,
                        unknown_word(key, text),
                        Some(help),
                    );
                }
            }
        }
        Some(chosen)
    }

    /// JavaScript with its map to the file.
    pub(crate) fn lambda(&self, key: &str) -> Option<Lambda> {
        let lambda = self.read_lambda(key)?;
        self.findings.note_lambda(&lambda);
        Some(lambda)
    }

    fn read_lambda(&self, key: &str) -> Option<Lambda> {
        let node = self.node(key)?;
        let Content::Scalar { text, .. } = &node.content else {
            self.wrong_type(key, node, "a function body");
            return None;
        };
        if text.trim().is_empty() {
            self.error(
                "empty-lambda",
                key,
                "the function body is empty",
                Some(RETURN_HELP.to_owned()),
            );
            return None;
        }
        if text.len() > MAX_LAMBDA {
            let message = format!(
                "the function body has {} bytes; at most {MAX_LAMBDA} are allowed",
                text.len()
            );
            self.error("lambda-too-long", key, message, None);
            return None;
        }
        Some(Lambda {
            path: self.child_path(key),
            source: text.as_str().into(),
            segments: map_lambda(self.source, node).into(),
        })
    }

    /// A JavaScript expression, as the function body that returns it.
    pub(crate) fn expression(&self, key: &str) -> Option<Lambda> {
        let written = self.string(key)?.trim();
        let is_body = written
            .strip_prefix("return")
            .is_some_and(|rest| rest.starts_with([' ', '\n', '(', ';']));
        if is_body || written.ends_with(';') {
            let message = format!("\"{key}\" is an expression, not a function body");
            let help = "leave out `return` and the semicolon, for example `item.kind === 'laptop'`";
            self.error("bad-expression", key, message, Some(help.to_owned()));
            return None;
        }
        let lambda = self.read_lambda(key)?.into_expression();
        self.findings.note_lambda(&lambda);
        Some(lambda)
    }

    /// A regular expression; with `whole`, the whole value must match as in HTML.
    pub(crate) fn pattern(&self, key: &str, whole: bool) -> Option<Pattern> {
        let written = self.string(key)?;
        if written.len() > MAX_PATTERN {
            let message = format!("the regular expression is longer than {MAX_PATTERN} characters");
            self.error("bad-pattern", key, message, None);
            return None;
        }
        let text = ascii_classes(written);
        let expression = if whole { format!("^(?:{text})$") } else { text };
        let mut built = Err(regex::Error::CompiledTooBig(0));
        for size in PATTERN_MACHINES {
            if !self.findings.spend_on_patterns(size, MAX_PATTERN_MACHINES) {
                let message = "the regular expressions of this file are too large together";
                self.error("bad-pattern", key, message, None);
                return None;
            }
            built = RegexBuilder::new(&expression).size_limit(size).build();
            if !matches!(built, Err(regex::Error::CompiledTooBig(_))) {
                break;
            }
        }
        match built {
            Ok(regex) => Some(Pattern {
                written: written.to_owned(),
                regex,
            }),
            Err(error) => {
                let reason = error.to_string();
                let reason = reason
                    .lines()
                    .next_back()
                    .unwrap_or("")
                    .trim_start_matches("error: ")
                    .to_owned();
                let help = "look-around and back-references are not available".to_owned();
                self.error(
                    "bad-pattern",
                    key,
                    format!("not a regular expression: {reason}"),
                    Some(help),
                );
                None
            }
        }
    }

    /// Values to choose from.
    pub(crate) fn choices(&self, key: &str, table: &'static Table) -> Vec<Choice> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Content::List(items) = &node.content else {
            self.wrong_type(key, node, "a list");
            return Vec::new();
        };
        if items.len() > MAX_CHOICES {
            let message = format!(
                "\"{key}\" has {} entries; at most {MAX_CHOICES} are allowed",
                items.len()
            );
            self.error(
                "list-too-long",
                key,
                message,
                Some("keep them in a table and use lookup_table".to_owned()),
            );
            return Vec::new();
        }
        let path = self.child_path(key);
        let read = |(at, item): (usize, &'a Rc<Node>)| {
            let path = format!("{path}[{at}]");
            if let Content::Mapping(_) = &item.content {
                let reader = Reader::open(self.source, self.findings, item, path, table)?;
                reader.string("value")?;
                let value = reader.json("value")?;
                let label = reader
                    .text("label")
                    .unwrap_or_else(|| Text::new(&crate::spec::plain_text(&value)));
                return Some(Choice {
                    value,
                    label,
                    group: reader.text("group"),
                });
            }
            let Some(text) = item.scalar() else {
                let message = format!(
                    "an option is a value or {{value, label, group}}, not {}",
                    item.described()
                );
                self.findings
                    .error("wrong-type", item.place, &path, message, None);
                return None;
            };
            Some(Choice {
                value: item.to_json(),
                label: Text::new(text),
                group: None,
            })
        };
        items.iter().enumerate().filter_map(read).collect()
    }

    /// `lookup_table` and the keys that belong to it.
    pub(crate) fn lookup(&self) -> Option<Lookup> {
        if !self.has("lookup_table") {
            for key in ["lookup_key", "lookup_display", "lookup_condition"] {
                if self.has(key) {
                    let message = format!("\"{key}\" needs \"lookup_table\"");
                    let help = "name the table to choose from, or remove the key".to_owned();
                    let place = self.key_place(key);
                    self.findings.error(
                        "incomplete-lookup",
                        place,
                        &self.child_path(key),
                        message,
                        Some(help),
                    );
                }
            }
            return None;
        }
        let table = self.identifier("lookup_table");
        let key = self.lookup_column("lookup_key", "id");
        let display = self.lookup_column("lookup_display", "name");
        // A filter has no condition: there it is an unknown key, which has no effect.
        let known = self.table.key("lookup_condition").is_some();
        let condition = known.then(|| self.word("lookup_condition")).flatten();
        Some(Lookup {
            table: table?,
            key: key?,
            display: display?,
            condition,
        })
    }

    fn lookup_column(&self, key: &str, otherwise: &str) -> Option<SqlIdent> {
        if self.has(key) {
            self.identifier(key)
        } else {
            otherwise.parse().ok()
        }
    }
}

/// `\d`, `\w` and `\s` mean what they mean to a browser and to GOTRS: ASCII. It also keeps the machine small.
fn ascii_classes(pattern: &str) -> String {
    let mut expression = String::with_capacity(pattern.len());
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        if letter != '\\' {
            expression.push(letter);
            continue;
        }
        match letters.next() {
            Some('d') => expression.push_str("[0-9]"),
            Some('D') => expression.push_str("[^0-9]"),
            Some('w') => expression.push_str("[0-9A-Za-z_]"),
            Some('W') => expression.push_str("[^0-9A-Za-z_]"),
            Some('s') => expression.push_str(r"[\t\n\x0B\x0C\r ]"),
            Some('S') => expression.push_str(r"[^\t\n\x0B\x0C\r ]"),
            Some(other) => expression.extend(['\\', other]),
            None => expression.push('\\'),
        }
    }
    expression
}

/// For lambdas without a result.
pub(crate) const RETURN_HELP: &str = "write a function body, for example `return item.name;`";

fn unknown_word(key: &str, text: &str) -> String {
    format!("\"{}\" is not a value of \"{key}\"", shorten(text))
}

fn suggestion<'w, I: Iterator<Item = &'w str>>(text: &str, words: impl Fn() -> I) -> String {
    nearest(text, words()).map_or_else(
        || format!("known are {}", words().collect::<Vec<_>>().join(", ")),
        |word| format!("did you mean \"{word}\"?"),
    )
}
