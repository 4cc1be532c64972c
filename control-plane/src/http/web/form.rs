//! Forms of browsers: where they come from, their CSRF token, and what was wrong with them.

use std::collections::BTreeMap;

use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest as _, Multipart, Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use service_kit::Problem;
use service_kit::http::{BODY_LIMIT, FORM_LIMIT};

use crate::app::AppState;
use crate::http::cookie::Cookie;
use crate::service::session;

const CSRF_HEADER: HeaderName = HeaderName::from_static("x-csrf-token");
const CSRF_FIELD: &str = "csrf_token";

/// Refuses forms that were sent from other sites, and moves the token of a form's hidden field into the header in which
/// authentication looks for it.
pub(super) async fn guard(State(state): State<AppState>, request: Request, next: Next) -> Response {
    if request.method().is_safe() {
        return next.run(request).await;
    }
    if is_foreign(request.headers()) {
        return Problem::new(
            StatusCode::FORBIDDEN,
            "csrf",
            "This form was not sent from one of our pages",
        )
        .with_detail("Open the page here and send the form again.")
        .into_response();
    }
    if request.headers().contains_key(CSRF_HEADER) {
        return next.run(request).await;
    }
    let (mut parts, body) = request.into_parts();
    let limit = body_limit(&state, parts.uri.path(), &parts.headers).await;
    let Ok(body) = to_bytes(body, limit).await else {
        return Problem::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "payload_too_large",
            "The form is too large",
        )
        .into_response();
    };
    if let Some(token) = token_of(&parts.headers, &body).await
        && let Ok(token) = HeaderValue::try_from(token)
    {
        parts.headers.insert(CSRF_HEADER, token);
    }
    next.run(Request::from_parts(parts, Body::from(body))).await
}

/// How much of a body is read before anything else is known of it. A module's file comes with the form of somebody who has signed in.
async fn body_limit(state: &AppState, path: &str, headers: &HeaderMap) -> usize {
    if !path.ends_with("/modules") {
        return FORM_LIMIT;
    }
    let Some(cookie) = Cookie::Session.read(headers, &state.settings.public_url) else {
        return FORM_LIMIT;
    };
    match session::authenticate_cookie(state, &cookie).await {
        Ok(Some(_)) => BODY_LIMIT,
        // What is the matter is said where the answer is made.
        Ok(None) | Err(_) => FORM_LIMIT,
    }
}

/// Browsers say whether a request comes from the page's own origin. Tenants' pages are neighbours, not us.
fn is_foreign(headers: &HeaderMap) -> bool {
    headers
        .get("sec-fetch-site")
        .is_some_and(|site| site != "same-origin" && site != "none")
}

#[derive(Deserialize)]
struct TokenField {
    csrf_token: Option<String>,
}

async fn token_of(headers: &HeaderMap, body: &Bytes) -> Option<String> {
    let kind = headers.get(header::CONTENT_TYPE)?.to_str().ok()?;
    if kind.starts_with("application/x-www-form-urlencoded") {
        let form = axum::Form::<TokenField>::from_request(copy(kind, body), &());
        return form.await.ok()?.0.csrf_token;
    }
    if kind.starts_with("multipart/form-data") {
        let mut form = Multipart::from_request(copy(kind, body), &()).await.ok()?;
        while let Ok(Some(field)) = form.next_field().await {
            if field.name() == Some(CSRF_FIELD) {
                return field.text().await.ok();
            }
        }
    }
    None
}

fn copy(kind: &str, body: &Bytes) -> Request {
    let mut request = Request::new(Body::from(body.clone()));
    *request.method_mut() = http::Method::POST;
    if let Ok(kind) = HeaderValue::try_from(kind) {
        request.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    request
}

/// What is wrong, by field, as sentences; only what a form can show beside its fields.
pub(super) fn field_errors(problem: &Problem) -> BTreeMap<String, String> {
    problem
        .errors
        .iter()
        .filter_map(|item| {
            let field = item.pointer.as_deref()?.trim_start_matches('/');
            let field = field.split('/').next()?;
            Some((field.to_owned(), sentence(&item.message)))
        })
        .collect()
}

/// `is required` → `Is required.`
fn sentence(message: &str) -> String {
    let mut letters = message.chars();
    let mut text: String = letters
        .next()
        .into_iter()
        .flat_map(char::to_uppercase)
        .chain(letters)
        .collect();
    if !text.ends_with(['.', '?']) {
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use service_kit::problem::ProblemItem;

    use super::*;

    #[test]
    fn messages_stand_beside_their_fields() {
        let problem = Problem::unprocessable(vec![
            ProblemItem::field("/slug", "required", "is required"),
            ProblemItem::field(
                "/scopes/0",
                "unknown_scope",
                "unknown scope; choose another",
            ),
        ]);
        let errors = field_errors(&problem);
        assert_eq!(errors["slug"], "Is required.");
        assert_eq!(errors["scopes"], "Unknown scope; choose another.");
    }

    #[test]
    fn only_our_own_origin_sends_forms() {
        for (site, foreign) in [
            ("same-origin", false),
            ("none", false),
            ("same-site", true),
            ("cross-site", true),
        ] {
            let headers = HeaderMap::from_iter([(
                HeaderName::from_static("sec-fetch-site"),
                HeaderValue::from_static(site),
            )]);
            assert_eq!(is_foreign(&headers), foreign, "{site}");
        }
        assert!(!is_foreign(&HeaderMap::new()), "old browsers do not say");
    }

    #[tokio::test]
    async fn the_token_is_found_in_both_kinds_of_forms() {
        let plain = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/x-www-form-urlencoded"),
        )]);
        let body = Bytes::from_static(b"name=a&csrf_token=t%2Bk");
        assert_eq!(token_of(&plain, &body).await.as_deref(), Some("t+k"));
        let parts = HeaderMap::from_iter([(
            header::CONTENT_TYPE,
            HeaderValue::from_static("multipart/form-data; boundary=b"),
        )]);
        let body = Bytes::from_static(
            b"--b\r\nContent-Disposition: form-data; name=\"csrf_token\"\r\n\r\ntok\r\n--b--\r\n",
        );
        assert_eq!(token_of(&parts, &body).await.as_deref(), Some("tok"));
        assert_eq!(token_of(&HeaderMap::new(), &body).await, None);
    }
}
