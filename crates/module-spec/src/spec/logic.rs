//! What a module computes: computed fields, hooks and their tests.

use serde::Serialize;
use serde_json::{Map, Value};

use super::automation::EventKind;
use super::field::FieldName;
use super::getters;
use crate::lambda::Lambda;
use crate::text::Text;

/// A column of the list (and a line of the detail page) that a lambda computes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ComputedField {
    pub(crate) name: FieldName,
    pub(crate) label: Text,
    pub(crate) show_in_list: bool,
    pub(crate) show_in_form: bool,
    pub(crate) lambda: Lambda,
    pub(crate) index: usize,
}

getters!(ComputedField {
    /// Key in JSON and in `item` for the computed fields below it.
    name: &FieldName = |this| &this.name;
    /// What it is called.
    label: &Text = |this| &this.label;
    /// Whether it is a column of the list.
    show_in_list: bool = |this| this.show_in_list;
    /// Whether it is shown with the record.
    show_in_form: bool = |this| this.show_in_form;
    /// What computes it.
    lambda: &Lambda = |this| &this.lambda;
    /// Position in the file: `computed_fields[index]` is its path.
    index: usize = |this| this.index;
});

/// A moment at which a module's code runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Hook {
    /// Before the server checks the values.
    BeforeValidate,
    /// After the check, before the row is written.
    BeforeSave,
    /// After the row is written.
    AfterSave,
    /// Before a record is deleted or disabled.
    BeforeDelete,
    /// After it.
    AfterDelete,
}

impl Hook {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::BeforeValidate,
        Self::BeforeSave,
        Self::AfterSave,
        Self::BeforeDelete,
        Self::AfterDelete,
    ];

    /// The key in the file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BeforeValidate => "before_validate",
            Self::BeforeSave => "before_save",
            Self::AfterSave => "after_save",
            Self::BeforeDelete => "before_delete",
            Self::AfterDelete => "after_delete",
        }
    }
}

/// The hooks of a module.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Hooks(pub(crate) Vec<(Hook, Lambda)>);

impl Hooks {
    /// What runs at `hook`.
    pub fn get(&self, hook: Hook) -> Option<&Lambda> {
        self.0
            .iter()
            .find(|(at, _)| *at == hook)
            .map(|(_, lambda)| lambda)
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = (Hook, &Lambda)> {
        self.0.iter().map(|(hook, lambda)| (*hook, lambda))
    }
}

/// A test that the author wrote into the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestCase {
    pub(crate) name: String,
    pub(crate) target: TestTarget,
    pub(crate) item: Map<String, Value>,
    pub(crate) items: Vec<Map<String, Value>>,
    pub(crate) input: Map<String, Value>,
    pub(crate) user: Map<String, Value>,
    pub(crate) fixtures: Vec<Fixture>,
    pub(crate) records: Vec<(String, Vec<Map<String, Value>>)>,
    pub(crate) tickets: Vec<Map<String, Value>>,
    pub(crate) outcome: Option<Expectation>,
    pub(crate) failures: Option<Vec<(String, String)>>,
    pub(crate) effects: Option<Vec<ExpectedCall>>,
    pub(crate) index: usize,
}

getters!(TestCase {
    /// What it is about.
    name: &str = |this| &this.name;
    /// What is run.
    target: &TestTarget = |this| &this.target;
    /// The record.
    item: &Map<String, Value> = |this| &this.item;
    /// The records of an action on several; empty where `item` is the only one.
    items: &[Map<String, Value>] = |this| &this.items;
    /// What a person filled in for an action.
    input: &Map<String, Value> = |this| &this.input;
    /// Who does it.
    user: &Map<String, Value> = |this| &this.user;
    /// What the database answers.
    fixtures: &[Fixture] = |this| &this.fixtures;
    /// What is there for `records(module)`, by the name of the module.
    records: &[(String, Vec<Map<String, Value>>)] = |this| &this.records;
    /// What is there for `tickets`.
    tickets: &[Map<String, Value>] = |this| &this.tickets;
    /// What must come out. Without it and `failures`, only that nothing goes wrong.
    outcome: Option<&Expectation> = |this| this.outcome.as_ref();
    /// What a hook must find wrong: for each field a text that the message contains, and nothing at other fields.
    failures: Option<&[(String, String)]> = |this| this.failures.as_deref();
    /// What must be done, in this order and nothing else; calls that only read do not count.
    effects: Option<&[ExpectedCall]> = |this| this.effects.as_deref();
    /// Position in the file: `tests[index]` is its path.
    index: usize = |this| this.index;
});

/// What a test runs. What it names is in the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TestTarget {
    /// A computed field.
    Field(FieldName),
    /// A hook.
    Hook(Hook),
    /// Everything in `events` that waits for this and whose `when` holds.
    Event {
        /// What happened.
        kind: EventKind,
        /// What handlers see in `event` beside its name.
        details: Map<String, Value>,
    },
    /// An action.
    Action(FieldName),
    /// `schedules()[n]`.
    Schedule(usize),
    /// The condition under which this field is shown.
    VisibleWhen(FieldName),
    /// The condition under which this field must be filled in.
    RequiredWhen(FieldName),
    /// Code in the test itself.
    Lambda(Box<Lambda>),
}

/// What a test expects to come out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expectation {
    /// The result; of a hook, the values of `item` afterwards that are named here.
    Value(Value),
    /// An error whose message contains this text.
    Error(String),
}

/// A call of `records`, `tickets`, `notify` or `queue` that a test expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpectedCall {
    pub(crate) name: &'static str,
    pub(crate) arguments: Vec<Value>,
}

impl ExpectedCall {
    /// The calls that do something; the others only read.
    pub const NAMES: [&'static str; 6] = [
        "records.create",
        "records.update",
        "tickets.update",
        "tickets.addNote",
        "notify",
        "queue",
    ];
}

getters!(ExpectedCall {
    /// One of [`ExpectedCall::NAMES`].
    name: &'static str = |this| this.name;
    /// The first arguments, the module of `records(module)` before the others; objects need only have what is written here.
    arguments: &[Value] = |this| &this.arguments;
});

/// Rows that a query of a test answers with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixture {
    pub(crate) contains: Option<String>,
    pub(crate) rows: Vec<Map<String, Value>>,
}

getters!(Fixture {
    /// The text that the query must contain for this fixture to be its answer; nothing means any query.
    contains: Option<&str> = |this| this.contains.as_deref();
    /// The rows.
    rows: &[Map<String, Value>] = |this| &this.rows;
});
