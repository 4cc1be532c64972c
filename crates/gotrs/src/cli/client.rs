//! The control plane's API over HTTP.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;
use domain::clock::{Clock, SystemClock};
use http::{Method, StatusCode, header};
use reqwest::{RequestBuilder, Response, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::credentials::{CredentialsFile, Session};
use super::error::{CliError, Refusal};

/// Where commands go when nothing else is said: `gotrs up` on this machine.
pub const DEFAULT_URL: &str = "http://localhost:8080";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer: an upload that waits for runtimes, and some time on top.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// An access token this close to its end is replaced before it is used.
const REFRESH_EARLY: TimeDelta = TimeDelta::seconds(20);
/// Most bytes of an answer that are read.
const MAX_ANSWER: usize = 16 * 1024 * 1024;

/// Which server, and who calls.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Server")]
pub struct ServerArgs {
    /// Address of the console, such as <http://localhost:8080>; where you signed in last if absent
    #[arg(long, env = "GOTRS_URL", value_name = "URL")]
    pub url: Option<String>,
    /// API key, instead of signing in
    #[arg(
        long,
        env = "GOTRS_API_KEY",
        hide_env_values = true,
        value_name = "KEY"
    )]
    pub api_key: Option<SecretString>,
}

/// Who calls.
#[derive(Debug, Clone)]
enum Identity {
    Nobody,
    ApiKey(SecretString),
    Session(CredentialsFile),
}

/// A connection to one server.
#[derive(Debug, Clone)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    identity: Identity,
    clock: Arc<dyn Clock>,
}

/// What is sent.
#[derive(Debug, Clone)]
pub enum Body {
    /// Nothing.
    None,
    /// JSON.
    Json(Value),
    /// A module file.
    Yaml(Arc<str>),
}

/// The tokens of a session as the API gives them.
#[derive(Debug, Deserialize)]
pub struct Tokens {
    access_token: SecretString,
    refresh_token: SecretString,
    expires_in: u32,
}

impl Tokens {
    /// As they are kept.
    pub fn into_session(self, email: String, now: DateTime<Utc>) -> Session {
        Session {
            email,
            access_token: self.access_token,
            refresh_token: self.refresh_token,
            expires_at: now + TimeDelta::seconds(i64::from(self.expires_in)),
        }
    }
}

impl ServerArgs {
    /// The server's address, and the file of sessions.
    pub fn server(&self) -> Result<(Url, CredentialsFile), CliError> {
        let file = CredentialsFile::of_user()?;
        let text = match &self.url {
            Some(url) => url.clone(),
            None => file
                .current_server()?
                .unwrap_or_else(|| DEFAULT_URL.to_owned()),
        };
        Ok((parse_url(&text)?, file))
    }

    /// A client that calls as whoever the settings say.
    pub fn client(&self) -> Result<Client, CliError> {
        let (base, file) = self.server()?;
        let identity = match &self.api_key {
            Some(key) => Identity::ApiKey(key.clone()),
            None => Identity::Session(file),
        };
        Client::new(base, identity, Arc::new(SystemClock))
    }
}

/// The address of a server: scheme, host and port.
pub fn parse_url(text: &str) -> Result<Url, CliError> {
    let wrong = || {
        CliError::Usage(format!(
            "{text:?} is not the address of a server; an example of a good value for --url (GOTRS_URL): {DEFAULT_URL}"
        ))
    };
    let url = Url::parse(text).map_err(|_not_a_url| wrong())?;
    let is_good = matches!(url.scheme(), "http" | "https")
        && url.has_host()
        && matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    if is_good { Ok(url) } else { Err(wrong()) }
}

impl Client {
    fn new(base: Url, identity: Identity, clock: Arc<dyn Clock>) -> Result<Self, CliError> {
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("gotrs/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| CliError::Machine {
                doing: "setting up HTTP",
                reason: error.to_string(),
            })?;
        Ok(Self {
            http,
            base,
            identity,
            clock,
        })
    }

    /// A client that calls as nobody.
    pub fn anonymous(base: Url) -> Result<Self, CliError> {
        Self::new(base, Identity::Nobody, Arc::new(SystemClock))
    }

    /// The server's address as it is written in messages and as the name of its session.
    pub fn url(&self) -> &str {
        self.base.as_str().trim_end_matches('/')
    }

    /// What a path says.
    pub async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T, CliError> {
        let value = self.call(Method::GET, path, &[], Body::None).await?;
        self.understand(value)
    }

    /// All items of a list, page by page.
    pub async fn get_all(&self, path: &[&str]) -> Result<Vec<Value>, CliError> {
        let mut items = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = vec![("limit", "200")];
            if let Some(cursor) = &cursor {
                query.push(("cursor", cursor));
            }
            let value = self.call(Method::GET, path, &query, Body::None).await?;
            let page: Page = self.understand(value)?;
            items.extend(page.items);
            match page.next {
                Value::Null => return Ok(items),
                Value::String(next) => cursor = Some(next),
                other => cursor = Some(other.to_string()),
            }
        }
    }

    /// Makes sense of an answer.
    pub fn understand<T: DeserializeOwned>(&self, value: Value) -> Result<T, CliError> {
        serde_json::from_value(value).map_err(|error| CliError::Answer {
            url: self.url().to_owned(),
            reason: error.to_string(),
        })
    }

    /// One call; the answer as JSON.
    pub async fn call(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Body,
    ) -> Result<Value, CliError> {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let request = || {
            let request = self
                .http
                .request(method.clone(), url.clone())
                .header(header::ACCEPT, "application/json");
            match &body {
                Body::None => request,
                Body::Json(value) => request.json(value),
                Body::Yaml(text) => request
                    .header(header::CONTENT_TYPE, "application/yaml")
                    .body(text.as_bytes().to_vec()),
            }
        };
        let answer = match &self.identity {
            Identity::Nobody => self.send(request()).await?,
            Identity::ApiKey(key) => {
                self.send(request().bearer_auth(key.expose_secret()))
                    .await?
            }
            Identity::Session(file) => {
                let token = self.access_token(file, None).await?;
                let answer = self
                    .send(request().bearer_auth(token.expose_secret()))
                    .await?;
                if answer.status() != StatusCode::UNAUTHORIZED {
                    answer
                } else {
                    let token = self.access_token(file, Some(&token)).await?;
                    self.send(request().bearer_auth(token.expose_secret()))
                        .await?
                }
            }
        };
        self.read(answer).await
    }

    /// A token that should be good; another one than `refused`, if that was shown in vain.
    async fn access_token(
        &self,
        file: &CredentialsFile,
        refused: Option<&SecretString>,
    ) -> Result<SecretString, CliError> {
        let is_usable = |session: &Session| {
            self.clock.now() + REFRESH_EARLY < session.expires_at
                && refused.is_none_or(|refused| {
                    refused.expose_secret() != session.access_token.expose_secret()
                })
        };
        let signed_out = || CliError::SignedOut {
            url: self.url().to_owned(),
        };
        let session = file.find(self.url())?.ok_or_else(signed_out)?;
        if is_usable(&session) {
            return Ok(session.access_token);
        }
        // A refresh token is good for one use: another command that runs now must not use it too.
        let lock = file.lock().await?;
        let session = file.find(self.url())?.ok_or_else(signed_out)?;
        if is_usable(&session) {
            return Ok(session.access_token);
        }
        let request = self
            .http
            .post(self.join("v1/sessions/refresh")?)
            .json(&json!({"refresh_token": session.refresh_token.expose_secret()}));
        let value = match self.read(self.send(request).await?).await {
            Ok(value) => value,
            Err(CliError::Refused(_)) => return Err(signed_out()),
            Err(error) => return Err(error),
        };
        let tokens: Tokens = self.understand(value)?;
        let session = tokens.into_session(session.email, self.clock.now());
        file.put(&lock, self.url(), &session)?;
        Ok(session.access_token)
    }

    fn join(&self, path: &str) -> Result<Url, CliError> {
        self.base
            .join(path)
            .map_err(|error| CliError::Usage(error.to_string()))
    }

    async fn send(&self, request: RequestBuilder) -> Result<Response, CliError> {
        request
            .send()
            .await
            .map_err(|error| self.unreachable(&error))
    }

    fn unreachable(&self, error: &reqwest::Error) -> CliError {
        // reqwest's own words repeat the URL; what is behind them says what happened.
        let mut reason = "no connection".to_owned();
        let mut source = std::error::Error::source(error);
        while let Some(cause) = source {
            reason = cause.to_string();
            source = cause.source();
        }
        if error.is_timeout() {
            "it did not answer in time".clone_into(&mut reason);
        }
        CliError::Unreachable {
            url: self.url().to_owned(),
            reason,
        }
    }

    async fn read(&self, mut answer: Response) -> Result<Value, CliError> {
        let status = answer.status();
        let mut bytes = Vec::new();
        while let Some(chunk) = answer
            .chunk()
            .await
            .map_err(|error| self.unreachable(&error))?
        {
            if bytes.len() + chunk.len() > MAX_ANSWER {
                return Err(self.odd("it is too large"));
            }
            bytes.extend_from_slice(&chunk);
        }
        if status.is_success() {
            return match bytes.as_slice() {
                [] => Ok(Value::Null),
                bytes => {
                    serde_json::from_slice(bytes).map_err(|error| self.odd(&error.to_string()))
                }
            };
        }
        let mut refusal: Refusal = serde_json::from_slice(&bytes)
            .map_err(|_not_ours| self.odd(&format!("status {status}")))?;
        refusal.status = status.as_u16();
        Err(match status {
            StatusCode::UNAUTHORIZED if !matches!(self.identity, Identity::Nobody) => {
                CliError::SignedOut {
                    url: self.url().to_owned(),
                }
            }
            status if status.is_server_error() => CliError::ServerTrouble(Box::new(refusal)),
            _ => CliError::Refused(Box::new(refusal)),
        })
    }

    fn odd(&self, reason: &str) -> CliError {
        CliError::Answer {
            url: self.url().to_owned(),
            reason: reason.to_owned(),
        }
    }
}

#[derive(Deserialize)]
struct Page {
    items: Vec<Value>,
    #[serde(default)]
    next: Value,
}

#[cfg(test)]
mod tests;
