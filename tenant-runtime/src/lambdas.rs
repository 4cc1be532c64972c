//! The one way into the sandbox: whatever a module's code is run for, it goes through here.

use std::sync::Arc;
use std::time::Duration;

use domain::limits::LambdaLimits;
use module_engine::breaker::Ending;
use module_engine::compiled::CompiledModule;
use module_engine::error::InvokeError;

use crate::app::App;
use crate::modules::LoadedModule;
use crate::modules::supervision::Turn;

/// What code is run for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A page of rows.
    ComputedFields,
    /// Somebody saves or deletes.
    Hook,
}

impl Purpose {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ComputedFields => "computed-fields",
            Self::Hook => "hook",
        }
    }
}

/// Runs code of `module`: `work` gets it with the ceilings of the plan, on a thread that it may block. `ending` says what its
/// result means for the module's circuit breaker.
///
/// A suspended module is [`InvokeError::Suspended`] at once. Where too much runs already, it waits as long as an invocation
/// may take and is [`InvokeError::Busy`] then; waiting is not part of the invocation's time.
pub async fn run<T, F>(
    app: &App,
    module: &Arc<LoadedModule>,
    purpose: Purpose,
    ending: fn(&Result<T, InvokeError>) -> Ending<'_>,
    work: F,
) -> Result<T, InvokeError>
where
    T: Send + 'static,
    F: FnOnce(&CompiledModule, LambdaLimits) -> Result<T, InvokeError> + Send + 'static,
{
    let result = admitted(app, module, purpose, ending, work).await;
    let outcome = match &result {
        Ok(_) => "finished",
        Err(InvokeError::Limit(_)) => "limit",
        Err(InvokeError::Script(_)) => "threw",
        Err(InvokeError::Suspended { .. }) => "suspended",
        Err(InvokeError::Busy) => "busy",
        Err(InvokeError::Unknown { .. } | InvokeError::Crashed(_) | InvokeError::Internal(_)) => {
            "failed"
        }
    };
    metrics::counter!("lambda_invocations_total", "purpose" => purpose.as_str(), "outcome" => outcome)
        .increment(1);
    result
}

async fn admitted<T, F>(
    app: &App,
    module: &Arc<LoadedModule>,
    purpose: Purpose,
    ending: fn(&Result<T, InvokeError>) -> Ending<'_>,
    work: F,
) -> Result<T, InvokeError>
where
    T: Send + 'static,
    F: FnOnce(&CompiledModule, LambdaLimits) -> Result<T, InvokeError> + Send + 'static,
{
    // Before waiting, so that a suspended module does not let requests queue up.
    module.supervision.refuse_if_suspended(app.clock.now())?;
    let ceiling = app.tenant.plan.lambda_ceiling();
    let patience = Duration::from_millis(ceiling.wall_ms.into());
    let place = module.supervision.place(patience).await?;
    let sandbox = tokio::time::timeout(patience, Arc::clone(&app.sandboxes).acquire_owned())
        .await
        .map_err(|_elapsed| InvokeError::Busy)?
        .map_err(|_closed| InvokeError::Busy)?;
    module.supervision.admit(app.clock.now())?;
    let (module, modules) = (Arc::clone(module), Arc::clone(&app.modules));
    let clock = Arc::clone(&app.clock);
    let run = move || {
        let _held = (place, sandbox);
        let result = work(&module.compiled, ceiling);
        let ending = ending(&result);
        if let Ending::HitLimit(error) = ending {
            metrics::counter!("lambda_limits_hit_total", "limit" => error.limit.as_str())
                .increment(1);
        }
        // Here and not behind the await: whoever asked may be gone before the lambda ends.
        match module.supervision.record(ending, clock.now()) {
            Turn::None => {}
            Turn::Suspended(suspension) => {
                metrics::counter!("module_suspensions_total").increment(1);
                tracing::warn!(
                    module.name = %module.spec().name(),
                    reason = suspension.reason,
                    until = %suspension.until,
                    "the code of a module is suspended"
                );
                modules.suspension_changed();
            }
            Turn::Resumed => {
                tracing::info!(module.name = %module.spec().name(), "the code of a module runs again");
                modules.suspension_changed();
            }
        }
        result
    };
    app.tasks
        .spawn_blocking(purpose.as_str(), run)
        .await
        .unwrap_or_else(|error| {
            tracing::error!(error = %service_kit::Chain(&error), "a lambda could not be run");
            Err(InvokeError::Internal(
                "the sandbox is not available".to_owned(),
            ))
        })
}
