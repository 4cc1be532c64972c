//! Conditions: what is observed of a tenant, and how several observers write into one list.

use chrono::{DateTime, Utc};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a condition of a Tenant speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum ConditionType {
    /// The tenant can be used (kstatus).
    Ready,
    /// Something is being changed (kstatus).
    Reconciling,
    /// Nothing changes until somebody acts (kstatus).
    Stalled,
    /// Schema, roles and first administrator exist.
    DatabaseReady,
    /// The schema is at the version that the runtime needs.
    SchemaMigrated,
    /// At least one runtime is ready.
    RuntimeAvailable,
    /// Every desired module is loaded; reported by the control plane.
    ModulesLoaded,
    /// The router knows the tenant's hosts; reported by the router. A tenant is not ready while it is false.
    Routed,
    /// The control plane knows a tenant that it has not made; reported by the control plane.
    Adopted,
}

impl ConditionType {
    /// The ones that the operator reports, in the order in which they are shown.
    pub const OF_OPERATOR: [Self; 6] = [
        Self::Ready,
        Self::Reconciling,
        Self::Stalled,
        Self::DatabaseReady,
        Self::SchemaMigrated,
        Self::RuntimeAvailable,
    ];

    /// As it is written in the resource.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::DatabaseReady => "DatabaseReady",
            Self::SchemaMigrated => "SchemaMigrated",
            Self::RuntimeAvailable => "RuntimeAvailable",
            Self::ModulesLoaded => "ModulesLoaded",
            Self::Routed => "Routed",
            Self::Adopted => "Adopted",
        }
    }
}

/// Whether a condition holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub enum ConditionStatus {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Not known.
    Unknown,
}

/// One observation, in the form that all Kubernetes tools read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
pub struct Condition {
    /// What it speaks about; unique in the list
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// Whether it holds
    pub status: ConditionStatus,
    /// One word for programs, such as `MigrationFailed`
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// For people: what is the matter, and the next step
    #[schemars(length(max = 32768))]
    pub message: String,
    /// The generation of the spec that it speaks about
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed
    pub last_transition_time: Time,
}

/// An observation that is to be written: everything of a [`Condition`] that its observer decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation {
    /// What it speaks about.
    pub kind: ConditionType,
    /// Whether it holds.
    pub status: ConditionStatus,
    /// One word for programs.
    pub reason: &'static str,
    /// For people.
    pub message: String,
}

/// The condition of this type, if it was ever reported.
pub fn find(conditions: &[Condition], kind: ConditionType) -> Option<&Condition> {
    conditions
        .iter()
        .find(|condition| condition.type_ == kind.as_str())
}

/// Turns observations into conditions. `lastTransitionTime` is kept while the status stays the same and is `now`
/// otherwise; so applying the same observations again changes nothing, at any time.
///
/// Only what was observed comes back: each observer applies its own conditions with its own field manager, and the API
/// server merges them by type.
pub fn merge(
    previous: &[Condition],
    observed: &[Observation],
    generation: Option<i64>,
    now: DateTime<Utc>,
) -> Vec<Condition> {
    observed
        .iter()
        .map(|observation| {
            let before = find(previous, observation.kind)
                .filter(|condition| condition.status == observation.status);
            Condition {
                type_: observation.kind.as_str().to_owned(),
                status: observation.status,
                reason: observation.reason.to_owned(),
                message: observation.message.clone(),
                observed_generation: generation,
                last_transition_time: before.map_or_else(
                    || to_kubernetes(now),
                    |condition| condition.last_transition_time.clone(),
                ),
            }
        })
        .collect()
}

/// Whole seconds: this is what the API server keeps, and with more nothing would ever compare equal.
pub fn to_kubernetes(time: DateTime<Utc>) -> Time {
    Time(
        jiff::Timestamp::from_second(time.timestamp())
            // chrono's range is the wider one; nobody lives to see the difference.
            .unwrap_or(jiff::Timestamp::MAX),
    )
}

/// The way back.
pub fn from_kubernetes(time: &Time) -> DateTime<Utc> {
    DateTime::from_timestamp(time.0.as_second(), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statuses() -> impl Strategy<Value = ConditionStatus> {
        prop_oneof![
            Just(ConditionStatus::True),
            Just(ConditionStatus::False),
            Just(ConditionStatus::Unknown),
        ]
    }

    fn observations() -> impl Strategy<Value = Vec<Observation>> {
        let count = ConditionType::OF_OPERATOR.len();
        (
            proptest::collection::vec(statuses(), count),
            proptest::collection::vec("[a-z ]{0,12}", count),
        )
            .prop_map(|(statuses, messages)| {
                ConditionType::OF_OPERATOR
                    .into_iter()
                    .zip(statuses)
                    .zip(messages)
                    .map(|((kind, status), message)| Observation {
                        kind,
                        status,
                        reason: "Because",
                        message,
                    })
                    .collect()
            })
    }

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_767_323_045 + second, 500_000_000).unwrap()
    }

    proptest! {
        #[test]
        fn a_transition_time_moves_exactly_when_the_status_does(
            history in proptest::collection::vec(observations(), 1..8),
        ) {
            let mut conditions = Vec::new();
            for (step, observed) in (0..).zip(&history) {
                let next = merge(&conditions, observed, Some(step), at(step));
                for condition in &next {
                    let before = conditions
                        .iter()
                        .find(|earlier: &&Condition| earlier.type_ == condition.type_);
                    match before {
                        Some(before) if before.status == condition.status => {
                            prop_assert_eq!(&before.last_transition_time, &condition.last_transition_time);
                        }
                        _ => prop_assert_eq!(&condition.last_transition_time, &to_kubernetes(at(step))),
                    }
                    prop_assert_eq!(condition.observed_generation, Some(step));
                }
                conditions = next;
            }
        }

        #[test]
        fn the_same_observations_later_change_nothing(observed in observations(), later in 1_i64..1_000_000) {
            let first = merge(&[], &observed, Some(3), at(0));
            prop_assert_eq!(&merge(&first, &observed, Some(3), at(later)), &first);
        }

        #[test]
        fn every_type_appears_once_and_in_the_order_it_was_observed(observed in observations()) {
            let merged = merge(&[], &observed, None, at(0));
            let types: Vec<&str> = merged.iter().map(|condition| condition.type_.as_str()).collect();
            let expected: Vec<&str> = ConditionType::OF_OPERATOR.map(ConditionType::as_str).to_vec();
            prop_assert_eq!(types, expected);
        }

        #[test]
        fn times_survive_both_ways(second in 0_i64..4_000_000_000) {
            let time = DateTime::from_timestamp(second, 999_999_999).unwrap();
            prop_assert_eq!(from_kubernetes(&to_kubernetes(time)).timestamp(), second);
        }
    }
}
