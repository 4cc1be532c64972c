//! A real headless Chromium, driven over the `WebDriver` protocol.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use thirtyfour::prelude::*;
use tokio::process::{Child, Command};

/// One line per thing that keeps people from using the page.
const RUN_AXE: &str = "
    const done = arguments[arguments.length - 1];
    axe.run(document, { resultTypes: ['violations'] }).then(
      ({ violations }) => done(violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, help, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html} ${failureSummary}`))),
      (error) => done(['axe-core failed: ' + error]),
    );
";

/// Chromedriver and one window.
#[derive(Debug)]
pub struct Browser {
    driver_process: Child,
    /// The window.
    pub driver: WebDriver,
    screenshots: PathBuf,
    _profile: tempfile::TempDir,
}

/// What the reader of a page prefers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// A desktop window, light.
    Light,
    /// A desktop window, dark.
    Dark,
    /// A phone's width, light.
    Phone,
}

impl Browser {
    /// Starts a browser with an empty profile.
    pub async fn start(look: Look) -> anyhow::Result<Self> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?
            .local_addr()?
            .port();
        let driver_process = Command::new("chromedriver")
            .arg(format!("--port={port}"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("starting chromedriver (make test installs it)")?;
        let profile = tempfile::tempdir()?;
        let mut capabilities = DesiredCapabilities::chrome();
        for argument in [
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--hide-scrollbars",
            "--window-size=1280,900",
        ] {
            capabilities.add_arg(argument)?;
        }
        capabilities.add_arg(&format!("--user-data-dir={}", profile.path().display()))?;
        if look == Look::Phone {
            // No window of Chromium is as narrow as a phone; an emulated screen is.
            capabilities.add_experimental_option(
                "mobileEmulation",
                serde_json::json!({ "deviceMetrics": { "width": 390, "height": 844, "pixelRatio": 2.0 } }),
            )?;
        }
        if look == Look::Dark {
            // What a person's system setting does to `prefers-color-scheme`.
            capabilities.add_arg("--blink-settings=preferredColorScheme=0")?;
        }
        let started = Instant::now();
        let driver = loop {
            match WebDriver::new(&format!("http://127.0.0.1:{port}"), capabilities.clone()).await {
                Ok(driver) => break driver,
                Err(error) => {
                    ensure!(
                        started.elapsed() < Duration::from_secs(30),
                        "the browser does not start: {error}"
                    );
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
        };
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .parent()
            .context("e2e is below the root")?;
        let screenshots = root.join("test-output/screenshots");
        std::fs::create_dir_all(&screenshots)?;
        Ok(Self {
            driver_process,
            driver,
            screenshots,
            _profile: profile,
        })
    }

    /// Saves what the window shows as `test-output/screenshots/<name>.png`.
    pub async fn screenshot(&self, name: &str) -> anyhow::Result<()> {
        self.driver
            .screenshot(&self.screenshots.join(format!("{name}.png")))
            .await
            .context("taking a screenshot")
    }

    /// Saves a screenshot and has axe-core look at the page: nothing serious may be wrong with it.
    pub async fn inspect(&self, name: &str) -> anyhow::Result<()> {
        self.screenshot(name).await?;
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let axe = root.join("crates/service-kit/assets/node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&axe)
            .with_context(|| format!("reading {} (cargo xtask assets)", axe.display()))?;
        self.driver.execute(axe, Vec::new()).await?;
        let found = self
            .driver
            .execute_async(RUN_AXE, Vec::new())
            .await
            .context("running axe-core")?;
        let found: Vec<String> = found.convert()?;
        ensure!(
            found.is_empty(),
            "axe-core finds on {name}:\n{}",
            found.join("\n")
        );
        Ok(())
    }

    /// Waits until an element is there and visible.
    pub async fn wait_for(&self, css: &str) -> anyhow::Result<WebElement> {
        self.driver
            .query(By::Css(css))
            .wait(Duration::from_secs(30), Duration::from_millis(50))
            .and_displayed()
            .first()
            .await
            .with_context(|| format!("waiting for {css}"))
    }

    /// Replaces the text of a field.
    pub async fn fill(&self, css: &str, text: &str) -> anyhow::Result<()> {
        let field = self.wait_for(css).await?;
        field.clear().await?;
        field
            .send_keys(text)
            .await
            .with_context(|| format!("typing into {css}"))
    }

    /// Clicks an element once it is there.
    pub async fn click(&self, css: &str) -> anyhow::Result<()> {
        self.wait_for(css)
            .await?
            .click()
            .await
            .with_context(|| format!("clicking {css}"))
    }

    /// Waits until the page's text contains `text`.
    pub async fn wait_for_text(&self, text: &str) -> anyhow::Result<()> {
        let started = Instant::now();
        loop {
            let shown = match self.driver.find(By::Tag("body")).await {
                Ok(body) => body.text().await.unwrap_or_default(),
                Err(_) => String::new(),
            };
            if shown.contains(text) {
                return Ok(());
            }
            ensure!(
                started.elapsed() < Duration::from_secs(30),
                "{text:?} does not appear; the page says:\n{shown}"
            );
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Ends the browser.
    pub async fn quit(mut self) -> anyhow::Result<()> {
        self.driver
            .clone()
            .quit()
            .await
            .context("closing the window")?;
        self.driver_process
            .kill()
            .await
            .context("ending chromedriver")
    }
}
