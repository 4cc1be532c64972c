//! From a module's text to something that serves: parse, compile, check against the schema.

use std::sync::Arc;

use domain::diagnostic::{Diagnostic, Severity};
use domain::digest::Sha256Digest;
use module_engine::compiled::CompiledModule;

use crate::app::App;
use crate::data::{self, PrepareError};
use crate::modules::supervision::Supervision;
use crate::modules::{LoadedModule, Origin};

/// Why a text does not serve.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The text is at fault; the same text will not do later either.
    #[error("the module is not right")]
    Refused(Vec<Diagnostic>),
    /// The database did not answer; try again.
    #[error("the database cannot be asked")]
    Database(#[source] sqlx::Error),
    /// The process is stopping.
    #[error("the module could not be compiled")]
    Compile(#[source] service_kit::lifecycle::BlockingError),
}

/// Makes a module ready to serve.
pub async fn load(app: &App, origin: Origin, text: String) -> Result<LoadedModule, LoadError> {
    let engine = Arc::clone(&app.engine);
    let supervision = Supervision::new(Sha256Digest::of(text.as_bytes()));
    let (compiled, mut warnings) = app
        .tasks
        .spawn_blocking("compile a module", move || {
            let (spec, findings) = module_spec::parse(&text);
            let Some(spec) = spec else {
                return Err(findings);
            };
            match CompiledModule::compile(&engine, Arc::new(spec)) {
                Ok(compiled) => Ok((compiled, findings)),
                Err(more) => Err(findings.into_iter().chain(more).collect()),
            }
        })
        .await
        .map_err(LoadError::Compile)?
        .map_err(LoadError::Refused)?;
    let table = match data::prepare(compiled.spec(), &app.database).await {
        Ok(table) => table,
        Err(PrepareError::Refused(findings)) => {
            warnings.extend(findings);
            return Err(LoadError::Refused(warnings));
        }
        Err(PrepareError::Database(error)) => return Err(LoadError::Database(error)),
    };
    Ok(LoadedModule {
        origin,
        compiled,
        table,
        warnings,
        supervision,
    })
}

/// A finding about a file as a whole.
pub fn finding(code: &str, message: String) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: code.to_owned(),
        message,
        help: None,
        line: 0,
        column: 0,
        length: 0,
        path: String::new(),
    }
}

/// Findings for the log: codes and places, never text of the tenant's file.
pub fn one_line(diagnostics: &[Diagnostic]) -> String {
    diagnostics
        .iter()
        .map(|it| format!("{} at {}:{}", it.code, it.line, it.column))
        .collect::<Vec<_>>()
        .join(", ")
}
