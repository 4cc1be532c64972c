//! Names that people choose: tenant slugs and module names.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Why a text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ParseNameError {
    /// Too short or too long.
    #[error("must be {min} to {max} characters long, not {actual}")]
    Length {
        /// Shortest allowed.
        min: usize,
        /// Longest allowed.
        max: usize,
        /// What was given.
        actual: usize,
    },
    /// A character that is not allowed where it stands.
    #[error("must be {allowed}; {found:?} at position {position} is not")]
    Character {
        /// What is allowed, in words.
        allowed: &'static str,
        /// What was found.
        found: char,
        /// Where, counted from 1.
        position: usize,
    },
    /// Valid, but kept for the platform.
    #[error("\"{0}\" is kept for the platform; choose another")]
    Reserved(String),
}

/// The part of a tenant's address that a customer chooses: `acme` in `acme.example.com`.
///
/// At most 40 characters, so that `tenant-<slug>` is a Kubernetes namespace (63) with room for a suffix.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TenantSlug(String);

impl TenantSlug {
    /// Shortest slug.
    pub const MIN_LEN: usize = 3;
    /// Longest slug: `tenant-` and a suffix of 16 must still fit into 63.
    pub const MAX_LEN: usize = 40;
    /// Hosts of the platform itself, now or some day.
    pub const RESERVED: &'static [&'static str] = &[
        "admin",
        "api",
        "app",
        "assets",
        "auth",
        "billing",
        "blog",
        "console",
        "dashboard",
        "dev",
        "docs",
        "download",
        "ftp",
        "gotrs",
        "help",
        "imap",
        "internal",
        "login",
        "mail",
        "metrics",
        "pop",
        "router",
        "signup",
        "smtp",
        "static",
        "status",
        "support",
        "system",
        "webhooks",
        "www",
    ];

    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantSlug {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str = "lower-case letters, digits and single hyphens, starting with a letter \
                               and not ending with a hyphen";
        check_length(text, Self::MIN_LEN, Self::MAX_LEN)?;
        let last = text.chars().count();
        let mut previous = '-';
        for (position, found) in (1..).zip(text.chars()) {
            let good = match found {
                'a'..='z' => true,
                '0'..='9' => position > 1,
                '-' => position > 1 && position < last && previous != '-',
                _ => false,
            };
            if !good {
                return Err(ParseNameError::Character {
                    allowed: ALLOWED,
                    found,
                    position,
                });
            }
            previous = found;
        }
        if Self::RESERVED.contains(&text) {
            return Err(ParseNameError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A module's identity: its URL segment and the `name` in its file.
///
/// At most 50 characters, so that the table `x_<name>` and its indexes fit PostgreSQL's 63.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleName(String);

impl ModuleName {
    /// Longest module name.
    pub const MAX_LEN: usize = 50;

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ModuleName {
    type Err = ParseNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const ALLOWED: &str =
            "lower-case letters, digits, underscores and hyphens, starting with a letter";
        check_length(text, 1, Self::MAX_LEN)?;
        for (position, found) in (1..).zip(text.chars()) {
            let good = match found {
                'a'..='z' => true,
                '0'..='9' | '_' | '-' => position > 1,
                _ => false,
            };
            if !good {
                return Err(ParseNameError::Character {
                    allowed: ALLOWED,
                    found,
                    position,
                });
            }
        }
        Ok(Self(text.to_owned()))
    }
}

fn check_length(text: &str, min: usize, max: usize) -> Result<(), ParseNameError> {
    let actual = text.chars().count();
    if (min..=max).contains(&actual) {
        Ok(())
    } else {
        Err(ParseNameError::Length { min, max, actual })
    }
}

macro_rules! text_name {
    ($($name:ident),+) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

text_name!(TenantSlug, ModuleName);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn slugs_that_can_be_host_names_are_accepted() {
        for good in ["acme", "a-1", "abc-def-9", &"a".repeat(40)] {
            assert_eq!(good.parse::<TenantSlug>().unwrap().as_str(), good);
        }
    }

    #[test]
    fn slugs_that_cannot_be_are_refused_with_the_reason() {
        for (bad, why) in [
            ("ab", "must be 3 to 40 characters long, not 2"),
            ("Acme", "'A' at position 1"),
            ("1acme", "'1' at position 1"),
            ("acme-", "'-' at position 5"),
            ("ac--me", "'-' at position 4"),
            ("ac_me", "'_' at position 3"),
            ("acmé", "'é' at position 4"),
            ("www", "kept for the platform"),
        ] {
            let error = bad.parse::<TenantSlug>().unwrap_err().to_string();
            assert!(error.contains(why), "{bad}: {error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_round_trips(text in ".{0,60}") {
            if let Ok(slug) = text.parse::<TenantSlug>() {
                prop_assert_eq!(slug.to_string(), text.clone());
            }
            if let Ok(name) = text.parse::<ModuleName>() {
                prop_assert_eq!(name.to_string(), text);
            }
        }
    }
}
