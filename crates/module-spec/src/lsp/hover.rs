//! What the word under the mouse means.

use super::outline::{Span, outline};
use super::{Hover, Markdown, Position, Range, character_column, utf16_column};
use crate::lines::lines;
use crate::reference::shape_text;

/// The meaning of the key at `position`, or of the key whose value stands there. The file need not parse.
pub fn hover(source: &str, position: Position) -> Option<Hover> {
    let row = usize::try_from(position.line).ok()?;
    let line = lines(source).nth(row)?;
    let column = character_column(line, position.character);
    let is_here =
        |span: Span| span.line == row && (span.start..span.end.max(span.start)).contains(&column);
    let outline = outline(source, None);
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
            let text = format!(
                "**{}**{must}: {}\n\n{}",
                key.name,
                shape_text(key.shape),
                key.doc
            );
            let at = |column: usize| Position {
                line: position.line,
                character: utf16_column(line, u32::try_from(column).unwrap_or(u32::MAX)),
            };
            return Some(Hover {
                contents: Markdown::new(text),
                range: Range {
                    start: at(span.start),
                    end: at(span.end),
                },
            });
        }
    }
    None
}
