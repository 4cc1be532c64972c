//! The operator as a process under test, beside an [`ApiServer`] and a database of the test server.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use reqwest::Client;
use rustix::process::Signal;
use serde_json::{Map, Value, json};
use tokio::process::{Child, Command};

use crate::api_server::{ApiServer, PLATFORM};
use crate::platform::{PATIENCE, send};

/// What is different from the operator of most tests.
#[derive(Debug, Default)]
pub struct Difference {
    /// Laid over what it is told about the cluster.
    pub cluster: Map<String, Value>,
    /// Beside its own variables.
    pub environment: Vec<(&'static str, String)>,
}

/// A running operator; killed when dropped.
#[derive(Debug)]
pub struct Operator {
    process: Child,
    internal: u16,
    log: PathBuf,
}

impl Operator {
    /// Starts it. `lease` is the name of its Lease: whoever follows a killed operator waits for the end of that, unless it works
    /// under another one. `arguments` go behind `operator run`.
    pub fn start(
        api: &ApiServer,
        folder: &Path,
        database_url: &str,
        lease: &str,
        arguments: &[String],
    ) -> anyhow::Result<Self> {
        Self::start_with(
            api,
            folder,
            database_url,
            lease,
            arguments,
            Difference::default(),
        )
    }

    /// The same, with a difference.
    pub fn start_with(
        api: &ApiServer,
        folder: &Path,
        database_url: &str,
        lease: &str,
        arguments: &[String],
        difference: Difference,
    ) -> anyhow::Result<Self> {
        let internal = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let cluster = folder.join("cluster.json");
        let mut facts = json!({
            "baseDomain": "example.test",
            "namespace": PLATFORM,
            "runtime": {"repository": "localhost/tenant-runtime", "version": "1.0.0"},
            "controlPlane": {"url": format!("http://control-plane.{PLATFORM}.svc:8080"), "port": 8080},
            "network": {
                "postgres": [{"to": {"range": "10.1.0.5/32"}, "port": 5432}],
                "s3": [{"to": {"pods": {"namespace": "storage", "labels": {"app": "s3"}}}, "port": 9000}],
                "clusterRanges": ["10.0.0.0/8"],
            },
        });
        if let Some(facts) = facts.as_object_mut() {
            facts.extend(difference.cluster);
        }
        std::fs::write(&cluster, facts.to_string())?;
        let log = folder.join(format!("operator-{lease}.log"));
        let mut command = Command::new(crate::platform::program("operator")?);
        command
            .args([
                "run",
                "--lease",
                lease,
                "--internal-listen",
                &format!("127.0.0.1:{internal}"),
            ])
            .arg("--cluster-config")
            .arg(&cluster)
            .args(arguments)
            .env("KUBECONFIG", api.operator_kubeconfig())
            .env("GOTRS_DATABASE_URL", database_url)
            .env("GOTRS_LOG", "info,kube=warn")
            .envs(difference.environment);
        Ok(Self {
            process: launch(command, &log)?,
            internal,
            log,
        })
    }

    /// Waits until it could lead: it stands by where another one does.
    pub async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.internal);
        let client = Client::builder().no_proxy().build()?;
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("the operator ended with {status}; its log:\n{}", self.log());
            }
            let answer = client.get(&url).timeout(PATIENCE).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the operator is not ready; its log:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until it leads and works.
    pub async fn wait_until_leading(&mut self) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("the operator ended with {status}; its log:\n{}", self.log());
            }
            if self.metric("operator_leading").await == Some(1.0) {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "the operator does not lead; its log:\n{}",
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The sum of a metric over its labels; `None` where it is not told.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.internal);
        let answer = Client::builder()
            .no_proxy()
            .build()
            .ok()?
            .get(url)
            .send()
            .await
            .ok()?;
        let text = answer.text().await.ok()?;
        text.lines()
            .filter_map(|line| {
                let (series, value) = line.rsplit_once(' ')?;
                let found = series.split('{').next()?;
                (found == name).then(|| value.parse::<f64>().ok())?
            })
            .reduce(|sum, value| sum + value)
    }

    /// Its memory, in KiB.
    pub fn resident_kib(&self) -> anyhow::Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid()?))?;
        status
            .lines()
            .find_map(|line| {
                line.strip_prefix("VmRSS:")?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse()
                    .ok()
            })
            .context("no VmRSS")
    }

    /// Processor time that it has used, user and system together.
    pub fn processor_time(&self) -> anyhow::Result<Duration> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid()?))?;
        let (_, rest) = stat.rsplit_once(')').context("stat")?;
        // utime and stime are fields 14 and 15 of all, in hundredths of a second.
        let ticks: u64 = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<_, _>>()?;
        Ok(Duration::from_millis(ticks * 10))
    }

    fn pid(&self) -> anyhow::Result<i32> {
        let id = self.process.id().context("the operator has ended")?;
        Ok(i32::try_from(id)?)
    }

    /// Stops it where it is, as a machine does that is paused, until [`Self::thaw`].
    pub fn freeze(&self) -> anyhow::Result<()> {
        send(self.pid()?, Signal::STOP)
    }

    /// Lets it go on; it does not know for how long it slept.
    pub fn thaw(&self) -> anyhow::Result<()> {
        send(self.pid()?, Signal::CONT)
    }

    /// Waits for its end; an error where it does not come in time.
    pub async fn ended(&mut self) -> anyhow::Result<ExitStatus> {
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        Ok(ended
            .with_context(|| format!("the operator does not end; its log:\n{}", self.log()))??)
    }

    /// Whether it has ended, and how.
    pub fn has_ended(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        Ok(self.process.try_wait()?)
    }

    /// SIGTERM, then waits for the orderly end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        send(self.pid()?, Signal::TERM)?;
        let status = self.ended().await?;
        ensure!(
            status.success(),
            "the operator ended with {status}; its log:\n{}",
            self.log()
        );
        Ok(())
    }

    /// `kill -9`.
    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.process.kill().await.context("killing the operator")
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// `operator report` of a tenant to standard output, as somebody calls it in the operator's pod: with its rights and its settings.
/// The operator of the same `folder` was started before.
pub async fn report(
    api: &ApiServer,
    folder: &Path,
    database_url: &str,
    tenant: &str,
) -> anyhow::Result<Output> {
    let url = folder.join("database-url");
    std::fs::write(&url, database_url)?;
    let mut command = Command::new(crate::platform::program("operator")?);
    command
        .args(["report", tenant, "--output", "-"])
        .env("KUBECONFIG", api.operator_kubeconfig())
        .env("GOTRS_CLUSTER_CONFIG", folder.join("cluster.json"))
        .env("GOTRS_DATABASE_URL_FILE", url)
        .stdin(Stdio::null())
        .kill_on_drop(true);
    tokio::time::timeout(PATIENCE, command.output())
        .await
        .context("operator report does not end")?
        .context("starting operator report")
}

/// Starts a program whose output goes to a file. It is ended with us, also where we are killed.
pub(crate) fn launch(command: Command, log: &Path) -> anyhow::Result<Child> {
    let command = command.into_std();
    let output = std::fs::File::options()
        .create(true)
        .append(true)
        .open(log)?;
    let mut dying = Command::new("setpriv");
    dying
        .args(["--pdeathsig", "KILL", "--"])
        .arg(command.get_program())
        .args(command.get_args());
    for (key, value) in command.get_envs() {
        match value {
            Some(value) => dying.env(key, value),
            None => dying.env_remove(key),
        };
    }
    dying
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output)
        .kill_on_drop(true)
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().to_string_lossy()))
}
