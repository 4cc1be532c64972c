//! The pure part: from events to the wanted state, from wanted and real to what must be done.

use std::collections::BTreeMap;

use domain::digest::Sha256Digest;
use domain::name::ModuleName;
use domain::watch::{ModuleReference, WatchEvent};

/// What the control plane wants to be live.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wanted {
    /// The generation it is of.
    pub generation: u64,
    /// The tenant's modules.
    pub modules: BTreeMap<ModuleName, ModuleReference>,
}

/// What must be done to get there.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// To be fetched and loaded.
    pub load: Vec<ModuleReference>,
    /// No longer wanted.
    pub remove: Vec<ModuleName>,
    /// Live as wanted; an earlier refusal is history.
    pub settled: Vec<ModuleName>,
}

impl Wanted {
    /// The state after `event`; `None` when a change comes before any snapshot.
    pub fn after(before: Option<Self>, event: &WatchEvent) -> Option<Self> {
        if let WatchEvent::Snapshot {
            generation,
            modules,
        } = event
        {
            return Some(Self {
                generation: *generation,
                modules: modules
                    .iter()
                    .map(|it| (it.name.clone(), it.clone()))
                    .collect(),
            });
        }
        let mut state = before?;
        state.generation = event.generation();
        match event {
            WatchEvent::Put { module, .. } => {
                state.modules.insert(module.name.clone(), module.clone());
            }
            WatchEvent::Delete { name, .. } => {
                state.modules.remove(name);
            }
            WatchEvent::Snapshot { .. } | WatchEvent::Bookmark { .. } => {}
        }
        Some(state)
    }

    /// The modules that an event speaks of.
    pub fn named_by(event: &WatchEvent) -> Vec<ModuleName> {
        match event {
            WatchEvent::Snapshot { modules, .. } => {
                modules.iter().map(|it| it.name.clone()).collect()
            }
            WatchEvent::Put { module, .. } => vec![module.name.clone()],
            WatchEvent::Delete { name, .. } => vec![name.clone()],
            WatchEvent::Bookmark { .. } => Vec::new(),
        }
    }

    /// Every wanted module.
    pub fn names(&self) -> Vec<ModuleName> {
        self.modules.keys().cloned().collect()
    }

    /// Compares with what is loaded, and with what was refused: the same bad content is not tried again.
    pub fn plan<'a>(
        &self,
        loaded: impl Fn(&ModuleName) -> Option<Sha256Digest>,
        refused: impl Fn(&ModuleName) -> Option<Sha256Digest>,
        live: impl Iterator<Item = &'a ModuleName>,
    ) -> Plan {
        let mut plan = Plan {
            remove: live
                .filter(|name| !self.modules.contains_key(*name))
                .cloned()
                .collect(),
            ..Plan::default()
        };
        for (name, reference) in &self.modules {
            if loaded(name) == Some(reference.sha256) {
                plan.settled.push(name.clone());
            } else if refused(name) != Some(reference.sha256) {
                plan.load.push(reference.clone());
            }
        }
        plan
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> ModuleName {
        text.parse().unwrap()
    }

    fn reference(module: &str, content: u8) -> ModuleReference {
        ModuleReference {
            name: name(module),
            version: u32::from(content),
            sha256: Sha256Digest::of(&[content]),
            url: format!("http://store/{module}"),
        }
    }

    #[test]
    fn a_change_before_any_snapshot_is_no_state() {
        let put = WatchEvent::Put {
            generation: 3,
            module: reference("a", 1),
        };
        assert_eq!(Wanted::after(None, &put), None);
    }

    #[test]
    fn what_is_there_is_left_alone_and_what_was_refused_is_not_tried_again() {
        let wanted = Wanted::after(
            None,
            &WatchEvent::Snapshot {
                generation: 9,
                modules: vec![
                    reference("same", 1),
                    reference("new", 1),
                    reference("changed", 2),
                    reference("bad", 3),
                ],
            },
        )
        .unwrap();
        let loaded = |it: &ModuleName| match it.as_str() {
            "same" | "changed" | "gone" | "bad" => Some(Sha256Digest::of(&[1])),
            _ => None,
        };
        let refused = |it: &ModuleName| (it.as_str() == "bad").then(|| Sha256Digest::of(&[3]));
        let live = [name("same"), name("changed"), name("gone"), name("bad")];
        let plan = wanted.plan(loaded, refused, live.iter());
        assert_eq!(plan.load, [reference("changed", 2), reference("new", 1)]);
        assert_eq!(plan.remove, [name("gone")]);
        assert_eq!(plan.settled, [name("same")]);
    }

    #[derive(Debug, Clone)]
    enum Step {
        Put(usize, u8),
        Delete(usize),
    }

    proptest! {
        /// Whatever the changes and wherever the connection breaks (a snapshot in between), the state is the same.
        #[test]
        fn changes_and_snapshots_end_in_the_same_state(
            steps in proptest::collection::vec(
                prop_oneof![
                    (0_usize..4, 0_u8..3).prop_map(|(it, content)| Step::Put(it, content)),
                    (0_usize..4).prop_map(Step::Delete),
                ],
                0..20,
            ),
            cut in 0_usize..20,
        ) {
            const NAMES: [&str; 4] = ["a", "b", "c", "d"];
            let start = Some(Wanted::default());
            let apply = |state: Option<Wanted>, (generation, step): (u64, &Step)| {
                let event = match step {
                    Step::Put(it, content) => WatchEvent::Put { generation, module: reference(NAMES[*it], *content) },
                    Step::Delete(it) => WatchEvent::Delete { generation, name: name(NAMES[*it]) },
                };
                Wanted::after(state, &event)
            };
            let straight = (1..).zip(&steps).fold(start.clone(), apply);
            let cut = cut.min(steps.len());
            let truth = (1..).zip(&steps[..cut]).fold(start, apply).unwrap();
            let resumed = Wanted::after(None, &WatchEvent::Snapshot {
                generation: truth.generation,
                modules: truth.modules.into_values().collect(),
            });
            let resumed = (1 + cut as u64..).zip(&steps[cut..]).fold(resumed, apply);
            prop_assert_eq!(straight, resumed);
        }
    }
}
