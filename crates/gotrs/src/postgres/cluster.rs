//! Makes the cluster: all of it beside its place, then one rename, so that a kill at any point leaves none or a whole one.

use std::fs::Permissions;
use std::io::Write as _;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustix::process::Signal;
use secrecy::ExposeSecret as _;
use tokio::io::AsyncWriteExt as _;
use tokio::process::Command;

use crate::postgres::{CONTROL_PLANE_DATABASE, CONTROL_PLANE_ROLE, Settings, TENANTS_DATABASE};
use crate::process::spawner::Spawner;

/// `initdb` takes a second on an idle machine; a busy disk may take long to write it all down.
const LIMIT: Duration = Duration::from_mins(2);

/// Makes the cluster unless it is there.
pub async fn ensure_cluster(settings: &Settings, spawner: &Spawner) -> anyhow::Result<()> {
    if settings.cluster.join("PG_VERSION").is_file() {
        return check_version(settings);
    }
    ensure!(
        !settings.cluster.exists(),
        "{} exists but is no PostgreSQL cluster: move it away, or choose another folder with --data",
        settings.cluster.display()
    );
    let parent = settings
        .cluster
        .parent()
        .context("the cluster needs a folder")?;
    let draft = parent.join("postgres.new");
    if draft.exists() {
        tracing::info!(
            "an earlier start was interrupted while it made the PostgreSQL cluster; making it again"
        );
        std::fs::remove_dir_all(&draft).context("removing a half-made PostgreSQL cluster")?;
    }
    make_private_folder(&draft, settings)?;
    let cluster = draft.join("cluster");
    initdb(settings, spawner, &draft, &cluster)
        .await
        .context("making the PostgreSQL cluster")?;
    make_databases(settings, spawner, &cluster)
        .await
        .context("making the databases")?;
    std::fs::rename(&cluster, &settings.cluster)
        .context("putting the PostgreSQL cluster in place")?;
    std::fs::File::open(parent)
        .and_then(|folder| folder.sync_all())
        .context("writing the data folder down")?;
    std::fs::remove_dir_all(&draft).context("tidying up after initdb")
}

/// A cluster of one major version is not readable by another; say so in our words before the server does.
fn check_version(settings: &Settings) -> anyhow::Result<()> {
    let made_by = std::fs::read_to_string(settings.cluster.join("PG_VERSION"))
        .context("reading the version of the PostgreSQL cluster")?;
    let output = std::process::Command::new(settings.bin.join("postgres"))
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .context("asking postgres for its version")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // "postgres (PostgreSQL) 15.14 (Debian 15.14-0+deb12u1)"
    let program = text
        .split_ascii_whitespace()
        .nth(2)
        .and_then(|version| version.split(|c: char| !c.is_ascii_digit()).next())
        .unwrap_or_default();
    ensure!(
        program == made_by.trim(),
        "the data in {} was made by PostgreSQL {}, but {} is version {program}: name the programs of version {} \
         with --pg-bin",
        settings.cluster.display(),
        made_by.trim(),
        settings.bin.display(),
        made_by.trim(),
    );
    Ok(())
}

async fn initdb(
    settings: &Settings,
    spawner: &Spawner,
    draft: &Path,
    cluster: &Path,
) -> anyhow::Result<()> {
    let password_file = write_password_file(draft, settings)?;
    let mut command = command(settings, "initdb");
    command
        .arg(format!("--username={}", crate::postgres::SUPERUSER))
        .args([
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
        ])
        .args(["--no-instructions", "--pwfile"])
        .arg(&password_file)
        .arg("--pgdata")
        .arg(cluster);
    run(spawner, command, "initdb", "").await?;
    std::fs::remove_file(&password_file).context("removing the password file")
}

/// In single-user mode, so that no client program is needed and no server is up that lacks them.
async fn make_databases(
    settings: &Settings,
    spawner: &Spawner,
    cluster: &Path,
) -> anyhow::Result<()> {
    let mut command = command(settings, "postgres");
    command
        .arg("--single")
        .arg("-D")
        .arg(cluster)
        // Without it a failed statement would be reported by a line of log only.
        .args(["-c", "exit_on_error=true", "-c", "log_checkpoints=off"])
        .arg("postgres");
    // One statement per line. The password is letters and digits of ours.
    let script = format!(
        "CREATE ROLE {CONTROL_PLANE_ROLE} LOGIN PASSWORD '{}'\n\
         CREATE DATABASE {CONTROL_PLANE_DATABASE} OWNER {CONTROL_PLANE_ROLE}\n\
         CREATE DATABASE {TENANTS_DATABASE}\n\
         REVOKE ALL ON DATABASE {CONTROL_PLANE_DATABASE} FROM PUBLIC\n\
         REVOKE ALL ON DATABASE {TENANTS_DATABASE} FROM PUBLIC\n\
         REVOKE ALL ON DATABASE postgres FROM PUBLIC\n\
         REVOKE ALL ON DATABASE template1 FROM PUBLIC\n",
        settings.control_plane_password.expose_secret()
    );
    run(spawner, command, "postgres --single", &script).await
}

/// A command of PostgreSQL's, as the right user.
pub(crate) fn command(settings: &Settings, program: &str) -> Command {
    let mut command = Command::new(settings.bin.join(program));
    command
        .current_dir("/")
        .env_clear()
        .envs([("LC_ALL", "C.UTF-8"), ("TZ", "UTC")]);
    if let Some(account) = &settings.account {
        // std drops the supplementary groups when a root process changes its uid.
        command.uid(account.uid).gid(account.gid);
    }
    command
}

async fn run(
    spawner: &Spawner,
    mut command: Command,
    name: &str,
    input: &str,
) -> anyhow::Result<()> {
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut child = spawner
        .spawn(command, Signal::KILL)
        .await
        .with_context(|| format!("starting {name}"))?;
    if let Some(mut stdin) = child.stdin.take() {
        stdin
            .write_all(input.as_bytes())
            .await
            .with_context(|| format!("writing to {name}"))?;
    }
    let output = tokio::time::timeout(LIMIT, child.wait_with_output())
        .await
        .with_context(|| format!("{name} did not finish within {} s", LIMIT.as_secs()))?
        .with_context(|| format!("waiting for {name}"))?;
    if !output.status.success() {
        bail!(
            "{name} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(())
}

/// Makes a folder that only PostgreSQL's account can open.
pub(crate) fn make_private_folder(path: &Path, settings: &Settings) -> anyhow::Result<()> {
    std::fs::create_dir(path).with_context(|| format!("making the folder {}", path.display()))?;
    std::fs::set_permissions(path, Permissions::from_mode(0o700))
        .with_context(|| format!("closing the folder {}", path.display()))?;
    if let Some(account) = &settings.account {
        account
            .take_over(path)
            .with_context(|| format!("giving {} to {}", path.display(), account.name))?;
    }
    Ok(())
}

fn write_password_file(folder: &Path, settings: &Settings) -> anyhow::Result<PathBuf> {
    let path = folder.join("password");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&path)
        .context("making the password file")?;
    writeln!(file, "{}", settings.superuser_password.expose_secret())
        .context("writing the password file")?;
    if let Some(account) = &settings.account {
        account
            .take_over(&path)
            .context("handing the password file over")?;
    }
    Ok(path)
}
