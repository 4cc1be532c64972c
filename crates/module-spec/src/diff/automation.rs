//! Changes of code: hooks, events, schedules, actions, and of views.

use super::{ChangeKind, Changes, LOOK, OFFER, Pairs};
use crate::spec::{Action, EventHandler, Hook, ListColumn, ModuleSpec, Schedule, View};

impl Changes {
    pub(super) fn of_hooks(&mut self, old: &ModuleSpec, new: &ModuleSpec) {
        for hook in Hook::ALL {
            let code = |spec: &ModuleSpec| spec.hooks.get(hook).map(|it| it.source().to_owned());
            let (before, after) = (code(old), code(new));
            // What runs before something is done may refuse it; what runs after it may not.
            let may_refuse = matches!(
                hook,
                Hook::BeforeValidate | Hook::BeforeSave | Hook::BeforeDelete
            );
            let (kind, message) = match (before, after) {
                (None, Some(_)) if may_refuse => (
                    ChangeKind::Narrowing,
                    "the hook is new; it may change or refuse records",
                ),
                (None, Some(_)) => (ChangeKind::Additive, "the hook is new"),
                (Some(_), None) if may_refuse => (ChangeKind::Additive, "the hook is gone"),
                (Some(_), None) => (ChangeKind::Narrowing, "the hook is gone"),
                (Some(before), Some(after)) if before != after => (
                    if may_refuse {
                        ChangeKind::Narrowing
                    } else {
                        ChangeKind::Cosmetic
                    },
                    "the hook does something else",
                ),
                _ => continue,
            };
            self.push(kind, &format!("hooks.{}", hook.as_str()), message);
        }
    }

    pub(super) fn of_automation(&mut self, old: &ModuleSpec, new: &ModuleSpec, pairs: &Pairs<'_>) {
        self.by_position("events", "event", &old.events, &new.events, Self::of_event);
        self.by_position(
            "schedules",
            "schedule",
            &old.schedules,
            &new.schedules,
            Self::of_schedule,
        );
        let action = |action: &Action| action.name.to_string();
        self.by_name(
            "actions",
            "action",
            (&old.actions, &new.actions),
            action,
            |changes, path, (old, new)| {
                changes.of_action(path, old, new);
            },
        );
        let view = |view: &View| view.name.to_string();
        self.by_name(
            "views",
            "view",
            (&old.views, &new.views),
            view,
            |changes, path, (before, after)| {
                changes.of_view(path, (old, before), (new, after), pairs);
            },
        );
    }

    /// Events and schedules have no names: the first is compared with the first, and so on.
    fn by_position<T>(
        &mut self,
        key: &str,
        what: &str,
        old: &[T],
        new: &[T],
        compare: fn(&mut Self, &str, &T, &T),
    ) {
        for at in 0..old.len().max(new.len()) {
            let path = format!("{key}[{at}]");
            match (old.get(at), new.get(at)) {
                (Some(before), Some(after)) => compare(self, &path, before, after),
                (None, Some(_)) => self.push(OFFER.new, &path, format!("the {what} is new")),
                (Some(_), None) => self.push(OFFER.gone, &path, format!("the {what} is gone")),
                (None, None) => {}
            }
        }
    }

    fn by_name<T>(
        &mut self,
        key: &str,
        what: &str,
        (old, new): (&[T], &[T]),
        name: impl Fn(&T) -> String,
        compare: impl Fn(&mut Self, &str, (&T, &T)),
    ) {
        let names = |list: &[T]| list.iter().map(&name).collect::<Vec<String>>();
        let (before, after) = (names(old), names(new));
        for (entry, own) in old.iter().zip(&before) {
            let path = format!("{key}.{own}");
            match new.iter().zip(&after).find(|(_, other)| *other == own) {
                Some((other, _)) => compare(self, &path, (entry, other)),
                None => self.push(OFFER.gone, &path, format!("the {what} \"{own}\" is gone")),
            }
        }
        for own in after.iter().filter(|own| !before.contains(own)) {
            let message = format!("the {what} \"{own}\" is new");
            self.push(OFFER.new, &format!("{key}.{own}"), message);
        }
        let kept = |list: &[String], others: &[String]| -> Vec<String> {
            list.iter()
                .filter(|own| others.contains(own))
                .cloned()
                .collect()
        };
        if kept(&before, &after) != kept(&after, &before) {
            self.cosmetic(key, &format!("the {key} are in another order"));
        }
    }

    fn code(&mut self, path: &str, old: &str, new: &str) {
        if old != new {
            self.cosmetic(&format!("{path}.lambda"), "it does something else");
        }
    }

    fn of_event(&mut self, path: &str, old: &EventHandler, new: &EventHandler) {
        self.words(&format!("{path}.on"), &old.on, &new.on);
        self.lambda(
            &format!("{path}.when"),
            old.when.as_ref(),
            new.when.as_ref(),
        );
        self.code(path, old.lambda.source(), new.lambda.source());
    }

    fn of_schedule(&mut self, path: &str, old: &Schedule, new: &Schedule) {
        for (key, before, after) in [
            ("cron", old.cron.as_str(), new.cron.as_str()),
            ("time_zone", old.time_zone, new.time_zone),
        ] {
            self.option(&format!("{path}.{key}"), LOOK, Some(before), Some(after));
        }
        self.code(path, old.lambda.source(), new.lambda.source());
    }

    fn of_action(&mut self, path: &str, old: &Action, new: &Action) {
        let key = |key: &str| format!("{path}.{key}");
        self.text(&key("label"), Some(&old.label), Some(&new.label));
        self.option(&key("icon"), LOOK, old.icon.as_ref(), new.icon.as_ref());
        self.text(&key("confirm"), old.confirm.as_ref(), new.confirm.as_ref());
        let scopes = (old.scope.as_str(), new.scope.as_str());
        self.option(&key("scope"), OFFER, Some(scopes.0), Some(scopes.1));
        self.groups(&key("access"), &old.access, &new.access);
        self.code(path, old.lambda.source(), new.lambda.source());
    }

    fn of_view(
        &mut self,
        path: &str,
        (old, before): (&ModuleSpec, &View),
        (new, after): (&ModuleSpec, &View),
        pairs: &Pairs<'_>,
    ) {
        let key = |key: &str| format!("{path}.{key}");
        let kinds = (before.kind.as_str(), after.kind.as_str());
        self.option(&key("kind"), LOOK, Some(kinds.0), Some(kinds.1));
        if columns(old, before, pairs) != columns(new, after, pairs) {
            self.cosmetic(&key("columns"), "it shows other columns");
        }
        let filters = |spec: &ModuleSpec, view: &View| -> Vec<String> {
            let said = view.filters.iter().map(|filter| {
                let name = name_of(spec, filter.field_index, pairs);
                format!("{name} {:?}", filter.values)
            });
            said.collect()
        };
        if filters(old, before) != filters(new, after) {
            self.cosmetic(&key("filters"), "it shows other records");
        }
        let sorts = (before.sort.as_ref(), after.sort.as_ref());
        self.sort(&key("sort"), (old, sorts.0), (new, sorts.1));
    }
}

/// The columns of a view by name.
fn columns(spec: &ModuleSpec, view: &View, pairs: &Pairs<'_>) -> Vec<String> {
    let name = |column: &ListColumn| match *column {
        ListColumn::Field(at) => name_of(spec, at, pairs),
        computed @ ListColumn::Computed(_) => {
            spec.column_name(computed).unwrap_or_default().to_owned()
        }
    };
    view.columns.iter().map(name).collect()
}

/// A field's name in the new version.
fn name_of(spec: &ModuleSpec, at: usize, pairs: &Pairs<'_>) -> String {
    let renamed = if std::ptr::eq(spec, pairs.old) {
        pairs.new_name(at)
    } else {
        None
    };
    let own = || spec.fields.get(at).map(|field| field.name.as_str());
    renamed.or_else(own).unwrap_or_default().to_owned()
}
