//! What a module does by itself or at a button, how it hangs together with others, and its views.

use domain::name::ModuleName;
use serde::Serialize;
use serde_json::Value;

use super::field::FieldName;
use super::getters;
use super::screen::{ListColumn, Sort};
use crate::cron::Cron;
use crate::lambda::Lambda;
use crate::text::Text;

/// The module on whose pages the records of this one are listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parent {
    pub(crate) module: ModuleName,
    pub(crate) field: FieldName,
}

getters!(Parent {
    /// The other module.
    module: &ModuleName = |this| &this.module;
    /// The field of this module that holds the number of the other's record.
    field: &FieldName = |this| &this.field;
});

/// Records of another module that a field points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    pub(crate) module: ModuleName,
    pub(crate) many: bool,
    pub(crate) on_delete: OnDelete,
}

getters!(Relation {
    /// The other module.
    module: &ModuleName = |this| &this.module;
    /// Whether it points to any number of records, by a link table.
    many: bool = |this| this.many;
    /// What happens here when the other record is deleted.
    on_delete: OnDelete = |this| this.on_delete;
});

/// A word of the format and its enum.
macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $(#[doc = $about:literal] $variant:ident = $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
        pub enum $name { $(#[doc = $about] #[serde(rename = $word)] $variant,)+ }

        impl $name {
            /// Each word of the format with its value.
            pub const WORDS: &'static [(&'static str, Self)] = &[$(($word, Self::$variant),)+];

            /// Each word with what it means to people.
            pub(crate) const SPELLINGS: &'static [crate::keys::Word] = &[$(($word, $about),)+];

            /// The word in the file.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }
    };
}

words!(
    /// What happens to a record when the one that it points to is deleted.
    OnDelete {
        /// The deletion is refused.
        Restrict = "restrict",
        /// The field becomes empty; of several links, this one goes.
        SetNull = "set_null",
        /// The record is deleted too.
        Cascade = "cascade",
    }
);

words!(
    /// Something that happens in the helpdesk.
    EventKind {
        /// A ticket was opened.
        TicketCreated = "ticket.created",
        /// Anything of a ticket changed.
        TicketUpdated = "ticket.updated",
        /// A ticket has another state.
        TicketStateChanged = "ticket.state_changed",
        /// A ticket is in another queue.
        TicketQueueChanged = "ticket.queue_changed",
        /// A ticket has another owner.
        TicketOwnerChanged = "ticket.owner_changed",
        /// A ticket has another priority.
        TicketPriorityChanged = "ticket.priority_changed",
        /// A ticket has a new article.
        ArticleAdded = "article.added",
        /// A record of this module was added.
        RecordCreated = "record.created",
        /// A record of this module was added or changed.
        RecordSaved = "record.saved",
        /// A record of this module was deleted.
        RecordDeleted = "record.deleted",
    }
);

words!(
    /// What an action works on.
    ActionScope {
        /// One record.
        Row = "row",
        /// The records that are ticked.
        Selection = "selection",
        /// The module as a whole.
        Page = "page",
    }
);

words!(
    /// How a view shows records.
    ViewKind {
        /// Lines and columns.
        Table = "table",
        /// Cards in columns, by the first column of the view.
        Board = "board",
        /// Days, by the first column of the view.
        Calendar = "calendar",
        /// Numbers of records, by the first column of the view.
        Chart = "chart",
    }
);

/// Code that runs after something has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventHandler {
    pub(crate) on: Vec<EventKind>,
    pub(crate) when: Option<Lambda>,
    pub(crate) lambda: Lambda,
    pub(crate) index: usize,
}

getters!(EventHandler {
    /// What it waits for.
    on: &[EventKind] = |this| &this.on;
    /// The condition under which it runs.
    when: Option<&Lambda> = |this| this.when.as_ref();
    /// What runs.
    lambda: &Lambda = |this| &this.lambda;
    /// Position in the file: `events[index]` is its path.
    index: usize = |this| this.index;
});

/// Code that runs at certain times.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    pub(crate) cron: Cron,
    pub(crate) time_zone: &'static str,
    pub(crate) lambda: Lambda,
    pub(crate) index: usize,
}

getters!(Schedule {
    /// When.
    cron: &Cron = |this| &this.cron;
    /// In which time zone of the IANA database; `UTC` unless told.
    time_zone: &str = |this| this.time_zone;
    /// What runs.
    lambda: &Lambda = |this| &this.lambda;
    /// Position in the file: `schedules[index]` is its path.
    index: usize = |this| this.index;
});

/// A button that runs code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    pub(crate) name: FieldName,
    pub(crate) label: Text,
    pub(crate) icon: Option<String>,
    pub(crate) confirm: Option<Text>,
    pub(crate) scope: ActionScope,
    pub(crate) access: Vec<String>,
    pub(crate) lambda: Lambda,
    pub(crate) index: usize,
}

getters!(Action {
    /// Its name in URLs.
    name: &FieldName = |this| &this.name;
    /// What is on the button.
    label: &Text = |this| &this.label;
    /// Name of its icon.
    icon: Option<&str> = |this| this.icon.as_deref();
    /// What is asked before it runs.
    confirm: Option<&Text> = |this| this.confirm.as_ref();
    /// What it works on.
    scope: ActionScope = |this| this.scope;
    /// Groups or roles that may; empty means whoever may change records.
    access: &[String] = |this| &this.access;
    /// What runs.
    lambda: &Lambda = |this| &this.lambda;
    /// Position in the file: `actions[index]` is its path.
    index: usize = |this| this.index;
});

/// Another way to look at the records.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    pub(crate) name: FieldName,
    pub(crate) kind: ViewKind,
    pub(crate) columns: Vec<ListColumn>,
    pub(crate) filters: Vec<ViewFilter>,
    pub(crate) sort: Option<Sort>,
    pub(crate) index: usize,
}

getters!(View {
    /// Its name in URLs; the title is made from it.
    name: &FieldName = |this| &this.name;
    /// How it shows records.
    kind: ViewKind = |this| this.kind;
    /// What it shows; the columns of the list when empty.
    columns: &[ListColumn] = |this| &this.columns;
    /// Which records it shows.
    filters: &[ViewFilter] = |this| &this.filters;
    /// What it is sorted by.
    sort: Option<&Sort> = |this| this.sort.as_ref();
    /// Position in the file: `views[index]` is its path.
    index: usize = |this| this.index;
});

/// Values that a field must have for a record to be in a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ViewFilter {
    pub(crate) field_index: usize,
    pub(crate) values: Vec<Value>,
}

getters!(ViewFilter {
    /// `fields()[n]`.
    field_index: usize = |this| this.field_index;
    /// Any of these.
    values: &[Value] = |this| &this.values;
});
