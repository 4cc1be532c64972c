//! Where objects are stored, as flags and environment variables: the same for every process that has credentials for S3.

use std::path::PathBuf;

use http::Uri;
use secrecy::SecretString;
use service_kit::config::{ConfigError, SecretName, required_secret};

use crate::store::{Addressing, BlobStore, BlobStoreConfig};

/// Settings of the object store.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Object store (S3)")]
pub struct S3Args {
    /// S3-compatible server, such as <http://127.0.0.1:9000>; AWS itself if absent
    #[arg(long, env = "GOTRS_S3_ENDPOINT", value_name = "URL")]
    pub s3_endpoint: Option<String>,
    /// Where runtimes reach the same server, if by another address
    #[arg(long, env = "GOTRS_S3_PUBLIC_ENDPOINT", value_name = "URL")]
    pub s3_public_endpoint: Option<String>,
    /// Where customers reach the same server to download exports, if by another address than runtimes
    #[arg(long, env = "GOTRS_S3_DOWNLOAD_ENDPOINT", value_name = "URL")]
    pub s3_download_endpoint: Option<String>,
    /// Bucket that holds everything
    #[arg(
        long,
        env = "GOTRS_S3_BUCKET",
        default_value = "gotrs",
        value_name = "NAME"
    )]
    pub s3_bucket: String,
    /// Region of the bucket; S3-compatible servers take any
    #[arg(
        long,
        env = "GOTRS_S3_REGION",
        default_value = "us-east-1",
        value_name = "NAME"
    )]
    pub s3_region: String,
    /// Access key
    #[arg(long, env = "GOTRS_S3_ACCESS_KEY_ID", value_name = "KEY")]
    pub s3_access_key_id: Option<String>,
    /// Secret of the access key
    #[arg(
        long,
        env = "GOTRS_S3_SECRET_ACCESS_KEY",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub s3_secret_access_key: Option<SecretString>,
    /// File that holds the secret of the access key
    #[arg(long, env = "GOTRS_S3_SECRET_ACCESS_KEY_FILE", value_name = "PATH")]
    pub s3_secret_access_key_file: Option<PathBuf>,
}

const SECRET: SecretName = SecretName {
    variable: "GOTRS_S3_SECRET_ACCESS_KEY",
    flag: "--s3-secret-access-key",
    example: "the secret that belongs to GOTRS_S3_ACCESS_KEY_ID",
};
const ENDPOINT_EXAMPLE: &str = "http://127.0.0.1:9000";

/// A server that speaks S3, for those who know it already: `gotrs up` and tests.
#[derive(Debug, Clone)]
pub struct S3Server {
    /// Such as `http://127.0.0.1:9000`.
    pub endpoint: String,
    /// Any, where the server does not care.
    pub region: String,
    /// Holds everything.
    pub bucket: String,
    /// Access key.
    pub access_key_id: String,
    /// Secret of the access key.
    pub secret_access_key: SecretString,
}

impl S3Server {
    /// The store in it. Connects to nothing yet; [`BlobStore::ensure_bucket`] makes the bucket.
    pub fn store(self) -> BlobStore {
        BlobStore::new(&BlobStoreConfig {
            endpoint: Some(self.endpoint),
            public_endpoint: None,
            download_endpoint: None,
            region: self.region,
            bucket: self.bucket,
            addressing: Addressing::Path,
            access_key_id: self.access_key_id,
            secret_access_key: self.secret_access_key,
        })
    }
}

impl S3Args {
    /// The store, where an access key is given; for processes that do without.
    pub fn optional_store(&self) -> Result<Option<BlobStore>, ConfigError> {
        match self.s3_access_key_id {
            Some(_) => self.store().map(Some),
            None => Ok(None),
        }
    }

    /// The store that the settings name. Connects to nothing yet.
    pub fn store(&self) -> Result<BlobStore, ConfigError> {
        let access_key_id = self.s3_access_key_id.clone().ok_or(ConfigError::Missing {
            variable: "GOTRS_S3_ACCESS_KEY_ID",
            flag: "--s3-access-key-id",
            example: "AKIAIOSFODNN7EXAMPLE",
        })?;
        let secret_access_key = required_secret(
            SECRET,
            self.s3_secret_access_key.clone(),
            self.s3_secret_access_key_file.as_deref(),
        )?;
        Ok(BlobStore::new(&BlobStoreConfig {
            endpoint: endpoint("GOTRS_S3_ENDPOINT", self.s3_endpoint.as_deref())?,
            public_endpoint: endpoint(
                "GOTRS_S3_PUBLIC_ENDPOINT",
                self.s3_public_endpoint.as_deref(),
            )?,
            download_endpoint: endpoint(
                "GOTRS_S3_DOWNLOAD_ENDPOINT",
                self.s3_download_endpoint.as_deref(),
            )?,
            region: self.s3_region.clone(),
            bucket: self.s3_bucket.clone(),
            // Every server but AWS understands paths; AWS asks for hosts.
            addressing: match self.s3_endpoint {
                Some(_) => Addressing::Path,
                None => Addressing::VirtualHost,
            },
            access_key_id,
            secret_access_key,
        }))
    }
}

fn endpoint(variable: &'static str, text: Option<&str>) -> Result<Option<String>, ConfigError> {
    let Some(text) = text else {
        return Ok(None);
    };
    let is_good = text.parse::<Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|host| !host.is_empty())
            && uri.query().is_none()
    });
    if !is_good {
        return Err(ConfigError::Invalid {
            variable,
            problem: format!("{text:?}, which is not the address of a server"),
            example: ENDPOINT_EXAMPLE,
        });
    }
    Ok(Some(text.trim_end_matches('/').to_owned()))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        s3: S3Args,
    }

    fn store(extra: &[&str]) -> Result<BlobStore, ConfigError> {
        let flags = ["x"].iter().chain(extra);
        Cli::try_parse_from(flags).unwrap().s3.store()
    }

    #[test]
    fn a_server_and_its_credentials_are_enough() {
        let key = ["--s3-access-key-id=a", "--s3-secret-access-key=b"];
        store(&key).unwrap();
        let mut server = key.to_vec();
        server.push("--s3-endpoint=http://127.0.0.1:9000/");
        store(&server).unwrap();
    }

    #[test]
    fn each_wrong_value_names_its_variable() {
        let key = ["--s3-access-key-id=a", "--s3-secret-access-key=b"];
        for (flags, variable) in [
            (vec![], "GOTRS_S3_ACCESS_KEY_ID is not set"),
            (vec![key[0]], "GOTRS_S3_SECRET_ACCESS_KEY is not set"),
            (
                vec![key[0], "--s3-secret-access-key-file=/nowhere/at/all"],
                "GOTRS_S3_SECRET_ACCESS_KEY_FILE names /nowhere/at/all",
            ),
            (
                vec![key[0], key[1], "--s3-endpoint=minio:9000"],
                "GOTRS_S3_ENDPOINT is",
            ),
            (
                vec![key[0], key[1], "--s3-public-endpoint=ftp://x"],
                "GOTRS_S3_PUBLIC_ENDPOINT is",
            ),
            (
                vec![key[0], key[1], "--s3-download-endpoint=s3.example.com"],
                "GOTRS_S3_DOWNLOAD_ENDPOINT is",
            ),
        ] {
            let error = store(&flags).unwrap_err().to_string();
            assert!(error.contains(variable), "{flags:?}: {error}");
        }
    }
}
