//! One tenant's server as a child process: start, watch, stop.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use domain::id::TenantId;
use domain::name::TenantSlug;
use module_engine::config::SandboxArgs;
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use service_kit::Tasks;
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::process::record::ProcessRecord;
use crate::process::spawner::Spawner;
use crate::process::{EndStep, end_process, send};
use crate::supervisor::decide::ServerSpec;
use crate::supervisor::log;

/// A start takes some 100 ms; a machine that starts a hundred of them at once is slow.
const START_LIMIT: Duration = Duration::from_mins(1);
/// How often a starting server is asked whether it is ready.
const PROBE_EVERY: Duration = Duration::from_millis(10);
/// How long one probe may take.
const PROBE_LIMIT: Duration = Duration::from_secs(2);
/// How often a ready server is asked whether it is alive.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// Answers that may be missing before a server counts as hanging.
const CHECKS_MISSED: u32 = 3;
/// Requests under way may finish; streams are told to end.
const STOP_PATIENCE: Duration = Duration::from_secs(10);

/// Leftovers of a parent that was killed: nobody reaches them any more.
const LEFTOVER: [EndStep; 2] = [
    EndStep {
        signal: Signal::TERM,
        patience: Duration::from_secs(3),
    },
    EndStep {
        signal: Signal::KILL,
        patience: Duration::from_secs(3),
    },
];

/// How every tenant's server is started.
#[derive(Debug, Clone)]
pub struct RuntimeSettings {
    /// The program and its first arguments.
    pub program: Vec<OsString>,
    /// Where it finds the control plane.
    pub control_plane_url: String,
    /// `http` or `https`, and the port, of the addresses people use.
    pub public_scheme: &'static str,
    /// `None` for the scheme's own.
    pub public_port: Option<u16>,
    /// One folder per tenant, for modules.
    pub tenants: PathBuf,
    /// What is true of running processes only.
    pub run: PathBuf,
    /// The filter of our own log.
    pub log: String,
    /// Where traces go.
    pub otlp_endpoint: Option<String>,
    /// Where lambdas run.
    pub sandbox: SandboxArgs,
}

/// What only this tenant's server may know.
#[derive(Debug, Clone)]
pub struct RuntimeSecrets {
    /// Sign-in of the runtime role.
    pub database_url: SecretString,
    /// Sign-in of the lambda role.
    pub lambda_database_url: SecretString,
    /// For the control plane.
    pub runtime_token: SecretString,
}

/// What the server writes into its address file.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Addresses {
    listen: SocketAddr,
    internal: SocketAddr,
    pid: u32,
}

/// `run/tenants/<id>.json`: for the next start, and for people who look.
#[derive(Debug, Serialize)]
struct RunRecord<'a> {
    #[serde(flatten)]
    process: &'a ProcessRecord,
    slug: &'a TenantSlug,
    listen: Option<SocketAddr>,
    internal: Option<SocketAddr>,
}

/// What happened to a server.
#[derive(Debug)]
pub(crate) enum Event {
    /// It answers on this address.
    Ready(SocketAddr),
    /// It ended.
    Exited(ExitStatus),
    /// It did not become ready in time, or does not answer any more.
    Hangs,
}

/// A running server.
#[derive(Debug)]
pub(crate) struct Runtime {
    child: Child,
    pid: u32,
    started: Instant,
    slug: TenantSlug,
    process: Option<ProcessRecord>,
    run_file: PathBuf,
    address_file: PathBuf,
    addresses: Option<Addresses>,
    ready: bool,
    checks_missed: u32,
    http: reqwest::Client,
}

/// Which tenant's server, and how it is started.
pub(crate) struct Start<'a> {
    pub(crate) tenant: TenantId,
    pub(crate) slug: &'a TenantSlug,
    pub(crate) spec: &'a ServerSpec,
    pub(crate) secrets: &'a RuntimeSecrets,
    /// Trace (W3C) of the request that wanted it, if one did.
    pub(crate) trace_parent: Option<&'a str>,
}

/// Ends the servers that an earlier start has left and forgets them.
pub(crate) async fn end_leftovers(run: &Path) -> anyhow::Result<()> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(run).context("reading the folder of running servers")? {
        let path = entry
            .context("reading the folder of running servers")?
            .path();
        found.push(async move {
            if let Some(record) = ProcessRecord::load(&path)
                && record.is_alive()
            {
                tracing::warn!(
                    pid = record.pid,
                    "a tenant's server was left over; stopping it"
                );
                if !end_process(&record, &LEFTOVER).await {
                    tracing::error!(pid = record.pid, "a leftover server does not end");
                }
            }
            if let Err(error) = std::fs::remove_file(&path) {
                tracing::debug!(%error, file = %path.display(), "a leftover file stays");
            }
        });
    }
    futures_util::future::join_all(found).await;
    Ok(())
}

impl Runtime {
    /// Starts the process; it is not ready yet.
    pub(crate) async fn start(
        start: Start<'_>,
        settings: &RuntimeSettings,
        spawner: &Spawner,
        tasks: &Tasks,
        http: reqwest::Client,
    ) -> anyhow::Result<Self> {
        let run_file = settings.run.join(format!("{}.json", start.tenant));
        let address_file = settings.run.join(format!("{}.address", start.tenant));
        remove_if_there(&address_file)?;
        let started = Instant::now();
        let mut child = spawner
            .spawn(command(&start, settings, &address_file)?, Signal::KILL)
            .await
            .context("starting the server")?;
        let pid = child.id().context("the server ended at once")?;
        if let Some(stderr) = child.stderr.take() {
            log::forward(tasks, start.slug.clone(), stderr);
        }
        let mut runtime = Self {
            child,
            pid,
            started,
            slug: start.slug.clone(),
            process: ProcessRecord::of(pid).ok(),
            run_file,
            address_file,
            addresses: None,
            ready: false,
            checks_missed: 0,
            http,
        };
        runtime.save();
        Ok(runtime)
    }

    pub(crate) const fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) fn age(&self) -> Duration {
        self.started.elapsed()
    }

    /// Waits until something happens to the server. May be dropped and called again at any time.
    pub(crate) async fn next_event(&mut self) -> Event {
        let watched = async {
            if self.ready {
                loop {
                    tokio::time::sleep(CHECK_EVERY).await;
                    if answers(&self.http, self.addresses, "livez").await {
                        self.checks_missed = 0;
                    } else {
                        self.checks_missed += 1;
                        if self.checks_missed >= CHECKS_MISSED {
                            return Event::Hangs;
                        }
                    }
                }
            }
            let deadline = self.started + START_LIMIT;
            loop {
                if self.addresses.is_none() {
                    self.addresses = read_addresses(&self.address_file, self.pid);
                }
                if let Some(addresses) = self.addresses
                    && answers(&self.http, self.addresses, "readyz").await
                {
                    return Event::Ready(addresses.listen);
                }
                if Instant::now() > deadline {
                    return Event::Hangs;
                }
                tokio::time::sleep(PROBE_EVERY).await;
            }
        };
        let event = tokio::select! {
            // A server that has ended cannot be ready, whatever it said before.
            biased;
            status = self.child.wait() => match status {
                Ok(status) => Event::Exited(status),
                Err(error) => {
                    tracing::error!(%error, tenant.slug = %self.slug, "the server was lost");
                    Event::Hangs
                }
            },
            event = watched => event,
        };
        if matches!(event, Event::Ready(_)) {
            self.ready = true;
            self.save();
        }
        event
    }

    /// Lets requests under way finish, then ends the process by force.
    pub(crate) async fn stop(mut self) {
        send(self.pid, Signal::TERM);
        if tokio::time::timeout(STOP_PATIENCE, self.child.wait())
            .await
            .is_err()
        {
            tracing::warn!(tenant.slug = %self.slug, "the server does not stop; ending it by force");
            self.kill().await;
        }
        self.forget();
    }

    /// Ends the process by force.
    pub(crate) async fn kill(&mut self) {
        if let Err(error) = self.child.kill().await {
            tracing::warn!(%error, tenant.slug = %self.slug, "the server could not be killed");
        }
    }

    /// Removes what was true of the running process.
    pub(crate) fn forget(&self) {
        for path in [&self.run_file, &self.address_file] {
            if let Err(error) = remove_if_there(path) {
                tracing::debug!(error = format!("{error:#}"), "a file of a server stays");
            }
        }
    }

    fn save(&mut self) {
        let Some(process) = &self.process else {
            return;
        };
        let record = RunRecord {
            process,
            slug: &self.slug,
            listen: self.addresses.map(|addresses| addresses.listen),
            internal: self.addresses.map(|addresses| addresses.internal),
        };
        let outcome = serde_json::to_vec(&record)
            .map_err(std::io::Error::other)
            .and_then(|text| crate::process::record::replace(&self.run_file, &text));
        if let Err(error) = outcome {
            // The kernel's death signal still ends the child with us.
            tracing::warn!(%error, tenant.slug = %self.slug, "the record of the server could not be written");
        }
    }
}

fn remove_if_there(path: &Path) -> anyhow::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", path.display()))
        }
        _ => Ok(()),
    }
}

/// The file of this very process; one of an earlier process names another.
fn read_addresses(path: &Path, pid: u32) -> Option<Addresses> {
    let addresses: Addresses = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    (addresses.pid == pid).then_some(addresses)
}

async fn answers(http: &reqwest::Client, addresses: Option<Addresses>, path: &str) -> bool {
    let Some(addresses) = addresses else {
        return false;
    };
    let request = http
        .get(format!("http://{}/{path}", addresses.internal))
        .timeout(PROBE_LIMIT);
    request
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
}

fn command(
    start: &Start<'_>,
    settings: &RuntimeSettings,
    address_file: &Path,
) -> anyhow::Result<Command> {
    let (program, first_arguments) = settings
        .program
        .split_first()
        .context("which program is the server?")?;
    let data = settings.tenants.join(start.tenant.to_string());
    std::fs::create_dir_all(&data)
        .with_context(|| format!("making the folder {}", data.display()))?;
    let port = settings.public_port.map(|port| format!(":{port}"));
    let mut command = Command::new(program);
    command
        .args(first_arguments)
        // Not secret, and tells people who look at a list of processes what this one is.
        .arg(format!("--tenant-slug={}", start.slug))
        .arg("--data-dir")
        .arg(&data)
        .arg("--address-file")
        .arg(address_file)
        // Our own environment holds settings of the same names and other meanings.
        .env_clear()
        .env("GOTRS_TENANT_ID", start.tenant.to_string())
        .env("GOTRS_TENANT_NAME", &start.spec.name)
        .env("GOTRS_TENANT_PLAN", start.spec.plan.as_str())
        .env(
            "GOTRS_PUBLIC_URL",
            format!(
                "{}://{}{}",
                settings.public_scheme,
                start.spec.main_host,
                port.unwrap_or_default()
            ),
        )
        .env("GOTRS_CONTROL_PLANE_URL", &settings.control_plane_url)
        .env(
            "GOTRS_DATABASE_URL",
            start.secrets.database_url.expose_secret(),
        )
        .env(
            "GOTRS_LAMBDA_DATABASE_URL",
            start.secrets.lambda_database_url.expose_secret(),
        )
        .env(
            "GOTRS_RUNTIME_TOKEN",
            start.secrets.runtime_token.expose_secret(),
        )
        .env(
            "GOTRS_LAMBDA_EXECUTOR",
            settings.sandbox.lambda_executor.as_str(),
        )
        .env("GOTRS_LOG", &settings.log)
        .env("GOTRS_LOG_FORMAT", "json")
        // Each arena of the allocator costs memory in every tenant's process.
        .env("MALLOC_ARENA_MAX", "2")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    if let Some(endpoint) = &settings.otlp_endpoint {
        command.env("GOTRS_OTLP_ENDPOINT", endpoint);
    }
    if let Some(trace_parent) = start.trace_parent {
        command.env("GOTRS_TRACE_PARENT", trace_parent);
    }
    if let Some(worker) = &settings.sandbox.lambda_worker {
        command.env("GOTRS_LAMBDA_WORKER", worker);
    }
    Ok(command)
}
