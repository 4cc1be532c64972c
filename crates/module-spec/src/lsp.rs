//! What an editor asks for, in the shapes of the Language Server Protocol (3.17): findings, completion and hover.
//!
//! Pure functions over the text as it is at the moment; [`complete`] and [`hover`] also answer in a file that does not
//! parse. Positions count lines from 0 and columns from 0 in UTF-16 units, as the protocol does. The types serialise to
//! the protocol's objects, so that a server only has to put them into its answers:
//!
//! | request | result |
//! | --- | --- |
//! | `textDocument/publishDiagnostics` | `diagnostics`: [`diagnostics`]`(source, &parse(source).1, docs)` |
//! | `textDocument/completion` | [`complete`]`(source, position)` |
//! | `textDocument/hover` | [`hover`]`(source, position, docs)`, `null` for nothing |
//!
//! `docs` is the address of the folder `docs/modules` as the reader can reach it, without a slash at its end, such as
//! `https://example.org/docs/modules`. With it, codes and keys link to their lines in `diagnostics.md` and `reference.md`.

mod complete;
mod hover;
mod outline;

use domain::diagnostic::{Diagnostic, Severity};
use serde::{Deserialize, Serialize};

use crate::lines::NamedLines;

pub use complete::complete;
pub use hover::hover;

/// A place between two characters; line and column from 0, the column in UTF-16 units.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize,
)]
pub struct Position {
    /// Line.
    pub line: u32,
    /// Column.
    pub character: u32,
}

/// From a place up to, not including, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct Range {
    /// The first place.
    pub start: Position,
    /// The place behind the last character.
    pub end: Position,
}

/// A finding as the protocol's `Diagnostic`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EditorDiagnostic {
    /// What is marked.
    pub range: Range,
    /// 1 is an error, 2 a warning.
    pub severity: u8,
    /// The stable code.
    pub code: String,
    /// Where the code is explained.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code_description: Option<CodeDescription>,
    /// Who says so: `gotrs`.
    pub source: &'static str,
    /// What is wrong; the help is on a line of its own below it.
    pub message: String,
    /// What a quick fix may use.
    pub data: DiagnosticData,
}

/// The protocol's `CodeDescription`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CodeDescription {
    /// Address of the explanation.
    pub href: String,
}

/// What comes with a finding for quick fixes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DiagnosticData {
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
    /// Where in the document, such as `fields[2].type`.
    pub path: String,
}

/// One proposal, as the protocol's `CompletionItem`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Completion {
    /// What the list shows.
    pub label: String,
    /// What kind of thing it is; a number in JSON.
    pub kind: CompletionKind,
    /// What may be written behind the key, or what the value is.
    pub detail: String,
    /// What it means, in Markdown.
    pub documentation: Markdown,
    /// What it puts where.
    pub text_edit: TextEdit,
    /// Keeps the order of the format.
    pub sort_text: String,
}

/// What a proposal is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CompletionKind {
    /// A key of the format.
    Key,
    /// A word of a fixed list.
    Word,
    /// The name of a field of this module.
    Field,
}

impl Serialize for CompletionKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // `CompletionItemKind`: Property, EnumMember, Field.
        serializer.serialize_u8(match self {
            Self::Key => 10,
            Self::Word => 20,
            Self::Field => 5,
        })
    }
}

/// The protocol's `MarkupContent`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Markdown {
    kind: &'static str,
    /// The text.
    pub value: String,
}

impl Markdown {
    fn new(value: String) -> Self {
        Self {
            kind: "markdown",
            value,
        }
    }
}

/// The protocol's `TextEdit`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TextEdit {
    /// What is replaced.
    pub range: Range,
    /// By what.
    pub new_text: String,
}

/// What is under the mouse, as the protocol's `Hover`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hover {
    /// The explanation.
    pub contents: Markdown,
    /// The key or value that it is about.
    pub range: Range,
}

/// Findings as an editor shows them; with `docs`, each code links to its explanation.
pub fn diagnostics(
    source: &str,
    findings: &[Diagnostic],
    docs: Option<&str>,
) -> Vec<EditorDiagnostic> {
    let lines = NamedLines::of(source, findings);
    findings
        .iter()
        .map(|finding| {
            let message = match &finding.help {
                Some(help) => format!("{}\n{help}", finding.message),
                None => finding.message.clone(),
            };
            EditorDiagnostic {
                range: range_of(&lines, finding),
                severity: match finding.severity {
                    Severity::Error => 1,
                    Severity::Warning => 2,
                },
                code: finding.code.clone(),
                code_description: docs.map(|docs| CodeDescription {
                    href: format!("{docs}/diagnostics.md#{}", finding.code),
                }),
                source: "gotrs",
                message,
                data: DiagnosticData {
                    help: finding.help.clone(),
                    path: finding.path.clone(),
                },
            }
        })
        .collect()
}

fn range_of(lines: &NamedLines<'_>, finding: &Diagnostic) -> Range {
    let line = finding.line.saturating_sub(1);
    let text = lines.get(finding.line).unwrap_or("");
    let start = finding.column.saturating_sub(1);
    let at = |column: u32| Position {
        line,
        character: utf16_column(text, column),
    };
    Range {
        start: at(start),
        end: at(start.saturating_add(finding.length)),
    }
}

/// From a column in characters to one in UTF-16 units, at most the length of the line.
fn utf16_column(line: &str, characters: u32) -> u32 {
    let characters = usize::try_from(characters).unwrap_or(usize::MAX);
    let units = line.chars().take(characters).map(char::len_utf16);
    u32::try_from(units.sum::<usize>()).unwrap_or(u32::MAX)
}

/// From a column in UTF-16 units to one in characters.
fn character_column(line: &str, units: u32) -> usize {
    let units = usize::try_from(units).unwrap_or(usize::MAX);
    let mut behind = 0_usize;
    line.chars()
        .take_while(|letter| {
            behind = behind.saturating_add(letter.len_utf16());
            behind <= units
        })
        .count()
}

#[cfg(test)]
mod tests;
