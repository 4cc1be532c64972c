//! `kill -9` of each process in turn: it comes back, and nothing is lost or orphaned.

use std::path::Path;

use anyhow::{Context as _, ensure};
use e2e::platform::{Platform, send};
use reqwest::Method;
use rustix::process::Signal;
use serde_json::json;

#[tokio::test]
async fn every_process_may_be_killed() -> anyhow::Result<()> {
    let folder = e2e::platform::folder()?;
    let data = folder.path().join("data");
    let mut platform = Platform::start(&data).await?;
    platform.sign_up("acme").await?;
    create_priority(&platform, "before").await?;

    let postgres = platform
        .run_file()?
        .postgres_pid
        .context("an embedded PostgreSQL")?;
    let children: Vec<i32> = platform
        .processes()
        .into_iter()
        .filter(|pid| *pid != platform.pid() && *pid != postgres)
        .collect();
    ensure!(
        !children.is_empty(),
        "the tenant's server is a process of its own"
    );
    for pid in children {
        send(pid, Signal::KILL)?;
    }
    priority_is_there(&platform, "before").await?;
    create_priority(&platform, "after the runtime").await?;

    send(postgres, Signal::KILL)?;
    priority_is_there(&platform, "after the runtime").await?;
    create_priority(&platform, "after PostgreSQL").await?;

    let (before, address) = (platform.processes(), platform.address);
    platform.kill().await?;
    platform = {
        let orphans = || {
            before
                .iter()
                .filter(|pid| Path::new(&format!("/proc/{pid}/exe")).exists())
                .count()
        };
        let started = std::time::Instant::now();
        while orphans() > 0 {
            ensure!(
                started.elapsed() < e2e::platform::PATIENCE,
                "{} process(es) were orphaned",
                orphans()
            );
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
        Platform::start_on(&data, address).await?
    };
    for name in ["before", "after the runtime", "after PostgreSQL"] {
        priority_is_there(&platform, name).await?;
    }
    platform.stop().await
}

async fn create_priority(platform: &Platform, name: &str) -> anyhow::Result<()> {
    platform
        .eventually("a record can be created", || async {
            let token = platform.agent_token("acme").await.ok()?;
            let body = Some(json!({ "name": name }));
            let (status, _) = platform
                .call("acme", &token, Method::POST, "/admin/priority", body)
                .await
                .ok()?;
            // A request that died half-way may have been carried out.
            (status.is_success() || status.as_u16() == 422 || status.as_u16() == 409).then_some(())
        })
        .await
}

async fn priority_is_there(platform: &Platform, name: &str) -> anyhow::Result<()> {
    platform
        .eventually("the record is there", || async {
            let token = platform.agent_token("acme").await.ok()?;
            let (_, list) = platform
                .call(
                    "acme",
                    &token,
                    Method::GET,
                    "/admin/priority?page_size=100",
                    None,
                )
                .await
                .ok()?;
            list["data"]
                .as_array()?
                .iter()
                .any(|row| row["name"] == name)
                .then_some(())
        })
        .await
}
