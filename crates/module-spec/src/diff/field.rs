//! Changes of fields and computed fields.

use serde_json::Value;

use super::{ChangeKind, Changes, LOOK, OFFER, Pairs, RULE};
use crate::lambda::Lambda;
use crate::pattern::Pattern;
use crate::spec::{
    Choice, Field, FieldType, ModuleSpec, OnDelete, Relation, ValueKind, plain_text,
};

impl Changes {
    pub(super) fn of_fields(&mut self, old: &ModuleSpec, new: &ModuleSpec, pairs: &Pairs<'_>) {
        for (at, field) in old.fields.iter().enumerate() {
            match pairs.successor(at) {
                Some(after) => self.of_field(field, after),
                None => {
                    let path = format!("fields.{}", field.name);
                    let name = &field.name;
                    if field.is_virtual {
                        let message = format!("the field \"{name}\" is gone");
                        self.push(ChangeKind::Narrowing, &path, message);
                    } else {
                        let message = format!(
                            "the field \"{name}\" is gone; its column is kept but not shown"
                        );
                        self.stored(ChangeKind::Destructive, &path, message);
                    }
                }
            }
        }
        for (at, field) in new.fields.iter().enumerate() {
            if pairs.kept_name(at).is_none() {
                let (kind, must) = if field.required {
                    (ChangeKind::Narrowing, " and must be filled in")
                } else {
                    (ChangeKind::Additive, "")
                };
                let message = format!("the field \"{}\" is new{must}", field.name);
                self.push(kind, &format!("fields.{}", field.name), message);
            }
        }
        let before = (0..old.fields.len()).filter_map(|at| pairs.new_name(at));
        let after = (0..new.fields.len()).filter_map(|at| pairs.kept_name(at));
        if !before.eq(after) {
            self.cosmetic("fields", "the fields are in another order");
        }
    }

    fn of_field(&mut self, old: &Field, new: &Field) {
        let path = |key: &str| format!("fields.{}.{key}", old.name);
        if old.name != new.name {
            let message = format!(
                "\"{}\" becomes \"{}\" in JSON and in lambdas",
                old.name, new.name
            );
            self.push(ChangeKind::Narrowing, &path("name"), message);
        }
        self.of_column(old, new);
        self.text(&path("label"), Some(&old.label), Some(&new.label));
        self.of_type(old, new);
        let (narrowing, additive) = (ChangeKind::Narrowing, ChangeKind::Additive);
        self.flag(
            &path("required"),
            (old.required, new.required),
            narrowing,
            additive,
        );
        match (old.unique, new.unique) {
            // Two records may have the same value already.
            (false, true) => self.stored(narrowing, &path("unique"), "false becomes true"),
            (true, false) => self.push(additive, &path("unique"), "true becomes false"),
            _ => {}
        }
        for (key, before, after) in [
            ("searchable", old.searchable, new.searchable),
            ("sortable", old.sortable, new.sortable),
            ("filterable", old.filterable, new.filterable),
            ("show_in_form", old.show_in_form, new.show_in_form),
            ("multiple", old.multiple, new.multiple),
        ] {
            self.flag(&path(key), (before, after), additive, narrowing);
        }
        let shown = (old.show_in_list, new.show_in_list);
        self.flag(
            &path("show_in_list"),
            shown,
            ChangeKind::Cosmetic,
            ChangeKind::Cosmetic,
        );
        self.flag(
            &path("readonly"),
            (old.read_only, new.read_only),
            narrowing,
            additive,
        );
        let text = |value: &Option<Value>| value.as_ref().map(plain_text);
        self.option(
            &path("default"),
            LOOK,
            text(&old.default),
            text(&new.default),
        );
        if text(&old.default) == text(&new.default) && old.default != new.default {
            self.cosmetic(&path("default"), "it is of another type");
        }
        self.of_choices(&path("options"), &old.choices, &new.choices);
        self.of_lookup(old, new);
        self.of_rules(old, new);
        self.of_looks(old, new);
        self.groups(&path("access.read"), &old.access.read, &new.access.read);
        self.groups(&path("access.write"), &old.access.write, &new.access.write);
        self.of_relation(
            &path("relation"),
            old.relation.as_ref(),
            new.relation.as_ref(),
        );
    }

    /// Where its values are.
    fn of_column(&mut self, old: &Field, new: &Field) {
        let by_relation =
            old.relation.as_ref().map(Relation::many) != new.relation.as_ref().map(Relation::many);
        match (old.is_virtual, new.is_virtual) {
            (false, true) if by_relation => {}
            (true, false) if by_relation => {}
            (false, true) => {
                let message = "false becomes true: its column is kept but not shown";
                let path = format!("fields.{}.virtual", old.name);
                self.stored(ChangeKind::Destructive, &path, message);
            }
            (true, false) => {
                let path = format!("fields.{}.virtual", old.name);
                self.push(
                    ChangeKind::Additive,
                    &path,
                    "true becomes false: it has a column now",
                );
            }
            _ => {}
        }
        if old.column != new.column {
            let path = format!("fields.{}.db_column", old.name);
            let (before, after) = (old.column.as_str(), new.column.as_str());
            let message = format!("values come from \"{after}\" instead of \"{before}\"");
            if old.is_virtual || new.is_virtual {
                self.cosmetic(&path, &message);
            } else {
                self.stored(ChangeKind::Destructive, &path, message);
            }
        }
    }

    fn of_type(&mut self, old: &Field, new: &Field) {
        let path = format!("fields.{}.type", old.name);
        let message = format!("{} becomes {}", old.kind.as_str(), new.kind.as_str());
        let (before, after) = (old.sql_type(), new.sql_type());
        let have_columns = !old.is_virtual && !new.is_virtual;
        // What makes another column: a column keeps its type for ever, and the table refuses what does not fit.
        if self.managed && have_columns && before != after {
            let sql = format!(
                "its column would have to be {} instead of {}",
                after.as_str(),
                before.as_str()
            );
            let path = if old.kind != new.kind {
                path
            } else {
                format!("fields.{}.{}", old.name, reason_for_column(old, new))
            };
            let message = if old.kind == new.kind {
                sql
            } else {
                format!("{message}: {sql}")
            };
            return self.stored(ChangeKind::Narrowing, &path, message);
        }
        if old.kind == new.kind {
            return;
        }
        match (old.is_secret(), new.is_secret()) {
            (false, true) => {
                let message =
                    format!("{message}: what is stored is no password, and no longer shown");
                self.stored(ChangeKind::Destructive, &path, message);
            }
            (true, false) => {
                let message = format!("{message}: the hashes that are stored become visible");
                self.stored(ChangeKind::Destructive, &path, message);
            }
            _ => {
                let is_free = |field: &Field| accepts_any_text(field.kind);
                let kind = match (is_free(old), is_free(new)) {
                    (true, true) => ChangeKind::Cosmetic,
                    (false, true) => ChangeKind::Additive,
                    _ => ChangeKind::Narrowing,
                };
                self.push(kind, &path, message);
            }
        }
    }

    fn of_choices(&mut self, path: &str, old: &[Choice], new: &[Choice]) {
        if old == new {
            return;
        }
        let values =
            |choices: &[Choice]| choices.iter().map(Choice::value_text).collect::<Vec<_>>();
        let (before, after) = (values(old), values(new));
        let found = self.found.len();
        match (before.is_empty(), after.is_empty()) {
            // Something else says what can be chosen.
            (true, _) | (_, true) => {
                self.push(ChangeKind::Narrowing, path, "other values can be chosen");
            }
            _ => {
                self.words(path, &before, &after);
                if found == self.found.len() {
                    self.cosmetic(path, "labels or groups are others");
                }
            }
        }
    }

    fn of_lookup(&mut self, old: &Field, new: &Field) {
        let path = |key: &str| format!("fields.{}.{key}", old.name);
        let (Some(before), Some(after)) = (&old.lookup, &new.lookup) else {
            let table = |field: &Field| {
                let lookup = field.lookup.as_ref()?;
                Some(lookup.table.as_str().to_owned())
            };
            // What was entered freely must be found in the table now, or the other way about.
            return self.option(&path("lookup_table"), RULE, table(old), table(new));
        };
        for (key, before, after, kinds) in [
            ("lookup_table", &before.table, &after.table, RULE),
            ("lookup_key", &before.key, &after.key, RULE),
            ("lookup_display", &before.display, &after.display, LOOK),
        ] {
            self.option(
                &path(key),
                kinds,
                Some(before.as_str()),
                Some(after.as_str()),
            );
        }
        self.option(
            &path("lookup_condition"),
            RULE,
            before.condition.as_ref(),
            after.condition.as_ref(),
        );
    }

    /// What values must be like.
    fn of_rules(&mut self, old: &Field, new: &Field) {
        let path = |key: &str| format!("fields.{}.{key}", old.name);
        for (key, before, after) in [
            ("validation", &old.validation, &new.validation),
            ("pattern", &old.pattern, &new.pattern),
        ] {
            let text =
                |pattern: &Option<Pattern>| pattern.as_ref().map(|it| it.as_str().to_owned());
            self.option(&path(key), RULE, text(before), text(after));
        }
        let found = self.found.len();
        self.ceiling(&path("max_length"), old.max_length, new.max_length);
        // What is stored may be longer.
        if let Some(change) = self.found.get_mut(found) {
            change.stored = change.kind == ChangeKind::Narrowing;
        }
        self.bound(&path("min"), old.min.as_ref(), new.min.as_ref(), true);
        self.bound(&path("max"), old.max.as_ref(), new.max.as_ref(), false);
        self.option(&path("step"), RULE, old.step, new.step);
        self.ceiling(&path("precision"), old.precision, new.precision);
        self.option(
            &path("accept"),
            RULE,
            old.accept.as_ref(),
            new.accept.as_ref(),
        );
        self.lambda(
            &path("visible_when"),
            old.visible_when.as_ref(),
            new.visible_when.as_ref(),
        );
        self.lambda(
            &path("required_when"),
            old.required_when.as_ref(),
            new.required_when.as_ref(),
        );
    }

    /// A condition.
    pub(super) fn lambda(&mut self, path: &str, old: Option<&Lambda>, new: Option<&Lambda>) {
        fn code(lambda: &Lambda) -> &str {
            lambda.expression().unwrap_or_else(|| lambda.source())
        }
        self.option(path, RULE, old.map(code), new.map(code));
    }

    fn bound(&mut self, path: &str, old: Option<&Value>, new: Option<&Value>, lowest: bool) {
        if old.map(plain_text) == new.map(plain_text) {
            if old != new {
                self.cosmetic(path, "it is of another type");
            }
            return;
        }
        let is_wider = match (old, new) {
            (_, None) => true,
            (None, _) => false,
            (Some(old), Some(new)) => {
                let order = match (old.as_f64(), new.as_f64()) {
                    (Some(old), Some(new)) => new.partial_cmp(&old),
                    // Days and times sort as they are written.
                    _ => old
                        .as_str()
                        .zip(new.as_str())
                        .map(|(old, new)| new.cmp(old)),
                };
                order
                    == Some(if lowest {
                        std::cmp::Ordering::Less
                    } else {
                        std::cmp::Ordering::Greater
                    })
            }
        };
        let mut kinds = RULE;
        if is_wider {
            kinds.other = ChangeKind::Additive;
        }
        self.option(path, kinds, old.map(plain_text), new.map(plain_text));
    }

    fn of_looks(&mut self, old: &Field, new: &Field) {
        let path = |key: &str| format!("fields.{}.{key}", old.name);
        let cosmetic = ChangeKind::Cosmetic;
        self.flag(
            &path("widget"),
            (old.typeahead, new.typeahead),
            cosmetic,
            cosmetic,
        );
        self.flag(
            &path("display_as"),
            (old.chip, new.chip),
            cosmetic,
            cosmetic,
        );
        self.flag(
            &path("index"),
            (old.indexed, new.indexed),
            cosmetic,
            cosmetic,
        );
        if old.display_map != new.display_map {
            self.cosmetic(&path("display_map"), "other texts stand for values");
        }
        self.option(&path("rows"), LOOK, old.rows, new.rows);
        self.text(&path("help"), old.help.as_ref(), new.help.as_ref());
        self.text(
            &path("placeholder"),
            old.placeholder.as_ref(),
            new.placeholder.as_ref(),
        );
        self.option(
            &path("list_class"),
            LOOK,
            old.list_class.as_ref(),
            new.list_class.as_ref(),
        );
    }

    fn of_relation(&mut self, path: &str, old: Option<&Relation>, new: Option<&Relation>) {
        let (Some(before), Some(after)) = (old, new) else {
            let module = |relation: Option<&Relation>| relation.map(|it| it.module.to_string());
            let (before, after) = (module(old), module(new));
            let links = old.or(new).is_some_and(Relation::many);
            if before != after && links && before.is_some() {
                return self.stored(
                    ChangeKind::Destructive,
                    path,
                    "the links to records are no longer shown",
                );
            }
            return self.option(path, RULE, before, after);
        };
        if before.module != after.module {
            let message = format!(
                "numbers are those of \"{}\" instead of \"{}\"",
                after.module, before.module
            );
            self.stored(ChangeKind::Destructive, &format!("{path}.module"), message);
        }
        if before.many != after.many {
            let message = format!(
                "{} becomes {}: links are kept elsewhere",
                before.many, after.many
            );
            self.stored(ChangeKind::Destructive, &format!("{path}.many"), message);
        }
        if before.on_delete != after.on_delete {
            let kind = match after.on_delete {
                OnDelete::Restrict | OnDelete::Cascade => ChangeKind::Narrowing,
                OnDelete::SetNull => ChangeKind::Additive,
            };
            let (before, after) = (before.on_delete.as_str(), after.on_delete.as_str());
            let message = format!("{before} becomes {after}");
            self.push(kind, &format!("{path}.on_delete"), message);
        }
    }

    pub(super) fn of_computed_fields(&mut self, old: &ModuleSpec, new: &ModuleSpec) {
        let names = |spec: &ModuleSpec| -> Vec<String> {
            let names = spec
                .computed_fields
                .iter()
                .map(|field| field.name.to_string());
            names.collect()
        };
        let path = |key: &str| format!("computed_fields.{key}");
        for field in &old.computed_fields {
            let Some(after) = new.computed_field(field.name.as_str()) else {
                let message = format!("the computed field \"{}\" is gone", field.name);
                self.push(OFFER.gone, &path(field.name.as_str()), message);
                continue;
            };
            let path = |key: &str| path(&format!("{}.{key}", field.name));
            self.text(&path("label"), Some(&field.label), Some(&after.label));
            for (key, before, after) in [
                ("show_in_list", field.show_in_list, after.show_in_list),
                ("show_in_form", field.show_in_form, after.show_in_form),
            ] {
                self.flag(
                    &path(key),
                    (before, after),
                    ChangeKind::Cosmetic,
                    ChangeKind::Cosmetic,
                );
            }
            if field.lambda.source() != after.lambda.source() {
                self.cosmetic(&path("lambda"), "it is computed in another way");
            }
        }
        for field in &new.computed_fields {
            if old.computed_field(field.name.as_str()).is_none() {
                let message = format!("the computed field \"{}\" is new", field.name);
                self.push(OFFER.new, &path(field.name.as_str()), message);
            }
        }
        let (before, after) = (names(old), names(new));
        let in_both = |name: &&String| before.contains(name) && after.contains(name);
        if !before
            .iter()
            .filter(in_both)
            .eq(after.iter().filter(in_both))
        {
            self.cosmetic(
                "computed_fields",
                "the computed fields are in another order",
            );
        }
    }
}

/// Why the same type needs another column.
fn reason_for_column(old: &Field, new: &Field) -> &'static str {
    let has = |field: &Field| (field.relation.is_some(), field.lookup.is_some());
    if old.multiple != new.multiple {
        "multiple"
    } else if has(old).0 != has(new).0 {
        "relation"
    } else if has(old).1 != has(new).1 {
        "lookup_table"
    } else if old.lookup.is_some() {
        "lookup_key"
    } else {
        "options"
    }
}

/// Whether every text is a value of this type.
fn accepts_any_text(kind: FieldType) -> bool {
    let is_checked = matches!(
        kind,
        FieldType::Email
            | FieldType::Url
            | FieldType::Phone
            | FieldType::Color
            | FieldType::Select
            | FieldType::Radio
    );
    kind.value_kind() == ValueKind::Text && !is_checked
}
