//! Turns the guest's WebAssembly into what `module-engine` embeds; `cargo xtask guest` runs it.
//!
//! 1. The guest is started once and `guest_init` is run, which makes the JavaScript context. The memory that this leaves is written
//!    back into the module, so that each instance starts from it by mapping pages.
//! 2. The result is compiled ahead of time for the oldest processor of the target, so that it runs on any other.

#[path = "../wasm/config.rs"]
mod config;

use std::path::PathBuf;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use anyhow::{Context as _, anyhow, bail};
use wasmtime::{Caller, Engine, Extern, Instance, Linker, Module, Store, Val};
use wasmtime_wizer::{InstanceState, SnapshotVal, ValType, Wizer};

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [input, initialised, output, target] = arguments.as_slice() else {
        bail!("usage: compile-guest INPUT.wasm INITIALISED.wasm OUTPUT.cwasm TARGET");
    };
    let [input, initialised, output] = [input, initialised, output].map(PathBuf::from);
    let wasm = std::fs::read(&input).with_context(|| format!("reading {}", input.display()))?;
    let wasm = initialise(&wasm)
        .map_err(plain)
        .context("initialising the guest")?;
    std::fs::write(&initialised, &wasm)
        .with_context(|| format!("writing {}", initialised.display()))?;
    let mut config = config::config();
    config.target(target).map_err(plain)?;
    let engine = Engine::new(&config).map_err(plain)?;
    let compiled = engine
        .precompile_module(&wasm)
        .map_err(plain)
        .context("compiling the guest")?;
    std::fs::write(&output, &compiled).with_context(|| format!("writing {}", output.display()))
}

/// Runs `guest_init` and keeps the memory.
fn initialise(wasm: &[u8]) -> wasmtime::Result<Vec<u8>> {
    let engine = Engine::new(&wasmtime::Config::new())?;
    let mut wizer = Wizer::new();
    wizer.init_func("guest_init");
    let (context, instrumented) = wizer.instrument(wasm)?;
    let module = Module::new(&engine, &instrumented)?;
    let mut linker: Linker<()> = Linker::new(&engine);
    linker
        .func_wrap("env", "__rquickjs_host_now_us", || 0.0_f64)?
        .func_wrap("gotrs", "host_take", |_: u32| {})?
        .func_wrap("gotrs", "host_call", refuse_host_call)?;
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module)?;
    instance
        .get_typed_func::<(), ()>(&mut store, "guest_init")?
        .call(&mut store, ())?;
    wait_for(wizer.snapshot(&context, &mut Initialised { store, instance }))
}

/// The guest has nothing to ask yet: a call says that it could not start.
fn refuse_host_call(
    mut caller: Caller<'_, ()>,
    _: u32,
    address: u32,
    length: u32,
) -> wasmtime::Result<u32> {
    let text = match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => memory
            .data(&caller)
            .get(address as usize..(address as usize).saturating_add(length as usize))
            .map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    };
    Err(wasmtime::Error::msg(format!(
        "the guest does not start: {}",
        text.unwrap_or_default()
    )))
}

struct Initialised {
    store: Store<()>,
    instance: Instance,
}

impl InstanceState for Initialised {
    async fn global_get(&mut self, name: &str, _: ValType) -> SnapshotVal {
        let value = self
            .instance
            .get_global(&mut self.store, name)
            .map(|global| global.get(&mut self.store));
        match value {
            Some(Val::I32(value)) => SnapshotVal::I32(value),
            Some(Val::I64(value)) => SnapshotVal::I64(value),
            Some(Val::F32(value)) => SnapshotVal::F32(value),
            Some(Val::F64(value)) => SnapshotVal::F64(value),
            _ => {
                unreachable!("the wizer asks for the globals that it exported, all of them numbers")
            }
        }
    }

    async fn memory_contents(&mut self, name: &str, contents: impl FnOnce(&[u8]) + Send) {
        if let Some(memory) = self.instance.get_memory(&mut self.store, name) {
            contents(memory.data(&self.store));
        }
    }
}

/// The wizer's interface is asynchronous for other engines; here nothing ever waits.
fn wait_for<T>(future: impl Future<Output = wasmtime::Result<T>>) -> wasmtime::Result<T> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(result) => result,
        Poll::Pending => Err(wasmtime::Error::msg("the snapshot waits for something")),
    }
}

fn plain(error: wasmtime::Error) -> anyhow::Error {
    anyhow!("{error:?}")
}
