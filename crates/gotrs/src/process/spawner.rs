//! The thread that starts children.
//!
//! The kernel sends a child's death signal when the *thread* that started it ends, not the process. Worker threads
//! of the async runtime may come and go, so one thread does nothing but start children, and lives until the end.

use std::io;

use rustix::process::{Signal, getppid, set_parent_process_death_signal};
use tokio::process::{Child, Command};
use tokio::sync::{mpsc, oneshot};

/// Starts that may wait: one per tenant that is being started at the same moment; more wait in their own tasks.
const QUEUE: usize = 64;

struct Job {
    command: Command,
    reply: oneshot::Sender<io::Result<Child>>,
}

/// Starts children; clones share the thread. Children die when the last clone is dropped, so one is kept by `main`.
#[derive(Debug, Clone)]
pub struct Spawner {
    jobs: mpsc::Sender<Job>,
}

impl Spawner {
    /// Starts the thread. Must be called inside the async runtime, which waits for the children.
    pub fn start() -> io::Result<Self> {
        let (jobs, mut queue) = mpsc::channel::<Job>(QUEUE);
        let runtime = tokio::runtime::Handle::current();
        std::thread::Builder::new()
            .name("spawner".to_owned())
            .spawn(move || {
                let _runtime = runtime.enter();
                while let Some(mut job) = queue.blocking_recv() {
                    let outcome = job.command.spawn();
                    if job.reply.send(outcome).is_err() {
                        tracing::debug!("whoever wanted this child is gone; it was killed on drop");
                    }
                }
            })?;
        Ok(Self { jobs })
    }

    /// Starts `command` in a process group of its own (Ctrl-C in a terminal reaches us only, we stop children in
    /// order). The kernel sends it `death_signal` when we die, however that happens; dropping the handle kills it.
    pub async fn spawn(&self, mut command: Command, death_signal: Signal) -> io::Result<Child> {
        let parent = rustix::process::getpid();
        command.process_group(0).kill_on_drop(true);
        let before_exec = move || {
            // After uid and gid were changed (std does that first): changing them would clear the signal.
            set_parent_process_death_signal(Some(death_signal))?;
            // We may have died between fork and the line above; then nobody would send the signal any more.
            if getppid() != Some(parent) {
                return Err(io::Error::from_raw_os_error(
                    rustix::io::Errno::SRCH.raw_os_error(),
                ));
            }
            Ok(())
        };
        #[expect(
            unsafe_code,
            reason = "the only way to run code between fork and exec; it makes two system calls"
        )]
        // SAFETY: `before_exec` only makes the system calls prctl and getppid and allocates nothing, so it is
        // safe to run in the child of a threaded process.
        unsafe {
            command.pre_exec(before_exec);
        }
        let (reply, outcome) = oneshot::channel();
        let stopped = || io::Error::other("the thread that starts processes has ended");
        self.jobs
            .send(Job { command, reply })
            .await
            .map_err(|_closed| stopped())?;
        outcome.await.map_err(|_closed| stopped())?
    }
}
