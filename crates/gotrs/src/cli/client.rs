//! The control plane's API over HTTP.

use std::path::{Path, PathBuf};
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
use sha2::{Digest as _, Sha256};
use tokio::io::AsyncWriteExt as _;

use super::credentials::{CredentialsFile, Session};
use super::error::{CliError, Refusal};

/// Where commands go when nothing else is said: `gotrs up` on this machine.
pub const DEFAULT_URL: &str = "http://localhost:8080";

const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer: an upload that waits for runtimes, and some time on top.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(40);
/// An access token this close to its end is replaced before it is used.
const REFRESH_EARLY: TimeDelta = TimeDelta::seconds(20);
/// Longest download, and longest silence in it.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_hours(12);
const CHUNK_TIMEOUT: Duration = Duration::from_mins(1);
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

/// What is read from elsewhere.
#[derive(Debug, Clone, Copy)]
pub struct Download<'a> {
    /// A presigned link.
    pub url: &'a str,
    /// Its size in bytes, where it is known.
    pub size: Option<u64>,
    /// Its SHA-256 in hexadecimal digits, where it is known.
    pub sha256: Option<&'a str>,
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

    /// Reads what a presigned link leads to, which is no part of the server and gets no token of it, into a new file. The file is
    /// there when all of it is, and is what it should be.
    pub async fn download(&self, from: Download<'_>, path: &Path) -> Result<(), CliError> {
        let write = |source| CliError::WriteFile {
            path: path.to_owned(),
            source,
        };
        let url = Url::parse(from.url).map_err(|_not_a_url| self.odd("its link is no URL"))?;
        let origin = url.origin().ascii_serialization();
        let away = |reason: String| CliError::Unreachable {
            url: origin.clone(),
            reason,
        };
        let asking = self.http.get(url).timeout(DOWNLOAD_TIMEOUT).send();
        let mut answer = asking.await.map_err(|error| away(reason_of(&error)))?;
        if !answer.status().is_success() {
            return Err(CliError::Answer {
                url: origin.clone(),
                reason: format!("status {} for an archive", answer.status()),
            });
        }
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".part");
        let part = PartFile(path.with_file_name(name));
        let mut options = tokio::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true);
        // Password hashes are in it.
        #[cfg(unix)]
        options.mode(0o600);
        let mut file = options.open(&part.0).await.map_err(write)?;
        let (mut size, mut digest) = (0_u64, Sha256::new());
        loop {
            let chunk = tokio::time::timeout(CHUNK_TIMEOUT, answer.chunk())
                .await
                .map_err(|_elapsed| away("nothing came for a minute".to_owned()))?
                .map_err(|error| away(reason_of(&error)))?;
            let Some(chunk) = chunk else { break };
            size += chunk.len() as u64;
            digest.update(&chunk);
            file.write_all(&chunk).await.map_err(write)?;
        }
        file.sync_all().await.map_err(write)?;
        let digest = hex(&digest.finalize());
        if from.size.is_some_and(|expected| expected != size)
            || from.sha256.is_some_and(|expected| expected != digest)
        {
            return Err(CliError::Archive(format!(
                "the archive that came ({size} bytes, SHA-256 {digest}) is not the one that was made; try again"
            )));
        }
        // Never over a file that came to be there meanwhile.
        match tokio::fs::hard_link(&part.0, path).await {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {
                Err(CliError::Exists {
                    path: path.to_owned(),
                })
            }
            // Not every file system has links.
            Err(_no_links) => tokio::fs::rename(&part.0, path).await.map_err(write),
        }
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
        CliError::Unreachable {
            url: self.url().to_owned(),
            reason: reason_of(error),
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

/// What happened: reqwest's own words repeat the URL; what is behind them says it.
fn reason_of(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "it did not answer in time".to_owned();
    }
    let mut reason = "no connection".to_owned();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        reason = cause.to_string();
        source = cause.source();
    }
    reason
}

fn hex(bytes: &[u8]) -> String {
    let digits = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 0xf])
        .filter_map(|nibble| digits.get(usize::from(nibble)))
        .map(|&digit| char::from(digit))
        .collect()
}

/// A file that is not whole yet; it goes when it is not needed any more.
struct PartFile(PathBuf);

impl Drop for PartFile {
    fn drop(&mut self) {
        // What is left of it hinders nothing: the next download begins anew.
        let _ = std::fs::remove_file(&self.0);
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
