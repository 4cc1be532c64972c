//! Settings of `gotrs up`: flags and environment variables of the same names.

use std::net::SocketAddr;
use std::path::PathBuf;

use module_engine::config::SandboxArgs;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::config::{ConfigError, SecretName, optional_secret, required_secret};

/// Settings of `gotrs up`.
#[derive(Debug, Clone, clap::Args)]
pub struct UpArgs {
    /// Folder for everything that is kept: databases, objects, mail, keys
    #[arg(long, env = "GOTRS_DATA", default_value = "./data", value_name = "DIR")]
    pub data: PathBuf,
    /// Address for browsers and programs; port 0 takes a free one
    #[arg(long, env = "GOTRS_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS",
          value_parser = parse_listen)]
    pub listen: SocketAddr,
    /// Address for /livez, /readyz and /metrics; port 0 takes a free one
    #[arg(long, env = "GOTRS_INTERNAL_LISTEN", default_value = "127.0.0.1:0", value_name = "ADDRESS",
          value_parser = parse_internal_listen)]
    pub internal_listen: SocketAddr,
    /// Also make a tenant with a known login and a sample module, to look around in
    #[arg(long, env = "GOTRS_DEMO")]
    pub demo: bool,
    /// Program of a tenant's server, instead of this one
    #[arg(long, env = "GOTRS_RUNTIME_BIN", value_name = "PATH")]
    pub runtime_bin: Option<PathBuf>,
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the text of --help"
    )]
    #[command(flatten)]
    pub database: DatabaseArgs,
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the text of --help"
    )]
    #[command(flatten)]
    pub s3: S3Args,
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the text of --help"
    )]
    #[command(flatten)]
    pub sandbox: SandboxArgs,
    /// Place of sockets, by convention of the desktop.
    #[arg(long, env = "XDG_RUNTIME_DIR", hide = true)]
    pub xdg_runtime_dir: Option<PathBuf>,
}

/// An existing PostgreSQL, or the programs of the embedded one.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "PostgreSQL (embedded unless a URL is given)")]
pub struct DatabaseArgs {
    /// Existing database for tenants, as a superuser, such as <postgres://postgres:secret@127.0.0.1/gotrs_tenants>
    #[arg(long, env = "GOTRS_DATABASE_URL", hide_env_values = true, value_name = "URL",
          value_parser = parse_database_url)]
    pub database_url: Option<SecretString>,
    /// File that holds this URL
    #[arg(long, env = "GOTRS_DATABASE_URL_FILE", value_name = "PATH")]
    pub database_url_file: Option<PathBuf>,
    /// Existing database for the control plane; that of the tenants if absent
    #[arg(long, env = "GOTRS_CONTROL_PLANE_DATABASE_URL", hide_env_values = true, value_name = "URL",
          value_parser = parse_control_plane_database_url)]
    pub control_plane_database_url: Option<SecretString>,
    /// File that holds this URL
    #[arg(
        long,
        env = "GOTRS_CONTROL_PLANE_DATABASE_URL_FILE",
        value_name = "PATH"
    )]
    pub control_plane_database_url_file: Option<PathBuf>,
    /// Folder of PostgreSQL's programs; the highest version below /usr/lib/postgresql if absent
    #[arg(long, env = "GOTRS_PG_BIN", value_name = "DIR")]
    pub pg_bin: Option<PathBuf>,
}

/// An existing S3-compatible server.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "S3 (embedded unless an endpoint is given)")]
pub struct S3Args {
    /// Existing S3-compatible server, such as <http://127.0.0.1:9000>; its bucket is made if it is not there
    #[arg(long, env = "GOTRS_S3_ENDPOINT", value_name = "URL", value_parser = parse_s3_endpoint)]
    pub s3_endpoint: Option<String>,
    /// Bucket on it
    #[arg(long, env = "GOTRS_S3_BUCKET", default_value = crate::s3::BUCKET, value_name = "NAME")]
    pub s3_bucket: String,
    /// Its region
    #[arg(long, env = "GOTRS_S3_REGION", default_value = crate::s3::REGION, value_name = "NAME")]
    pub s3_region: String,
    /// Name of the key for it
    #[arg(long, env = "GOTRS_S3_ACCESS_KEY_ID", value_name = "KEY")]
    pub s3_access_key_id: Option<String>,
    /// The key for it
    #[arg(
        long,
        env = "GOTRS_S3_SECRET_ACCESS_KEY",
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub s3_secret_access_key: Option<SecretString>,
    /// File that holds the key
    #[arg(long, env = "GOTRS_S3_SECRET_ACCESS_KEY_FILE", value_name = "PATH")]
    pub s3_secret_access_key_file: Option<PathBuf>,
}

const DATABASE_URL: SecretName = SecretName {
    variable: "GOTRS_DATABASE_URL",
    flag: "--database-url",
    example: "postgres://postgres:secret@127.0.0.1:5432/gotrs_tenants",
};
const CONTROL_PLANE_DATABASE_URL: SecretName = SecretName {
    variable: "GOTRS_CONTROL_PLANE_DATABASE_URL",
    flag: "--control-plane-database-url",
    example: "postgres://control_plane:secret@127.0.0.1:5432/gotrs_control_plane",
};
const SECRET_ACCESS_KEY: SecretName = SecretName {
    variable: "GOTRS_S3_SECRET_ACCESS_KEY",
    flag: "--s3-secret-access-key",
    example: "the secret half of the access key",
};

/// Databases that run elsewhere.
#[derive(Debug, Clone)]
pub struct ExternalDatabase {
    /// Of the tenants, as a superuser.
    pub tenants: SecretString,
    /// Of the control plane.
    pub control_plane: SecretString,
}

/// An S3 server that runs elsewhere.
#[derive(Debug, Clone)]
pub struct ExternalS3 {
    /// Its URL.
    pub endpoint: String,
    /// Bucket on it.
    pub bucket: String,
    /// Its region.
    pub region: String,
    /// Who we are there.
    pub keys: crate::s3::Keys,
}

impl DatabaseArgs {
    /// The databases that run elsewhere; `None` for the embedded server.
    pub fn external(&self) -> Result<Option<ExternalDatabase>, ConfigError> {
        let tenants = optional_secret(
            DATABASE_URL,
            self.database_url.clone(),
            self.database_url_file.as_deref(),
        )?;
        let control_plane = optional_secret(
            CONTROL_PLANE_DATABASE_URL,
            self.control_plane_database_url.clone(),
            self.control_plane_database_url_file.as_deref(),
        )?;
        match (tenants, control_plane) {
            (None, None) => Ok(None),
            (None, Some(_)) => Err(ConfigError::Missing {
                variable: DATABASE_URL.variable,
                flag: DATABASE_URL.flag,
                example: DATABASE_URL.example,
            }),
            (Some(tenants), control_plane) => {
                check_database_url(DATABASE_URL, tenants.expose_secret())?;
                let control_plane = control_plane.unwrap_or_else(|| tenants.clone());
                check_database_url(CONTROL_PLANE_DATABASE_URL, control_plane.expose_secret())?;
                Ok(Some(ExternalDatabase {
                    tenants,
                    control_plane,
                }))
            }
        }
    }
}

impl S3Args {
    /// The server that runs elsewhere; `None` for the embedded one.
    pub fn external(&self) -> Result<Option<ExternalS3>, ConfigError> {
        let Some(endpoint) = self.s3_endpoint.clone() else {
            return Ok(None);
        };
        let access_key = self.s3_access_key_id.clone().ok_or(ConfigError::Missing {
            variable: "GOTRS_S3_ACCESS_KEY_ID",
            flag: "--s3-access-key-id",
            example: "the public half of the access key",
        })?;
        let secret_key = required_secret(
            SECRET_ACCESS_KEY,
            self.s3_secret_access_key.clone(),
            self.s3_secret_access_key_file.as_deref(),
        )?;
        Ok(Some(ExternalS3 {
            endpoint,
            bucket: self.s3_bucket.clone(),
            region: self.s3_region.clone(),
            keys: crate::s3::Keys {
                access_key,
                secret_key,
            },
        }))
    }
}

fn parse_listen(text: &str) -> Result<SocketAddr, ConfigError> {
    parse_address("GOTRS_LISTEN", "127.0.0.1:8080", text)
}

fn parse_internal_listen(text: &str) -> Result<SocketAddr, ConfigError> {
    parse_address("GOTRS_INTERNAL_LISTEN", "127.0.0.1:9080", text)
}

fn parse_address(
    variable: &'static str,
    example: &'static str,
    text: &str,
) -> Result<SocketAddr, ConfigError> {
    text.parse().map_err(|_error| ConfigError::Invalid {
        variable,
        problem: "not an IP address with a port".to_owned(),
        example,
    })
}

fn parse_database_url(text: &str) -> Result<SecretString, ConfigError> {
    check_database_url(DATABASE_URL, text).map(|()| text.to_owned().into())
}

fn parse_control_plane_database_url(text: &str) -> Result<SecretString, ConfigError> {
    check_database_url(CONTROL_PLANE_DATABASE_URL, text).map(|()| text.to_owned().into())
}

/// Does not repeat the value: it holds a password.
fn check_database_url(name: SecretName, text: &str) -> Result<(), ConfigError> {
    let is_good = ["postgres://", "postgresql://"].iter().any(|scheme| {
        text.strip_prefix(scheme)
            .is_some_and(|rest| !rest.is_empty())
    });
    if is_good {
        Ok(())
    } else {
        Err(ConfigError::Invalid {
            variable: name.variable,
            problem: "not a PostgreSQL URL".to_owned(),
            example: name.example,
        })
    }
}

fn parse_s3_endpoint(text: &str) -> Result<String, ConfigError> {
    let is_good = text.parse::<http::Uri>().is_ok_and(|uri| {
        matches!(uri.scheme_str(), Some("http" | "https"))
            && uri.host().is_some_and(|h| !h.is_empty())
    });
    if is_good {
        Ok(text.trim_end_matches('/').to_owned())
    } else {
        Err(ConfigError::Invalid {
            variable: "GOTRS_S3_ENDPOINT",
            problem: "not the URL of a server".to_owned(),
            example: "http://127.0.0.1:9000",
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Args {
        #[command(flatten)]
        up: UpArgs,
    }

    fn parse(words: &[&str]) -> UpArgs {
        Args::try_parse_from(["up"].iter().chain(words)).unwrap().up
    }

    #[test]
    fn nothing_given_means_everything_embedded() {
        let args = parse(&[]);
        assert!(args.database.external().unwrap().is_none());
        assert!(args.s3.external().unwrap().is_none());
        assert_eq!(args.listen.port(), 8080);
    }

    #[test]
    fn the_control_plane_shares_the_tenants_database_unless_told_otherwise() {
        let one = parse(&["--database-url=postgres://a@h/t"])
            .database
            .external();
        let one = one.unwrap().unwrap();
        assert_eq!(one.control_plane.expose_secret(), "postgres://a@h/t");
        let alone = parse(&["--control-plane-database-url=postgres://a@h/c"]);
        let error = alone.database.external().unwrap_err().to_string();
        assert!(error.contains("GOTRS_DATABASE_URL is not set"), "{error}");
    }

    #[test]
    fn a_url_in_a_file_is_checked_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("url");
        std::fs::write(&file, "mysql://root:hunter2@h/t\n").unwrap();
        let args = parse(&["--database-url-file", file.to_str().unwrap()]);
        let error = args.database.external().unwrap_err().to_string();
        assert!(
            error.contains("GOTRS_DATABASE_URL is not a PostgreSQL URL"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }

    #[test]
    fn an_s3_endpoint_needs_its_keys() {
        let error = parse(&["--s3-endpoint=http://h:9000"])
            .s3
            .external()
            .unwrap_err();
        assert!(
            error.to_string().contains("GOTRS_S3_ACCESS_KEY_ID"),
            "{error}"
        );
        let args = parse(&[
            "--s3-endpoint=http://h:9000/",
            "--s3-access-key-id=a",
            "--s3-secret-access-key=b",
        ]);
        let s3 = args.s3.external().unwrap().unwrap();
        assert_eq!(
            (s3.endpoint.as_str(), s3.bucket.as_str()),
            ("http://h:9000", "gotrs")
        );
    }
}
