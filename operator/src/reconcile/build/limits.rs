//! How much a tenant may use and how it is scaled.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget,
    ResourceMetricSource,
};
use k8s_openapi::api::core::v1::{
    LimitRange, LimitRangeItem, LimitRangeSpec, ResourceQuota, ResourceQuotaSpec,
};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::deployment::amounts;
use super::{RUNTIME, metadata, selector};
use crate::reconcile::validate::{Cpu, Memory, Run, ValidatedTenant};

/// Load at which another replica is started, in percent of what is kept free for one.
const TARGET_CPU: i32 = 80;
/// Load must be low for so long before a replica is stopped.
const CALM_SECONDS: i32 = 300;

/// Enough for a rollout: the pods that serve, as many that are still ending, and the one that comes first.
pub(super) fn quota(tenant: &ValidatedTenant) -> ResourceQuota {
    let pods = u32::from(tenant.run.most()) * 2 + 1;
    let times = |(Cpu(cpu), Memory(memory)): (Cpu, Memory)| {
        (
            Cpu(cpu.saturating_mul(pods)),
            Memory(memory.saturating_mul(pods)),
        )
    };
    let request = times(tenant.resources.request);
    let limit = times(tenant.resources.limit);
    let hard: BTreeMap<String, Quantity> = [
        ("pods", pods.to_string()),
        ("requests.cpu", request.0.to_string()),
        ("requests.memory", request.1.to_string()),
        ("limits.cpu", limit.0.to_string()),
        ("limits.memory", limit.1.to_string()),
        // The router goes to the pods; nothing of a tenant is kept in the cluster.
        ("services", "0".to_owned()),
        ("persistentvolumeclaims", "0".to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), Quantity(value)))
    .into();
    ResourceQuota {
        metadata: metadata(tenant, RUNTIME),
        spec: Some(ResourceQuotaSpec {
            hard: Some(hard),
            ..ResourceQuotaSpec::default()
        }),
        ..ResourceQuota::default()
    }
}

pub(super) fn limit_range(tenant: &ValidatedTenant) -> LimitRange {
    LimitRange {
        metadata: metadata(tenant, RUNTIME),
        spec: Some(LimitRangeSpec {
            limits: vec![LimitRangeItem {
                type_: "Container".to_owned(),
                default: Some(amounts(tenant.resources.limit)),
                default_request: Some(amounts(tenant.resources.request)),
                max: Some(amounts(tenant.resources.limit)),
                ..LimitRangeItem::default()
            }],
        }),
    }
}

/// With one replica it would keep nodes from being drained.
pub(super) fn disruption_budget(tenant: &ValidatedTenant) -> Option<PodDisruptionBudget> {
    (tenant.run.fewest() > 1).then(|| PodDisruptionBudget {
        metadata: metadata(tenant, RUNTIME),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            selector: Some(LabelSelector {
                match_labels: Some(selector(tenant)),
                ..LabelSelector::default()
            }),
            // A pod that does not work protects nobody.
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
            ..PodDisruptionBudgetSpec::default()
        }),
        ..PodDisruptionBudget::default()
    })
}

pub(super) fn autoscaler(tenant: &ValidatedTenant) -> Option<HorizontalPodAutoscaler> {
    let Run::Automatic { min, max } = tenant.run else {
        return None;
    };
    Some(HorizontalPodAutoscaler {
        metadata: metadata(tenant, RUNTIME),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".to_owned()),
                kind: "Deployment".to_owned(),
                name: RUNTIME.to_owned(),
            },
            min_replicas: Some(i32::from(min)),
            max_replicas: i32::from(max),
            metrics: Some(vec![MetricSpec {
                type_: "Resource".to_owned(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".to_owned(),
                    target: MetricTarget {
                        type_: "Utilization".to_owned(),
                        average_utilization: Some(TARGET_CPU),
                        ..MetricTarget::default()
                    },
                }),
                ..MetricSpec::default()
            }]),
            behavior: Some(HorizontalPodAutoscalerBehavior {
                scale_down: Some(HPAScalingRules {
                    stabilization_window_seconds: Some(CALM_SECONDS),
                    ..HPAScalingRules::default()
                }),
                ..HorizontalPodAutoscalerBehavior::default()
            }),
        }),
        ..HorizontalPodAutoscaler::default()
    })
}
