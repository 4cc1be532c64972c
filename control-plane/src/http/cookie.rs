//! The console's session cookie.

use std::time::Duration;

use http::{HeaderMap, HeaderValue, header};
use secrecy::{ExposeSecret as _, SecretString};

use crate::config::{PublicUrl, UrlScheme};

/// The cookie's name. On TLS its prefix makes browsers refuse one that a tenant's host has set for its parent domain.
pub const fn name(public_url: &PublicUrl) -> &'static str {
    match public_url.scheme {
        UrlScheme::Http => "gotrs_console",
        UrlScheme::Https => "__Host-gotrs_console",
    }
}

/// The session cookie of a request.
pub fn read(headers: &HeaderMap, public_url: &PublicUrl) -> Option<SecretString> {
    let name = name(public_url);
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value.to_owned().into())
}

/// The `Set-Cookie` that starts a session in a browser.
pub fn set(public_url: &PublicUrl, value: &SecretString, lifetime: Duration) -> HeaderValue {
    write(public_url, value.expose_secret(), lifetime)
}

/// The `Set-Cookie` that ends it.
pub fn clear(public_url: &PublicUrl) -> HeaderValue {
    write(public_url, "", Duration::ZERO)
}

fn write(public_url: &PublicUrl, value: &str, lifetime: Duration) -> HeaderValue {
    let secure = match public_url.scheme {
        UrlScheme::Http => "",
        UrlScheme::Https => "; Secure",
    };
    let text = format!(
        "{}={value}; Path=/; Max-Age={}; HttpOnly; SameSite=Lax{secure}",
        name(public_url),
        lifetime.as_secs(),
    );
    let mut header =
        HeaderValue::try_from(text).expect("invariant: names and base64url are visible ASCII");
    header.set_sensitive(true);
    header
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
            set(&url("http://localhost:8080"), &value, day),
            "gotrs_console=abc; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"
        );
        assert_eq!(
            clear(&url("https://console.example.com")),
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
        let found = read(&headers, &url("http://localhost")).unwrap();
        assert_eq!(found.expose_secret(), "yes");
        assert!(read(&headers, &url("https://localhost")).is_none());
    }
}
