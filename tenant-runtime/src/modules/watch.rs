//! Talking to the control plane: the watch stream, module texts by presigned URL, acknowledgements.

use std::time::Duration;

use domain::digest::Sha256Digest;
use domain::sleep::SleepNotice;
use domain::watch::{Acknowledgement, ModuleReference, NO_SUCH_TENANT, WatchEvent};
use futures_util::{Stream, StreamExt as _, TryStreamExt as _};
use http::StatusCode;
use reqwest::{Client, Response, Url};
use secrecy::ExposeSecret as _;
use tokio_util::codec::{FramedRead, LinesCodec, LinesCodecError};
use tokio_util::io::StreamReader;

use crate::modules::token::RuntimeToken;

/// Three heartbeats: after this much silence the connection is taken for dead.
pub const SILENCE: Duration = Duration::from_secs(45);
/// For texts and acknowledgements, from connecting to the last byte.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
/// Of an answer that refuses something so much is read; what says why takes far less.
const MAX_REFUSAL: usize = 16 * 1024;
/// How an object store says that it has everything but this object (and not that it has no such bucket).
const NO_SUCH_KEY: &str = "<Code>NoSuchKey</Code>";
/// A snapshot names every module; one takes well under 2 kB, so this is enough for some thousand.
const MAX_LINE: usize = 4 * 1024 * 1024;

/// The control plane as this runtime sees it.
#[derive(Debug, Clone)]
pub struct ControlPlane {
    client: Client,
    base: Url,
    token: RuntimeToken,
}

/// What went wrong between the control plane (or its object store) and this runtime. All of it may pass.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The client could not be made.
    #[error("making the HTTP client")]
    MakeClient(#[source] reqwest::Error),
    /// A URL could not be built.
    #[error("{0} is not a base URL")]
    Base(Url),
    /// No connection, or it broke.
    #[error("{doing}")]
    Call {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: reqwest::Error,
    },
    /// Answered, but not with success.
    #[error("{doing}: answered {status}")]
    Refused {
        /// What was being done.
        doing: &'static str,
        /// The answer.
        status: StatusCode,
    },
    /// The token is good, and the control plane has no such tenant: it has not adopted it, or it is gone there.
    #[error("the control plane does not know this tenant")]
    NoSuchTenant,
    /// Announced, and not in the object store.
    #[error("the text of the module {0} is not in the object store; upload the module again")]
    Missing(String),
    /// The stream broke or is not lines.
    #[error("reading the watch stream")]
    Read(#[source] LinesCodecError),
    /// A line that is no event.
    #[error("the watch stream says something unknown")]
    Parse(#[source] serde_json::Error),
    /// The control plane ended the stream, as it does when it restarts.
    #[error("the watch stream ended")]
    Ended,
    /// Larger than any module may be.
    #[error("the module {0} is larger than {limit} bytes", limit = module_spec::MAX_BYTES)]
    TooLarge(String),
    /// Not the bytes that were announced.
    #[error("the module {name} came with digest {found} instead of {expected}")]
    Digest {
        /// Which module.
        name: String,
        /// Announced.
        expected: Sha256Digest,
        /// Received.
        found: Sha256Digest,
    },
    /// Not text.
    #[error("the module {0} is not UTF-8")]
    NotText(String),
}

impl ControlPlane {
    /// A client for the control plane at `base`, with this tenant's runtime token.
    pub fn new(base: Url, token: RuntimeToken) -> Result<Self, WatchError> {
        let client = Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(SILENCE)
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .pool_idle_timeout(Duration::from_secs(30))
            .user_agent("gotrs-tenant-runtime")
            .build()
            .map_err(WatchError::MakeClient)?;
        Ok(Self {
            client,
            base,
            token,
        })
    }

    /// Opens the watch stream as `instance`. Without `after` it begins with a snapshot.
    pub async fn watch(
        &self,
        instance: &str,
        after: Option<u64>,
    ) -> Result<impl Stream<Item = Result<WatchEvent, WatchError>> + Unpin + use<>, WatchError>
    {
        let mut url = self.url("v1/runtime/modules/watch")?;
        url.query_pairs_mut().append_pair("instance", instance);
        if let Some(generation) = after {
            url.query_pairs_mut()
                .append_pair("after", &generation.to_string());
        }
        let response = self
            .client
            .get(url)
            .bearer_auth(self.token.current().expose_secret())
            .send()
            .await
            .map_err(|source| WatchError::Call {
                doing: "opening the watch stream",
                source,
            })?;
        let response = successful("opening the watch stream", response).await?;
        let reader = StreamReader::new(response.bytes_stream().map_err(std::io::Error::other));
        let lines = FramedRead::new(reader, LinesCodec::new_with_max_length(MAX_LINE));
        Ok(lines
            .try_filter(|line| std::future::ready(!line.trim().is_empty()))
            .map(|line| {
                let line = line.map_err(WatchError::Read)?;
                serde_json::from_str(&line).map_err(WatchError::Parse)
            })
            .boxed())
    }

    /// Fetches the text of a module and checks that it is the one that was announced.
    pub async fn fetch(&self, module: &ModuleReference) -> Result<String, WatchError> {
        const DOING: &str = "fetching a module";
        // The URL is as good as a password for a while, and errors are logged.
        let call = |source: reqwest::Error| WatchError::Call {
            doing: DOING,
            source: source.without_url(),
        };
        // The URL is presigned: no credential of ours goes to the object store.
        let response = self
            .client
            .get(&module.url)
            .timeout(CALL_TIMEOUT)
            .send()
            .await
            .map_err(call)?;
        if response.status() == StatusCode::NOT_FOUND {
            let status = response.status();
            return Err(if refusal(response).await.contains(NO_SUCH_KEY) {
                WatchError::Missing(module.name.to_string())
            } else {
                WatchError::Refused {
                    doing: DOING,
                    status,
                }
            });
        }
        let mut chunks = successful(DOING, response).await?.bytes_stream();
        let mut bytes = Vec::new();
        while let Some(chunk) = chunks.try_next().await.map_err(call)? {
            if bytes.len() + chunk.len() > module_spec::MAX_BYTES {
                return Err(WatchError::TooLarge(module.name.to_string()));
            }
            bytes.extend_from_slice(&chunk);
        }
        let found = Sha256Digest::of(&bytes);
        if found != module.sha256 {
            return Err(WatchError::Digest {
                name: module.name.to_string(),
                expected: module.sha256,
                found,
            });
        }
        String::from_utf8(bytes).map_err(|_bytes| WatchError::NotText(module.name.to_string()))
    }

    /// Says how far this runtime is.
    pub async fn acknowledge(&self, acknowledgement: &Acknowledgement) -> Result<(), WatchError> {
        const DOING: &str = "acknowledging modules";
        let response = self
            .client
            .post(self.url("v1/runtime/modules/ack")?)
            .bearer_auth(self.token.current().expose_secret())
            .timeout(CALL_TIMEOUT)
            .json(acknowledgement)
            .send()
            .await
            .map_err(|source| WatchError::Call {
                doing: DOING,
                source,
            })?;
        successful(DOING, response).await.map(drop)
    }

    /// Says when this tenant must be awake.
    pub async fn tell_next_due(&self, notice: SleepNotice) -> Result<(), WatchError> {
        const DOING: &str = "telling when something is due";
        let response = self
            .client
            .post(self.url("v1/runtime/sleep")?)
            .bearer_auth(self.token.current().expose_secret())
            .timeout(CALL_TIMEOUT)
            .json(&notice)
            .send()
            .await
            .map_err(|source| WatchError::Call {
                doing: DOING,
                source,
            })?;
        successful(DOING, response).await.map(drop)
    }

    fn url(&self, path: &str) -> Result<Url, WatchError> {
        self.base
            .join(path)
            .map_err(|_invalid| WatchError::Base(self.base.clone()))
    }
}

async fn successful(doing: &'static str, response: Response) -> Result<Response, WatchError> {
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    if status == StatusCode::NOT_FOUND && is_of_no_tenant(&refusal(response).await) {
        return Err(WatchError::NoSuchTenant);
    }
    Err(WatchError::Refused { doing, status })
}

/// The beginning of an answer that says why; what of it can be had in time.
async fn refusal(mut response: Response) -> String {
    let mut bytes = Vec::new();
    let reading = async {
        while let Ok(Some(chunk)) = response.chunk().await {
            let room = MAX_REFUSAL.saturating_sub(bytes.len());
            bytes.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if bytes.len() >= MAX_REFUSAL {
                break;
            }
        }
    };
    // Without the end the beginning must do.
    let _in_time_or_not = tokio::time::timeout(CALL_TIMEOUT, reading).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Whether a problem (RFC 9457) says so: whatever else may have answered 404 in the control plane's place does not.
fn is_of_no_tenant(body: &str) -> bool {
    serde_json::from_str::<serde_json::Value>(body).is_ok_and(|body| body["code"] == NO_SUCH_TENANT)
}
