//! Which host a request is for.

use http::{HeaderMap, Uri, header};

/// The host that a request names, in lower case, without port and without a trailing dot.
///
/// `None` when there is none, more than one, or something that is no host name: such a request is refused, since
/// front and back could read it differently.
pub(super) fn requested_host(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let mut named = headers.get_all(header::HOST).iter();
    let (first, second) = (named.next(), named.next());
    if second.is_some() {
        return None;
    }
    // HTTP/2 and absolute-form requests carry it in the target, which then counts (RFC 9112, 3.2.2).
    let authority = match uri.authority() {
        Some(authority) => authority.as_str(),
        None => first?.to_str().ok()?,
    };
    let host = without_port(authority)?;
    let host = host.strip_suffix('.').unwrap_or(host);
    let plausible = !host.is_empty()
        && host.len() <= 253
        && (host
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
            || is_ipv6_literal(host));
    plausible.then(|| host.to_ascii_lowercase())
}

fn without_port(authority: &str) -> Option<&str> {
    if authority.contains('@') {
        return None;
    }
    match authority.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|b| b.is_ascii_digit()) => Some(host),
        Some(_) if authority.starts_with('[') && authority.ends_with(']') => Some(authority),
        Some(_) => None,
        None => Some(authority),
    }
}

fn is_ipv6_literal(host: &str) -> bool {
    host.strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn host_of(target: &str, hosts: &[&str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_str(host).unwrap());
        }
        requested_host(&target.parse().unwrap(), &headers)
    }

    #[test]
    fn port_case_and_trailing_dot_do_not_matter() {
        for host in [
            "acme.localhost",
            "ACME.localhost:8080",
            "acme.localhost.",
            "acme.localhost.:80",
        ] {
            assert_eq!(
                host_of("/", &[host]).as_deref(),
                Some("acme.localhost"),
                "{host}"
            );
        }
        assert_eq!(host_of("/", &["[::1]:8080"]).as_deref(), Some("[::1]"));
        assert_eq!(
            host_of("http://b.example/x", &["a.example"]).as_deref(),
            Some("b.example")
        );
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for hosts in [
            &[][..],
            &["a.example", "b.example"],
            &["a@b.example"],
            &["a.example:80x"],
            &["a b"],
            &[""],
        ] {
            assert_eq!(host_of("/", hosts), None, "{hosts:?}");
        }
    }

    proptest! {
        #[test]
        fn any_header_gives_a_plain_host_or_nothing(text in "[ -~]{0,40}") {
            let mut headers = HeaderMap::new();
            headers.insert(header::HOST, HeaderValue::from_str(&text).unwrap());
            if let Some(host) = requested_host(&Uri::from_static("/"), &headers) {
                prop_assert!(!host.contains(['/', '@', ' ', '\\']));
                prop_assert_eq!(host.to_ascii_lowercase(), host);
            }
        }
    }
}
