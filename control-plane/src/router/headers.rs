//! What is removed from and added to requests and answers on their way through.

use std::net::IpAddr;

use http::{HeaderMap, HeaderName, HeaderValue, Method, header};

/// Headers that speak about one connection only (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("proxy-connection"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
];

/// Claims about the client that only the router may make.
const SPOOFABLE: [HeaderName; 6] = [
    header::FORWARDED,
    HeaderName::from_static("x-real-ip"),
    HeaderName::from_static("x-client-ip"),
    HeaderName::from_static("x-original-url"),
    HeaderName::from_static("x-rewrite-url"),
    HeaderName::from_static("proxy"),
];

/// The one protocol that a connection may be upgraded to; `h2c` would let a client past the router.
const WEBSOCKET: HeaderValue = HeaderValue::from_static("websocket");

/// Whether the request asks for a WebSocket.
pub(super) fn wants_websocket(method: &Method, headers: &HeaderMap) -> bool {
    let connection_upgrade = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|token| token.trim().eq_ignore_ascii_case("upgrade"));
    method == Method::GET
        && connection_upgrade
        && headers
            .get(header::UPGRADE)
            .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Removes what speaks about one connection only, the headers that `Connection` names among it.
pub(super) fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // A client must not be able to have the router drop what the runtime relies on.
        .filter(|name| {
            *name != header::HOST && *name != header::COOKIE && *name != header::AUTHORIZATION
        })
        .collect();
    for name in HOP_BY_HOP.iter().chain(&named) {
        headers.remove(name);
    }
    headers.remove(header::UPGRADE);
}

/// Puts the router's own knowledge of the client in place of whatever the client claims.
pub(super) fn describe_client(headers: &mut HeaderMap, client: IpAddr, host: &str, secure: bool) {
    let claims: Vec<HeaderName> = headers
        .keys()
        .filter(|name| {
            let name = name.as_str();
            name.starts_with("x-forwarded") || name.starts_with("x-gotrs-")
        })
        .cloned()
        .collect();
    for name in claims.iter().chain(&SPOOFABLE) {
        headers.remove(name);
    }
    let proto = if secure { "https" } else { "http" };
    headers.insert("x-forwarded-proto", HeaderValue::from_static(proto));
    if let Ok(value) = HeaderValue::try_from(client.to_canonical().to_string()) {
        headers.insert("x-forwarded-for", value);
    }
    if let Ok(value) = HeaderValue::try_from(host) {
        headers.insert("x-forwarded-host", value);
    }
}

/// Asks the other side for a WebSocket.
pub(super) fn ask_for_websocket(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, WEBSOCKET);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn hop_by_hop_headers_go_also_when_named_by_connection() {
        let mut map = headers(&[
            ("connection", "keep-alive, X-Secret-Hop, cookie"),
            ("x-secret-hop", "1"),
            ("cookie", "a=b"),
            ("te", "trailers"),
            ("upgrade", "h2c"),
            ("accept", "text/html"),
        ]);
        remove_hop_by_hop(&mut map);
        assert_eq!(map, headers(&[("cookie", "a=b"), ("accept", "text/html")]));
    }

    #[test]
    fn claims_about_the_client_are_replaced() {
        let mut map = headers(&[
            ("x-forwarded-for", "10.0.0.1"),
            ("x-forwarded-host", "admin.example"),
            ("x-forwarded-prefix", "/x"),
            ("forwarded", "for=10.0.0.1"),
            ("x-real-ip", "10.0.0.1"),
            ("x-gotrs-user", "root"),
        ]);
        describe_client(
            &mut map,
            "::ffff:203.0.113.9".parse().unwrap(),
            "acme.localhost:8080",
            false,
        );
        assert_eq!(
            map,
            headers(&[
                ("x-forwarded-proto", "http"),
                ("x-forwarded-for", "203.0.113.9"),
                ("x-forwarded-host", "acme.localhost:8080"),
            ])
        );
    }

    #[test]
    fn only_websockets_are_upgrades() {
        let websocket = headers(&[
            ("connection", "keep-alive, Upgrade"),
            ("upgrade", "WebSocket"),
        ]);
        assert!(wants_websocket(&Method::GET, &websocket));
        assert!(!wants_websocket(&Method::POST, &websocket));
        assert!(!wants_websocket(
            &Method::GET,
            &headers(&[("connection", "upgrade"), ("upgrade", "h2c")])
        ));
        assert!(!wants_websocket(
            &Method::GET,
            &headers(&[("upgrade", "websocket")])
        ));
    }
}
