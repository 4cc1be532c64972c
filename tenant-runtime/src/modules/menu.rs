//! The frame of pages: its navigation follows from the loaded modules.

use std::collections::BTreeMap;
use std::sync::Arc;

use module_spec::{ModuleSpec, Operation, Portal};
use service_kit::pages::{Density, NavItem, NavSection, Shell};

use crate::app::App;
use crate::auth::permission::{Permission, PermissionSet};
use crate::modules::LoadedModules;

/// Modules that name no group stand under this heading.
const OTHER: &str = "More";

/// One module in the menu or in the overview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Identity.
    pub name: String,
    /// Several records.
    pub label: String,
    /// A sentence about it; may be empty.
    pub description: String,
    /// Lucide name.
    pub icon: String,
    /// Where its list is.
    pub href: String,
}

/// Modules of one heading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The heading.
    pub title: String,
    /// Its modules in their order.
    pub entries: Vec<Entry>,
}

/// What `permissions` may see of the administration, by group. A group stands where its first module wants to stand.
pub fn groups(modules: &LoadedModules, permissions: &PermissionSet) -> Vec<Group> {
    grouped(modules.iter().map(|module| module.spec()), permissions)
}

fn grouped<'a>(
    specs: impl Iterator<Item = &'a ModuleSpec>,
    permissions: &PermissionSet,
) -> Vec<Group> {
    if !permissions.is_admin() {
        return Vec::new();
    }
    let mut by_title: BTreeMap<String, Vec<(i32, Entry)>> = BTreeMap::new();
    for spec in specs {
        if !spec.portals().contains(&Portal::Admin) || !may_view(spec, permissions) {
            continue;
        }
        let title = spec
            .menu()
            .group()
            .map_or(OTHER, |group| group.display())
            .to_owned();
        by_title
            .entry(title)
            .or_default()
            .push((spec.menu().order(), entry(spec)));
    }
    let mut ordered: Vec<(i32, Group)> = by_title
        .into_iter()
        .map(|(title, mut entries)| {
            entries.sort_by(|(a, one), (b, other)| (a, &one.label).cmp(&(b, &other.label)));
            let first = entries.first().map_or(i32::MAX, |(order, _)| *order);
            let entries = entries.into_iter().map(|(_, entry)| entry).collect();
            (first, Group { title, entries })
        })
        .collect();
    ordered.sort_by(|(a, one), (b, other)| {
        (one.title == OTHER, a, &one.title).cmp(&(other.title == OTHER, b, &other.title))
    });
    ordered.into_iter().map(|(_, group)| group).collect()
}

/// Whether the module shows itself to somebody with these permissions.
fn may_view(spec: &ModuleSpec, permissions: &PermissionSet) -> bool {
    let groups = spec.access().groups(Operation::View);
    spec.permissions().view
        && (groups.is_empty()
            || groups
                .iter()
                .any(|group| permissions.allows(group, Permission::Ro)))
}

fn entry(spec: &ModuleSpec) -> Entry {
    Entry {
        name: spec.name().to_string(),
        label: spec.plural().display().to_owned(),
        description: spec
            .description()
            .map(|text| text.display().to_owned())
            .unwrap_or_default(),
        icon: spec.menu().icon().unwrap_or("box").to_owned(),
        href: format!("/admin/{}", spec.name()),
    }
}

/// The frame for an agent.
pub fn shell(app: &App, permissions: &PermissionSet) -> Arc<Shell> {
    let modules = app.modules.current();
    let mut nav = vec![NavSection {
        title: String::new(),
        items: vec![NavItem::new("Home", "/agent", "house")],
    }];
    if permissions.is_admin() {
        if let Some(first) = nav.first_mut() {
            first
                .items
                .push(NavItem::new("Administration", "/admin", "settings"));
        }
        nav.extend(groups(&modules, permissions).into_iter().map(|group| {
            NavSection {
                title: group.title,
                items: group
                    .entries
                    .into_iter()
                    .map(|entry| NavItem::new(entry.label, entry.href, entry.icon))
                    .collect(),
            }
        }));
    }
    Arc::new(Shell {
        home: "/agent".to_owned(),
        nav,
        sign_out: "/logout".to_owned(),
        events: format!("/events?seen={}", app.modules.tag(modules.revision)),
        ..plain(app)
    })
}

/// The frame where nobody is signed in.
pub fn plain_shell(app: &App) -> Arc<Shell> {
    Arc::new(plain(app))
}

fn plain(app: &App) -> Shell {
    Shell {
        product: app.tenant.name.clone(),
        home: "/".to_owned(),
        density: Density::Compact,
        ..Shell::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, rest: &str) -> ModuleSpec {
        let text = format!(
            "module: {{name: {name}, singular: S, plural: {name}s, storage: managed{rest}}}\nfields:\n- {{name: a, type: string}}\n"
        );
        let (spec, findings) = module_spec::parse(&text);
        spec.unwrap_or_else(|| panic!("{findings:?}"))
    }

    #[test]
    fn groups_and_modules_stand_in_the_order_that_they_ask_for() {
        let specs = [
            spec("zebra", ""),
            spec("late", ", menu: {group: Things, order: 90}"),
            spec("early", ", menu: {group: Things, order: 10}"),
            spec("first", ", menu: {group: Zone, order: 1}"),
        ];
        let admin = PermissionSet::from_grants([("admin", "rw")]);
        let shown: Vec<String> = grouped(specs.iter(), &admin)
            .into_iter()
            .map(|group| {
                let names: Vec<_> = group
                    .entries
                    .iter()
                    .map(|entry| entry.name.as_str())
                    .collect();
                format!("{}: {}", group.title, names.join(" "))
            })
            .collect();
        assert_eq!(shown, ["Zone: first", "Things: early late", "More: zebra"]);
        assert!(grouped(specs.iter(), &PermissionSet::default()).is_empty());
    }

    #[test]
    fn a_module_for_other_groups_is_not_in_the_menu() {
        let mut text = "module: {name: pay, singular: P, plural: Ps, storage: managed}\nfields:\n- {name: a, type: string}\n".to_owned();
        text.push_str("access: {view: [payroll]}\n");
        let (spec, findings) = module_spec::parse(&text);
        let spec = spec.unwrap_or_else(|| panic!("{findings:?}"));
        let admin = PermissionSet::from_grants([("admin", "rw")]);
        assert!(grouped(std::iter::once(&spec), &admin).is_empty());
        let payroll = PermissionSet::from_grants([("admin", "rw"), ("payroll", "ro")]);
        assert_eq!(grouped(std::iter::once(&spec), &payroll).len(), 1);
    }
}
