//! Random secrets that people's programs carry, and what of them is kept.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use domain::digest::Sha256Digest;

const BYTES: usize = 32;

/// 256 random bits as text: a cookie's value or a refresh token. Never logged; only its digest is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct OpaqueToken(String);

impl OpaqueToken {
    /// A new one.
    pub fn generate() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; BYTES]>()))
    }

    /// What a request carries, if it can be one of ours at all.
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        (bytes.len() == BYTES).then(|| Self(text.to_owned()))
    }

    /// For the cookie or the answer.
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What is stored and looked up of a refresh token. A plain digest is enough: 256 random bits cannot be guessed.
    pub fn digest(&self) -> Sha256Digest {
        Sha256Digest::of(self.0.as_bytes())
    }

    /// The same of a cookie. Different on purpose: a stolen refresh token opens no page, a cookie refreshes nothing.
    pub fn cookie_digest(&self) -> Sha256Digest {
        Sha256Digest::of(format!("cookie {}", self.0).as_bytes())
    }
}

impl fmt::Debug for OpaqueToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpaqueToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_round_trip_and_do_not_show_in_logs() {
        let (a, b) = (OpaqueToken::generate(), OpaqueToken::generate());
        assert_ne!(a, b);
        assert_eq!(OpaqueToken::parse(a.expose()), Some(a.clone()));
        assert!(!format!("{a:?}").contains(a.expose()));
    }

    #[test]
    fn what_cannot_be_a_token_is_none() {
        for text in ["", "abc", "x\0", &"A".repeat(44), "../../../etc/passwd"] {
            assert_eq!(OpaqueToken::parse(text), None, "{text}");
        }
    }
}
