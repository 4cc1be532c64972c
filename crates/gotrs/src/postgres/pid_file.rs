//! `postmaster.pid`, in which a server says who it is and how far.

use std::path::{Path, PathBuf};

use crate::process::record::ProcessRecord;

/// What a server says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PidFile {
    /// The server process.
    pub pid: u32,
    /// Its cluster.
    pub cluster: PathBuf,
    /// Whether it takes connections.
    pub ready: bool,
}

impl PidFile {
    /// What the server of this cluster says; `None` when none runs (or it has written nothing yet).
    pub fn read(cluster: &Path) -> Option<Self> {
        parse(&std::fs::read_to_string(cluster.join("postmaster.pid")).ok()?)
    }

    /// The running process, if it is really a server of `cluster` and not a stranger with a number used again.
    pub fn running(&self, cluster: &Path) -> Option<ProcessRecord> {
        let record = ProcessRecord::of(self.pid).ok()?;
        let here = std::fs::canonicalize(cluster).ok()?;
        let works_here = record.working_folder().is_some_and(|folder| {
            folder == here || std::fs::canonicalize(folder).is_ok_and(|f| f == here)
        });
        (record.is_alive() && works_here).then_some(record)
    }
}

/// Lines: pid, cluster, start time, port, socket folder, listen address, shared memory, state.
fn parse(text: &str) -> Option<PidFile> {
    let mut lines = text.lines();
    let pid = lines.next()?.trim().parse().ok()?;
    let cluster = lines.next()?.into();
    let ready = lines.nth(5).is_some_and(|state| state.trim() == "ready");
    Some(PidFile {
        pid,
        cluster,
        ready,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const READY: &str =
        "4711\n/data/postgres\n1700000000\n5432\n/tmp/s\n\n   1234  5678\nready   \n";

    #[test]
    fn a_server_is_ready_when_it_says_so() {
        let file = parse(READY).unwrap();
        assert_eq!((file.pid, file.ready), (4711, true));
        assert_eq!(file.cluster, Path::new("/data/postgres"));
        assert!(!parse(&READY.replace("ready   ", "starting")).unwrap().ready);
        assert!(!parse("4711\n/data/postgres\n").unwrap().ready);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn a_stranger_with_the_same_number_is_not_our_server() {
        let folder = tempfile::tempdir().unwrap();
        let file = PidFile {
            pid: std::process::id(),
            cluster: folder.path().to_owned(),
            ready: true,
        };
        assert_eq!(file.running(folder.path()), None);
    }
}
