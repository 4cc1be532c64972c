//! From QuickJS's stacks to places in the YAML file.

use domain::limits::LambdaLimits;
use module_spec::Lambda;

use crate::call::CellError;
use crate::error::{InvokeError, Limit, LimitError, Position, ScriptError};
use crate::frame::Thrown;

/// More calls than this are not shown.
const MAX_FRAMES: usize = 16;
/// A message is cut here.
const MAX_MESSAGE_BYTES: usize = 2 * 1024;

impl From<CellError> for InvokeError {
    fn from(error: CellError) -> Self {
        match error {
            CellError::Script(error) => Self::Script(error),
            CellError::Limit(error) => Self::Limit(error),
        }
    }
}

/// What a lambda threw; running out of stack or of addresses is a limit.
pub(super) fn script_error(
    thrown: &Thrown,
    index: usize,
    lambdas: &[&Lambda],
    limits: &LambdaLimits,
) -> CellError {
    let error = explain(thrown, index, lambdas);
    match limit_of(thrown) {
        Some(limit) => CellError::Limit(LimitError {
            limit,
            value: limit.value_in(limits),
            position: error.position,
        }),
        None => CellError::Script(error),
    }
}

/// The limit behind an error that QuickJS itself throws.
fn limit_of(thrown: &Thrown) -> Option<Limit> {
    match (thrown.name.as_deref()?, thrown.message.as_str()) {
        ("RangeError" | "InternalError", "Maximum call stack size exceeded" | "stack overflow") => {
            Some(Limit::Stack)
        }
        // More than the guest's address space: it never came to asking the store.
        ("InternalError", "out of memory") => Some(Limit::Memory),
        _ => None,
    }
}

/// What was thrown, in the author's terms.
pub(super) fn explain(thrown: &Thrown, index: usize, lambdas: &[&Lambda]) -> ScriptError {
    let frames = frames(&thrown.stack, lambdas);
    let mut message = match &thrown.name {
        Some(name) if thrown.message.is_empty() => name.clone(),
        Some(name) => format!("{name}: {}", thrown.message),
        None => format!("threw {}", thrown.message),
    };
    message.truncate(message.floor_char_boundary(MAX_MESSAGE_BYTES));
    let position = frames
        .first()
        .map(|frame| frame.position.clone())
        .or_else(|| lambdas.get(index).map(|lambda| start_of(lambda)));
    let stack = frames
        .into_iter()
        .map(|Frame { function, position }| format!("{function} ({position})"))
        .collect();
    ScriptError {
        message,
        position,
        stack,
    }
}

/// A limit that ended the invocation.
pub(super) fn limit_error(
    limit: Limit,
    limits: &LambdaLimits,
    stack: &str,
    lambdas: &[&Lambda],
) -> LimitError {
    let position = frames(stack, lambdas)
        .into_iter()
        .next()
        .map(|frame| frame.position);
    // With a single lambda it can have been no other.
    let position = position.or_else(|| match lambdas {
        [lambda] => Some(start_of(lambda)),
        _ => None,
    });
    LimitError {
        limit,
        value: limit.value_in(limits),
        position,
    }
}

/// Where a lambda begins.
pub(super) fn start_of(lambda: &Lambda) -> Position {
    let (line, column) = lambda.position(1, 1);
    Position {
        lambda: lambda.path().to_owned(),
        line,
        column,
    }
}

struct Frame {
    function: String,
    position: Position,
}

/// The frames of a stack that are in lambdas; those of the prelude are ours and say nothing to an author.
fn frames(stack: &str, lambdas: &[&Lambda]) -> Vec<Frame> {
    stack
        .lines()
        .filter_map(|line| frame(line, lambdas))
        .take(MAX_FRAMES)
        .collect()
}

/// `    at name (lambda/0:3:12)` or `    at lambda/0:3:12`. Line 1 is the head of the function that is put around a lambda.
fn frame(line: &str, lambdas: &[&Lambda]) -> Option<Frame> {
    let (before, place) = line.trim().rsplit_once("lambda/")?;
    let mut numbers = place.trim_end_matches(')').splitn(3, ':');
    let lambda: &Lambda = lambdas.get(numbers.next()?.parse::<usize>().ok()?)?;
    let row: u32 = numbers.next()?.parse().ok()?;
    let column: u32 = numbers
        .next()
        .and_then(|text| text.parse().ok())
        .unwrap_or(1);
    let (line, column) = lambda.position(row.saturating_sub(1).max(1), column.max(1));
    let function = before
        .trim_start_matches("at ")
        .trim_end_matches('(')
        .trim();
    let function = match function {
        "" | "at" | "<anonymous>" => "lambda",
        name => name,
    };
    Some(Frame {
        function: function.to_owned(),
        position: Position {
            lambda: lambda.path().to_owned(),
            line,
            column,
        },
    })
}
