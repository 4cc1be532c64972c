//! Where PostgreSQL's programs are.

use std::path::{Path, PathBuf};

/// Where Debian and its relatives put every version of PostgreSQL.
pub const SYSTEM: &str = "/usr/lib/postgresql";

/// What we need of a PostgreSQL.
const PROGRAMS: [&str; 2] = ["initdb", "postgres"];

/// Why there is no PostgreSQL to start.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The folder that was named is not one of PostgreSQL's.
    #[error(
        "GOTRS_PG_BIN (--pg-bin) is {folder}, where there is no {program}; an example of a good value: \
         /usr/lib/postgresql/15/bin"
    )]
    NotInFolder {
        /// The folder given.
        folder: PathBuf,
        /// What is not there.
        program: &'static str,
    },
    /// Nothing was named and nothing found.
    #[error(
        "PostgreSQL is not installed: install the Debian package postgresql (apt-get install postgresql; \
         `make up` does it), or name its programs with --pg-bin, or a running server with --database-url"
    )]
    NotInstalled,
}

/// The folder of PostgreSQL's programs: the one named, else that of the highest version below `system`.
pub fn find_programs(named: Option<&Path>, system: &Path) -> Result<PathBuf, FindError> {
    match named {
        Some(folder) => match missing_program(folder) {
            None => Ok(folder.to_owned()),
            Some(program) => Err(FindError::NotInFolder {
                folder: folder.to_owned(),
                program,
            }),
        },
        None => highest_version(system).ok_or(FindError::NotInstalled),
    }
}

fn missing_program(folder: &Path) -> Option<&'static str> {
    PROGRAMS
        .into_iter()
        .find(|program| !folder.join(program).is_file())
}

fn highest_version(system: &Path) -> Option<PathBuf> {
    std::fs::read_dir(system)
        .ok()?
        .filter_map(|entry| {
            let folder = entry.ok()?.path();
            let version: u32 = folder.file_name()?.to_str()?.parse().ok()?;
            let bin = folder.join("bin");
            missing_program(&bin).is_none().then_some((version, bin))
        })
        .max()
        .map(|(_, bin)| bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(system: &Path, version: &str, programs: &[&str]) {
        let bin = system.join(version).join("bin");
        std::fs::create_dir_all(&bin).unwrap();
        for program in programs {
            std::fs::write(bin.join(program), "").unwrap();
        }
    }

    #[test]
    fn the_highest_complete_version_is_taken_by_number() {
        let system = tempfile::tempdir().unwrap();
        install(system.path(), "9", &PROGRAMS);
        install(system.path(), "15", &PROGRAMS);
        install(system.path(), "17", &["postgres"]); // only a part of the package
        let found = find_programs(None, system.path()).unwrap();
        assert!(found.ends_with("15/bin"), "{}", found.display());
    }

    #[test]
    fn what_is_missing_is_named() {
        let system = tempfile::tempdir().unwrap();
        let error = find_programs(None, system.path()).unwrap_err().to_string();
        assert!(error.contains("apt-get install postgresql"), "{error}");
        let error = find_programs(Some(Path::new("/nowhere")), system.path())
            .unwrap_err()
            .to_string();
        assert!(error.contains("GOTRS_PG_BIN"), "{error}");
        assert!(error.contains("no initdb"), "{error}");
    }
}
