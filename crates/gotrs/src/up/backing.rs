//! What the platform stands on: PostgreSQL and S3, embedded or elsewhere.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use blob_store::config::S3Server;
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::Tasks;
use service_kit::internal::{PartState, Readiness};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::postgres::account::Account;
use crate::postgres::server::ServerState;
use crate::postgres::{self, find};
use crate::process::spawner::Spawner;
use crate::s3;
use crate::up::config::{ExternalDatabase, ExternalS3, UpArgs};
use crate::up::data_folder::DataFolder;

/// What was asked for.
pub(super) struct Plan<'a> {
    pub(super) args: &'a UpArgs,
    pub(super) folder: &'a DataFolder,
    pub(super) account: Option<Account>,
    pub(super) external_database: Option<ExternalDatabase>,
    pub(super) external_s3: Option<ExternalS3>,
}

/// What there is.
pub(super) struct Backing {
    /// Tenants' database, as a superuser.
    pub(super) tenants_url: SecretString,
    /// The control plane's database.
    pub(super) control_plane_url: SecretString,
    /// The embedded server; `None` when it runs elsewhere.
    pub(super) postgres: Option<EmbeddedPostgres>,
    /// Where objects are.
    pub(super) s3: S3Server,
}

/// The embedded server.
pub(super) struct EmbeddedPostgres {
    pub(super) state: watch::Receiver<ServerState>,
    pub(super) cluster: PathBuf,
    pub(super) socket: PathBuf,
}

impl Backing {
    /// Starts what is embedded, both at the same time.
    pub(super) async fn start(
        plan: Plan<'_>,
        spawner: &Spawner,
        tasks: &Tasks,
        readiness: &Readiness,
    ) -> anyhow::Result<Self> {
        let Plan {
            args,
            folder,
            account,
            external_database,
            external_s3,
        } = plan;
        let s3 = start_s3(folder, external_s3, tasks);
        let database = async {
            match external_database {
                Some(database) => Ok((database.tenants, database.control_plane, None)),
                None => {
                    let settings = settings(args, folder, account)?;
                    let urls = (settings.tenants_url(), settings.control_plane_url());
                    let (cluster, socket) = (settings.cluster.clone(), settings.socket.clone());
                    let state = postgres::server::start(settings, spawner.clone(), tasks)
                        .await
                        .context("starting PostgreSQL")?;
                    report_postgres(tasks, state.clone(), readiness.clone());
                    let embedded = EmbeddedPostgres {
                        state,
                        cluster,
                        socket,
                    };
                    Ok((urls.0, urls.1, Some(embedded)))
                }
            }
        };
        let (s3, (tenants_url, control_plane_url, postgres)): (_, _) =
            tokio::try_join!(s3, database)?;
        readiness.set("s3", PartState::Ready);
        if postgres.is_none() {
            readiness.set("postgres", PartState::Ready);
        }
        Ok(Self {
            tenants_url,
            control_plane_url,
            postgres,
            s3,
        })
    }
}

async fn start_s3(
    folder: &DataFolder,
    external: Option<ExternalS3>,
    tasks: &Tasks,
) -> anyhow::Result<S3Server> {
    if let Some(external) = external {
        return Ok(S3Server {
            endpoint: external.endpoint,
            region: external.region,
            bucket: external.bucket,
            access_key_id: external.keys.access_key,
            secret_access_key: external.keys.secret_key,
        });
    }
    let secrets = folder.secrets()?;
    let keys = s3::Keys {
        access_key: secrets
            .get_or_make("s3-access-key")?
            .expose_secret()
            .to_owned(),
        secret_key: secrets.get_or_make("s3-secret-key")?,
    };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .context("listening on a free loopback port for S3")?;
    let address = listener.local_addr().context("asking for the S3 address")?;
    s3::start(listener, &folder.s3(), s3::BUCKET, &keys, tasks)?;
    Ok(S3Server {
        endpoint: format!("http://{address}"),
        region: s3::REGION.to_owned(),
        bucket: s3::BUCKET.to_owned(),
        access_key_id: keys.access_key,
        secret_access_key: keys.secret_key,
    })
}

fn settings(
    args: &UpArgs,
    folder: &DataFolder,
    account: Option<Account>,
) -> anyhow::Result<postgres::Settings> {
    let secrets = folder.secrets()?;
    let instance = secrets.get_or_make("instance")?;
    let short: String = instance
        .expose_secret()
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .take(12)
        .collect();
    Ok(postgres::Settings {
        bin: find::find_programs(args.database.pg_bin.as_deref(), Path::new(find::SYSTEM))?,
        cluster: folder.cluster(account.as_ref(), &short)?,
        socket: sockets(args, account.as_ref()).join(format!("gotrs-{short}")),
        data_folder: folder.path().to_owned(),
        account,
        superuser_password: secrets.get_or_make("postgres-superuser")?,
        control_plane_password: secrets.get_or_make("postgres-control-plane")?,
    })
}

/// A short path that PostgreSQL's account can reach; the desktop's own folder is for our account only.
fn sockets(args: &UpArgs, account: Option<&Account>) -> PathBuf {
    match (&args.xdg_runtime_dir, account) {
        (Some(folder), None) if folder.is_dir() => folder.clone(),
        _ => std::env::temp_dir(),
    }
}

fn report_postgres(tasks: &Tasks, mut state: watch::Receiver<ServerState>, readiness: Readiness) {
    let stopping = tasks.stopping();
    tasks.spawn("postgres readiness", async move {
        loop {
            let part = match *state.borrow_and_update() {
                ServerState::Ready { .. } => PartState::Ready,
                ServerState::Starting => PartState::NotReady {
                    reason: "PostgreSQL is being started again".to_owned(),
                },
            };
            readiness.set("postgres", part);
            tokio::select! {
                changed = state.changed() => if changed.is_err() { return },
                () = stopping.cancelled() => return,
            }
        }
    });
}
