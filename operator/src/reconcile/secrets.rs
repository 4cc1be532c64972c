//! The passwords of a tenant's database roles, as they lie in its Secret.

use std::fmt::Write as _;

use k8s_openapi::api::core::v1::Secret;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tenant_crd::names;
use tenant_database::{Credentials, StoredCredentials};

/// Entry with the URL of the runtime role.
pub const DATABASE_URL: &str = "database-url";
/// Entry with the URL of the lambda role.
pub const LAMBDA_DATABASE_URL: &str = "lambda-database-url";
/// Entry with the trace that a starting runtime continues. No secret, and it is there for the same reason as the others: a change
/// of it restarts nothing.
pub const TRACE_PARENT: &str = "trace-parent";
const RUNTIME_PASSWORD: &str = "runtime-password";
const LAMBDA_PASSWORD: &str = "lambda-password";

/// What the runtimes sign in with.
#[derive(Debug, Clone)]
pub struct RuntimeSecrets {
    /// By themselves.
    pub credentials: Credentials,
    /// In the URL of the runtime role.
    pub database_url: SecretString,
    /// In the URL of the lambda role.
    pub lambda_database_url: SecretString,
}

/// Stands for passwords where they must not be seen: it changes when they do and tells nothing about them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal(Box<str>);

impl Seal {
    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl RuntimeSecrets {
    pub(crate) fn entries(&self) -> [(&'static str, String); 4] {
        let StoredCredentials {
            runtime_password,
            lambda_password,
        } = self.credentials.expose();
        [
            (DATABASE_URL, self.database_url.expose_secret().to_owned()),
            (
                LAMBDA_DATABASE_URL,
                self.lambda_database_url.expose_secret().to_owned(),
            ),
            (RUNTIME_PASSWORD, runtime_password),
            (LAMBDA_PASSWORD, lambda_password),
        ]
    }

    /// The passwords have 256 random bits each, so that half a digest of them gives nothing away.
    pub fn seal(&self) -> Seal {
        let mut digest = Sha256::new();
        for (key, value) in self.entries() {
            digest.update(key.as_bytes());
            digest.update([0]);
            digest.update(value.as_bytes());
            digest.update([0]);
        }
        let mut text = String::with_capacity(32);
        for byte in digest.finalize().iter().take(16) {
            // Writing into a String cannot fail.
            write!(text, "{byte:02x}").ok();
        }
        Seal(text.into())
    }
}

/// The passwords that a Secret holds; `None` when one is missing, and then both are made again.
pub fn credentials_in(secret: &Secret) -> Option<Credentials> {
    let entry = |key| {
        let bytes = &secret.data.as_ref()?.get(key)?.0;
        String::from_utf8(bytes.clone())
            .ok()
            .filter(|text| !text.is_empty())
    };
    Some(
        StoredCredentials {
            runtime_password: entry(RUNTIME_PASSWORD)?,
            lambda_password: entry(LAMBDA_PASSWORD)?,
        }
        .into(),
    )
}

/// The wish for new passwords that a Secret already answers.
pub fn rotation_of(secret: &Secret) -> Option<&str> {
    secret
        .metadata
        .annotations
        .as_ref()?
        .get(names::ANNOTATION_ROTATE_CREDENTIALS)
        .map(String::as_str)
}

#[cfg(test)]
mod tests {
    use k8s_openapi::ByteString;

    use super::*;

    fn secrets(credentials: &Credentials) -> RuntimeSecrets {
        RuntimeSecrets {
            credentials: credentials.clone(),
            database_url: "postgres://a".to_owned().into(),
            lambda_database_url: "postgres://b".to_owned().into(),
        }
    }

    #[test]
    fn passwords_are_found_again_and_half_a_secret_is_none() {
        let credentials = Credentials::generate();
        let mut data: std::collections::BTreeMap<String, ByteString> = secrets(&credentials)
            .entries()
            .map(|(key, value)| (key.to_owned(), ByteString(value.into_bytes())))
            .into();
        let of = |data: &std::collections::BTreeMap<String, ByteString>| Secret {
            data: Some(data.clone()),
            ..Secret::default()
        };
        let found = credentials_in(&of(&data)).unwrap();
        assert_eq!(
            found.runtime.expose_secret(),
            credentials.runtime.expose_secret()
        );
        data.remove(LAMBDA_PASSWORD);
        assert!(credentials_in(&of(&data)).is_none());
        assert!(credentials_in(&Secret::default()).is_none());
    }

    #[test]
    fn a_seal_changes_with_the_passwords_and_does_not_show_them() {
        let one = Credentials::generate();
        let seal = secrets(&one).seal();
        assert_eq!(seal, secrets(&one).seal());
        assert_ne!(seal, secrets(&Credentials::generate()).seal());
        assert_eq!(seal.as_str().len(), 32);
        assert!(!one.runtime.expose_secret().contains(seal.as_str()));
    }
}
