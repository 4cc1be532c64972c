//! A data folder that PostgreSQL's account can reach.

use std::os::unix::fs::PermissionsExt as _;

/// The system's temporary folders are closed to others.
pub(crate) fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
    folder
}
