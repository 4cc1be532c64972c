//! One piece of a module's code, run on what somebody wrote down: by its tests, and by authors who try it out.

use std::slice;

use domain::limits::LambdaLimits;
use module_spec::{Action, ActionScope, EventKind, FieldName, Hook, Lambda, TestCase, TestTarget};
use serde_json::Value;

use crate::call::{Call, HookOutcome, Item, Outcome};
use crate::compiled::CompiledModule;
use crate::error::InvokeError;
use crate::host::Host;
use crate::value::CellValue;

/// What is run, with what.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    /// What is run.
    pub target: Target<'a>,
    /// The record; what an event happened to.
    pub item: &'a Item,
    /// The records of an action on several; `item` is the only one when empty.
    pub items: &'a [Item],
    /// What was filled in for an action.
    pub input: &'a Item,
    /// What lambdas of events see in `event` beside `name`.
    pub event: &'a Item,
}

/// A piece of code of a module.
#[derive(Debug, Clone, Copy)]
pub enum Target<'a> {
    /// A computed field, with those above it that it reads.
    Field(&'a FieldName),
    /// A hook.
    Hook(Hook),
    /// Everything that waits for an event, if its `when` holds, in the order of the file.
    Event(EventKind),
    /// One lambda of an event, whatever its `when`.
    Handler(&'a Lambda, EventKind),
    /// An action.
    Action(&'a Action),
    /// A schedule, and its name or path.
    Schedule(&'a Lambda, &'a str),
    /// A condition (`visible_when`, `required_when`, `when`).
    Condition(&'a Lambda),
    /// Code that stands in no place of its own; it can only read.
    Lambda(&'a Lambda),
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Tried {
    /// What a lambda returned; of an event, the last one that ran.
    Value(CellValue),
    /// What a hook did.
    Record(HookOutcome),
    /// How a condition decides.
    Decided(bool),
    /// Something waits for the event, but no `when` holds.
    NothingRan,
}

impl CompiledModule {
    /// Runs a piece of code through [`CompiledModule::invoke`], as it is run in earnest; several sandboxes where several lambdas wait for one
    /// event. An error of one of them ends the trial.
    pub fn try_out(
        &self,
        trial: Trial<'_>,
        host: &dyn Host,
        ceiling: LambdaLimits,
    ) -> Result<Tried, InvokeError> {
        let item = trial.item;
        let value = |call: Call<'_>| match self.invoke(call, host, ceiling)? {
            Outcome::Value(value) => Ok(Tried::Value(value)),
            _ => Err(wrong_outcome()),
        };
        match trial.target {
            Target::Field(name) => {
                let fields = [name.as_str()];
                let cells = self.computed_fields(slice::from_ref(item), &fields, host, ceiling)?;
                let cell = cells.into_iter().flatten().next();
                Ok(Tried::Value(cell.ok_or_else(wrong_outcome)??))
            }
            Target::Hook(hook) => self.hook(hook, item, host, ceiling).map(Tried::Record),
            Target::Condition(lambda) => {
                self.holds(lambda, item, host, ceiling).map(Tried::Decided)
            }
            Target::Lambda(lambda) => value(Call::Lambda { lambda, item }),
            Target::Schedule(lambda, schedule) => value(Call::Schedule { lambda, schedule }),
            Target::Action(action) => {
                let items = match (trial.items, action.scope()) {
                    ([], ActionScope::Page) => &[],
                    ([], ActionScope::Row | ActionScope::Selection) => slice::from_ref(item),
                    (items, _) => items,
                };
                value(Call::Action {
                    lambda: action.lambda(),
                    items,
                    input: trial.input,
                })
            }
            Target::Handler(lambda, kind) => {
                let event = &event_of(kind, trial.event);
                value(Call::Event {
                    lambda,
                    item,
                    event,
                })
            }
            Target::Event(kind) => {
                let event = &event_of(kind, trial.event);
                let mut last = Tried::NothingRan;
                for handler in self.spec().events() {
                    let waits = handler.on().contains(&kind);
                    let runs = waits
                        && match handler.when() {
                            Some(when) => self.holds(when, item, host, ceiling)?,
                            None => true,
                        };
                    if runs {
                        last = value(Call::Event {
                            lambda: handler.lambda(),
                            item,
                            event,
                        })?;
                    }
                }
                Ok(last)
            }
        }
    }

    fn holds(
        &self,
        condition: &Lambda,
        item: &Item,
        host: &dyn Host,
        ceiling: LambdaLimits,
    ) -> Result<bool, InvokeError> {
        let call = Call::Conditions {
            conditions: &[condition],
            item,
        };
        match self.invoke(call, host, ceiling)? {
            Outcome::Conditions(decided) => {
                let decided = decided.into_iter().next().ok_or_else(wrong_outcome)?;
                Ok(decided?)
            }
            _ => Err(wrong_outcome()),
        }
    }

    /// What a test runs.
    pub fn target_of<'a>(&'a self, test: &'a TestCase) -> Result<Target<'a>, InvokeError> {
        let spec = self.spec();
        let target = match test.target() {
            TestTarget::Field(name) => Some(Target::Field(name)),
            TestTarget::Hook(hook) => Some(Target::Hook(*hook)),
            TestTarget::Event { kind, .. } => Some(Target::Event(*kind)),
            TestTarget::Action(name) => {
                let action = spec.actions().iter().find(|action| action.name() == name);
                action.map(Target::Action)
            }
            TestTarget::Schedule(index) => {
                let schedule = spec.schedules().iter().find(|one| one.index() == *index);
                schedule.map(|schedule| Target::schedule(schedule.lambda()))
            }
            TestTarget::VisibleWhen(name) => {
                let field = spec.field(name.as_str());
                field.and_then(|field| field.visible_when().map(Target::Condition))
            }
            TestTarget::RequiredWhen(name) => {
                let field = spec.field(name.as_str());
                field.and_then(|field| field.required_when().map(Target::Condition))
            }
            TestTarget::Lambda(lambda) => Some(Target::Lambda(lambda)),
        };
        // The spec of the test has it; a test of another module may not.
        target.ok_or_else(|| InvokeError::Unknown {
            module: spec.name().to_string(),
            what: format!("code for the test \"{}\"", test.name()),
        })
    }
}

impl<'a> Target<'a> {
    /// A schedule, called by its place in the file.
    pub fn schedule(lambda: &'a Lambda) -> Self {
        let path = lambda.path();
        Self::Schedule(lambda, path.strip_suffix(".lambda").unwrap_or(path))
    }
}

/// What happened, as lambdas see it.
fn event_of(kind: EventKind, details: &Item) -> Item {
    let mut event = Item::new();
    event.insert("name".to_owned(), Value::from(kind.as_str()));
    event.extend(details.clone());
    event
}

fn wrong_outcome() -> InvokeError {
    InvokeError::Internal("the sandbox gave another outcome than was asked for".to_owned())
}
