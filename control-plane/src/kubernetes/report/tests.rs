use serde_json::json;

use super::*;

fn a_tenant(spec: &Value, status: &Value) -> Tenant {
    let mut all = json!({"slug": "acme"});
    for (key, value) in spec.as_object().unwrap() {
        all[key] = value.clone();
    }
    serde_json::from_value(json!({
        "apiVersion": "gotrs.io/v1", "kind": "Tenant",
        "metadata": {"name": "acme", "uid": "u", "generation": 4},
        "spec": all,
        "status": status,
    }))
    .unwrap()
}

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_323_045 + second, 0).unwrap()
}

fn modules(desired: u64, loaded: Option<u64>, refused: &[(&str, &str)]) -> ModuleReport {
    ModuleReport {
        desired,
        loaded,
        refused: refused
            .iter()
            .map(|(name, why)| ((*name).to_owned(), (*why).to_owned()))
            .collect(),
    }
}

fn asleep() -> Value {
    json!({"conditions": [{"type": "RuntimeAvailable", "status": "True", "reason": "Asleep", "message": "",
        "lastTransitionTime": "2026-01-02T03:04:05Z"}]})
}

#[test]
fn modules_are_not_loaded_only_when_something_is_wrong_with_them() {
    let said = |spec: Value, status: Value, report: ModuleReport| {
        let part = next(&a_tenant(&spec, &status), Some(&report), None, at(0));
        let found = condition::find(&part.conditions, ConditionType::ModulesLoaded).unwrap();
        assert_eq!(found.observed_generation, Some(4));
        format!("{:?} {}", found.status, found.reason)
    };
    let bad = &[("laptop", "no such table")];
    for (expected, spec, status, report) in [
        (
            "True NothingUploaded",
            json!({}),
            json!({}),
            modules(0, None, &[]),
        ),
        (
            "True Loaded",
            json!({}),
            json!({}),
            modules(3, Some(3), &[]),
        ),
        (
            "Unknown Loading",
            json!({}),
            json!({}),
            modules(3, Some(2), &[]),
        ),
        (
            "Unknown NotHeard",
            json!({}),
            json!({}),
            modules(3, None, &[]),
        ),
        ("Unknown Asleep", json!({}), asleep(), modules(3, None, &[])),
        (
            "False Refused",
            json!({}),
            json!({}),
            modules(3, Some(3), bad),
        ),
        (
            "Unknown Suspended",
            json!({"suspended": true}),
            json!({}),
            modules(3, Some(3), bad),
        ),
        (
            "Unknown Suspended",
            json!({}),
            json!({"phase": "Deleting"}),
            modules(3, None, bad),
        ),
    ] {
        assert_eq!(said(spec, status, report), expected);
    }
}

/// The status after a part was applied to it.
fn after(tenant: &Tenant, part: &OwnPart) -> Tenant {
    let mut status = json!(tenant.status.clone().unwrap_or_default());
    let patch = patch(tenant, part);
    let all: BTreeMap<String, Value> = status["conditions"]
        .as_array()
        .into_iter()
        .chain(patch["status"]["conditions"].as_array())
        .flatten()
        .map(|one| (one["type"].to_string(), one.clone()))
        .collect();
    status["conditions"] = all.into_values().collect();
    if let Some(modules) = patch["status"].get("modules") {
        status["modules"] = modules.clone();
    }
    a_tenant(&json!({}), &status)
}

#[test]
fn a_report_changes_what_it_speaks_of_and_the_same_again_nothing() {
    let before = a_tenant(&json!({}), &asleep());
    let first = next(
        &before,
        Some(&modules(2, Some(2), &[])),
        Some(&AdoptionReport::Unclaimed("nobody's".to_owned())),
        at(0),
    );
    let written_once = after(&before, &first);
    assert_eq!(written(&written_once), first);
    let again = next(&written_once, Some(&modules(2, Some(2), &[])), None, at(60));
    assert_eq!(again, first, "neither times nor what was not reported");

    let refused = next(
        &written_once,
        Some(&modules(
            3,
            Some(3),
            &[("laptop", "no such table (line 2, column 3)")],
        )),
        None,
        at(60),
    );
    let condition = condition::find(&refused.conditions, ConditionType::ModulesLoaded).unwrap();
    assert_eq!(
        condition::from_kubernetes(&condition.last_transition_time),
        at(60)
    );
    assert_eq!(
        condition.message,
        "laptop: no such table (line 2, column 3). What was there before serves on; upload a corrected version or roll back"
    );
    insta::assert_snapshot!(patch(&before, &refused)["status"]["modules"], @r#"{"desired":3,"loaded":3,"refused":{"laptop":"no such table (line 2, column 3)"}}"#);
    // What sleeps has loaded what it had.
    let sleeping = after(&written_once, &refused);
    let slept = next(&sleeping, Some(&modules(4, None, &[])), None, at(90));
    assert_eq!(
        slept
            .modules
            .map(|modules| (modules.desired, modules.loaded)),
        Some((Some(4), Some(3)))
    );
}

#[test]
fn events_are_about_what_people_want_to_know() {
    let before = a_tenant(&json!({}), &json!({}));
    let told =
        |before: &Tenant, modules: Option<ModuleReport>, adoption: Option<AdoptionReport>| {
            let part = next(before, modules.as_ref(), adoption.as_ref(), at(0));
            let told: Vec<String> = transitions(&written(before), &part)
                .into_iter()
                .map(|told| {
                    format!(
                        "{} {}",
                        if told.is_warning { "!" } else { "-" },
                        told.reason
                    )
                })
                .collect();
            (told, after(before, &part))
        };
    let fine = || Some(modules(1, Some(1), &[]));
    let taken = || Some(AdoptionReport::SlugTaken("taken".to_owned()));
    let (first, seen) = told(&before, fine(), taken());
    assert_eq!(first, ["! SlugTaken"]);
    let (same, seen) = told(&seen, fine(), taken());
    assert!(same.is_empty(), "{same:?}");
    let (bad, seen) = told(&seen, Some(modules(2, Some(2), &[("x", "y")])), None);
    assert_eq!(bad, ["! Refused"]);
    let claimed = AdoptionReport::Claimed("0198c0de-0000-7000-8000-00000000002a".parse().unwrap());
    let (good, seen) = told(&seen, fine(), Some(claimed));
    assert_eq!(good, ["- ModulesLoadedRecovered", "- Claimed"]);
    let (conflict, _) = told(&seen, None, Some(AdoptionReport::Conflict("no".to_owned())));
    assert!(conflict.is_empty(), "{conflict:?}");
}

#[test]
fn a_status_has_bounds() {
    let many: Vec<(String, String)> = (0..100)
        .map(|number| (format!("module{number:03}"), "é".repeat(10_000)))
        .collect();
    let report = ModuleReport {
        desired: 1,
        loaded: Some(1),
        refused: many.into_iter().collect(),
    };
    let tenant = a_tenant(&json!({}), &json!({}));
    let part = next(&tenant, Some(&report), None, at(0));
    assert_eq!(part.modules.as_ref().unwrap().refused.len(), MOST_REFUSED);
    let text = patch(&tenant, &part).to_string();
    assert!(text.len() < 20_000, "{} bytes", text.len());
    assert!(text.contains("and 97 more"));
}
