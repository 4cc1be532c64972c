//! What is known of the other end of a request.

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts};
use http::header;
use http::request::Parts;

use crate::http::cookies::Transport;

/// The other end.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its address; `None` in tests without a socket.
    pub address: Option<IpAddr>,
    /// What it calls itself.
    pub user_agent: Option<String>,
    /// How it reached the router.
    pub transport: Transport,
}

impl<S: Sync> FromRequestParts<S> for Client {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let text = |name| {
            parts
                .headers
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        // The router throws away what came from outside and writes the peer's address; the last one is its word.
        let forwarded = text("x-forwarded-for")
            .and_then(|list| list.rsplit(',').next())
            .and_then(|address| address.trim().parse().ok());
        let peer = parts
            .extensions
            .get::<ConnectInfo<SocketAddr>>()
            .map(|ConnectInfo(address)| address.ip());
        Ok(Self {
            address: forwarded.or(peer),
            user_agent: text(header::USER_AGENT.as_str())
                .map(|value| value.chars().take(400).collect()),
            transport: Transport::of(&parts.headers),
        })
    }
}
