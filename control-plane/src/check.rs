//! Looks at an installed platform as a client does: through the router, by its public hosts. What `helm test` runs.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use http::{StatusCode, Uri, header};
use serde_json::Value;

/// A platform that was installed just now gets so long to answer.
const PATIENCE: Duration = Duration::from_secs(30);
/// Time between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest time for one answer.
const TIMEOUT: Duration = Duration::from_secs(10);
/// A tenant's host that nobody can sign up: slugs do not begin with a hyphen.
const NOBODY: &str = "-nobody";

/// What is looked at, the same as flags and environment variables.
#[derive(Debug, Clone, clap::Args)]
pub struct CheckArgs {
    /// Address of the router, such as <http://gotrs-router.gotrs-cloud.svc>
    #[arg(long, env = "GOTRS_ROUTER_URL", value_name = "URL")]
    pub router_url: Uri,
    /// Where browsers reach the console
    #[arg(long, env = "GOTRS_PUBLIC_URL", value_name = "URL")]
    pub public_url: Uri,
    /// Tenants are served at <slug>.<base domain>
    #[arg(long, env = "GOTRS_BASE_DOMAIN")]
    pub base_domain: String,
}

/// Looks until everything is as it should be, or the time is over; the error says what is not.
pub async fn run(args: CheckArgs) -> anyhow::Result<ExitCode> {
    let client = reqwest::Client::builder()
        .no_proxy()
        .timeout(TIMEOUT)
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .context("setting up the HTTP client")?;
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        match look(&client, &args).await {
            Ok(()) => {
                tracing::info!("router and control plane answer");
                return Ok(ExitCode::SUCCESS);
            }
            Err(error) if tokio::time::Instant::now() >= until => return Err(error),
            Err(error) => {
                tracing::info!(error = format!("{error:#}"), "not yet");
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

async fn look(client: &reqwest::Client, args: &CheckArgs) -> anyhow::Result<()> {
    let console = args
        .public_url
        .host()
        .context("the public URL names no host")?;
    let (status, body) = get(client, args, console, "/schema/module.json").await?;
    ensure!(
        status == StatusCode::OK && body["$schema"].is_string(),
        "the router answered {status} for the console at {console}: {body}"
    );
    let nobody = format!("{NOBODY}.{}", args.base_domain);
    let (status, body) = get(client, args, &nobody, "/").await?;
    ensure!(
        status == StatusCode::NOT_FOUND && body["code"] == "unknown_tenant",
        "the router answered {status} for a host that is nobody's: {body}"
    );
    Ok(())
}

async fn get(
    client: &reqwest::Client,
    args: &CheckArgs,
    host: &str,
    path: &str,
) -> anyhow::Result<(StatusCode, Value)> {
    let router = args.router_url.to_string();
    let router = router.trim_end_matches('/');
    let answer = client
        .get(format!("{router}{path}"))
        .header(header::HOST, host)
        .send()
        .await
        .with_context(|| format!("the router at {router} does not answer"))?;
    let status = answer.status();
    match answer.json().await {
        Ok(body) => Ok((status, body)),
        Err(error) => bail!("the router answered {status} for {host}{path}, and no JSON: {error}"),
    }
}
