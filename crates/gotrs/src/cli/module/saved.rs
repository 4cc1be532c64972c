//! Module files that are saved while a command runs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use domain::digest::Sha256Digest;
use notify::{EventKind, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use super::files::{self, ModuleFile};
use crate::cli::error::CliError;

/// Editors write a file in several steps; after this much silence it is whole.
const SETTLE: Duration = Duration::from_millis(80);
/// Paths that may wait; when more are lost, the next look at the folder finds them.
const QUEUE: usize = 256;

/// Tells which module files of some folders were saved.
pub(super) struct Saved {
    paths: mpsc::Receiver<PathBuf>,
    // Watches until it is dropped.
    _watcher: notify::RecommendedWatcher,
}

impl Saved {
    /// Begins to watch: what is saved from now on is told.
    pub(super) fn watch<'a>(folders: impl IntoIterator<Item = &'a Path>) -> Result<Self, CliError> {
        let failed = |error: notify::Error| CliError::Machine {
            doing: "watching the folder",
            reason: error.to_string(),
        };
        let (sender, paths) = mpsc::channel(QUEUE);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
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
        for folder in folders {
            watcher
                .watch(folder, RecursiveMode::NonRecursive)
                .map_err(failed)?;
        }
        Ok(Self {
            paths,
            _watcher: watcher,
        })
    }

    /// The next file that is saved; nothing when there is no more to come.
    pub(super) async fn next(&mut self) -> Option<PathBuf> {
        self.paths.recv().await
    }

    /// What else is saved until it is quiet.
    pub(super) async fn settle(&mut self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        while let Ok(Some(path)) = tokio::time::timeout(SETTLE, self.paths.recv()).await {
            paths.push(path);
        }
        paths
    }
}

/// What each file had in it when it was looked at last: an event without a change is none.
#[derive(Debug, Default)]
pub(super) struct Contents(HashMap<PathBuf, Sha256Digest>);

impl Contents {
    /// Whether the content is new; from then on it is not.
    pub(super) fn is_new(&mut self, file: &ModuleFile) -> bool {
        let digest = Sha256Digest::of(file.source.as_bytes());
        self.0.insert(file.path.clone(), digest) != Some(digest)
    }

    /// The next look takes the file for new.
    pub(super) fn forget(&mut self, path: &Path) {
        self.0.remove(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_new_content_is_new() {
        let file = |source: &str| ModuleFile {
            path: "a.yaml".into(),
            source: source.into(),
        };
        let mut contents = Contents::default();
        assert!(contents.is_new(&file("one")));
        assert!(!contents.is_new(&file("one")));
        assert!(contents.is_new(&file("two")));
        assert!(contents.is_new(&file("one")));
        contents.forget(Path::new("a.yaml"));
        assert!(contents.is_new(&file("one")));
    }

    #[tokio::test]
    async fn every_way_of_saving_is_seen_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let mut saved = Saved::watch([folder.path()]).unwrap();
        let module = folder.path().join("laptop.yaml");
        let next = async |saved: &mut Saved| {
            tokio::time::timeout(Duration::from_secs(5), saved.next())
                .await
                .unwrap()
                .unwrap()
        };
        std::fs::write(folder.path().join("notes.txt"), "x").unwrap();
        std::fs::write(&module, "one").unwrap();
        assert_eq!(next(&mut saved).await, module);
        saved.settle().await;
        // As most editors do it: write aside, then rename.
        let aside = folder.path().join(".laptop.yaml.swp");
        std::fs::write(&aside, "two").unwrap();
        std::fs::rename(&aside, &module).unwrap();
        assert_eq!(next(&mut saved).await, module);
    }
}
