//! The thread that moves the epoch while guests run.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use wasmtime::Engine;

/// How often a running guest looks at the clock. A tick costs a running guest less than a microsecond.
const TICK: Duration = Duration::from_millis(5);

/// Moves the epoch every [`TICK`] while at least one guest runs, and sleeps otherwise: an idle process has no wake-ups.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<TickerState>,
    changed: Condvar,
}

#[derive(Default)]
struct TickerState {
    running: usize,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, TickerState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// While this lives, the epoch moves.
pub(crate) struct Ticking<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn start(engine: &Engine) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let thread = std::thread::Builder::new()
            .name("lambda-ticker".to_owned())
            .spawn({
                let (shared, engine) = (Arc::clone(&shared), engine.clone());
                move || run(&shared, &engine)
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Ticks until the answer is dropped.
    pub(crate) fn tick(&self) -> Ticking<'_> {
        let mut state = self.shared.lock();
        state.running = state.running.saturating_add(1);
        if state.running == 1 {
            self.shared.changed.notify_all();
        }
        Ticking(&self.shared)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.running = state.running.saturating_sub(1);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It can only have panicked, and there is nothing left to stop then.
            thread.join().ok();
        }
    }
}

fn run(shared: &Shared, engine: &Engine) {
    let mut state = shared.lock();
    while !state.stopped {
        if state.running == 0 {
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        // Not woken by a second guest that starts: only the end interrupts a tick.
        let (after, _) = shared
            .changed
            .wait_timeout_while(state, TICK, |state| !state.stopped)
            .unwrap_or_else(PoisonError::into_inner);
        state = after;
        engine.increment_epoch();
    }
}
