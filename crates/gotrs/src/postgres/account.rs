//! Whom PostgreSQL runs as. Its programs refuse root, and refuse a user without an entry in `/etc/passwd`.

use std::io;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;

use anyhow::{Context as _, bail};

/// An account of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// Its name.
    pub name: String,
    /// User id.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
}

impl Account {
    /// The account to change to: `None` when we are not root and PostgreSQL can simply run as we do.
    pub fn for_postgres() -> anyhow::Result<Option<Self>> {
        if !rustix::process::geteuid().is_root() {
            return Ok(None);
        }
        let passwd = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
        match find(&passwd, &["postgres", "nobody"]) {
            Some(account) => Ok(Some(account)),
            None => bail!(
                "PostgreSQL refuses to run as root, and there is neither a user postgres nor a user nobody: \
                 run gotrs as an ordinary user"
            ),
        }
    }

    /// Makes a file or folder this account's.
    pub fn take_over(&self, path: &Path) -> io::Result<()> {
        chown(path, Some(self.uid), Some(self.gid))
    }

    /// Whether this account may pass through every folder above `path`.
    pub fn can_reach(&self, path: &Path) -> bool {
        path.ancestors().skip(1).all(|folder| {
            folder.as_os_str().is_empty()
                || std::fs::metadata(folder).is_ok_and(|metadata| {
                    let mode = metadata.mode();
                    let bit = if metadata.uid() == self.uid {
                        0o100
                    } else if metadata.gid() == self.gid {
                        0o010
                    } else {
                        0o001
                    };
                    mode & bit != 0
                })
        })
    }
}

fn find(passwd: &str, names: &[&str]) -> Option<Account> {
    names.iter().find_map(|name| {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            match fields.as_slice() {
                [found, _, uid, gid, ..] if found == name => Some(Account {
                    name: (*name).to_owned(),
                    uid: uid.parse().ok()?,
                    gid: gid.parse().ok()?,
                }),
                _ => None,
            }
        })
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn postgres_is_preferred_to_nobody() {
        let passwd =
            "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65534::/:/x\npostgres:x:101:102::/:/x\n";
        assert_eq!(find(passwd, &["postgres", "nobody"]).unwrap().uid, 101);
        let without = "root:x:0:0::/root:/bin/sh\nnobody:x:65534:65533::/:/x\nbroken:x:x:y\n";
        let nobody = find(without, &["postgres", "nobody"]).unwrap();
        assert_eq!((nobody.uid, nobody.gid), (65534, 65533));
        assert_eq!(find("broken:x:x:y", &["broken"]), None);
    }

    #[test]
    fn a_closed_folder_above_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("data/cluster");
        std::fs::create_dir_all(below.parent().unwrap()).unwrap();
        let stranger = Account {
            name: "x".to_owned(),
            uid: 65_000,
            gid: 65_000,
        };
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!stranger.can_reach(&below));
        std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o711)).unwrap();
        std::fs::set_permissions(
            below.parent().unwrap(),
            std::fs::Permissions::from_mode(0o711),
        )
        .unwrap();
        assert!(stranger.can_reach(&below));
    }
}
