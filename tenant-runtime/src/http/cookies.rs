//! The two cookies: the session, and the proof that a sign-in form came from us.

use http::{HeaderMap, HeaderValue, header};

/// Which cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cookie {
    /// An agent's session.
    AgentSession,
    /// Binds the sign-in form to the browser that got it.
    SignInForm,
}

impl Cookie {
    /// With TLS the `__Host-` prefix keeps sibling hosts (other tenants) from planting a cookie of this name.
    const fn name(self, transport: Transport) -> &'static str {
        match (self, transport) {
            (Self::AgentSession, Transport::Tls) => "__Host-gotrs-agent",
            (Self::AgentSession, Transport::Plain) => "gotrs-agent",
            (Self::SignInForm, Transport::Tls) => "__Host-gotrs-form",
            (Self::SignInForm, Transport::Plain) => "gotrs-form",
        }
    }
}

/// How the browser reached the router.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// HTTPS.
    Tls,
    /// HTTP; development on loopback.
    Plain,
}

impl Transport {
    /// What the router says; it strips the header from outside.
    pub fn of(headers: &HeaderMap) -> Self {
        match headers.get("x-forwarded-proto") {
            Some(proto) if proto == "https" => Self::Tls,
            _ => Self::Plain,
        }
    }
}

/// The value of a cookie.
pub fn find(headers: &HeaderMap, cookie: Cookie) -> Option<&str> {
    let name = cookie.name(Transport::of(headers));
    headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// A `Set-Cookie` that lasts as long as the browser is open or `max_age` seconds.
pub fn set(
    transport: Transport,
    cookie: Cookie,
    value: &str,
    max_age: Option<i64>,
) -> Option<HeaderValue> {
    let secure = match transport {
        Transport::Tls => "; Secure",
        Transport::Plain => "",
    };
    let age = max_age
        .map(|seconds| format!("; Max-Age={seconds}"))
        .unwrap_or_default();
    let name = cookie.name(transport);
    HeaderValue::try_from(format!(
        "{name}={value}; Path=/; HttpOnly; SameSite=Lax{secure}{age}"
    ))
    .ok()
}

/// A `Set-Cookie` that removes it.
pub fn clear(transport: Transport, cookie: Cookie) -> Option<HeaderValue> {
    set(transport, cookie, "", Some(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (
                    header::HeaderName::from_static(name),
                    value.parse().unwrap(),
                )
            })
            .collect()
    }

    #[test]
    fn a_cookie_is_found_among_others_and_only_by_its_whole_name() {
        let map = headers(&[("cookie", "a=1; xgotrs-agent=2; gotrs-agent=3")]);
        assert_eq!(find(&map, Cookie::AgentSession), Some("3"));
        assert_eq!(find(&map, Cookie::SignInForm), None);
    }

    #[test]
    fn with_tls_a_planted_plain_cookie_is_ignored() {
        let map = headers(&[
            ("cookie", "gotrs-agent=evil"),
            ("x-forwarded-proto", "https"),
        ]);
        assert_eq!(find(&map, Cookie::AgentSession), None);
        insta::assert_snapshot!(
            set(Transport::Tls, Cookie::AgentSession, "v", None).unwrap().to_str().unwrap(),
            @"__Host-gotrs-agent=v; Path=/; HttpOnly; SameSite=Lax; Secure"
        );
    }
}
