//! Settings of the control plane: as flags and environment variables, and validated.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::time::Duration;

use chrono::TimeDelta;
use http::Uri;
use http::uri::Scheme;
use module_engine::config::SandboxArgs;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::client_address::{AddressRange, TrustedProxies};
use service_kit::config::{ConfigError, SecretName, required_secret};

use crate::keys::Keys;
use crate::mail::{MailSettings, MailTransport};
use crate::rate_limit::Rates;
use domain::name::TenantSlug;

/// Settings of the control plane, the same as flags and environment variables.
#[derive(Debug, Clone, clap::Args)]
#[command(next_help_heading = "Control plane")]
pub struct ControlPlaneConfig {
    /// Database of the control plane, such as <postgres://control_plane:secret@db.internal/gotrs_control_plane>
    #[arg(long, env = "GOTRS_DATABASE_URL", hide_env_values = true)]
    pub database_url: Option<SecretString>,
    /// File that holds the database URL
    #[arg(long, env = "GOTRS_DATABASE_URL_FILE")]
    pub database_url_file: Option<PathBuf>,
    /// Connections to the database that this process may hold
    #[arg(long, env = "GOTRS_DATABASE_CONNECTIONS", default_value = "20")]
    pub database_connections: NonZeroU32,
    /// Secret of at least 32 bytes that all tokens are made with; every replica needs the same
    #[arg(long, env = "GOTRS_SECRET_KEY", hide_env_values = true)]
    pub secret_key: Option<SecretString>,
    /// File that holds the secret
    #[arg(long, env = "GOTRS_SECRET_KEY_FILE")]
    pub secret_key_file: Option<PathBuf>,
    /// Address of the console and the API
    #[arg(long, env = "GOTRS_LISTEN", default_value = "127.0.0.1:8081")]
    pub listen: SocketAddr,
    /// Address of /livez, /readyz and /metrics
    #[arg(long, env = "GOTRS_INTERNAL_LISTEN", default_value = "127.0.0.1:9081")]
    pub internal_listen: SocketAddr,
    /// Where browsers reach the console
    #[arg(
        long,
        env = "GOTRS_PUBLIC_URL",
        default_value = "http://localhost:8080"
    )]
    pub public_url: String,
    /// Tenants are served at <slug>.<base domain>
    #[arg(long, env = "GOTRS_BASE_DOMAIN", default_value = "localhost")]
    pub base_domain: String,
    /// Scheme of tenants' addresses, http or https; that of the public URL if absent
    #[arg(long, env = "GOTRS_TENANT_SCHEME")]
    pub tenant_scheme: Option<String>,
    /// Port of tenants' addresses; that of the public URL if absent
    #[arg(long, env = "GOTRS_TENANT_PORT")]
    pub tenant_port: Option<u16>,
    /// Cluster in which new tenants are placed
    #[arg(long, env = "GOTRS_CELL", default_value = "local")]
    pub cell: String,
    /// Mail server, such as <smtps://user:password@mail.example.com>
    #[arg(
        long,
        env = "GOTRS_SMTP_URL",
        hide_env_values = true,
        conflicts_with = "mailbox"
    )]
    pub smtp_url: Option<SecretString>,
    /// File that holds the URL of the mail server
    #[arg(long, env = "GOTRS_SMTP_URL_FILE", conflicts_with = "mailbox")]
    pub smtp_url_file: Option<PathBuf>,
    /// Folder that receives all mail instead of a mail server; for development, shown at /dev/mail
    #[arg(long, env = "GOTRS_MAILBOX")]
    pub mailbox: Option<PathBuf>,
    /// Sender of mail
    #[arg(
        long,
        env = "GOTRS_MAIL_FROM",
        default_value = "GOTRS Cloud <no-reply@localhost.localdomain>"
    )]
    pub mail_from: String,
    /// Days for which a deleted tenant can be brought back
    #[arg(long, env = "GOTRS_DELETION_GRACE_DAYS", default_value = "14")]
    pub deletion_grace_days: u32,
    /// Addresses or ranges of routers whose X-Forwarded-For is believed, besides loopback
    #[arg(
        long,
        env = "GOTRS_TRUSTED_PROXIES",
        value_delimiter = ',',
        value_name = "RANGE"
    )]
    pub trusted_proxies: Vec<AddressRange>,
    /// Signups that one client address may make per hour
    #[arg(long, env = "GOTRS_SIGNUPS_PER_HOUR", default_value = "20")]
    pub signups_per_hour: NonZeroU32,
    /// Attempts to sign in per minute, for one account and one client address each
    #[arg(long, env = "GOTRS_SIGN_INS_PER_MINUTE", default_value = "10")]
    pub sign_ins_per_minute: NonZeroU32,
    /// Exports of one tenant per hour
    #[arg(long, env = "GOTRS_EXPORTS_PER_HOUR", default_value = "6")]
    pub exports_per_hour: NonZeroU32,
    /// Days for which an export is kept
    #[arg(long, env = "GOTRS_EXPORT_DAYS", default_value = "30", value_parser = days())]
    pub export_days: u32,
    /// Days for which the final export of a deleted tenant is kept
    #[arg(long, env = "GOTRS_FINAL_EXPORT_DAYS", default_value = "90", value_parser = days())]
    pub final_export_days: u32,
    /// Calls of the API per second that one account may make
    #[arg(long, env = "GOTRS_CALLS_PER_SECOND", default_value = "100")]
    pub calls_per_second: NonZeroU32,
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the text of --help"
    )]
    #[command(flatten)]
    pub sandbox: SandboxArgs,
}

const DATABASE_URL: SecretName = SecretName {
    variable: "GOTRS_DATABASE_URL",
    flag: "--database-url",
    example: "postgres://control_plane:secret@db.internal/gotrs_control_plane",
};
const SECRET_KEY: SecretName = SecretName {
    variable: "GOTRS_SECRET_KEY",
    flag: "--secret-key",
    example: "the output of `openssl rand -hex 32`",
};
const SMTP_URL: SecretName = SecretName {
    variable: "GOTRS_SMTP_URL",
    flag: "--smtp-url",
    example: "smtps://user:password@mail.example.com, or --mailbox DIR for development",
};
const PUBLIC_URL_EXAMPLE: &str = "https://console.example.com";

impl ControlPlaneConfig {
    /// The URL of the database.
    pub fn database_url(&self) -> Result<SecretString, ConfigError> {
        required_secret(
            DATABASE_URL,
            self.database_url.clone(),
            self.database_url_file.as_deref(),
        )
    }

    /// The keys that everything is signed with.
    pub fn keys(&self) -> Result<Keys, ConfigError> {
        let secret = required_secret(
            SECRET_KEY,
            self.secret_key.clone(),
            self.secret_key_file.as_deref(),
        )?;
        let length = secret.expose_secret().len();
        Keys::new(secret).map_err(|_weak| ConfigError::Invalid {
            variable: SECRET_KEY.variable,
            problem: format!("{length} bytes long, at least {} are needed", Keys::MIN_LEN),
            example: SECRET_KEY.example,
        })
    }

    /// Everything else, checked.
    pub fn settings(&self) -> Result<Settings, ConfigError> {
        let public_url = PublicUrl::parse("GOTRS_PUBLIC_URL", &self.public_url)?;
        let tenant_urls = TenantUrls {
            scheme: self.tenant_scheme()?.unwrap_or(public_url.scheme),
            base_domain: self.base_domain()?,
            port: self.tenant_port.or(public_url.port),
        };
        let transport = match &self.mailbox {
            Some(folder) => MailTransport::LocalMailbox(folder.clone()),
            None => MailTransport::Smtp(required_secret(
                SMTP_URL,
                self.smtp_url.clone(),
                self.smtp_url_file.as_deref(),
            )?),
        };
        Ok(Settings {
            public_url,
            tenant_urls,
            cell: self.cell.clone(),
            mail: MailSettings {
                from: self.mail_from.clone(),
                transport,
            },
            deletion_grace: Duration::from_secs(u64::from(self.deletion_grace_days) * 24 * 60 * 60),
            trusted_proxies: TrustedProxies::new(self.trusted_proxies.clone()).and_loopback(),
            rates: Rates {
                signups_per_hour: self.signups_per_hour,
                sign_ins_per_minute: self.sign_ins_per_minute,
                calls_per_second: self.calls_per_second,
                exports_per_hour: self.exports_per_hour,
            },
            exports: ExportRetention {
                kept: TimeDelta::days(i64::from(self.export_days)),
                final_kept: TimeDelta::days(i64::from(self.final_export_days)),
            },
            sandbox: self.sandbox.clone(),
        })
    }

    fn tenant_scheme(&self) -> Result<Option<UrlScheme>, ConfigError> {
        match self.tenant_scheme.as_deref() {
            None => Ok(None),
            Some("http") => Ok(Some(UrlScheme::Http)),
            Some("https") => Ok(Some(UrlScheme::Https)),
            Some(other) => Err(ConfigError::Invalid {
                variable: "GOTRS_TENANT_SCHEME",
                problem: format!("{other:?}, which is neither http nor https"),
                example: "https",
            }),
        }
    }

    fn base_domain(&self) -> Result<String, ConfigError> {
        let domain = self.base_domain.to_ascii_lowercase();
        let is_good = domain.len() <= 200
            && domain.split('.').all(|label| {
                !label.is_empty()
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            });
        if is_good {
            Ok(domain)
        } else {
            Err(ConfigError::Invalid {
                variable: "GOTRS_BASE_DOMAIN",
                problem: format!(
                    "{:?}, which is not a domain name without port",
                    self.base_domain
                ),
                example: "example.com",
            })
        }
    }
}

/// Checked settings; `gotrs up` and tests make them directly.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where browsers reach the console.
    pub public_url: PublicUrl,
    /// How tenants' addresses are made.
    pub tenant_urls: TenantUrls,
    /// Cluster in which new tenants are placed.
    pub cell: String,
    /// How mail goes out.
    pub mail: MailSettings,
    /// How long a deleted tenant can be brought back.
    pub deletion_grace: Duration,
    /// Whose `X-Forwarded-For` is believed.
    pub trusted_proxies: TrustedProxies,
    /// How much is too much.
    pub rates: Rates,
    /// How long archives of tenants are kept.
    pub exports: ExportRetention,
    /// Where lambdas of uploads are checked.
    pub sandbox: SandboxArgs,
}

/// How long archives of tenants are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportRetention {
    /// What somebody asked for.
    pub kept: TimeDelta,
    /// What is left of a deleted tenant.
    pub final_kept: TimeDelta,
}

impl Default for ExportRetention {
    fn default() -> Self {
        Self {
            kept: TimeDelta::days(30),
            final_kept: TimeDelta::days(90),
        }
    }
}

/// From one day to a century: what is made must be there for a while.
fn days() -> clap::builder::RangedI64ValueParser<u32> {
    clap::value_parser!(u32).range(1..=36_500)
}

/// `http` or `https`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UrlScheme {
    /// Development.
    Http,
    /// Everything else.
    Https,
}

impl UrlScheme {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// The port that is left out of addresses.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// An origin: scheme, host and port, no path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicUrl {
    /// Decides whether cookies are `Secure`.
    pub scheme: UrlScheme,
    /// In lower case.
    pub host: String,
    /// `None` for the scheme's own.
    pub port: Option<u16>,
}

impl PublicUrl {
    /// Reads an origin such as `https://console.example.com`; `variable` names it in the error.
    pub fn parse(variable: &'static str, text: &str) -> Result<Self, ConfigError> {
        let invalid = |problem: &str| ConfigError::Invalid {
            variable,
            problem: format!("{text:?}, {problem}"),
            example: PUBLIC_URL_EXAMPLE,
        };
        let uri: Uri = text
            .parse()
            .map_err(|error| invalid(&format!("which is not a URL ({error})")))?;
        let scheme = match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTP => UrlScheme::Http,
            Some(scheme) if *scheme == Scheme::HTTPS => UrlScheme::Https,
            _ => return Err(invalid("which does not begin with http:// or https://")),
        };
        if !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(invalid(
                "which has a path; only scheme, host and port are allowed",
            ));
        }
        let host = uri.host().unwrap_or_default().to_ascii_lowercase();
        if host.is_empty() {
            return Err(invalid("which names no host"));
        }
        Ok(Self {
            scheme,
            host,
            port: uri.port_u16().filter(|port| *port != scheme.default_port()),
        })
    }

    /// The URL of a path of the console; the path begins with a slash.
    pub fn join(&self, path: &str) -> String {
        format!("{}{path}", self.origin())
    }

    /// Scheme, host and port, as browsers write it in `Origin`.
    pub fn origin(&self) -> String {
        origin(self.scheme, &self.host, self.port)
    }
}

/// How a tenant's address is made from its slug.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantUrls {
    /// Of all tenants.
    pub scheme: UrlScheme,
    /// Such as `localhost` or `example.com`.
    pub base_domain: String,
    /// `None` for the scheme's own.
    pub port: Option<u16>,
}

impl TenantUrls {
    /// The tenant's host without port.
    pub fn host(&self, slug: &TenantSlug) -> String {
        format!("{slug}.{}", self.base_domain)
    }

    /// The tenant's main address, without a slash at the end.
    pub fn url(&self, slug: &TenantSlug) -> String {
        origin(self.scheme, &self.host(slug), self.port)
    }
}

fn origin(scheme: UrlScheme, host: &str, port: Option<u16>) -> String {
    match port.filter(|port| *port != scheme.default_port()) {
        Some(port) => format!("{}://{host}:{port}", scheme.as_str()),
        None => format!("{}://{host}", scheme.as_str()),
    }
}

#[cfg(test)]
mod tests;
