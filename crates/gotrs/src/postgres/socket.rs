//! The folder of the server's Unix socket.

use std::os::unix::fs::MetadataExt as _;

use anyhow::{Context as _, ensure};

use crate::postgres::Settings;
use crate::postgres::cluster::make_private_folder;

/// `sun_path` has 108 bytes with its final zero.
const LONGEST: usize = 107;

/// Makes the folder, or makes sure that the one that is there is PostgreSQL's own: in the system's temporary folder
/// anybody could have made it first.
pub(crate) fn ensure_folder(settings: &Settings) -> anyhow::Result<()> {
    let folder = &settings.socket;
    let socket = folder.join(format!(".s.PGSQL.{}", super::server::PORT));
    ensure!(
        socket.as_os_str().len() <= LONGEST,
        "the socket {} would have a path of more than {LONGEST} bytes: set TMPDIR to a shorter folder",
        socket.display()
    );
    let Ok(found) = std::fs::symlink_metadata(folder) else {
        return make_private_folder(folder, settings);
    };
    let owner = settings.account.as_ref().map_or_else(
        || rustix::process::geteuid().as_raw(),
        |account| account.uid,
    );
    ensure!(
        found.is_dir() && found.uid() == owner && found.mode() & 0o777 == 0o700,
        "{} exists and is not a private folder of user {owner}: remove it",
        folder.display()
    );
    // A lock of a server that was killed names a process number that may be another's by now; ours is the cluster's.
    let lock = socket.with_extension("5432.lock");
    match std::fs::remove_file(&lock) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", lock.display()))
        }
        _ => Ok(()),
    }
}
