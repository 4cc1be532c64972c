//! What could be written at the cursor.

use super::outline::{Cursor, CursorKind, Outline, outline, word_start};
use super::{
    Completion, CompletionKind, Markdown, Position, Range, TextEdit, character_column, utf16_column,
};
use crate::keys::{ACTION, COMPUTED_FIELD, FIELD, Key, Shape, Table};
use crate::lines::lines;
use crate::reference::shape_text;

/// What could be written at `position`: keys that are not there yet, words of fixed lists, names of fields (also behind
/// `item.` in a lambda). The file need not parse.
pub fn complete(source: &str, position: Position) -> Vec<Completion> {
    let row = usize::try_from(position.line).unwrap_or(usize::MAX);
    let Some(line) = lines(source).nth(row) else {
        return Vec::new();
    };
    let column = character_column(line, position.character);
    let outline = outline(source, Some((row, column)));
    let Some(cursor) = outline.cursor else {
        return Vec::new();
    };
    let mut list = List {
        range: range(line, position, cursor, column),
        proposals: Vec::new(),
    };
    match cursor.kind {
        CursorKind::Key { table, mapping } => {
            let written = mapping.and_then(|mapping| outline.mappings.get(mapping));
            let here = |start| start == cursor.start;
            let is_written = |key: &Key| {
                written.is_some_and(|mapping| {
                    mapping.keys.iter().any(|token| {
                        token.name == key.name && !(token.at.line == row && here(token.at.start))
                    })
                })
            };
            // With the colon already there, only the word is exchanged.
            let colon = line
                .chars()
                .skip(column)
                .find(|c| !(c.is_alphanumeric() || *c == '_'))
                == Some(':');
            for key in table.map(|table| table.keys).unwrap_or_default() {
                if !is_written(key) {
                    list.key(key, table, colon);
                }
            }
        }
        CursorKind::Value { shape, item } => list.values(shape, item, &outline),
        CursorKind::Code => {
            let letters: Vec<char> = line.chars().collect();
            let start = word_start(&letters, column);
            let before: String = letters.iter().take(start).collect();
            if before.ends_with("item.") {
                list.range = range(line, position, Cursor { start, ..cursor }, column);
                list.fields(&outline, &[&FIELD, &COMPUTED_FIELD]);
            }
        }
    }
    list.proposals
}

fn range(line: &str, position: Position, cursor: Cursor, column: usize) -> Range {
    let start = u32::try_from(cursor.start.min(column)).unwrap_or(u32::MAX);
    Range {
        start: Position {
            line: position.line,
            character: utf16_column(line, start),
        },
        end: Position {
            line: position.line,
            character: utf16_column(line, u32::try_from(column).unwrap_or(u32::MAX)),
        },
    }
}

struct List {
    range: Range,
    proposals: Vec<Completion>,
}

impl List {
    fn add(&mut self, kind: CompletionKind, label: &str, text: String, about: (String, String)) {
        let sort_text = format!("{:04}", self.proposals.len());
        self.proposals.push(Completion {
            label: label.to_owned(),
            kind,
            detail: about.0,
            documentation: Markdown::new(about.1),
            text_edit: TextEdit {
                range: self.range,
                new_text: text,
            },
            sort_text,
        });
    }

    fn key(&mut self, key: &Key, table: Option<&Table>, colon: bool) {
        let opens = matches!(key.shape, Shape::Mapping(_) | Shape::List(_));
        let text = match (colon, opens) {
            (true, _) => key.name.to_owned(),
            (false, true) => format!("{}:", key.name),
            (false, false) => format!("{}: ", key.name),
        };
        let must = if table.is_some_and(|table| table.required.contains(&key.name)) {
            "required, "
        } else {
            ""
        };
        let detail = format!("{must}{}", shape_text(key.shape).replace('`', ""));
        self.add(
            CompletionKind::Key,
            key.name,
            text,
            (detail, key.doc.to_owned()),
        );
    }

    fn values(&mut self, shape: Shape, item: bool, outline: &Outline) {
        match (shape, item) {
            (Shape::OneOf(_) | Shape::Event, false)
            | (Shape::SomeOf(_) | Shape::Calls, true)
            | (Shape::Events, _) => {
                for (word, about) in shape.words() {
                    self.word(word, about.trim());
                }
            }
            (Shape::Boolean, false) => {
                self.word("true", "");
                self.word("false", "");
            }
            (Shape::FieldName, false) | (Shape::FieldNames, true) => {
                self.fields(outline, &[&FIELD, &COMPUTED_FIELD]);
            }
            (Shape::ActionName, false) => self.fields(outline, &[&ACTION]),
            _ => {}
        }
    }

    fn word(&mut self, word: &str, about: &str) {
        let about = (String::new(), about.to_owned());
        self.add(CompletionKind::Word, word, word.to_owned(), about);
    }

    /// The names of fields, or of what else is called by a name, that the file has at the moment.
    fn fields(&mut self, outline: &Outline, of: &[&'static Table]) {
        for mapping in &outline.mappings {
            let is_field = mapping
                .table
                .is_some_and(|table| of.iter().any(|one| std::ptr::eq(*one, table)));
            let value = |name: &str| {
                let token = mapping.keys.iter().find(|token| token.name == name)?;
                token.value.as_ref().map(|(text, _)| text.as_str())
            };
            if let (true, Some(name)) = (is_field, value("name")) {
                let is_action = mapping
                    .table
                    .is_some_and(|table| std::ptr::eq(table, &raw const ACTION));
                let otherwise = if is_action { "action" } else { "computed" };
                let detail = value("type").unwrap_or(otherwise).to_owned();
                let label = value("label").unwrap_or("").to_owned();
                self.add(
                    CompletionKind::Field,
                    name,
                    name.to_owned(),
                    (detail, label),
                );
            }
        }
    }
}
