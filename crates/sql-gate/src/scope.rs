//! Which names mean what, where.
//!
//! A query has a frame: the queries of its WITH, and the relations of its FROM. A query inside of it sees them too; one in
//! FROM does not see its neighbours, unless it is LATERAL.

use domain::spelling::nearest;
use sqlparser::ast::Ident;

use crate::{Readable, Refusal};

/// Something that has columns, under the name by which a query calls it.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    /// Empty when it has none.
    pub(crate) name: String,
    pub(crate) columns: Vec<String>,
    /// See [`Relation::has_hidden`](crate::Relation::has_hidden).
    pub(crate) has_hidden: bool,
}

/// The names of one query.
#[derive(Debug, Default)]
pub(crate) struct Frame {
    /// Queries of WITH so far.
    pub(crate) with: Vec<(String, Vec<String>)>,
    /// Relations of FROM so far.
    pub(crate) sources: Vec<Source>,
    /// Columns of the answer, where they can be named.
    pub(crate) outputs: Vec<String>,
}

/// The frames around a place, innermost last.
#[derive(Debug)]
pub(crate) struct Scope<'r> {
    readable: &'r Readable,
    frames: Vec<Frame>,
}

impl<'r> Scope<'r> {
    pub(crate) fn new(readable: &'r Readable) -> Self {
        Self {
            readable,
            frames: Vec::new(),
        }
    }

    pub(crate) fn enter(&mut self) {
        self.frames.push(Frame::default());
    }

    pub(crate) fn leave(&mut self) {
        self.frames.pop();
    }

    pub(crate) fn frame(&mut self) -> &mut Frame {
        if self.frames.is_empty() {
            self.frames.push(Frame::default());
        }
        let last = self.frames.len().saturating_sub(1);
        #[expect(clippy::indexing_slicing, reason = "there is at least one")]
        &mut self.frames[last]
    }

    /// The relation that a name in FROM stands for: a query of WITH or a table.
    pub(crate) fn source(&self, schema: Option<&Name>, name: &Name) -> Result<Source, Refusal> {
        if name.belongs_to_the_server() {
            return Err(name.refused(format!("{name} belongs to the server and cannot be used")));
        }
        if let Some(schema) = schema
            && schema.text != self.readable.schema()
        {
            return Err(schema.unknown(format!(
                "there is no schema {schema} that a lambda may read"
            )));
        }
        if schema.is_none()
            && let Some((_, columns)) = self
                .frames
                .iter()
                .rev()
                .find_map(|frame| frame.with.iter().find(|(with, _)| *with == name.text))
        {
            return Ok(Source {
                name: name.text.clone(),
                columns: columns.clone(),
                has_hidden: false,
            });
        }
        let Some(relation) = self.readable.relation(&name.text) else {
            let with = self
                .frames
                .iter()
                .flat_map(|frame| frame.with.iter().map(|(with, _)| with.as_str()));
            let meant = nearest(&name.text, with.chain(self.readable.names()));
            return Err(name.unknown(format!(
                "there is no table {name} that a lambda may read{}",
                did_you_mean(meant)
            )));
        };
        Ok(Source {
            name: name.text.clone(),
            columns: relation.columns.clone(),
            has_hidden: relation.has_hidden,
        })
    }

    /// The relation that is called so here.
    fn called(&self, name: &Name) -> Option<&Source> {
        self.frames
            .iter()
            .rev()
            .find_map(|frame| frame.sources.iter().find(|source| source.name == name.text))
    }

    /// Checks a name that stands alone: a column, one of the answer, or a whole row.
    pub(crate) fn check_name(&self, name: &Name) -> Result<(), Refusal> {
        let is_column = self.frames.iter().rev().any(|frame| {
            frame.outputs.contains(&name.text)
                || frame
                    .sources
                    .iter()
                    .any(|source| source.columns.contains(&name.text))
        });
        if is_column {
            return Ok(());
        }
        if let Some(source) = self.called(name) {
            return whole(source, name);
        }
        let columns = self.frames.iter().rev().flat_map(|frame| {
            let of_sources = frame.sources.iter().flat_map(|source| &source.columns);
            of_sources.chain(&frame.outputs).map(String::as_str)
        });
        Err(name.unknown(format!(
            "there is no column {name} that a lambda may read{}",
            did_you_mean(nearest(&name.text, columns))
        )))
    }

    /// Checks `source.column`.
    pub(crate) fn check_column(&self, source: &Name, column: &Name) -> Result<(), Refusal> {
        let found = self.get(source)?;
        if found.columns.contains(&column.text) {
            return Ok(());
        }
        let meant = nearest(&column.text, found.columns.iter().map(String::as_str));
        Err(column.unknown(format!(
            "{source} has no column {column} that a lambda may read{}",
            did_you_mean(meant)
        )))
    }

    /// Checks the schema in `schema.source.column`.
    pub(crate) fn check_schema(&self, schema: &Name) -> Result<(), Refusal> {
        if schema.text == self.readable.schema() {
            return Ok(());
        }
        Err(schema.unknown(format!(
            "there is no schema {schema} that a lambda may read"
        )))
    }

    /// The columns of `source.*`.
    pub(crate) fn all_of(&self, source: &Name) -> Result<Vec<String>, Refusal> {
        let found = self.get(source)?;
        whole(found, source)?;
        Ok(found.columns.clone())
    }

    /// The columns of `*`.
    pub(crate) fn all(&self) -> Result<Vec<String>, Refusal> {
        let mut columns = Vec::new();
        for source in self.frames.last().map_or(&[][..], |frame| &frame.sources) {
            if source.has_hidden {
                return Err(Refusal::new(hidden(source)));
            }
            columns.extend(source.columns.iter().cloned());
        }
        Ok(columns)
    }

    fn get(&self, source: &Name) -> Result<&Source, Refusal> {
        self.called(source).ok_or_else(|| {
            let called = self.frames.iter().rev().flat_map(|frame| {
                frame
                    .sources
                    .iter()
                    .map(|source| source.name.as_str())
                    .filter(|name| !name.is_empty())
            });
            source.unknown(format!(
                "nothing is called {source} here{}",
                did_you_mean(nearest(&source.text, called))
            ))
        })
    }
}

fn whole(source: &Source, name: &Name) -> Result<(), Refusal> {
    if source.has_hidden {
        return Err(name.refused(hidden(source)));
    }
    Ok(())
}

fn hidden(source: &Source) -> String {
    format!(
        "{} has columns that a lambda may not read: name those that are wanted, of {}",
        source.name,
        source.columns.join(", ")
    )
}

fn did_you_mean(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!("; did you mean {name}?"))
}

/// An identifier as the server would read it.
#[derive(Debug, Clone)]
pub(crate) struct Name {
    pub(crate) text: String,
    place: sqlparser::tokenizer::Location,
}

impl Name {
    /// PostgreSQL cuts longer names, and two of them could be one.
    const MAX_LEN: usize = 63;

    pub(crate) fn of(ident: &Ident) -> Result<Self, Refusal> {
        let place = ident.span.start;
        let text = match ident.quote_style {
            // Like the server: letters outside of ASCII stay as they are.
            None => ident.value.to_ascii_lowercase(),
            Some('"') => ident.value.clone(),
            Some(_) => return Err(Refusal::at(place, "a name stands in double quotes here")),
        };
        if text.contains(['"', '\0']) {
            return Err(Refusal::at(
                place,
                "a name with a quote in it is not possible here",
            ));
        }
        if text.is_empty() || text.len() > Self::MAX_LEN {
            return Err(Refusal::at(
                place,
                format!("a name has 1 to {} bytes here", Self::MAX_LEN),
            ));
        }
        Ok(Self { text, place })
    }

    /// As it is printed.
    pub(crate) fn quoted(&self) -> String {
        format!("\"{}\"", self.text)
    }

    /// Whether it is a name of the catalogue's kind, or of the platform's own tables.
    pub(crate) fn belongs_to_the_server(&self) -> bool {
        self.text.starts_with("pg_")
            || self.text.starts_with("gotrs_")
            || self.text == "information_schema"
    }

    pub(crate) fn refused(&self, message: impl Into<String>) -> Refusal {
        Refusal::at(self.place, message)
    }

    fn unknown(&self, message: impl Into<String>) -> Refusal {
        Refusal::unknown(self.place, message)
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}
