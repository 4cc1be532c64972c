//! x
fn main() {
    let mut c = wasmtime::Config::new();
    c.strategy(wasmtime::Strategy::Cranelift);
    let _ = wasmtime::Engine::new(&c);
}
