//! The loop of one tenant: decide, do, look again.

use std::sync::Arc;
use std::time::Duration;

use anyhow::bail;
use control_plane::provision::{Desired, Observed};
use domain::tenant::ProvisionStep;
use tenant_database::{AdministratorSeed, Credentials, RoleLimits};
use tenant_export::Progress as ExportProgress;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::supervisor::backoff;
use crate::supervisor::decide::{
    DatabaseStep, Known, Published, Server, ServerSpec, Target, Wanted, Work, decide,
};
use crate::supervisor::progress::{Activity, Progress, step_of};
use crate::supervisor::runtime::{Event, Runtime, RuntimeSecrets, Start};
use crate::supervisor::shared::{Shared, final_export};

/// Failures in a row before a step counts as failed and the router says so; fewer are shown as work.
const TROUBLE_AFTER: u32 = 3;
/// How often the final export is looked at.
const EXPORT_LOOK: Duration = Duration::from_millis(200);
/// A server that lived this long was fine; what ends it then is a new misfortune.
const STABLE: Duration = Duration::from_mins(1);

/// One tenant as the supervisor works on it.
pub(crate) struct Tenant {
    shared: Arc<Shared>,
    desired: watch::Receiver<Arc<Desired>>,
    observed: watch::Sender<Observed>,
    current: Arc<Desired>,
    known: Known,
    progress: Progress,
    runtime: Option<Runtime>,
    credentials: Option<Credentials>,
    failures: u32,
    not_before: Instant,
    /// Kept from the start of a server until it is ready, so that not all start at once.
    start_permit: Option<tokio::sync::OwnedSemaphorePermit>,
}

/// Why the loop woke up.
enum Wake {
    Stopping,
    Desired,
    Server(Event),
    Retry,
}

/// What kept a step from being done.
struct Failure {
    step: ProvisionStep,
    /// Stable word.
    reason: &'static str,
    /// For people; causes are in the log.
    message: String,
}

impl Tenant {
    pub(crate) fn new(
        shared: Arc<Shared>,
        desired: watch::Receiver<Arc<Desired>>,
        observed: watch::Sender<Observed>,
    ) -> Self {
        let current = desired.borrow().clone();
        Self {
            shared,
            desired,
            observed,
            current,
            known: Known::nothing(),
            progress: Progress::new(),
            runtime: None,
            credentials: None,
            failures: 0,
            not_before: Instant::now(),
            start_permit: None,
        }
    }

    /// Until the process stops.
    pub(crate) async fn run(mut self) {
        let stopping = self.shared.tasks.stopping();
        while !stopping.is_cancelled() {
            self.take_desired();
            let work = decide(&wanted(&self.current), &self.known);
            let now = Instant::now();
            if work == Work::Idle || (work.can_fail() && now < self.not_before) {
                let retry = (work != Work::Idle).then_some(self.not_before);
                match self.wait(retry).await {
                    Wake::Stopping => break,
                    Wake::Desired | Wake::Retry => {}
                    Wake::Server(event) => self.server_event(event).await,
                }
            } else {
                self.perform(work).await;
            }
        }
        if let Some(runtime) = self.runtime.take() {
            if self.known.route.is_some() {
                // Whoever still has a connection to the router is told to come back, not that there is no such tenant.
                self.publish(Published {
                    hosts: self.current.hosts.clone(),
                    target: Target::Starting,
                });
            }
            // The database is stopped after us, so that requests under way can finish.
            runtime.stop().await;
        }
    }

    fn take_desired(&mut self) {
        // Not `has_changed`: waiting for a change marks it as seen.
        let latest = self.desired.borrow_and_update().clone();
        if Arc::ptr_eq(&latest, &self.current) {
            return;
        }
        self.current = latest;
        self.known.forget_work();
        self.failures = 0;
        self.not_before = Instant::now();
        tracing::info!(
            tenant.slug = %self.current.slug,
            generation = self.current.generation,
            state = ?self.current.state,
            "the desired state changed"
        );
        self.tell(&Activity::None);
    }

    async fn wait(&mut self, retry: Option<Instant>) -> Wake {
        let stopping = self.shared.tasks.stopping();
        let event = async {
            match &mut self.runtime {
                Some(runtime) => runtime.next_event().await,
                None => std::future::pending().await,
            }
        };
        let retry = async {
            match retry {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stopping.cancelled() => Wake::Stopping,
            changed = self.desired.changed() => match changed {
                Ok(()) => Wake::Desired,
                // The supervisor is gone, and so is everybody who could ask for something.
                Err(_closed) => Wake::Stopping,
            },
            event = event => Wake::Server(event),
            () = retry => Wake::Retry,
        }
    }

    async fn perform(&mut self, work: Work) {
        let (step, reason, outcome) = match work {
            Work::Idle => return,
            Work::Publish(route) => {
                self.publish(route);
                return self.tell(&Activity::None);
            }
            Work::Withdraw => {
                self.shared.routes.withdraw(self.current.tenant);
                self.known.route = None;
                return self.tell(&Activity::None);
            }
            Work::StopServer => {
                self.stop_server().await;
                return self.tell(&Activity::None);
            }
            Work::StartServer => (
                ProvisionStep::Server,
                "StartFailed",
                self.start_server().await,
            ),
            Work::Database(step) => {
                let (shown, reason) = (step_of(step), reason_of(step));
                (shown, reason, self.database_step(step).await)
            }
            Work::DisableLogins => (
                ProvisionStep::Roles,
                "RolesFailed",
                self.disable_logins().await,
            ),
            Work::ExportFinally => (
                ProvisionStep::Schema,
                "ExportFailed",
                self.export_finally().await,
            ),
            Work::DropDatabase => (
                ProvisionStep::Schema,
                "RemovalFailed",
                self.drop_database().await,
            ),
            Work::RemoveFiles => (ProvisionStep::Schema, "RemovalFailed", self.remove_files()),
        };
        match outcome {
            Ok(()) => self.tell(&Activity::None),
            Err(error) => {
                tracing::error!(
                    tenant.slug = %self.current.slug,
                    step = step.as_str(),
                    error = format!("{error:#}"),
                    "a step of provisioning failed"
                );
                self.failed(&Failure {
                    step,
                    reason,
                    message: error.to_string(),
                });
            }
        }
    }

    fn publish(&mut self, route: Published) {
        self.shared
            .routes
            .publish(self.current.tenant, &self.current.slug, &route);
        self.known.route = Some(route);
    }

    async fn database_step(&mut self, step: DatabaseStep) -> anyhow::Result<()> {
        self.tell(&Activity::Working(step_of(step)));
        let shared = Arc::clone(&self.shared);
        let _permit = shared.database_permits.acquire().await;
        let started = Instant::now();
        let (database, tenant) = (&shared.database, self.current.tenant);
        match step {
            DatabaseStep::Schema => database.ensure_schema(tenant).await?,
            DatabaseStep::Roles => {
                let credentials = shared.files.credentials(tenant)?;
                let limits = RoleLimits {
                    runtime_connections: self.current.plan.runtime_connections(),
                    ..RoleLimits::default()
                };
                database.ensure_roles(tenant, &credentials, &limits).await?;
                self.credentials = Some(credentials);
            }
            DatabaseStep::Migrations => {
                database.migrate(tenant).await?;
            }
            DatabaseStep::Administrator => {
                let administrator = &self.current.administrator;
                let seed = AdministratorSeed {
                    email: administrator.email.clone(),
                    organization: administrator.organization.clone(),
                    password_hash: administrator.password_hash.clone(),
                };
                database.ensure_administrator(tenant, &seed).await?;
            }
        }
        self.known.database = step.next();
        self.failures = 0;
        self.known.trouble = None;
        tracing::info!(
            tenant.slug = %self.current.slug,
            ?step,
            duration_ms = started.elapsed().as_millis(),
            "a step in the database is done"
        );
        Ok(())
    }

    async fn start_server(&mut self) -> anyhow::Result<()> {
        self.tell(&Activity::Working(ProvisionStep::Server));
        let Some(credentials) = self.credentials.clone() else {
            // The passwords come with the step that makes the roles.
            self.known.database = Some(DatabaseStep::Roles);
            return Ok(());
        };
        let spec = wanted(&self.current).server;
        let stopping = self.shared.tasks.stopping();
        self.start_permit = tokio::select! {
            permit = Arc::clone(&self.shared.start_permits).acquire_owned() => permit.ok(),
            () = stopping.cancelled() => return Ok(()),
        };
        let tenant = self.current.tenant;
        let secrets = RuntimeSecrets {
            database_url: self.shared.database.runtime_url(tenant, &credentials),
            lambda_database_url: self.shared.database.lambda_url(tenant, &credentials),
            runtime_token: self.current.runtime_token.clone(),
        };
        let start = Start {
            tenant,
            slug: &self.current.slug,
            spec: &spec,
            secrets: &secrets,
            trace_parent: self.current.trace_parent.as_deref(),
        };
        let outcome = Runtime::start(
            start,
            &self.shared.runtime,
            &self.shared.spawner,
            &self.shared.tasks,
            self.shared.http.clone(),
        )
        .await;
        match outcome {
            Ok(runtime) => {
                tracing::debug!(tenant.slug = %self.current.slug, pid = runtime.pid(), "the server is starting");
                self.runtime = Some(runtime);
                self.known.server = Server::Starting(spec);
                Ok(())
            }
            Err(error) => {
                self.start_permit = None;
                Err(error)
            }
        }
    }

    async fn stop_server(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.stop().await;
        }
        self.start_permit = None;
        self.known.server = Server::Stopped;
        self.failures = 0;
    }

    async fn server_event(&mut self, event: Event) {
        self.start_permit = None;
        let is_gone = matches!(event, Event::Exited(_));
        let reason = match event {
            Event::Ready(address) => {
                if let Server::Starting(spec) = self.known.server.clone() {
                    self.known.server = Server::Ready(spec, address);
                }
                // Not yet zero failures: a server that dies right after its start is in a crash loop.
                self.known.trouble = None;
                if let Some(runtime) = &self.runtime {
                    tracing::info!(
                        tenant.slug = %self.current.slug,
                        pid = runtime.pid(),
                        %address,
                        duration_ms = runtime.age().as_millis(),
                        "the server is ready"
                    );
                }
                self.tell(&Activity::None);
                return;
            }
            Event::Exited(status) => format!("the server ended ({status})"),
            Event::Hangs => "the server does not answer".to_owned(),
        };
        if let Some(mut runtime) = self.runtime.take() {
            if runtime.age() > STABLE {
                self.failures = 0;
            }
            if !is_gone {
                // It hangs: it gets no second chance.
                runtime.kill().await;
            }
            runtime.forget();
        }
        self.known.server = Server::Stopped;
        tracing::warn!(tenant.slug = %self.current.slug, "{reason}; starting it again");
        self.failed(&Failure {
            step: ProvisionStep::Server,
            reason: "CrashLoop",
            message: reason,
        });
    }

    async fn disable_logins(&mut self) -> anyhow::Result<()> {
        let _permit = self.shared.database_permits.acquire().await;
        self.shared
            .database
            .set_login_enabled(self.current.tenant, false)
            .await?;
        self.known.logins_disabled = true;
        self.failures = 0;
        Ok(())
    }

    /// Waits for the export that outlives the data; as long as it cannot be made the data stays.
    async fn export_finally(&mut self) -> anyhow::Result<()> {
        let tenant = self.current.tenant;
        let stopping = self.shared.tasks.stopping();
        loop {
            match self.shared.export(tenant, final_export(tenant)) {
                ExportProgress::Running => {}
                ExportProgress::Done(_) | ExportProgress::Nothing => break,
                ExportProgress::Failed { message } => {
                    bail!("the final export failed ({message}), so the data stays")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(EXPORT_LOOK) => {}
                // The next start goes on.
                () = stopping.cancelled() => return Ok(()),
            }
        }
        self.known.exported = true;
        self.failures = 0;
        Ok(())
    }

    async fn drop_database(&mut self) -> anyhow::Result<()> {
        let _permit = self.shared.database_permits.acquire().await;
        self.shared
            .database
            .drop_tenant(self.current.tenant)
            .await?;
        self.known.dropped = true;
        self.failures = 0;
        Ok(())
    }

    fn remove_files(&mut self) -> anyhow::Result<()> {
        self.shared.files.remove(self.current.tenant)?;
        self.credentials = None;
        self.known.files_removed = true;
        tracing::info!(tenant.slug = %self.current.slug, "nothing of the tenant is left");
        Ok(())
    }

    fn failed(&mut self, failure: &Failure) {
        self.failures += 1;
        let pause = backoff::pause(self.failures, rand::random());
        self.not_before = Instant::now() + pause;
        if self.failures < TROUBLE_AFTER {
            self.tell(&Activity::Working(failure.step));
            return;
        }
        let message = format!(
            "{}, {} times in a row; it is tried again by itself, and the log has the cause",
            failure.message, self.failures
        );
        self.known.trouble = Some(message.clone());
        self.tell(&Activity::Failed {
            step: failure.step,
            reason: failure.reason,
            message,
        });
    }

    /// Publishes what is observed, and wakes whoever waits for it when something changed.
    fn tell(&mut self, activity: &Activity) {
        let activity = match activity {
            // What is being waited for is at work, too.
            Activity::None if matches!(self.known.server, Server::Starting(_)) => {
                Activity::Working(ProvisionStep::Server)
            }
            other => other.clone(),
        };
        self.progress
            .update(&self.known, &activity, self.shared.clock.now());
        let observed =
            self.progress
                .observed(self.current.generation, self.current.state, &self.known);
        let changed = self.observed.send_if_modified(|current| {
            let changed = *current != observed;
            *current = observed;
            changed
        });
        if changed {
            self.shared.changed(self.current.tenant);
        }
    }
}

/// Stable words for what may fail in the database.
const fn reason_of(step: DatabaseStep) -> &'static str {
    match step {
        DatabaseStep::Schema => "SchemaFailed",
        DatabaseStep::Roles => "RolesFailed",
        DatabaseStep::Migrations => "MigrationFailed",
        DatabaseStep::Administrator => "AdministratorFailed",
    }
}

fn wanted(desired: &Desired) -> Wanted {
    Wanted {
        state: desired.state,
        hosts: desired.hosts.clone(),
        server: ServerSpec {
            slug: desired.slug.to_string(),
            plan: desired.plan,
            main_host: desired.hosts.first().cloned().unwrap_or_default(),
            name: desired.administrator.organization.clone(),
        },
    }
}
