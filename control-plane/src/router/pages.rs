//! What people see when a tenant cannot be reached: templates that need nothing of the tenant.

use std::sync::Arc;

use axum::response::{IntoResponse as _, Response};
use http::header;
use serde::Serialize;
use service_kit::pages::{CONTENT_SECURITY_POLICY, Page, Pages, RequestContext};
use service_kit::{Problem, request_id};

use super::RenderPage;

/// The variables of all pages below.
#[derive(Debug, Serialize)]
struct Refusal<'a> {
    status: u16,
    code: &'a str,
    title: &'a str,
    detail: Option<&'a str>,
}

macro_rules! pages {
    ($($(#[$doc:meta])* $name:ident = $template:literal;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Serialize)]
        struct $name<'a>(Refusal<'a>);

        impl Page for $name<'_> {
            const TEMPLATE: &'static str = $template;
        }
    )+};
}

pages! {
    /// No tenant has this host.
    UnknownTenant = "router/unknown.html";
    /// It comes up; the page asks again by itself.
    Starting = "router/starting.html";
    /// The owner must act.
    Suspended = "router/suspended.html";
    /// It goes and does not come back.
    Deleting = "router/deleting.html";
    /// The platform must act, and tries.
    Failed = "router/failed.html";
    /// Everything else.
    Other = "router/other.html";
}

/// A page that is out of date as soon as it is shown: browsers ask again after this time, without a script.
const REFRESH_SECONDS: &str = "2";

/// Renders refusals for the proxy.
pub fn render_page(pages: Pages) -> RenderPage {
    Arc::new(move |problem| render(&pages, problem))
}

fn render(pages: &Pages, problem: &Problem) -> Response {
    let mut request = RequestContext::of_path("/");
    request.id = request_id::current().unwrap_or_default();
    let refusal = Refusal {
        status: problem.status.as_u16(),
        code: &problem.code,
        title: &problem.title,
        detail: problem.detail.as_deref(),
    };
    let mut page = match &*problem.code {
        "unknown_tenant" => pages.render(&UnknownTenant(refusal), &request),
        "tenant_starting" => pages.render(&Starting(refusal), &request),
        "tenant_suspended" => pages.render(&Suspended(refusal), &request),
        "tenant_deleting" => pages.render(&Deleting(refusal), &request),
        "tenant_failed" => pages.render(&Failed(refusal), &request),
        _ => pages.render(&Other(refusal), &request),
    };
    *page.status_mut() = problem.status;
    // Status and headers of the refusal, such as Retry-After; its body is replaced.
    let plain = problem.clone().into_response();
    let headers = page.headers_mut();
    if let Some(after) = plain.headers().get(header::RETRY_AFTER) {
        headers.insert(header::RETRY_AFTER, after.clone());
    }
    if problem.code == "tenant_starting" {
        headers.insert(
            header::REFRESH,
            http::HeaderValue::from_static(REFRESH_SECONDS),
        );
    }
    headers.insert(
        header::CONTENT_SECURITY_POLICY,
        http::HeaderValue::from_static(CONTENT_SECURITY_POLICY),
    );
    page
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use http::StatusCode;

    use super::*;
    use crate::http::web;

    #[tokio::test]
    async fn each_refusal_has_its_page_with_status_and_reason() {
        let render = render_page(web::templates().unwrap());
        for (code, status, refreshes) in [
            ("unknown_tenant", StatusCode::NOT_FOUND, false),
            ("tenant_starting", StatusCode::SERVICE_UNAVAILABLE, true),
            ("tenant_suspended", StatusCode::PAYMENT_REQUIRED, false),
            ("tenant_deleting", StatusCode::GONE, false),
            ("tenant_failed", StatusCode::SERVICE_UNAVAILABLE, false),
            ("bad_gateway", StatusCode::BAD_GATEWAY, false),
            ("rate_limited", StatusCode::TOO_MANY_REQUESTS, false),
            (
                "console_unavailable",
                StatusCode::SERVICE_UNAVAILABLE,
                false,
            ),
        ] {
            let problem = Problem::new(status, code, "What is <the> matter")
                .with_detail("And what to do.")
                .with_retry_after(std::time::Duration::from_secs(7));
            let page = render(&problem);
            assert_eq!(page.status(), status, "{code}");
            assert_eq!(page.headers()[header::RETRY_AFTER], "7");
            assert_eq!(
                page.headers().contains_key(header::REFRESH),
                refreshes,
                "{code}"
            );
            let body = to_bytes(page.into_body(), 1_000_000).await.unwrap();
            let text = String::from_utf8(body.to_vec()).unwrap();
            assert!(
                text.contains("What is &lt;the&gt; matter"),
                "{code}: {text}"
            );
            assert!(text.contains("And what to do."), "{code}");
            assert!(!text.contains("style="), "{code}");
        }
    }
}
