//! The mail of a development machine: pages for people, JSON for programs.

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use domain::id::RequestId;
use http::{HeaderMap, header};
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::{Json, Path};
use service_kit::pages::{Page, RequestContext};

use crate::app::AppState;
use crate::mail::local::LocalMail;
use crate::service::mailbox;

#[derive(Debug, Serialize)]
pub(super) struct MailboxPage {
    pub(super) mails: Vec<LocalMail>,
}

impl Page for MailboxPage {
    const TEMPLATE: &'static str = "pages/mailbox.html";
}

#[derive(Debug, Serialize)]
pub(super) struct MailPage {
    pub(super) mail: LocalMail,
    pub(super) parts: Vec<Part>,
}

impl Page for MailPage {
    const TEMPLATE: &'static str = "pages/mail.html";
}

/// A piece of the text: a web address is a link.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct Part {
    text: String,
    is_link: bool,
}

#[derive(Serialize)]
struct Mails {
    items: Vec<LocalMail>,
}

#[derive(Debug, Deserialize)]
pub(super) struct MailPath {
    id: RequestId,
}

/// `GET /dev/mail`
pub(super) async fn list(
    State(state): State<AppState>,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    let mails = mailbox::list(&state).await?;
    if wants_json(&headers) {
        return Ok(Json(Mails { items: mails }).into_response());
    }
    Ok(state.pages.render(&MailboxPage { mails }, &request))
}

/// `GET /dev/mail/{id}`
pub(super) async fn show(
    State(state): State<AppState>,
    Path(path): Path<MailPath>,
    headers: HeaderMap,
    request: RequestContext,
) -> Result<Response, Problem> {
    let mail = mailbox::find(&state, path.id).await?;
    if wants_json(&headers) {
        return Ok(Json(mail).into_response());
    }
    Ok(state.pages.render(&MailPage::new(mail), &request))
}

fn wants_json(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|value| value.to_str().ok())
        .is_some_and(|accept| accept.contains("json") && !accept.contains("text/html"))
}

impl MailPage {
    pub(super) fn new(mail: LocalMail) -> Self {
        Self {
            parts: parts(&mail.text, &mail.links),
            mail,
        }
    }
}

fn parts(text: &str, links: &[String]) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    // Links are listed in the order in which they stand in the text.
    for link in links {
        if let Some((before, after)) = rest.split_once(link.as_str()) {
            parts.push(Part {
                text: before.to_owned(),
                is_link: false,
            });
            parts.push(Part {
                text: link.clone(),
                is_link: true,
            });
            rest = after;
        }
    }
    parts.push(Part {
        text: rest.to_owned(),
        is_link: false,
    });
    parts.retain(|part| !part.text.is_empty());
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn web_addresses_become_links_and_nothing_is_lost() {
        let text = "Open http://a.example/x?t=1.\nOr http://b.example";
        let links = [
            "http://a.example/x?t=1".to_owned(),
            "http://b.example".to_owned(),
        ];
        let parts = parts(text, &links);
        let joined: String = parts.iter().map(|part| part.text.as_str()).collect();
        assert_eq!(joined, text);
        assert_eq!(parts.iter().filter(|part| part.is_link).count(), 2);
        assert_eq!(super::parts("", &[]), []);
    }
}
