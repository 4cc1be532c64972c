//! Secrets that are made once and kept in the data folder.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};

/// A folder of secrets, one per file, that only we can open.
#[derive(Debug, Clone)]
pub struct SecretFolder {
    path: PathBuf,
}

impl SecretFolder {
    /// Opens the folder; makes it when it is not there.
    pub fn open(path: PathBuf) -> anyhow::Result<Self> {
        std::fs::create_dir_all(&path)
            .with_context(|| format!("making the folder {}", path.display()))?;
        std::fs::set_permissions(&path, Permissions::from_mode(0o700))
            .with_context(|| format!("closing the folder {}", path.display()))?;
        Ok(Self { path })
    }

    /// The secret of this name; 256 random bits, as letters, digits, `-` and `_`, when there is none yet.
    pub fn get_or_make(&self, name: &str) -> anyhow::Result<SecretString> {
        match self.find(name)? {
            Some(secret) => Ok(secret),
            None => {
                let secret = SecretString::from(random_text());
                self.put(name, &secret)?;
                Ok(secret)
            }
        }
    }

    /// The secret of this name.
    pub fn find(&self, name: &str) -> anyhow::Result<Option<SecretString>> {
        let path = self.path.join(name);
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                let text = text.trim_end().to_owned();
                ensure!(
                    !text.is_empty(),
                    "{} is empty: put the secret back from a backup, or start with a new data folder",
                    path.display()
                );
                Ok(Some(text.into()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    /// Stores a secret in one step and writes it down to the disk: a password that was set in the database and then
    /// lost with the power could not be guessed.
    pub fn put(&self, name: &str, secret: &SecretString) -> anyhow::Result<()> {
        let path = self.path.join(name);
        write_private(&path, secret.expose_secret().as_bytes())
            .with_context(|| format!("writing {}", path.display()))
    }

    /// Forgets a secret; that there is none is fine.
    pub fn remove(&self, name: &str) -> anyhow::Result<()> {
        match std::fs::remove_file(self.path.join(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("removing the secret {name}"))
            }
            _ => Ok(()),
        }
    }
}

/// Replaces a file by one that only we can read, in one step, written down to the disk.
pub fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let draft = path.with_extension("tmp");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&draft)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()?;
    std::fs::rename(&draft, path)?;
    std::fs::File::open(folder)?.sync_all()
}

fn random_text() -> String {
    // From the thread's cryptographic generator, which the system seeds.
    URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_secret_is_made_once_and_only_we_can_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = SecretFolder::open(folder.path().join("secrets")).unwrap();
        let first = secrets.get_or_make("key").unwrap();
        let again = secrets.get_or_make("key").unwrap();
        assert_eq!(first.expose_secret(), again.expose_secret());
        assert_eq!(first.expose_secret().len(), 43);
        let other = secrets.get_or_make("other").unwrap();
        assert_ne!(first.expose_secret(), other.expose_secret());
        for path in ["secrets", "secrets/key"] {
            let mode = std::fs::metadata(folder.path().join(path)).unwrap().mode();
            assert_eq!(mode & 0o077, 0, "{path}");
        }
        secrets.remove("key").unwrap();
        secrets.remove("key").unwrap();
        assert!(secrets.find("key").unwrap().is_none());
    }

    #[test]
    fn an_empty_secret_is_refused_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let secrets = SecretFolder::open(folder.path().to_owned()).unwrap();
        std::fs::write(folder.path().join("key"), "\n").unwrap();
        let error = secrets.get_or_make("key").unwrap_err().to_string();
        assert!(error.contains("is empty"), "{error}");
    }
}
