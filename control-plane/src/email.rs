//! E-mail addresses.

use std::fmt;
use std::str::FromStr;

/// An address as a person typed it, of a shape that mail servers accept.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct EmailAddress(String);

/// Why a text is not an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ParseEmailError {
    /// Nothing there.
    #[error("is required")]
    Empty,
    /// Longer than SMTP allows.
    #[error("must be at most {} characters long", EmailAddress::MAX_LEN)]
    TooLong,
    /// Not `name@domain`.
    #[error("must look like name@example.com")]
    Shape,
}

impl EmailAddress {
    /// The longest path of RFC 5321 without its angle brackets.
    pub const MAX_LEN: usize = 254;

    /// The address as typed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is compared: nobody has two mailboxes that differ in case.
    pub fn key(&self) -> String {
        self.0.to_lowercase()
    }

    /// The part before the at sign.
    pub fn local_part(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(local, _)| local)
    }
}

impl FromStr for EmailAddress {
    type Err = ParseEmailError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ParseEmailError::Empty);
        }
        if text.len() > Self::MAX_LEN {
            return Err(ParseEmailError::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(ParseEmailError::Shape)?;
        let local_is_good = (1..=64).contains(&local.len())
            && local.split('.').all(|atom| {
                !atom.is_empty()
                    && atom
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
            });
        let domain_is_good = domain.split('.').count() >= 2
            && domain.split('.').all(|label| {
                (1..=63).contains(&label.len())
                    && !label.starts_with('-')
                    && !label.ends_with('-')
                    && label
                        .bytes()
                        .all(|b| b.is_ascii_alphanumeric() || b == b'-')
            });
        if local_is_good && domain_is_good {
            Ok(Self(text.to_owned()))
        } else {
            Err(ParseEmailError::Shape)
        }
    }
}

impl fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_people_are_accepted() {
        for good in [
            "a@b.co",
            "first.last+tag@mail.example.com",
            " ann@example.com ",
            "o'neil@example.ie",
        ] {
            let parsed: EmailAddress = good.parse().unwrap();
            assert_eq!(parsed.as_str(), good.trim());
        }
    }

    #[test]
    fn what_mail_cannot_reach_or_could_inject_is_refused() {
        for bad in [
            "ann",
            "@example.com",
            "ann@",
            "ann@localhost",
            "ann@-a.com",
            "a b@example.com",
            "a@b@c.com.",
            "ann@example.com\r\nBcc: x@example.com",
            "ann@exa mple.com",
            ".a@example.com",
            "a..b@example.com",
            "\"a\"@example.com",
            "ann@example..com",
            "änn@example.com",
        ] {
            assert_eq!(
                bad.parse::<EmailAddress>(),
                Err(ParseEmailError::Shape),
                "{bad:?}"
            );
        }
        assert_eq!("  ".parse::<EmailAddress>(), Err(ParseEmailError::Empty));
        let long = format!("a@{}.com", "b".repeat(300));
        assert_eq!(long.parse::<EmailAddress>(), Err(ParseEmailError::TooLong));
    }
}
