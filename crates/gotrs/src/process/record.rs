//! Who a process was: its number alone is not enough, the kernel gives it again to others.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// A process, told apart from a later one with the same number by the time it started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Its number.
    pub pid: u32,
    /// When it started, in the kernel's clock ticks since boot.
    pub started: u64,
}

impl ProcessRecord {
    /// The record of a running process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
        match parse_stat(&stat) {
            Some(stat) => Ok(Self {
                pid,
                started: stat.started,
            }),
            None => Err(io::Error::other(format!(
                "/proc/{pid}/stat is not understood"
            ))),
        }
    }

    /// Whether this very process still runs. A zombie does not: nothing is left but its exit code.
    pub fn is_alive(&self) -> bool {
        std::fs::read_to_string(format!("/proc/{}/stat", self.pid))
            .ok()
            .and_then(|stat| parse_stat(&stat))
            .is_some_and(|stat| stat.started == self.started && !matches!(stat.state, 'Z' | 'X'))
    }

    /// The folder that the process works in, where we may see it.
    pub fn working_folder(&self) -> Option<PathBuf> {
        std::fs::read_link(format!("/proc/{}/cwd", self.pid)).ok()
    }

    /// Writes the record for the next start of this command.
    pub fn save(&self, path: &Path) -> io::Result<()> {
        let text = serde_json::to_vec(self).map_err(io::Error::other)?;
        replace(path, &text)
    }

    /// Reads what an earlier start has left; `None` when there is nothing or nothing readable.
    pub fn load(path: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(path).ok()?).ok()
    }
}

/// Replaces a file in one step: a reader sees the old content or the new. Not written down to the disk: it speaks
/// of running processes, which a power cut ends too.
pub(crate) fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    let draft = path.with_extension("tmp");
    std::fs::write(&draft, content)?;
    std::fs::rename(&draft, path)
}

struct Stat {
    state: char,
    started: u64,
}

/// `pid (name) state ppid ...`: the name may hold spaces and parentheses, so fields are counted after the last one.
fn parse_stat(text: &str) -> Option<Stat> {
    const STARTED: usize = 19; // field 22 of proc(5); the first after the name is field 3
    let (_, rest) = text.rsplit_once(") ")?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    Some(Stat {
        state: fields.first()?.chars().next()?,
        started: fields.get(STARTED)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 1 0 0 0 0 0 0 0 20 0 1 0 987654 1 1";
        let stat = parse_stat(stat).unwrap();
        assert_eq!((stat.state, stat.started), ('S', 987_654));
        assert!(parse_stat("42 (short) S 1").is_none());
    }

    #[test]
    fn this_process_is_alive_and_one_of_another_start_time_is_not() {
        let here = ProcessRecord::of(std::process::id()).unwrap();
        assert!(here.is_alive());
        let other = ProcessRecord {
            started: here.started + 1,
            ..here
        };
        assert!(!other.is_alive());
    }

    #[test]
    fn a_record_survives_its_file_and_rubbish_is_no_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x.json");
        let record = ProcessRecord { pid: 1, started: 2 };
        record.save(&path).unwrap();
        assert_eq!(ProcessRecord::load(&path), Some(record));
        std::fs::write(&path, "{").unwrap();
        assert_eq!(ProcessRecord::load(&path), None);
    }
}
