//! The newcomer's six steps over HTTP and with the `gotrs` command.

use anyhow::{Context as _, ensure};
use e2e::platform::Platform;
use e2e::tenant::{PASSWORD, email};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

const LAPTOP: &str = include_str!("../fixtures/laptop.yaml");
const LAPTOP_WITH_NOTE: &str = include_str!("../fixtures/laptop-with-note.yaml");
const LAPTOP_BAD_LAMBDA: &str = include_str!("../fixtures/laptop-bad-lambda.yaml");
const WHO: &str = include_str!("../fixtures/who.yaml");
const LAPTOP_BROKEN: &str = include_str!("../fixtures/laptop-broken.yaml");

#[tokio::test]
async fn a_newcomer_gets_from_nothing_to_a_live_screen() -> anyhow::Result<()> {
    let folder = e2e::platform::folder()?;
    let data = folder.path().join("data");
    let platform = Platform::start(&data).await?;
    platform.sign_up("acme").await?;
    the_owner_may_look_at_the_tenant(&platform).await?;
    administration_works(&platform).await?;
    a_module_is_live_without_a_restart(&platform).await?;
    a_broken_version_is_refused_with_every_finding(&platform).await?;
    a_lambda_reads_tables_but_no_secrets(&platform).await?;
    let address = platform.address;
    platform.stop().await?;

    let platform = Platform::start_on(&data, address).await?;
    platform.wait_until_active("acme").await?;
    everything_is_still_there(&platform).await?;
    let left: Vec<i32> = platform.processes();
    platform.stop().await?;
    for pid in left {
        ensure!(
            !std::path::Path::new(&format!("/proc/{pid}")).exists(),
            "process {pid} outlived a graceful stop"
        );
    }
    Ok(())
}

async fn the_owner_may_look_at_the_tenant(platform: &Platform) -> anyhow::Result<()> {
    let token = platform.console_token("acme").await?;
    let answer = platform
        .console(Method::GET, "/v1/tenants/acme")
        .bearer_auth(&token)
        .send()
        .await?;
    let tenant: Value = answer.json().await?;
    ensure!(tenant["phase"] == "Active", "{tenant}");
    ensure!(tenant["url"] == platform.tenant_url("acme"), "{tenant}");
    let ready = tenant["conditions"]
        .as_array()
        .context("conditions")?
        .iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    ensure!(ready, "{tenant}");
    Ok(())
}

async fn administration_works(platform: &Platform) -> anyhow::Result<()> {
    let token = platform.agent_token("acme").await?;
    let call = |method, path: &'static str, body| platform.call("acme", &token, method, path, body);

    let (status, queues) = call(Method::GET, "/admin/queue?sort=name&order=asc", None).await?;
    ensure!(
        status == StatusCode::OK && queues["success"] == true,
        "{status} {queues}"
    );
    ensure!(queues["total"] == 4, "the stock queues: {queues}");
    let names: Vec<&str> = queues["data"]
        .as_array()
        .context("data")?
        .iter()
        .filter_map(|row| row["name"].as_str())
        .collect();
    ensure!(names == ["Junk", "Misc", "Postmaster", "Raw"], "{names:?}");

    let (status, created) = call(
        Method::POST,
        "/admin/priority",
        Some(json!({ "name": "6 on fire" })),
    )
    .await?;
    ensure!(status.is_success(), "{status} {created}");
    let (status, refused) = call(
        Method::POST,
        "/admin/priority",
        Some(json!({ "name": "6 on fire" })),
    )
    .await?;
    ensure!(
        status == StatusCode::UNPROCESSABLE_ENTITY || status == StatusCode::CONFLICT,
        "{status} {refused}"
    );

    let (_, found) = call(Method::GET, "/admin/priority?search=fire", None).await?;
    ensure!(found["total"] == 1, "{found}");
    let id = found["data"][0]["id"].as_i64().context("an id")?;
    let path = format!("/admin/priority/{id}");
    let (status, changed) = platform
        .call(
            "acme",
            &token,
            Method::PUT,
            &path,
            Some(json!({ "name": "6 burning" })),
        )
        .await?;
    ensure!(status == StatusCode::OK, "{status} {changed}");
    let (_, one) = platform
        .call("acme", &token, Method::GET, &path, None)
        .await?;
    ensure!(one["data"]["name"] == "6 burning", "{one}");

    let (_, filtered) = call(Method::GET, "/admin/state?filter_type_id=3", None).await?;
    ensure!(filtered["total"] == 2, "closed states: {filtered}");

    let (status, disabled) = platform
        .call("acme", &token, Method::DELETE, &path, None)
        .await?;
    ensure!(status.is_success(), "{status} {disabled}");
    let (_, one) = platform
        .call("acme", &token, Method::GET, &path, None)
        .await?;
    ensure!(
        one["data"]["valid_id"] == 2,
        "a soft delete only invalidates: {one}"
    );

    let export = platform
        .tenant("acme", Method::GET, "/admin/priority/export")
        .bearer_auth(&token)
        .send()
        .await?;
    ensure!(
        export.headers()["content-type"]
            .to_str()?
            .starts_with("text/csv"),
        "{:?}",
        export.headers()
    );
    let text = export.text().await?;
    ensure!(
        text.contains("6 burning") && text.contains("3 normal"),
        "{text}"
    );

    let (status, missing) = call(Method::GET, "/admin/queue/999999", None).await?;
    ensure!(
        status == StatusCode::NOT_FOUND && missing["code"] == "not_found",
        "{status} {missing}"
    );
    Ok(())
}

async fn a_module_is_live_without_a_restart(platform: &Platform) -> anyhow::Result<()> {
    let cookie = platform.sign_in_to_page("acme").await?;
    let mut events = platform
        .tenant("acme", Method::GET, "/events")
        .header("cookie", &cookie)
        .send()
        .await?;
    ensure!(events.status() == StatusCode::OK, "{}", events.status());

    let signed_in = platform
        .gotrs(&["login", "--email", &email("acme")])
        .await?;
    ensure!(signed_in.status.success(), "{signed_in:?}");
    push(platform, LAPTOP, 0).await?;

    let told = async {
        let mut text = String::new();
        while let Some(chunk) = events.chunk().await? {
            text.push_str(&String::from_utf8_lossy(&chunk));
            if text.contains("event: modules") || text.contains("event:modules") {
                return Ok(());
            }
        }
        anyhow::bail!("the stream ended with {text:?}")
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), told)
        .await
        .context("the open page is told")??;
    let menu = platform
        .tenant("acme", Method::GET, "/admin")
        .header("cookie", &cookie)
        .send()
        .await?
        .text()
        .await?;
    ensure!(
        menu.contains("/admin/laptop"),
        "the new screen is in the menu"
    );

    let token = platform.agent_token("acme").await?;
    let body = json!({ "model": "T14", "price": 1000, "bought": "2026-01-31" });
    let (status, created) = platform
        .call("acme", &token, Method::POST, "/admin/laptop", Some(body))
        .await?;
    ensure!(status.is_success(), "{status} {created}");
    let (_, list) = platform
        .call("acme", &token, Method::GET, "/admin/laptop", None)
        .await?;
    ensure!(
        list["data"][0]["gross"] == json!(1190) || list["data"][0]["gross"] == "1190.00",
        "computed: {list}"
    );

    // A column more: the table grows, the record stays.
    push(platform, LAPTOP_WITH_NOTE, 0).await?;
    let (status, changed) = platform
        .call(
            "acme",
            &token,
            Method::PUT,
            "/admin/laptop/1",
            Some(json!({ "model": "T14", "note": "loaned" })),
        )
        .await?;
    ensure!(status == StatusCode::OK, "{status} {changed}");
    let (_, one) = platform
        .call("acme", &token, Method::GET, "/admin/laptop/1", None)
        .await?;
    ensure!(
        one["data"]["note"] == "loaned" && one["data"]["model"] == "T14",
        "{one}"
    );
    Ok(())
}

async fn a_broken_version_is_refused_with_every_finding(platform: &Platform) -> anyhow::Result<()> {
    let said = push(platform, LAPTOP_BROKEN, 1).await?;
    for finding in [
        "laptop.yaml:7:26",
        "laptop.yaml:8:40",
        "laptop.yaml:10:5",
        "^^^^^^",
    ] {
        ensure!(said.contains(finding), "{finding} is not in:\n{said}");
    }
    let said = push(platform, LAPTOP_BAD_LAMBDA, 1).await?;
    ensure!(
        said.contains("laptop.yaml:16:26"),
        "the place is the file's, not the lambda's:\n{said}"
    );
    let token = platform.agent_token("acme").await?;
    let (status, list) = platform
        .call("acme", &token, Method::GET, "/admin/laptop", None)
        .await?;
    ensure!(
        status == StatusCode::OK && list["total"] == 1,
        "the old version keeps serving: {status} {list}"
    );
    Ok(())
}

/// Under the lambda role that the platform made, which nothing but this test has.
async fn a_lambda_reads_tables_but_no_secrets(platform: &Platform) -> anyhow::Result<()> {
    push(platform, WHO, 0).await?;
    let token = platform.agent_token("acme").await?;
    let body = json!({ "login": email("acme") });
    let (status, created) = platform
        .call("acme", &token, Method::POST, "/admin/who", Some(body))
        .await?;
    ensure!(status.is_success(), "{status} {created}");
    let (_, list) = platform
        .call("acme", &token, Method::GET, "/admin/who", None)
        .await?;
    let row = &list["data"][0];
    let known = row["known"].as_str().unwrap_or_default();
    ensure!(
        known.starts_with("1 ") && known.ends_with(" kept") && row["password"] == "refused",
        "{list}"
    );
    Ok(())
}

async fn everything_is_still_there(platform: &Platform) -> anyhow::Result<()> {
    let token = platform.agent_token("acme").await?;
    let (_, list) = platform
        .call("acme", &token, Method::GET, "/admin/laptop", None)
        .await?;
    ensure!(
        list["total"] == 1 && list["data"][0]["note"] == "loaned",
        "{list}"
    );
    let versions = platform
        .gotrs(&["module", "versions", "acme", "laptop", "--output", "json"])
        .await?;
    ensure!(versions.status.success(), "{versions:?}");
    let versions: Value = serde_json::from_slice(&versions.stdout)?;
    let items = versions["items"]
        .as_array()
        .or(versions.as_array())
        .context("a list of versions")?;
    ensure!(items.len() == 2, "{versions:?}");
    Ok(())
}

/// Pushes a module file and returns what the command said.
async fn push(platform: &Platform, yaml: &str, expected: i32) -> anyhow::Result<String> {
    let file = platform.data.join("laptop.yaml");
    std::fs::write(&file, yaml)?;
    let output = platform
        .gotrs(&["module", "push", "acme", &file.to_string_lossy()])
        .await?;
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        output.status.code() == Some(expected),
        "exit {:?} instead of {expected}:\n{said}",
        output.status.code()
    );
    ensure!(!said.contains(PASSWORD), "a password was printed");
    Ok(said)
}
