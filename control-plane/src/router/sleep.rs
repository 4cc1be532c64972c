//! Tenants that sleep: who wakes them, and who is told that they are used.

use std::time::Duration;

use domain::id::TenantId;
use domain::name::TenantSlug;
use http::{HeaderMap, Uri, header};

/// Wakes tenants and remembers that they are in use. Called for every request, so it returns at once, and many calls for one
/// tenant are one wake.
pub trait Sleepers: Send + Sync {
    /// Somebody waits for a tenant that sleeps.
    fn wake(&self, tenant: TenantId, slug: &TenantSlug);

    /// A tenant that sleeps when nobody has used it for `idle_after` was used now.
    fn used(&self, tenant: TenantId, slug: &TenantSlug, idle_after: Duration);
}

/// For platforms where nothing sleeps.
pub(super) struct Sleepless;

impl Sleepers for Sleepless {
    fn wake(&self, _: TenantId, _: &TenantSlug) {}

    fn used(&self, _: TenantId, _: &TenantSlug, _: Duration) {}
}

/// Whether a request is of somebody who wants something: what robots and browsers ask for by themselves wakes nobody.
///
/// An open page asks for its server-sent events by itself, and again whenever they end: it would wake its tenant as often as that goes to
/// sleep. The events are for whoever uses the page, and using it asks for something else too.
pub(super) fn is_of_a_person(uri: &Uri, headers: &HeaderMap) -> bool {
    let is_by_itself = matches!(
        uri.path(),
        "/robots.txt" | "/favicon.ico" | "/livez" | "/readyz" | "/metrics"
    ) || uri.path().starts_with("/.well-known/");
    !is_by_itself && !wants_events(headers)
}

/// Whether server-sent events are all that is asked for; browsers always say so.
fn wants_events(headers: &HeaderMap) -> bool {
    let mut accepted = headers.get_all(header::ACCEPT).iter();
    let only = accepted.next().filter(|_| accepted.next().is_none());
    only.and_then(|value| value.to_str().ok())
        .and_then(|value| value.split(';').next())
        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("text/event-stream"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn robots_wake_nobody() {
        for (path, wakes) in [
            ("/", true),
            ("/agent?x=1", true),
            ("/robots.txt", false),
            ("/favicon.ico?v=2", false),
            ("/.well-known/security.txt", false),
            ("/livez", false),
        ] {
            let uri = path.parse().unwrap();
            assert_eq!(is_of_a_person(&uri, &HeaderMap::new()), wakes, "{path}");
        }
    }

    #[test]
    fn an_open_page_wakes_nobody_and_using_it_does() {
        let events = Uri::from_static("/events?seen=3");
        for (accept, wakes) in [
            ("text/event-stream", false),
            ("Text/Event-Stream; charset=utf-8", false),
            ("text/html", true),
            ("*/*", true),
            // Whoever also takes something else does not say that it is a page that listens.
            ("text/event-stream, text/html", true),
        ] {
            let headers = HeaderMap::from_iter([(header::ACCEPT, accept.parse().unwrap())]);
            assert_eq!(is_of_a_person(&events, &headers), wakes, "{accept}");
        }
    }
}
