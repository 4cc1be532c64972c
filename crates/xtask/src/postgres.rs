//! A private PostgreSQL for tests and for checking queries: made, used, thrown away.

use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};

use crate::run;

/// A running server; stopped and removed when dropped.
pub(crate) struct Postgres {
    server: Child,
    folder: tempfile::TempDir,
    bin: PathBuf,
    port: u16,
    user: Option<(u32, u32)>,
}

impl Postgres {
    /// Starts a server without durability, so that it is fast.
    pub(crate) fn start() -> anyhow::Result<Self> {
        let bin = find_bin()?;
        let folder = tempfile::Builder::new()
            .prefix("gotrs-pg-")
            .tempdir()
            .context("making a folder")?;
        let user = unprivileged_user()?;
        if let Some((uid, gid)) = user {
            std::os::unix::fs::chown(folder.path(), Some(uid), Some(gid))
                .context("handing over the folder")?;
        }
        let data = folder.path().join("data");
        let password_file = folder.path().join("password");
        std::fs::write(&password_file, "postgres").context("writing the password file")?;
        let mut initdb = Command::new(bin.join("initdb"));
        initdb
            .args([
                "--username=postgres",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ])
            .args(["--no-sync", "--no-instructions", "--pgdata"])
            .arg(&data)
            .arg("--pwfile")
            .arg(&password_file)
            .stdout(Stdio::null());
        as_user(&mut initdb, user);
        run(&mut initdb).context("initdb")?;
        let port = free_port()?;
        let mut server = Command::new(bin.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(folder.path());
        for setting in [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            "fsync=off".to_owned(),
            "synchronous_commit=off".to_owned(),
            "full_page_writes=off".to_owned(),
            "max_connections=400".to_owned(),
            "max_locks_per_transaction=512".to_owned(),
            "log_min_messages=fatal".to_owned(),
        ] {
            server.arg("-c").arg(setting);
        }
        as_user(&mut server, user);
        let server = server
            .stdout(Stdio::null())
            .spawn()
            .context("starting postgres")?;
        let postgres = Self {
            server,
            folder,
            bin,
            port,
            user,
        };
        postgres.wait_until_ready()?;
        Ok(postgres)
    }

    /// The URL of a database on this server, as superuser.
    pub(crate) fn url(&self, database: &str) -> String {
        format!(
            "postgres://postgres:postgres@127.0.0.1:{}/{database}",
            self.port
        )
    }

    /// Runs one statement in a database.
    pub(crate) fn execute(&self, database: &str, sql: &str) -> anyhow::Result<()> {
        run(self.psql(database).args(["-c", sql]))
    }

    /// Runs SQL files in a database, each in a transaction.
    pub(crate) fn execute_files(&self, database: &str, folder: &Path) -> anyhow::Result<()> {
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .with_context(|| format!("reading {}", folder.display()))?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<Result<_, _>>()?;
        files.retain(|file| file.extension().is_some_and(|extension| extension == "sql"));
        files.sort();
        for file in files {
            run(self.psql(database).arg("-1").arg("-f").arg(&file))
                .with_context(|| format!("running {}", file.display()))?;
        }
        Ok(())
    }

    fn psql(&self, database: &str) -> Command {
        let mut psql = Command::new(self.bin.join("psql"));
        psql.args(["-q", "-v", "ON_ERROR_STOP=1", "-d"])
            .arg(self.url(database))
            .stdout(Stdio::null());
        psql
    }

    fn wait_until_ready(&self) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let ready = Command::new(self.bin.join("pg_isready"))
                .args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()])
                .status()
                .context("starting pg_isready")?;
            if ready.success() {
                return Ok(());
            }
            ensure!(
                Instant::now() < deadline,
                "PostgreSQL did not start within 20 s"
            );
            #[expect(
                clippy::disallowed_methods,
                reason = "a command line tool that only waits"
            )]
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        let mut stop = Command::new(self.bin.join("pg_ctl"));
        stop.args(["stop", "-m", "immediate", "-s", "-D"])
            .arg(self.folder.path().join("data"));
        as_user(&mut stop, self.user);
        if !stop.status().is_ok_and(|status| status.success()) {
            self.server.kill().ok();
        }
        self.server.wait().ok();
    }
}

/// Runs `command` beside a fresh server and passes its exit code on.
pub(crate) fn with_postgres(command: &[String]) -> anyhow::Result<()> {
    let postgres = Postgres::start()?;
    let (program, arguments) = command.split_first().context("which command?")?;
    run(Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", postgres.url("postgres")))
}

fn find_bin() -> anyhow::Result<PathBuf> {
    let mut versions: Vec<(u32, PathBuf)> = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            Some((version, path.join("bin")))
        })
        .filter(|(_, bin)| bin.join("initdb").exists())
        .collect();
    versions.sort();
    match versions.pop() {
        Some((_, bin)) => Ok(bin),
        None => bail!("PostgreSQL is not installed: apt-get install postgresql (make does it)"),
    }
}

/// PostgreSQL refuses to run as root; `None` when we are not root.
fn unprivileged_user() -> anyhow::Result<Option<(u32, u32)>> {
    use std::os::unix::fs::MetadataExt as _;
    if std::fs::metadata("/proc/self")
        .context("reading /proc/self")?
        .uid()
        != 0
    {
        return Ok(None);
    }
    let users = std::fs::read_to_string("/etc/passwd").context("reading /etc/passwd")?;
    for name in ["postgres", "nobody"] {
        for line in users.lines() {
            let fields: Vec<&str> = line.split(':').collect();
            if let [found, _, uid, gid, ..] = fields.as_slice()
                && *found == name
            {
                return Ok(Some((uid.parse()?, gid.parse()?)));
            }
        }
    }
    bail!("neither a user postgres nor a user nobody exists")
}

fn as_user(command: &mut Command, user: Option<(u32, u32)>) {
    if let Some((uid, gid)) = user {
        command.uid(uid).gid(gid).current_dir("/");
    }
}

fn free_port() -> anyhow::Result<u16> {
    let listener =
        std::net::TcpListener::bind(("127.0.0.1", 0)).context("looking for a free port")?;
    Ok(listener.local_addr()?.port())
}
