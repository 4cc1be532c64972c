//! The data folder: everything that `gotrs up` keeps, and the lock that lets one instance use it.

use std::fs::{File, Permissions};
use std::io::{Read as _, Seek as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

use crate::postgres::account::Account;
use crate::up::secrets::SecretFolder;

/// Where a cluster goes when PostgreSQL's account cannot reach the data folder (root's home is closed to it).
const ELSEWHERE: &str = "/var/lib/gotrs";

/// An open data folder; ours until it is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DataFolder {
    path: PathBuf,
    /// Holds the lock.
    _lock: File,
}

impl DataFolder {
    /// Opens the folder, makes it when it is not there, and locks it.
    pub fn open(path: &Path, account: Option<&Account>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(path).with_context(|| {
            format!(
                "making the data folder {}: choose another with --data",
                path.display()
            )
        })?;
        let path = std::fs::canonicalize(path)
            .with_context(|| format!("opening the data folder {}", path.display()))?;
        // Another account must pass through to its cluster; it cannot list the folder or read our files.
        let mode = if account.is_some() { 0o711 } else { 0o700 };
        if let Err(error) = std::fs::set_permissions(&path, Permissions::from_mode(mode)) {
            tracing::warn!(%error, folder = %path.display(), "the data folder could not be closed to others");
        }
        let lock = lock(&path)?;
        for below in ["run", "run/tenants", "tenants", "s3", "mail"] {
            let folder = path.join(below);
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("making the folder {}", folder.display()))?;
            std::fs::set_permissions(&folder, Permissions::from_mode(0o700))
                .with_context(|| format!("closing the folder {}", folder.display()))?;
        }
        Ok(Self { path, _lock: lock })
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Passwords and keys.
    pub fn secrets(&self) -> anyhow::Result<SecretFolder> {
        SecretFolder::open(self.path.join("secrets"))
    }

    /// Objects of the S3 server.
    pub fn s3(&self) -> PathBuf {
        self.path.join("s3")
    }

    /// The local mailbox.
    pub fn mail(&self) -> PathBuf {
        self.path.join("mail")
    }

    /// One folder per tenant: the modules its runtime loaded last.
    pub fn tenants(&self) -> PathBuf {
        self.path.join("tenants")
    }

    /// What is true of running processes only.
    pub fn run(&self) -> PathBuf {
        self.path.join("run")
    }

    /// The place of the PostgreSQL cluster: here, or elsewhere when `account` cannot get here. `instance` names this
    /// data folder wherever it is moved.
    pub fn cluster(&self, account: Option<&Account>, instance: &str) -> anyhow::Result<PathBuf> {
        let here = self.path.join("postgres");
        let Some(account) = account else {
            return Ok(here);
        };
        if account.can_reach(&here) {
            return Ok(here);
        }
        let elsewhere = Path::new(ELSEWHERE).join(instance);
        std::fs::create_dir_all(&elsewhere)
            .and_then(|()| std::fs::set_permissions(&elsewhere, Permissions::from_mode(0o711)))
            .with_context(|| {
                format!(
                    "user {} cannot reach {} and {} cannot be made: choose another folder with --data",
                    account.name,
                    self.path.display(),
                    elsewhere.display()
                )
            })?;
        tracing::info!(
            folder = %elsewhere.display(),
            "user {} cannot reach the data folder, so the PostgreSQL cluster is kept elsewhere", account.name
        );
        Ok(elsewhere.join("postgres"))
    }
}

fn lock(folder: &Path) -> anyhow::Result<File> {
    let path = folder.join("lock");
    let mut file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .open(&path)
        .with_context(|| format!("opening {}", path.display()))?;
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut owner = String::new();
            file.read_to_string(&mut owner).unwrap_or_default();
            bail!(
                "another gotrs up (process {}) uses the data folder {}: stop it first, or choose another folder \
                 with --data",
                owner.trim(),
                folder.display()
            );
        }
        Err(error) => return Err(error).with_context(|| format!("locking {}", path.display())),
    }
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| writeln!(file, "{}", std::process::id()))
        .with_context(|| format!("writing {}", path.display()))?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_instance_per_folder_and_the_message_names_the_other() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("data");
        let first = DataFolder::open(&path, None).unwrap();
        let error = DataFolder::open(&path, None).unwrap_err().to_string();
        assert!(
            error.contains(&format!("process {}", std::process::id())),
            "{error}"
        );
        assert!(error.contains("--data"), "{error}");
        drop(first);
        DataFolder::open(&path, None).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let parent = tempfile::tempdir().unwrap();
        let file = parent.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = DataFolder::open(&file.join("data"), None)
            .unwrap_err()
            .to_string();
        assert!(error.contains("file/data"), "{error}");
        assert!(error.contains("--data"), "{error}");
    }
}
