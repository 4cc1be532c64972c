//! What an export is to a Tenant, and what its status says about it: pure.

use domain::id::ExportId;
use serde_json::{Value, json};
use tenant_crd::names;
use tenant_crd::v1::{ExportState, ExportStatus, Tenant};

use crate::provision::{ExportProgress, ExportedArchive, FinishedExport};

/// What is next for an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Nothing but to say how far it is.
    Tell(ExportProgress),
    /// The operator is to be asked for it, by this patch of the Tenant's metadata.
    Ask(Value),
}

/// What is next for the export `id` of a Tenant. One is asked for at a time: what a person or another export has asked for
/// comes first, for a Tenant has room for one request.
pub fn next(tenant: &Tenant, id: ExportId) -> Step {
    let wanted = id.to_string();
    let last = last(tenant);
    if let Some(last) = last.filter(|last| last.id == wanted) {
        return Step::Tell(progress(last));
    }
    if tenant.metadata.deletion_timestamp.is_some() {
        return Step::Tell(ExportProgress::Failed {
            reason: "the tenant is being deleted".to_owned(),
        });
    }
    let annotations = tenant.metadata.annotations.as_ref();
    let asked_for = annotations.and_then(|all| all.get(names::ANNOTATION_EXPORT));
    let is_busy = match (asked_for, last) {
        (Some(asked_for), _) if *asked_for == wanted => true,
        (Some(asked_for), Some(last)) => {
            *asked_for != last.id || last.state == ExportState::Running
        }
        (Some(_), None) => true,
        (None, _) => false,
    };
    if is_busy {
        return Step::Tell(ExportProgress::Waiting);
    }
    Step::Ask(json!({"metadata": {
        // Of no other Tenant of this name.
        "uid": tenant.metadata.uid,
        // And of none that somebody has asked for something else meanwhile.
        "resourceVersion": tenant.metadata.resource_version,
        "annotations": {names::ANNOTATION_EXPORT: wanted},
    }}))
}

/// The export that ended last, if it is there.
pub fn finished(tenant: &Tenant) -> Option<FinishedExport> {
    let last = last(tenant).filter(|last| last.state == ExportState::Done)?;
    Some(FinishedExport {
        id: last.id.parse().ok()?,
        is_final: Some(&last.id) == tenant.metadata.uid.as_ref(),
        archive: archive(last),
    })
}

fn last(tenant: &Tenant) -> Option<&ExportStatus> {
    tenant.status.as_ref()?.last_export.as_ref()
}

fn progress(last: &ExportStatus) -> ExportProgress {
    match last.state {
        ExportState::Running => ExportProgress::Running,
        ExportState::Done => ExportProgress::Done(archive(last)),
        ExportState::Failed => ExportProgress::Failed {
            reason: last
                .message
                .clone()
                .unwrap_or_else(|| "the operator did not say why".to_owned()),
        },
    }
}

fn archive(last: &ExportStatus) -> ExportedArchive {
    ExportedArchive {
        size: last.bytes.unwrap_or_default(),
        sha256: last.sha256.as_ref().and_then(|text| text.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use domain::digest::Sha256Digest;

    use super::*;

    const OURS: &str = "0198c0de-0000-7000-8000-00000000002a";
    const OTHER: &str = "0198c0de-0000-7000-8000-000000000007";
    const UID: &str = "0198c0de-0000-7000-8000-000000000001";

    fn tenant(annotation: Option<&str>, last: &Value) -> Tenant {
        serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant",
            "metadata": {
                "name": "acme", "uid": UID, "resourceVersion": "17",
                "annotations": annotation.map(|id| json!({"gotrs.io/export": id})),
            },
            "spec": {"slug": "acme"},
            "status": {"lastExport": last},
        }))
        .unwrap()
    }

    fn status(id: &str, state: &str) -> Value {
        json!({"id": id, "state": state, "bytes": 42, "message": (state == "Failed").then_some("no room")})
    }

    fn next_of(annotation: Option<&str>, last: &Value) -> Step {
        next(&tenant(annotation, last), OURS.parse().unwrap())
    }

    #[test]
    fn one_export_is_asked_for_at_a_time() {
        let ask = Step::Ask(json!({"metadata": {
            "uid": UID, "resourceVersion": "17", "annotations": {"gotrs.io/export": OURS},
        }}));
        let waiting = Step::Tell(ExportProgress::Waiting);
        let nothing = Value::Null;
        for (annotation, last, expected) in [
            (None, nothing.clone(), &ask),
            (Some(OURS), nothing.clone(), &waiting),
            // Somebody else's, which the operator has not seen, is at, or is done with.
            (Some(OTHER), nothing, &waiting),
            (
                Some(OTHER),
                status(OURS, "Running"),
                &Step::Tell(ExportProgress::Running),
            ),
            (Some(OTHER), status(OTHER, "Running"), &waiting),
            (Some(OTHER), status(OTHER, "Done"), &ask),
            (Some(OTHER), status(OTHER, "Failed"), &ask),
            (Some(OURS), status(OTHER, "Done"), &waiting),
            (None, status(OTHER, "Done"), &ask),
        ] {
            assert_eq!(
                &next_of(annotation, &last),
                expected,
                "{annotation:?} {last}"
            );
        }
    }

    #[test]
    fn the_status_tells_how_it_ended() {
        let mut done = status(OURS, "Done");
        let size = 42;
        assert_eq!(
            next_of(Some(OURS), &done),
            Step::Tell(ExportProgress::Done(ExportedArchive { size, sha256: None }))
        );
        let digest = Sha256Digest::of(b"rows");
        done["sha256"] = json!(digest.to_string());
        let archive = ExportedArchive {
            size,
            sha256: Some(digest),
        };
        assert_eq!(
            next_of(Some(OURS), &done),
            Step::Tell(ExportProgress::Done(archive))
        );
        assert_eq!(
            next_of(Some(OURS), &status(OURS, "Failed")),
            Step::Tell(ExportProgress::Failed {
                reason: "no room".to_owned()
            })
        );
        let expected = FinishedExport {
            id: OURS.parse().unwrap(),
            is_final: false,
            archive,
        };
        assert_eq!(finished(&tenant(None, &done)), Some(expected));
        assert_eq!(finished(&tenant(None, &status(OURS, "Running"))), None);
        assert_eq!(finished(&tenant(None, &status("now", "Done"))), None);
        assert!(
            finished(&tenant(None, &status(UID, "Done")))
                .unwrap()
                .is_final
        );
    }

    #[test]
    fn a_tenant_on_its_way_out_is_asked_for_nothing() {
        let mut leaving = serde_json::to_value(tenant(None, &Value::Null)).unwrap();
        leaving["metadata"]["deletionTimestamp"] = json!("2026-11-25T12:00:00Z");
        let leaving: Tenant = serde_json::from_value(leaving).unwrap();
        assert!(matches!(
            next(&leaving, OURS.parse().unwrap()),
            Step::Tell(ExportProgress::Failed { .. })
        ));
    }
}
