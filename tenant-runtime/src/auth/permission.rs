//! What an agent may do, as OTRS keeps it: permission keys per group, given to users directly or through roles.

use std::collections::BTreeMap;

use serde::Serialize;

/// The group whose `rw` opens the administration.
pub const ADMIN_GROUP: &str = "admin";

/// A permission key on a group. `Rw` implies all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// See.
    Ro,
    /// Move tickets into a queue of the group.
    MoveInto,
    /// Create tickets in a queue of the group.
    Create,
    /// Add notes.
    Note,
    /// Change the owner.
    Owner,
    /// Change the priority.
    Priority,
    /// Everything.
    Rw,
}

impl Permission {
    /// Every key, in the order of OTRS' own screens.
    pub const ALL: [Self; 7] = [
        Self::Ro,
        Self::MoveInto,
        Self::Create,
        Self::Note,
        Self::Owner,
        Self::Priority,
        Self::Rw,
    ];

    /// As it is stored in `permission_key`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ro => "ro",
            Self::MoveInto => "move_into",
            Self::Create => "create",
            Self::Note => "note",
            Self::Owner => "owner",
            Self::Priority => "priority",
            Self::Rw => "rw",
        }
    }

    /// The permission of a stored key; `None` for keys that an installation added by itself.
    pub fn from_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == key)
    }

    const fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// All that one agent may do. Built from rows, so what the database does not grant is not in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PermissionSet {
    groups: BTreeMap<String, u8>,
}

impl PermissionSet {
    /// The set of these `(group, key)` pairs. Keys that are not ours grant nothing.
    pub fn from_grants<'a>(grants: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut groups: BTreeMap<String, u8> = BTreeMap::new();
        for (group, key) in grants {
            if let Some(permission) = Permission::from_key(key) {
                *groups.entry(group.to_owned()).or_default() |= permission.bit();
            }
        }
        Self { groups }
    }

    /// Whether `permission` is held on `group`, by itself or through `rw`.
    pub fn allows(&self, group: &str, permission: Permission) -> bool {
        self.groups
            .get(group)
            .is_some_and(|bits| bits & (permission.bit() | Permission::Rw.bit()) != 0)
    }

    /// Whether the administration is open to this agent.
    pub fn is_admin(&self) -> bool {
        self.allows(ADMIN_GROUP, Permission::Rw)
    }

    /// Names of the groups in which anything is held.
    pub fn groups(&self) -> impl Iterator<Item = &str> {
        self.groups.keys().map(String::as_str)
    }

    /// The keys held on `group`, as they are stored.
    pub fn keys_of(&self, group: &str) -> Vec<&'static str> {
        let bits = self.groups.get(group).copied().unwrap_or_default();
        Permission::ALL
            .into_iter()
            .filter(|permission| bits & permission.bit() != 0)
            .map(Permission::as_str)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn rw_implies_everything_in_its_group_only() {
        let set = PermissionSet::from_grants([("admin", "rw"), ("users", "ro")]);
        for permission in Permission::ALL {
            assert!(set.allows("admin", permission));
        }
        assert!(set.allows("users", Permission::Ro));
        assert!(!set.allows("users", Permission::Note));
        assert!(!set.allows("stats", Permission::Ro));
        assert!(set.is_admin());
    }

    #[test]
    fn a_reader_of_the_admin_group_is_no_administrator() {
        let set = PermissionSet::from_grants([("admin", "ro"), ("admin", "note")]);
        assert!(!set.is_admin());
        assert_eq!(set.keys_of("admin"), ["ro", "note"]);
    }

    #[test]
    fn keys_that_are_not_ours_grant_nothing() {
        let set = PermissionSet::from_grants([("admin", "RW"), ("admin", "bounce")]);
        assert_eq!(set.groups().count(), 0);
    }

    proptest! {
        #[test]
        fn more_grants_never_take_anything_away(
            keys in proptest::collection::vec((0_usize..3, 0_usize..7), 0..12),
            extra in (0_usize..3, 0_usize..7),
        ) {
            const GROUPS: [&str; 3] = ["admin", "users", "stats"];
            let grants = |pairs: &[(usize, usize)]| PermissionSet::from_grants(
                pairs.iter().map(|&(group, key)| (GROUPS[group], Permission::ALL[key].as_str())).collect::<Vec<_>>(),
            );
            let before = grants(&keys);
            let mut more = keys.clone();
            more.push(extra);
            let after = grants(&more);
            for group in GROUPS {
                for permission in Permission::ALL {
                    prop_assert!(!before.allows(group, permission) || after.allows(group, permission));
                }
            }
        }
    }
}
