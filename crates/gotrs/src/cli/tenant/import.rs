//! `gotrs tenant import`: a tenant's schema made of an export, in a database that one is given the keys to.
//!
//! Not through the API: whoever makes a tenant of an archive decides on every row in it, password hashes and rights included, and the
//! control plane never talks to a tenant's database.

use std::fs::File;
use std::path::PathBuf;

use clap::Args;
use domain::id::TenantId;
use secrecy::SecretString;
use serde::Serialize;
use service_kit::Chain;
use service_kit::config::{SecretName, required_secret};
use tenant_database::{ArchiveError, ConnectError, ImportError, TenantDatabase};

use crate::cli::error::CliError;
use crate::cli::output::Output;
use crate::cli::{OutputArgs, Verdict};

/// `gotrs tenant import`
#[derive(Debug, Args)]
pub struct ImportArgs {
    /// What an export wrote (.tar.zst)
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Id of the new tenant, a UUID that no tenant has; made if absent. A Tenant resource takes it up as its spec.id
    #[arg(long, value_name = "UUID")]
    id: Option<TenantId>,
    /// PostgreSQL in which tenants live, as superuser and not through a pooler
    #[arg(
        long,
        env = "GOTRS_TENANT_DATABASE_URL",
        hide_env_values = true,
        value_name = "URL"
    )]
    database_url: Option<SecretString>,
    /// File that holds the database URL
    #[arg(long, env = "GOTRS_TENANT_DATABASE_URL_FILE", value_name = "PATH")]
    database_url_file: Option<PathBuf>,
    /// How results are shown
    #[command(flatten)]
    pub(super) output: OutputArgs,
}

const DATABASE_URL: SecretName = SecretName {
    variable: "GOTRS_TENANT_DATABASE_URL",
    flag: "--database-url",
    example: "postgres://postgres:secret@db.internal/gotrs_tenants",
};

/// What is printed for programs.
#[derive(Serialize)]
struct Imported {
    id: TenantId,
    tables: usize,
    rows: u64,
}

/// Makes schema, tables and rows; roles come when something takes the tenant up.
pub(super) async fn run(args: ImportArgs, output: &mut Output) -> Result<Verdict, CliError> {
    let url = required_secret(
        DATABASE_URL,
        args.database_url,
        args.database_url_file.as_deref(),
    )
    .map_err(|error| CliError::Usage(Chain(&error).to_string()))?;
    let file = File::open(&args.file).map_err(|source| CliError::ReadFile {
        path: args.file.clone(),
        source,
    })?;
    let id = args.id.unwrap_or_else(TenantId::generate);
    let database = TenantDatabase::connect(&url).await.map_err(|error| {
        let text = Chain(&error).to_string();
        match error {
            ConnectError::ParseUrl(_) => CliError::Usage(text),
            ConnectError::Reach(_) => CliError::Database(text),
        }
    })?;
    // Also where no operator has run yet.
    let prepared = database.prepare_server().await;
    prepared.map_err(|error| CliError::Database(Chain(&error).to_string()))?;
    let imported = database.import(id, Box::new(file)).await;
    database.close().await;
    let report = imported.map_err(|error| refused(&error))?;
    output.json(&Imported {
        id,
        tables: report.tables,
        rows: report.rows,
    })?;
    output.text(&format!(
        "Tenant {id}: {} rows in {} tables. On Kubernetes a Tenant with spec.id {id} takes it up.\n",
        report.rows, report.tables
    ))?;
    Ok(Verdict::Good)
}

/// Whether the archive or the id is wrong, or the database.
fn refused(error: &ImportError) -> CliError {
    let text = Chain(error).to_string();
    match error {
        ImportError::NotNew
        | ImportError::Misfit(_)
        | ImportError::Archive(
            ArchiveError::Form(_) | ArchiveError::CutShort | ArchiveError::Io(_),
        ) => CliError::Archive(text),
        ImportError::Schema(_) | ImportError::Migrate(_) | ImportError::Database(_) => {
            CliError::Database(text)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_decides_the_exit_code() {
        for (error, code) in [
            (ImportError::NotNew, 1),
            (ImportError::Misfit("no table".to_owned()), 1),
            (ImportError::Archive(ArchiveError::CutShort), 1),
        ] {
            assert_eq!(refused(&error).exit_code(), code);
        }
        assert_eq!(CliError::Database("away".to_owned()).exit_code(), 3);
    }
}
