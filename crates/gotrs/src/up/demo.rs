//! `--demo`: a tenant with a known login and a sample module, made the way a newcomer would make it, over HTTP. What
//! is there already stays as it is.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context as _, bail};
use reqwest::{Client, Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use service_kit::Tasks;

use crate::up::summary::console_url;

const SLUG: &str = "demo";
const EMAIL: &str = "demo@example.com";
/// Not a secret: it is printed, and the tenant is on this machine only.
const PASSWORD: &str = "demo-password-1";
/// The same file that people read in the repository.
const MODULE: &str = include_str!("../../../../examples/laptop.yaml");
const MODULE_NAME: &str = "laptop";

/// How long one request may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// How long a mail or a tenant may take to arrive; far above what is usual.
const PATIENCE: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(50);

/// Makes the demo in the background and prints how to get in.
pub(super) fn start(tasks: &Tasks, control_plane: SocketAddr, port: u16) {
    let stopping = tasks.stopping();
    tasks.spawn("demo", async move {
        let outcome = tokio::select! {
            outcome = make(control_plane) => outcome,
            () = stopping.cancelled() => return,
        };
        let text = match outcome {
            Ok(()) => render(port),
            Err(error) => {
                tracing::error!(error = format!("{error:#}"), "the demo could not be made");
                return;
            }
        };
        if let Err(error) = std::io::stdout().write_all(text.as_bytes()) {
            tracing::warn!(%error, "the login of the demo could not be printed");
        }
    });
}

fn render(port: u16) -> String {
    let console = console_url(port);
    let mut text = String::new();
    for (label, value) in [
        ("Demo", console.replacen("://", &format!("://{SLUG}."), 1)),
        ("Login", EMAIL.to_owned()),
        ("Password", PASSWORD.to_owned()),
        (
            "Module",
            "examples/laptop.yaml, in the menu as Laptops".to_owned(),
        ),
    ] {
        writeln!(text, "  {label:<9}{value}").unwrap_or_default();
    }
    format!("{text}\n")
}

struct Api {
    http: Client,
    base: String,
    access_token: Option<String>,
}

async fn make(control_plane: SocketAddr) -> anyhow::Result<()> {
    let mut api = Api {
        http: Client::builder()
            .no_proxy()
            .timeout(REQUEST_LIMIT)
            .build()
            .context("making an HTTP client")?,
        base: format!("http://{control_plane}"),
        access_token: None,
    };
    if !api.sign_in().await? {
        api.sign_up().await.context("signing up")?;
        if !api.sign_in().await? {
            bail!("the account {EMAIL} exists with another password");
        }
    }
    api.wait_until_active().await?;
    api.push_module().await
}

impl Api {
    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.access_token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    /// Whether the account was there.
    async fn sign_in(&mut self) -> anyhow::Result<bool> {
        let body = json!({"email": EMAIL, "password": PASSWORD});
        let answer = self
            .request(Method::POST, "/v1/sessions")
            .json(&body)
            .send()
            .await
            .context("signing in")?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            return Ok(false);
        }
        let answer = json_of(answer).await.context("signing in")?;
        self.access_token = answer
            .pointer("/access_token")
            .and_then(Value::as_str)
            .map(str::to_owned);
        Ok(self.access_token.is_some())
    }

    async fn sign_up(&self) -> anyhow::Result<()> {
        let body = json!({
            "organization": "Demo",
            "slug": SLUG,
            "email": EMAIL,
            "password": PASSWORD,
            "plan": "team",
        });
        let answer = self
            .request(Method::POST, "/v1/signup")
            .json(&body)
            .send()
            .await?;
        // An earlier start may have been stopped between the signup and the link; the mail is still there then.
        if answer.status() != StatusCode::CONFLICT {
            json_of(answer).await?;
        }
        let token = eventually("the mail with the link", || self.link_token()).await?;
        let answer = self
            .request(Method::POST, "/v1/signup/verify")
            .json(&json!({"token": token}))
            .send()
            .await?;
        json_of(answer).await.map(drop)
    }

    /// The token of the newest mail to us.
    async fn link_token(&self) -> anyhow::Result<Option<String>> {
        let answer = self
            .request(Method::GET, "/dev/mail")
            .header(http::header::ACCEPT, "application/json")
            .send()
            .await?;
        Ok(find_token(&json_of(answer).await?))
    }

    async fn wait_until_active(&self) -> anyhow::Result<()> {
        eventually("an active tenant", || self.is_active()).await
    }

    async fn is_active(&self) -> anyhow::Result<Option<()>> {
        let path = format!("/v1/tenants/{SLUG}");
        let tenant = json_of(self.request(Method::GET, &path).send().await?).await?;
        match tenant.pointer("/phase").and_then(Value::as_str) {
            Some("Active") => Ok(Some(())),
            Some("Suspended" | "Deleting") => bail!("the tenant {SLUG} was suspended or deleted"),
            _ => Ok(None),
        }
    }

    async fn push_module(&self) -> anyhow::Result<()> {
        let path = format!("/v1/tenants/{SLUG}/modules/{MODULE_NAME}");
        let found = self.request(Method::GET, &path).send().await?;
        if found.status().is_success() {
            // It may have been changed since; that is what it is there for.
            return Ok(());
        }
        let answer = self
            .request(Method::PUT, &format!("{path}?wait=live&timeout=10s"))
            .header(http::header::CONTENT_TYPE, "application/yaml")
            .body(MODULE)
            .send()
            .await?;
        json_of(answer)
            .await
            .context("pushing the sample module")
            .map(drop)
    }
}

/// Polls until `check` gives a value.
async fn eventually<T, F>(what: &str, mut check: impl FnMut() -> F) -> anyhow::Result<T>
where
    F: Future<Output = anyhow::Result<Option<T>>>,
{
    let poll = async {
        loop {
            if let Some(value) = check().await? {
                return Ok(value);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    tokio::time::timeout(PATIENCE, poll)
        .await
        .with_context(|| format!("{what} did not come within {} s", PATIENCE.as_secs()))?
}

async fn json_of(answer: reqwest::Response) -> anyhow::Result<Value> {
    let (status, text) = (answer.status(), answer.text().await?);
    if !status.is_success() {
        bail!("{status}: {text}");
    }
    serde_json::from_str(&text).with_context(|| format!("{status}: not JSON"))
}

/// Mails come newest first.
fn find_token(mails: &Value) -> Option<String> {
    let is_ours = |mail: &&Value| {
        mail.pointer("/to")
            .and_then(Value::as_str)
            .is_some_and(|to| to.contains(EMAIL))
    };
    mails
        .pointer("/items")?
        .as_array()?
        .iter()
        .filter(is_ours)
        .filter_map(|mail| mail.pointer("/links")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .find_map(|link| link.split_once("/signup/verify?token="))
        .map(|(_, token)| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_newest_link_to_the_demo_account_is_taken() {
        let mails = json!({"items": [
            {"to": "else@example.com", "links": ["http://localhost/signup/verify?token=wrong"]},
            {"to": "Demo <demo@example.com>", "links": ["http://localhost/", "http://localhost/signup/verify?token=new"]},
            {"to": "demo@example.com", "links": ["http://localhost/signup/verify?token=old"]},
        ]});
        assert_eq!(find_token(&mails), Some("new".to_owned()));
        assert_eq!(find_token(&json!({"items": []})), None);
    }

    #[test]
    fn the_login_is_printed() {
        let text = render(8080);
        assert!(text.contains("http://demo.localhost:8080"), "{text}");
        assert!(text.contains(PASSWORD), "{text}");
    }
}
