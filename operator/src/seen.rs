//! What the watches last saw of the objects that we own: one number each, so that an object is applied again only when we
//! want something else or somebody has touched it.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, PoisonError};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Which object.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ObjectKey {
    /// Its kind.
    pub kind: &'static str,
    /// Its namespace, if it has one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl ObjectKey {
    /// The key of an object with this metadata.
    pub fn of(kind: &'static str, metadata: &ObjectMeta) -> Self {
        Self {
            kind,
            namespace: metadata.namespace.clone(),
            name: metadata.name.clone().unwrap_or_default(),
        }
    }
}

/// A number that differs when an object was touched by anybody but its own controller's reports on it.
pub fn fingerprint(metadata: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    metadata.uid.hash(&mut hasher);
    metadata.labels.hash(&mut hasher);
    metadata.deletion_timestamp.is_some().hash(&mut hasher);
    for owner in metadata.owner_references.iter().flatten() {
        (&owner.uid, owner.controller).hash(&mut hasher);
    }
    match metadata.generation {
        // Grows with the spec only. Annotations are the controllers' playground: what we write there is in
        // Secrets, which have no generation.
        Some(generation) => generation.hash(&mut hasher),
        None => metadata.resource_version.hash(&mut hasher),
    }
    hasher.finish()
}

/// Everything that the watches saw, and what we applied last.
#[derive(Debug, Default)]
pub struct Seen {
    objects: Mutex<HashMap<ObjectKey, u64>>,
    applied: Mutex<HashMap<ObjectKey, Applied>>,
}

#[derive(Debug, Clone, Copy)]
struct Applied {
    wanted: u64,
    found: u64,
}

impl Seen {
    /// A watch saw this object. Says whether that is news.
    pub fn saw(&self, kind: &'static str, metadata: &ObjectMeta) -> bool {
        let found = fingerprint(metadata);
        let before = self
            .objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(ObjectKey::of(kind, metadata), found);
        before != Some(found)
    }

    /// A watch saw this object's end.
    pub fn gone(&self, kind: &'static str, metadata: &ObjectMeta) {
        let key = ObjectKey::of(kind, metadata);
        self.objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
        self.applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&key);
    }

    /// A watch of this kind begins again: what it does not tell anew is not known any more.
    pub fn forget_kind(&self, kind: &'static str) {
        self.objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|key, _| key.kind != kind);
    }

    /// Whether the object is known to be as it was after we last applied the very same thing.
    pub fn is_in_place(&self, key: &ObjectKey, wanted: u64) -> bool {
        let applied = self
            .applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .copied();
        let found = self
            .objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .copied();
        matches!((applied, found), (Some(applied), Some(found))
            if applied.wanted == wanted && applied.found == found)
    }

    /// Whether a watch knows the object.
    pub fn exists(&self, key: &ObjectKey) -> bool {
        self.objects
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .contains_key(key)
    }

    /// We applied `wanted`, and this is what came back.
    pub fn applied(&self, kind: &'static str, wanted: u64, metadata: &ObjectMeta) {
        self.applied
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(
                ObjectKey::of(kind, metadata),
                Applied {
                    wanted,
                    found: fingerprint(metadata),
                },
            );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(generation: Option<i64>, version: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some("runtime".to_owned()),
            namespace: Some("tenant-acme".to_owned()),
            uid: Some("u".to_owned()),
            generation,
            resource_version: Some(version.to_owned()),
            ..ObjectMeta::default()
        }
    }

    #[test]
    fn an_object_is_in_place_until_somebody_touches_it_or_we_want_something_else() {
        let seen = Seen::default();
        let first = metadata(Some(1), "10");
        let key = ObjectKey::of("Deployment", &first);
        assert!(!seen.is_in_place(&key, 7), "nothing is known");
        seen.applied("Deployment", 7, &first);
        assert!(!seen.is_in_place(&key, 7), "the watch has not seen it");
        assert!(seen.saw("Deployment", &first));
        assert!(seen.is_in_place(&key, 7));
        assert!(!seen.is_in_place(&key, 8), "something else is wanted");
        assert!(
            !seen.saw("Deployment", &metadata(Some(1), "11")),
            "only its status changed"
        );
        assert!(seen.is_in_place(&key, 7));
        assert!(seen.saw("Deployment", &metadata(Some(2), "12")));
        assert!(!seen.is_in_place(&key, 7), "its spec was edited");
    }

    #[test]
    fn without_a_generation_every_version_counts() {
        let seen = Seen::default();
        seen.saw("Secret", &metadata(None, "10"));
        assert!(seen.saw("Secret", &metadata(None, "11")));
    }

    #[test]
    fn what_is_gone_or_not_told_again_is_not_in_place() {
        let seen = Seen::default();
        let first = metadata(Some(1), "10");
        let key = ObjectKey::of("Deployment", &first);
        seen.applied("Deployment", 7, &first);
        seen.saw("Deployment", &first);
        seen.forget_kind("Secret");
        assert!(seen.is_in_place(&key, 7));
        seen.forget_kind("Deployment");
        assert!(!seen.is_in_place(&key, 7));
        seen.saw("Deployment", &first);
        seen.gone("Deployment", &first);
        assert!(!seen.exists(&key));
        seen.saw("Deployment", &first);
        assert!(!seen.is_in_place(&key, 7), "made again by somebody else");
    }
}
