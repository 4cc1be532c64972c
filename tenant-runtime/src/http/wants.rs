//! What kind of answer a request asks for.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Uri, header};

/// Who is asking, and so how the answer looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants {
    /// A person's browser: a whole page.
    Page,
    /// htmx on a page that is open: the part that changes.
    Fragment,
    /// A program: JSON, and problem+json when it fails.
    Json,
}

impl Wants {
    /// Reads it off the request: everything under `/api/` is for programs, otherwise `Accept` and `HX-Request` decide.
    pub fn of(uri: &Uri, headers: &HeaderMap) -> Self {
        let accept = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .collect::<Vec<_>>()
            .join(",");
        let names = |kind: &str| accept.contains(kind);
        if uri.path().starts_with("/api/") || names("application/json") && !names("text/html") {
            Self::Json
        } else if headers
            .get("hx-request")
            .is_some_and(|value| value == "true")
        {
            // After "back", htmx asks for a page that fell out of its history: it needs all of it.
            match headers.get("hx-history-restore-request") {
                Some(value) if value == "true" => Self::Page,
                _ => Self::Fragment,
            }
        } else {
            Self::Page
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Wants {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        Ok(Self::of(&parts.uri, &parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_says_what_it_wants() {
        type Headers = &'static [(&'static str, &'static str)];
        let cases: [(&str, Headers, Wants); 7] = [
            ("/agent", &[("accept", "text/html,*/*;q=0.8")], Wants::Page),
            ("/agent", &[], Wants::Page),
            (
                "/admin/queue",
                &[("accept", "application/json")],
                Wants::Json,
            ),
            (
                "/admin/queue",
                &[("accept", "text/html, application/json")],
                Wants::Page,
            ),
            (
                "/admin/queue",
                &[("hx-request", "true"), ("accept", "*/*")],
                Wants::Fragment,
            ),
            (
                "/admin/queue",
                &[
                    ("hx-request", "true"),
                    ("hx-history-restore-request", "true"),
                ],
                Wants::Page,
            ),
            ("/api/v1/auth/me", &[("accept", "text/html")], Wants::Json),
        ];
        for (path, headers, expected) in cases {
            let map: HeaderMap = headers
                .iter()
                .map(|(name, value)| {
                    (
                        name.parse::<header::HeaderName>().unwrap(),
                        value.parse().unwrap(),
                    )
                })
                .collect();
            assert_eq!(
                Wants::of(&path.parse().unwrap(), &map),
                expected,
                "{path} {headers:?}"
            );
        }
    }
}
