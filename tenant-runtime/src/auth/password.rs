//! Passwords: ours (argon2id) and every shape that an imported database can hold.
//!
//! The shapes are told apart by how they look, as OTRS does it. What is not recognised matches nothing.

use argon2::Argon2;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _, phc::PasswordHash};
use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use subtle::ConstantTimeEq as _;

/// Longest password that is looked at: more only costs time.
pub const MAX_LEN: usize = 1024;

/// What a check came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It is the password.
    Match,
    /// It is the password, stored in an old shape: store it anew.
    MatchOldShape,
    /// It is not, or nothing can be it.
    Mismatch,
}

/// A hash could not be made.
#[derive(Debug, thiserror::Error)]
#[error("hashing a password")]
pub struct HashError(#[source] argon2::password_hash::Error);

/// A new argon2id hash in PHC format.
pub fn hash(password: &str) -> Result<String, HashError> {
    Argon2::default()
        .hash_password(password.as_bytes())
        .map(|hash| hash.to_string())
        .map_err(HashError)
}

/// Checks `password` against what is stored. Costs one argon2id computation whatever the shape and also when nothing is
/// stored, so that the time tells nothing about which logins exist.
pub fn verify(stored: Option<&str>, password: &str) -> Verdict {
    if password.is_empty() || password.len() > MAX_LEN {
        return Verdict::Mismatch;
    }
    let shape = stored.map_or(Shape::Unknown, Shape::of);
    if let Shape::Argon2(hash) = shape {
        return match Argon2::default().verify_password(password.as_bytes(), &*hash) {
            Ok(()) => Verdict::Match,
            Err(_) => Verdict::Mismatch,
        };
    }
    let matches = shape.matches(password);
    // The same work as above; the result is of no interest.
    drop(hash(password));
    if matches {
        Verdict::MatchOldShape
    } else {
        Verdict::Mismatch
    }
}

/// How a stored password looks.
enum Shape {
    Argon2(Box<PasswordHash>),
    Sha1([u8; 20]),
    Sha256([u8; 32]),
    Sha512([u8; 64]),
    /// In the form that bcrypt crates read.
    Bcrypt(String),
    Unknown,
}

impl Shape {
    fn of(stored: &str) -> Self {
        if stored.starts_with("$argon2id$") {
            return PasswordHash::new(stored)
                .map_or(Self::Unknown, |hash| Self::Argon2(Box::new(hash)));
        }
        if let Some(rest) = stored.strip_prefix("BCRYPT:") {
            return bcrypt_of(rest).map_or(Self::Unknown, Self::Bcrypt);
        }
        match stored.len() {
            40 => hex_of(stored).map_or(Self::Unknown, Self::Sha1),
            64 => hex_of(stored).map_or(Self::Unknown, Self::Sha256),
            128 => hex_of(stored).map_or(Self::Unknown, Self::Sha512),
            _ => Self::Unknown,
        }
    }

    fn matches(&self, password: &str) -> bool {
        let bytes = password.as_bytes();
        match self {
            Self::Argon2(_) | Self::Unknown => false,
            Self::Sha1(stored) => Sha1::digest(bytes).as_slice().ct_eq(stored).into(),
            Self::Sha256(stored) => Sha256::digest(bytes).as_slice().ct_eq(stored).into(),
            Self::Sha512(stored) => Sha512::digest(bytes).as_slice().ct_eq(stored).into(),
            Self::Bcrypt(stored) => bcrypt::verify(bytes, stored).unwrap_or(false),
        }
    }
}

fn hex_of<const N: usize>(text: &str) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok().map(|()| bytes)
}

/// `<cost>:<16 raw salt characters><31 characters of hash>` (a colon between the last two is optional) as `$2b$...`: OTRS
/// keeps the salt raw, everyone else in bcrypt's own base64.
fn bcrypt_of(rest: &str) -> Option<String> {
    let (cost, rest) = rest.split_once(':')?;
    let cost: u32 = cost.parse().ok().filter(|cost| (4..=31).contains(cost))?;
    if !rest.is_ascii() {
        return None;
    }
    let (salt, hash) = rest.split_at_checked(16)?;
    let hash = hash.strip_prefix(':').unwrap_or(hash);
    if hash.len() != 31 {
        return None;
    }
    Some(format!(
        "$2b${cost:02}${}{hash}",
        bcrypt_base64(salt.as_bytes())
    ))
}

fn bcrypt_base64(bytes: &[u8]) -> String {
    use base64::Engine as _;
    use base64::alphabet::BCRYPT;
    use base64::engine::GeneralPurpose;
    use base64::engine::general_purpose::NO_PAD;
    GeneralPurpose::new(&BCRYPT, NO_PAD).encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWORD: &str = "Secret-äö1";

    /// Seen to work with Znuny 6.5.1.
    const ACCEPTED: [&str; 4] = [
        "ca1c035b275deefa2239eb515d58a2c54b1d2f7d",
        "a3ecebe92d55762c3462c1d61dfdb83b15575430daed28386c0fbab9f9d63d93",
        "7ac03e79aede707bfb6a7ab59f9083ebbf28723b8bcb504bf7ad43c2d9800154487533b78ba3c9dcfae8e6b87e2b82537e75e8e960ce73a908e6004e6589633c",
        "BCRYPT:9:0123456789abcdef:xYQkcwr8vXXDEuVmkm3Cx5UHKm5xSeS",
    ];

    #[test]
    fn old_shapes_match_and_ask_to_be_stored_anew() {
        for stored in ACCEPTED {
            assert_eq!(
                verify(Some(stored), PASSWORD),
                Verdict::MatchOldShape,
                "{stored}"
            );
            assert_eq!(
                verify(Some(stored), "secret-äö1"),
                Verdict::Mismatch,
                "{stored}"
            );
        }
    }

    #[test]
    fn our_own_shape_matches_and_stays() {
        let stored = hash(PASSWORD).unwrap();
        assert!(stored.starts_with("$argon2id$v=19$"), "{stored}");
        assert_eq!(verify(Some(&stored), PASSWORD), Verdict::Match);
        assert_eq!(verify(Some(&stored), "wrong"), Verdict::Mismatch);
    }

    #[test]
    fn nothing_matches_an_empty_password_or_a_shape_that_is_not_known() {
        let empty_sha256 = hex::encode(Sha256::digest(b""));
        assert_eq!(verify(Some(&empty_sha256), ""), Verdict::Mismatch);
        for stored in [
            "",
            PASSWORD,
            "$6$saltsalt$o9g6./Mr065lILZP0RUgB4OR6JPZ9fJeQaOVmeV1e5EQyN4bYpxvXgJO5ycv4vOLgv7qx.4u0wMCFZ7/SExqL/",
            "BCRYPT:99:0123456789abcdef:xYQkcwr8vXXDEuVmkm3Cx5UHKm5xSeS",
            "BCRYPT:9:short",
            "$argon2id$broken",
        ] {
            assert_eq!(
                verify(Some(stored), PASSWORD),
                Verdict::Mismatch,
                "{stored}"
            );
        }
        assert_eq!(verify(None, PASSWORD), Verdict::Mismatch);
    }

    proptest::proptest! {
        #[test]
        fn reading_a_stored_text_never_panics(stored in "(BCRYPT:[0-9]{0,3}:)?\\PC{0,70}") {
            let shape = Shape::of(&stored);
            proptest::prop_assert!(!matches!(shape, Shape::Sha512(_)));
        }
    }
}
