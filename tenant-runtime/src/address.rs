//! Tells the supervisor where this process listens.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use serde::Serialize;

/// The content of the address file.
#[derive(Debug, Serialize)]
pub(crate) struct Addresses {
    /// For requests from the router.
    pub(crate) listen: SocketAddr,
    /// For probes.
    pub(crate) internal: SocketAddr,
    /// So that a file left behind by another process is recognised.
    pub(crate) pid: u32,
}

/// Writes the file in one step: a reader sees the old content or the new, never half of it.
pub(crate) fn write(path: &Path, addresses: &Addresses) -> io::Result<()> {
    let text = serde_json::to_vec(addresses).map_err(io::Error::other)?;
    let draft = path.with_extension(format!("{}.tmp", addresses.pid));
    std::fs::write(&draft, text)?;
    std::fs::rename(&draft, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_has_both_addresses_and_nothing_is_left_beside_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("acme.json");
        let addresses = Addresses {
            listen: "127.0.0.1:4000".parse().unwrap(),
            internal: "127.0.0.1:4001".parse().unwrap(),
            pid: 7,
        };
        write(&path, &addresses).unwrap();
        insta::assert_snapshot!(
            std::fs::read_to_string(&path).unwrap(),
            @r#"{"listen":"127.0.0.1:4000","internal":"127.0.0.1:4001","pid":7}"#
        );
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
