//! Which Tenants name which id: two cannot share a schema, and comparing each with all others would take minutes where there are many.

use std::collections::HashMap;
use std::mem::take;
use std::sync::{Mutex, PoisonError};

use domain::id::TenantId;
use kube::Resource as _;
use kube::runtime::watcher::Event;

use crate::reconcile::Guarded;
use crate::reconcile::validate::tenant_id;

/// Names of Tenants by their id, as a watch tells them. What it says is where to look: whether a Tenant of that name is (still) there
/// and has the id is in the store.
#[derive(Debug, Default)]
pub struct Ids(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    names: HashMap<TenantId, Names>,
    /// What a list that is not complete yet has told.
    listed: HashMap<TenantId, Names>,
}

/// Nearly always one.
#[derive(Debug, Clone)]
enum Names {
    One(Box<str>),
    Many(Vec<Box<str>>),
}

impl Names {
    fn as_slice(&self) -> &[Box<str>] {
        match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::Many(names) => names,
        }
    }

    fn with(self, name: &str) -> Self {
        if self.as_slice().iter().any(|known| **known == *name) {
            return self;
        }
        let mut names = match self {
            Self::One(first) => vec![first],
            Self::Many(names) => names,
        };
        names.push(name.into());
        Self::Many(names)
    }

    fn without(self, name: &str) -> Option<Self> {
        let mut names = self.as_slice().to_vec();
        names.retain(|known| **known != *name);
        match names.pop() {
            None => None,
            Some(last) if names.is_empty() => Some(Self::One(last)),
            Some(last) => {
                names.push(last);
                Some(Self::Many(names))
            }
        }
    }
}

impl Ids {
    /// What the watch of the Tenants says, before the store has it.
    pub fn saw(&self, event: &Event<Guarded>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Init => known.listed = HashMap::new(),
            Event::InitApply(object) => {
                add(&mut known.listed, object);
                // The store may answer before the list is complete.
                add(&mut known.names, object);
            }
            Event::InitDone => known.names = take(&mut known.listed),
            Event::Apply(object) => add(&mut known.names, object),
            Event::Delete(object) => remove(&mut known.names, object),
        }
    }

    /// Names of Tenants that may have this id.
    pub fn named(&self, id: TenantId) -> Vec<String> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let names = known.names.get(&id).map(Names::as_slice);
        names
            .unwrap_or_default()
            .iter()
            .map(ToString::to_string)
            .collect()
    }
}

/// An id is never changed (a rule of the definition), so that what was added under another one is at most a name too many.
fn add(names: &mut HashMap<TenantId, Names>, object: &Guarded) {
    if let Some((id, name)) = id_and_name(object) {
        let all = match names.remove(&id) {
            None => Names::One(name.into()),
            Some(others) => others.with(name),
        };
        names.insert(id, all);
    }
}

fn remove(names: &mut HashMap<TenantId, Names>, object: &Guarded) {
    if let Some((id, name)) = id_and_name(object)
        && let Some(rest) = names.remove(&id).and_then(|all| all.without(name))
    {
        names.insert(id, rest);
    }
}

fn id_and_name(object: &Guarded) -> Option<(TenantId, &str)> {
    let tenant = object.0.as_ref().ok()?;
    Some((tenant_id(tenant).ok()?, object.meta().name.as_deref()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const FIRST: &str = "0198c0de-0000-7000-8000-000000000001";
    const SECOND: &str = "0198c0de-0000-7000-8000-000000000002";

    fn tenant(name: &str, id: &str) -> Guarded {
        serde_json::from_value(json!({
            "apiVersion": "gotrs.io/v1", "kind": "Tenant", "metadata": {"name": name, "uid": SECOND},
            "spec": {"slug": name, "id": id},
        }))
        .unwrap()
    }

    fn named(ids: &Ids, id: &str) -> Vec<String> {
        let mut names = ids.named(id.parse().unwrap());
        names.sort();
        names
    }

    #[test]
    fn all_that_have_an_id_are_named_until_they_go() {
        let ids = Ids::default();
        for (name, id) in [("a", FIRST), ("b", FIRST), ("c", SECOND), ("a", FIRST)] {
            ids.saw(&Event::Apply(tenant(name, id)));
        }
        assert_eq!(named(&ids, FIRST), ["a", "b"]);
        assert_eq!(named(&ids, SECOND), ["c"]);
        ids.saw(&Event::Delete(tenant("a", FIRST)));
        ids.saw(&Event::Delete(tenant("c", SECOND)));
        assert_eq!(named(&ids, FIRST), ["b"]);
        assert_eq!(named(&ids, SECOND), Vec::<String>::new());
    }

    #[test]
    fn a_new_list_forgets_those_that_it_does_not_name() {
        let ids = Ids::default();
        ids.saw(&Event::Apply(tenant("a", FIRST)));
        ids.saw(&Event::Init);
        ids.saw(&Event::InitApply(tenant("b", FIRST)));
        assert_eq!(named(&ids, FIRST), ["a", "b"], "the list may go on");
        ids.saw(&Event::InitDone);
        assert_eq!(named(&ids, FIRST), ["b"]);
    }

    proptest! {
        #[test]
        fn the_names_are_those_of_whom_the_events_left(events in proptest::collection::vec((0..5_u8, any::<bool>()), 0..40)) {
            let ids = Ids::default();
            let mut expected = std::collections::BTreeSet::new();
            for (name, is_there) in events {
                let name = name.to_string();
                let object = tenant(&name, FIRST);
                if is_there {
                    ids.saw(&Event::Apply(object));
                    expected.insert(name);
                } else {
                    ids.saw(&Event::Delete(object));
                    expected.remove(&name);
                }
            }
            prop_assert_eq!(named(&ids, FIRST), expected.into_iter().collect::<Vec<_>>());
        }
    }
}
