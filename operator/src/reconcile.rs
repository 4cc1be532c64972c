//! One reconcile of one tenant: dereference → validate → build → apply → status.
//!
//! Level-triggered: it is not told what happened, it looks. Every step is safe to repeat, and the order is such that a kill
//! between any two leaves nothing that the next one does not repair: walls before passwords, passwords before roles, roles and
//! tables before the runtimes that need them.

mod apply;
pub mod build;
mod database;
mod delete;
mod export;
pub mod secrets;
pub mod status;
pub mod validate;
pub(crate) mod write;

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::clock::Clock;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::api::{ListParams, Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::{ObjectRef, Store};
use kube::{Api, Client, ResourceExt as _};
use serde_json::json;
use service_kit::{Tasks, telemetry};
use tenant_crd::condition::{self, ConditionStatus, ConditionType};
use tenant_crd::names;
use tenant_crd::v1::Tenant;
use tenant_export::Exports;
use tokio::sync::Notify;
use tracing::Instrument as _;

use crate::channel::observe::channel_name;
use crate::channel::work::GuardedChannel;
use crate::config::ClusterConfig;
use crate::events::Events;
use crate::ids::Ids;
use crate::lane::{DatabasePermits, Lane};
use crate::lease::{Leadership, NotLeading};
use crate::memory::Memory;
use crate::reconcile::apply::{ApplyError, find};
use crate::reconcile::status::{DatabaseFacts, Facts, Rollout};
use crate::reconcile::validate::{Offer, Run, ValidatedTenant, tenant_id, validate};
use crate::seen::{ObjectKey, Seen};
use crate::store::Stores;

/// Without any event a tenant is looked at again after this: for what no watch tells, above all the database.
const RESYNC: Duration = Duration::from_hours(1);
/// While runtimes start, their pods are looked at: no watch tells why one does not.
const ROLLOUT_LOOK: Duration = Duration::from_secs(10);
/// A failure is told in the status when it has come back so often in a row, which is after about two seconds.
const TOLD_AFTER: u32 = 2;
/// Longest time for telling it.
const TELL_WITHIN: Duration = Duration::from_secs(20);
/// Reason of an error: the database cluster of a tenant is not configured.
const UNKNOWN_CLUSTER: &str = "UnknownCluster";
/// While somebody else has what a tenant needs: no watch of ours tells when they give it up.
const TAKEN_LOOK: Duration = Duration::from_mins(1);
/// While a namespace ends.
const NAMESPACE_LOOK: Duration = Duration::from_secs(2);
/// Longest reconcile: four steps in a database have two minutes each before they give up by themselves, and an API server that
/// never answers would keep the tenant for ever.
const LIMIT: Duration = Duration::from_mins(10);

/// A Tenant, or what could not be read of one.
pub type Guarded = DeserializeGuard<Tenant>;

/// What every reconcile needs.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// The cluster.
    pub cluster: ClusterConfig,
    /// The databases.
    pub stores: Stores,
    /// Exports into the object store.
    pub exports: Exports,
    /// Steps in databases at once.
    pub database_permits: DatabasePermits,
    /// What the watches saw.
    pub seen: Arc<Seen>,
    /// What is remembered of each tenant.
    pub memory: Memory,
    /// All tenants.
    pub tenants: Store<Guarded>,
    /// Which of them names which id.
    pub ids: Arc<Ids>,
    /// All channels.
    pub channels: Store<GuardedChannel>,
    /// Any Tenant has changed in any way.
    pub touched: Arc<Notify>,
    /// Whether we may write.
    pub leadership: Leadership,
    /// Writes Events.
    pub events: Events,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// For work that is bound by CPU.
    pub tasks: Tasks,
}

impl Context {
    /// Who waits for this tenant now.
    pub fn lane_of(&self, tenant: &Tenant) -> Lane {
        Lane::of(tenant, self.clock.now())
    }

    /// What the tenant's channel has for it.
    fn offer(&self, tenant: &Tenant) -> Offer {
        let channel = self.channels.get(&ObjectRef::new(channel_name(tenant)));
        match channel.as_deref().map(|object| object.0.as_ref()) {
            Some(Ok(channel)) => Offer::Version(
                channel
                    .status
                    .as_ref()
                    .and_then(|status| status.last_good_version.as_ref())
                    .unwrap_or(&channel.spec.version)
                    .clone(),
            ),
            None if tenant.spec.channel.is_none() => Offer::NoChannel,
            Some(Err(_)) | None => Offer::Missing,
        }
    }
}

/// When a tenant is looked at again if nothing happens to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Action(Option<Duration>);

impl Action {
    /// After this.
    pub const fn requeue(pause: Duration) -> Self {
        Self(Some(pause))
    }

    /// When it changes.
    pub const fn await_change() -> Self {
        Self(None)
    }

    /// The pause; `None` when only a change leads to another look.
    pub const fn pause(self) -> Option<Duration> {
        self.0
    }
}

/// Why a reconcile did not come to its end; it is tried again after a pause.
#[derive(Debug, thiserror::Error)]
pub enum ReconcileError {
    /// The API server.
    #[error("the cluster could not be changed")]
    Apply(#[from] ApplyError),
    /// The database. It is in the status too.
    #[error("the database could not be changed")]
    Store(#[from] crate::store::StoreError),
    /// Another operator leads.
    #[error("not leading")]
    NotLeading(#[from] NotLeading),
    /// A step that failed, and is in no status yet.
    #[error("{message}")]
    Step {
        /// Word for metrics.
        reason: &'static str,
        /// For people.
        message: String,
    },
    /// A step that failed, and is in the status.
    #[error("{message}")]
    Reported {
        /// Word for metrics: a condition has it as its reason.
        reason: &'static str,
        /// For people.
        message: String,
    },
}

impl ReconcileError {
    /// A bounded word for metrics.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Apply(ApplyError::NotLeading(_)) | Self::NotLeading(_) => "not_leading",
            Self::Apply(_) => "apply",
            Self::Store(error) => error.reason,
            Self::Step { reason, .. } | Self::Reported { reason, .. } => reason,
        }
    }

    /// What the status says of it; `None` where it has it already, or must not. What server or database said in their own words may name
    /// things that are not the tenant's owner's business.
    fn to_tell(&self) -> Option<String> {
        match self {
            Self::Apply(ApplyError::NotLeading(_)) => None,
            Self::Apply(error) => Some(match error.refusal() {
                Some(reason) => format!("{error}: {reason}"),
                None => error.to_string(),
            }),
            Self::Store(error) if error.is_fenced() => None,
            Self::Store(error) => Some(error.to_string()),
            Self::Step { message, .. } => Some(message.clone()),
            Self::NotLeading(_) | Self::Reported { .. } => None,
        }
    }
}

/// Brings one tenant a step nearer to what it should be, usually the last one.
pub async fn reconcile(object: Arc<Guarded>, ctx: Arc<Context>) -> Result<Action, ReconcileError> {
    let tenant = match &object.0 {
        Ok(tenant) => tenant,
        Err(invalid) => {
            // Only another definition or another author can help; the others go on.
            tracing::error!(
                tenant.slug = invalid.metadata.name.as_deref().unwrap_or_default(),
                error = invalid.error,
                "a Tenant cannot be read; it waits for a change"
            );
            count_error("unreadable");
            return Ok(Action::await_change());
        }
    };
    let span = tracing::info_span!(
        "reconcile",
        tenant.slug = %tenant.spec.slug,
        generation = tenant.metadata.generation,
    );
    continue_trace(&span, tenant);
    ctx.seen.complete().await;
    let started = std::time::Instant::now();
    let outcome = tokio::time::timeout(LIMIT, Box::pin(work(tenant, &ctx)).instrument(span))
        .await
        .unwrap_or_else(|_elapsed| {
            Err(ReconcileError::Step {
                reason: "timeout",
                message: "no answer for ten minutes".to_owned(),
            })
        });
    metrics::histogram!("operator_reconcile_seconds").record(started.elapsed().as_secs_f64());
    let word = if outcome.is_ok() { "ok" } else { "error" };
    metrics::counter!("operator_reconciles_total", "outcome" => word).increment(1);
    if let Err(ReconcileError::Store(error)) = &outcome
        && error.is_fenced()
    {
        ctx.leadership.resign();
    }
    let uid = tenant.uid().unwrap_or_default();
    match &outcome {
        Ok(_) => ctx.memory.succeeded(&uid),
        Err(error) if ctx.memory.failures(&uid) >= TOLD_AFTER => tell(tenant, error, &ctx).await,
        Err(_) => {}
    }
    outcome
}

/// Writes what keeps a reconcile from its end, as far as that can be written. What passes by itself is told by nobody: it would come and go.
async fn tell(tenant: &Tenant, error: &ReconcileError, ctx: &Context) {
    let Some(message) = error.to_tell() else {
        return;
    };
    let facts = Facts::Retrying { message };
    let told = write::report(ctx, tenant, &facts);
    let outcome = tokio::time::timeout(TELL_WITHIN, told).await;
    if !matches!(outcome, Ok(Ok(()))) {
        tracing::warn!(
            tenant.slug = %tenant.spec.slug,
            "what keeps the tenant from being worked on cannot be written into its status"
        );
    }
}

/// What is done after a failure: again, after a pause that grows for this tenant alone.
pub fn after_error(object: &Guarded, error: &ReconcileError, ctx: &Context) -> Action {
    let metadata = match &object.0 {
        Ok(tenant) => &tenant.metadata,
        Err(invalid) => &invalid.metadata,
    };
    let failures = ctx
        .memory
        .failed(metadata.uid.as_deref().unwrap_or_default());
    let pause = crate::backoff::pause(failures, rand::random());
    count_error(error.reason());
    tracing::warn!(
        tenant.slug = metadata.name.as_deref().unwrap_or_default(),
        failures,
        pause_ms = pause.as_millis(),
        error = %service_kit::Chain(error),
        "a reconcile failed; it is tried again"
    );
    Action::requeue(pause)
}

fn count_error(reason: &'static str) {
    metrics::counter!("operator_errors_total", "reason" => reason).increment(1);
}

/// The trace of the request that changed the spec, for as long as what it asked for is not done. What is looked at afterwards has
/// nothing to do with it.
fn continue_trace(span: &tracing::Span, tenant: &Tenant) {
    let is_done = tenant.status.as_ref().is_some_and(|status| {
        status.observed_generation == tenant.metadata.generation
            && condition::find(&status.conditions, ConditionType::Ready)
                .is_some_and(|ready| ready.status == ConditionStatus::True)
    });
    if !is_done && let Some(parent) = tenant.annotations().get(names::ANNOTATION_TRACE_PARENT) {
        telemetry::continue_written_trace(span, parent);
    }
}

async fn work(tenant: &Tenant, ctx: &Context) -> Result<Action, ReconcileError> {
    ctx.leadership.check()?;
    if tenant.metadata.deletion_timestamp.is_some() {
        return delete::delete(tenant, ctx).await;
    }
    if !tenant
        .finalizers()
        .iter()
        .any(|name| name == names::FINALIZER)
    {
        add_finalizer(tenant, ctx).await?;
    }
    if let Some(action) = without_an_id_of_its_own(tenant, ctx).await? {
        return Ok(action);
    }
    let now = ctx.clock.now();
    let wanted = match validate(tenant, &ctx.cluster, &ctx.offer(tenant), now) {
        Ok(wanted) => wanted,
        Err(faults) => {
            write::report(ctx, tenant, &Facts::Invalid(&faults)).await?;
            return Ok(Action::await_change());
        }
    };
    if let Some(action) = without_a_namespace_of_its_own(tenant, &wanted, ctx).await? {
        return Ok(action);
    }
    // On the heap: the future of all the steps is large.
    Box::pin(bring_in_line(tenant, &wanted, ctx, now)).await
}

async fn bring_in_line(
    tenant: &Tenant,
    wanted: &ValidatedTenant,
    ctx: &Context,
    now: DateTime<Utc>,
) -> Result<Action, ReconcileError> {
    let url = wanted
        .hosts
        .first()
        .map_or_else(String::new, |host| ctx.cluster.public_url(host.as_str()));
    let Some(store) = ctx.stores.get(&wanted.cluster).cloned() else {
        // `validate` has compared the names with the configuration that the stores were made from.
        return Err(ReconcileError::Step {
            reason: UNKNOWN_CLUSTER,
            message: format!("the database cluster {} is not connected", wanted.cluster),
        });
    };
    let passwords = database::Passwords::of(ctx, wanted, store.as_ref()).await?;
    let objects = build::build(wanted, &ctx.cluster, &passwords.seal());
    apply::apply_surroundings(ctx, &objects).await?;
    database::keep(ctx, wanted, store.as_ref(), &passwords).await?;
    let database = match wanted.run {
        Run::Suspended => DatabaseFacts::Locked,
        Run::Asleep | Run::Fixed(_) | Run::Automatic { .. } => {
            database::bring_in_line(ctx, tenant, wanted, store.as_ref(), &passwords).await
        }
    };
    if let DatabaseFacts::Failed(trouble) = &database {
        let rollout = rollout(ctx, wanted, None).await?;
        let failed = trouble.clone();
        let facts = Facts::Worked {
            tenant: wanted,
            url,
            database,
            rollout,
        };
        write::report(ctx, tenant, &facts).await?;
        return if failed.is_final {
            // The same inputs are not tried for ever; a change or the hourly look tries again.
            count_error(failed.reason);
            Ok(Action::requeue(RESYNC))
        } else {
            Err(ReconcileError::Reported {
                reason: failed.reason,
                message: failed.message,
            })
        };
    }
    let applied = apply::apply_runtimes(ctx, &objects).await?;
    let rollout = rollout(ctx, wanted, applied.as_ref()).await?;
    if wanted.run == Run::Suspended && rollout.as_ref().is_none_or(|rollout| rollout.replicas == 0)
    {
        database::lock(ctx, tenant, wanted, store.as_ref()).await?;
    }
    let complete = rollout.as_ref().is_some_and(Rollout::is_complete);
    let is_exporting = export::requested(ctx, tenant, wanted.id, &store).await?;
    let facts = Facts::Worked {
        tenant: wanted,
        url,
        database,
        rollout,
    };
    write::report(ctx, tenant, &facts).await?;
    database::write_down(ctx, wanted, store.as_ref()).await;
    Ok(if is_exporting {
        Action::requeue(export::LOOK)
    } else {
        next_look(complete, wanted.look_again, now)
    })
}

/// When to look again if nothing happens.
fn next_look(complete: bool, look_again: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Action {
    // Spread, so that tenants that were made together are not looked at together for ever.
    let mut pause = RESYNC.mul_f64(1.0 + rand::random::<f64>() / 4.0);
    if !complete {
        pause = pause.min(ROLLOUT_LOOK);
    }
    if let Some(at) = look_again {
        // At least a second: a clock that is a little behind would look for nothing, again and again.
        let until = (at - now).to_std().unwrap_or_default();
        pause = pause.min(until.max(Duration::from_secs(1)));
    }
    Action::requeue(pause)
}

/// What runs now, and where it does not, why. `applied` is the Deployment as it came back, if it was sent.
async fn rollout(
    ctx: &Context,
    wanted: &ValidatedTenant,
    applied: Option<&Deployment>,
) -> Result<Option<Rollout>, ReconcileError> {
    let namespace = build::namespace_name(&wanted.slug);
    let key = ObjectKey {
        kind: "Deployment",
        namespace: Some(namespace.clone()),
        name: build::RUNTIME.to_owned(),
    };
    // The watch may be ahead of the answer, and never says less.
    let known = ctx.seen.rollout(&key);
    let rollout = match known.or_else(|| applied.map(Rollout::of)) {
        Some(rollout) => rollout,
        None => {
            let deployments = Api::<Deployment>::namespaced(ctx.client.clone(), &namespace);
            match find(&deployments, "Deployment", build::RUNTIME).await? {
                Some(deployment) => Rollout::of(&deployment),
                None => return Ok(None),
            }
        }
    };
    // Of a rollout that was given up pods say why: as long as old runtimes serve, as many are ready as are wanted.
    if rollout.ready >= rollout.desired && rollout.stuck.is_none() {
        return Ok(Some(rollout));
    }
    let few = ListParams::default()
        .labels(&build::selector_text(&wanted.slug))
        .limit(20);
    let pods = Api::<Pod>::namespaced(ctx.client.clone(), &namespace)
        .list(&few)
        .await
        .map_err(|source| ApplyError::Call {
            doing: "listing",
            kind: "Pod",
            name: namespace,
            source: Box::new(source),
        })?;
    Ok(Some(rollout.with_pods(&pods.items)))
}

async fn add_finalizer(tenant: &Tenant, ctx: &Context) -> Result<(), ReconcileError> {
    let mut finalizers = tenant.finalizers().to_vec();
    finalizers.push(names::FINALIZER.to_owned());
    set_finalizers(tenant, ctx, &finalizers).await
}

/// With the version that we know: others have finalizers too, and theirs must not be lost.
async fn set_finalizers(
    tenant: &Tenant,
    ctx: &Context,
    finalizers: &[String],
) -> Result<(), ReconcileError> {
    ctx.leadership.check()?;
    let name = tenant.name_any();
    let patch = json!({"metadata": {
        "finalizers": finalizers,
        "resourceVersion": tenant.metadata.resource_version,
        "uid": tenant.metadata.uid,
    }});
    let outcome = Api::<Tenant>::all(ctx.client.clone())
        .patch(&name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    match outcome {
        Ok(_) => Ok(()),
        // Gone in the meantime: nothing is left to be guarded.
        Err(kube::Error::Api(status)) if status.is_not_found() => Ok(()),
        Err(source) => Err(ApplyError::Call {
            doing: "changing the finalizers of",
            kind: "Tenant",
            name,
            source: Box::new(source),
        }
        .into()),
    }
}

/// Whether somebody else has the id; then that is reported and nothing is touched.
async fn without_an_id_of_its_own(
    tenant: &Tenant,
    ctx: &Context,
) -> Result<Option<Action>, ReconcileError> {
    let Some(other) = older_with_the_same_id(tenant, ctx) else {
        return Ok(None);
    };
    let message = format!(
        "the Tenant {other} has the same id, and two cannot share a schema: give this one another spec.id"
    );
    let facts = Facts::Blocked {
        reason: "IdTaken",
        message,
    };
    write::report(ctx, tenant, &facts).await?;
    Ok(Some(Action::requeue(TAKEN_LOOK)))
}

/// The same of the namespace.
async fn without_a_namespace_of_its_own(
    tenant: &Tenant,
    wanted: &ValidatedTenant,
    ctx: &Context,
) -> Result<Option<Action>, ReconcileError> {
    // Its owner is part of what is compared.
    if apply::is_in_place(ctx, &build::namespace(wanted))? {
        return Ok(None);
    }
    let name = format!("{}{}", names::NAMESPACE_PREFIX, tenant.spec.slug);
    let namespaces = Api::<Namespace>::all(ctx.client.clone());
    let Some(namespace) = find(&namespaces, "Namespace", &name).await? else {
        return Ok(None);
    };
    if is_ours(tenant, &namespace) && namespace.metadata.deletion_timestamp.is_none() {
        return Ok(None);
    }
    let (facts, pause) = if namespace.metadata.deletion_timestamp.is_some() {
        let facts = Facts::Waiting {
            reason: "NamespaceEnding",
            message: format!(
                "the namespace {name} is being deleted, and is made anew by itself once it is gone; \
                 its own conditions say what keeps it"
            ),
        };
        (facts, NAMESPACE_LOOK)
    } else {
        let facts = Facts::Blocked {
            reason: "NamespaceTaken",
            message: format!(
                "the namespace {name} was not made for this Tenant: delete it or choose another slug"
            ),
        };
        (facts, TAKEN_LOOK)
    };
    write::report(ctx, tenant, &facts).await?;
    Ok(Some(Action::requeue(pause)))
}

fn is_ours(tenant: &Tenant, namespace: &Namespace) -> bool {
    let uid = tenant.metadata.uid.as_deref();
    namespace
        .owner_references()
        .iter()
        .any(|owner| Some(owner.uid.as_str()) == uid)
}

/// The name of another Tenant with the same id that was there first.
fn older_with_the_same_id(tenant: &Tenant, ctx: &Context) -> Option<String> {
    let id = tenant_id(tenant).ok()?;
    let age = |tenant: &Tenant| {
        let created = tenant.metadata.creation_timestamp.as_ref();
        (created.map(|time| time.0), tenant.name_any())
    };
    ctx.ids.named(id).into_iter().find(|name| {
        let other = ctx.tenants.get(&ObjectRef::new(name));
        let other = other.as_deref().and_then(|other| other.0.as_ref().ok());
        other.is_some_and(|other| {
            other.metadata.uid != tenant.metadata.uid
                && tenant_id(other).ok() == Some(id)
                && age(other) < age(tenant)
        })
    })
}

#[cfg(test)]
mod tests;
