//! The passwords of a tenant's two roles that sign in.

use rand::TryRng as _;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// Passwords of the runtime and the lambda role; made once, kept by whoever starts the runtime.
#[derive(Debug, Clone)]
pub struct Credentials {
    /// Of the role that reads and writes.
    pub runtime: SecretString,
    /// Of the role that tenant code queries with.
    pub lambda: SecretString,
}

/// [`Credentials`] in the open, to be written to and read from a protected place. `Debug` is left out on purpose.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredCredentials {
    /// Of the role that reads and writes.
    pub runtime_password: String,
    /// Of the role that tenant code queries with.
    pub lambda_password: String,
}

impl Credentials {
    /// New passwords: 32 random bytes each, in hexadecimal so that no URL, file or shell has to escape them.
    pub fn generate() -> Self {
        Self {
            runtime: random_password(),
            lambda: random_password(),
        }
    }

    /// Shows the passwords, for storing them.
    pub fn expose(&self) -> StoredCredentials {
        StoredCredentials {
            runtime_password: self.runtime.expose_secret().to_owned(),
            lambda_password: self.lambda.expose_secret().to_owned(),
        }
    }
}

impl From<StoredCredentials> for Credentials {
    fn from(stored: StoredCredentials) -> Self {
        Self {
            runtime: stored.runtime_password.into(),
            lambda: stored.lambda_password.into(),
        }
    }
}

fn random_password() -> SecretString {
    hex::encode(random_bytes::<32>()).into()
}

/// Bytes from the operating system's generator.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rngs::SysRng
        .try_fill_bytes(&mut bytes)
        .expect("the operating system always has random numbers once it has started");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_differ_and_survive_storing() {
        let one = Credentials::generate();
        let stored = one.expose();
        assert_eq!(stored.runtime_password.len(), 64);
        assert_ne!(stored.runtime_password, stored.lambda_password);
        let text = serde_json::to_string(&stored).unwrap();
        let read: StoredCredentials = serde_json::from_str(&text).unwrap();
        let again = Credentials::from(read);
        assert_eq!(again.runtime.expose_secret(), one.runtime.expose_secret());
        assert_eq!(again.lambda.expose_secret(), one.lambda.expose_secret());
        assert!(!format!("{one:?}").contains(&stored.runtime_password));
    }
}
