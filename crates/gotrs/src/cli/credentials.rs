//! Who is signed in where: a file in the user's configuration folder that nobody else can read.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use chrono::{DateTime, Utc};
use etcetera::BaseStrategy as _;
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::error::CliError;

/// How long another command may hold the lock: one call to the server.
const LOCK_TIMEOUT: Duration = Duration::from_secs(45);
/// How soon it is tried again.
const LOCK_RETRY: Duration = Duration::from_millis(20);

/// The file, and the lock that keeps two commands from using a refresh token twice.
#[derive(Debug, Clone)]
pub struct CredentialsFile {
    folder: PathBuf,
}

/// A session at one server.
#[derive(Debug, Clone)]
pub struct Session {
    /// As it was typed.
    pub email: String,
    /// Proves who calls, for some minutes.
    pub access_token: SecretString,
    /// Gets the next pair, once.
    pub refresh_token: SecretString,
    /// When the access token ends.
    pub expires_at: DateTime<Utc>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct Content {
    /// The server of the last sign-in: where commands go unless told otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    current: Option<String>,
    #[serde(default)]
    servers: BTreeMap<String, StoredSession>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredSession {
    email: String,
    access_token: String,
    refresh_token: String,
    expires_at: DateTime<Utc>,
}

/// Held while a session is replaced.
#[derive(Debug)]
pub struct Lock(#[expect(dead_code, reason = "the lock lasts as long as the file is open")] File);

impl CredentialsFile {
    /// In the user's configuration folder, `~/.config/gotrs` on Linux.
    pub fn of_user() -> Result<Self, CliError> {
        let strategy = etcetera::choose_base_strategy().map_err(|error| CliError::Machine {
            doing: "finding your home folder",
            reason: error.to_string(),
        })?;
        Ok(Self::in_folder(&strategy.config_dir().join("gotrs")))
    }

    /// In this folder.
    pub fn in_folder(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
        }
    }

    fn path(&self) -> PathBuf {
        self.folder.join("credentials.toml")
    }

    /// The server of the last sign-in.
    pub fn current_server(&self) -> Result<Option<String>, CliError> {
        Ok(self.read()?.current)
    }

    /// The session at a server.
    pub fn find(&self, server: &str) -> Result<Option<Session>, CliError> {
        let stored = self.read()?.servers.remove(server);
        Ok(stored.map(|stored| Session {
            email: stored.email,
            access_token: stored.access_token.into(),
            refresh_token: stored.refresh_token.into(),
            expires_at: stored.expires_at,
        }))
    }

    /// Keeps a session. `lock` shows that nobody else is doing the same.
    pub fn put(&self, _lock: &Lock, server: &str, session: &Session) -> Result<(), CliError> {
        let mut content = self.read()?;
        content.servers.insert(
            server.to_owned(),
            StoredSession {
                email: session.email.clone(),
                access_token: session.access_token.expose_secret().to_owned(),
                refresh_token: session.refresh_token.expose_secret().to_owned(),
                expires_at: session.expires_at,
            },
        );
        self.write(&content)
    }

    /// Makes a server the one that commands go to.
    pub fn set_current(&self, _lock: &Lock, server: &str) -> Result<(), CliError> {
        let mut content = self.read()?;
        content.current = Some(server.to_owned());
        self.write(&content)
    }

    /// Waits until no other command changes the file, for some seconds.
    pub async fn lock(&self) -> Result<Lock, CliError> {
        self.make_folder()?;
        let path = self.folder.join("credentials.lock");
        let failed = |source| CliError::Credentials {
            doing: "locking",
            path: path.clone(),
            source,
        };
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed)?;
        let deadline = tokio::time::Instant::now() + LOCK_TIMEOUT;
        loop {
            // Never waits in the kernel: who holds the lock may be another task of this thread.
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Lock(file)),
                Err(Errno::WOULDBLOCK) if tokio::time::Instant::now() < deadline => {
                    tokio::time::sleep(LOCK_RETRY).await;
                }
                Err(error) => return Err(failed(error.into())),
            }
        }
    }

    fn make_folder(&self) -> Result<(), CliError> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&self.folder)
            .map_err(|source| CliError::Credentials {
                doing: "making",
                path: self.folder.clone(),
                source,
            })
    }

    fn read(&self) -> Result<Content, CliError> {
        let path = self.path();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Content::default());
            }
            Err(source) => {
                return Err(CliError::Credentials {
                    doing: "reading",
                    path,
                    source,
                });
            }
        };
        toml::from_str(&text).map_err(|error| CliError::Credentials {
            doing: "reading",
            path,
            // The text of the error would quote the line, and so a token.
            source: std::io::Error::other(format!(
                "it is damaged at byte {}; remove it and sign in again",
                error.span().map_or(0, |span| span.start)
            )),
        })
    }

    /// Replaces the file as a whole, so that a kill leaves the old one.
    fn write(&self, content: &Content) -> Result<(), CliError> {
        let path = self.path();
        let failed = |source| CliError::Credentials {
            doing: "writing",
            path: path.clone(),
            source,
        };
        self.make_folder()?;
        let text =
            toml::to_string(content).map_err(|error| failed(std::io::Error::other(error)))?;
        let new = self.folder.join("credentials.toml.new");
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(true)
            .write(true)
            .mode(0o600)
            .open(&new)
            .map_err(failed)?;
        file.write_all(text.as_bytes()).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        fs::rename(&new, &path).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn session(access: &str) -> Session {
        Session {
            email: "ann@acme.example".to_owned(),
            access_token: access.to_owned().into(),
            refresh_token: "refresh".to_owned().into(),
            expires_at: DateTime::from_timestamp(1_767_323_045, 0).unwrap(),
        }
    }

    #[tokio::test]
    async fn sessions_are_kept_per_server_and_for_the_user_alone() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialsFile::in_folder(&folder.path().join("gotrs"));
        assert!(file.find("http://a").unwrap().is_none());
        assert!(file.current_server().unwrap().is_none());
        let lock = file.lock().await.unwrap();
        file.put(&lock, "http://a", &session("one")).unwrap();
        file.put(&lock, "http://b", &session("two")).unwrap();
        file.set_current(&lock, "http://b").unwrap();
        let found = file.find("http://a").unwrap().unwrap();
        assert_eq!(found.access_token.expose_secret(), "one");
        assert_eq!(found.email, "ann@acme.example");
        assert_eq!(file.current_server().unwrap().as_deref(), Some("http://b"));
        let mode = fs::metadata(file.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mode = fs::metadata(folder.path().join("gotrs"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o700);
    }

    #[test]
    fn a_damaged_file_is_reported_without_what_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = CredentialsFile::in_folder(folder.path());
        fs::write(file.path(), "servers = \"very-secret").unwrap();
        let error = file.find("http://a").unwrap_err().to_string();
        assert!(error.contains("remove it and sign in again"), "{error}");
        assert!(!error.contains("very-secret"), "{error}");
    }
}
