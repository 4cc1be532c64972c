//! `gotrs up` as a process under test.

use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::{Client, Method, RequestBuilder};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// How long anything may take before a test gives up; far above what is promised, so that a busy machine is no failure.
pub const PATIENCE: Duration = Duration::from_mins(1);

/// A running platform with a data folder of its own.
#[derive(Debug)]
pub struct Platform {
    process: Child,
    /// Where its data lives.
    pub data: PathBuf,
    /// Where the router listens.
    pub address: SocketAddr,
    /// Follows no redirects, keeps no cookies.
    pub client: Client,
    /// One session per tenant: signing in again and again is what rate limits are for.
    pub(crate) agents: Mutex<HashMap<String, String>>,
}

/// `run/up.json`: what a running platform says about itself.
#[derive(Debug, Deserialize)]
pub struct RunFile {
    /// The parent process.
    pub pid: i32,
    /// The embedded PostgreSQL's postmaster.
    pub postgres_pid: Option<i32>,
}

impl Platform {
    /// Starts the platform on a free port and waits until it serves.
    pub async fn start(data: &Path) -> anyhow::Result<Self> {
        Self::start_on(data, free_address()?).await
    }

    /// Starts the platform on a given address.
    pub async fn start_on(data: &Path, address: SocketAddr) -> anyhow::Result<Self> {
        Self::launch(data, address, &[]).await
    }

    /// Starts the platform on a free port, with more variables in its environment.
    pub async fn start_with(data: &Path, environment: &[(&str, String)]) -> anyhow::Result<Self> {
        Self::launch(data, free_address()?, environment).await
    }

    async fn launch(
        data: &Path,
        address: SocketAddr,
        environment: &[(&str, String)],
    ) -> anyhow::Result<Self> {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(log_file(data)?)?;
        let process = Command::new(gotrs()?)
            .args(["up", "--data"])
            .arg(data)
            .args(["--listen", &address.to_string()])
            .env("GOTRS_LOG", "info")
            .envs(
                environment
                    .iter()
                    .map(|(name, value)| (name, value.as_str())),
            )
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .context("starting gotrs up")?;
        let client = client(address)?;
        let mut platform = Self {
            process,
            data: data.to_owned(),
            address,
            client,
            agents: Mutex::default(),
        };
        platform.wait_until_ready().await?;
        Ok(platform)
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("gotrs up ended with {status}; its log:\n{}", self.log());
            }
            let answer = self.console(Method::GET, "/").send().await;
            if answer.is_ok_and(|answer| {
                answer.status().is_success() || answer.status().is_redirection()
            }) {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "gotrs up is not ready; its log:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// What the platform has logged so far.
    pub fn log(&self) -> String {
        log_file(&self.data)
            .and_then(|file| Ok(std::fs::read_to_string(file)?))
            .unwrap_or_default()
    }

    /// The console's URL, as a person types it.
    pub fn console_url(&self) -> String {
        format!("http://localhost:{}", self.address.port())
    }

    /// A tenant's URL.
    pub fn tenant_url(&self, slug: &str) -> String {
        format!("http://{slug}.localhost:{}", self.address.port())
    }

    /// A request to the console or the control plane's API.
    pub fn console(&self, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.console_url()))
    }

    /// A request to a tenant's server.
    pub fn tenant(&self, slug: &str, method: Method, path: &str) -> RequestBuilder {
        self.client
            .request(method, format!("{}{path}", self.tenant_url(slug)))
    }

    /// Runs the `gotrs` command against this platform, with a configuration folder of its own.
    pub async fn gotrs(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        let config = self.data.join("cli");
        Command::new(gotrs()?)
            .args(arguments)
            .env("GOTRS_URL", self.console_url())
            .env("XDG_CONFIG_HOME", &config)
            .env("NO_COLOR", "1")
            .env("GOTRS_PASSWORD", crate::tenant::PASSWORD)
            .stdin(Stdio::null())
            .output()
            .await
            .context("starting gotrs")
    }

    /// What the platform says about its processes.
    pub fn run_file(&self) -> anyhow::Result<RunFile> {
        let text = std::fs::read_to_string(self.data.join("run/up.json"))
            .context("reading run/up.json")?;
        serde_json::from_str(&text).context("reading run/up.json")
    }

    /// Every live process that belongs to this platform: those whose command line names its data folder.
    pub fn processes(&self) -> Vec<i32> {
        let data = self.data.to_string_lossy().into_owned();
        let mut found = Vec::new();
        for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
            let Some(pid) = entry
                .file_name()
                .to_str()
                .and_then(|name| name.parse().ok())
            else {
                continue;
            };
            let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            if String::from_utf8_lossy(&line).contains(&data) {
                found.push(pid);
            }
        }
        found
    }

    /// The parent's process id.
    pub fn pid(&self) -> i32 {
        self.process
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .unwrap_or_default()
    }

    /// Ctrl-C, then waits for the end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        send(self.pid(), Signal::INT)?;
        let status = tokio::time::timeout(PATIENCE, self.process.wait())
            .await
            .context("stopping")??;
        ensure!(
            status.success(),
            "gotrs up ended with {status}; its log:\n{}",
            self.log()
        );
        Ok(())
    }

    /// `kill -9` of the parent.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("killing the parent")
    }

    /// Polls until `check` gives a value.
    pub async fn eventually<T, F>(
        &self,
        what: &str,
        mut check: impl FnMut() -> F,
    ) -> anyhow::Result<T>
    where
        F: Future<Output = Option<T>>,
    {
        let started = Instant::now();
        loop {
            if let Some(value) = check().await {
                return Ok(value);
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{what}: not within {PATIENCE:?}; the log:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// An address of loopback that nobody uses now.
pub fn free_address() -> anyhow::Result<SocketAddr> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?)
}

/// A folder for one test. PostgreSQL's own user must be able to pass through it.
pub fn folder() -> anyhow::Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::Builder::new().prefix("gotrs-e2e-").tempdir()?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

/// Sends a signal to one process.
pub fn send(pid: i32, signal: Signal) -> anyhow::Result<()> {
    let pid = Pid::from_raw(pid).context("not a process id")?;
    kill_process(pid, signal).with_context(|| format!("sending {signal:?} to {pid:?}"))
}

/// Reads an answer's JSON, with the status in the error when it is none.
pub async fn json(answer: reqwest::Response) -> anyhow::Result<Value> {
    let (status, text) = (answer.status(), answer.text().await?);
    serde_json::from_str(&text).with_context(|| format!("{status}: {text}"))
}

/// The program under test: `GOTRS_BIN`, or the one that cargo built beside this test.
fn gotrs() -> anyhow::Result<PathBuf> {
    #[expect(
        clippy::disallowed_methods,
        reason = "a test has no command line of its own"
    )]
    if let Ok(path) = std::env::var("GOTRS_BIN") {
        return Ok(path.into());
    }
    program("gotrs")
}

/// A program that cargo built beside this one.
pub(crate) fn program(name: &str) -> anyhow::Result<PathBuf> {
    // Beside a program (the bench), one folder up from a test in `deps/`.
    let this = std::env::current_exe()?;
    this.ancestors()
        .skip(1)
        .take(2)
        .map(|folder| folder.join(name))
        .find(|path| path.exists())
        .with_context(|| {
            format!(
                "there is no {name} near {}: cargo build -p {name}",
                this.display()
            )
        })
}

fn log_file(data: &Path) -> anyhow::Result<PathBuf> {
    std::fs::create_dir_all(data)?;
    let name = data
        .file_name()
        .context("a data folder has a name")?
        .to_string_lossy()
        .into_owned();
    Ok(data.with_file_name(format!("{name}.log")))
}

/// Nothing resolves `*.localhost` on a bare machine, browsers aside.
fn client(address: SocketAddr) -> anyhow::Result<Client> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(Duration::from_secs(30))
        .resolve("localhost", address);
    for slug in ["acme", "beta", "demo", "unknown"] {
        builder = builder.resolve(&format!("{slug}.localhost"), address);
    }
    builder.build().context("making an HTTP client")
}
