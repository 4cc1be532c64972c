//! The console's cookies.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{PublicUrl, UrlScheme};

/// What a browser keeps for the console.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// Who is signed in.
    Session,
    /// Which signup was made in this browser.
    Signup,
}

impl Cookie {
    /// On TLS the prefix makes browsers refuse one that a tenant's host has set for its parent domain.
    const fn name(self, public_url: &PublicUrl) -> &'static str {
        match (self, public_url.scheme) {
            (Self::Session, UrlScheme::Http) => "gotrs_console",
            (Self::Session, UrlScheme::Https) => "__Host-gotrs_console",
            (Self::Signup, UrlScheme::Http) => "gotrs_signup",
            (Self::Signup, UrlScheme::Https) => "__Host-gotrs_signup",
        }
    }

    /// Its value in a request.
    pub fn read(self, headers: &HeaderMap, public_url: &PublicUrl) -> Option<SecretString> {
        let name = self.name(public_url);
        headers
            .get_all(header::COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value.to_owned().into())
    }

    /// The `Set-Cookie` that has a browser keep it.
    pub fn set(
        self,
        public_url: &PublicUrl,
        value: &SecretString,
        lifetime: Duration,
    ) -> HeaderValue {
        self.write(public_url, value.expose_secret(), lifetime)
    }

    /// The `Set-Cookie` that has a browser forget it.
    pub fn clear(self, public_url: &PublicUrl) -> HeaderValue {
        self.write(public_url, "", Duration::ZERO)
    }

    fn write(self, public_url: &PublicUrl, value: &str, lifetime: Duration) -> HeaderValue {
        let secure = match public_url.scheme {
            UrlScheme::Http => "",
            UrlScheme::Https => "; Secure",
        };
        let text = format!(
            "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
            self.name(public_url),
            lifetime.as_secs(),
        );
        let mut header =
            HeaderValue::try_from(text).expect("invariant: names and base64url are visible ASCII");
        header.set_sensitive(true);
        header
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> PublicUrl {
        PublicUrl::parse("GOTRS_PUBLIC_URL", text).unwrap()
    }

    #[test]
    fn the_cookie_is_closed_to_scripts_and_on_tls_to_neighbours() {
        let value: SecretString = "abc".to_owned().into();
        let day = Duration::from_hours(24);
        assert_eq!(
            Cookie::Session.set(&url("http://localhost:8080"), &value, day),
            "gotrs_console=abc; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            Cookie::Session.clear(&url("https://console.example.com")),
            "__Host-gotrs_console=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax; Secure"
        );
    }

    #[test]
    fn it_is_found_among_others() {
        let mut headers = HeaderMap::new();
        headers.append(
            "cookie",
            HeaderValue::from_static("a=b; gotrs_console_2=no"),
        );
        headers.append(
            "cookie",
            HeaderValue::from_static("theme=dark; gotrs_console=yes"),
        );
        let found = Cookie::Session
            .read(&headers, &url("http://localhost"))
            .unwrap();
        assert_eq!(found.expose_secret(), "yes");
        let session = Cookie::Session;
        assert!(session.read(&headers, &url("https://localhost")).is_none());
        assert!(
            Cookie::Signup
                .read(&headers, &url("http://localhost"))
                .is_none()
        );
    }
}
