//! `operator import`: a tenant's schema made of an export, before there is a Tenant that takes it up.

use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use anyhow::Context as _;
use domain::id::TenantId;
use tenant_database::{ExportReport, TenantDatabase};

use crate::run::DatabaseArgs;

/// Settings of `operator import`.
#[derive(Debug, clap::Args)]
pub struct ImportConfig {
    /// Where the tenant is to live
    #[command(flatten)]
    pub database: DatabaseArgs,
    /// Id of the new tenant, a UUID that no tenant has; the Tenant then names it as spec.id
    #[arg(long, value_name = "UUID")]
    pub id: TenantId,
    /// What an export wrote (.tar.zst); standard input without it
    #[arg(value_name = "FILE")]
    pub file: Option<PathBuf>,
}

/// Makes schema, tables and rows; roles are the operator's part once there is a Tenant. Refuses a tenant in which somebody is at
/// home already. After a failure the schema may be there without an administrator: the same call can be made again.
pub async fn run(config: ImportConfig) -> anyhow::Result<ExportReport> {
    let source: Box<dyn Read + Send> = match &config.file {
        Some(path) => {
            Box::new(File::open(path).with_context(|| format!("opening {}", path.display()))?)
        }
        None => Box::new(io::stdin()),
    };
    let database = TenantDatabase::connect(&config.database.url()?)
        .await
        .context("connecting to the database")?;
    // Also where no operator has run yet.
    database
        .prepare_server()
        .await
        .context("preparing the database")?;
    let report = database
        .import(config.id, source)
        .await
        .with_context(|| format!("importing into tenant {}", config.id))?;
    database.close().await;
    tracing::info!(
        tenant.id = %config.id,
        tables = report.tables,
        rows = report.rows,
        "imported; a Tenant with this spec.id takes it up"
    );
    Ok(report)
}
