//! Any other program of ours as a process under test.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use tokio::process::{Child, Command};

use crate::platform::{PATIENCE, send};

/// A running program; killed when dropped.
#[derive(Debug)]
pub struct Service {
    process: Child,
    name: String,
    log: PathBuf,
}

impl Service {
    /// Starts a program that cargo built beside this test, such as `control-plane` with the arguments `["serve"]`. Its log is `NAME.log`
    /// in the folder.
    pub fn start(
        program: &str,
        arguments: &[&str],
        environment: &[(&str, String)],
        folder: &Path,
        name: &str,
    ) -> anyhow::Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new(crate::platform::program(program)?);
        command.args(arguments).envs(
            environment
                .iter()
                .map(|(name, value)| (name, value.as_str())),
        );
        Ok(Self {
            process: crate::operator::launch(command, &log)?,
            name: name.to_owned(),
            log,
        })
    }

    /// Waits until this address answers with success, such as its `/readyz`.
    pub async fn wait_until_ready(&mut self, url: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        let client = reqwest::Client::builder().no_proxy().build()?;
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("{} ended with {status}; {}", self.name, self.log());
            }
            let answer = client.get(url).timeout(PATIENCE).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return Ok(());
            }
            ensure!(
                started.elapsed() < PATIENCE,
                "{} is not ready; {}",
                self.name,
                self.log()
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until it has ended by itself, and well.
    pub async fn ended(&mut self) -> anyhow::Result<()> {
        let ended = tokio::time::timeout(PATIENCE, self.process.wait()).await;
        let status = ended.with_context(|| format!("{} does not end", self.name))??;
        ensure!(
            status.success(),
            "{} ended with {status}; {}",
            self.name,
            self.log()
        );
        Ok(())
    }

    /// SIGTERM, then waits for the orderly end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        let id = self.process.id().context("it has ended")?;
        send(i32::try_from(id)?, Signal::TERM)?;
        self.ended().await
    }

    /// The end of its log.
    pub fn log(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().rev().take(40).collect();
        let lines: Vec<&str> = lines.into_iter().rev().collect();
        format!("its log:\n{}", lines.join("\n"))
    }
}
