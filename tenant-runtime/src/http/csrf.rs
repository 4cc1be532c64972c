//! No unsafe request of a browser gets through unless a page of ours made it. A layer over all routes: a new route
//! cannot forget it.

use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest as _, Multipart, Request};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, StatusCode, header};
use service_kit::Problem;

use crate::auth::csrf::{CsrfToken, FIELD, HEADER};
use crate::http::extract::Credential;
use crate::http::session::Visitor;

/// Middleware: refuses what comes from another site, and unsafe requests with a session cookie but without its token.
pub async fn protect(request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    if is_cross_site(request.headers()) {
        return refusal().into_response();
    }
    let token = match request.extensions().get::<Visitor>() {
        Some(Visitor::Agent(agent)) => match &agent.credential {
            Credential::Cookie(token) => token.clone(),
            Credential::Bearer => return next.run(request).await,
        },
        _ => return next.run(request).await,
    };
    match check(request, &token).await {
        Ok(request) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// What every current browser says about itself; the second line of defence, also for the sign-in form.
fn is_cross_site(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|value| value == "cross-site" || value == "same-site")
}

async fn check(request: Request, token: &CsrfToken) -> Result<Request, Problem> {
    if let Some(given) = request.headers().get(HEADER) {
        return match given.to_str() {
            Ok(given) if token.matches(given) => Ok(request),
            _ => Err(refusal()),
        };
    }
    let kind = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
        .to_ascii_lowercase();
    let (parts, body) = request.into_parts();
    // Reads within the body limit and puts the same bytes back for the handler.
    let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), &())
        .await
        .map_err(|rejection| unreadable(&rejection))?;
    let given = if kind.starts_with("application/x-www-form-urlencoded") {
        form_field(&bytes)
    } else if kind.starts_with("multipart/form-data") {
        multipart_field(&parts, &bytes).await
    } else {
        None
    };
    if given.is_some_and(|given| token.matches(&given)) {
        Ok(Request::from_parts(parts, bytes.into()))
    } else {
        Err(refusal())
    }
}

fn unreadable(rejection: &BytesRejection) -> Problem {
    if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
        Problem::new(
            rejection.status(),
            "payload_too_large",
            "The request body is too large",
        )
    } else {
        Problem::bad_request(rejection.body_text())
    }
}

fn form_field(bytes: &[u8]) -> Option<String> {
    // The URL parser reads queries, and a form's body is written like one.
    let mut url = reqwest::Url::parse("http://form/").ok()?;
    url.set_query(Some(std::str::from_utf8(bytes).ok()?));
    url.query_pairs()
        .find_map(|(name, value)| (name == FIELD).then(|| value.into_owned()))
}

async fn multipart_field(parts: &Parts, bytes: &Bytes) -> Option<String> {
    let copy = Request::from_parts(parts.clone(), bytes.clone().into());
    let mut multipart = Multipart::from_request(copy, &()).await.ok()?;
    while let Some(field) = multipart.next_field().await.ok()? {
        if field.name() == Some(FIELD) {
            return field.text().await.ok();
        }
    }
    None
}

fn refusal() -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "csrf",
        "This request did not come from a page of this helpdesk",
    )
    .with_detail("Reload the page and try again. Programs sign in at /api/v1/auth/login and send an access token.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_is_found_in_a_form_whatever_stands_around_it() {
        assert_eq!(
            form_field(b"a=1&csrf_token=x%2By&b=2").as_deref(),
            Some("x+y")
        );
        assert_eq!(form_field(b"xcsrf_token=1"), None);
        assert_eq!(form_field(b"\xff\xfe"), None);
        assert_eq!(form_field(b"a=1#csrf_token=2"), None);
    }

    #[tokio::test]
    async fn the_field_is_found_among_uploaded_files() {
        let body = "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.csv\"\r\n\r\nx,y\r\n\
                    --b\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\ntoken\r\n--b--\r\n";
        let request = Request::post("/")
            .header("content-type", "multipart/form-data; boundary=b")
            .body(())
            .unwrap();
        let (parts, ()) = request.into_parts();
        assert_eq!(
            multipart_field(&parts, &Bytes::from(body)).await.as_deref(),
            Some("token")
        );
        assert_eq!(multipart_field(&parts, &Bytes::from("--b")).await, None);
    }
}
