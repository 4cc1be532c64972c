//! `sqlx::migrate!` embeds the migrations; cargo must notice a new file among them. And a digest of all that decides how a
//! tenant's database is made.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io;
use std::path::{Path, PathBuf};

const FOLDERS: [&str; 3] = ["src", "fixtures", "../../migrations/tenant"];

fn main() -> io::Result<()> {
    let mut hasher = DefaultHasher::new();
    for folder in FOLDERS {
        println!("cargo:rerun-if-changed={folder}");
        let mut files = BTreeMap::new();
        read(Path::new(folder), &mut files)?;
        files.hash(&mut hasher);
    }
    let digest = hasher.finish();
    println!("cargo:rustc-env=TENANT_DATABASE_SOURCE_DIGEST={digest:016x}");
    Ok(())
}

fn read(folder: &Path, files: &mut BTreeMap<PathBuf, Vec<u8>>) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read(&path, files)?;
        } else {
            files.insert(path.clone(), std::fs::read(&path)?);
        }
    }
    Ok(())
}
