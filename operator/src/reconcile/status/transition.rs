//! What of a change of status people are told by an Event: pure.

use tenant_crd::condition::{self, ConditionStatus, ConditionType};
use tenant_crd::v1::TenantStatus;

use super::DELETING;

/// Something worth an Event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transition {
    /// Whether somebody should look.
    pub is_warning: bool,
    /// One word.
    pub reason: String,
    /// For people.
    pub note: String,
}

/// What changed between two statuses, as people want to read it: never the same thing twice, nothing about work that goes as
/// it should.
pub fn transitions(before: &TenantStatus, after: &TenantStatus) -> Vec<Transition> {
    const WATCHED: [ConditionType; 4] = [
        ConditionType::DatabaseReady,
        ConditionType::SchemaMigrated,
        ConditionType::RuntimeAvailable,
        ConditionType::Stalled,
    ];
    /// Reasons of states that every tenant passes through.
    const ROUTINE: [&str; 6] = [
        "Waiting",
        "Starting",
        "Suspended",
        "Progressing",
        DELETING,
        "Asleep",
    ];
    let mut found = Vec::new();
    if let Some(phase) = after.phase
        && before.phase != after.phase
    {
        found.push(Transition {
            is_warning: false,
            reason: phase.as_str().to_owned(),
            note: match before.phase {
                Some(before) => format!("{} after {}", phase.as_str(), before.as_str()),
                None => "seen for the first time".to_owned(),
            },
        });
    }
    for kind in WATCHED {
        let Some(now) = condition::find(&after.conditions, kind) else {
            continue;
        };
        let earlier = condition::find(&before.conditions, kind);
        if earlier
            .is_some_and(|earlier| (earlier.status, &earlier.reason) == (now.status, &now.reason))
        {
            continue;
        }
        let bad = if kind == ConditionType::Stalled {
            ConditionStatus::True
        } else {
            ConditionStatus::False
        };
        let was_bad = earlier.is_some_and(|earlier| {
            earlier.status == bad && !ROUTINE.contains(&earlier.reason.as_str())
        });
        if now.status == bad && !ROUTINE.contains(&now.reason.as_str()) {
            found.push(Transition {
                is_warning: true,
                reason: now.reason.clone(),
                note: now.message.clone(),
            });
        } else if was_bad && now.status != bad && now.status != ConditionStatus::Unknown {
            found.push(Transition {
                is_warning: false,
                reason: format!("{}Recovered", kind.as_str()),
                note: if now.message.is_empty() {
                    "as it should be again".to_owned()
                } else {
                    now.message.clone()
                },
            });
        } else if now.reason == "Drifted" {
            found.push(Transition {
                is_warning: true,
                reason: now.reason.clone(),
                note: now.message.clone(),
            });
        }
    }
    // Stalled tells what another condition tells too.
    found.dedup_by(|later, earlier| later.reason == earlier.reason && later.note == earlier.note);
    found
}
