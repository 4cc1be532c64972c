//! A tenant's data leaves as one file, and comes to life again elsewhere.

use std::path::Path;
use std::process::Output;

use anyhow::{Context as _, ensure};
use e2e::browser::{Browser, Look};
use e2e::platform::{Platform, json as read_json};
use e2e::tenant::{PASSWORD, email};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use test_kit::postgres::{TestDatabase, texts};

const LAPTOP: &str = include_str!("../fixtures/laptop.yaml");
/// What is looked for on the other side.
const MODEL: &str = "Traveller 9000";

#[tokio::test]
async fn a_tenant_is_exported_downloaded_and_imported() -> anyhow::Result<()> {
    let folder = e2e::platform::folder()?;
    let platform = Platform::start(&folder.path().join("data")).await?;
    platform.sign_up("acme").await?;
    let token = platform.console_token("acme").await?;
    a_record_is_made(&platform, &token).await?;

    let id = an_export_is_made(&platform, &token).await?;
    the_link_leads_to_it(&platform, &token, &id).await?;
    let file = folder.path().join("acme.tar.zst");
    the_command_downloads(&platform, &file).await?;
    the_record_is_imported(&platform, &file).await?;
    platform.stop().await
}

#[tokio::test]
async fn an_owner_makes_an_export_on_the_page() -> anyhow::Result<()> {
    let folder = e2e::platform::folder()?;
    let platform = Platform::start(&folder.path().join("data")).await?;
    platform.sign_up("acme").await?;
    for (look, name) in [
        (Look::Light, "light"),
        (Look::Dark, "dark"),
        (Look::Phone, "phone"),
    ] {
        let browser = Browser::start(look).await?;
        let outcome = card(&platform, &browser, name).await;
        if outcome.is_err() {
            browser.screenshot("exports-failure").await?;
        }
        browser.quit().await?;
        outcome?;
    }
    platform.stop().await
}

async fn card(platform: &Platform, browser: &Browser, name: &str) -> anyhow::Result<()> {
    let console = platform.console_url();
    browser.driver.goto(format!("{console}/sign-in")).await?;
    browser.fill("input[name=email]", &email("acme")).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("main form button[type=submit]").await?;
    browser.wait_for("main a[href^='/tenants/acme']").await?;
    let page = format!("{console}/tenants/acme");
    browser.driver.goto(&page).await?;
    browser.wait_for("#exports").await?;
    if name == "light" {
        browser.wait_for_text("No export was made yet").await?;
        browser.inspect("console-exports-empty").await?;
        browser.click("#exports form button[type=submit]").await?;
        // The card looks by itself how far it is.
        browser.wait_for("[data-export=ready]").await?;
    }
    let link = browser
        .wait_for("[data-export=ready] a[href$='/download']")
        .await?;
    link.focus().await?;
    browser.inspect(&format!("console-exports-{name}")).await?;
    // The form is back, for the next one.
    browser
        .wait_for("#exports form button[type=submit]")
        .await?;
    Ok(())
}

async fn a_record_is_made(platform: &Platform, token: &str) -> anyhow::Result<()> {
    let answer = platform
        .console(Method::PUT, "/v1/tenants/acme/modules/laptop?wait=live")
        .bearer_auth(token)
        .header("content-type", "application/yaml")
        .body(LAPTOP)
        .send()
        .await?;
    ensure!(answer.status() == StatusCode::CREATED, "{answer:?}");
    let agent = platform.agent_token("acme").await?;
    let record = json!({"model": MODEL, "price": 1000});
    let (status, made) = platform
        .call("acme", &agent, Method::POST, "/admin/laptop", Some(record))
        .await?;
    ensure!(status.is_success(), "{status} {made}");
    Ok(())
}

async fn get(platform: &Platform, token: &str, path: &str) -> anyhow::Result<(StatusCode, Value)> {
    let answer = platform
        .console(Method::GET, path)
        .bearer_auth(token)
        .send()
        .await?;
    Ok((answer.status(), read_json(answer).await?))
}

async fn an_export_is_made(platform: &Platform, token: &str) -> anyhow::Result<String> {
    let answer = platform
        .console(Method::POST, "/v1/tenants/acme/export")
        .bearer_auth(token)
        .header("idempotency-key", "the first")
        .send()
        .await?;
    let status = answer.status();
    let tenant = read_json(answer).await?;
    ensure!(status == StatusCode::OK, "{status} {tenant}");
    let id = tenant["last_export"]["id"].as_str().context("an id")?;
    let path = format!("/v1/tenants/acme/exports/{id}");
    let ready = platform
        .eventually("the export is there", || async {
            let (_, export) = get(platform, token, &path).await.ok()?;
            (export["state"] != "requested" && export["state"] != "running").then_some(export)
        })
        .await?;
    ensure!(ready["state"] == "ready", "{ready}");
    ensure!(ready["sha256"].is_string(), "{ready}");
    Ok(id.to_owned())
}

async fn the_link_leads_to_it(platform: &Platform, token: &str, id: &str) -> anyhow::Result<()> {
    let path = format!("/v1/tenants/acme/exports/{id}/download");
    let (status, link) = get(platform, token, &path).await?;
    ensure!(status == StatusCode::OK, "{status} {link}");
    let url = link["url"].as_str().context("a link")?;
    // Nobody but the link is asked who comes.
    let answer = platform.client.get(url).send().await?;
    ensure!(answer.status() == StatusCode::OK, "{answer:?}");
    let archive = answer.bytes().await?;
    ensure!(
        Some(archive.len() as u64) == link["size"].as_u64(),
        "{link}"
    );
    // What a Zstandard file begins with.
    ensure!(archive.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]));
    let bare = url.split('?').next().context("a URL")?;
    let refused = platform.client.get(bare).send().await?;
    ensure!(refused.status() == StatusCode::FORBIDDEN, "{refused:?}");
    Ok(())
}

fn succeeded(output: &Output) -> anyhow::Result<String> {
    ensure!(
        output.status.success(),
        "{}: {}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(String::from_utf8(output.stdout.clone())?)
}

async fn the_command_downloads(platform: &Platform, file: &Path) -> anyhow::Result<()> {
    let file = file.to_str().context("a path")?;
    let login = ["login", "--email", &email("acme")];
    succeeded(&platform.gotrs(&login).await?)?;
    let export = [
        "tenant", "export", "acme", "--file", file, "--output", "json",
    ];
    let told: Value = serde_json::from_str(&succeeded(&platform.gotrs(&export).await?)?)?;
    ensure!(told["export"]["state"] == "ready", "{told}");
    let size = std::fs::metadata(file)?.len();
    ensure!(told["export"]["size"] == size, "{told}, {size} bytes");
    // It is never written over.
    let again = platform.gotrs(&export).await?;
    ensure!(again.status.code() == Some(1), "{again:?}");
    let list = ["tenant", "exports", "acme", "--output", "json"];
    let list: Value = serde_json::from_str(&succeeded(&platform.gotrs(&list).await?)?)?;
    ensure!(
        list["items"]
            .as_array()
            .is_some_and(|items| items.len() == 2),
        "{list}"
    );
    let unknown = platform.gotrs(&["tenant", "export", "nobody"]).await?;
    ensure!(unknown.status.code() == Some(1), "{unknown:?}");
    Ok(())
}

/// Into a database of its own, as on another platform: the platform's own is nobody's business.
async fn the_record_is_imported(platform: &Platform, file: &Path) -> anyhow::Result<()> {
    const ID: &str = "0198c0de-0000-7000-8000-00000000002a";
    let database = TestDatabase::create().await?;
    let url = database.url();
    let file = file.to_str().context("a path")?;
    let import = [
        "tenant",
        "import",
        file,
        "--id",
        ID,
        "--database-url",
        &url,
        "--output",
        "json",
    ];
    let told: Value = serde_json::from_str(&succeeded(&platform.gotrs(&import).await?)?)?;
    ensure!(
        told["id"] == ID && told["rows"].as_u64() > Some(100),
        "{told}"
    );
    let schema = format!("t_{}", ID.replace('-', ""));
    let found = texts(&url, &format!("SELECT model FROM {schema}.x_laptop")).await?;
    ensure!(found == [MODEL], "{found:?}");
    let owner = format!(
        "SELECT login FROM {schema}.users WHERE login = '{}'",
        email("acme")
    );
    let owner = texts(&url, &owner).await?;
    ensure!(owner.len() == 1, "the first administrator came along");

    // Somebody lives there now; damage, nobody's place, and no database at all are told apart.
    let again = platform.gotrs(&import).await?;
    ensure!(again.status.code() == Some(1), "{again:?}");
    let damaged = platform.data.join("damaged.tar.zst");
    let content = std::fs::read(file)?;
    std::fs::write(&damaged, content.get(..content.len() / 2).context("half")?)?;
    let damaged = damaged.to_str().context("a path")?;
    let cut = platform
        .gotrs(&["tenant", "import", damaged, "--database-url", &url])
        .await?;
    ensure!(cut.status.code() == Some(1), "{cut:?}");
    let nowhere = "postgres://nobody@127.0.0.1:1/nothing";
    let away = platform
        .gotrs(&["tenant", "import", file, "--database-url", nowhere])
        .await?;
    ensure!(away.status.code() == Some(3), "{away:?}");
    let usage = platform.gotrs(&["tenant", "import", file]).await?;
    ensure!(usage.status.code() == Some(2), "{usage:?}");
    database.drop_database().await
}
