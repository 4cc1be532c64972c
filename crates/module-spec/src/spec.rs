//! [`ModuleSpec`] and its parts. Values of these types come out of [`crate::parse`] only.

mod automation;
mod field;
mod logic;
mod module;
mod screen;

pub use automation::{
    Action, ActionScope, EventHandler, EventKind, OnDelete, Parent, Relation, Schedule, View,
    ViewFilter, ViewKind,
};
pub use field::{
    Choice, Field, FieldAccess, FieldName, FieldType, Lookup, ManagedColumn, SqlType, ValueKind,
};
pub use logic::{
    ComputedField, Expectation, ExpectedCall, Fixture, Hook, Hooks, TestCase, TestTarget,
};
pub use module::{Access, Features, Menu, ModuleSpec, Operation, Permissions, Portal, Storage};
pub use screen::{
    Filter, FilterKind, FilterSource, FormSection, ListColumn, RowAction, SectionEntry, Sort,
    SortOrder,
};

/// Getters for private fields: `$name: $type = $expression over self`.
macro_rules! getters {
    ($owner:ty { $($(#[$doc:meta])* $name:ident: $result:ty = |$this:ident| $value:expr;)+ }) => {
        impl $owner {
            $($(#[$doc])* pub fn $name(&self) -> $result { let $this = self; $value })+
        }
    };
}
pub(crate) use field::plain_text;
pub(crate) use getters;
pub(crate) use module::{Place, Places};
