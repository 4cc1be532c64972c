//! Errors on the wire: RFC 9457 `application/problem+json`.

use std::borrow::Cow;
use std::num::NonZeroU32;
use std::time::Duration;

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};

use crate::request_id;

/// One thing that is wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemItem {
    /// Stable word.
    pub code: Cow<'static, str>,
    /// For people.
    pub message: String,
    /// JSON pointer into the request body, such as `/slug`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Line in a file that was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Column in characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub column: Option<u32>,
    /// `error` or `warning`.
    pub severity: Cow<'static, str>,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub help: Option<String>,
}

impl ProblemItem {
    /// A wrong field of the request body.
    pub fn field(
        pointer: impl Into<String>,
        code: impl Into<Cow<'static, str>>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            pointer: Some(pointer.into()),
            line: None,
            column: None,
            severity: "error".into(),
            help: None,
        }
    }
}

/// A refusal: what, why and what to do, with a stable `code` (docs/api-errors.md). Turned into
/// `application/problem+json`; it also rides in the response's extensions, so that a page layer can show it to people.
#[derive(Debug, Clone)]
pub struct Problem {
    /// HTTP status.
    pub status: StatusCode,
    /// Stable, documented word such as `slug_taken`.
    pub code: Cow<'static, str>,
    /// One line for people; the same for every occurrence of the code.
    pub title: Cow<'static, str>,
    /// What is the matter this time and what to do.
    pub detail: Option<String>,
    /// All findings.
    pub errors: Vec<ProblemItem>,
    /// Seconds after which to come back.
    pub retry_after: Option<NonZeroU32>,
    /// Further members of the body (RFC 9457, 3.2). In a box, for problems are the `Err` of most handlers.
    pub extensions: Option<Box<Map<String, Value>>>,
}

#[derive(Serialize)]
struct Body<'a> {
    r#type: String,
    title: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_id: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    errors: &'a [ProblemItem],
    #[serde(flatten)]
    extensions: Option<&'a Map<String, Value>>,
}

impl Problem {
    /// A problem without details.
    pub fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        title: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            status,
            code: code.into(),
            title: title.into(),
            detail: None,
            errors: Vec::new(),
            retry_after: None,
            extensions: None,
        }
    }

    /// Adds what is the matter this time.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Adds findings.
    #[must_use]
    pub fn with_errors(mut self, errors: Vec<ProblemItem>) -> Self {
        self.errors = errors;
        self
    }

    /// Adds a member to the body; its name must be none of those that every problem has.
    #[must_use]
    pub fn with_extension(mut self, name: &'static str, value: impl Into<Value>) -> Self {
        self.extensions
            .get_or_insert_default()
            .insert(name.to_owned(), value.into());
        self
    }

    /// Says when to come back. In whole seconds, never too early and never at once.
    #[must_use]
    pub fn with_retry_after(mut self, after: Duration) -> Self {
        let seconds = after.as_secs() + u64::from(after.subsec_nanos() > 0);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        self.retry_after = Some(NonZeroU32::new(seconds).unwrap_or(NonZeroU32::MIN));
        self
    }

    /// 400: the request cannot be understood.
    pub fn bad_request(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::BAD_REQUEST,
            "bad_request",
            "The request cannot be understood",
        )
        .with_detail(detail)
    }

    /// 401: not signed in.
    pub fn unauthorized() -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", "Sign in first").with_detail(
            "Send a valid access token as \"Authorization: Bearer ...\" or sign in again.",
        )
    }

    /// 403: visible, but not allowed.
    pub fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, "forbidden", "This is not allowed").with_detail(detail)
    }

    /// 404: absent, or of somebody else.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "There is nothing here").with_detail(detail)
    }

    /// 409: contradicts what is there.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::CONFLICT,
            code,
            "This conflicts with what is there",
        )
        .with_detail(detail)
    }

    /// 422: understood, but the content is wrong; all findings at once.
    pub fn unprocessable(errors: Vec<ProblemItem>) -> Self {
        Self::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "invalid",
            "Some of this is not right",
        )
        .with_errors(errors)
    }

    /// 429: too much.
    pub fn too_many_requests(after: Duration) -> Self {
        Self::new(
            StatusCode::TOO_MANY_REQUESTS,
            "rate_limited",
            "Too many requests",
        )
        .with_detail(format!("Try again in {} seconds.", after.as_secs().max(1)))
        .with_retry_after(after)
    }

    /// 500: our fault. The cause belongs into the log, never in here.
    pub fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Something went wrong on our side",
        )
        .with_detail("It has been logged. Try again; if it stays, tell support the request id.")
    }

    /// 503: a part that we need is away.
    pub fn unavailable(detail: impl Into<String>) -> Self {
        Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "unavailable",
            "Not available right now",
        )
        .with_detail(detail)
        .with_retry_after(Duration::from_secs(2))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = Body {
            r#type: format!("/docs/errors#{}", self.code),
            title: &self.title,
            status: self.status.as_u16(),
            detail: self.detail.as_deref(),
            code: &self.code,
            request_id: request_id::current(),
            errors: &self.errors,
            extensions: self.extensions.as_deref(),
        };
        let mut response = (self.status, axum::Json(&body)).into_response();
        let headers = response.headers_mut();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Some(after) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(after.get()));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn members_are_added_and_nobody_comes_back_too_early() {
        let problem = Problem::unavailable("Away.")
            .with_extension("fault", serde_json::json!({"line": 3}))
            .with_retry_after(Duration::from_millis(2_001));
        let response = problem.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "3");
        let body = axum::body::to_bytes(response.into_body(), 10_000).await;
        let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(body["fault"]["line"], 3);
        assert_eq!(body["code"], "unavailable");
        let now = Problem::unavailable("Away.").with_retry_after(Duration::ZERO);
        assert_eq!(now.retry_after, Some(NonZeroU32::MIN));
        let plain = Problem::unavailable("Away.").into_response();
        let body = axum::body::to_bytes(plain.into_body(), 10_000).await;
        let body: Value = serde_json::from_slice(&body.unwrap()).unwrap();
        assert_eq!(body.get("fault"), None);
    }
}
