//! What the list and the form look like.

use domain::identifier::SqlIdent;
use serde::Serialize;

use super::field::{Choice, FieldName, Lookup};
use super::getters;
use crate::text::Text;

/// Which way a list is sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum SortOrder {
    /// Smallest first.
    Asc,
    /// Largest first.
    Desc,
}

impl SortOrder {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Asc => "asc",
            Self::Desc => "desc",
        }
    }
}

/// What a list is sorted by until the reader chooses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sort {
    pub(crate) column: SqlIdent,
    pub(crate) order: SortOrder,
}

getters!(Sort {
    /// The column.
    column: &SqlIdent = |this| &this.column;
    /// Which way.
    order: SortOrder = |this| this.order;
});

/// One column of the list, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListColumn {
    /// `fields()[n]`.
    Field(usize),
    /// `computed_fields()[n]`.
    Computed(usize),
}

/// A part of the form with its own heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FormSection {
    pub(crate) title: Option<Text>,
    pub(crate) description: Option<Text>,
    pub(crate) entries: Vec<SectionEntry>,
}

getters!(FormSection {
    /// Its heading; nothing when the form has one part only.
    title: Option<&Text> = |this| this.title.as_ref();
    /// A sentence under the heading.
    description: Option<&Text> = |this| this.description.as_ref();
    /// What is in it, in order.
    entries: &[SectionEntry] = |this| &this.entries;
});

/// One entry of a form section, by position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionEntry {
    /// `fields()[n]`.
    Field(usize),
    /// `computed_fields()[n]`, shown, never entered.
    Computed(usize),
}

impl SectionEntry {
    /// What it shows, as a column of the list would.
    pub const fn column(self) -> ListColumn {
        match self {
            Self::Field(at) => ListColumn::Field(at),
            Self::Computed(at) => ListColumn::Computed(at),
        }
    }
}

/// How a filter is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FilterKind {
    /// One of several values.
    Select,
    /// A part of the text.
    Text,
    /// Any of several values.
    MultiSelect,
    /// From a day to a day.
    DateRange,
}

impl FilterKind {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Select => "select",
            Self::Text => "text",
            Self::MultiSelect => "multi_select",
            Self::DateRange => "date_range",
        }
    }
}

/// Where a filter's values come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterSource {
    /// It needs none, or they are those of the field.
    Field,
    /// From a fixed list.
    Choices(Vec<Choice>),
    /// From another table.
    Lookup(Lookup),
    /// From the author's SELECT, which gives value and label; runs with the lambda role.
    Query(String),
}

/// A filter above the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    pub(crate) field: FieldName,
    pub(crate) field_index: usize,
    pub(crate) kind: FilterKind,
    pub(crate) label: Text,
    pub(crate) source: FilterSource,
    pub(crate) index: Option<usize>,
}

getters!(Filter {
    /// What it filters by; the request parameter is `filter_<field>`.
    field: &FieldName = |this| &this.field;
    /// `fields()[n]` of that field.
    field_index: usize = |this| this.field_index;
    /// How it is entered.
    kind: FilterKind = |this| this.kind;
    /// What it is called.
    label: &Text = |this| &this.label;
    /// Where its values come from.
    source: &FilterSource = |this| &this.source;
    /// Position in the file (`filters[index]`); nothing when it comes from `filterable: true` of a field.
    index: Option<usize> = |this| this.index;
});

/// What can be done from a line of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowAction {
    /// Open the record.
    View,
    /// Open its form.
    Edit,
    /// Enable or disable it.
    StatusToggle,
    /// Delete it.
    Delete,
}

impl RowAction {
    /// The word in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Edit => "edit",
            Self::StatusToggle => "status_toggle",
            Self::Delete => "delete",
        }
    }
}
