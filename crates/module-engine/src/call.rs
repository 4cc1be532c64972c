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
    /// Runs a lambda that stands in no field: of a test, or one that an author tries out.
    Lambda {
        /// The lambda.
        lambda: &'a Lambda,
        /// Its `item`.
        item: &'a Item,
    },
}

/// What an invocation gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Of [`Call::ComputedFields`]: for each row, for each field.
    Cells(Vec<Vec<Cell>>),
    /// Of [`Call::Hook`].
    Hook(HookOutcome),
    /// Of [`Call::Lambda`].
    Value(CellValue),
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
