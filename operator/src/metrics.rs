//! Numbers about the operator and its tenants. Labels are bounded: never a tenant.

use std::collections::BTreeMap;
use std::time::Duration;

use kube::runtime::reflector::Store;
use tenant_crd::condition::{self, ConditionStatus, ConditionType};
use tenant_crd::v1::Phase;
use tokio_util::sync::CancellationToken;

use crate::reconcile::Guarded;

/// Often enough for a scraper.
const EVERY: Duration = Duration::from_secs(15);

/// Names and explains all metrics of the operator.
pub fn describe() {
    metrics::describe_counter!("operator_reconciles_total", "reconciles by outcome");
    metrics::describe_counter!(
        "operator_errors_total",
        "what kept reconciles from their end, by reason"
    );
    metrics::describe_counter!(
        "operator_objects_applied_total",
        "objects sent to the API server, by kind"
    );
    metrics::describe_counter!("operator_status_writes_total", "statuses written");
    metrics::describe_counter!("operator_exports_total", "exports of tenants by outcome");
    metrics::describe_histogram!(
        "operator_reconcile_seconds",
        metrics::Unit::Seconds,
        "duration of reconciles"
    );
    metrics::describe_gauge!("operator_tenants", "tenants by phase");
    metrics::describe_gauge!(
        "operator_tenants_not_ready",
        "tenants that are neither ready, suspended nor being deleted"
    );
    metrics::describe_gauge!(
        "operator_tenants_stalled",
        "tenants that wait for somebody to act"
    );
    metrics::describe_gauge!(
        "operator_queue_depth",
        "tenants that wait for a place, by lane: user (somebody waits for it), provision (it is being made) or background"
    );
    metrics::describe_gauge!(
        "operator_queue_running",
        "tenants that are worked on, by lane"
    );
    metrics::describe_gauge!("operator_channels", "channels by stage of their rollout");
    metrics::describe_gauge!(
        "operator_channel_tenants",
        "tenants of channels: updated, moving, waiting, failed or pinned"
    );
    metrics::describe_counter!(
        "operator_channel_moves_total",
        "tenants that a channel has moved, by cause: joined, upgrade, roll_back, released"
    );
    metrics::describe_counter!(
        "operator_channel_failures_total",
        "tenants that did not get ready with a channel's version, by reason"
    );
    metrics::describe_counter!(
        "operator_old_transactions_total",
        "transactions of tenants that were ended since they outlived every limit"
    );
    metrics::describe_gauge!("operator_leading", "1 while this operator holds the lease");
}

/// Tenants by phase, and how many of them need somebody.
#[derive(Debug, Default, PartialEq, Eq)]
struct Census {
    by_phase: BTreeMap<&'static str, u32>,
    not_ready: u32,
    stalled: u32,
}

/// Counts until the process stops.
pub async fn count_tenants(tenants: Store<Guarded>, stopping: CancellationToken) {
    loop {
        let census = census(tenants.state().iter().map(AsRef::as_ref));
        for (phase, count) in census.by_phase {
            metrics::gauge!("operator_tenants", "phase" => phase).set(count);
        }
        metrics::gauge!("operator_tenants_not_ready").set(census.not_ready);
        metrics::gauge!("operator_tenants_stalled").set(census.stalled);
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            () = stopping.cancelled() => return,
        }
    }
}

fn census<'a>(tenants: impl Iterator<Item = &'a Guarded>) -> Census {
    let mut census = Census::default();
    // Phases without a tenant are told too: a gauge keeps its last value.
    for phase in [
        Phase::Pending,
        Phase::Provisioning,
        Phase::Active,
        Phase::Suspended,
        Phase::Deleting,
    ] {
        census.by_phase.insert(phase.as_str(), 0);
    }
    for tenant in tenants.filter_map(|guarded| guarded.0.as_ref().ok()) {
        let status = tenant.status.as_ref();
        let phase = status
            .and_then(|status| status.phase)
            .unwrap_or(Phase::Pending);
        *census.by_phase.entry(phase.as_str()).or_default() += 1;
        let is_true = |kind| {
            status
                .and_then(|status| condition::find(&status.conditions, kind))
                .is_some_and(|found| found.status == ConditionStatus::True)
        };
        let should_be_ready = !matches!(phase, Phase::Suspended | Phase::Deleting);
        census.not_ready += u32::from(should_be_ready && !is_true(ConditionType::Ready));
        census.stalled += u32::from(is_true(ConditionType::Stalled));
    }
    census
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tenants_are_counted_by_phase_and_need() {
        let tenant = |phase: &str, ready: &str, stalled: &str| -> Guarded {
            let condition = |kind, status| {
                json!({
                    "type": kind, "status": status, "reason": "R", "message": "",
                    "lastTransitionTime": "2026-01-02T03:04:05Z",
                })
            };
            serde_json::from_value(json!({
                "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": "acme"},
                "spec": {"slug": "acme"},
                "status": {
                    "phase": phase,
                    "conditions": [condition("Ready", ready), condition("Stalled", stalled)],
                },
            }))
            .unwrap()
        };
        let all = [
            tenant("Active", "True", "False"),
            tenant("Active", "False", "True"),
            tenant("Suspended", "False", "False"),
        ];
        let census = census(all.iter());
        assert_eq!(census.by_phase["Active"], 2);
        assert_eq!(census.by_phase["Suspended"], 1);
        assert_eq!(census.by_phase["Deleting"], 0);
        assert_eq!((census.not_ready, census.stalled), (1, 1));
    }
}
