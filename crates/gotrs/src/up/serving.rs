//! What people reach: control plane, supervisor, router.

use std::ffi::OsString;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use control_plane::app::{self, App, Parts};
use control_plane::config::{ExportRetention, PublicUrl, Settings, TenantUrls, UrlScheme};
use control_plane::keys::Keys;
use control_plane::mail::{MailSettings, MailTransport};
use control_plane::rate_limit::Rates;
use control_plane::router::lanes::DEFAULT_REQUESTS_PER_SECOND;
use control_plane::router::{self, Proxy, RouterConfig};
use control_plane::runtime_token::SignedTokens;
use domain::clock::SystemClock;
use service_kit::Tasks;
use service_kit::client_address::TrustedProxies;
use service_kit::internal::{self, PartState, Readiness};
use service_kit::telemetry::{TelemetryArgs, TelemetryGuard};
use tenant_database::TenantDatabase;
use tokio::net::TcpListener;

use crate::process::spawner::Spawner;
use crate::supervisor::files::TenantFiles;
use crate::supervisor::runtime::RuntimeSettings;
use crate::supervisor::{self, Supervisor};
use crate::up::backing::Backing;
use crate::up::config::UpArgs;
use crate::up::data_folder::DataFolder;
use crate::up::run_file::{self, RunFile};
use crate::up::{demo, summary};

/// Browsers take every name below it for this machine.
const BASE_DOMAIN: &str = "localhost";
/// Of the control plane; tenants' runtimes have their own.
const DATABASE_CONNECTIONS: u32 = 20;
/// How long a deleted tenant can be brought back.
const DELETION_GRACE: Duration = Duration::from_hours(336);

pub(super) struct Serving<'a> {
    pub(super) args: &'a UpArgs,
    pub(super) telemetry: &'a TelemetryArgs,
    pub(super) folder: &'a DataFolder,
    pub(super) backing: &'a Backing,
    pub(super) spawner: &'a Spawner,
    pub(super) readiness: &'a Readiness,
    pub(super) guard: &'a TelemetryGuard,
    pub(super) started: Instant,
}

impl Serving<'_> {
    /// Runs until a signal comes or something that must not end has ended.
    pub(super) async fn run(
        self,
        listener: TcpListener,
        internal_listener: TcpListener,
        below: &Tasks,
    ) -> anyhow::Result<ExitCode> {
        let tasks = Tasks::new();
        watch_below(&tasks, below);
        let address = listener.local_addr().context("asking for our address")?;
        let internal_address = internal_listener
            .local_addr()
            .context("asking for our internal address")?;
        let console = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .context("listening on a free loopback port for the control plane")?;
        let console_address = console.local_addr().context("asking for an address")?;

        control_plane::metrics::describe_control_plane();
        control_plane::metrics::describe_router();
        self.guard.sum_up(&tasks);
        service_kit::http::serve(
            &tasks,
            "internal server",
            internal_listener,
            internal::router(self.readiness.clone(), Some(self.guard.metrics.clone())),
        );
        let control_plane_database = async {
            let pool = app::connect(&self.backing.control_plane_url, DATABASE_CONNECTIONS).await?;
            app::migrate(&pool).await?;
            Ok(pool)
        };
        let (pool, supervisor) = tokio::try_join!(
            control_plane_database,
            self.supervisor(&tasks, console_address, address)
        )?;
        let supervisor = Arc::new(supervisor);
        let blobs = self.backing.s3.clone().store();
        if self.args.s3.s3_endpoint.is_some() {
            blobs
                .ensure_bucket()
                .await
                .context("making sure that the bucket exists (GOTRS_S3_ENDPOINT)")?;
        }
        let keys = self.keys()?;
        let app = App::build(Parts {
            pool,
            blobs,
            provisioner: Arc::clone(&supervisor) as _,
            runtime_tokens: Arc::new(SignedTokens(keys.clone())),
            clock: Arc::new(SystemClock),
            keys,
            tasks: tasks.clone(),
            settings: self.settings(address),
        })
        .context("setting up the control plane")?;
        service_kit::http::serve(&tasks, "control plane", console, app.http_router());
        app.spawn_jobs();
        self.readiness.set("control_plane", PartState::Ready);

        let proxy = Proxy::new(
            RouterConfig {
                base_domain: BASE_DOMAIN.to_owned(),
                console: console_address
                    .to_string()
                    .parse()
                    .context("our own address is no authority")?,
                secure: false,
                trusted_proxies: TrustedProxies::default(),
                requests_per_second: DEFAULT_REQUESTS_PER_SECOND,
            },
            supervisor.routing_table(),
            router::pages::render_page(app.state().pages.clone()),
            tasks.clone(),
        );
        router::serve(&tasks, listener, Arc::new(proxy));
        self.readiness.set("router", PartState::Ready);

        let run_file = RunFile {
            pid: std::process::id(),
            listen: address,
            internal: internal_address,
            control_plane: console_address,
            s3: self.backing.s3.endpoint.clone(),
            postgres_socket: self.backing.postgres.as_ref().map(|p| p.socket.clone()),
            postgres_pid: None,
        };
        run_file::keep(
            &tasks,
            self.folder.run(),
            run_file,
            self.backing.postgres.as_ref().map(|p| p.state.clone()),
        )?;
        tracing::info!(
            listen = %address,
            internal = %internal_address,
            control_plane = %console_address,
            duration_ms = self.started.elapsed().as_millis(),
            "ready"
        );
        summary::print(&summary::Summary {
            address,
            data: self.folder.path(),
            cluster: self.backing.postgres.as_ref().map(|p| p.cluster.as_path()),
            took: self.started.elapsed(),
            demo: self.args.demo,
        })?;
        if self.args.demo {
            demo::start(&tasks, console_address, address.port());
        }
        tasks.run_until_stopped().await
    }

    async fn supervisor(
        &self,
        tasks: &Tasks,
        console: SocketAddr,
        address: SocketAddr,
    ) -> anyhow::Result<Supervisor> {
        let database = TenantDatabase::connect(&self.backing.tenants_url).await?;
        database.prepare_server().await?;
        Supervisor::start(supervisor::Parts {
            database,
            archives: self.backing.s3.clone().store(),
            files: TenantFiles {
                secrets: self.folder.secrets()?,
                folders: self.folder.tenants(),
            },
            runtime: RuntimeSettings {
                program: self.runtime_program()?,
                control_plane_url: format!("http://{console}"),
                public_scheme: UrlScheme::Http.as_str(),
                public_port: (address.port() != 80).then_some(address.port()),
                tenants: self.folder.tenants(),
                run: self.folder.run().join("tenants"),
                log: self.telemetry.log.clone(),
                otlp_endpoint: self.telemetry.otlp_endpoint.clone(),
                sandbox: self.args.sandbox.clone(),
            },
            spawner: self.spawner.clone(),
            tasks: tasks.clone(),
            clock: Arc::new(SystemClock),
        })
        .await
    }

    /// This very program, so that there is one file to copy and its parts are always of one version.
    fn runtime_program(&self) -> anyhow::Result<Vec<OsString>> {
        if let Some(program) = &self.args.runtime_bin {
            return Ok(vec![program.clone().into()]);
        }
        let program = std::env::current_exe().context("asking which program this is")?;
        Ok(vec![
            program.into(),
            "internal".into(),
            "tenant-runtime".into(),
        ])
    }

    fn keys(&self) -> anyhow::Result<Keys> {
        let secret = self.folder.secrets()?.get_or_make("control-plane-key")?;
        Keys::new(secret).context(
            "secrets/control-plane-key in the data folder is too short: put it back from a backup",
        )
    }

    fn settings(&self, address: SocketAddr) -> Settings {
        let port = Some(address.port()).filter(|port| *port != 80);
        Settings {
            public_url: PublicUrl {
                scheme: UrlScheme::Http,
                host: BASE_DOMAIN.to_owned(),
                port,
            },
            tenant_urls: TenantUrls {
                scheme: UrlScheme::Http,
                base_domain: BASE_DOMAIN.to_owned(),
                port,
            },
            cell: "local".to_owned(),
            mail: MailSettings {
                from: "GOTRS Cloud <no-reply@localhost.localdomain>".to_owned(),
                transport: MailTransport::LocalMailbox(self.folder.mail()),
            },
            deletion_grace: DELETION_GRACE,
            // The router is of this process.
            trusted_proxies: TrustedProxies::default().and_loopback(),
            rates: Rates::default(),
            exports: ExportRetention::default(),
            sandbox: self.args.sandbox.clone(),
        }
    }
}

/// Without PostgreSQL or S3 there is nothing to serve: when one of them gives up, everything stops with failure.
fn watch_below(tasks: &Tasks, below: &Tasks) {
    let (below, stopping) = (below.stopping(), tasks.stopping());
    tasks.spawn_service("what everything stands on", async move {
        tokio::select! {
            () = below.cancelled() => Err(anyhow!("PostgreSQL or S3 has given up; see the log above")),
            () = stopping.cancelled() => Ok(()),
        }
    });
}
