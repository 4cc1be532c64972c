//! The store itself.

use std::fmt;
use std::time::{Duration, SystemTime};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::timeout::TimeoutConfig;
use aws_sdk_s3::config::{
    BehaviorVersion, Config, Credentials, Region, RequestChecksumCalculation,
    ResponseChecksumValidation,
};
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use bytes::{Bytes, BytesMut};
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::{BlobError, status};
use crate::key::BlobKey;

/// How long a call may take, all attempts and the body included.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How often a call is made at most; only what may succeed the next time is tried again.
pub const ATTEMPTS: u32 = 3;

/// Longest life of a presigned URL that Signature Version 4 allows.
pub const MAX_PRESIGN: Duration = Duration::from_hours(7 * 24);

/// Most keys that one [`BlobStore::list`] returns; S3's own page size.
pub const MAX_LISTED: u16 = 1000;

/// How the bucket gets into the URL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Addressing {
    /// `http://endpoint/bucket/key`: every S3-compatible server understands it.
    Path,
    /// `https://bucket.endpoint/key`: what AWS asks for.
    VirtualHost,
}

/// Where the bucket is and who may write to it.
#[derive(Debug, Clone)]
pub struct BlobStoreConfig {
    /// Such as `http://127.0.0.1:9000`; without it AWS itself, by region.
    pub endpoint: Option<String>,
    /// What presigned URLs point to, where readers reach the store by another address than we do.
    pub public_endpoint: Option<String>,
    /// What presigned URLs for customers point to, where they reach the store by yet another address.
    pub download_endpoint: Option<String>,
    /// Such as `eu-central-1`; S3-compatible servers take any.
    pub region: String,
    /// All objects of the platform lie in one bucket.
    pub bucket: String,
    /// How the bucket gets into the URL.
    pub addressing: Addressing,
    /// Public half of the credentials.
    pub access_key_id: String,
    /// Secret half.
    pub secret_access_key: SecretString,
}

/// What became of a [`BlobStore::put_if_absent`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Put {
    /// The object is new.
    Created,
    /// An object of this name was there and stays as it was.
    AlreadyThere,
}

/// One object of a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its name.
    pub key: BlobKey,
    /// Its size in bytes.
    pub size: u64,
}

/// One bucket. Clones share connections.
#[derive(Clone)]
pub struct BlobStore {
    pub(crate) client: Client,
    /// Only signs; never connects.
    signer: Client,
    /// The same, for what customers download.
    download_signer: Client,
    pub(crate) bucket: String,
    region: String,
}

impl fmt::Debug for BlobStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BlobStore")
            .field("bucket", &self.bucket)
            .finish_non_exhaustive()
    }
}

impl BlobStore {
    /// A store for `config`. Connects to nothing yet, and looks for credentials nowhere else.
    pub fn new(config: &BlobStoreConfig) -> Self {
        let client = Client::from_conf(sdk_config(config, config.endpoint.as_deref()));
        let signer = match &config.public_endpoint {
            Some(public) => Client::from_conf(sdk_config(config, Some(public))),
            None => client.clone(),
        };
        let download_signer = match &config.download_endpoint {
            Some(download) => Client::from_conf(sdk_config(config, Some(download))),
            None => signer.clone(),
        };
        Self {
            client,
            signer,
            download_signer,
            bucket: config.bucket.clone(),
            region: config.region.clone(),
        }
    }

    /// Makes the bucket unless it is there. For development and tests; in production the bucket is made beforehand.
    pub async fn ensure_bucket(&self) -> Result<(), BlobError> {
        const HEAD: &str = "look for the bucket";
        const CREATE: &str = "make the bucket";
        let head = self.client.head_bucket().bucket(&self.bucket).send();
        match in_time(HEAD, head).await? {
            Ok(_) => return Ok(()),
            Err(error) if status(&error) == Some(404) => {}
            Err(error) => return Err(BlobError::from_sdk(HEAD, error)),
        }
        // AWS wants no constraint for its first region and one for any other.
        let place = (self.region != "us-east-1").then(|| {
            CreateBucketConfiguration::builder()
                .location_constraint(BucketLocationConstraint::from(self.region.as_str()))
                .build()
        });
        let create = self
            .client
            .create_bucket()
            .bucket(&self.bucket)
            .set_create_bucket_configuration(place)
            .send();
        match in_time(CREATE, create).await? {
            Ok(_) => Ok(()),
            // Another process was faster.
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(aws_sdk_s3::operation::create_bucket::CreateBucketError::is_bucket_already_owned_by_you) =>
            {
                Ok(())
            }
            Err(error) => Err(BlobError::from_sdk(CREATE, error)),
        }
    }

    /// Writes an object that nobody has written before. Names are made from the content, so finding one there is success.
    pub async fn put_if_absent(
        &self,
        key: &BlobKey,
        content_type: &str,
        content: Bytes,
    ) -> Result<Put, BlobError> {
        const PUT: &str = "put an object";
        let put = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key.as_str())
            .content_type(content_type)
            .if_none_match("*")
            .body(ByteStream::from(content))
            .send();
        // Boxed: the SDK's future is 19 kB, and callers hold it in theirs.
        match Box::pin(in_time(PUT, put)).await? {
            Ok(_) => Ok(Put::Created),
            Err(error) if status(&error) == Some(412) => Ok(Put::AlreadyThere),
            Err(error) => Err(BlobError::from_sdk(PUT, error)),
        }
    }

    /// Reads a whole object of at most `limit` bytes.
    pub async fn get(&self, key: &BlobKey, limit: u64) -> Result<Bytes, BlobError> {
        in_time("get an object", self.read(key, limit)).await?
    }

    async fn read(&self, key: &BlobKey, limit: u64) -> Result<Bytes, BlobError> {
        const GET: &str = "get an object";
        let too_large = || BlobError::TooLarge {
            key: key.clone(),
            limit,
        };
        let get = self.client.get_object().bucket(&self.bucket);
        let answer = match get.key(key.as_str()).send().await {
            Ok(answer) => answer,
            Err(error) if status(&error) == Some(404) => {
                return Err(BlobError::NotFound(key.clone()));
            }
            Err(error) => return Err(BlobError::from_sdk(GET, error)),
        };
        // The announced length saves the reading; the count below is what is relied on.
        let announced = answer.content_length().and_then(|n| u64::try_from(n).ok());
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut body = answer.body;
        let mut content = BytesMut::new();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| BlobError::Unavailable {
                operation: GET,
                source: error.into(),
            })?;
            content.extend_from_slice(&chunk);
            if content.len() as u64 > limit {
                return Err(too_large());
            }
        }
        Ok(content.freeze())
    }

    /// The size of an object, or `None` when it is not there.
    pub async fn find_size(&self, key: &BlobKey) -> Result<Option<u64>, BlobError> {
        const HEAD: &str = "look for an object";
        let head = self.client.head_object().bucket(&self.bucket);
        match in_time(HEAD, head.key(key.as_str()).send()).await? {
            Ok(answer) => Ok(Some(size(answer.content_length()))),
            Err(error) if status(&error) == Some(404) => Ok(None),
            Err(error) => Err(BlobError::from_sdk(HEAD, error)),
        }
    }

    /// Removes an object; that it was not there is no error.
    pub async fn delete(&self, key: &BlobKey) -> Result<(), BlobError> {
        const DELETE: &str = "delete an object";
        let delete = self.client.delete_object().bucket(&self.bucket);
        match in_time(DELETE, delete.key(key.as_str()).send()).await? {
            Ok(_) => Ok(()),
            Err(error) if status(&error) == Some(404) => Ok(()),
            Err(error) => Err(BlobError::from_sdk(DELETE, error)),
        }
    }

    /// Up to `limit` objects (at most [`MAX_LISTED`]) below `folder/`, in the order of their names, from the first one behind
    /// `after`. Fewer than asked for means that there are no more.
    ///
    /// Objects whose names are not [`BlobKey`]s are not ours; they are left out and logged.
    pub async fn list(
        &self,
        folder: &BlobKey,
        after: Option<&BlobKey>,
        limit: u16,
    ) -> Result<Vec<Listed>, BlobError> {
        const LIST: &str = "list objects";
        let list = self
            .client
            .list_objects_v2()
            .bucket(&self.bucket)
            .prefix(format!("{folder}/"))
            .set_start_after(after.map(|key| key.as_str().to_owned()))
            .max_keys(i32::from(limit.min(MAX_LISTED)))
            .send();
        let page = match in_time(LIST, list).await? {
            Ok(page) => page,
            Err(error) => return Err(BlobError::from_sdk(LIST, error)),
        };
        let mut found = Vec::with_capacity(page.contents().len());
        for object in page.contents() {
            match object.key().unwrap_or_default().parse() {
                Ok(key) => found.push(Listed {
                    key,
                    size: size(object.size()),
                }),
                Err(error) => {
                    tracing::warn!(%error, "an object with a name that is not ours lies in the bucket");
                }
            }
        }
        Ok(found)
    }

    /// A URL that reads this one object, without credentials, for `ttl` (cut to [`MAX_PRESIGN`]). Signing needs no network.
    pub async fn presign_get(
        &self,
        key: &BlobKey,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<String, BlobError> {
        let get = self.signer.get_object();
        self.presign(get.key(key.as_str()), now, ttl).await
    }

    /// The same for a customer, whose program or browser is told to keep the object under `file_name`: letters, digits, `-`, `_` and
    /// `.` of it.
    pub async fn presign_download(
        &self,
        key: &BlobKey,
        file_name: &str,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<String, BlobError> {
        let safe: String = file_name
            .chars()
            .filter(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'))
            .collect();
        let get = self.download_signer.get_object();
        let get = get
            .key(key.as_str())
            .response_content_disposition(format!("attachment; filename=\"{safe}\""));
        self.presign(get, now, ttl).await
    }

    async fn presign(
        &self,
        get: GetObjectFluentBuilder,
        now: SystemTime,
        ttl: Duration,
    ) -> Result<String, BlobError> {
        const PRESIGN: &str = "presign a URL";
        let refuse = |source: Box<dyn std::error::Error + Send + Sync>| BlobError::Refused {
            operation: PRESIGN,
            code: "signing failed".to_owned(),
            request_id: "-".to_owned(),
            source,
        };
        let times = PresigningConfig::builder()
            .start_time(now)
            .expires_in(ttl.min(MAX_PRESIGN))
            .build()
            .map_err(|error| refuse(error.into()))?;
        let request = in_time(PRESIGN, get.bucket(&self.bucket).presigned(times))
            .await?
            .map_err(|error| refuse(error.into()))?;
        Ok(request.uri().to_owned())
    }
}

fn sdk_config(config: &BlobStoreConfig, endpoint: Option<&str>) -> Config {
    let credentials = Credentials::new(
        config.access_key_id.clone(),
        config.secret_access_key.expose_secret(),
        None,
        None,
        "gotrs",
    );
    let retries = RetryConfig::standard()
        .with_max_attempts(ATTEMPTS)
        .with_initial_backoff(Duration::from_millis(50))
        .with_max_backoff(Duration::from_secs(1));
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(2))
        .operation_attempt_timeout(Duration::from_secs(5))
        .operation_timeout(DEADLINE)
        .build();
    let mut builder = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(config.region.clone()))
        .credentials_provider(credentials)
        .force_path_style(config.addressing == Addressing::Path)
        // The SDK's own checksums are newer than many compatible servers; digests are checked by who reads.
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        .retry_config(retries)
        .timeout_config(timeouts);
    if let Some(endpoint) = endpoint {
        builder = builder.endpoint_url(endpoint);
    }
    builder.build()
}

async fn in_time<T>(
    operation: &'static str,
    call: impl Future<Output = T>,
) -> Result<T, BlobError> {
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(outcome) => Ok(outcome),
        Err(_elapsed) => Err(BlobError::TimedOut {
            operation,
            seconds: DEADLINE.as_secs(),
        }),
    }
}

fn size(length: Option<i64>) -> u64 {
    length.and_then(|n| u64::try_from(n).ok()).unwrap_or(0)
}
