//! Tenants that sleep: who wakes them, and who is told that they are used.

use std::time::Duration;

use domain::id::TenantId;
use domain::name::TenantSlug;
use http::Uri;

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
pub(super) fn is_of_a_person(uri: &Uri) -> bool {
    !matches!(
        uri.path(),
        "/robots.txt" | "/favicon.ico" | "/livez" | "/readyz" | "/metrics"
    ) && !uri.path().starts_with("/.well-known/")
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
            assert_eq!(is_of_a_person(&path.parse().unwrap()), wakes, "{path}");
        }
    }
}
