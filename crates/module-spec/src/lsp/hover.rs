//! What the word under the mouse means.

use super::outline::{CursorKind, Outline, Span, outline};
use super::{Hover, Markdown, Position, Range, character_column, utf16_column};
use crate::lines::lines;
use crate::reference::shape_text;

/// The meaning of the key at `position`, or of the key whose value stands there and of that value, where it is a word of
/// the format; with `docs`, a link to the reference. The file need not parse.
pub fn hover(source: &str, position: Position, docs: Option<&str>) -> Option<Hover> {
    let row = usize::try_from(position.line).ok()?;
    let line = lines(source).nth(row)?;
    let column = character_column(line, position.character);
    let is_here =
        |span: Span| span.line == row && (span.start..span.end.max(span.start)).contains(&column);
    let outline = outline(source, Some((row, column)));
    for mapping in &outline.mappings {
        for token in &mapping.keys {
            let value = token.value.as_ref().map(|(_, span)| *span);
            let Some(span) = [Some(token.at), value]
                .into_iter()
                .flatten()
                .find(|span| is_here(*span))
            else {
                continue;
            };
            let table = mapping.table?;
            let key = table.key(&token.name)?;
            let must = if table.required.contains(&key.name) {
                " (required)"
            } else {
                ""
            };
            let mut text = format!(
                "**{}**{must}: {}\n\n{}",
                key.name,
                shape_text(key.shape),
                key.doc
            );
            let word = token.value.as_ref().filter(|(_, at)| *at == span);
            if let Some((word, about)) =
                word.and_then(|(word, _)| Some((word, key.shape.about(word)?)))
            {
                text = format!("`{word}`: {about}\n\n{text}");
            }
            if let Some(instead) = table.not_supported_yet(key.name) {
                text.push_str(&format!("\n\nNot supported yet: {instead}."));
            }
            if let Some(docs) = docs {
                let anchor = table.anchor(key.name);
                text.push_str(&format!("\n\n[Reference]({docs}/reference.md#{anchor})"));
            }
            return Some(shown(line, position.line, (span.start, span.end), text));
        }
    }
    in_list(&outline, line, position.line, column)
}

/// A word of the format in a list, such as `permissions: [view]`.
fn in_list(outline: &Outline, line: &str, row: u32, column: usize) -> Option<Hover> {
    let CursorKind::Value { shape, .. } = outline.cursor?.kind else {
        return None;
    };
    let letters: Vec<char> = line.chars().collect();
    let is_word = |letter: &&char| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.');
    let (before, behind) = letters.split_at_checked(column)?;
    let start = column.saturating_sub(before.iter().rev().take_while(is_word).count());
    let end = column.saturating_add(behind.iter().take_while(is_word).count());
    let word: String = letters.get(start..end)?.iter().collect();
    let about = shape.about(&word)?;
    Some(shown(line, row, (start, end), format!("`{word}`: {about}")))
}

fn shown(line: &str, row: u32, (start, end): (usize, usize), text: String) -> Hover {
    let at = |column: usize| Position {
        line: row,
        character: utf16_column(line, u32::try_from(column).unwrap_or(u32::MAX)),
    };
    Hover {
        contents: Markdown::new(text),
        range: Range {
            start: at(start),
            end: at(end),
        },
    }
}
