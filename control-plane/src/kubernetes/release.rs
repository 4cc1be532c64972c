//! From a Tenant to what its owner is told of versions: pure.

use tenant_crd::condition::{self, ConditionStatus, ConditionType};
use tenant_crd::v1::channel::{AssignmentCause, MaintenanceWindow};
use tenant_crd::v1::{Tenant, TenantStatus};

use super::observed::is_asleep;
use crate::provision::{Release, VersionChange, Window};

/// Reason of `Stalled` where a version did not get ready, with what to do in its message.
const VERSION_FAILED: &str = "VersionFailed";

/// Which version a tenant's runtimes have, where it comes from and what becomes of it.
pub fn release(tenant: &Tenant) -> Release {
    let nothing = TenantStatus::default();
    let status = tenant.status.as_ref().unwrap_or(&nothing);
    let spec = &tenant.spec;
    let followed = || {
        let given = status.channel.as_ref().map(|given| given.name.clone());
        // Who was moved to another channel by hand follows that one, also before it has given anything.
        spec.channel.clone().or(given)
    };
    Release {
        version: status.runtime_version.clone(),
        pinned: spec.version.is_some(),
        // A version of its own is no channel's.
        channel: if spec.version.is_some() {
            None
        } else {
            followed()
        },
        window: spec
            .maintenance_window
            .as_ref()
            .filter(|_| spec.version.is_none())
            .map(window),
        change: change(tenant, status),
    }
}

fn window(window: &MaintenanceWindow) -> Window {
    Window {
        days: window.days.iter().map(|day| format!("{day:?}")).collect(),
        start: window.start.clone(),
        duration: window.duration.to_string(),
        time_zone: window.time_zone.clone(),
    }
}

/// What failed is said before what goes on: that one is to be known until somebody has dealt with it.
fn change(tenant: &Tenant, status: &TenantStatus) -> VersionChange {
    if let Some(version) = &status.failed_version {
        let stalled = condition::find(&status.conditions, ConditionType::Stalled).filter(|found| {
            found.status == ConditionStatus::True && found.reason == VERSION_FAILED
        });
        return VersionChange::Failed {
            version: version.clone(),
            message: stalled.map(|found| found.message.clone()),
        };
    }
    if let Some(to) = &status.desired_version
        && status.runtime_version.as_ref() != Some(to)
    {
        let to = to.clone();
        return if tenant.spec.suspended || is_asleep(tenant) {
            VersionChange::AtNextStart { to }
        } else {
            VersionChange::UnderWay { to }
        };
    }
    match &status.channel {
        Some(given)
            if given.cause == AssignmentCause::RollBack && tenant.spec.version.is_none() =>
        {
            match &given.from {
                Some(from) => VersionChange::TakenBack { from: from.clone() },
                None => VersionChange::None,
            }
        }
        _ => VersionChange::None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn tenant(spec: &Value, status: &Value) -> Tenant {
        serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": "acme"},
            "spec": spec, "status": status,
        }))
        .unwrap()
    }

    fn told(spec: &Value, status: &Value) -> Value {
        let mut spec = spec.clone();
        spec["slug"] = json!("acme");
        serde_json::to_value(release(&tenant(&spec, status))).unwrap()
    }

    #[test]
    fn nothing_is_said_of_versions_that_nobody_has_given() {
        assert_eq!(
            told(&json!({}), &json!({})),
            json!({"version": null, "channel": null, "pinned": false, "window": null, "change": {"state": "none"}})
        );
    }

    #[test]
    fn the_channel_is_the_one_that_gives_or_will_give_the_version() {
        let given = json!({
            "runtimeVersion": "1.5.0", "desiredVersion": "1.5.0",
            "channel": {"name": "stable", "version": "1.5.0", "cause": "Joined", "since": "2026-11-25T12:00:00Z"},
        });
        let seen = told(&json!({}), &given);
        assert_eq!(
            (&seen["version"], &seen["channel"], &seen["change"]["state"]),
            (&json!("1.5.0"), &json!("stable"), &json!("none"))
        );
        // Moved by hand a moment ago.
        assert_eq!(told(&json!({"channel": "beta"}), &given)["channel"], "beta");
        // A pin is no channel's, whatever else is written.
        let pinned = told(
            &json!({"channel": "beta", "version": "1.5.0", "maintenanceWindow": {"start": "02:00"}}),
            &given,
        );
        assert_eq!(
            (&pinned["channel"], &pinned["pinned"], &pinned["window"]),
            (&Value::Null, &json!(true), &Value::Null)
        );
    }

    #[test]
    fn when_it_may_be_moved_is_said() {
        let spec = json!({"maintenanceWindow": {
            "days": ["Saturday", "Sunday"], "start": "02:00", "duration": "3h", "timeZone": "Europe/Berlin",
        }});
        assert_eq!(
            told(&spec, &json!({}))["window"],
            json!({"days": ["Saturday", "Sunday"], "start": "02:00", "duration": "3h", "time_zone": "Europe/Berlin"})
        );
    }

    #[test]
    fn a_change_is_under_way_until_the_new_version_serves() {
        let mut status = json!({"runtimeVersion": "1.5.0", "desiredVersion": "1.6.0"});
        assert_eq!(
            told(&json!({}), &status)["change"],
            json!({"state": "under_way", "to": "1.6.0"})
        );
        assert_eq!(
            told(&json!({"suspended": true}), &status)["change"],
            json!({"state": "at_next_start", "to": "1.6.0"})
        );
        status["conditions"] = json!([{
            "type": "RuntimeAvailable", "status": "True", "reason": "Asleep", "message": "",
            "lastTransitionTime": "2026-11-25T12:00:00Z",
        }]);
        assert_eq!(
            told(&json!({}), &status)["change"],
            json!({"state": "at_next_start", "to": "1.6.0"})
        );
        // The first one that it ever has.
        assert_eq!(
            told(&json!({}), &json!({"desiredVersion": "1.5.0"}))["change"],
            json!({"state": "under_way", "to": "1.5.0"})
        );
    }

    #[test]
    fn what_did_not_get_ready_is_said_with_what_to_do() {
        let stalled = |status: &str, reason: &str| {
            json!({
                "runtimeVersion": "1.5.0", "desiredVersion": "1.5.0", "failedVersion": "1.6.0",
                "conditions": [{
                    "type": "Stalled", "status": status, "reason": reason, "message": "set another spec.version",
                    "lastTransitionTime": "2026-11-25T12:00:00Z",
                }],
            })
        };
        assert_eq!(
            told(
                &json!({"version": "1.6.0"}),
                &stalled("True", "VersionFailed")
            )["change"],
            json!({"state": "failed", "version": "1.6.0", "message": "set another spec.version"})
        );
        // What it is stalled for may be something else.
        for (status, reason) in [("True", "NamespaceTaken"), ("False", "VersionFailed")] {
            assert_eq!(
                told(&json!({}), &stalled(status, reason))["change"],
                json!({"state": "failed", "version": "1.6.0", "message": null})
            );
        }
    }

    #[test]
    fn who_was_taken_back_by_the_channel_is_told_from_what() {
        let mut status = json!({
            "runtimeVersion": "1.5.0", "desiredVersion": "1.5.0",
            "channel": {
                "name": "stable", "version": "1.5.0", "cause": "RollBack", "from": "1.6.0", "since": "2026-11-25T12:00:00Z",
            },
        });
        assert_eq!(
            told(&json!({}), &status)["change"],
            json!({"state": "taken_back", "from": "1.6.0"})
        );
        // Still on its way.
        status["runtimeVersion"] = json!("1.6.0");
        assert_eq!(
            told(&json!({}), &status)["change"],
            json!({"state": "under_way", "to": "1.5.0"})
        );
    }
}
