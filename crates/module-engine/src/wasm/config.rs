// Shared by the runtime and by `compile-guest`: an artefact loads only where the same settings hold.

/// How the guest is compiled and run.
pub(crate) fn config() -> wasmtime::Config {
    let mut config = wasmtime::Config::new();
    config
        // Stops a guest at any loop or call, also inside native functions of QuickJS.
        .epoch_interruption(true)
        // JavaScript recursion ends by QuickJS's own check on its stack in linear memory; this is what holds where that does not look.
        .max_wasm_stack(1024 * 1024)
        .wasm_backtrace_max_frames(None)
        .native_unwind_info(false)
        // Copies of the initialised memory are mapped copy-on-write.
        .memory_init_cow(true)
        .concurrency_support(false);
    config
}
