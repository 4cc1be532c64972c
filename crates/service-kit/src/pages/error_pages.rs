//! Problems as pages: people get HTML where programs get problem+json.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use serde::Serialize;

use super::{HX_REDIRECT, Page, Pages, RequestContext};
use crate::problem::ProblemItem;
use crate::{Problem, request_id};

/// State of [`error_pages`].
#[derive(Debug, Clone)]
pub struct ErrorPages {
    /// Templates.
    pub pages: Pages,
    /// Path of the sign-in page; a person who is not signed in is sent there, with the way back in `next`.
    pub sign_in: Option<&'static str>,
}

#[derive(Serialize)]
struct ProblemPage<'a> {
    status: u16,
    code: &'a str,
    title: &'a str,
    detail: Option<&'a str>,
    errors: &'a [ProblemItem],
}

impl Page for ProblemPage<'_> {
    const TEMPLATE: &'static str = "errors/problem.html";
}

/// The same as a toast, for HTMX.
#[derive(Serialize)]
struct ProblemToast<'a>(ProblemPage<'a>);

impl Page for ProblemToast<'_> {
    const TEMPLATE: &'static str = "errors/toast.html";
}

/// For `axum::middleware::from_fn_with_state`, around [`crate::http::with_middleware`] (so that panics and unknown paths
/// are pages too): turns each answer that carries a [`Problem`] into a page when the request prefers HTML, into a toast
/// when HTMX asked, and leaves it alone else.
pub async fn error_pages(
    State(state): State<ErrorPages>,
    request: Request,
    next: Next,
) -> Response {
    let (parts, body) = request.into_parts();
    if !wants_html(&parts.headers) {
        return next.run(Request::from_parts(parts, body)).await;
    }
    let context = RequestContext::from_parts(&parts);
    let safe = parts.method == Method::GET || parts.method == Method::HEAD;
    let came_from = path_of_page(&parts.headers, &context, safe);
    let response = next.run(Request::from_parts(parts, body)).await;
    let Some(problem) = response.extensions().get::<Problem>().cloned() else {
        return response;
    };
    match state.sign_in {
        Some(path) if problem.status == StatusCode::UNAUTHORIZED => {
            to_sign_in(path, &came_from, &context)
        }
        _ => show(&state.pages, &problem, context, response),
    }
}

fn show(
    pages: &Pages,
    problem: &Problem,
    mut context: RequestContext,
    original: Response,
) -> Response {
    // Made further inside, so it is known only from the answer.
    if let Some(id) = original.headers().get(request_id::HEADER)
        && let Ok(id) = id.to_str()
    {
        id.clone_into(&mut context.id);
    }
    let values = ProblemPage {
        status: problem.status.as_u16(),
        code: &problem.code,
        title: &problem.title,
        detail: problem.detail.as_deref(),
        errors: &problem.errors,
    };
    let toast = context.fragment.take().is_some();
    let mut page = if toast {
        pages.render(&ProblemToast(values), &context)
    } else {
        pages.render(&values, &context)
    };
    if page.extensions().get::<Problem>().is_some() {
        // Even the error page failed; better the plain problem than nothing.
        return original;
    }
    *page.status_mut() = problem.status;
    // Retry-After and cookies that the handler set stay; what describes the replaced body goes.
    for (name, value) in original.headers() {
        if *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH {
            page.headers_mut().insert(name, value.clone());
        }
    }
    if toast {
        let headers = page.headers_mut();
        headers.insert(
            HeaderName::from_static("hx-retarget"),
            HeaderValue::from_static("#toasts"),
        );
        headers.insert(
            HeaderName::from_static("hx-reswap"),
            HeaderValue::from_static("beforeend"),
        );
    }
    page
}

fn to_sign_in(path: &str, came_from: &str, context: &RequestContext) -> Response {
    let place = format!("{path}?next={}", super::percent_encode(came_from));
    let Ok(place) = HeaderValue::try_from(place) else {
        return Problem::unauthorized().into_response();
    };
    if context.is_fragment() {
        (StatusCode::OK, [(HX_REDIRECT, place)]).into_response()
    } else {
        (StatusCode::SEE_OTHER, [(header::LOCATION, place)]).into_response()
    }
}

/// Where a person who signs in wants to go back to: the page that is open, which is not what a form or HTMX asked for.
fn path_of_page(headers: &HeaderMap, context: &RequestContext, safe: bool) -> String {
    let of_url = |name: &str| {
        let uri: http::Uri = headers.get(name)?.to_str().ok()?.parse().ok()?;
        Some(uri.path_and_query()?.as_str().to_owned())
    };
    let open = if context.is_fragment() {
        of_url("hx-current-url")
    } else if !safe {
        of_url("referer")
    } else if context.query.is_empty() {
        Some(context.path.clone())
    } else {
        Some(format!("{}?{}", context.path, context.query))
    };
    open.unwrap_or_else(|| "/".to_owned())
}

/// HTMX, or an `Accept` that has HTML before (or without) JSON.
fn wants_html(headers: &HeaderMap) -> bool {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    let hx = headers.contains_key("hx-request");
    match (accept.find("text/html"), accept.find("json")) {
        (Some(html), Some(json)) => html < json,
        (Some(_), None) => true,
        (None, json) => hx && json.is_none(),
    }
}
