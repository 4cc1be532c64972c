//! Keeps the server of a private cluster running, and stops it in order.

use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use service_kit::Tasks;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Child;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::postgres::cluster::{command, ensure_cluster};
use crate::postgres::pid_file::PidFile;
use crate::postgres::{Settings, socket};
use crate::process::record::ProcessRecord;
use crate::process::spawner::Spawner;
use crate::process::{EndStep, end_process, send};

/// Only part of the socket's name: the server listens on no TCP port.
pub const PORT: u16 = 5432;

/// Recovery after a crash replays the log since the last checkpoint; that is seconds, on a slow disk minutes.
const START_LIMIT: Duration = Duration::from_mins(2);
/// How often the server's own word (`postmaster.pid`) is read while it starts.
const POLL: Duration = Duration::from_millis(10);
/// A server that lived this long was fine; what ends it then is a new misfortune, not the old one.
const STABLE: Duration = Duration::from_mins(1);
/// Starts in a row that fail before the whole process gives up.
const ATTEMPTS: u32 = 10;

/// Fast (ends sessions, writes a checkpoint), then immediate (recovers at the next start), then by force.
const STOP: [EndStep; 3] = [
    EndStep {
        signal: Signal::INT,
        patience: Duration::from_secs(15),
    },
    EndStep {
        signal: Signal::QUIT,
        patience: Duration::from_secs(5),
    },
    EndStep {
        signal: Signal::KILL,
        patience: Duration::from_secs(5),
    },
];

/// What is known of the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    /// It is being started (again).
    Starting,
    /// It takes connections.
    Ready {
        /// The server process.
        pid: u32,
    },
}

/// Makes the cluster if need be, ends a server that an earlier start has left, starts ours and keeps it running
/// until `tasks` stop. Returns once it takes connections.
pub async fn start(
    settings: Settings,
    spawner: Spawner,
    tasks: &Tasks,
) -> anyhow::Result<watch::Receiver<ServerState>> {
    end_leftover(&settings).await?;
    socket::ensure_folder(&settings)?;
    ensure_cluster(&settings, &spawner).await?;
    let server = Server {
        settings: Arc::new(settings),
        spawner,
        tasks: tasks.clone(),
        state: watch::Sender::new(ServerState::Starting),
    };
    let state = server.state.subscribe();
    let first = server.start_once().await?;
    tasks.spawn_service("postgres", server.keep_running(first));
    Ok(state)
}

/// A server whose parent was killed gets SIGINT from the kernel and stops by itself; this waits for it or hurries it.
async fn end_leftover(settings: &Settings) -> anyhow::Result<()> {
    let Some(file) = PidFile::read(&settings.cluster) else {
        return Ok(());
    };
    let Some(record) = file.running(&settings.cluster) else {
        if ProcessRecord::of(file.pid).is_ok() {
            // The number is another's by now, and PostgreSQL would take that one for a server. Only then: the file
            // also tells the next server about shared memory that is still in use.
            let stale = settings.cluster.join("postmaster.pid");
            std::fs::remove_file(&stale)
                .with_context(|| format!("removing the stale {}", stale.display()))?;
        }
        return Ok(());
    };
    tracing::warn!(
        pid = record.pid,
        "a PostgreSQL server of this data folder was left over; stopping it"
    );
    if end_process(&record, &STOP).await {
        Ok(())
    } else {
        bail!(
            "process {} still uses the cluster {}; end it and try again",
            record.pid,
            settings.cluster.display()
        )
    }
}

struct Server {
    settings: Arc<Settings>,
    spawner: Spawner,
    tasks: Tasks,
    state: watch::Sender<ServerState>,
}

impl Server {
    /// Starts the server and waits until it takes connections.
    async fn start_once(&self) -> anyhow::Result<Child> {
        let mut command = command(&self.settings, "postgres");
        command.arg("-D").arg(&self.settings.cluster);
        for setting in server_settings(&self.settings) {
            command.arg("-c").arg(setting);
        }
        command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        let mut child = self
            .spawner
            .spawn(command, Signal::INT)
            .await
            .context("starting postgres")?;
        let pid = child.id().context("postgres ended at once")?;
        self.forward_log(&mut child);
        let deadline = Instant::now() + START_LIMIT;
        loop {
            if let Some(status) = child.try_wait().context("looking after postgres")? {
                bail!("postgres ended while it started ({status}); its log lines above say why");
            }
            if PidFile::read(&self.settings.cluster).is_some_and(|f| f.pid == pid && f.ready) {
                break;
            }
            if Instant::now() > deadline {
                stop(&mut child, pid).await;
                bail!("postgres was not ready within {} s", START_LIMIT.as_secs());
            }
            tokio::time::sleep(POLL).await;
        }
        self.state.send_replace(ServerState::Ready { pid });
        tracing::info!(pid, "PostgreSQL is ready");
        Ok(child)
    }

    async fn keep_running(self, mut child: Child) -> anyhow::Result<()> {
        let stopping = self.tasks.stopping();
        let mut failures = 0;
        let mut started = Instant::now();
        loop {
            let pid = child.id();
            tokio::select! {
                () = stopping.cancelled() => {
                    if let Some(pid) = pid {
                        stop(&mut child, pid).await;
                    }
                    return Ok(());
                }
                status = child.wait() => {
                    self.state.send_replace(ServerState::Starting);
                    match status {
                        Ok(status) => tracing::error!(%status, "PostgreSQL ended; starting it again"),
                        Err(error) => tracing::error!(%error, "PostgreSQL was lost; starting it again"),
                    }
                }
            }
            if started.elapsed() > STABLE {
                failures = 0;
            }
            child = loop {
                failures += 1;
                if failures > ATTEMPTS {
                    bail!("PostgreSQL could not be started {ATTEMPTS} times in a row");
                }
                let pause = backoff(failures);
                tokio::select! {
                    () = stopping.cancelled() => return Ok(()),
                    () = tokio::time::sleep(pause) => {}
                }
                match self.start_once().await {
                    Ok(child) => break child,
                    Err(error) => {
                        tracing::error!(error = format!("{error:#}"), "PostgreSQL did not start");
                    }
                }
            };
            started = Instant::now();
        }
    }

    fn forward_log(&self, child: &mut Child) {
        let Some(stderr) = child.stderr.take() else {
            return;
        };
        self.tasks.spawn("postgres log", async move {
            let mut lines = BufReader::new(stderr).lines();
            while let Ok(Some(line)) = lines.next_line().await {
                log_line(&line);
            }
        });
    }
}

/// At once after the first failure (recovery is quick), then longer and longer, up to 5 s.
fn backoff(failures: u32) -> Duration {
    Duration::from_millis(50)
        .saturating_mul(2_u32.saturating_pow(failures.saturating_sub(1)))
        .min(Duration::from_secs(5))
}

async fn stop(child: &mut Child, pid: u32) {
    for step in STOP {
        send(pid, step.signal);
        match tokio::time::timeout(step.patience, child.wait()).await {
            Ok(Ok(status)) => {
                tracing::info!(%status, "PostgreSQL has stopped");
                return;
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "PostgreSQL was lost while it stopped");
                return;
            }
            Err(_elapsed) => {
                tracing::warn!(signal = ?step.signal, "PostgreSQL does not stop; trying harder");
            }
        }
    }
}

/// `LEVEL:  text`; PostgreSQL's LOG is for the person who looks after the server, not for ours.
fn log_line(line: &str) {
    match line.split_once(":  ") {
        Some(("PANIC" | "FATAL" | "ERROR", text)) => tracing::error!(target: "postgres", "{text}"),
        Some(("WARNING", text)) => tracing::warn!(target: "postgres", "{text}"),
        _ => tracing::debug!(target: "postgres", "{line}"),
    }
}

fn server_settings(settings: &Settings) -> Vec<String> {
    [
        "listen_addresses=",
        "unix_socket_permissions=0700",
        "password_encryption=scram-sha-256",
        // Nothing that was answered is lost, whatever is killed.
        "fsync=on",
        "synchronous_commit=on",
        "full_page_writes=on",
        // Each tenant's runtime holds up to a few, and releases what is idle; an unused slot costs some kilobytes.
        "max_connections=500",
        // Making or dropping a tenant locks its 122 tables with their indexes and sequences in one transaction.
        "max_locks_per_transaction=256",
        "shared_buffers=128MB",
        // Short statements only: compiling them costs more than it brings.
        "jit=off",
        "timezone=UTC",
        "log_timezone=UTC",
        "log_destination=stderr",
        "logging_collector=off",
        "log_line_prefix=",
        "log_checkpoints=off",
        "log_min_messages=warning",
        // A refused row is the caller's business and has been told there; statements may hold people's data.
        "log_min_error_statement=panic",
    ]
    .into_iter()
    .map(str::to_owned)
    .chain([
        format!("port={PORT}"),
        // Means nothing to PostgreSQL; in a list of processes it tells whose server this is.
        format!("gotrs.data_folder={}", settings.data_folder.display()),
        format!("unix_socket_directories={}", settings.socket.display()),
    ])
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pause_grows_and_is_bounded() {
        assert_eq!(backoff(1), Duration::from_millis(50));
        assert_eq!(backoff(3), Duration::from_millis(200));
        assert_eq!(backoff(60), Duration::from_secs(5));
    }
}
