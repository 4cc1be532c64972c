//! What changes when one version of a module replaces another.

mod automation;
mod field;
mod screen;

use std::fmt::Display;

use serde::Serialize;

use crate::spec::{Field, ModuleSpec, Operation};
use crate::text::Text;

/// How much a change can hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// Looks or computes differently; the same records are accepted and the same can be done with them.
    Cosmetic,
    /// Something more is possible; what is there stays as it is.
    Additive,
    /// Something that was possible is no longer, or records that were fine may be refused from now on.
    Narrowing,
    /// Records or values are no longer reachable.
    Destructive,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// How much it can hurt.
    pub kind: ChangeKind,
    /// What it is about, in the words of the format, such as `fields.serial.type`.
    pub path: String,
    /// What changes, in a sentence.
    pub message: String,
    /// Whether it is about values that are stored already: they would be lost, or the database would refuse them. What is
    /// only refused in a form from now on leaves them as they are.
    #[serde(skip)]
    pub stored: bool,
}

/// What changes when `new` replaces `old`; the worst first, otherwise in the order of the format. Nothing when both say
/// the same, wherever in their files they say it.
pub fn diff(old: &ModuleSpec, new: &ModuleSpec) -> Vec<Change> {
    let mut changes = Changes {
        found: Vec::new(),
        managed: old.is_managed() && new.is_managed(),
    };
    changes.of_module(old, new);
    let pairs = Pairs::of(old, new);
    changes.of_fields(old, new, &pairs);
    changes.of_computed_fields(old, new);
    changes.of_features(old, new);
    changes.of_access(old, new);
    changes.of_screen(old, new, &pairs);
    changes.of_hooks(old, new);
    changes.of_automation(old, new, &pairs);
    if old.tests != new.tests {
        changes.cosmetic("tests", "the tests are others");
    }
    changes.of_limits(old, new);
    let mut found = changes.found;
    found.sort_by_key(|change| std::cmp::Reverse(change.kind));
    found
}

/// Which field of the new version is which of the old one, by position.
struct Pairs<'s> {
    old: &'s ModuleSpec,
    new: &'s ModuleSpec,
    /// For each old field the new one.
    successors: Vec<Option<usize>>,
}

impl<'s> Pairs<'s> {
    /// The same column is the same field, so that renaming alone is no loss; otherwise the same name is.
    fn of(old: &'s ModuleSpec, new: &'s ModuleSpec) -> Self {
        let by_column = |field: &Field| {
            let same = |other: &Field| {
                !field.is_virtual && !other.is_virtual && field.column == other.column
            };
            new.fields.iter().position(same)
        };
        let mut successors: Vec<Option<usize>> = old.fields.iter().map(by_column).collect();
        for (at, field) in old.fields.iter().enumerate() {
            let by_name = new.fields.iter().position(|other| field.name == other.name);
            let is_free = by_name.is_some_and(|_| !successors.contains(&by_name));
            if let Some(successor) = successors.get_mut(at)
                && successor.is_none()
                && is_free
            {
                *successor = by_name;
            }
        }
        Self {
            old,
            new,
            successors,
        }
    }

    fn successor(&self, old: usize) -> Option<&'s Field> {
        let at = self.successors.get(old).copied().flatten()?;
        self.new.fields.get(at)
    }

    /// The new name of an old field that still exists.
    fn new_name(&self, old: usize) -> Option<&'s str> {
        self.successor(old).map(|field| field.name.as_str())
    }

    /// The name of a new field that existed before.
    fn kept_name(&self, new: usize) -> Option<&'s str> {
        let field = self.new.fields.get(new)?;
        self.successors
            .contains(&Some(new))
            .then(|| field.name.as_str())
    }

    /// The name of a computed field of the old version that is in both.
    fn computed(&self, spec: &'s ModuleSpec, at: usize) -> Option<&'s str> {
        let name = spec.computed_fields.get(at)?.name.as_str();
        let is_in_both =
            self.old.computed_field(name).is_some() && self.new.computed_field(name).is_some();
        is_in_both.then_some(name)
    }
}

struct Changes {
    found: Vec<Change>,
    /// Whether the module owns its table before and after.
    managed: bool,
}

/// The kinds of: it is new, it is gone, it is another.
#[derive(Clone, Copy)]
struct Kinds {
    new: ChangeKind,
    gone: ChangeKind,
    other: ChangeKind,
}

/// A rule that values must keep.
const RULE: Kinds = Kinds {
    new: ChangeKind::Narrowing,
    gone: ChangeKind::Additive,
    other: ChangeKind::Narrowing,
};
/// Something that can be used.
const OFFER: Kinds = Kinds {
    new: ChangeKind::Additive,
    gone: ChangeKind::Narrowing,
    other: ChangeKind::Narrowing,
};
/// Something to look at.
const LOOK: Kinds = Kinds {
    new: ChangeKind::Cosmetic,
    gone: ChangeKind::Cosmetic,
    other: ChangeKind::Cosmetic,
};

impl Changes {
    fn push(&mut self, kind: ChangeKind, path: &str, message: impl Into<String>) {
        self.found.push(Change {
            kind,
            path: path.to_owned(),
            message: message.into(),
            stored: false,
        });
    }

    fn cosmetic(&mut self, path: &str, message: &str) {
        self.push(ChangeKind::Cosmetic, path, message);
    }

    /// About values that are stored.
    fn stored(&mut self, kind: ChangeKind, path: &str, message: impl Into<String>) {
        self.found.push(Change {
            kind,
            path: path.to_owned(),
            message: message.into(),
            stored: true,
        });
    }

    fn text(&mut self, path: &str, old: Option<&Text>, new: Option<&Text>) {
        if old != new {
            let written = |text: Option<&Text>| text.map(|text| quoted(&text.written()));
            self.becomes(path, LOOK, written(old), written(new));
        }
    }

    /// A value that is there or not.
    fn option<T: PartialEq + Display>(
        &mut self,
        path: &str,
        kinds: Kinds,
        old: Option<T>,
        new: Option<T>,
    ) {
        if old != new {
            let shown = |value: Option<T>| value.map(|value| quoted(&value.to_string()));
            self.becomes(path, kinds, shown(old), shown(new));
        }
    }

    /// `old` and `new` differ.
    fn becomes(&mut self, path: &str, kinds: Kinds, old: Option<String>, new: Option<String>) {
        let kind = match (&old, &new) {
            (None, _) => kinds.new,
            (_, None) => kinds.gone,
            _ => kinds.other,
        };
        let message = match (old, new) {
            (Some(old), Some(new)) => format!("{old} becomes {new}"),
            (None, Some(new)) => format!("{new} is new"),
            (Some(old), None) => format!("{old} is gone"),
            (None, None) => return,
        };
        self.push(kind, path, message);
    }

    /// A flag; `on` is the kind of switching it on, `off` of switching it off.
    fn flag(&mut self, path: &str, (old, new): (bool, bool), on: ChangeKind, off: ChangeKind) {
        if old != new {
            let kind = if new { on } else { off };
            self.push(kind, path, format!("{old} becomes {new}"));
        }
    }

    /// A ceiling: lower is narrower, none is widest.
    fn ceiling<T: PartialOrd + Display + Copy>(
        &mut self,
        path: &str,
        old: Option<T>,
        new: Option<T>,
    ) {
        if old == new {
            return;
        }
        let is_lower = match (old, new) {
            (_, None) => false,
            (None, Some(_)) => true,
            (Some(old), Some(new)) => new < old,
        };
        let kind = if is_lower {
            ChangeKind::Narrowing
        } else {
            ChangeKind::Additive
        };
        let shown =
            |limit: Option<T>| limit.map_or_else(|| "no limit".to_owned(), |it| it.to_string());
        self.push(kind, path, format!("{} becomes {}", shown(old), shown(new)));
    }

    /// Words of which each allows something.
    fn words<T: AsRef<str>>(&mut self, path: &str, old: &[T], new: &[T]) {
        let missing = |from: &[T], among: &[T]| -> Vec<String> {
            let lacks = |word: &&T| !among.iter().any(|other| other.as_ref() == word.as_ref());
            from.iter()
                .filter(lacks)
                .map(|word| quoted(word.as_ref()))
                .collect()
        };
        let (lost, gained) = (missing(old, new), missing(new, old));
        if !lost.is_empty() {
            let message = format!("without {}", listed(&lost));
            self.push(ChangeKind::Narrowing, path, message);
        }
        if !gained.is_empty() {
            let message = format!("with {}", listed(&gained));
            self.push(ChangeKind::Additive, path, message);
        }
        let is_same = || {
            old.iter()
                .map(AsRef::as_ref)
                .eq(new.iter().map(AsRef::as_ref))
        };
        if lost.is_empty() && gained.is_empty() && !is_same() {
            self.cosmetic(path, "the order is another");
        }
    }

    /// Groups or roles; an empty list asks for none.
    fn groups(&mut self, path: &str, old: &[String], new: &[String]) {
        match (old.is_empty(), new.is_empty()) {
            (true, false) => {
                let new: Vec<String> = new.iter().map(|group| quoted(group)).collect();
                let message = format!("only {} from now on", listed(&new));
                self.push(ChangeKind::Narrowing, path, message);
            }
            (false, true) => {
                self.push(ChangeKind::Additive, path, "no group is asked for any more");
            }
            _ => self.words(path, old, new),
        }
    }

    fn of_module(&mut self, old: &ModuleSpec, new: &ModuleSpec) {
        if old.name != new.name {
            let message = format!(
                "\"{}\" becomes \"{}\", with other addresses",
                old.name, new.name
            );
            self.push(ChangeKind::Narrowing, "module.name", message);
        }
        if old.table() != new.table() {
            let message = format!(
                "records come from \"{}\" instead of \"{}\"",
                new.table().as_str(),
                old.table().as_str()
            );
            self.stored(ChangeKind::Destructive, "module.table", message);
        }
        match (old.is_managed(), new.is_managed()) {
            (true, false) => self.push(
                ChangeKind::Narrowing,
                "module.storage",
                "the module no longer owns its table: new fields need columns that are there",
            ),
            (false, true) => self.push(
                ChangeKind::Additive,
                "module.storage",
                "the module owns its table from now on",
            ),
            _ => {}
        }
        self.text("module.singular", Some(&old.singular), Some(&new.singular));
        self.text("module.plural", Some(&old.plural), Some(&new.plural));
        self.text(
            "module.description",
            old.description.as_ref(),
            new.description.as_ref(),
        );
        self.option(
            "module.route_prefix",
            OFFER,
            old.route_prefix.as_ref(),
            new.route_prefix.as_ref(),
        );
        self.flag(
            "module.read_only",
            (old.read_only, new.read_only),
            ChangeKind::Narrowing,
            ChangeKind::Additive,
        );
        let menu = (&old.menu, &new.menu);
        self.text(
            "module.menu.group",
            menu.0.group.as_ref(),
            menu.1.group.as_ref(),
        );
        self.option(
            "module.menu.order",
            LOOK,
            Some(menu.0.order),
            Some(menu.1.order),
        );
        self.option(
            "module.menu.icon",
            LOOK,
            menu.0.icon.as_ref(),
            menu.1.icon.as_ref(),
        );
        self.words("module.portals", &old.portals, &new.portals);
        let parent = |spec: &ModuleSpec| {
            let parent = spec.parent.as_ref()?;
            Some(format!("{} by {}", parent.module, parent.field))
        };
        self.option("module.parent", OFFER, parent(old), parent(new));
        self.option(
            "module.page_size",
            LOOK,
            Some(old.page_size),
            Some(new.page_size),
        );
    }

    fn of_features(&mut self, old: &ModuleSpec, new: &ModuleSpec) {
        let (before, after) = (old.features, new.features);
        for (key, before, after) in [
            ("soft_delete", before.soft_delete, after.soft_delete),
            ("search", before.search, after.search),
            ("import_csv", before.import_csv, after.import_csv),
            ("export_csv", before.export_csv, after.export_csv),
            ("status_toggle", before.status_toggle, after.status_toggle),
        ] {
            let path = format!("features.{key}");
            let (on, off) = (ChangeKind::Additive, ChangeKind::Narrowing);
            self.flag(&path, (before, after), on, off);
        }
        self.flag(
            "features.color_picker",
            (before.color_picker, after.color_picker),
            ChangeKind::Cosmetic,
            ChangeKind::Cosmetic,
        );
    }

    /// What is allowed at all, and to whom.
    fn of_access(&mut self, old: &ModuleSpec, new: &ModuleSpec) {
        for (word, operation) in [
            ("view", Operation::View),
            ("create", Operation::Create),
            ("update", Operation::Update),
            ("delete", Operation::Delete),
        ] {
            let allowed = (
                old.permissions.allows(operation),
                new.permissions.allows(operation),
            );
            // That a module is read only is said once, not once for each of them.
            let is_said = old.read_only != new.read_only && operation != Operation::View;
            if allowed.0 != allowed.1 && !is_said {
                let (kind, message) = if allowed.1 {
                    (ChangeKind::Additive, "is allowed now")
                } else {
                    (ChangeKind::Narrowing, "is no longer allowed")
                };
                self.push(kind, &format!("permissions.{word}"), message);
            }
            self.groups(
                &format!("access.{word}"),
                old.access.groups(operation),
                new.access.groups(operation),
            );
        }
    }

    fn of_limits(&mut self, old: &ModuleSpec, new: &ModuleSpec) {
        let (before, after) = (old.limits, new.limits);
        for (key, before, after) in [
            ("timeout_ms", before.wall_ms, after.wall_ms),
            ("memory_limit_mb", before.memory_mb, after.memory_mb),
            ("max_queries", before.queries, after.queries),
            ("max_rows", before.rows, after.rows),
        ] {
            self.ceiling(&format!("limits.{key}"), Some(before), Some(after));
        }
    }
}

/// A piece of a file as it can stand in a sentence: short, on one line.
fn quoted(text: &str) -> String {
    let short = crate::yaml::shorten(text);
    format!("\"{}\"", short.replace(char::is_control, " "))
}

/// Some of many.
fn listed(words: &[String]) -> String {
    const MOST: usize = 10;
    let mut few: Vec<&str> = words.iter().take(MOST).map(String::as_str).collect();
    let more = words.len().saturating_sub(MOST);
    let rest = format!("{more} more");
    if more > 0 {
        few.push(&rest);
    }
    few.join(", ")
}
