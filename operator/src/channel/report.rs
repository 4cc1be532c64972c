//! What a channel says about itself: pure.

use chrono::{DateTime, Utc};
use tenant_crd::condition::{self, ConditionStatus, ConditionType, Observation, to_kubernetes};
use tenant_crd::names;
use tenant_crd::v1::channel::{ChannelTenants, RuntimeChannelStatus, Stage as WireStage};

use super::observe::failure_to_wire;
use super::{Assignment, Cause, Channel, Counts, Decision, OnFailure, Stage};
use crate::reconcile::status::Transition;
use crate::reconcile::validate::ImageTag;

/// Tenants that are named in a message; the status lists all.
const NAMED: usize = 5;

/// The next status.
pub fn status(
    before: &RuntimeChannelStatus,
    channel: &Channel,
    decision: &Decision,
    generation: Option<i64>,
    now: DateTime<Utc>,
) -> RuntimeChannelStatus {
    let state = &decision.state;
    let text = |version: &ImageTag| version.as_str().to_owned();
    let observed = observations(channel, decision);
    RuntimeChannelStatus {
        observed_generation: generation,
        version: state.target.as_ref().map(text),
        last_good_version: state.last_good.as_ref().map(text),
        stage: Some(wire_stage(decision.stage)),
        started_at: state.started_at.map(to_kubernetes),
        soaking_since: state.soaking_since.map(to_kubernetes),
        canaries_passed_at: state.passed_at.map(to_kubernetes),
        tenants: Some(wire_counts(decision.counts)),
        failures: state.failures.iter().map(failure_to_wire).collect(),
        retried: state.retried.clone(),
        conditions: condition::merge(&before.conditions, &observed, generation, now),
    }
}

const fn wire_stage(stage: Stage) -> WireStage {
    match stage {
        Stage::Canary => WireStage::Canary,
        Stage::Soaking => WireStage::Soaking,
        Stage::Rolling => WireStage::Rolling,
        Stage::Complete => WireStage::Complete,
        Stage::Stopped => WireStage::Stopped,
        Stage::Paused => WireStage::Paused,
    }
}

fn wire_counts(counts: Counts) -> ChannelTenants {
    let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
    ChannelTenants {
        total: number(counts.total),
        updated: number(counts.updated),
        moving: number(counts.moving),
        waiting: number(counts.waiting),
        failed: number(counts.failed),
        pinned: number(counts.pinned),
    }
}

fn observations(channel: &Channel, decision: &Decision) -> Vec<Observation> {
    use ConditionStatus::{False, True};
    let counts = decision.counts;
    let progress = format!(
        "{} of {} tenants have {}, {} are on their way, {} wait",
        counts.updated,
        counts.total,
        channel.target.as_str(),
        counts.moving,
        counts.waiting
    );
    let (ready, reconciling, stalled) = match decision.stage {
        Stage::Complete => (True, False, False),
        // Whoever is on the way still is no progress of the rollout.
        Stage::Stopped => (False, False, True),
        Stage::Paused => (False, False, False),
        Stage::Canary | Stage::Soaking | Stage::Rolling => (False, True, False),
    };
    let (reason, message) = match decision.stage {
        Stage::Complete if counts.failed > 0 => (
            "Complete",
            format!(
                "{} of {} tenants have {}; {} did not get ready with it and keep what they had",
                counts.updated,
                counts.total,
                channel.target.as_str(),
                counts.failed
            ),
        ),
        Stage::Complete => (
            "Complete",
            format!(
                "{} of {} tenants have {}",
                counts.updated,
                counts.total,
                channel.target.as_str()
            ),
        ),
        Stage::Stopped => ("UpgradeFailed", why_stopped(channel, decision)),
        Stage::Paused => (
            "Paused",
            format!("{progress}; spec.paused keeps them where they are"),
        ),
        Stage::Soaking => ("Soaking", format!("{progress}; the first ones are watched")),
        Stage::Canary | Stage::Rolling
            if counts.moving == 0
                && counts.waiting > 0
                && counts.waiting == counts.outside_window =>
        {
            (
                "WaitingForWindow",
                format!("{progress} for their maintenance window"),
            )
        }
        Stage::Canary => ("Canary", progress),
        Stage::Rolling => ("Rolling", progress),
    };
    let observe = |kind, status, message: &str| Observation {
        kind,
        status,
        reason,
        message: message.to_owned(),
    };
    let only_if = |status: ConditionStatus| if status == True { message.as_str() } else { "" };
    vec![
        observe(ConditionType::Ready, ready, &message),
        observe(
            ConditionType::Reconciling,
            reconciling,
            only_if(reconciling),
        ),
        observe(ConditionType::Stalled, stalled, only_if(stalled)),
    ]
}

fn why_stopped(channel: &Channel, decision: &Decision) -> String {
    let target = &channel.target;
    let failed: Vec<String> = decision
        .state
        .failures
        .iter()
        .filter(|failure| failure.counts && failure.to == *target)
        .map(|failure| {
            format!(
                "{} (from {}, {})",
                failure.tenant,
                failure.from.as_str(),
                failure.reason
            )
        })
        .collect();
    let more = match failed.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let others = match channel.on_failure {
        OnFailure::Stop => "those that work with it keep it",
        OnFailure::RollBack => "all go back",
    };
    format!(
        "{} did not get ready with {target} and went back: {}{more}; nobody else is moved to it, {others}. Set another spec.version, or \
         annotate the channel with a new value of {} to try it again",
        failed.len(),
        failed
            .iter()
            .take(NAMED)
            .cloned()
            .collect::<Vec<_>>()
            .join(", "),
        names::ANNOTATION_RETRY_FAILED,
        target = target.as_str(),
    )
}

/// What changed, for people: never the same twice.
pub fn transitions(before: &RuntimeChannelStatus, after: &RuntimeChannelStatus) -> Vec<Transition> {
    let message = |status: &RuntimeChannelStatus| {
        condition::find(&status.conditions, ConditionType::Ready)
            .map(|ready| ready.message.clone())
            .unwrap_or_default()
    };
    let mut found = Vec::new();
    if before.version != after.version {
        let version = after.version.as_deref().unwrap_or_default();
        found.push(Transition {
            is_warning: false,
            reason: "RolloutStarted".to_owned(),
            note: match &before.version {
                Some(earlier) => format!("{version} after {earlier}"),
                None => format!("the channel begins with {version}"),
            },
        });
    }
    for failure in after.failures.iter().filter(|failure| {
        !before.failures.iter().any(|known| {
            (&known.tenant, &known.from, &known.to) == (&failure.tenant, &failure.from, &failure.to)
        })
    }) {
        found.push(Transition {
            is_warning: true,
            reason: "TenantRolledBack".to_owned(),
            note: format!(
                "{} did not get ready with {} ({}) and goes back to {}",
                failure.tenant, failure.to, failure.reason, failure.from
            ),
        });
    }
    if before.retried != after.retried && after.retried.is_some() {
        found.push(Transition {
            is_warning: false,
            reason: "FailuresForgotten".to_owned(),
            note: "what failed is tried again".to_owned(),
        });
    }
    if before.stage != after.stage {
        let reason = match after.stage {
            Some(WireStage::Stopped) => Some("RolloutStopped"),
            Some(WireStage::Paused) => Some("RolloutPaused"),
            Some(WireStage::Soaking) => Some("CanariesReady"),
            Some(WireStage::Complete) => Some("RolloutComplete"),
            // One of them follows the other, and each beginning was told.
            Some(WireStage::Canary | WireStage::Rolling) | None => None,
        };
        if let Some(reason) = reason {
            found.push(Transition {
                is_warning: after.stage == Some(WireStage::Stopped),
                reason: reason.to_owned(),
                note: message(after),
            });
        }
    }
    found
}

/// What a tenant's owner wants to know of its channel.
pub fn of_tenant(given: &Assignment) -> Option<Transition> {
    let version = given.version.as_str();
    let channel = &given.channel;
    match &given.cause {
        Cause::Joined => None,
        Cause::Upgrade { from, .. } => Some(Transition {
            is_warning: false,
            reason: "Upgrading".to_owned(),
            note: format!("from {} to {version} with channel {channel}", from.as_str()),
        }),
        Cause::RollBack { from } => Some(Transition {
            is_warning: true,
            reason: "RolledBack".to_owned(),
            note: format!(
                "from {} back to {version} with channel {channel}",
                from.as_str()
            ),
        }),
    }
}
