use serde_json::json;

use super::*;
use crate::reconcile::build;

fn key(kind: &'static str) -> ObjectKey {
    ObjectKey {
        kind,
        namespace: (kind != "Namespace").then(|| "tenant-acme".to_owned()),
        name: if kind == "Namespace" {
            "tenant-acme"
        } else {
            build::RUNTIME
        }
        .to_owned(),
    }
}

fn note(edit: impl FnOnce(&mut serde_json::Value)) -> Note {
    let mut content = json!({
        "uid": "u", "namespace": "tenant-acme", "source": SOURCE_DIGEST, "seal": "abc",
        "objects": [
            ["Namespace", "tenant-acme", {"wanted": 1, "found": 2}],
            ["Deployment", "runtime", {"wanted": 3, "found": 4}],
            ["Unheard", "runtime", {"wanted": 3, "found": 4}],
        ],
        "database": {
            "inputs": 5, "roles": 6, "schema_version": 12, "differences": ["one"],
            "looked": {"at": "2026-01-02T03:00:00Z", "stamp": digest("as it was")},
        },
        "locked": null,
    });
    edit(&mut content);
    Note {
        tenant: domain::id::TenantId::generate(),
        content: content.to_string(),
        stamp: "as it was".to_owned(),
    }
}

fn restored(note: &Note, now: &str) -> (Seen, Memory) {
    let (seen, memory) = (Seen::default(), Memory::default());
    restore(note, &seen, &memory, now.parse().unwrap());
    (seen, memory)
}

#[test]
fn what_is_proven_is_taken_up() {
    let (seen, memory) = restored(&note(|_| ()), "2026-01-02T03:30:00Z");
    let objects: Vec<_> = seen
        .of_place("tenant-acme")
        .into_iter()
        .map(|(kind, ..)| kind)
        .collect();
    assert_eq!(objects, ["Deployment", "Namespace"]);
    assert!(
        !seen.is_in_place(&key("Deployment"), 3),
        "no watch has seen it"
    );
    assert_eq!(memory.seal("u").unwrap().as_str(), "abc");
    let database = memory.database("u", 5).unwrap();
    assert_eq!((database.roles, database.schema_version), (6, 12));
    assert_eq!(database.differences, ["one"]);
    assert!(memory.database("u", 7).is_none());
}

#[test]
fn a_look_at_the_database_counts_only_while_all_of_it_holds() {
    let looked = |note: &Note, now| restored(note, now).1.database("u", 5).is_some();
    assert!(looked(&note(|_| ()), "2026-01-02T03:59:59Z"));
    assert!(!looked(&note(|_| ()), "2026-01-02T04:00:00Z"), "too old");
    assert!(
        !looked(&note(|_| ()), "2026-01-02T02:59:59Z"),
        "in the future"
    );
    let touched = Note {
        stamp: "touched".to_owned(),
        ..note(|_| ())
    };
    assert!(!looked(&touched, "2026-01-02T03:00:00Z"));
    let of_others = note(|content| content["source"] = json!("another program"));
    assert!(!looked(&of_others, "2026-01-02T03:00:00Z"));
    // What is known of objects has a proof of its own.
    assert_eq!(
        restored(&of_others, "2026-01-02T03:00:00Z")
            .0
            .of_place("tenant-acme")
            .len(),
        2
    );
    let locked = note(|content| content["locked"] = content["database"]["looked"].clone());
    assert!(restored(&locked, "2026-01-02T03:00:00Z").1.is_locked("u"));
    assert!(!restored(&locked, "2026-01-02T05:00:00Z").1.is_locked("u"));
}

#[test]
fn a_note_that_cannot_be_read_is_none() {
    for content in ["", "{}", "[1]", "\u{1f600}"] {
        let note = Note {
            content: content.to_owned(),
            ..note(|_| ())
        };
        let (seen, memory) = restored(&note, "2026-01-02T03:00:00Z");
        assert!(seen.of_place("tenant-acme").is_empty());
        assert!(memory.seal("u").is_none());
    }
}
