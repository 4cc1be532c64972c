//! The loop: looks at all channels whenever something changes, asks [`decide`](super::decide()), writes what it says.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use futures_util::{FutureExt as _, Stream, StreamExt as _, stream};
use kube::api::{Patch, PatchParams};
use kube::core::DeserializeGuard;
use kube::runtime::reflector::Store;
use kube::runtime::{WatchStreamExt as _, reflector, watcher};
use kube::{Api, Client, Resource as _, ResourceExt as _};
use serde_json::{Value, json};
use tenant_crd::names;
use tenant_crd::v1::Tenant;
use tenant_crd::v1::channel::{ChannelAssignment, RuntimeChannel, RuntimeChannelStatus};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Cause, Counts, Decision, Move, Stage, Time, observe, report};
use crate::backoff::WatchPause;
use crate::reconcile::{Context, write};

/// While the lease is not held, which may be for a moment only.
const LOOK_WITHOUT_LEASE: TimeDelta = TimeDelta::seconds(5);
/// Changes that come together are one look.
const DEBOUNCE: Duration = Duration::from_millis(200);
/// Tenants that are written at once.
const WRITES: usize = 8;
/// What was written and does not come back through the watch was overwritten by somebody.
const PENDING: Duration = Duration::from_mins(1);
/// For one call.
const DEADLINE: Duration = Duration::from_secs(15);

/// A `RuntimeChannel`, or what could not be read of one.
pub type GuardedChannel = DeserializeGuard<RuntimeChannel>;

/// The channels of a cluster: a store of all of them, and a stream that says when one has changed.
pub fn channels(
    client: &Client,
) -> (
    Store<GuardedChannel>,
    impl Stream<Item = Result<(), watcher::Error>> + Send + 'static + use<>,
) {
    let (store, writer) = reflector::store();
    let api = Api::<GuardedChannel>::all(client.clone());
    let stream = reflector(
        writer,
        watcher(api, watcher::Config::default())
            .backoff(WatchPause::default())
            .modify(|object| object.meta_mut().managed_fields = None),
    )
    .touched_objects()
    .map(|object| object.map(drop));
    (store, stream)
}

/// What was written and not seen yet: the watch is behind our own hands.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    assignments: HashMap<String, (Option<ChannelAssignment>, Instant)>,
    statuses: HashMap<String, (RuntimeChannelStatus, Instant)>,
    failures: u32,
}

impl Pending {
    fn assignment<'a>(&'a mut self, tenant: &'a Tenant) -> Option<&'a ChannelAssignment> {
        let seen = tenant
            .status
            .as_ref()
            .and_then(|status| status.channel.as_ref());
        let uid = tenant.metadata.uid.as_deref().unwrap_or_default();
        let is_over = self
            .assignments
            .get(uid)
            .is_some_and(|(written, at)| written.as_ref() == seen || at.elapsed() > PENDING);
        if is_over {
            self.assignments.remove(uid);
        }
        match self.assignments.get(uid) {
            Some((written, _)) => written.as_ref(),
            None => seen,
        }
    }

    fn status(&mut self, channel: &RuntimeChannel) -> RuntimeChannelStatus {
        let seen = channel.status.clone().unwrap_or_default();
        let uid = channel.metadata.uid.as_deref().unwrap_or_default();
        match self.statuses.get(uid) {
            Some((written, at)) if *written != seen && at.elapsed() <= PENDING => written.clone(),
            Some(_) => {
                self.statuses.remove(uid);
                seen
            }
            None => seen,
        }
    }
}

/// Looks and writes until `stopping`.
pub async fn run(
    ctx: Arc<Context>,
    changes: impl Stream<Item = Result<(), watcher::Error>> + Send + 'static,
    stopping: CancellationToken,
) {
    let mut changes = changes.boxed();
    let stores = async {
        ctx.tenants.wait_until_ready().await.is_ok()
            && ctx.channels.wait_until_ready().await.is_ok()
    };
    let mut stores = Box::pin(stores);
    loop {
        tokio::select! {
            are_known = &mut stores => if are_known { break } else { return },
            Some(told) = changes.next() => tell(told),
            () = stopping.cancelled() => return,
        }
    }
    let looking_since = ctx.clock.now();
    let mut pending = Pending::default();
    loop {
        let wake_at = look(&ctx, &mut pending, looking_since).await;
        let pause = wake_at.map(|at| (at - ctx.clock.now()).to_std().unwrap_or_default());
        tokio::select! {
            Some(told) = changes.next() => tell(told),
            () = ctx.touched.notified() => {}
            // At least a second: a clock that is a little behind would look for nothing, again and again.
            () = tokio::time::sleep(pause.unwrap_or_default().max(Duration::from_secs(1))), if pause.is_some() => {}
            () = stopping.cancelled() => return,
        }
        tokio::select! {
            () = tokio::time::sleep(DEBOUNCE) => {}
            () = stopping.cancelled() => return,
        }
        while let Some(Some(told)) = changes.next().now_or_never() {
            tell(told);
        }
    }
}

fn tell(told: Result<(), watcher::Error>) {
    if let Err(error) = told {
        metrics::counter!("operator_errors_total", "reason" => "watch").increment(1);
        tracing::warn!(
            error = %service_kit::Chain(&error),
            "the watch of channels was interrupted; it begins again"
        );
    }
}

/// One look at everything; answers when to look again if nothing happens.
pub(crate) async fn look(
    ctx: &Context,
    pending: &mut Pending,
    looking_since: DateTime<Utc>,
) -> Option<DateTime<Utc>> {
    if ctx.leadership.check().is_err() {
        // Perhaps it is only late to be renewed: then no watch tells anything, and the times of the rollout go on.
        return Some(ctx.clock.now() + LOOK_WITHOUT_LEASE);
    }
    let time = Time {
        now: ctx.clock.now(),
        looking_since,
    };
    let objects = ctx.tenants.state();
    let tenants: BTreeMap<&str, &Tenant> = objects
        .iter()
        .filter_map(|object| object.0.as_ref().ok())
        .filter(|tenant| tenant.metadata.deletion_timestamp.is_none())
        .filter_map(|tenant| Some((tenant.metadata.name.as_deref()?, tenant)))
        .collect();
    let channels = ctx.channels.state();
    let mut census = Census::default();
    let mut wake_at: Option<DateTime<Utc>> = None;
    let mut all_written = true;
    let readable: Vec<&RuntimeChannel> = channels
        .iter()
        .filter_map(|object| match &object.0 {
            Ok(channel) => Some(channel),
            Err(invalid) => {
                tracing::error!(
                    channel = invalid.metadata.name.as_deref().unwrap_or_default(),
                    error = invalid.error,
                    "a RuntimeChannel cannot be read; its tenants stay as they are"
                );
                None
            }
        })
        .filter(|channel| channel.metadata.deletion_timestamp.is_none())
        .collect();
    for wire in &readable {
        let Some(channel) = observe::channel(wire) else {
            continue;
        };
        let members: Vec<_> = tenants
            .values()
            .filter(|tenant| observe::channel_name(tenant) == channel.name)
            .map(|tenant| observe::member(tenant, pending.assignment(tenant)))
            .collect();
        let before = pending.status(wire);
        let decision = super::decide(&channel, &observe::state(&before), &members, time);
        census.count(&decision);
        wake_at = wake_at.into_iter().chain(decision.wake_at).min();
        let next = report::status(
            &before,
            &channel,
            &decision,
            wire.metadata.generation,
            time.now,
        );
        // First what must never be forgotten: who is not to be moved again.
        if next != before && !write_status(ctx, pending, wire, &before, next).await {
            all_written = false;
            continue;
        }
        all_written &= write_moves(ctx, pending, &tenants, decision.moves).await;
    }
    all_written &= release_orphans(ctx, pending, &tenants, &readable).await;
    census.show();
    if all_written {
        pending.failures = 0;
        return wake_at;
    }
    pending.failures = pending.failures.saturating_add(1);
    let pause = crate::backoff::pause(pending.failures, rand::random());
    let again = time.now + pause;
    wake_at.into_iter().chain([again]).min()
}

/// Who has a version of its own must not fall back to what a channel gave long ago, whether or not there still is one.
async fn release_orphans(
    ctx: &Context,
    pending: &mut Pending,
    tenants: &BTreeMap<&str, &Tenant>,
    channels: &[&RuntimeChannel],
) -> bool {
    let moves = tenants
        .iter()
        .filter(|(_, tenant)| {
            let channel = observe::channel_name(tenant);
            tenant.spec.version.is_some()
                && pending.assignment(tenant).is_some()
                && !channels.iter().any(|known| known.name_any() == channel)
        })
        .map(|(name, _)| Move {
            tenant: (*name).to_owned(),
            assignment: None,
        })
        .collect();
    write_moves(ctx, pending, tenants, moves).await
}

async fn write_status(
    ctx: &Context,
    pending: &mut Pending,
    channel: &RuntimeChannel,
    before: &RuntimeChannelStatus,
    next: RuntimeChannelStatus,
) -> bool {
    let name = channel.name_any();
    let patch = json!({
        "apiVersion": RuntimeChannel::api_version(&()),
        "kind": RuntimeChannel::kind(&()),
        "metadata": {"name": name, "uid": channel.metadata.uid},
        "status": next,
    });
    let api = Api::<RuntimeChannel>::all(ctx.client.clone());
    if !apply_status(&api, &name, names::OPERATOR_STATUS_MANAGER, &patch).await {
        return false;
    }
    for transition in report::transitions(before, &next) {
        write::publish_on(ctx, &channel.object_ref(&()), &transition).await;
    }
    let failures = next.failures.iter().filter(|failure| {
        !before
            .failures
            .iter()
            .any(|known| (&known.tenant, &known.to) == (&failure.tenant, &failure.to))
    });
    for failure in failures {
        metrics::counter!("operator_channel_failures_total", "reason" => failure.reason.clone())
            .increment(1);
    }
    let uid = channel.metadata.uid.clone().unwrap_or_default();
    pending.statuses.insert(uid, (next, Instant::now()));
    true
}

async fn write_moves(
    ctx: &Context,
    pending: &mut Pending,
    tenants: &BTreeMap<&str, &Tenant>,
    moves: Vec<Move>,
) -> bool {
    let calls: Vec<_> = moves
        .into_iter()
        .filter_map(|one| {
            let tenant = tenants.get(one.tenant.as_str())?;
            Some(write_move(ctx, tenant, one))
        })
        .collect();
    let written: Vec<_> = stream::iter(calls).buffer_unordered(WRITES).collect().await;
    let mut all = true;
    for outcome in written {
        match outcome {
            Some((uid, wire)) => {
                pending.assignments.insert(uid, (wire, Instant::now()));
            }
            None => all = false,
        }
    }
    all
}

/// The tenant's uid and what lies in its status now; `None` when it could not be written.
async fn write_move(
    ctx: &Context,
    tenant: &Tenant,
    one: Move,
) -> Option<(String, Option<ChannelAssignment>)> {
    ctx.leadership.check().ok()?;
    let wire = one.assignment.as_ref().map(observe::assignment_to_wire);
    let status = match &wire {
        Some(given) => json!({"channel": given}),
        None => json!({}),
    };
    let patch = json!({
        "apiVersion": Tenant::api_version(&()),
        "kind": Tenant::kind(&()),
        "metadata": {"name": one.tenant, "uid": tenant.metadata.uid},
        "status": status,
    });
    let api = Api::<Tenant>::all(ctx.client.clone());
    if !apply_status(&api, &one.tenant, names::OPERATOR_CHANNEL_MANAGER, &patch).await {
        return None;
    }
    let cause = match &one.assignment {
        None => "released",
        Some(given) => match &given.cause {
            Cause::Joined => "joined",
            Cause::Upgrade { .. } => "upgrade",
            Cause::RollBack { .. } => "roll_back",
        },
    };
    metrics::counter!("operator_channel_moves_total", "cause" => cause).increment(1);
    if let Some(transition) = one.assignment.as_ref().and_then(report::of_tenant) {
        write::publish_on(ctx, &tenant.object_ref(&()), &transition).await;
    }
    Some((tenant.metadata.uid.clone().unwrap_or_default(), wire))
}

/// Whether it is written. What is not is decided anew.
async fn apply_status<K>(api: &Api<K>, name: &str, manager: &str, patch: &Value) -> bool
where
    K: Clone + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let parameters = PatchParams::apply(manager).force();
    let patch = Patch::Apply(patch);
    let call = api.patch_status(name, &parameters, &patch);
    match tokio::time::timeout(DEADLINE, call).await {
        Ok(Ok(_)) => true,
        // Gone: nothing is left to be written.
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => true,
        Ok(Err(error)) => {
            metrics::counter!("operator_errors_total", "reason" => "channel").increment(1);
            tracing::warn!(name, error = %service_kit::Chain(&error), "what a channel says could not be written");
            false
        }
        Err(_elapsed) => {
            metrics::counter!("operator_errors_total", "reason" => "channel").increment(1);
            tracing::warn!(name, "the API server does not answer a channel");
            false
        }
    }
}

/// Channels by stage, and their tenants.
#[derive(Debug, Default)]
struct Census {
    by_stage: BTreeMap<Stage, u32>,
    tenants: Counts,
}

impl Census {
    fn count(&mut self, decision: &Decision) {
        *self.by_stage.entry(decision.stage).or_default() += 1;
        let counts = decision.counts;
        self.tenants.updated += counts.updated;
        self.tenants.moving += counts.moving;
        self.tenants.waiting += counts.waiting;
        self.tenants.failed += counts.failed;
        self.tenants.pinned += counts.pinned;
    }

    fn show(&self) {
        // Stages without a channel are told too: a gauge keeps its last value.
        for stage in Stage::ALL {
            metrics::gauge!("operator_channels", "stage" => stage.as_str())
                .set(self.by_stage.get(&stage).copied().unwrap_or_default());
        }
        let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
        for (state, count) in [
            ("updated", self.tenants.updated),
            ("moving", self.tenants.moving),
            ("waiting", self.tenants.waiting),
            ("failed", self.tenants.failed),
            ("pinned", self.tenants.pinned),
        ] {
            metrics::gauge!("operator_channel_tenants", "state" => state).set(number(count));
        }
    }
}
