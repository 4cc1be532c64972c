//! Tokens that prove that a form came from a page of ours.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use crate::auth::secret::OpaqueToken;

/// The form field, in every form of a page.
pub const FIELD: &str = "csrf_token";
/// The header that htmx and our scripts send.
pub const HEADER: &str = "x-csrf-token";

/// Derived from the cookie, so it needs no storage and dies with the session. Who does not know the cookie (which is
/// `HttpOnly`) cannot make it.
#[derive(Clone, PartialEq, Eq)]
pub struct CsrfToken(String);

impl CsrfToken {
    /// The token that belongs to a cookie's value.
    pub fn of(cookie: &OpaqueToken) -> Self {
        let mac = Hmac::<Sha256>::new_from_slice(cookie.expose().as_bytes()).map(|mut mac| {
            mac.update(b"gotrs csrf v1");
            mac.finalize().into_bytes()
        });
        // HMAC takes keys of any length, so the error does not happen; an empty token matches nothing.
        Self(
            mac.map(|bytes| URL_SAFE_NO_PAD.encode(bytes))
                .unwrap_or_default(),
        )
    }

    /// For the page.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a request carries this token; takes the same time for every wrong one.
    pub fn matches(&self, given: &str) -> bool {
        !self.0.is_empty() && bool::from(self.0.as_bytes().ct_eq(given.as_bytes()))
    }
}

impl fmt::Debug for CsrfToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CsrfToken(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_fits_its_own_cookie_only() {
        let (mine, other) = (OpaqueToken::generate(), OpaqueToken::generate());
        let token = CsrfToken::of(&mine);
        assert!(token.matches(CsrfToken::of(&mine).as_str()));
        for wrong in ["", "x", mine.expose(), CsrfToken::of(&other).as_str()] {
            assert!(!token.matches(wrong));
        }
    }
}
