//! Workers that were started before they are needed: a start takes longer than most lambdas.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lambda_protocol::Landlock;

use super::process::Worker;
use crate::engine::{EngineOptions, StartEngineError};
use crate::executor::Halt;

/// As many as may be needed at once wait for a request, but no more than this. Each holds less than a megabyte of its own.
const MAX_READY: u32 = 8;
/// After a failed start: how long until the next is tried.
const PAUSE: Duration = Duration::from_millis(200);

/// Keeps a few workers ready. All of them are started by one thread that lives as long as this: the kernel kills a worker when the
/// thread that started it ends, and threads of a pool come and go.
pub(super) struct Nursery {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    landlock: Landlock,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Worker>,
    /// What the first worker said.
    landlock: Option<Landlock>,
    /// Why there is none, while there can be none.
    problem: Option<String>,
    stopped: bool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Nursery {
    /// Starts the thread and waits for its first worker.
    pub(super) fn start(
        options: &EngineOptions,
        program: PathBuf,
    ) -> Result<Self, StartEngineError> {
        let shared = Arc::new(Shared::default());
        let wanted = usize::try_from(options.concurrency.clamp(1, MAX_READY)).unwrap_or(1);
        let thread = std::thread::Builder::new()
            .name("lambda-nursery".to_owned())
            .spawn({
                let (shared, program) = (Arc::clone(&shared), program.clone());
                let max_memory_mb = options.max_memory_mb;
                move || {
                    keep(&shared, wanted, || Worker::start(&program, max_memory_mb));
                }
            })
            .map_err(|error| StartEngineError::Setup(error.to_string()))?;
        let mut nursery = Self {
            shared,
            thread: Some(thread),
            landlock: Landlock::None,
        };
        nursery.landlock = nursery
            .first_worker()
            .map_err(|reason| StartEngineError::StartWorker { program, reason })?;
        Ok(nursery)
    }

    /// What the first worker says, or why there is none.
    fn first_worker(&self) -> Result<Landlock, String> {
        let state = self
            .shared
            .changed
            .wait_while(self.shared.lock(), |state| {
                state.landlock.is_none() && state.problem.is_none()
            })
            .unwrap_or_else(PoisonError::into_inner);
        state
            .landlock
            .ok_or_else(|| state.problem.clone().unwrap_or_default())
    }

    pub(super) const fn landlock(&self) -> Landlock {
        self.landlock
    }

    /// A worker that waits for its request.
    pub(super) fn take(&self, deadline: Instant) -> Result<Worker, Halt> {
        let mut state = self.shared.lock();
        loop {
            if let Some(mut worker) = state.ready.pop_front() {
                self.shared.changed.notify_all();
                // An idle one may have been killed from outside.
                if worker.is_alive() {
                    return Ok(worker);
                }
                continue;
            }
            if let Some(problem) = &state.problem {
                return Err(Halt::Internal(format!("starting a worker: {problem}")));
            }
            let patience = deadline.saturating_duration_since(Instant::now());
            if patience.is_zero() {
                return Err(Halt::Busy);
            }
            (state, _) = self
                .shared
                .changed
                .wait_timeout(state, patience)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl Drop for Nursery {
    fn drop(&mut self) {
        self.shared.lock().stopped = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            // It can only have panicked, and the kernel ends its workers then.
            thread.join().ok();
        }
    }
}

/// Starts a worker whenever fewer than `wanted` are ready; ends them all at the end.
fn keep(shared: &Shared, wanted: usize, start: impl Fn() -> Result<(Worker, Landlock), String>) {
    let mut failed = false;
    let mut state = shared.lock();
    while !state.stopped {
        if state.ready.len() >= wanted {
            state = shared
                .changed
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
            continue;
        }
        drop(state);
        let started = start();
        state = shared.lock();
        match started {
            Ok((worker, landlock)) => {
                state.ready.push_back(worker);
                state.landlock = Some(landlock);
                state.problem = None;
                failed = false;
                shared.changed.notify_all();
            }
            // One may have been killed on its way, by the system or by somebody.
            Err(problem) if !failed => {
                tracing::warn!(%problem, "a worker process for lambdas did not start");
                failed = true;
            }
            Err(problem) => {
                if state.problem.as_ref() != Some(&problem) {
                    tracing::error!(%problem, "a worker process for lambdas does not start");
                }
                state.problem = Some(problem);
                shared.changed.notify_all();
                (state, _) = shared
                    .changed
                    .wait_timeout_while(state, PAUSE, |state| !state.stopped)
                    .unwrap_or_else(PoisonError::into_inner);
            }
        }
    }
    state.ready.clear();
}
