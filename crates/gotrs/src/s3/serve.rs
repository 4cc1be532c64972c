//! The small S3 server as a process of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::Tasks;
use service_kit::config::{ConfigError, SecretName, required_secret};

use super::Keys;

/// Settings of the server, the same as flags and environment variables.
#[derive(Debug, Clone, clap::Args)]
pub struct S3ServerArgs {
    /// Address of the server
    #[arg(long, env = "GOTRS_LISTEN", default_value = "127.0.0.1:9000")]
    pub listen: SocketAddr,
    /// Folder that holds the bucket; it is made where it is missing
    #[arg(long, env = "GOTRS_S3_FOLDER", value_name = "PATH")]
    pub folder: PathBuf,
    /// The bucket
    #[arg(
        long,
        env = "GOTRS_S3_BUCKET",
        default_value = super::BUCKET,
        value_name = "NAME"
    )]
    pub bucket: String,
    /// Access key that opens it
    #[arg(long, env = "GOTRS_S3_ACCESS_KEY_ID", value_name = "KEY")]
    pub access_key_id: Option<String>,
    /// Secret of the access key
    #[arg(
        long,
        env = "GOTRS_S3_SECRET_ACCESS_KEY",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub secret_access_key: Option<SecretString>,
    /// File that holds the secret of the access key
    #[arg(long, env = "GOTRS_S3_SECRET_ACCESS_KEY_FILE", value_name = "PATH")]
    pub secret_access_key_file: Option<PathBuf>,
}

const SECRET: SecretName = SecretName {
    variable: "GOTRS_S3_SECRET_ACCESS_KEY",
    flag: "--secret-access-key",
    example: "the output of `openssl rand -hex 20`",
};

impl S3ServerArgs {
    fn keys(&self) -> Result<Keys, ConfigError> {
        let access_key = self
            .access_key_id
            .clone()
            .filter(|key| !key.is_empty())
            .ok_or(ConfigError::Missing {
                variable: "GOTRS_S3_ACCESS_KEY_ID",
                flag: "--access-key-id",
                example: "AKIAIOSFODNN7EXAMPLE",
            })?;
        let secret_key = required_secret(
            SECRET,
            self.secret_access_key.clone(),
            self.secret_access_key_file.as_deref(),
        )?;
        if secret_key.expose_secret().is_empty() {
            return Err(ConfigError::Invalid {
                variable: SECRET.variable,
                problem: "empty".to_owned(),
                example: SECRET.example,
            });
        }
        Ok(Keys {
            access_key,
            secret_key,
        })
    }
}

/// Serves until a signal comes.
pub async fn run(args: S3ServerArgs) -> anyhow::Result<ExitCode> {
    let keys = args.keys()?;
    // A bucket is a folder: its name must not lead out of ours.
    ensure!(
        is_bucket_name(&args.bucket),
        "GOTRS_S3_BUCKET is {:?}, which is no name of a bucket; an example of a good value: gotrs",
        args.bucket
    );
    std::fs::create_dir_all(&args.folder)
        .with_context(|| format!("making the folder {}", args.folder.display()))?;
    let tasks = Tasks::new();
    let listener = service_kit::http::bind(args.listen).await?;
    super::start(listener, &args.folder, &args.bucket, &keys, &tasks)?;
    tracing::info!(address = %args.listen, bucket = args.bucket, "serving S3");
    tasks.run_until_stopped().await
}

fn is_bucket_name(text: &str) -> bool {
    (3..=63).contains(&text.len())
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        s3: S3ServerArgs,
    }

    fn parse(extra: &[&str]) -> S3ServerArgs {
        let words = ["x", "--folder=/tmp/x"].iter().chain(extra);
        Cli::try_parse_from(words).unwrap().s3
    }

    #[test]
    fn each_half_of_the_key_is_asked_for_by_name() {
        for (flags, variable) in [
            (&[][..], "GOTRS_S3_ACCESS_KEY_ID is not set"),
            (&["--access-key-id="], "GOTRS_S3_ACCESS_KEY_ID is not set"),
            (
                &["--access-key-id=a"],
                "GOTRS_S3_SECRET_ACCESS_KEY is not set",
            ),
            (
                &["--access-key-id=a", "--secret-access-key="],
                "GOTRS_S3_SECRET_ACCESS_KEY is empty",
            ),
        ] {
            let error = parse(flags).keys().unwrap_err().to_string();
            assert!(error.contains(variable), "{flags:?}: {error}");
        }
        parse(&["--access-key-id=a", "--secret-access-key=b"])
            .keys()
            .unwrap();
    }

    #[test]
    fn a_bucket_is_one_folder() {
        for bad in ["", "..", "../x", "a/b", ".hidden", "UPPER", "ab"] {
            assert!(!is_bucket_name(bad), "{bad}");
        }
        assert!(is_bucket_name("gotrs-production.1"));
    }
}
