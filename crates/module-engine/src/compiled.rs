//! A module whose lambdas are known to compile, and the entry point that runs them.

mod columns;
mod trace;

use std::collections::BTreeSet;
use std::sync::Arc;

use domain::diagnostic::{Diagnostic, Severity};
use domain::limits::LambdaLimits;
use module_spec::{ComputedField, Hook, Lambda, ModuleSpec};
use serde::de::DeserializeOwned;
use serde_json::Value;

use self::trace::{explain, limit_error, script_error};
use crate::call::{Call, Cell, CellError, HookOutcome, Item, Outcome, Purpose};
use crate::dry_run::DryRunHost;
use crate::engine::Engine;
use crate::error::{InvokeError, Limit, LimitError, Position};
use crate::executor::Halt;
use crate::frame::{
    Body, CellsReply, CheckReply, ConditionsReply, Context, HookReply, Request, ResultLimit,
    ResultLimits, Source, ValueReply,
};
use crate::guest_json;
use crate::host::Host;
use crate::leaves::may_leave_globals;
use crate::reads::{Reads, reads_of};
use crate::value::CellValue;

pub use self::columns::Columns;

/// What checking a module at upload may use.
const CHECK_LIMITS: LambdaLimits = LambdaLimits {
    wall_ms: 2_000,
    ..LambdaLimits::DEFAULT
};

/// A module that is ready to run. Made by [`CompiledModule::compile`] only.
#[derive(Debug)]
pub struct CompiledModule {
    engine: Arc<Engine>,
    spec: Arc<ModuleSpec>,
    /// What each computed field reads, those above it not yet followed.
    reads: Vec<Reads>,
}

impl CompiledModule {
    /// Checks the syntax of every lambda in the sandbox and finds out which fields each reads. The findings stand at their lines
    /// of the YAML file.
    pub fn compile(engine: &Arc<Engine>, spec: Arc<ModuleSpec>) -> Result<Self, Vec<Diagnostic>> {
        let lambdas: Vec<&Lambda> = spec.lambdas().collect();
        let findings = check_lambdas(engine, &lambdas);
        if !findings.is_empty() {
            return Err(findings);
        }
        let reads = spec
            .computed_fields()
            .iter()
            .map(|field| reads_of(field.lambda().source()))
            .collect();
        Ok(Self {
            engine: Arc::clone(engine),
            spec,
            reads,
        })
    }

    /// The module as it was written.
    pub fn spec(&self) -> &Arc<ModuleSpec> {
        &self.spec
    }

    /// The columns that must be in the rows of [`Call::ComputedFields`] for `fields`; others are not looked at.
    pub fn columns(&self, fields: &[&str]) -> Columns {
        columns::needed(&self.spec, &self.reads, fields)
    }

    /// Runs lambdas of this module in a fresh sandbox. `ceiling` is the plan's; what the module itself asks for is applied below it.
    ///
    /// Blocks until the end, at most a few milliseconds longer than the limit of time.
    pub fn invoke(
        &self,
        call: Call<'_>,
        host: &dyn Host,
        ceiling: LambdaLimits,
    ) -> Result<Outcome, InvokeError> {
        let limits = self.spec.limits().capped_by(ceiling);
        let purpose = match call {
            Call::ComputedFields { .. } => Purpose::ComputedField,
            Call::Hook { .. } => Purpose::Hook,
            Call::Lambda { .. } => Purpose::Lambda,
            Call::Conditions { .. } => Purpose::Condition,
            Call::Event { .. } => Purpose::Event,
            Call::Action { .. } => Purpose::Action,
            Call::Schedule { .. } => Purpose::Schedule,
        };
        let run = Run {
            module: self,
            host,
            limits,
            purpose,
        };
        let nothing = Item::new();
        match call {
            Call::ComputedFields { rows, fields } => {
                run.computed_fields(rows, fields).map(Outcome::Cells)
            }
            Call::Hook { hook, item } => run.hook(hook, item).map(Outcome::Hook),
            Call::Conditions { conditions, item } => {
                run.conditions(conditions, item).map(Outcome::Conditions)
            }
            Call::Lambda { lambda, item } => run.value(lambda, item, Context::default()),
            Call::Event {
                lambda,
                item,
                event,
            } => {
                let context = Context {
                    event: Some(event),
                    ..Context::default()
                };
                run.value(lambda, item, context)
            }
            Call::Action {
                lambda,
                items,
                input,
            } => {
                let context = Context {
                    items: Some(items),
                    input: Some(input),
                    ..Context::default()
                };
                run.value(lambda, items.first().unwrap_or(&nothing), context)
            }
            Call::Schedule { lambda, schedule } => {
                let context = Context {
                    schedule: Some(schedule),
                    ..Context::default()
                };
                run.value(lambda, &nothing, context)
            }
        }
    }

    /// [`CompiledModule::invoke`] for computed fields: for each row, for each field.
    pub fn computed_fields(
        &self,
        rows: &[Item],
        fields: &[&str],
        host: &dyn Host,
        ceiling: LambdaLimits,
    ) -> Result<Vec<Vec<Cell>>, InvokeError> {
        match self.invoke(Call::ComputedFields { rows, fields }, host, ceiling)? {
            Outcome::Cells(cells) => Ok(cells),
            _ => Err(InvokeError::Internal("wrong outcome".to_owned())),
        }
    }

    /// [`CompiledModule::invoke`] for a hook. A module without this hook leaves the record as it is, without starting a sandbox.
    pub fn hook(
        &self,
        hook: Hook,
        item: &Item,
        host: &dyn Host,
        ceiling: LambdaLimits,
    ) -> Result<HookOutcome, InvokeError> {
        if self.spec.hooks().get(hook).is_none() {
            return Ok(HookOutcome {
                item: item.clone(),
                failures: Vec::new(),
            });
        }
        match self.invoke(Call::Hook { hook, item }, host, ceiling)? {
            Outcome::Hook(outcome) => Ok(outcome),
            _ => Err(InvokeError::Internal("wrong outcome".to_owned())),
        }
    }
}

/// One invocation.
struct Run<'a> {
    module: &'a CompiledModule,
    host: &'a dyn Host,
    limits: LambdaLimits,
    purpose: Purpose,
}

impl Run<'_> {
    fn computed_fields(
        &self,
        rows: &[Item],
        wanted: &[&str],
    ) -> Result<Vec<Vec<Cell>>, InvokeError> {
        let spec = &self.module.spec;
        if let Some(unknown) = wanted
            .iter()
            .find(|name| spec.computed_field(name).is_none())
        {
            return Err(self.unknown(format!("computed field \"{unknown}\"")));
        }
        if rows.is_empty() || wanted.is_empty() {
            return Ok(rows.iter().map(|_| Vec::new()).collect());
        }
        let fields = columns::to_run(spec, &self.module.reads, wanted);
        let columns = match self.module.columns(wanted) {
            Columns::All => {
                let names: BTreeSet<&str> = rows
                    .iter()
                    .flat_map(|row| row.keys().map(String::as_str))
                    .collect();
                names.into_iter().map(str::to_owned).collect()
            }
            Columns::Named(names) => names,
        };
        let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
        let body = Body::Cells {
            leaves: fields
                .iter()
                .any(|(field, _)| may_leave_globals(field.lambda().source())),
            lambdas: fields
                .iter()
                .map(|&(field, read)| Source {
                    name: field.name().as_str(),
                    code: field.lambda().source(),
                    wanted: wanted.contains(&field.name().as_str()),
                    read,
                })
                .collect(),
            rows: rows
                .iter()
                .map(|row| columns.iter().map(|&name| row.get(name)).collect())
                .collect(),
            columns,
        };
        let lambdas: Vec<&Lambda> = fields.iter().map(|(field, _)| field.lambda()).collect();
        let reply: CellsReply = self.ask(body, &lambdas)?;
        // The guest answers in the order of the file; the caller chose another.
        let answered: Vec<(usize, &ComputedField)> = fields
            .iter()
            .map(|(field, _)| *field)
            .enumerate()
            .filter(|(_, field)| wanted.contains(&field.name().as_str()))
            .collect();
        if reply.cells.len() != rows.len()
            || reply
                .cells
                .iter()
                .any(|cells| cells.len() != answered.len())
        {
            return Err(InvokeError::Crashed(
                "the guest answered for other rows or fields".to_owned(),
            ));
        }
        let order: Vec<usize> = wanted
            .iter()
            .filter_map(|name| {
                answered
                    .iter()
                    .position(|(_, field)| field.name().as_str() == *name)
            })
            .collect();
        let in_order = order.iter().copied().eq(0..answered.len());
        let mut rows = Vec::with_capacity(reply.cells.len());
        for cells in reply.cells {
            let cells: Vec<Cell> = cells
                .into_iter()
                .zip(&answered)
                .map(|(cell, (index, field))| self.cell(cell, *index, field.lambda(), &lambdas))
                .collect();
            rows.push(if in_order {
                cells
            } else {
                let cell_at = |&at: &usize| cells.get(at).cloned();
                order.iter().filter_map(cell_at).collect()
            });
        }
        Ok(rows)
    }

    fn hook(&self, hook: Hook, item: &Item) -> Result<HookOutcome, InvokeError> {
        let lambda = self
            .module
            .spec
            .hooks()
            .get(hook)
            .ok_or_else(|| self.unknown(format!("hook \"{}\"", hook.as_str())))?;
        let body = Body::Hook {
            lambda: lambda.source(),
            item,
        };
        match self.ask(body, &[lambda])? {
            HookReply::Done { item, failures } => Ok(HookOutcome { item, failures }),
            HookReply::Other(reply) => match self.cell(reply, 0, lambda, &[lambda]) {
                Ok(_) => Err(InvokeError::Crashed(
                    "the guest gave a hook's answer in a wrong form".to_owned(),
                )),
                Err(error) => Err(error.into()),
            },
        }
    }

    fn value(
        &self,
        lambda: &Lambda,
        item: &Item,
        context: Context<'_>,
    ) -> Result<Outcome, InvokeError> {
        let body = Body::Value {
            lambda: lambda.source(),
            item,
            context,
        };
        let reply: ValueReply = self.ask(body, &[lambda])?;
        let value = self.cell(reply, 0, lambda, &[lambda])?;
        Ok(Outcome::Value(value))
    }

    fn conditions(
        &self,
        conditions: &[&Lambda],
        item: &Item,
    ) -> Result<Vec<Result<bool, CellError>>, InvokeError> {
        if conditions.is_empty() {
            return Ok(Vec::new());
        }
        let body = Body::Conditions {
            lambdas: sources(conditions),
            item,
        };
        let reply: ConditionsReply = self.ask(body, conditions)?;
        if reply.conditions.len() != conditions.len() {
            return Err(InvokeError::Crashed(
                "the guest answered other conditions".to_owned(),
            ));
        }
        Ok(reply
            .conditions
            .into_iter()
            .zip(conditions)
            .enumerate()
            .map(|(index, (reply, lambda))| {
                self.cell(reply, index, lambda, conditions)
                    .map(|value| value.raw() == &Value::Bool(true))
            })
            .collect())
    }

    fn cell(&self, reply: ValueReply, index: usize, lambda: &Lambda, lambdas: &[&Lambda]) -> Cell {
        match reply {
            ValueReply::Value(value) => Ok(CellValue::new(value)),
            ValueReply::Error(thrown) => Err(script_error(&thrown, index, lambdas, &self.limits)),
            ValueReply::Limit(limit) => {
                let limit = match limit {
                    ResultLimit::Bytes => Limit::ResultBytes,
                    ResultLimit::Nesting => Limit::Nesting,
                };
                Err(CellError::Limit(LimitError {
                    limit,
                    value: limit.value_in(&self.limits),
                    position: Some(trace::start_of(lambda)),
                }))
            }
        }
    }

    fn ask<T: DeserializeOwned>(
        &self,
        body: Body<'_>,
        lambdas: &[&Lambda],
    ) -> Result<T, InvokeError> {
        let settings = Settings {
            host: self.host,
            limits: self.limits,
            purpose: self.purpose,
        };
        ask(&self.module.engine, body, lambdas, settings)
    }

    fn unknown(&self, what: String) -> InvokeError {
        InvokeError::Unknown {
            module: self.module.spec.name().to_string(),
            what,
        }
    }
}

/// Under which conditions a request runs.
#[derive(Clone, Copy)]
struct Settings<'a> {
    host: &'a dyn Host,
    limits: LambdaLimits,
    purpose: Purpose,
}

/// Lambdas whose names do not matter.
fn sources<'a>(lambdas: &[&'a Lambda]) -> Vec<Source<'a>> {
    lambdas
        .iter()
        .map(|lambda| Source {
            name: "",
            code: lambda.source(),
            wanted: false,
            read: false,
        })
        .collect()
}

/// One request to a fresh guest.
fn ask<T: DeserializeOwned>(
    engine: &Engine,
    body: Body<'_>,
    lambdas: &[&Lambda],
    settings: Settings<'_>,
) -> Result<T, InvokeError> {
    let Settings {
        host,
        limits,
        purpose,
    } = settings;
    let request = Request {
        entropy: host.entropy(),
        user: host.user(),
        tenant: host.tenant(),
        limits: ResultLimits::new(&limits, &body),
        body,
    };
    let request =
        serde_json::to_vec(&request).map_err(|error| InvokeError::Internal(error.to_string()))?;
    match engine.execute(&request, host, limits, purpose) {
        Ok(reply) => guest_json::read(&reply).map_err(|error| {
            InvokeError::Crashed(format!("the guest replied in a wrong form: {error}"))
        }),
        Err(Halt::Limit { limit, stack }) => Err(InvokeError::Limit(limit_error(
            limit, &limits, &stack, lambdas,
        ))),
        Err(Halt::Crashed(why)) => Err(InvokeError::Crashed(why)),
        Err(Halt::Busy) => Err(InvokeError::Busy),
        Err(Halt::Internal(why)) => Err(InvokeError::Internal(why)),
    }
}

/// Checks the syntax of lambdas in the sandbox, also of a file that has errors elsewhere and gives no module. Findings stand
/// at their lines of the file.
pub fn check_lambdas(engine: &Engine, lambdas: &[&Lambda]) -> Vec<Diagnostic> {
    if lambdas.is_empty() {
        return Vec::new();
    }
    let settings = Settings {
        host: &DryRunHost::new(),
        limits: CHECK_LIMITS,
        purpose: Purpose::Lambda,
    };
    let body = Body::Check {
        lambdas: sources(lambdas),
    };
    let checked = match ask::<CheckReply>(engine, body, lambdas, settings) {
        Ok(CheckReply { checked }) => checked,
        Err(error) => return vec![unchecked(&error, lambdas)],
    };
    let mut findings: Vec<Diagnostic> = checked
        .into_iter()
        .zip(lambdas)
        .enumerate()
        .filter_map(|(index, (thrown, lambda))| {
            let found = explain(thrown.as_ref()?, index, lambdas);
            let help = match lambda.expression() {
                Some(_) => EXPRESSION_HELP,
                None => "a lambda is a function body; it ends in `return`",
            };
            let message = format!("this lambda is not valid JavaScript: {}", found.message);
            Some(syntax_error(message, help, found.position, lambda))
        })
        .collect();
    let valid: Vec<&Lambda> = lambdas
        .iter()
        .filter(|lambda| findings.iter().all(|found| found.path != lambda.path()))
        .copied()
        .collect();
    findings.extend(check_expressions(engine, &valid, settings));
    findings
}

/// What a condition should be.
const EXPRESSION_HELP: &str = "write one expression, such as `item.kind === 'laptop'`";

/// Finds conditions that are more than one expression. `a); b(); (c` is a valid function body once `return (` stands before it, but
/// nothing that is no expression is valid between both round and square brackets.
fn check_expressions(
    engine: &Engine,
    lambdas: &[&Lambda],
    settings: Settings<'_>,
) -> Vec<Diagnostic> {
    let (conditions, bracketed): (Vec<&Lambda>, Vec<String>) = lambdas
        .iter()
        .filter_map(|lambda| Some((*lambda, format!("return [{}\n];", lambda.expression()?))))
        .unzip();
    if conditions.is_empty() {
        return Vec::new();
    }
    let body = Body::Check {
        lambdas: bracketed
            .iter()
            .map(|code| Source {
                name: "",
                code,
                wanted: false,
                read: false,
            })
            .collect(),
    };
    let checked = match ask::<CheckReply>(engine, body, &conditions, settings) {
        Ok(CheckReply { checked }) => checked,
        Err(error) => return vec![unchecked(&error, &conditions)],
    };
    checked
        .into_iter()
        .zip(&conditions)
        .enumerate()
        .filter_map(|(index, (thrown, lambda))| {
            let found = explain(thrown.as_ref()?, index, &conditions);
            let message = "this condition is more than one expression".to_owned();
            Some(syntax_error(
                message,
                EXPRESSION_HELP,
                found.position,
                lambda,
            ))
        })
        .collect()
}

fn syntax_error(
    message: String,
    help: &str,
    position: Option<Position>,
    lambda: &Lambda,
) -> Diagnostic {
    let position = position.unwrap_or_else(|| trace::start_of(lambda));
    Diagnostic {
        severity: Severity::Error,
        code: "lambda-syntax".to_owned(),
        message,
        help: Some(help.to_owned()),
        line: position.line,
        column: position.column,
        length: 1,
        path: lambda.path().to_owned(),
    }
}

/// The finding when the check itself ended early: at the lambda where it was, or at the first.
fn unchecked(error: &InvokeError, lambdas: &[&Lambda]) -> Diagnostic {
    let position = error
        .position()
        .cloned()
        .or_else(|| lambdas.first().map(|lambda| trace::start_of(lambda)));
    let (path, line, column) = position.map_or_else(
        || (String::new(), 1, 1),
        |position| (position.lambda, position.line, position.column),
    );
    Diagnostic {
        severity: Severity::Error,
        code: "lambda-check".to_owned(),
        message: format!("the lambdas could not be checked: {}", error.message()),
        help: None,
        line,
        column,
        length: 1,
        path,
    }
}
