//! What the watches last saw of the objects that we own: one number each, so that an object is applied again only when we
//! want something else or somebody has touched it.
//!
//! An object that is the very version that came back when the very same thing was applied is as we want it: nothing is asked and
//! nothing is sent. That holds across restarts, see [`crate::note`].

use std::collections::{HashMap, HashSet};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::{Deserialize, Serialize};
use tenant_crd::names;
use tokio::sync::watch;

use crate::reconcile::status::Rollout;

/// Longest wait for the first lists of all watches. A kind that cannot be listed must not stop everything.
const COMPLETE_WITHIN: Duration = Duration::from_secs(15);

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

    /// The namespace in which it lies, or which it is.
    pub fn place(&self) -> &str {
        self.namespace.as_deref().unwrap_or(&self.name)
    }
}

/// Without a generation, and with reports in their status that come and go with each pod.
const BUSY: [&str; 2] = ["ResourceQuota", "HorizontalPodAutoscaler"];

/// A number that differs when an object was touched by anybody but its own controller's reports on it.
pub fn fingerprint(kind: &str, metadata: &ObjectMeta) -> u64 {
    let mut hasher = DefaultHasher::new();
    metadata.uid.hash(&mut hasher);
    metadata.labels.hash(&mut hasher);
    metadata.deletion_timestamp.is_some().hash(&mut hasher);
    for owner in metadata.owner_references.iter().flatten() {
        (&owner.uid, owner.controller).hash(&mut hasher);
    }
    // Which fields are ours, and since when: whoever changes one takes it away from us. Seen beside the generation, which begins
    // anew where a cluster was restored from a backup.
    let fields = metadata.managed_fields.as_deref().unwrap_or_default();
    for entry in fields {
        let is_ours = entry.manager.as_deref() == Some(names::OPERATOR_MANAGER);
        if entry.subresource.is_none() && (is_ours || BUSY.contains(&kind)) {
            (&entry.manager, &entry.operation).hash(&mut hasher);
            (entry.time.as_ref().map(|time| time.0.as_nanosecond())).hash(&mut hasher);
            if let Some(fields) = &entry.fields_v1 {
                fields.0.to_string().hash(&mut hasher);
            }
        }
    }
    match metadata.generation {
        // Grows with the spec only. Annotations are the controllers' playground: what we write there is in
        // Secrets, which have no generation.
        Some(generation) => generation.hash(&mut hasher),
        None if BUSY.contains(&kind) && !fields.is_empty() => {}
        None => metadata.resource_version.hash(&mut hasher),
    }
    hasher.finish()
}

/// What we applied last, and what came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// Digest of what was wanted.
    pub wanted: u64,
    /// [`fingerprint`] of what was there then.
    pub found: u64,
}

/// One object of a tenant.
#[derive(Debug)]
struct Object {
    kind: &'static str,
    name: Box<str>,
    /// Fingerprint of what a watch told last.
    seen: Option<u64>,
    /// Whether `seen` was told before its watch began again.
    is_old: bool,
    applied: Option<Applied>,
    rollout: Option<Box<Rollout>>,
}

/// Everything that the watches saw, and what we applied last.
#[derive(Debug, Default)]
pub struct Seen {
    /// By namespace: few objects each.
    places: Mutex<HashMap<Box<str>, Vec<Object>>>,
    /// Kinds whose first list is not complete yet.
    missing: watch::Sender<HashSet<&'static str>>,
}

impl Seen {
    /// For watches of these kinds.
    pub fn by_watches_of(kinds: &[&'static str]) -> Self {
        Self {
            missing: watch::Sender::new(kinds.iter().copied().collect()),
            ..Self::default()
        }
    }

    fn places(&self) -> MutexGuard<'_, HashMap<Box<str>, Vec<Object>>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, key: &ObjectKey, work: impl FnOnce(&mut Object) -> T) -> T {
        let mut places = self.places();
        let objects = match places.get_mut(key.place()) {
            Some(objects) => objects,
            None => places.entry(key.place().into()).or_default(),
        };
        let found = objects
            .iter()
            .position(|object| object.kind == key.kind && *object.name == *key.name);
        let index = found.unwrap_or_else(|| {
            objects.push(Object {
                kind: key.kind,
                name: key.name.as_str().into(),
                seen: None,
                is_old: false,
                applied: None,
                rollout: None,
            });
            objects.len() - 1
        });
        work(&mut objects[index])
    }

    fn find<T>(&self, key: &ObjectKey, work: impl FnOnce(&Object) -> Option<T>) -> Option<T> {
        let places = self.places();
        let object = places
            .get(key.place())?
            .iter()
            .find(|object| object.kind == key.kind && *object.name == *key.name)?;
        work(object)
    }

    /// A watch saw this object. Says whether that is news for its tenant; while the first lists come in nothing is: every tenant is
    /// looked at after them.
    pub fn saw(&self, kind: &'static str, metadata: &ObjectMeta) -> bool {
        let found = fingerprint(kind, metadata);
        let is_news = self.with(&ObjectKey::of(kind, metadata), |object| {
            object.is_old = false;
            object.seen.replace(found) != Some(found)
        });
        is_news && self.is_complete()
    }

    /// The watch saw this Deployment, of which this is to be told. Says whether that is news for its tenant.
    pub fn saw_rollout(&self, kind: &'static str, metadata: &ObjectMeta, rollout: Rollout) -> bool {
        let is_new_spec = self.saw(kind, metadata);
        let is_new_report = self.with(&ObjectKey::of(kind, metadata), |object| {
            let differs = object.rollout.as_deref() != Some(&rollout);
            object.rollout = Some(Box::new(rollout));
            differs
        });
        is_new_spec || is_new_report && self.is_complete()
    }

    /// A watch saw this object's end.
    pub fn gone(&self, kind: &'static str, metadata: &ObjectMeta) {
        self.remove(&ObjectKey::of(kind, metadata));
    }

    fn remove(&self, key: &ObjectKey) {
        let mut places = self.places();
        if let Some(objects) = places.get_mut(key.place()) {
            objects.retain(|object| object.kind != key.kind || *object.name != *key.name);
            if objects.is_empty() {
                places.remove(key.place());
            }
        }
    }

    /// A watch of this kind begins again: what it does not tell anew has gone meanwhile.
    pub fn begins(&self, kind: &'static str) {
        for object in self.places().values_mut().flatten() {
            object.is_old |= object.kind == kind && object.seen.is_some();
        }
    }

    /// A watch of this kind has told everything that is there; answers what is not there any more.
    pub fn has_told(&self, kind: &'static str) -> Vec<ObjectKey> {
        let mut vanished = Vec::new();
        for (place, objects) in self.places().iter() {
            for object in objects
                .iter()
                .filter(|object| object.kind == kind && object.is_old)
            {
                let is_place = kind == "Namespace";
                vanished.push(ObjectKey {
                    kind,
                    namespace: (!is_place).then(|| place.to_string()),
                    name: object.name.to_string(),
                });
            }
        }
        for key in &vanished {
            self.remove(key);
        }
        self.missing
            .send_if_modified(|missing| missing.remove(kind));
        vanished
    }

    fn is_complete(&self) -> bool {
        self.missing.borrow().is_empty()
    }

    /// Waits until every watch has told everything once: what they know is not asked for.
    pub async fn complete(&self) {
        self.complete_within(COMPLETE_WITHIN).await;
    }

    async fn complete_within(&self, limit: Duration) {
        if self.is_complete() {
            return;
        }
        let mut missing = self.missing.subscribe();
        let complete = missing.wait_for(HashSet::is_empty);
        let told = tokio::time::timeout(limit, complete).await.is_ok();
        if !told {
            let kinds = self.missing.send_replace(HashSet::new());
            tracing::warn!(
                ?kinds,
                "these objects cannot be listed; the work begins without them"
            );
        }
    }

    /// Whether the object is known to be as it was after we last applied the very same thing.
    pub fn is_in_place(&self, key: &ObjectKey, wanted: u64) -> bool {
        let is_in_place = |object: &Object| {
            let applied = object.applied?;
            let is_known = object.seen == Some(applied.found) && !object.is_old;
            (is_known && applied.wanted == wanted).then_some(())
        };
        self.find(key, is_in_place).is_some()
    }

    /// How far the rollout of a Deployment is, if that is known of what was applied last.
    pub fn rollout(&self, key: &ObjectKey) -> Option<Rollout> {
        self.find(key, |object| {
            let is_known = object.seen == Some(object.applied?.found) && !object.is_old;
            object.rollout.as_deref().filter(|_| is_known).cloned()
        })
    }

    /// Whether a watch knows the object.
    pub fn exists(&self, key: &ObjectKey) -> bool {
        self.find(key, |object| object.seen).is_some()
    }

    /// We applied `wanted`, and this is what came back.
    pub fn applied(&self, kind: &'static str, wanted: u64, metadata: &ObjectMeta) {
        let found = fingerprint(kind, metadata);
        self.with(&ObjectKey::of(kind, metadata), |object| {
            object.applied = Some(Applied { wanted, found });
        });
    }

    /// What was applied in a namespace, in a fixed order.
    pub fn of_place(&self, namespace: &str) -> Vec<(&'static str, String, Applied)> {
        let places = self.places();
        let objects = places.get(namespace).into_iter().flatten();
        let mut all: Vec<_> = objects
            .filter_map(|object| Some((object.kind, object.name.to_string(), object.applied?)))
            .collect();
        all.sort_unstable_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        all
    }

    /// An operator before us has applied this.
    pub fn restore(&self, key: &ObjectKey, applied: Applied) {
        self.with(key, |object| object.applied = Some(applied));
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::{FieldsV1, ManagedFieldsEntry};
    use serde_json::json;

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

    fn managed(
        manager: &str,
        fields: serde_json::Value,
        subresource: Option<&str>,
    ) -> ManagedFieldsEntry {
        ManagedFieldsEntry {
            manager: Some(manager.to_owned()),
            operation: Some("Apply".to_owned()),
            fields_v1: Some(FieldsV1(fields)),
            subresource: subresource.map(str::to_owned),
            ..ManagedFieldsEntry::default()
        }
    }

    #[test]
    fn a_quota_is_touched_by_whoever_takes_a_field_and_not_by_reports() {
        let ours = managed(
            names::OPERATOR_MANAGER,
            json!({"f:spec": {"f:pods": {}}}),
            None,
        );
        let with = |version, managers: &[&ManagedFieldsEntry]| ObjectMeta {
            managed_fields: Some(managers.iter().copied().cloned().collect()),
            ..metadata(None, version)
        };
        let report = managed("controller", json!({"f:status": {}}), Some("status"));
        let robbed = managed(names::OPERATOR_MANAGER, json!({"f:spec": {}}), None);
        let thief = managed("somebody", json!({"f:spec": {"f:pods": {}}}), None);
        let of = |kind, metadata| fingerprint(kind, &metadata);
        let before = of("ResourceQuota", with("1", &[&ours]));
        assert_eq!(before, of("ResourceQuota", with("2", &[&ours, &report])));
        assert_ne!(before, of("ResourceQuota", with("2", &[&robbed])));
        assert_ne!(before, of("ResourceQuota", with("2", &[&ours, &thief])));
        // Where nothing is reported, every version counts.
        assert_ne!(
            of("Secret", with("1", &[&ours])),
            of("Secret", with("2", &[&ours]))
        );
    }

    #[test]
    fn the_same_generation_with_another_history_is_another_object() {
        let with = |fields| ObjectMeta {
            managed_fields: Some(vec![managed(names::OPERATOR_MANAGER, fields, None)]),
            ..metadata(Some(6), "1")
        };
        assert_ne!(
            fingerprint("Deployment", &with(json!({"f:spec": {"f:replicas": {}}}))),
            fingerprint("Deployment", &with(json!({"f:spec": {}})))
        );
    }

    #[test]
    fn what_is_gone_or_not_told_again_is_not_in_place() {
        let seen = Seen::default();
        let first = metadata(Some(1), "10");
        let key = ObjectKey::of("Deployment", &first);
        seen.applied("Deployment", 7, &first);
        seen.saw("Deployment", &first);
        seen.begins("Secret");
        assert_eq!(seen.has_told("Secret"), []);
        assert!(seen.is_in_place(&key, 7));
        seen.begins("Deployment");
        assert!(!seen.is_in_place(&key, 7), "it may have gone meanwhile");
        assert!(!seen.saw("Deployment", &first), "it has not");
        assert_eq!(seen.has_told("Deployment"), []);
        assert!(seen.is_in_place(&key, 7));
        seen.begins("Deployment");
        assert_eq!(seen.has_told("Deployment"), std::slice::from_ref(&key));
        assert!(!seen.exists(&key));
        seen.saw("Deployment", &first);
        assert!(!seen.is_in_place(&key, 7), "made again by somebody else");
        seen.gone("Deployment", &first);
        assert!(!seen.exists(&key));
    }

    #[test]
    fn a_rollout_is_known_of_the_newest_spec_only_and_reports_are_news() {
        let seen = Seen::default();
        let first = metadata(Some(1), "10");
        let key = ObjectKey::of("Deployment", &first);
        let one = Rollout {
            ready: 1,
            ..Rollout::default()
        };
        seen.applied("Deployment", 7, &first);
        assert!(seen.saw_rollout("Deployment", &first, Rollout::default()));
        assert!(!seen.saw_rollout("Deployment", &first, Rollout::default()));
        assert!(seen.saw_rollout("Deployment", &first, one.clone()));
        assert_eq!(seen.rollout(&key), Some(one));
        seen.applied("Deployment", 8, &metadata(Some(2), "11"));
        assert_eq!(
            seen.rollout(&key),
            None,
            "the watch is behind what we wrote"
        );
    }

    #[tokio::test]
    async fn work_begins_when_every_watch_has_told_everything_or_cannot() {
        let seen = Seen::by_watches_of(&["Secret", "Deployment"]);
        assert!(
            !seen.saw("Secret", &metadata(None, "1")),
            "not while it is incomplete"
        );
        seen.has_told("Secret");
        assert!(!seen.is_complete());
        let limit = Duration::from_millis(20);
        let begun = std::time::Instant::now();
        seen.complete_within(limit).await;
        assert!(begun.elapsed() >= limit);
        assert!(seen.is_complete(), "nobody waits a second time");
        let seen = Seen::by_watches_of(&["Secret"]);
        seen.has_told("Secret");
        seen.complete().await;
        assert!(seen.saw("Secret", &metadata(None, "1")));
    }
}
