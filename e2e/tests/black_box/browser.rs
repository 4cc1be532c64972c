//! The six steps once more, as a person with a browser.

use anyhow::{Context as _, ensure};
use e2e::browser::{Browser, Look};
use e2e::platform::Platform;
use e2e::tenant::{PASSWORD, email};

const LAPTOP: &str = include_str!("../fixtures/laptop.yaml");

#[tokio::test]
async fn a_person_signs_up_and_sees_a_new_screen_appear() -> anyhow::Result<()> {
    let folder = e2e::platform::folder()?;
    let platform = Platform::start(&folder.path().join("data")).await?;
    let browser = Browser::start(Look::Light).await?;
    let outcome = walk(&platform, &browser).await;
    if outcome.is_err() {
        browser.screenshot("failure").await?;
    }
    browser.quit().await?;
    outcome?;

    for (look, name) in [(Look::Dark, "dark"), (Look::Phone, "phone")] {
        let browser = Browser::start(look).await?;
        let outcome = tour(&platform, &browser, name).await;
        browser.quit().await?;
        outcome?;
    }
    platform.stop().await
}

async fn walk(platform: &Platform, browser: &Browser) -> anyhow::Result<()> {
    browser.driver.goto(platform.console_url()).await?;
    browser.inspect("console-landing").await?;
    browser
        .driver
        .goto(format!("{}/signup", platform.console_url()))
        .await?;
    browser.fill("input[name=organization]", "Acme").await?;
    browser.fill("input[name=slug]", "acme").await?;
    browser.fill("input[name=email]", &email("acme")).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.inspect("console-signup").await?;
    browser.click("main form button[type=submit]").await?;
    browser.wait_for("a[href*='/dev/mail']").await?;
    browser.inspect("console-check-mail").await?;

    let token = platform.token_from_mail(&email("acme")).await?;
    browser
        .driver
        .goto(format!("{}/dev/mail", platform.console_url()))
        .await?;
    browser.wait_for_text(&email("acme")).await?;
    browser.inspect("console-mail").await?;
    browser
        .driver
        .goto(format!(
            "{}/signup/verify?token={token}",
            platform.console_url()
        ))
        .await?;
    confirm_if_asked(browser).await?;
    browser.wait_for_text("Migrations").await?;
    browser.inspect("console-progress").await?;
    platform.wait_until_active("acme").await?;
    browser
        .wait_for(&format!("a[href^='{}']", platform.tenant_url("acme")))
        .await?;
    browser.inspect("console-ready").await?;

    browser.driver.goto(platform.tenant_url("acme")).await?;
    sign_in(browser).await?;
    browser.inspect("tenant-agent").await?;
    browser
        .driver
        .goto(format!("{}/admin", platform.tenant_url("acme")))
        .await?;
    browser.wait_for_text("Queues").await?;
    browser.inspect("tenant-admin").await?;

    // The menu of this open page changes by itself.
    let file = platform.data.join("laptop.yaml");
    std::fs::write(&file, LAPTOP)?;
    let login = platform
        .gotrs(&["login", "--email", &email("acme")])
        .await?;
    ensure!(login.status.success(), "{login:?}");
    let push = platform
        .gotrs(&["module", "push", "acme", &file.to_string_lossy()])
        .await?;
    ensure!(push.status.success(), "{push:?}");
    browser
        .wait_for("nav a[href='/admin/laptop']")
        .await
        .context("the new screen is in the menu of the open page")?;
    browser.inspect("tenant-menu-grew").await?;

    browser
        .driver
        .goto(format!("{}/admin/laptop", platform.tenant_url("acme")))
        .await?;
    browser.inspect("tenant-list-empty").await?;
    browser
        .driver
        .goto(format!("{}/admin/laptop/new", platform.tenant_url("acme")))
        .await?;
    browser.fill("input[name=price]", "1000").await?;
    browser.click("main form button[type=submit]").await?;
    browser
        .wait_for("[aria-invalid=true]")
        .await
        .context("what is missing is marked")?;
    browser.inspect("tenant-form-errors").await?;
    browser.fill("input[name=model]", "T14").await?;
    browser.click("main form button[type=submit]").await?;
    browser
        .driver
        .goto(format!("{}/admin/laptop", platform.tenant_url("acme")))
        .await?;
    browser
        .wait_for_text("1190")
        .await
        .context("the computed field")?;
    browser.inspect("tenant-list").await
}

/// Some mail scanners open links: the page behind the link may ask for a click.
async fn confirm_if_asked(browser: &Browser) -> anyhow::Result<()> {
    use thirtyfour::prelude::*;
    if let Ok(button) = browser
        .driver
        .find(By::Css("main form[action*='verify'] button"))
        .await
    {
        button.click().await?;
    }
    Ok(())
}

async fn sign_in(browser: &Browser) -> anyhow::Result<()> {
    browser.fill("input[name=login]", &email("acme")).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("main form button[type=submit]").await?;
    browser
        .wait_for("nav a[href='/admin']")
        .await
        .context("signed in")
        .map(drop)
}

async fn tour(platform: &Platform, browser: &Browser, name: &str) -> anyhow::Result<()> {
    browser
        .driver
        .goto(format!("{}/signup", platform.console_url()))
        .await?;
    browser.inspect(&format!("console-signup-{name}")).await?;
    browser.driver.goto(platform.tenant_url("acme")).await?;
    browser.wait_for("input[name=login]").await?;
    browser.inspect(&format!("tenant-login-{name}")).await?;
    browser.fill("input[name=login]", &email("acme")).await?;
    browser.fill("input[name=password]", PASSWORD).await?;
    browser.click("main form button[type=submit]").await?;
    for page in ["admin", "admin/queue", "admin/queue/1", "admin/laptop/new"] {
        browser
            .driver
            .goto(format!("{}/{page}", platform.tenant_url("acme")))
            .await?;
        browser.wait_for("main h1").await?;
        browser
            .inspect(&format!("tenant-{}-{name}", page.replace('/', "-")))
            .await?;
    }
    Ok(())
}
