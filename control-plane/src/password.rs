//! Passwords: what is accepted, and how it is hashed and compared.

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher as _, PasswordVerifier as _};
use secrecy::{ExposeSecret as _, SecretString};
use service_kit::Tasks;
use service_kit::lifecycle::BlockingError;

/// Shortest password in characters.
pub const MIN_LEN: usize = 10;
/// Longest password in bytes: enough for any phrase, little enough to hash.
pub const MAX_LEN: usize = 256;

/// Argon2id with the parameters of [`Argon2::default`] over a random text that nobody knows. Compared
/// against when there is no account, so that an answer takes as long as when there is one.
const NOBODYS_HASH: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$9PqtFPLZ0JtyF1aUfCRyXJAlAXyTDoMBtLoVNwmpcQM";

/// The beginnings of most lists of leaked passwords, as far as they are long enough for us, and what people
/// think of when ten characters are asked for.
const COMMON: &[&str] = &[
    "0123456789",
    "0987654321",
    "1029384756",
    "1111111111",
    "1122334455",
    "1234512345",
    "1234567890",
    "1234567891",
    "12345678910",
    "123456789a",
    "123456789q",
    "12345qwert",
    "1q2w3e4r5t",
    "1q2w3e4r5t6y",
    "1qaz2wsx3edc",
    "9876543210",
    "aaaaaaaaaa",
    "abc1234567",
    "abcd123456",
    "abcdefghij",
    "administrator",
    "adminadmin",
    "asdfasdfasdf",
    "asdfghjkl1",
    "asdfghjkl;",
    "baseball123",
    "basketball",
    "changeme123",
    "charlie123",
    "chocolate1",
    "computer123",
    "corvette123",
    "dragon1234",
    "football123",
    "gotrs12345",
    "helpdesk123",
    "iloveyou12",
    "iloveyou123",
    "letmein123",
    "liverpool1",
    "loveyou123",
    "manchester",
    "master1234",
    "michael123",
    "monkey1234",
    "mypassword",
    "mynoob1234",
    "p@ssw0rd123",
    "pass123456",
    "passw0rd123",
    "password01",
    "password10",
    "password11",
    "password12",
    "password123",
    "password1234",
    "password12345",
    "passwordpassword",
    "princess123",
    "qazwsxedcrfv",
    "qwer123456",
    "qwert12345",
    "qwerty1234",
    "qwerty12345",
    "qwerty123456",
    "qwertyuiop",
    "qwertyuiop123",
    "secret1234",
    "starwars123",
    "summer2024",
    "summer2025",
    "summer2026",
    "sunshine123",
    "superman123",
    "test123456",
    "testtest123",
    "ticket1234",
    "unbelievable",
    "welcome123",
    "welcome1234",
    "whatever123",
    "winter2024",
    "winter2025",
    "winter2026",
    "zaq12wsxcde3",
    "zxcvbnm123",
];

/// Why a password is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WeakPasswordError {
    /// Nothing there.
    #[error("is required")]
    Empty,
    /// Too short.
    #[error(
        "must be at least {MIN_LEN} characters long; a few words in a row are easy to remember"
    )]
    TooShort,
    /// Too long to hash.
    #[error("must be at most {MAX_LEN} bytes long")]
    TooLong,
    /// Among those that are tried first.
    #[error("is one of the first that somebody would try; a few words in a row are better")]
    Common,
    /// Follows from what everybody knows.
    #[error("must not be made of the e-mail address or the organization's name")]
    Personal,
}

impl WeakPasswordError {
    /// Stable word for programs.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Empty => "required",
            Self::TooShort => "too_short",
            Self::TooLong => "too_long",
            Self::Common => "common_password",
            Self::Personal => "personal_password",
        }
    }
}

/// Whether a new password is good enough; `known` are texts that an attacker knows of its owner.
pub fn check_strength(password: &SecretString, known: &[&str]) -> Result<(), WeakPasswordError> {
    let text = password.expose_secret();
    if text.is_empty() {
        return Err(WeakPasswordError::Empty);
    }
    if text.chars().count() < MIN_LEN {
        return Err(WeakPasswordError::TooShort);
    }
    if text.len() > MAX_LEN {
        return Err(WeakPasswordError::TooLong);
    }
    let lower = text.to_lowercase();
    let mut characters = lower.chars();
    let first = characters.next();
    if COMMON.contains(&lower.as_str()) || characters.all(|c| Some(c) == first) {
        return Err(WeakPasswordError::Common);
    }
    let is_personal = |known: &&str| {
        let known = known.trim().to_lowercase();
        // Shorter ones are part of too many good passwords.
        known.chars().count() >= 4
            && lower.replace(known.as_str(), "").chars().count() < MIN_LEN / 2
    };
    if known.iter().any(is_personal) {
        return Err(WeakPasswordError::Personal);
    }
    Ok(())
}

/// A password could not be hashed or a stored hash could not be read.
#[derive(Debug, thiserror::Error)]
pub enum HashError {
    /// Shutting down, or a bug.
    #[error("hashing did not finish")]
    Interrupted(#[source] BlockingError),
    /// The stored hash or the parameters are not usable.
    #[error("argon2 refused")]
    Argon2(#[source] argon2::password_hash::Error),
}

/// Hashes a password with Argon2id into PHC format, on the blocking pool.
pub async fn hash(tasks: &Tasks, password: SecretString) -> Result<SecretString, HashError> {
    let hashed = tasks
        .spawn_blocking("hash password", move || {
            Argon2::default().hash_password(password.expose_secret().as_bytes())
        })
        .await
        .map_err(HashError::Interrupted)?
        .map_err(HashError::Argon2)?;
    Ok(hashed.to_string().into())
}

/// Whether `password` is the one of `hash`. Without a hash it takes as long and says no.
pub async fn verify(
    tasks: &Tasks,
    password: SecretString,
    hash: Option<SecretString>,
) -> Result<bool, HashError> {
    let is_known = hash.is_some();
    let hash = hash.unwrap_or_else(|| NOBODYS_HASH.to_owned().into());
    tasks
        .spawn_blocking("verify password", move || {
            let parsed = PasswordHash::new(hash.expose_secret())
                .map_err(argon2::password_hash::Error::from)?;
            match Argon2::default().verify_password(password.expose_secret().as_bytes(), &parsed) {
                Ok(()) => Ok(is_known),
                Err(argon2::password_hash::Error::PasswordInvalid) => Ok(false),
                Err(error) => Err(error),
            }
        })
        .await
        .map_err(HashError::Interrupted)?
        .map_err(HashError::Argon2)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str) -> Result<(), WeakPasswordError> {
        check_strength(
            &text.to_owned().into(),
            &["ann", "ann@example.com", "Acme Corporation"],
        )
    }

    #[test]
    fn each_weak_password_is_refused_with_its_reason() {
        for (text, reason) in [
            ("", WeakPasswordError::Empty),
            ("ninechars", WeakPasswordError::TooShort),
            ("äöüäöüäöü", WeakPasswordError::TooShort),
            ("Password123", WeakPasswordError::Common),
            ("zzzzzzzzzzzzz", WeakPasswordError::Common),
            ("acme corporation", WeakPasswordError::Personal),
            ("ann@example.com1", WeakPasswordError::Personal),
            (&"x1".repeat(200), WeakPasswordError::TooLong),
        ] {
            assert_eq!(check(text), Err(reason), "{text:?}");
        }
        assert_eq!(check("correct horse battery"), Ok(()));
        assert_eq!(check("annoying-tulip-77"), Ok(()));
    }

    #[tokio::test]
    async fn a_hash_opens_for_its_password_only_and_nobody_for_none() {
        let tasks = Tasks::new();
        let good: SecretString = "correct horse battery".to_owned().into();
        let hashed = hash(&tasks, good.clone()).await.unwrap();
        assert!(hashed.expose_secret().starts_with("$argon2id$"));
        assert!(
            verify(&tasks, good.clone(), Some(hashed.clone()))
                .await
                .unwrap()
        );
        assert!(
            !verify(&tasks, "wrong horse".to_owned().into(), Some(hashed))
                .await
                .unwrap()
        );
        assert!(!verify(&tasks, good, None).await.unwrap());
    }

    #[test]
    fn comparing_with_nobody_costs_what_comparing_with_somebody_costs() {
        let ours = PasswordHash::new(NOBODYS_HASH).unwrap();
        let made = Argon2::default().hash_password(b"some password").unwrap();
        assert_eq!(ours.algorithm, made.algorithm);
        assert_eq!(ours.version, made.version);
        assert_eq!(ours.params, made.params);
        assert_eq!(ours.hash.unwrap().len(), made.hash.unwrap().len());
    }
}
