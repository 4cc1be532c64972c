//! What is written down of each tenant for the next start of the operator, in the database in which the tenant lives.
//!
//! After a restart nothing would be known, so that everything would have to be applied and compared again: some twenty calls for each
//! tenant. The note holds what [`Seen`] and [`Memory`] remember, and each part is believed only together with its proof:
//! of an object, that it still is the version that came back when the same thing was applied; of the database, that nobody
//! has touched roles and schema since, that this program makes it in the same way, and that the last look is not too old.
//! Whatever is not proven is done again, so a lost note costs work and nothing else.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use tenant_database::{Note, SOURCE_DIGEST};

use crate::memory::{DATABASE_FRESH, DatabaseState, Look, Memory};
use crate::reconcile::secrets::Seal;
use crate::reconcile::validate::ValidatedTenant;
use crate::seen::{Applied, ObjectKey, Seen};

/// The kinds of which notes speak.
pub const KINDS: [&str; 9] = [
    "Namespace",
    "Secret",
    "ServiceAccount",
    "ResourceQuota",
    "LimitRange",
    "NetworkPolicy",
    "Deployment",
    "PodDisruptionBudget",
    "HorizontalPodAutoscaler",
];

/// What a note says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Content {
    uid: String,
    namespace: String,
    /// Of the program that looked at the database.
    source: String,
    seal: Option<Seal>,
    objects: Vec<(String, String, Applied)>,
    database: Option<Database>,
    locked: Option<Looked>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Database {
    inputs: u64,
    roles: u64,
    schema_version: i64,
    differences: Vec<String>,
    looked: Looked,
}

/// When the database was looked at, and the digest of its stamp at the beginning of that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Looked {
    at: DateTime<Utc>,
    stamp: u64,
}

/// Digest of a stamp: a number is kept for each tenant, not a text.
pub fn digest(stamp: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    stamp.hash(&mut hasher);
    hasher.finish()
}

/// The note of a tenant, as it should be now.
pub fn of(wanted: &ValidatedTenant, namespace: &str, seen: &Seen, memory: &Memory) -> String {
    let looked = |look: &Look| Looked {
        at: look.time,
        stamp: look.stamp,
    };
    let (seal, database, locked) = memory.to_note(&wanted.uid);
    let content = Content {
        uid: wanted.uid.clone(),
        namespace: namespace.to_owned(),
        source: SOURCE_DIGEST.to_owned(),
        seal,
        objects: seen
            .of_place(namespace)
            .into_iter()
            .map(|(kind, name, applied)| (kind.to_owned(), name, applied))
            .collect(),
        database: database.map(|state| Database {
            inputs: state.inputs,
            roles: state.roles,
            schema_version: state.schema_version,
            looked: looked(&state.look),
            differences: state.differences,
        }),
        locked: locked.as_ref().map(looked),
    };
    // Text, numbers and lists: that cannot fail, and no note is a good note.
    serde_json::to_string(&content).unwrap_or_default()
}

/// Takes up what the operator before wrote, as far as it can be proven.
pub fn restore(note: &Note, seen: &Seen, memory: &Memory, now: DateTime<Utc>) {
    // Of a version that wrote other notes.
    let Ok(content) = serde_json::from_str::<Content>(&note.content) else {
        return;
    };
    for (kind, name, applied) in &content.objects {
        let Some(kind) = KINDS.into_iter().find(|known| known == kind) else {
            continue;
        };
        let is_place = kind == "Namespace";
        let key = ObjectKey {
            kind,
            namespace: (!is_place).then(|| content.namespace.clone()),
            name: name.clone(),
        };
        seen.restore(&key, *applied);
    }
    let stamp = digest(&note.stamp);
    let is_same_program = content.source == SOURCE_DIGEST;
    let look = |looked: &Looked| {
        let age = (now - looked.at).to_std().ok()?;
        let is_proven = is_same_program && looked.stamp == stamp && age < DATABASE_FRESH;
        is_proven.then(|| Look {
            at: ago(age),
            time: looked.at,
            stamp,
        })
    };
    let database = content.database.as_ref().and_then(|database| {
        Some(DatabaseState {
            inputs: database.inputs,
            roles: database.roles,
            schema_version: database.schema_version,
            differences: database.differences.clone(),
            look: look(&database.looked)?,
        })
    });
    let locked = content.locked.as_ref().and_then(look);
    memory.restore(
        &content.uid,
        content.seal,
        database,
        locked,
        digest(&note.content),
    );
}

/// A time before the machine started cannot be told: then the look counts from now, a little longer.
fn ago(age: Duration) -> Instant {
    Instant::now().checked_sub(age).unwrap_or_else(Instant::now)
}

#[cfg(test)]
mod tests;
