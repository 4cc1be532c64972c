//! `/docs/errors`: what every error code means, from `docs/api-errors.md`; problems link to it.

use std::sync::LazyLock;

use axum::extract::State;
use axum::response::Response;
use serde::Serialize;
use service_kit::pages::{Page, RequestContext};

use crate::app::AppState;

/// Kept complete by a test that reads the source.
const TEXT: &str = include_str!("../../../../docs/api-errors.md");

static SECTIONS: LazyLock<Vec<Section>> = LazyLock::new(|| sections(TEXT));

#[derive(Debug, Serialize)]
pub(super) struct ErrorsPage {
    sections: &'static [Section],
}

impl Page for ErrorsPage {
    const TEMPLATE: &'static str = "pages/errors.html";
}

#[derive(Debug, Default, PartialEq, Eq, Serialize)]
struct Section {
    title: String,
    paragraphs: Vec<Vec<Span>>,
    rows: Vec<Row>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Row {
    status: String,
    code: String,
    meaning: Vec<Span>,
}

/// Text, or code between backticks.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Span {
    text: String,
    is_code: bool,
}

/// `GET /docs/errors`
pub(super) async fn show(State(state): State<AppState>, request: RequestContext) -> Response {
    state.pages.render(&ErrorsPage::new(), &request)
}

impl ErrorsPage {
    pub(super) fn new() -> Self {
        Self {
            sections: &SECTIONS,
        }
    }
}

/// The part of Markdown that the file uses: headings, tables of three columns, paragraphs, code.
fn sections(text: &str) -> Vec<Section> {
    let mut sections = vec![Section::default()];
    for line in text.lines().map(str::trim) {
        if let Some(title) = line.strip_prefix("## ") {
            sections.push(Section {
                title: title.to_owned(),
                ..Section::default()
            });
        }
        let Some(section) = sections.last_mut() else {
            continue;
        };
        if let Some(row) = line.strip_prefix('|').and_then(row) {
            section.rows.push(row);
        } else if !line.is_empty() && !line.starts_with(['|', '#']) {
            section.paragraphs.push(spans(line));
        }
    }
    sections
}

fn row(line: &str) -> Option<Row> {
    let mut cells = line.splitn(3, '|').map(str::trim);
    let status = cells.next()?;
    let code = cells.next()?.strip_prefix('`')?.strip_suffix('`')?;
    let meaning = cells.next()?.trim_end_matches('|').trim();
    Some(Row {
        status: status.to_owned(),
        code: code.to_owned(),
        meaning: spans(meaning),
    })
}

fn spans(text: &str) -> Vec<Span> {
    text.split('`')
        .enumerate()
        .map(|(index, text)| Span {
            text: text.to_owned(),
            is_code: index % 2 == 1,
        })
        .filter(|span| !span.text.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_is_understood() {
        let rows: Vec<&Row> = SECTIONS.iter().flat_map(|section| &section.rows).collect();
        let csrf = rows.iter().find(|row| row.code == "csrf").unwrap();
        assert_eq!(csrf.status, "403");
        assert!(csrf.meaning.iter().any(|span| span.is_code));
        let listed = TEXT
            .lines()
            .filter(|line| line.starts_with("| ") && line.contains('`'));
        assert_eq!(
            rows.len(),
            listed.count(),
            "every row of the file is on the page"
        );
    }
}
