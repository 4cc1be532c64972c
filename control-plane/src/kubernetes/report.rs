//! What the control plane writes into the status of a Tenant: pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use kube::ResourceExt as _;
use serde_json::{Value, json};
use tenant_crd::condition::{self, Condition, ConditionStatus, ConditionType, Observation};
use tenant_crd::v1::{ModulesStatus, Phase, Tenant};

use super::observed::is_asleep;
use crate::provision::{AdoptionReport, ModuleReport};

/// Refused modules that a status has room for; the others are in the API.
const MOST_REFUSED: usize = 20;
/// Characters of a reason that are kept.
const LONGEST_REASON: usize = 300;

/// The part of a Tenant's status that is the control plane's.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OwnPart {
    modules: Option<ModulesStatus>,
    conditions: Vec<Condition>,
}

/// Something that people want to read in `kubectl describe`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whether somebody should look.
    pub is_warning: bool,
    /// One word.
    pub reason: String,
    /// For people.
    pub note: String,
}

/// What the control plane has written into this Tenant.
pub fn written(tenant: &Tenant) -> OwnPart {
    let Some(status) = &tenant.status else {
        return OwnPart::default();
    };
    OwnPart {
        modules: status.modules.clone(),
        conditions: OWN
            .into_iter()
            .filter_map(|kind| condition::find(&status.conditions, kind).cloned())
            .collect(),
    }
}

const OWN: [ConditionType; 2] = [ConditionType::ModulesLoaded, ConditionType::Adopted];

/// What should be there after these reports; what is not reported stays as it is.
pub fn next(
    tenant: &Tenant,
    modules: Option<&ModuleReport>,
    adoption: Option<&AdoptionReport>,
    now: DateTime<Utc>,
) -> OwnPart {
    let before = written(tenant);
    let observed: Vec<Observation> = modules
        .map(|report| modules_loaded(tenant, report))
        .into_iter()
        .chain(adoption.and_then(adopted))
        .collect();
    let fresh = condition::merge(
        &before.conditions,
        &observed,
        tenant.metadata.generation,
        now,
    );
    OwnPart {
        modules: match modules {
            Some(report) => Some(modules_status(tenant, report)),
            None => before.modules,
        },
        conditions: OWN
            .into_iter()
            .filter_map(|kind| {
                condition::find(&fresh, kind)
                    .or_else(|| condition::find(&before.conditions, kind))
                    .cloned()
            })
            .collect(),
    }
}

/// What is applied to the status.
pub fn patch(tenant: &Tenant, part: &OwnPart) -> Value {
    let mut status = json!({"conditions": part.conditions});
    if let (Some(modules), Some(object)) = (&part.modules, status.as_object_mut()) {
        object.insert("modules".to_owned(), json!(modules));
    }
    json!({
        "apiVersion": "gotrs.io/v1",
        "kind": "Tenant",
        "metadata": {"name": tenant.name_any(), "uid": tenant.metadata.uid},
        "status": status,
    })
}

/// What changed between two parts, as people want to read it: nothing about what goes as it should.
pub fn transitions(before: &OwnPart, after: &OwnPart) -> Vec<Told> {
    let mut told = Vec::new();
    for kind in OWN {
        let Some(now) = condition::find(&after.conditions, kind) else {
            continue;
        };
        let earlier = condition::find(&before.conditions, kind);
        let is_same = earlier.is_some_and(|earlier| {
            (
                earlier.status,
                &earlier.reason,
                is_bad(earlier).then_some(&earlier.message),
            ) == (now.status, &now.reason, is_bad(now).then_some(&now.message))
        });
        if is_same {
            continue;
        }
        let note = || match now.message.as_str() {
            "" => "as it should be again".to_owned(),
            message => message.to_owned(),
        };
        if is_bad(now) {
            told.push(Told {
                is_warning: true,
                reason: now.reason.clone(),
                note: note(),
            });
        } else if kind == ConditionType::Adopted || earlier.is_some_and(is_bad) {
            told.push(Told {
                is_warning: false,
                reason: match kind {
                    ConditionType::Adopted => now.reason.clone(),
                    _ => format!("{}Recovered", kind.as_str()),
                },
                note: note(),
            });
        }
    }
    told
}

/// Reason of `Adopted` when the account that a Tenant names is not there.
const ACCOUNT_UNKNOWN: &str = "AccountUnknown";

fn is_bad(condition: &Condition) -> bool {
    condition.status == ConditionStatus::False || condition.reason == ACCOUNT_UNKNOWN
}

fn is_suspended(tenant: &Tenant) -> bool {
    let phase = tenant.status.as_ref().and_then(|status| status.phase);
    tenant.spec.suspended
        || tenant.metadata.deletion_timestamp.is_some()
        || matches!(phase, Some(Phase::Suspended | Phase::Deleting))
}

/// Never false where nothing is meant to run: nothing is wrong then.
fn modules_loaded(tenant: &Tenant, report: &ModuleReport) -> Observation {
    use ConditionStatus::{False, True, Unknown};
    let waits = |reason, message: &str| (Unknown, reason, message.to_owned());
    let (status, reason, message) = if is_suspended(tenant) {
        waits(
            "Suspended",
            "nothing runs; what was uploaded is loaded when it serves again",
        )
    } else if !report.refused.is_empty() {
        (False, "Refused", refused_message(report))
    } else if report.desired == 0 {
        (True, "NothingUploaded", String::new())
    } else {
        match report.loaded {
            Some(loaded) if loaded >= report.desired => (True, "Loaded", String::new()),
            Some(_) => waits("Loading", "the runtimes are bringing in the newest modules"),
            None if is_asleep(tenant) => waits(
                "Asleep",
                "nothing runs; what was uploaded is loaded when it is woken",
            ),
            None => waits("NotHeard", "no runtime follows the control plane now"),
        }
    };
    Observation {
        kind: ConditionType::ModulesLoaded,
        status,
        reason,
        message,
    }
}

fn refused_message(report: &ModuleReport) -> String {
    let named: Vec<String> = report
        .refused
        .iter()
        .take(3)
        .map(|(name, why)| format!("{name}: {}", shortened(why)))
        .collect();
    let rest = match report.refused.len().saturating_sub(named.len()) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!(
        "{}{rest}. What was there before serves on; upload a corrected version or roll back",
        named.join("; ")
    )
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST_REASON).collect()
}

fn modules_status(tenant: &Tenant, report: &ModuleReport) -> ModulesStatus {
    let number = |generation: u64| i64::try_from(generation).unwrap_or(i64::MAX);
    let before = tenant
        .status
        .as_ref()
        .and_then(|status| status.modules.as_ref());
    let refused: BTreeMap<String, String> = report
        .refused
        .iter()
        .take(MOST_REFUSED)
        .map(|(name, why)| (name.clone(), shortened(why)))
        .collect();
    ModulesStatus {
        desired: Some(number(report.desired)),
        loaded: match report.loaded {
            Some(loaded) => Some(number(loaded)),
            // While none runs, what was loaded last is what is known.
            None => before.and_then(|before| before.loaded),
        },
        refused,
    }
}

fn adopted(report: &AdoptionReport) -> Option<Observation> {
    use ConditionStatus::{False, True};
    let (status, reason, message) = match report {
        AdoptionReport::Claimed(account) => (
            True,
            "Claimed",
            format!("it belongs to the account {account}"),
        ),
        AdoptionReport::Unclaimed(message) => (True, "Unclaimed", message.clone()),
        AdoptionReport::AccountUnknown(message) => (True, ACCOUNT_UNKNOWN, message.clone()),
        AdoptionReport::SlugTaken(message) => (False, "SlugTaken", message.clone()),
        AdoptionReport::RowMissing(message) => (False, "RowMissing", message.clone()),
        // What happened once, and no state.
        AdoptionReport::Conflict(_) => return None,
    };
    Some(Observation {
        kind: ConditionType::Adopted,
        status,
        reason,
        message,
    })
}

#[cfg(test)]
mod tests;
