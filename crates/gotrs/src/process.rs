//! Child processes that never outlive this one: a death signal from the kernel while we live, and records on disk
//! for the start after a `kill -9`.

pub mod record;
pub mod spawner;

use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::process::record::ProcessRecord;

/// How often a process that should end is looked at.
const POLL: Duration = Duration::from_millis(20);

/// A signal and how long to wait for its effect before the next, stronger one.
#[derive(Debug, Clone, Copy)]
pub struct EndStep {
    /// What is sent.
    pub signal: Signal,
    /// How long the process has to react.
    pub patience: Duration,
}

/// Ends a process that is not our child (a leftover): each step in turn until it is gone. Whether it is gone.
pub async fn end_process(record: &ProcessRecord, steps: &[EndStep]) -> bool {
    for step in steps {
        if !record.is_alive() {
            return true;
        }
        send(record.pid, step.signal);
        let deadline = tokio::time::Instant::now() + step.patience;
        while tokio::time::Instant::now() < deadline {
            if !record.is_alive() {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
    }
    !record.is_alive()
}

/// Sends a signal; that the process is gone already is not an error.
pub fn send(pid: u32, signal: Signal) {
    let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
        return;
    };
    if let Err(error) = kill_process(pid, signal)
        && error != rustix::io::Errno::SRCH
    {
        tracing::warn!(%error, pid = pid.as_raw_nonzero(), "a signal could not be sent");
    }
}
