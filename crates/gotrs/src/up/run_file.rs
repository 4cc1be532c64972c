//! `run/up.json`: what a running platform says about itself, for tests and for people who look.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde::Serialize;
use service_kit::Tasks;
use tokio::sync::watch;

use crate::postgres::server::ServerState;
use crate::process::record::replace;

const NAME: &str = "up.json";

/// No secrets: these are in the folder `secrets`.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RunFile {
    /// The parent process.
    pub(super) pid: u32,
    /// The router.
    pub(super) listen: SocketAddr,
    /// `/livez`, `/readyz`, `/metrics`.
    pub(super) internal: SocketAddr,
    /// Console and API without the router.
    pub(super) control_plane: SocketAddr,
    /// The endpoint.
    pub(super) s3: String,
    /// The folder of the embedded PostgreSQL's socket.
    pub(super) postgres_socket: Option<PathBuf>,
    /// The embedded PostgreSQL's first process.
    pub(super) postgres_pid: Option<u32>,
}

/// Writes the file now, and again whenever PostgreSQL was started again.
pub(super) fn keep(
    tasks: &Tasks,
    folder: PathBuf,
    mut file: RunFile,
    postgres: Option<watch::Receiver<ServerState>>,
) -> anyhow::Result<()> {
    let Some(mut postgres) = postgres else {
        return write(&folder, &file);
    };
    file.postgres_pid = pid(*postgres.borrow_and_update());
    write(&folder, &file)?;
    let stopping = tasks.stopping();
    tasks.spawn("run file", async move {
        loop {
            tokio::select! {
                changed = postgres.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
            file.postgres_pid = pid(*postgres.borrow_and_update());
            if let Err(error) = write(&folder, &file) {
                tracing::warn!(error = format!("{error:#}"), "run/up.json is out of date");
            }
        }
    });
    Ok(())
}

/// Nothing of it is true any more.
pub(super) fn remove(folder: &Path) {
    if let Err(error) = std::fs::remove_file(folder.join(NAME)) {
        tracing::debug!(%error, "run/up.json stays");
    }
}

const fn pid(state: ServerState) -> Option<u32> {
    match state {
        ServerState::Ready { pid } => Some(pid),
        ServerState::Starting => None,
    }
}

fn write(folder: &Path, file: &RunFile) -> anyhow::Result<()> {
    let text = serde_json::to_vec_pretty(file).context("writing run/up.json")?;
    replace(&folder.join(NAME), &text).context("writing run/up.json")
}
