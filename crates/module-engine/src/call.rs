//! What can be asked of a compiled module, and what comes back.

use module_spec::{Hook, Lambda};
use serde_json::{Map, Value};

use crate::error::{LimitError, ScriptError};
use crate::value::CellValue;

/// Field name → value: a record as lambdas see it.
pub type Item = Map<String, Value>;

/// One invocation.
#[derive(Debug, Clone, Copy)]
pub enum Call<'a> {
    /// Computes `fields` for each of `rows`, all in one sandbox. Of each row only the columns that the lambdas read are
    /// copied; see [`CompiledModule::columns`](crate::compiled::CompiledModule::columns).
    ComputedFields {
        /// The records of one page.
        rows: &'a [Item],
        /// Names of the computed fields wanted, in the order of the answer.
        fields: &'a [&'a str],
    },
    /// Runs a hook over one record.
    Hook {
        /// Which.
        hook: Hook,
        /// The record; for `before_*` the hook may change it.
        item: &'a Item,
    },
    /// Runs a lambda that stands in no field: of a test, or one that an author tries out. It can only read.
    Lambda {
        /// The lambda.
        lambda: &'a Lambda,
        /// Its `item`.
        item: &'a Item,
    },
    /// Decides conditions over one record (`visible_when`, `required_when`, `when` of an event), all in one sandbox.
    Conditions {
        /// The conditions: expressions, or function bodies that end in `return`. None sees what another did to `item`.
        conditions: &'a [&'a Lambda],
        /// The record.
        item: &'a Item,
    },
    /// Handles an event; it may use `records`, `tickets`, `notify` and `queue`.
    Event {
        /// What handles it.
        lambda: &'a Lambda,
        /// What it happened to (the ticket, the record, the payload of `queue`): `item`.
        item: &'a Item,
        /// What happened: `event`, with at least `name`.
        event: &'a Item,
    },
    /// Does an action; it may use `records`, `tickets`, `notify` and `queue`.
    Action {
        /// What does it.
        lambda: &'a Lambda,
        /// The records that it is for: `items`; the first is `item`. None for an action of the page.
        items: &'a [Item],
        /// What the person filled in: `input`.
        input: &'a Item,
    },
    /// Runs a schedule; it may use `records`, `tickets`, `notify` and `queue`.
    Schedule {
        /// What runs.
        lambda: &'a Lambda,
        /// Its name or its path in the file: `schedule`.
        schedule: &'a str,
    },
}

/// What code is run for; decides whether it may do something outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    ComputedField,
    Hook,
    Lambda,
    Condition,
    Event,
    Action,
    Schedule,
}

impl Purpose {
    /// As it stands in messages.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::ComputedField => "a computed field",
            Self::Hook => "a hook",
            Self::Lambda => "a lambda that is only tried out",
            Self::Condition => "a condition",
            Self::Event => "an event",
            Self::Action => "an action",
            Self::Schedule => "a schedule",
        }
    }

    /// Whether [`Host::effect`](crate::host::Host::effect) may be asked.
    pub(crate) const fn may_act(self) -> bool {
        matches!(self, Self::Event | Self::Action | Self::Schedule)
    }
}

/// What an invocation gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Call::ComputedFields`]: for each row, for each field.
    Cells(Vec<Vec<Cell>>),
    /// Of [`Call::Hook`].
    Hook(HookOutcome),
    /// Of [`Call::Lambda`], [`Call::Event`], [`Call::Action`] and [`Call::Schedule`]. What an action returns is shown to
    /// the person who asked for it.
    Value(CellValue),
    /// Of [`Call::Conditions`], in their order. An error is of that condition only.
    Conditions(Vec<Result<bool, CellError>>),
}

/// One computed field of one row. An error is of this cell only.
pub type Cell = Result<CellValue, CellError>;

/// Why one cell has no value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CellError {
    /// The lambda threw.
    #[error(transparent)]
    Script(ScriptError),
    /// The result is too large or nested too deeply, or the lambda called itself too deeply.
    #[error(transparent)]
    Limit(LimitError),
}

/// What a hook did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookOutcome {
    /// The record, with the changes of the hook.
    pub item: Item,
    /// What it found wrong: `fail(field, text)`. A record with failures is not saved (or deleted).
    pub failures: Vec<Failure>,
}

/// One `fail(field, text)` of a hook.
#[derive(Debug, Clone, PartialEq, Eq, serde::Deserialize)]
pub struct Failure {
    /// Name of the field; empty for the record as a whole.
    pub field: String,
    /// What is wrong, for the person at the form.
    pub text: String,
}
