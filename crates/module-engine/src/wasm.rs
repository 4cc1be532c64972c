//! The wall: the guest under wasmtime. One fresh instance per request, with its own memory, stopped by the clock wherever it is.

mod config;
mod ticker;

use wasmtime::{
    Caller, Engine, InstanceAllocationStrategy, InstancePre, Linker, Memory, Module,
    PoolingAllocationConfig, ResourceLimiter, Store, StoreContextMut, Trap, UpdateDeadline,
};

use self::ticker::Ticker;
use crate::engine::{EngineOptions, StartEngineError};
use crate::error::Limit;
use crate::executor::{DEFAULT_STACK_KB, Executor, Halt, mebibytes, read_reply, stack_bytes};
use crate::session::{Operation, Session};
use crate::slots::Slots;

/// The compiled guest, unless this program was built where none can be: `build.rs` takes what `cargo xtask guest` recorded.
#[cfg(lambda_guest)]
static GUEST: Option<&[u8]> = Some(include_bytes!(env!("LAMBDA_GUEST_ARTEFACT")));
#[cfg(not(lambda_guest))]
static GUEST: Option<&[u8]> = None;

/// Why there is no guest in this program; nothing when there is one.
pub(crate) const fn missing() -> Option<&'static str> {
    option_env!("LAMBDA_GUEST_MISSING")
}

/// How many ticks a guest whose time is up may run to notice by itself, which tells the line. Then it is cut off. Ticks that
/// the guest runs through, not time: on a busy machine its thread may not run for long.
const GRACE_TICKS: u32 = 6;
/// Runs guests in this process.
pub(crate) struct WasmExecutor {
    engine: Engine,
    guest: InstancePre<State>,
    ticker: Ticker,
    slots: Slots,
}

impl WasmExecutor {
    pub(crate) fn new(options: &EngineOptions) -> Result<Self, StartEngineError> {
        let guest =
            GUEST.ok_or_else(|| StartEngineError::NoGuest(missing().unwrap_or_default()))?;
        let setup = |error: wasmtime::Error| StartEngineError::Setup(format!("{error:#}"));
        let mut pool = PoolingAllocationConfig::new();
        pool.total_core_instances(options.concurrency)
            .total_memories(options.concurrency)
            .total_tables(options.concurrency)
            .max_memory_size(mebibytes(options.max_memory_mb))
            .table_elements(16 * 1024)
            .linear_memory_keep_resident(2 * 1024 * 1024)
            .pagemap_scan(wasmtime::Enabled::Auto);
        let mut config = config::config();
        config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        let engine = Engine::new(&config).map_err(setup)?;
        #[expect(
            unsafe_code,
            reason = "the bytes are native code; `cargo xtask guest` of this build compiled them and they are part of this program"
        )]
        // SAFETY: `guest` is what `Engine::precompile_module` gave to `compile-guest`: build.rs compares it with the digest that
        // was recorded then. Nothing from outside is ever loaded.
        let module = unsafe { Module::deserialize(&engine, guest) }
            .map_err(|error| StartEngineError::LoadGuest(format!("{error:#}")))?;
        let mut linker = Linker::new(&engine);
        link(&mut linker).map_err(setup)?;
        let guest = linker.instantiate_pre(&module).map_err(setup)?;
        let ticker =
            Ticker::start(&engine).map_err(|error| StartEngineError::Setup(error.to_string()))?;
        Ok(Self {
            engine,
            guest,
            ticker,
            slots: Slots::new(options.concurrency),
        })
    }
}

impl Executor for WasmExecutor {
    fn execute(&self, request: &[u8], session: Session<'_>) -> Result<Vec<u8>, Halt> {
        let _slot = self.slots.take(session.deadline).ok_or(Halt::Busy)?;
        let _ticking = self.ticker.tick();
        let mut store = Store::new(&self.engine, State::new(session));
        store.limiter(|state| state);
        store.set_epoch_deadline(1);
        store.epoch_deadline_callback(on_tick);
        let replied = run(&self.guest, &mut store, request);
        match store.into_data().halt {
            // Why we stopped it says more than that it stopped.
            Some(halt) => Err(halt),
            None => replied.unwrap_or_else(|error| Err(halt_of(&error))),
        }
    }
}

/// What belongs to one instance.
struct State {
    session: Session<'static>,
    memory_bytes: usize,
    memory: Option<Memory>,
    /// Where in the guest's memory a 1 interrupts it.
    interrupt: usize,
    /// Why it was interrupted.
    interrupted: Option<Limit>,
    /// Ticks since then.
    ticks_after: u32,
    /// The answer that the guest takes next.
    answer: Vec<u8>,
    halt: Option<Halt>,
}

impl State {
    fn new(session: Session<'_>) -> Self {
        let memory_bytes = mebibytes(session.limits.memory_mb);
        #[expect(
            unsafe_code,
            reason = "a store holds only 'static data, and a host is borrowed: callers keep it on their stack"
        )]
        // SAFETY: only the lifetime changes. The state lives in the store, and the store on the stack of `execute`, whose argument
        // the session is: both are gone before what the session borrows. Nothing clones the session out of the store.
        let session = unsafe { std::mem::transmute::<Session<'_>, Session<'static>>(session) };
        Self {
            session,
            memory_bytes,
            memory: None,
            interrupt: 0,
            interrupted: None,
            ticks_after: 0,
            answer: Vec::new(),
            halt: None,
        }
    }

    /// Ends the instance with a reason.
    fn stop(&mut self, halt: Halt) -> wasmtime::Error {
        self.halt.get_or_insert(halt);
        wasmtime::Error::msg("stopped")
    }
}

impl ResourceLimiter for State {
    fn memory_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // QuickJS does not survive all of its own out-of-memory paths: the guest never gets to them.
        if desired > self.memory_bytes || maximum.is_some_and(|maximum| desired > maximum) {
            return Err(self.stop(Halt::limit(Limit::Memory)));
        }
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(maximum.is_none_or(|maximum| desired <= maximum))
    }
}

/// The imports of the guest; docs/security/sandbox.md lists them and a test compares.
fn link(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    linker
        // The only clock: it stands still.
        .func_wrap(
            "env",
            "__rquickjs_host_now_us",
            |caller: Caller<'_, State>| caller.data().session.now_micros,
        )?
        .func_wrap("gotrs", "host_call", host_call)?
        .func_wrap("gotrs", "host_take", host_take)?;
    Ok(())
}

fn host_call(
    mut caller: Caller<'_, State>,
    operation: u32,
    address: u32,
    length: u32,
) -> wasmtime::Result<u32> {
    let (memory, state) = split(&mut caller)?;
    let request = usize::try_from(address)
        .ok()
        .and_then(|start| memory.get(start..start.checked_add(usize::try_from(length).ok()?)?));
    let (Some(request), Some(operation)) = (request, Operation::from_number(operation)) else {
        return Err(state.stop(Halt::Crashed(
            "the guest broke the protocol of host calls".to_owned(),
        )));
    };
    match state.session.answer(operation, request) {
        Ok(answer) => {
            let length = u32::try_from(answer.len())
                .map_err(|_too_large| state.stop(Halt::limit(Limit::Bytes)))?;
            state.answer = answer;
            Ok(length)
        }
        Err(halt) => Err(state.stop(halt)),
    }
}

fn host_take(mut caller: Caller<'_, State>, address: u32) -> wasmtime::Result<()> {
    let (memory, state) = split(&mut caller)?;
    let answer = std::mem::take(&mut state.answer);
    let room = usize::try_from(address)
        .ok()
        .and_then(|start| memory.get_mut(start..start.checked_add(answer.len())?));
    match room {
        Some(room) => {
            room.copy_from_slice(&answer);
            Ok(())
        }
        None => Err(state.stop(Halt::Crashed(
            "the guest has no room for an answer".to_owned(),
        ))),
    }
}

/// The guest's memory beside our own state.
fn split<'a>(caller: &'a mut Caller<'_, State>) -> wasmtime::Result<(&'a mut [u8], &'a mut State)> {
    match caller.data().memory {
        Some(memory) => Ok(memory.data_and_store_mut(caller)),
        None => Err(caller.data_mut().stop(Halt::Crashed(
            "the guest asked before it was started".to_owned(),
        ))),
    }
}

/// Runs at each tick of the epoch, in the guest's own thread: first asks it to stop, which tells the line; then cuts it off.
fn on_tick(mut store: StoreContextMut<'_, State>) -> wasmtime::Result<UpdateDeadline> {
    let state = store.data_mut();
    let Some(limit) = state.interrupted.or_else(|| state.session.time_is_up()) else {
        return Ok(UpdateDeadline::Continue(1));
    };
    if state.ticks_after >= GRACE_TICKS {
        return Err(state.stop(Halt::limit(limit)));
    }
    state.interrupted = Some(limit);
    state.ticks_after = state.ticks_after.saturating_add(1);
    if let Some(memory) = state.memory {
        let (bytes, state) = memory.data_and_store_mut(&mut store);
        let end = state.interrupt.saturating_add(4);
        if let Some(flag) = bytes.get_mut(state.interrupt..end) {
            flag.copy_from_slice(&1_u32.to_le_bytes());
        }
    }
    Ok(UpdateDeadline::Continue(1))
}

/// Runs the request in a fresh instance. The outer error is wasmtime's, the inner one the guest's own.
fn run(
    guest: &InstancePre<State>,
    store: &mut Store<State>,
    request: &[u8],
) -> wasmtime::Result<Result<Vec<u8>, Halt>> {
    let instance = guest.instantiate(&mut *store)?;
    let memory = instance
        .get_memory(&mut *store, "memory")
        .ok_or_else(|| wasmtime::Error::msg("the guest exports no memory"))?;
    store.data_mut().memory = Some(memory);
    let interrupt = instance
        .get_typed_func::<(), u32>(&mut *store, "guest_interrupt_address")?
        .call(&mut *store, ())?;
    store.data_mut().interrupt = usize::try_from(interrupt)?;
    let stack_kb = store.data().session.limits.stack_kb;
    if stack_kb < DEFAULT_STACK_KB {
        instance
            .get_typed_func::<u32, ()>(&mut *store, "guest_limit_stack")?
            .call(&mut *store, stack_bytes(stack_kb))?;
    }
    let length = u32::try_from(request.len())?;
    let address = instance
        .get_typed_func::<u32, u32>(&mut *store, "guest_alloc")?
        .call(&mut *store, length)?;
    memory.write(&mut *store, usize::try_from(address)?, request)?;
    let run = instance.get_typed_func::<(u32, u32), u64>(&mut *store, "guest_run")?;
    let reply = run.call(&mut *store, (address, length))?;
    Ok(reply_at(
        memory.data(&*store),
        reply,
        store.data().interrupted,
    ))
}

/// What the guest replied: `place` is address and length of it in the guest's memory.
fn reply_at(memory: &[u8], place: u64, interrupted: Option<Limit>) -> Result<Vec<u8>, Halt> {
    let reply = usize::try_from(place >> 32).ok().and_then(|address| {
        let length = usize::try_from(place & 0xffff_ffff).ok()?;
        memory.get(address..address.checked_add(length)?)
    });
    read_reply(reply.unwrap_or_default(), interrupted)
}

/// What a trap of its own means.
fn halt_of(error: &wasmtime::Error) -> Halt {
    match error.downcast_ref::<Trap>() {
        Some(Trap::StackOverflow) => Halt::limit(Limit::Stack),
        Some(Trap::Interrupt) => Halt::limit(Limit::Wall),
        Some(trap) => Halt::Crashed(trap.to_string()),
        None => Halt::Internal(format!("{error:#}")),
    }
}

#[cfg(all(test, lambda_guest))]
#[expect(
    clippy::unwrap_used,
    clippy::arithmetic_side_effects,
    reason = "tests, which clippy does not see behind this condition"
)]
mod tests {
    use std::sync::LazyLock;
    use std::time::Instant;

    use domain::limits::LambdaLimits;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::call::Purpose;
    use crate::dry_run::DryRunHost;

    static EXECUTOR: LazyLock<WasmExecutor> =
        LazyLock::new(|| WasmExecutor::new(&EngineOptions::default()).unwrap());

    /// Addresses and lengths around the ends of a memory of so many bytes, and any other.
    fn place() -> impl Strategy<Value = u32> {
        prop_oneof![
            any::<u32>(),
            0..64_u32,
            (0..64_u32).prop_map(|back| u32::MAX - back),
            (0..128_u32, 0..32_u32)
                .prop_map(|(near, pages)| { (pages * 65_536).wrapping_add(near).wrapping_sub(64) }),
        ]
    }

    fn request() -> impl Strategy<Value = Vec<u8>> {
        prop_oneof![
            vec(any::<u8>(), 0..64),
            Just(br#"{"sql":"SELECT 1","args":[]}"#.to_vec()),
            Just(br#"{"level":"info","message":"m"}"#.to_vec()),
            Just(br#"{"key":"@k"}"#.to_vec()),
            Just(br#"{"stack":"at a"}"#.to_vec()),
            Just(br#"{"table":"queue","want":"rows"}"#.to_vec()),
        ]
    }

    proptest! {
        /// The real functions of the linker, on an instance of the real guest, called as no compiled lambda would.
        #[test]
        fn host_functions_hold_against_any_numbers(
            calls in vec((prop_oneof![0..8_u32, any::<u32>()], place(), place(), request(), place()), 1..6),
        ) {
            let host = DryRunHost::new();
            let session = Session::new(&host, LambdaLimits::DEFAULT, Purpose::Event, Instant::now());
            let mut store = Store::new(&EXECUTOR.engine, State::new(session));
            store.limiter(|state| state);
            store.set_epoch_deadline(u64::MAX / 2);
            let mut linker = Linker::new(&EXECUTOR.engine);
            link(&mut linker).unwrap();
            let function = |store: &mut Store<State>, name: &str| {
                linker.get(store, "gotrs", name).unwrap().into_func().unwrap()
            };
            let host_call = function(&mut store, "host_call").typed::<(u32, u32, u32), u32>(&store).unwrap();
            let host_take = function(&mut store, "host_take").typed::<u32, ()>(&store).unwrap();
            // Before there is a memory.
            prop_assert!(host_call.call(&mut store, (1, 0, 0)).is_err());
            prop_assert!(matches!(store.data_mut().halt.take(), Some(Halt::Crashed(_))));
            let instance = EXECUTOR.guest.instantiate(&mut store).unwrap();
            let memory = instance.get_memory(&mut store, "memory").unwrap();
            store.data_mut().memory = Some(memory);
            for (operation, address, length, bytes, taken_to) in calls {
                // The request as the guest means it, where it fits; then as any length.
                let fits = memory.write(&mut store, address as usize, &bytes).is_ok();
                let lengths = [u32::try_from(bytes.len()).unwrap(), length];
                for length in lengths.into_iter().skip(usize::from(!fits)) {
                    match host_call.call(&mut store, (operation, address, length)) {
                        Ok(length) => {
                            prop_assert_eq!(store.data().answer.len(), length as usize);
                            if host_take.call(&mut store, taken_to).is_err() {
                                prop_assert!(store.data_mut().halt.take().is_some());
                            }
                            prop_assert!(store.data().answer.is_empty());
                        }
                        // `execute` says why by this.
                        Err(_) => prop_assert!(store.data_mut().halt.take().is_some()),
                    }
                }
            }
        }

        #[test]
        fn a_reply_is_read_from_any_place(memory in vec(any::<u8>(), 0..64), address in place(), length in place()) {
            let place = (u64::from(address) << 32) | u64::from(length);
            if let Ok(answer) = reply_at(&memory, place, None) {
                prop_assert_eq!(answer.len() + 1, length as usize);
                let start = address as usize + 1;
                prop_assert_eq!(memory.get(start..start + answer.len()), Some(answer.as_slice()));
            }
            let inside = (u64::from(address % 8) << 32) | u64::from(length % 32);
            let _ = reply_at(&memory, inside, Some(Limit::Cpu));
        }
    }

    /// What the guest can call is what the documentation says, and nothing else.
    #[test]
    fn the_imports_are_documented() {
        let documentation = include_str!("../../../docs/security/sandbox.md");
        let (_, list) = documentation.split_once("```imports\n").unwrap();
        let (list, _) = list.split_once("```").unwrap();
        let executor = WasmExecutor::new(&EngineOptions::default()).unwrap();
        let mut imports: Vec<String> = executor
            .guest
            .module()
            .imports()
            .map(|import| format!("{}.{}", import.module(), import.name()))
            .collect();
        imports.sort();
        assert_eq!(imports, list.lines().collect::<Vec<_>>());
    }
}
