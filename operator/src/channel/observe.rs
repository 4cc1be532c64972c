//! From resources to what [`decide`](super::decide) reads, and from what it says to what is written.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use chrono::{DateTime, TimeDelta, Utc};
use tenant_crd::condition::{self, ConditionStatus, ConditionType, from_kubernetes, to_kubernetes};
use tenant_crd::duration::Span;
use tenant_crd::names;
use tenant_crd::v1::channel::{
    AssignmentCause, ChannelAssignment, DEFAULT_CHANNEL, OnFailure as WireOnFailure,
    RuntimeChannel, RuntimeChannelStatus, UpgradeFailure,
};
use tenant_crd::v1::{Phase, Tenant};

use super::window::Window;
use super::{Assignment, Cause, Channel, Failure, Health, Member, OnFailure, State};
use crate::reconcile::validate::ImageTag;

/// Reasons of `Stalled` that can lie in a version.
const STALLS_OF_VERSIONS: [&str; 3] = ["RolloutFailed", "PodsRefused", "MigrationFailed"];

/// The channel that a tenant follows, if it follows one: the one that it names, else the platform's default.
pub fn channel_name(tenant: &Tenant) -> &str {
    tenant.spec.channel.as_deref().unwrap_or(DEFAULT_CHANNEL)
}

/// What a channel should do; `None` with a version that is no tag, which the definition refuses.
pub fn channel(wire: &RuntimeChannel) -> Option<Channel> {
    let spec = &wire.spec;
    let count = |number: i32| usize::try_from(number).unwrap_or_default().max(1);
    Some(Channel {
        name: wire.metadata.name.clone()?,
        target: spec.version.parse().ok()?,
        paused: spec.paused,
        canary_percent: u8::try_from(spec.canary.percent.clamp(0, 100)).unwrap_or_default(),
        soak: span(spec.canary.soak),
        max_unavailable: count(spec.max_unavailable),
        stop_after_failures: count(spec.stop_after_failures),
        on_failure: match spec.on_failure {
            WireOnFailure::Stop => OnFailure::Stop,
            WireOnFailure::RollBack => OnFailure::RollBack,
        },
        deadline: span(spec.deadline),
        retry: wire
            .metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(names::ANNOTATION_RETRY_FAILED))
            .cloned(),
    })
}

fn span(span: Span) -> TimeDelta {
    TimeDelta::from_std(span.as_duration()).unwrap_or(TimeDelta::MAX)
}

fn tag(text: Option<&String>) -> Option<ImageTag> {
    text?.parse().ok()
}

/// How far a channel was.
pub fn state(wire: &RuntimeChannelStatus) -> State {
    State {
        target: tag(wire.version.as_ref()),
        last_good: tag(wire.last_good_version.as_ref()),
        started_at: wire.started_at.as_ref().map(from_kubernetes),
        soaking_since: wire.soaking_since.as_ref().map(from_kubernetes),
        passed_at: wire.canaries_passed_at.as_ref().map(from_kubernetes),
        failures: wire.failures.iter().filter_map(failure).collect(),
        retried: wire.retried.clone(),
    }
}

fn failure(wire: &UpgradeFailure) -> Option<Failure> {
    Some(Failure {
        tenant: wire.tenant.clone(),
        from: wire.from.parse().ok()?,
        to: wire.to.parse().ok()?,
        reason: wire.reason.clone(),
        at: from_kubernetes(&wire.at),
        counts: wire.counts,
        retry: wire.retry.clone(),
    })
}

/// As it is written.
pub fn failure_to_wire(failure: &Failure) -> UpgradeFailure {
    UpgradeFailure {
        tenant: failure.tenant.clone(),
        from: failure.from.as_str().to_owned(),
        to: failure.to.as_str().to_owned(),
        reason: failure.reason.clone(),
        at: to_kubernetes(failure.at),
        counts: failure.counts,
        retry: failure.retry.clone(),
    }
}

/// What a channel gave to a tenant.
pub fn assignment(wire: &ChannelAssignment) -> Option<Assignment> {
    let from = || tag(wire.from.as_ref());
    let cause = match wire.cause {
        AssignmentCause::Joined => Cause::Joined,
        AssignmentCause::Upgrade => Cause::Upgrade {
            from: from()?,
            was_ready: wire.was_ready.unwrap_or(true),
        },
        AssignmentCause::RollBack => Cause::RollBack { from: from()? },
    };
    Some(Assignment {
        channel: wire.name.clone(),
        version: wire.version.parse().ok()?,
        cause,
        since: from_kubernetes(&wire.since),
    })
}

/// As it is written.
pub fn assignment_to_wire(given: &Assignment) -> ChannelAssignment {
    let (cause, from, was_ready) = match &given.cause {
        Cause::Joined => (AssignmentCause::Joined, None, None),
        Cause::Upgrade { from, was_ready } => {
            (AssignmentCause::Upgrade, Some(from), Some(*was_ready))
        }
        Cause::RollBack { from } => (AssignmentCause::RollBack, Some(from), None),
    };
    ChannelAssignment {
        name: given.channel.clone(),
        version: given.version.as_str().to_owned(),
        cause,
        from: from.map(|from| from.as_str().to_owned()),
        was_ready,
        since: to_kubernetes(given.since),
    }
}

/// A tenant as its channel sees it. One whose window cannot be read is never moved, and says why itself: its window
/// never opens.
pub fn member(tenant: &Tenant, given: Option<&ChannelAssignment>) -> Member {
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let status = tenant.status.as_ref();
    let conditions = status.map_or([].as_slice(), |status| &status.conditions);
    let ready = condition::find(conditions, ConditionType::Ready);
    let stalled = condition::find(conditions, ConditionType::Stalled)
        .filter(|found| {
            found.status == ConditionStatus::True
                && STALLS_OF_VERSIONS.contains(&found.reason.as_str())
        })
        .map(|found| {
            (
                found.reason.clone(),
                from_kubernetes(&found.last_transition_time),
            )
        });
    let is_suspended = status.and_then(|status| status.phase) == Some(Phase::Suspended);
    let metadata = &tenant.metadata;
    Member {
        rank: rank(metadata.uid.as_deref().unwrap_or(&name)),
        pinned: tenant.spec.version.is_some(),
        is_canary: metadata
            .labels
            .as_ref()
            .and_then(|all| all.get(names::LABEL_CANARY))
            .is_some_and(|value| value == "true"),
        assignment: given.and_then(assignment),
        running: tag(status.and_then(|status| status.runtime_version.as_ref())),
        desired: tag(status.and_then(|status| status.desired_version.as_ref())),
        failed: tag(status.and_then(|status| status.failed_version.as_ref())),
        health: Health {
            is_ready: ready.is_some_and(|ready| ready.status == ConditionStatus::True),
            since: ready.map_or(DateTime::<Utc>::MIN_UTC, |ready| {
                from_kubernetes(&ready.last_transition_time)
            }),
            stalled,
        },
        is_idle: is_suspended || ready.is_some_and(|ready| ready.reason == "Asleep"),
        window: tenant
            .spec
            .maintenance_window
            .as_ref()
            .map(|wire| Window::try_from(wire).unwrap_or_else(|_unreadable| Window::never())),
        retry: metadata
            .annotations
            .as_ref()
            .and_then(|all| all.get(names::ANNOTATION_RETRY_VERSION))
            .cloned(),
        name,
    }
}

/// The same tenants are not the first ones because of their names.
fn rank(uid: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    uid.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let at: DateTime<Utc> = "2026-01-02T03:04:05Z".parse().unwrap();
        let version = |text: &str| text.parse::<ImageTag>().unwrap();
        for cause in [
            Cause::Joined,
            Cause::Upgrade {
                from: version("1.0.0"),
                was_ready: false,
            },
            Cause::RollBack {
                from: version("2.0.0"),
            },
        ] {
            let given = Assignment {
                channel: "stable".to_owned(),
                version: version("1.5.0"),
                cause,
                since: at,
            };
            assert_eq!(assignment(&assignment_to_wire(&given)), Some(given));
        }
        let failed = Failure {
            tenant: "acme".to_owned(),
            from: version("1.0.0"),
            to: version("2.0.0"),
            reason: "VersionFailed".to_owned(),
            at,
            counts: true,
            retry: Some("2.0.0".to_owned()),
        };
        assert_eq!(failure(&failure_to_wire(&failed)), Some(failed));
    }

    #[test]
    fn a_tenant_is_seen_as_its_status_says() {
        let condition = |kind: &str, status: &str, reason: &str| {
            json!({
                "type": kind, "status": status, "reason": reason, "message": "",
                "lastTransitionTime": "2026-01-02T03:04:05Z",
            })
        };
        let tenant: Tenant = serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant",
            "metadata": {"name": "acme", "uid": "u", "labels": {"gotrs.io/canary": "true"}},
            "spec": {"slug": "acme", "channel": "beta", "maintenanceWindow": {"start": "02:00", "timeZone": "Mars/Base"}},
            "status": {
                "phase": "Active", "runtimeVersion": "1.0.0", "desiredVersion": "2.0.0", "failedVersion": "2.0.0",
                "conditions": [
                    condition("Ready", "False", "CrashLoop"), condition("Stalled", "True", "RolloutFailed"),
                ],
            },
        }))
        .unwrap();
        assert_eq!(channel_name(&tenant), "beta");
        let seen = member(&tenant, None);
        assert!(seen.is_canary && !seen.pinned && !seen.is_idle && !seen.health.is_ready);
        assert_eq!(seen.failed, seen.desired);
        assert_eq!(seen.health.stalled.unwrap().0, "RolloutFailed");
        let window = seen.window.unwrap();
        assert_eq!(
            window.next_opening("2026-01-02T03:04:05Z".parse().unwrap()),
            None
        );
    }
}
