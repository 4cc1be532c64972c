//! Signing up and signing in, over HTTP.

use anyhow::{Context as _, ensure};
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::platform::{Platform, json as read_json};

/// The password of everyone in these tests.
pub const PASSWORD: &str = "correct-horse-9-battery";

/// The address of who signs up a tenant.
pub fn email(slug: &str) -> String {
    format!("owner@{slug}.example")
}

impl Platform {
    /// Signs up, follows the link in the mail and waits until the tenant is active.
    pub async fn sign_up(&self, slug: &str) -> anyhow::Result<()> {
        self.sign_up_with(slug, HeaderMap::new()).await
    }

    /// The same, where following the link is a part of a trace (W3C `traceparent`).
    pub async fn sign_up_traced(&self, slug: &str, trace_parent: &str) -> anyhow::Result<()> {
        let headers = HeaderMap::from_iter([(
            HeaderName::from_static("traceparent"),
            HeaderValue::from_str(trace_parent)?,
        )]);
        self.sign_up_with(slug, headers).await
    }

    async fn sign_up_with(&self, slug: &str, of_verify: HeaderMap) -> anyhow::Result<()> {
        let answer = self
            .console(Method::POST, "/v1/signup")
            .json(&json!({
                "organization": format!("Organisation {slug}"),
                "slug": slug,
                "email": email(slug),
                "password": PASSWORD,
                "plan": "team",
            }))
            .send()
            .await?;
        let status = answer.status();
        let body = read_json(answer).await?;
        ensure!(status == StatusCode::CREATED, "signup: {status} {body}");
        ensure!(
            body["tenant"]["phase"] == "Pending",
            "nothing is made before the address is verified: {body}"
        );
        let token = self.token_from_mail(&email(slug)).await?;
        let answer = self
            .console(Method::POST, "/v1/signup/verify")
            .headers(of_verify)
            .json(&json!({ "token": token }))
            .send()
            .await?;
        ensure!(
            answer.status() == StatusCode::OK,
            "verify: {} {}",
            answer.status(),
            answer.text().await?
        );
        self.wait_until_active(slug).await
    }

    /// Waits until the tenant's server answers through the router.
    pub async fn wait_until_active(&self, slug: &str) -> anyhow::Result<()> {
        self.eventually("the tenant serves", || async {
            let answer = self.tenant(slug, Method::GET, "/login").send().await.ok()?;
            (answer.status() == StatusCode::OK).then_some(())
        })
        .await
    }

    /// The token of the newest link that was mailed to `address`.
    pub async fn token_from_mail(&self, address: &str) -> anyhow::Result<String> {
        self.eventually("the mail arrives", || async {
            let answer = self
                .console(Method::GET, "/dev/mail")
                .header("accept", "application/json")
                .send()
                .await
                .ok()?;
            let mails: Value = answer.json().await.ok()?;
            let text = mails["items"]
                .as_array()?
                .iter()
                .map(Value::to_string)
                .find(|mail| mail.contains(address))?;
            let (_, rest) = text.split_once("/signup/verify?token=")?;
            let token: String = rest
                .chars()
                .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
                .collect();
            Some(token)
        })
        .await
    }

    /// An access token for the control plane.
    pub async fn console_token(&self, slug: &str) -> anyhow::Result<String> {
        let answer = self
            .console(Method::POST, "/v1/sessions")
            .json(&json!({ "email": email(slug), "password": PASSWORD }))
            .send()
            .await?;
        token_of(&read_json(answer).await?)
    }

    /// An access token for the tenant's server, as its first administrator.
    pub async fn agent_token(&self, slug: &str) -> anyhow::Result<String> {
        let mut agents = self.agents.lock().await;
        if let Some(token) = agents.get(slug) {
            return Ok(token.clone());
        }
        let answer = self
            .tenant(slug, Method::POST, "/api/v1/auth/login")
            .json(&json!({ "login": email(slug), "password": PASSWORD }))
            .send()
            .await?;
        let token = token_of(&read_json(answer).await?)?;
        agents.insert(slug.to_owned(), token.clone());
        Ok(token)
    }

    /// Signs in on the page as the first administrator and returns the cookies.
    pub async fn sign_in_to_page(&self, slug: &str) -> anyhow::Result<String> {
        let page = self.tenant(slug, Method::GET, "/login").send().await?;
        let mut cookies = cookies_of(&page);
        let html = page.text().await?;
        let csrf_token = hidden_field(&html, "csrf_token").context("the form has a CSRF token")?;
        let answer = self
            .tenant(slug, Method::POST, "/login")
            .header("cookie", cookies.join("; "))
            .header("accept", "text/html")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(&[
                ("login", &email(slug)),
                ("password", PASSWORD),
                ("csrf_token", &csrf_token),
            ])?)
            .send()
            .await?;
        ensure!(
            answer.status() == StatusCode::SEE_OTHER,
            "sign-in: {} {}",
            answer.status(),
            answer.text().await?
        );
        cookies.extend(cookies_of(&answer));
        Ok(cookies.join("; "))
    }

    /// Calls a tenant's JSON API.
    pub async fn call(
        &self,
        slug: &str,
        token: &str,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> anyhow::Result<(StatusCode, Value)> {
        let mut request = self
            .tenant(slug, method, path)
            .bearer_auth(token)
            .header("accept", "application/json");
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        let value = if text.is_empty() {
            Value::Null
        } else {
            serde_json::from_str(&text).with_context(|| format!("{path}: {status}: {text}"))?
        };
        Ok((status, value))
    }
}

fn token_of(body: &Value) -> anyhow::Result<String> {
    body["access_token"]
        .as_str()
        .map(str::to_owned)
        .with_context(|| format!("no access token in {body}"))
}

fn cookies_of(answer: &reqwest::Response) -> Vec<String> {
    answer
        .headers()
        .get_all("set-cookie")
        .iter()
        .filter_map(|value| value.to_str().ok()?.split(';').next().map(str::to_owned))
        .collect()
}

/// The value of a hidden input, whatever the order of its attributes.
fn hidden_field(html: &str, name: &str) -> Option<String> {
    let tag = html
        .split('<')
        .find(|tag| tag.starts_with("input") && tag.contains(&format!("name=\"{name}\"")))?;
    let (_, rest) = tag.split_once("value=\"")?;
    Some(rest.split('"').next()?.to_owned())
}

fn form(fields: &[(&str, &str)]) -> anyhow::Result<String> {
    let url = reqwest::Url::parse_with_params("http://form.example/", fields)?;
    url.query().map(str::to_owned).context("a form has fields")
}
