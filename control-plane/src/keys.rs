//! The keys of the control plane, all derived from one secret, so that a token of one kind is never valid as another.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;

/// What a key is for; part of its derivation, so the texts must never change.
#[derive(Debug, Clone, Copy)]
pub enum Purpose {
    /// Signs access tokens of the console and its API.
    AccessToken,
    /// Makes the tokens by which runtimes identify themselves.
    RuntimeToken,
    /// Makes the links that prove an e-mail address.
    EmailVerification,
    /// Marks the browser in which somebody signed up.
    SignupBrowser,
    /// Makes API keys.
    ApiKey,
    /// Makes the CSRF tokens of console sessions.
    Csrf,
}

impl Purpose {
    const fn label(self) -> &'static [u8] {
        match self {
            Self::AccessToken => b"gotrs access token v1",
            Self::RuntimeToken => b"gotrs runtime token v1",
            Self::EmailVerification => b"gotrs email verification v1",
            Self::SignupBrowser => b"gotrs signup browser v1",
            Self::ApiKey => b"gotrs api key v1",
            Self::Csrf => b"gotrs csrf v1",
        }
    }
}

/// The control plane's secret; everything that is signed or made from a secret comes from here.
#[derive(Clone)]
pub struct Keys(SecretString);

/// The secret is too short to be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the secret key must be at least {} bytes long", Keys::MIN_LEN)]
pub struct WeakSecretError;

impl Keys {
    /// As strong as the SHA-256 that it is used with.
    pub const MIN_LEN: usize = 32;

    /// Keys from the configured secret.
    pub fn new(secret: SecretString) -> Result<Self, WeakSecretError> {
        if secret.expose_secret().len() < Self::MIN_LEN {
            return Err(WeakSecretError);
        }
        Ok(Self(secret))
    }

    /// The key of one purpose.
    pub fn derive(&self, purpose: Purpose) -> [u8; 32] {
        hmac(self.0.expose_secret().as_bytes(), purpose.label())
            .finalize()
            .into_bytes()
            .into()
    }

    /// A code that only the holder of the secret can make for this message.
    pub fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 32] {
        hmac(&self.derive(purpose), message)
            .finalize()
            .into_bytes()
            .into()
    }

    /// Whether `code` is the code of `message`; in constant time.
    pub fn verify(&self, purpose: Purpose, message: &[u8], code: &[u8]) -> bool {
        hmac(&self.derive(purpose), message)
            .verify_slice(code)
            .is_ok()
    }
}

fn hmac(key: &[u8], message: &[u8]) -> Hmac<Sha256> {
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key).expect("invariant: HMAC takes keys of any length");
    mac.update(message);
    mac
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_of_different_purposes_differ() {
        let keys = Keys::new("0123456789abcdef0123456789abcdef".to_owned().into()).unwrap();
        let code = keys.sign(Purpose::RuntimeToken, b"message");
        assert!(keys.verify(Purpose::RuntimeToken, b"message", &code));
        assert!(!keys.verify(Purpose::EmailVerification, b"message", &code));
        assert!(!keys.verify(Purpose::RuntimeToken, b"massage", &code));
    }

    #[test]
    fn a_short_secret_is_refused() {
        assert_eq!(
            Keys::new("short".to_owned().into()).unwrap_err(),
            WeakSecretError
        );
    }
}
