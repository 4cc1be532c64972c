//! What changes when one version of a module replaces another.

use domain::identifier::SqlIdent;
use serde::Serialize;

use crate::spec::{Field, ModuleSpec};

/// How much a change can hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Only looks different.
    Cosmetic,
    /// Something new; what exists stays as it is.
    Additive,
    /// Records that were fine may be refused from now on, or values may not fit.
    Narrowing,
    /// Records or values are no longer reachable.
    Destructive,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// How much it can hurt.
    pub kind: ChangeKind,
    /// What it is about, such as `fields.serial.type`.
    pub path: String,
    /// What changes, in a sentence.
    pub message: String,
}

/// What changes when `new` replaces `old`; the worst first.
pub fn diff(old: &ModuleSpec, new: &ModuleSpec) -> Vec<Change> {
    let mut changes = Changes(Vec::new());
    if old.table() != new.table() {
        let message = format!(
            "records come from \"{}\" instead of \"{}\"",
            new.table().as_str(),
            old.table().as_str()
        );
        changes.push(ChangeKind::Destructive, "module.table", message);
    }
    for field in old.fields() {
        match find(new, field) {
            Some(after) => changes.of_field(field, after, old.is_managed()),
            None => {
                let message = format!(
                    "the field \"{}\" is gone; its column is kept but not shown",
                    field.name()
                );
                changes.push(
                    ChangeKind::Destructive,
                    &format!("fields.{}", field.name()),
                    message,
                );
            }
        }
    }
    for field in new
        .fields()
        .iter()
        .filter(|field| find(old, field).is_none())
    {
        let kind = if field.required() {
            ChangeKind::Narrowing
        } else {
            ChangeKind::Additive
        };
        let must = if field.required() {
            " and must be filled in"
        } else {
            ""
        };
        let message = format!("the field \"{}\" is new{must}", field.name());
        changes.push(kind, &format!("fields.{}", field.name()), message);
    }
    for field in old.computed_fields() {
        let path = format!("computed_fields.{}", field.name());
        match new.computed_field(field.name().as_str()) {
            None => changes.push(
                ChangeKind::Cosmetic,
                &path,
                "the computed field is gone".to_owned(),
            ),
            Some(after) if after.lambda().source() != field.lambda().source() => {
                changes.push(
                    ChangeKind::Cosmetic,
                    &path,
                    "it is computed in another way".to_owned(),
                );
            }
            Some(_) => {}
        }
    }
    for field in new
        .computed_fields()
        .iter()
        .filter(|field| old.computed_field(field.name().as_str()).is_none())
    {
        changes.push(
            ChangeKind::Additive,
            &format!("computed_fields.{}", field.name()),
            "it is new".to_owned(),
        );
    }
    changes.of_texts(
        "module.singular",
        old.singular().display(),
        new.singular().display(),
    );
    changes.of_texts(
        "module.plural",
        old.plural().display(),
        new.plural().display(),
    );
    changes.of_permissions(old, new);
    changes
        .0
        .sort_by_key(|change| std::cmp::Reverse(change.kind));
    changes.0
}

/// The same field in the other version: by its column, so that renaming the field alone is no loss.
fn find<'s>(spec: &'s ModuleSpec, field: &Field) -> Option<&'s Field> {
    let same = |column: &SqlIdent, other: &Field| !other.is_virtual() && other.column() == column;
    if field.is_virtual() {
        return spec.field(field.name().as_str());
    }
    spec.fields()
        .iter()
        .find(|other| same(field.column(), other))
}

struct Changes(Vec<Change>);

impl Changes {
    fn push(&mut self, kind: ChangeKind, path: &str, message: String) {
        self.0.push(Change {
            kind,
            path: path.to_owned(),
            message,
        });
    }

    fn of_texts(&mut self, path: &str, old: &str, new: &str) {
        if old != new {
            self.push(
                ChangeKind::Cosmetic,
                path,
                format!("\"{old}\" becomes \"{new}\""),
            );
        }
    }

    fn of_field(&mut self, old: &Field, new: &Field, managed: bool) {
        let path = |key: &str| format!("fields.{}.{key}", old.name());
        self.of_texts(&path("label"), old.label().display(), new.label().display());
        if old.name() != new.name() {
            let message = format!(
                "\"{}\" becomes \"{}\" in JSON and in lambdas",
                old.name(),
                new.name()
            );
            self.push(ChangeKind::Narrowing, &path("name"), message);
        }
        if old.kind() != new.kind() {
            let (before, after) = (old.sql_type(), new.sql_type());
            // A column keeps its type for ever: what is in it would have to fit, and the table refuses.
            let kind = if managed && before != after {
                ChangeKind::Narrowing
            } else {
                ChangeKind::Cosmetic
            };
            self.push(
                kind,
                &path("type"),
                format!("{} becomes {}", old.kind().as_str(), new.kind().as_str()),
            );
        }
        for (key, before, after) in [
            ("required", old.required(), new.required()),
            ("unique", old.unique(), new.unique()),
        ] {
            if before != after {
                let kind = if after {
                    ChangeKind::Narrowing
                } else {
                    ChangeKind::Additive
                };
                self.push(kind, &path(key), format!("{before} becomes {after}"));
            }
        }
        if old.max_length() != new.max_length() {
            let shorter = new
                .max_length()
                .is_some_and(|new| old.max_length().is_none_or(|old| new < old));
            let kind = if shorter {
                ChangeKind::Narrowing
            } else {
                ChangeKind::Additive
            };
            let shown = |length: Option<u32>| {
                length.map_or_else(|| "no limit".to_owned(), |n| n.to_string())
            };
            let message = format!(
                "{} becomes {}",
                shown(old.max_length()),
                shown(new.max_length())
            );
            self.push(kind, &path("max_length"), message);
        }
        let lost: Vec<String> = old
            .choices()
            .iter()
            .map(crate::spec::Choice::value_text)
            .filter(|value| {
                !new.choices().is_empty() && !new.choices().iter().any(|c| c.value_text() == *value)
            })
            .collect();
        if !lost.is_empty() {
            let message = format!("no longer to be chosen: {}", lost.join(", "));
            self.push(ChangeKind::Narrowing, &path("options"), message);
        }
    }

    fn of_permissions(&mut self, old: &ModuleSpec, new: &ModuleSpec) {
        let (before, after) = (old.permissions(), new.permissions());
        for (name, before, after) in [
            ("view", before.view, after.view),
            ("create", before.create, after.create),
            ("update", before.update, after.update),
            ("delete", before.delete, after.delete),
        ] {
            if before != after {
                let kind = if after {
                    ChangeKind::Additive
                } else {
                    ChangeKind::Narrowing
                };
                let message = if after {
                    "is allowed now"
                } else {
                    "is no longer allowed"
                };
                self.push(kind, &format!("permissions.{name}"), message.to_owned());
            }
        }
    }
}
