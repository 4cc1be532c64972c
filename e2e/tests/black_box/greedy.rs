//! A module that uses up all that it may: it is suspended, its owner is told why, and nobody else notices.

use std::time::Instant;

use anyhow::{Context as _, ensure};
use e2e::platform::{PATIENCE, Platform};
use e2e::tenant::email;
use futures_util::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const GREEDY: &str = include_str!("../fixtures/greedy.yaml");
/// Memory that a server may keep of eight lambdas which took 32 MiB each, one after the other or two at a time.
const MAY_STAY_MIB: u64 = 128;

#[tokio::test]
async fn a_module_at_its_limits_is_suspended_and_others_do_not_notice() -> anyhow::Result<()> {
    let folder = e2e::platform::folder()?;
    let platform = Platform::start(&folder.path().join("data")).await?;
    platform.sign_up("acme").await?;
    let signed_in = platform
        .gotrs(&["login", "--email", &email("acme")])
        .await?;
    ensure!(signed_in.status.success(), "{signed_in:?}");
    push(&platform, GREEDY).await?;
    let token = platform.agent_token("acme").await?;
    for title in ["fine", "grow"] {
        let body = Some(json!({ "title": title }));
        let made = call(&platform, &token, Method::POST, "/admin/greedy", body).await?;
        ensure!(made.0.is_success(), "{made:?}");
    }
    let before = resident_mib(&platform)?;

    // Its own records do not come in time; those of others do, meanwhile.
    let greedy = async {
        let calls = (0..8).map(|_| call(&platform, &token, Method::GET, "/admin/greedy", None));
        join_all(calls).await
    };
    let others = async {
        for _ in 0..10 {
            let (status, list) = call(&platform, &token, Method::GET, "/admin/queue", None).await?;
            ensure!(
                status == StatusCode::OK && list["total"] == 4,
                "{status} {list}"
            );
        }
        anyhow::Ok(())
    };
    let (lists, others) = tokio::time::timeout(PATIENCE, async { tokio::join!(greedy, others) })
        .await
        .context("everything ends")?;
    others?;
    for list in lists {
        let (status, list) = list?;
        ensure!(status == StatusCode::OK, "{status} {list}");
        let record = of(&list, "grow")?;
        ensure!(
            record["sum"].is_null() && record["sum_error"]["code"].is_string(),
            "{record}"
        );
    }
    let after = resident_mib(&platform)?;
    ensure!(
        after < before + MAY_STAY_MIB,
        "memory returns: {before} MiB before, {after} MiB after"
    );

    // It goes on like this, so it is suspended. Its records stay readable, and what a hook must check is refused.
    let reason = platform
        .eventually("the module is suspended", || async {
            let (_, list) = call(&platform, &token, Method::GET, "/admin/greedy", None)
                .await
                .ok()?;
            list["suspension"]["reason"].as_str().map(str::to_owned)
        })
        .await?;
    ensure!(
        reason.contains("hit limits 10 times")
            && reason.contains("computed_fields[0].lambda, line "),
        "{reason}"
    );
    let body = Some(json!({ "title": "" }));
    let (status, refused) = call(
        &platform,
        &token,
        Method::POST,
        "/admin/greedy",
        body.clone(),
    )
    .await?;
    ensure!(
        status == StatusCode::SERVICE_UNAVAILABLE && refused["code"] == "module_suspended",
        "{status} {refused}"
    );
    let (status, _) = call(
        &platform,
        &token,
        Method::POST,
        "/admin/priority",
        Some(json!({ "name": "6 on fire" })),
    )
    .await?;
    ensure!(status.is_success(), "other modules go on: {status}");

    // The owner sees it with the command too: the runtime has told the control plane.
    let said = platform
        .eventually("the control plane knows", || async {
            let status = platform
                .gotrs(&["module", "status", "acme", "greedy"])
                .await
                .ok()?;
            let text = String::from_utf8_lossy(&status.stdout).into_owned();
            (text.contains("suspended") && !status.status.success()).then_some(text)
        })
        .await?;
    ensure!(said.contains("hit limits 10 times"), "{said}");
    let list = platform.gotrs(&["module", "list", "acme"]).await?;
    ensure!(
        String::from_utf8_lossy(&list.stdout).contains("suspended"),
        "{list:?}"
    );

    // A corrected version runs at once.
    push(&platform, &GREEDY.replace("item.title === 'grow'", "false")).await?;
    let (_, list) = call(&platform, &token, Method::GET, "/admin/greedy", None).await?;
    ensure!(
        of(&list, "grow")?["sum"] == 7 && list["suspension"].is_null(),
        "{list}"
    );
    let (status, refused) = call(&platform, &token, Method::POST, "/admin/greedy", body).await?;
    ensure!(
        status == StatusCode::UNPROCESSABLE_ENTITY && refused["code"] == "invalid",
        "the hook has its say again: {status} {refused}"
    );
    platform.stop().await
}

/// Calls the tenant's API, again while the server says that it is not available for the moment.
async fn call(
    platform: &Platform,
    token: &str,
    method: Method,
    path: &str,
    body: Option<Value>,
) -> anyhow::Result<(StatusCode, Value)> {
    let started = Instant::now();
    loop {
        let (status, answer) = platform
            .call("acme", token, method.clone(), path, body.clone())
            .await?;
        // On a machine with too much to do the database is slow to answer; that is not what this is about.
        let is_busy = status == StatusCode::SERVICE_UNAVAILABLE && answer["code"] == "unavailable";
        if !is_busy || started.elapsed() > PATIENCE {
            return Ok((status, answer));
        }
    }
}

fn of<'a>(list: &'a Value, title: &str) -> anyhow::Result<&'a Value> {
    list["data"]
        .as_array()
        .and_then(|records| records.iter().find(|record| record["title"] == title))
        .with_context(|| format!("a record {title} in {list}"))
}

/// Pushes and waits until it is live.
async fn push(platform: &Platform, yaml: &str) -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let file = folder.path().join("greedy.yaml");
    std::fs::write(&file, yaml)?;
    let file = file.to_string_lossy().into_owned();
    let pushed = platform.gotrs(&["module", "push", "acme", &file]).await?;
    ensure!(pushed.status.success(), "{pushed:?}");
    Ok(())
}

/// What the servers of tenants hold: every process of the platform but the parent and PostgreSQL.
fn resident_mib(platform: &Platform) -> anyhow::Result<u64> {
    let postgres = platform.run_file()?.postgres_pid;
    let mut kib = 0;
    for pid in platform.processes() {
        if pid == platform.pid() || Some(pid) == postgres {
            continue;
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let resident = status
            .lines()
            .find_map(|line| line.strip_prefix("VmRSS:"))
            .and_then(|text| text.split_whitespace().next()?.parse::<u64>().ok());
        kib += resident.unwrap_or_default();
    }
    ensure!(kib > 0, "the tenant's server is a process of its own");
    Ok(kib / 1024)
}
