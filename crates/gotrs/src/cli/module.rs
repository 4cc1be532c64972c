//! `gotrs module`

mod check;
mod files;
mod history;
mod new;
mod parallel;
mod pieces;
mod push;
mod run;
pub(super) mod sandbox;
mod saved;
mod test;
mod watch;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use domain::name::{ModuleName, TenantSlug};

use super::error::CliError;
use super::output::{Format, Output};
use super::{OutputArgs, RemoteArgs, Verdict};

/// `gotrs module`
#[derive(Debug, Subcommand)]
pub enum ModuleCommand {
    /// Write a module file to begin with, asking what it is about
    New(Box<new::NewArgs>),
    /// Check module files as an upload would, without a server
    Check {
        /// Module files, or folders with them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// Do not run the modules' own tests
        #[arg(long)]
        no_tests: bool,
        /// How results are shown
        #[command(flatten)]
        output: OutputArgs,
    },
    /// Run the tests of module files and show how each ended
    Test(test::TestArgs),
    /// Print the JSON Schema of module files, for editors that take one
    Schema,
    /// Run one lambda of a module file and show what it gives
    Run(Box<run::RunArgs>),
    /// Upload module files and wait until they are live
    Push {
        /// The tenant's slug
        tenant: TenantSlug,
        /// Module files, or folders with them
        #[arg(required = true, value_name = "FILE")]
        files: Vec<PathBuf>,
        /// How files are uploaded
        #[command(flatten)]
        options: PushArgs,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Upload every module file of a folder, now and whenever it is saved
    Watch {
        /// The tenant's slug
        tenant: TenantSlug,
        /// The folder
        folder: PathBuf,
        /// How files are uploaded
        #[command(flatten)]
        options: PushArgs,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// List a tenant's modules
    List {
        /// The tenant's slug
        tenant: TenantSlug,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// List the versions of a module, newest first
    Versions {
        /// The tenant's slug
        tenant: TenantSlug,
        /// The module's name
        name: ModuleName,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Bring an earlier version of a module back
    Rollback {
        /// The tenant's slug
        tenant: TenantSlug,
        /// The module's name
        name: ModuleName,
        /// The version, as `gotrs module versions` lists it
        version: u32,
        /// Whether to wait for runtimes
        #[command(flatten)]
        wait: WaitArgs,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Delete a module; its versions and records are kept
    Delete {
        /// The tenant's slug
        tenant: TenantSlug,
        /// The module's name
        name: ModuleName,
        /// Whether to wait for runtimes
        #[command(flatten)]
        wait: WaitArgs,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
    /// Show what each runtime says about a module
    Status {
        /// The tenant's slug
        tenant: TenantSlug,
        /// The module's name
        name: ModuleName,
        /// Which server, and how results are shown
        #[command(flatten)]
        remote: RemoteArgs,
    },
}

/// How files are uploaded.
#[derive(Debug, Clone, Args)]
pub struct PushArgs {
    /// Check on the server and store nothing
    #[arg(long)]
    dry_run: bool,
    /// Do not run the modules' own tests; the version remembers that
    #[arg(long)]
    no_tests: bool,
    /// Allow to drop or narrow what records hold
    #[arg(long)]
    allow_destructive: bool,
    /// Whether to wait for runtimes
    #[command(flatten)]
    wait: WaitArgs,
}

/// Whether to wait for runtimes.
#[derive(Debug, Clone, Args)]
pub struct WaitArgs {
    /// Do not wait until the change is live
    #[arg(long)]
    no_wait: bool,
    /// How long to wait until the change is live, such as 500ms or 10s
    #[arg(long, default_value = "10s", value_name = "TIME")]
    timeout: String,
}

impl WaitArgs {
    fn query(&self) -> Vec<(&str, &str)> {
        if self.no_wait {
            Vec::new()
        } else {
            vec![("wait", "live"), ("timeout", &self.timeout)]
        }
    }
}

impl ModuleCommand {
    pub(super) fn format(&self) -> Format {
        match self {
            Self::Check { output, .. } => output.output,
            // A schema is JSON for people as well.
            Self::Schema => Format::Json,
            Self::New(args) => args.output.output,
            Self::Test(args) => args.output.output,
            Self::Run(args) => args.output.output,
            Self::Push { remote, .. }
            | Self::Watch { remote, .. }
            | Self::List { remote, .. }
            | Self::Versions { remote, .. }
            | Self::Rollback { remote, .. }
            | Self::Delete { remote, .. }
            | Self::Status { remote, .. } => remote.output.output,
        }
    }
}

/// Does it.
pub async fn run(command: ModuleCommand, output: &mut Output) -> Result<Verdict, CliError> {
    match command {
        ModuleCommand::Check {
            files, no_tests, ..
        } => check::check(&files, no_tests, output),
        ModuleCommand::Schema => {
            output.json(&module_spec::json_schema())?;
            Ok(Verdict::Good)
        }
        ModuleCommand::New(args) => new::create(*args, output),
        ModuleCommand::Test(args) => test::test(args, output).await,
        ModuleCommand::Run(args) => run::run(&args, output),
        ModuleCommand::Push {
            tenant,
            files,
            options,
            remote,
        } => push::push(&remote.server.client()?, &tenant, &files, &options, output).await,
        ModuleCommand::Watch {
            tenant,
            folder,
            options,
            remote,
        } => watch::watch(&remote.server.client()?, &tenant, &folder, &options, output).await,
        ModuleCommand::List { tenant, remote } => {
            history::list(&remote.server.client()?, &tenant, output).await
        }
        ModuleCommand::Versions {
            tenant,
            name,
            remote,
        } => history::versions(&remote.server.client()?, &tenant, &name, output).await,
        ModuleCommand::Rollback {
            tenant,
            name,
            version,
            wait,
            remote,
        } => {
            history::roll_back(
                &remote.server.client()?,
                &tenant,
                &name,
                version,
                &wait,
                output,
            )
            .await
        }
        ModuleCommand::Delete {
            tenant,
            name,
            wait,
            remote,
        } => history::delete(&remote.server.client()?, &tenant, &name, &wait, output).await,
        ModuleCommand::Status {
            tenant,
            name,
            remote,
        } => history::status(&remote.server.client()?, &tenant, &name, output).await,
    }
}
