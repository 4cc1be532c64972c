//! `gotrs module watch`: a folder that is uploaded on every save.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use domain::name::TenantSlug;

use super::PushArgs;
use super::files::{self, ModuleFile};
use super::push::push_one;
use super::saved::{Contents, Saved};
use crate::cli::Verdict;
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::output::Output;

/// Uploads the folder's module files, and each again when it is saved, until interrupted.
pub(super) async fn watch(
    client: &Client,
    tenant: &TenantSlug,
    folder: &Path,
    options: &PushArgs,
    output: &mut Output,
) -> Result<Verdict, CliError> {
    if !folder.is_dir() {
        return Err(CliError::Usage(format!(
            "{} is not a folder",
            folder.display()
        )));
    }
    // Before the first look, so that nothing is saved in between.
    let mut saved = Saved::watch([folder])?;
    let mut pushed = Contents::default();
    let mut waiting: BTreeSet<PathBuf> = files::list(folder)?.into_iter().collect();
    output.note(format!("Watching {}; stop with Ctrl-C.", folder.display()));
    loop {
        for path in std::mem::take(&mut waiting) {
            push_saved(client, tenant, &path, options, &mut pushed, output).await?;
        }
        tokio::select! {
            path = saved.next() => match path {
                Some(path) => waiting.insert(path),
                None => return Ok(Verdict::Good),
            },
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Verdict::Good);
            }
        };
        waiting.extend(saved.settle().await);
    }
}

async fn push_saved(
    client: &Client,
    tenant: &TenantSlug,
    path: &Path,
    options: &PushArgs,
    pushed: &mut Contents,
    output: &mut Output,
) -> Result<(), CliError> {
    let file = match ModuleFile::read(path) {
        Ok(file) => file,
        // Gone again, as editors' intermediate files are; or half written.
        Err(CliError::ReadFile { .. }) => {
            pushed.forget(path);
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    if !pushed.is_new(&file) {
        return Ok(());
    }
    match push_one(client, tenant, &file, options, output).await {
        Ok((_, answer)) => output.json(&answer),
        // What passes by itself does not end the watch; saving again tries again.
        Err(
            error
            @ (CliError::Unreachable { .. } | CliError::ServerTrouble(_) | CliError::Usage(_)),
        ) => {
            pushed.forget(path);
            output.failure(&error);
            Ok(())
        }
        Err(error) => Err(error),
    }
}
