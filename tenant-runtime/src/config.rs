//! Settings of one runtime process; flags and environment variables have the same names.

use std::net::SocketAddr;
use std::path::PathBuf;

use domain::id::TenantId;
use domain::name::TenantSlug;
use domain::plan::Plan;
use module_engine::config::SandboxArgs;
use reqwest::Url;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::config::{ConfigError, SecretName, required_secret};
use sqlx::postgres::PgConnectOptions;

use crate::modules::token::RuntimeToken;

/// Settings of the server of one tenant.
#[derive(Debug, Clone, clap::Args)]
pub struct RuntimeConfig {
    /// The tenant that this process serves
    #[arg(long, env = "GOTRS_TENANT_ID", value_name = "UUID")]
    pub tenant_id: TenantId,
    /// The tenant's part of its host
    #[arg(long, env = "GOTRS_TENANT_SLUG", value_name = "SLUG")]
    pub tenant_slug: TenantSlug,
    /// The tenant's name as people see it
    #[arg(long, env = "GOTRS_TENANT_NAME", value_name = "TEXT")]
    pub tenant_name: String,
    /// The tenant's plan; it sets the ceilings (free, team or business)
    #[arg(long, env = "GOTRS_TENANT_PLAN", value_name = "PLAN")]
    pub tenant_plan: Plan,
    /// Where people reach this tenant, such as <http://acme.localhost:8080>
    #[arg(long, env = "GOTRS_PUBLIC_URL", value_name = "URL")]
    pub public_url: Url,
    /// Address for requests from the router; port 0 takes a free one
    #[arg(
        long,
        env = "GOTRS_LISTEN",
        default_value = "127.0.0.1:0",
        value_name = "ADDRESS"
    )]
    pub listen: SocketAddr,
    /// Address for /livez, /readyz and /metrics
    #[arg(
        long,
        env = "GOTRS_INTERNAL_LISTEN",
        default_value = "127.0.0.1:0",
        value_name = "ADDRESS"
    )]
    pub internal_listen: SocketAddr,
    /// File that tells the addresses (JSON) once both are bound
    #[arg(long, env = "GOTRS_ADDRESS_FILE", value_name = "PATH")]
    pub address_file: Option<PathBuf>,
    /// Database of the tenant, as its runtime role
    #[arg(
        long,
        env = "GOTRS_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub database_url: Option<SecretString>,
    /// File that holds the database URL
    #[arg(long, env = "GOTRS_DATABASE_URL_FILE", value_name = "PATH")]
    pub database_url_file: Option<PathBuf>,
    /// The same database as the role that lambdas read with
    #[arg(
        long,
        env = "GOTRS_LAMBDA_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    pub lambda_database_url: Option<SecretString>,
    /// File that holds the lambda database URL
    #[arg(long, env = "GOTRS_LAMBDA_DATABASE_URL_FILE", value_name = "PATH")]
    pub lambda_database_url_file: Option<PathBuf>,
    /// The control plane, which announces the tenant's modules; without one the stock modules are served
    #[arg(long, env = "GOTRS_CONTROL_PLANE_URL", value_name = "URL")]
    pub control_plane_url: Option<Url>,
    /// What this runtime shows to the control plane; needed where there is one
    #[arg(
        long,
        env = "GOTRS_RUNTIME_TOKEN",
        hide_env_values = true,
        value_name = "TOKEN"
    )]
    pub runtime_token: Option<SecretString>,
    /// File that holds the runtime token; read again whenever it is needed, since it may be renewed
    #[arg(long, env = "GOTRS_RUNTIME_TOKEN_FILE", value_name = "PATH")]
    pub runtime_token_file: Option<PathBuf>,
    /// Trace (W3C traceparent) of the request that this start is a part of; may be empty
    #[arg(
        long,
        env = "GOTRS_TRACE_PARENT",
        conflicts_with = "trace_parent_file",
        value_name = "TRACE"
    )]
    pub trace_parent: Option<String>,
    /// File with the trace (W3C traceparent) of the request that this start is a part of; may be empty
    #[arg(long, env = "GOTRS_TRACE_PARENT_FILE", value_name = "PATH")]
    pub trace_parent_file: Option<PathBuf>,
    /// Folder for the modules that were loaded last; the runtime starts from it when the control plane is away
    #[arg(long, env = "GOTRS_DATA_DIR", value_name = "PATH")]
    pub data_dir: PathBuf,
    /// Name of this process among the tenant's runtimes, as it appears in module statuses
    #[arg(
        long,
        env = "GOTRS_INSTANCE",
        default_value = "runtime-1", value_parser = instance_name, value_name = "NAME"
    )]
    pub instance: String,
    #[expect(
        missing_docs,
        reason = "a doc comment here would replace the text of --help"
    )]
    #[command(flatten)]
    pub sandbox: SandboxArgs,
}

/// A pod's name or the like: it appears in URLs and statuses.
fn instance_name(text: &str) -> Result<String, String> {
    let good = (1..=100).contains(&text.len())
        && text
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte));
    if good {
        Ok(text.to_owned())
    } else {
        Err(
            "up to 100 letters, digits, hyphens, underscores, dots and colons, such as runtime-1"
                .to_owned(),
        )
    }
}

const DATABASE_URL: SecretName = SecretName {
    variable: "GOTRS_DATABASE_URL",
    flag: "--database-url",
    example: "postgres://runtime:secret@127.0.0.1:5432/tenants",
};
const LAMBDA_DATABASE_URL: SecretName = SecretName {
    variable: "GOTRS_LAMBDA_DATABASE_URL",
    flag: "--lambda-database-url",
    example: "postgres://lambda:secret@127.0.0.1:5432/tenants",
};
const RUNTIME_TOKEN: SecretName = SecretName {
    variable: "GOTRS_RUNTIME_TOKEN",
    flag: "--runtime-token",
    example: "gotrs_rt_...",
};

/// The secrets of a [`RuntimeConfig`], read and checked.
pub(crate) struct Secrets {
    pub(crate) database: PgConnectOptions,
    pub(crate) lambda_database: PgConnectOptions,
    pub(crate) control_plane: Option<ControlPlaneAccess>,
}

/// Where the control plane is, and what this runtime shows to it.
pub(crate) struct ControlPlaneAccess {
    pub(crate) url: Url,
    pub(crate) token: RuntimeToken,
}

impl RuntimeConfig {
    /// Reads what may lie in files and checks what clap cannot; the error names the variable.
    pub(crate) fn secrets(&self) -> Result<Secrets, ConfigError> {
        let database = required_secret(
            DATABASE_URL,
            self.database_url.clone(),
            self.database_url_file.as_deref(),
        )?;
        let lambda_database = required_secret(
            LAMBDA_DATABASE_URL,
            self.lambda_database_url.clone(),
            self.lambda_database_url_file.as_deref(),
        )?;
        let control_plane = match &self.control_plane_url {
            Some(url) => Some(ControlPlaneAccess {
                url: url.clone(),
                token: self.token()?,
            }),
            None => None,
        };
        Ok(Secrets {
            database: connect_options(DATABASE_URL, &database)?,
            lambda_database: connect_options(LAMBDA_DATABASE_URL, &lambda_database)?,
            control_plane,
        })
    }

    fn token(&self) -> Result<RuntimeToken, ConfigError> {
        let token = required_secret(
            RUNTIME_TOKEN,
            self.runtime_token.clone(),
            self.runtime_token_file.as_deref(),
        )?;
        Ok(match (&self.runtime_token, &self.runtime_token_file) {
            (None, Some(file)) => RuntimeToken::in_file(file.clone(), token),
            _ => token.into(),
        })
    }
}

fn connect_options(name: SecretName, url: &SecretString) -> Result<PgConnectOptions, ConfigError> {
    let text = url.expose_secret();
    let wrong = |problem: String| ConfigError::Invalid {
        variable: name.variable,
        problem,
        example: name.example,
    };
    // sqlx takes every scheme; what it says about a URL never holds the password.
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return Err(wrong("not a PostgreSQL URL".to_owned()));
    }
    text.parse()
        .map_err(|error: sqlx::Error| wrong(format!("not a PostgreSQL URL ({error})")))
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Args {
        #[command(flatten)]
        runtime: RuntimeConfig,
    }

    const GOOD: &[&str] = &[
        "x",
        "--tenant-id=0198c0de-0000-7000-8000-000000000000",
        "--tenant-slug=acme",
        "--tenant-name=Acme",
        "--tenant-plan=free",
        "--public-url=http://acme.localhost:8080",
        "--control-plane-url=http://127.0.0.1:8080",
        "--data-dir=/tmp/x",
    ];

    #[test]
    fn a_missing_secret_names_its_variable_and_an_example() {
        let args = Args::try_parse_from(GOOD).unwrap();
        let error = args.runtime.secrets().err().unwrap().to_string();
        assert!(error.contains("GOTRS_DATABASE_URL is not set"), "{error}");
        assert!(error.contains("postgres://"), "{error}");
    }

    #[test]
    fn a_token_is_needed_where_there_is_a_control_plane() {
        let databases = [
            "--database-url=postgres://a@h/d",
            "--lambda-database-url=postgres://b@h/d",
        ];
        let read = |without: &str| {
            let words = GOOD.iter().filter(|word| !word.starts_with(without));
            let args = Args::try_parse_from(words.chain(&databases)).unwrap();
            args.runtime.secrets()
        };
        let error = read("nothing").err().unwrap().to_string();
        assert!(error.contains("GOTRS_RUNTIME_TOKEN is not set"), "{error}");
        let secrets = read("--control-plane-url").unwrap();
        assert!(secrets.control_plane.is_none());
    }

    #[test]
    fn a_wrong_url_is_refused_without_showing_it() {
        let mut words = GOOD.to_vec();
        words.extend([
            "--database-url=mysql://u:hunter2@h/d",
            "--lambda-database-url=postgres://a@h/d",
            "--runtime-token=t",
        ]);
        let error = Args::try_parse_from(words)
            .unwrap()
            .runtime
            .secrets()
            .err()
            .unwrap()
            .to_string();
        assert!(
            error.contains("GOTRS_DATABASE_URL is not a PostgreSQL URL"),
            "{error}"
        );
        assert!(!error.contains("hunter2"), "{error}");
    }
}
