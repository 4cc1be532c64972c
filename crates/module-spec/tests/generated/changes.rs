//! Properties of the differences between two modules.

use module_spec::{ChangeKind, diff, parse};
use proptest::prelude::*;
use proptest::sample::Index;
use serde_json::Value;

use crate::strategy::module;
use crate::{file, good};

/// Pointers to every value below `value`.
fn pointers(value: &Value, at: &str, found: &mut Vec<String>) {
    let mut below = |key: &str, value: &Value| {
        let escaped = key.replace('~', "~0").replace('/', "~1");
        let pointer = format!("{at}/{escaped}");
        pointers(value, &pointer, found);
        found.push(pointer);
    };
    match value {
        Value::Object(entries) => entries.iter().for_each(|(key, value)| below(key, value)),
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                below(&at.to_string(), item);
            }
        }
        _ => {}
    }
}

/// Takes one value out of a document.
fn remove(document: &mut Value, pointer: &str) {
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let key = key.replace("~1", "/").replace("~0", "~");
    match document.pointer_mut(parent).unwrap() {
        Value::Object(entries) => {
            entries.shift_remove(&key);
        }
        Value::Array(items) => {
            items.remove(key.parse().unwrap());
        }
        _ => unreachable!("a pointer leads through mappings and lists"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(60) })]

    #[test]
    fn any_two_modules_can_be_compared(one in module(), other in module()) {
        let (one, other) = (good(&file(&one)), good(&file(&other)));
        prop_assert_eq!(diff(&one, &one), []);
        let changes = diff(&one, &other);
        prop_assert_eq!(changes.is_empty(), one == other);
        let kinds: Vec<ChangeKind> = changes.iter().map(|change| change.kind).collect();
        prop_assert!(kinds.is_sorted_by(|before, after| before >= after), "{:?}", kinds);
        for change in &changes {
            prop_assert!(!change.path.is_empty() && !change.message.is_empty(), "{:?}", change);
            prop_assert!(!change.message.contains(char::is_control), "{:?}", change);
            prop_assert!(!change.stored || change.kind >= ChangeKind::Narrowing, "{:?}", change);
        }
    }

    /// What makes another module is named, there and back.
    #[test]
    fn no_change_goes_unnoticed(document in module(), places in proptest::collection::vec(any::<Index>(), 6)) {
        let old = good(&file(&document));
        let mut known = Vec::new();
        pointers(&document, "", &mut known);
        for place in places {
            let pointer = place.get(&known);
            let mut changed = document.clone();
            remove(&mut changed, pointer);
            // Without it, it may be no module at all.
            let Some(new) = parse(&file(&changed)).0 else { continue };
            prop_assert_eq!(diff(&old, &new).is_empty(), old == new, "without {} {}", pointer, changed);
            prop_assert_eq!(diff(&new, &old).is_empty(), old == new, "with {} {}", pointer, document);
        }
    }
}
