//! Keeps `.sqlx/` in step with the queries in the code: each `query!` is checked against a live database that has
//! all migrations, and what the database said is committed, so that builds need no database.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

use crate::postgres::Postgres;
use crate::root;

/// Refreshes `.sqlx/`, or with `check` compares it with what it should be.
pub(crate) fn run(check: bool) -> anyhow::Result<()> {
    let root = root()?;
    let postgres = Postgres::start()?;
    for (database, folder) in [("control_plane", "control-plane"), ("tenant", "tenant")] {
        postgres.execute("postgres", &format!("CREATE DATABASE {database}"))?;
        postgres.execute_files(database, &root.join("migrations").join(folder))?;
    }
    let fresh = tempfile::tempdir().context("making a folder")?;
    // The macros write only when they are expanded anew.
    for package in ["control-plane", "tenant-runtime"] {
        for source in ["src/lib.rs", "src/main.rs"] {
            touch(&root.join(package).join(source))?;
        }
    }
    crate::run(
        Command::new("cargo")
            // The whole workspace, so that dependencies have the features that clippy has built already.
            .args([
                "check",
                "--quiet",
                "--workspace",
                "--exclude",
                "lambda-guest",
            ])
            .current_dir(&root)
            .env("SQLX_OFFLINE", "false")
            .env("SQLX_OFFLINE_DIR", fresh.path())
            .env("DATABASE_URL", postgres.url("control_plane"))
            .env("CONTROL_PLANE_DATABASE_URL", postgres.url("control_plane"))
            .env("TENANT_DATABASE_URL", postgres.url("tenant")),
    )?;
    let wanted = read_folder(fresh.path())?;
    ensure!(
        !wanted.is_empty(),
        "no query was seen: is SQLX_OFFLINE_DIR still how sqlx is told where to write?"
    );
    let committed = root.join(".sqlx");
    if check {
        let present = read_folder(&committed).unwrap_or_default();
        ensure!(
            present == wanted,
            ".sqlx/ is out of date: run `cargo xtask sqlx-prepare` and commit the result"
        );
        return Ok(());
    }
    std::fs::create_dir_all(&committed)?;
    for name in read_folder(&committed)?.keys() {
        std::fs::remove_file(committed.join(name))?;
    }
    for (name, content) in wanted {
        std::fs::write(committed.join(name), content)?;
    }
    Ok(())
}

fn read_folder(folder: &Path) -> anyhow::Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    for entry in
        std::fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?
    {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with("query-") {
            files.insert(name, std::fs::read_to_string(entry.path())?);
        }
    }
    Ok(files)
}

#[expect(
    clippy::disallowed_methods,
    reason = "a file's time stamp for cargo, not time in the product"
)]
fn touch(file: &Path) -> anyhow::Result<()> {
    let open = std::fs::File::options().append(true).open(file);
    let open = open.with_context(|| format!("opening {}", file.display()))?;
    open.set_modified(std::time::SystemTime::now())
        .context("setting a time stamp")
}
