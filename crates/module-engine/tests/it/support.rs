//! Modules and invocations in one line.

use std::sync::{Arc, LazyLock};

use domain::limits::LambdaLimits;
use module_engine::call::{Call, Item, Outcome};
use module_engine::compiled::CompiledModule;
use module_engine::dry_run::DryRunHost;
use module_engine::engine::{Engine, EngineOptions};
use module_engine::error::InvokeError;
use module_engine::host::Host;
use serde_json::{Value, json};

pub(crate) static ENGINE: LazyLock<Arc<Engine>> = LazyLock::new(|| {
    Engine::new(EngineOptions {
        sandbox: crate::sandbox(),
        ..EngineOptions::default()
    })
    .expect("the sandbox starts")
});

/// Generous for a busy machine, far below "for ever".
pub(crate) const SHORT: LambdaLimits = LambdaLimits {
    wall_ms: 300,
    ..LambdaLimits::DEFAULT
};

/// Compiles a module from YAML.
pub(crate) fn module(yaml: &str) -> CompiledModule {
    let (spec, findings) = module_spec::parse(yaml);
    let spec = spec.unwrap_or_else(|| panic!("{findings:#?}"));
    CompiledModule::compile(&ENGINE, Arc::new(spec))
        .unwrap_or_else(|findings| panic!("{findings:#?}"))
}

/// A module with one computed field `result`.
pub(crate) fn module_with(lambda: &str) -> CompiledModule {
    module(&yaml_with(lambda))
}

/// The file of [`module_with`]: the lambda's first line is line 7, and it is indented by 6.
pub(crate) fn yaml_with(lambda: &str) -> String {
    let indented = lambda.replace('\n', "\n      ");
    format!(
        "module: {{name: laptop, singular: Laptop, plural: Laptops, storage: managed}}\n\
         fields:\n\
         - {{name: name, type: string}}\n\
         computed_fields:\n\
         - name: result\n  \
           lambda: |\n      {indented}\n"
    )
}

/// What `lambda` returns for an empty item.
pub(crate) fn run(lambda: &str) -> Result<Value, InvokeError> {
    run_with(lambda, &DryRunHost::new(), LambdaLimits::DEFAULT)
}

/// The same with another host and limits.
pub(crate) fn run_with(
    lambda: &str,
    host: &dyn Host,
    limits: LambdaLimits,
) -> Result<Value, InvokeError> {
    invoke(&module_with(lambda), &item(json!({})), host, limits)
}

/// What the first computed field of a module gives for `item`.
pub(crate) fn invoke(
    module: &CompiledModule,
    item: &Item,
    host: &dyn Host,
    limits: LambdaLimits,
) -> Result<Value, InvokeError> {
    let lambda = module.spec().computed_fields()[0].lambda();
    match module.invoke(Call::Lambda { lambda, item }, host, limits)? {
        Outcome::Value(value) => Ok(value.into_raw()),
        other => panic!("{other:?}"),
    }
}

/// An item from an object.
pub(crate) fn item(value: Value) -> Item {
    match value {
        Value::Object(item) => item,
        other => panic!("not an object: {other}"),
    }
}
