//! Tasks that are tracked, and a shutdown in two steps: a soft one in which work is finished, a hard one when that
//! takes too long or a second signal comes.

use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use futures_util::FutureExt as _;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument as _;

/// How long work may go on after the first signal.
pub const GRACE: Duration = Duration::from_secs(25);

/// Blocking sections (password hashes, lambdas) that may run at once: they are bound by CPU, so more only queue in
/// the kernel instead of here.
const BLOCKING_AT_ONCE: usize = 8;

/// Starts and tracks the tasks of one process. Clones are the same set.
#[derive(Debug, Clone)]
pub struct Tasks {
    tracker: TaskTracker,
    soft: CancellationToken,
    hard: CancellationToken,
    failed: Arc<AtomicBool>,
    blocking: Arc<Semaphore>,
}

/// A blocking section that did not come back with a value.
#[derive(Debug, thiserror::Error)]
#[error("the blocking section {0} panicked or the process is stopping")]
pub struct BlockingError(&'static str);

impl Tasks {
    /// An empty set.
    pub fn new() -> Self {
        let hard = CancellationToken::new();
        Self {
            tracker: TaskTracker::new(),
            soft: hard.child_token(),
            hard,
            failed: Arc::default(),
            blocking: Arc::new(Semaphore::new(BLOCKING_AT_ONCE)),
        }
    }

    /// Cancelled when the process should accept nothing new and finish what it has. Every loop selects on it.
    pub fn stopping(&self) -> CancellationToken {
        self.soft.clone()
    }

    /// Begins the shutdown.
    pub fn stop(&self) {
        self.soft.cancel();
    }

    /// Runs a task that ends by itself. A panic in it is logged; the process goes on.
    pub fn spawn<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let hard = self.hard.clone();
        let guarded = async move {
            tokio::select! {
                outcome = AssertUnwindSafe(future).catch_unwind() => {
                    if outcome.is_err() {
                        tracing::error!(task = name, "task panicked");
                    }
                }
                () = hard.cancelled() => {}
            }
        };
        self.tracker
            .spawn(guarded.instrument(tracing::info_span!("task", name)));
    }

    /// Runs a task that must live as long as the process: when it fails, panics or ends before the shutdown
    /// began, the process stops with failure.
    pub fn spawn_service<F>(&self, name: &'static str, future: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let tasks = self.clone();
        self.spawn(name, async move {
            let outcome = AssertUnwindSafe(future).catch_unwind().await;
            let stopping = tasks.soft.is_cancelled();
            match outcome {
                Ok(Ok(())) if stopping => return,
                Ok(Ok(())) => tracing::error!(task = name, "a task that must not end has ended"),
                Ok(Err(error)) => {
                    tracing::error!(task = name, error = format!("{error:#}"), "task failed");
                }
                Err(_) => tracing::error!(task = name, "task panicked"),
            }
            tasks.failed.store(true, Ordering::Relaxed);
            tasks.soft.cancel();
        });
    }

    /// Runs CPU-bound or blocking code on the blocking pool, a bounded number at once.
    pub async fn spawn_blocking<T, F>(
        &self,
        name: &'static str,
        work: F,
    ) -> Result<T, BlockingError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let permit = match Arc::clone(&self.blocking).acquire_owned().await {
            Ok(permit) => permit,
            Err(_closed) => return Err(BlockingError(name)),
        };
        let span = tracing::Span::current();
        let handle = self.tracker.spawn_blocking(move || {
            let _permit = permit;
            span.in_scope(work)
        });
        handle.await.map_err(|error| {
            tracing::error!(task = name, %error, "blocking section failed");
            BlockingError(name)
        })
    }

    /// Waits for SIGINT, SIGTERM or a failed service; then for the tasks to finish, up to [`GRACE`] or
    /// a second signal. The exit code says whether a service failed.
    pub async fn run_until_stopped(&self) -> anyhow::Result<ExitCode> {
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        tokio::select! {
            _ = interrupt.recv() => tracing::info!(signal = "SIGINT", "stopping"),
            _ = terminate.recv() => tracing::info!(signal = "SIGTERM", "stopping"),
            () = self.soft.cancelled() => {}
        }
        self.soft.cancel();
        self.tracker.close();
        tokio::select! {
            () = self.tracker.wait() => {}
            _ = interrupt.recv() => tracing::warn!("second signal, stopping at once"),
            _ = terminate.recv() => tracing::warn!("second signal, stopping at once"),
            () = tokio::time::sleep(GRACE) => tracing::warn!("tasks did not finish in time, stopping at once"),
        }
        self.hard.cancel();
        Ok(if self.failed.load(Ordering::Relaxed) {
            ExitCode::FAILURE
        } else {
            ExitCode::SUCCESS
        })
    }

    /// Stops softly and waits for all tasks, at most `limit`; then hard. For tests and for parts that are
    /// stopped in an order.
    pub async fn shut_down(&self, limit: Duration) {
        self.soft.cancel();
        self.tracker.close();
        if tokio::time::timeout(limit, self.tracker.wait())
            .await
            .is_err()
        {
            tracing::warn!("tasks did not finish in time, stopping at once");
        }
        self.hard.cancel();
    }
}

impl Default for Tasks {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_service_that_ends_by_itself_stops_the_process_with_failure() {
        let tasks = Tasks::new();
        tasks.spawn_service("short", async { Ok(()) });
        assert_eq!(tasks.run_until_stopped().await.unwrap(), ExitCode::FAILURE);
    }

    #[tokio::test]
    async fn a_panic_in_a_task_leaves_the_others_alone() {
        let tasks = Tasks::new();
        tasks.spawn("bad", async { panic!("on purpose") });
        let (sent, received) = tokio::sync::oneshot::channel();
        tasks.spawn("good", async { sent.send(7).unwrap() });
        assert_eq!(received.await.unwrap(), 7);
        assert!(!tasks.stopping().is_cancelled());
    }

    #[tokio::test]
    async fn blocking_work_gives_its_value() {
        assert_eq!(
            Tasks::new().spawn_blocking("sum", || 1 + 1).await.unwrap(),
            2
        );
    }
}
