//! `gotrs module watch`: a folder that is uploaded on every save.

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::digest::Sha256Digest;
use domain::name::TenantSlug;
use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::PushArgs;
use super::files::{self, ModuleFile};
use super::push::push_one;
use crate::cli::Verdict;
use crate::cli::client::Client;
use crate::cli::error::CliError;
use crate::cli::output::Output;

/// Editors write a file in several steps; after this much silence it is whole.
const SETTLE: Duration = Duration::from_millis(80);
/// Paths that may wait; when more are lost, the next look at the folder finds them.
const QUEUE: usize = 256;

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
    let (sender, mut saved) = mpsc::channel(QUEUE);
    // Before the first look, so that nothing is saved in between.
    let _watcher = start_watching(folder, sender)?;
    let mut pushed = Pushed::default();
    let mut waiting: BTreeSet<PathBuf> = files::list(folder)?.into_iter().collect();
    output.note(format!("Watching {}; stop with Ctrl-C.", folder.display()));
    loop {
        for path in std::mem::take(&mut waiting) {
            push_saved(client, tenant, &path, options, &mut pushed, output).await?;
        }
        tokio::select! {
            path = saved.recv() => match path {
                Some(path) => waiting.insert(path),
                None => return Ok(Verdict::Good),
            },
            interrupted = tokio::signal::ctrl_c() => {
                interrupted?;
                return Ok(Verdict::Good);
            }
        };
        while let Ok(Some(path)) = tokio::time::timeout(SETTLE, saved.recv()).await {
            waiting.insert(path);
        }
    }
}

fn start_watching(
    folder: &Path,
    sender: mpsc::Sender<PathBuf>,
) -> Result<notify::RecommendedWatcher, CliError> {
    let failed = |error: notify::Error| CliError::Machine {
        doing: "watching the folder",
        reason: error.to_string(),
    };
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        if matches!(event.kind, EventKind::Access(_) | EventKind::Remove(_)) {
            return;
        }
        for path in event
            .paths
            .into_iter()
            .filter(|path| files::is_module_file(path))
        {
            // A full queue means that a look at the folder is due anyway.
            let _full = sender.try_send(path);
        }
    })
    .map_err(failed)?;
    watcher
        .watch(folder, RecursiveMode::NonRecursive)
        .map_err(failed)?;
    Ok(watcher)
}

/// What each file had in it when it was uploaded last, so that an event without a change uploads nothing.
#[derive(Debug, Default)]
struct Pushed(HashMap<PathBuf, Sha256Digest>);

impl Pushed {
    /// Whether the content is new; from then on it is not.
    fn is_new(&mut self, file: &ModuleFile) -> bool {
        let digest = Sha256Digest::of(file.source.as_bytes());
        self.0.insert(file.path.clone(), digest) != Some(digest)
    }

    /// The next look takes the file for new.
    fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }
}

async fn push_saved(
    client: &Client,
    tenant: &TenantSlug,
    path: &Path,
    options: &PushArgs,
    pushed: &mut Pushed,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_content_is_uploaded() {
        let file = |source: &str| ModuleFile {
            path: "a.yaml".into(),
            source: source.into(),
        };
        let mut pushed = Pushed::default();
        assert!(pushed.is_new(&file("one")));
        assert!(!pushed.is_new(&file("one")));
        assert!(pushed.is_new(&file("two")));
        assert!(pushed.is_new(&file("one")));
        pushed.forget(Path::new("a.yaml"));
        assert!(pushed.is_new(&file("one")));
    }

    #[tokio::test]
    async fn every_way_of_saving_is_seen_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let (sender, mut saved) = mpsc::channel(QUEUE);
        let _watcher = start_watching(folder.path(), sender).unwrap();
        let module = folder.path().join("laptop.yaml");
        let next = async |saved: &mut mpsc::Receiver<PathBuf>| {
            tokio::time::timeout(Duration::from_secs(5), saved.recv())
                .await
                .unwrap()
                .unwrap()
        };
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        std::fs::write(&module, "one").unwrap();
        assert_eq!(next(&mut saved).await, module);
        while tokio::time::timeout(SETTLE, saved.recv()).await.is_ok() {}
        // As most editors do it: write aside, then rename.
        let aside = folder.path().join(".laptop.yaml.swp");
        std::fs::write(&aside, "two").unwrap();
        std::fs::rename(&aside, &module).unwrap();
        assert_eq!(next(&mut saved).await, module);
    }
}
