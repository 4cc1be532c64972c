//! The last good modules on disk: with them the runtime starts when the control plane is away.
//!
//! `index.json` names generation and modules; each text lies beside it under its digest. Texts are written first and
//! the index is replaced in one step, so a kill at any moment leaves a whole cache, old or new.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use domain::digest::Sha256Digest;
use domain::name::ModuleName;
use serde::{Deserialize, Serialize};

const INDEX: &str = "index.json";

/// One module in the cache.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CachedModule {
    /// Version in the registry.
    pub version: u32,
    /// Its content, and the name of its file.
    pub sha256: Sha256Digest,
}

/// The list of what is cached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Index {
    /// The generation that these modules are of.
    pub generation: u64,
    /// The tenant's modules.
    pub modules: BTreeMap<ModuleName, CachedModule>,
}

/// The cache folder of one tenant.
#[derive(Debug, Clone)]
pub struct Cache {
    folder: PathBuf,
}

impl Cache {
    /// The cache under `data_dir`; made when it is first written.
    pub fn new(data_dir: &Path) -> Self {
        Self {
            folder: data_dir.join("modules"),
        }
    }

    /// The list that was kept last; `None` when none ever was or it cannot be read (the control plane has it all).
    pub fn read_index(&self) -> Option<Index> {
        let path = self.folder.join(INDEX);
        let text = match std::fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the module cache cannot be read, starting without it");
                return None;
            }
        };
        serde_json::from_slice(&text)
            .inspect_err(|error| {
                tracing::warn!(%error, path = %path.display(), "the module cache is damaged, starting without it");
            })
            .ok()
    }

    /// The text of a module; `None` when it is missing or is not what its name says.
    pub fn read_text(&self, sha256: Sha256Digest) -> Option<String> {
        let bytes = std::fs::read(self.path_of(sha256)).ok()?;
        if Sha256Digest::of(&bytes) != sha256 {
            tracing::warn!(module.sha256 = %sha256, "a cached module is damaged, it is fetched again");
            return None;
        }
        String::from_utf8(bytes).ok()
    }

    /// Stores a text under its digest.
    pub fn write_text(&self, sha256: Sha256Digest, text: &str) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        Self::replace(&self.path_of(sha256), text.as_bytes())
    }

    /// Makes `index` the content of the cache and removes texts that it does not name.
    pub fn write_index(&self, index: &Index) -> io::Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        let text = serde_json::to_vec(index).map_err(io::Error::other)?;
        Self::replace(&self.folder.join(INDEX), &text)?;
        let keep: Vec<PathBuf> = index
            .modules
            .values()
            .map(|module| self.path_of(module.sha256))
            .collect();
        for entry in std::fs::read_dir(&self.folder)? {
            let path = entry?.path();
            if path
                .extension()
                .is_some_and(|kind| kind == "yaml" || kind == "tmp")
                && !keep.contains(&path)
            {
                std::fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn path_of(&self, sha256: Sha256Digest) -> PathBuf {
        self.folder.join(format!("{sha256}.yaml"))
    }

    /// Written beside and renamed, and on disk before the name points to it.
    fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
        use std::io::Write as _;
        let draft = path.with_extension("tmp");
        let mut file = std::fs::File::create(&draft)?;
        file.write_all(bytes)?;
        file.sync_data()?;
        std::fs::rename(&draft, path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(generation: u64, text: &str) -> Index {
        let module = CachedModule {
            version: 1,
            sha256: Sha256Digest::of(text.as_bytes()),
        };
        Index {
            generation,
            modules: [("laptop".parse().unwrap(), module)].into(),
        }
    }

    #[test]
    fn what_was_written_is_read_and_old_texts_go() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        assert_eq!(cache.read_index(), None);
        for (generation, text) in [(1, "first"), (2, "second")] {
            cache
                .write_text(Sha256Digest::of(text.as_bytes()), text)
                .unwrap();
            cache.write_index(&index(generation, text)).unwrap();
        }
        assert_eq!(cache.read_index(), Some(index(2, "second")));
        assert_eq!(
            cache.read_text(Sha256Digest::of(b"second")).as_deref(),
            Some("second")
        );
        assert_eq!(cache.read_text(Sha256Digest::of(b"first")), None);
    }

    #[test]
    fn damage_is_noticed_and_is_not_fatal() {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::new(folder.path());
        let digest = Sha256Digest::of(b"good");
        cache.write_text(digest, "good").unwrap();
        std::fs::write(folder.path().join(format!("modules/{digest}.yaml")), "evil").unwrap();
        assert_eq!(cache.read_text(digest), None);
        std::fs::write(folder.path().join("modules/index.json"), "{").unwrap();
        assert_eq!(cache.read_index(), None);
    }
}
