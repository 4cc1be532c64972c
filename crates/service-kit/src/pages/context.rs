//! What every template may use besides its own variables: `request`.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::FromRequestParts;
use chrono::{DateTime, Utc};
use http::request::Parts;
use http::{HeaderMap, HeaderName, header};
use serde::Serialize;

use crate::request_id;

/// Longest part of a cookie, path or header that is taken into a page.
const MAX_TEXT: usize = 2_000;

/// Colours of the page. `Auto` follows the system.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the system says.
    #[default]
    Auto,
    /// Always light.
    Light,
    /// Always dark.
    Dark,
}

/// How much room things get.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Density {
    /// 16 px: where people decide once.
    #[default]
    Comfortable,
    /// 14 px: where people work all day.
    Compact,
}

/// Who is signed in, as the top bar shows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Name, or address where there is no name.
    pub name: String,
    /// Second line, such as the address or the role.
    pub detail: String,
}

/// One entry of the left navigation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NavItem {
    /// Text.
    pub label: String,
    /// Where it leads.
    pub href: String,
    /// Lucide name; an unknown one becomes a plain box.
    pub icon: String,
    /// A word or number beside it; empty for none.
    #[serde(default)]
    pub badge: String,
}

impl NavItem {
    /// An entry without a badge.
    pub fn new(label: impl Into<String>, href: impl Into<String>, icon: impl Into<String>) -> Self {
        Self {
            label: label.into(),
            href: href.into(),
            icon: icon.into(),
            badge: String::new(),
        }
    }
}

/// A group of entries.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct NavSection {
    /// Heading; empty for none.
    pub title: String,
    /// Entries.
    pub items: Vec<NavItem>,
}

/// The frame around pages of layout `app`: made by the service, once or per request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Shell {
    /// Name at the top left and in the window's title.
    pub product: String,
    /// Where the name leads.
    pub home: String,
    /// Room between things.
    pub density: Density,
    /// Left navigation.
    pub nav: Vec<NavSection>,
    /// Path of a search page that takes `q`; empty for none. `/` goes to the field.
    pub search: String,
    /// Grey text in the search field.
    pub search_label: String,
    /// Where `c` leads; empty for nowhere.
    pub create: String,
    /// Menu under the person's name.
    pub account: Vec<NavItem>,
    /// Path that a POST signs out at; empty for none.
    pub sign_out: String,
    /// Path of a server-sent event stream that open pages listen to; empty for none. Event `nav` reloads the
    /// navigation, elements may wait for others by `hx-trigger="sse:<event>"`.
    pub events: String,
}

/// Put into the request's extensions by the service's session layer.
#[derive(Debug, Clone)]
pub struct CsrfToken(pub String);

/// Put into the request's extensions where a test needs pages that do not change with time.
#[derive(Debug, Clone, Copy)]
pub struct RequestTime(pub DateTime<Utc>);

/// What is known of a request and shown by layouts: an extractor that never fails. The service adds
/// [`User`], [`CsrfToken`] and `Arc<Shell>` to the request's extensions, or sets the fields.
#[derive(Debug, Clone, Serialize)]
pub struct RequestContext {
    /// Path without query.
    pub path: String,
    /// Query without `?`; empty for none.
    pub query: String,
    /// Colours.
    pub theme: Theme,
    /// The navigation is folded to icons.
    pub nav_folded: bool,
    /// Language tag of the page's texts.
    pub locale: String,
    /// `ltr` or `rtl`.
    pub direction: &'static str,
    /// Id for support.
    pub id: String,
    /// Token for forms; empty when nobody is signed in.
    pub csrf: String,
    /// Who is signed in.
    pub user: Option<User>,
    /// Frame of layout `app`.
    pub shell: Arc<Shell>,
    /// When the request came, for "3 minutes ago".
    pub now: DateTime<Utc>,
    /// HTMX wants this element only.
    pub fragment: Option<String>,
}

const HX_REQUEST: HeaderName = HeaderName::from_static("hx-request");
const HX_TARGET: HeaderName = HeaderName::from_static("hx-target");
const HX_RESTORE: HeaderName = HeaderName::from_static("hx-history-restore-request");

impl RequestContext {
    /// Reads what a request tells by itself.
    pub fn from_parts(parts: &Parts) -> Self {
        let cookies = Cookies::read(&parts.headers);
        Self {
            path: bounded(parts.uri.path()),
            query: bounded(parts.uri.query().unwrap_or_default()),
            theme: match cookies.get("theme") {
                Some("light") => Theme::Light,
                Some("dark") => Theme::Dark,
                _ => Theme::Auto,
            },
            nav_folded: cookies.get("nav") == Some("folded"),
            locale: "en".to_owned(),
            direction: "ltr",
            id: request_id::current().unwrap_or_default(),
            csrf: parts
                .extensions
                .get::<CsrfToken>()
                .map(|token| token.0.clone())
                .unwrap_or_default(),
            user: parts.extensions.get::<User>().cloned(),
            shell: parts
                .extensions
                .get::<Arc<Shell>>()
                .cloned()
                .unwrap_or_default(),
            now: parts
                .extensions
                .get::<RequestTime>()
                .map_or_else(now, |time| time.0),
            fragment: fragment(&parts.headers),
        }
    }

    /// For tests and for pages outside of a request.
    pub fn of_path(path: &str) -> Self {
        let (mut parts, ()) = http::Request::new(()).into_parts();
        parts.uri = path.parse().unwrap_or_default();
        Self::from_parts(&parts)
    }

    /// The same with this frame.
    #[must_use]
    pub fn with_shell(mut self, shell: Arc<Shell>) -> Self {
        self.shell = shell;
        self
    }

    /// Whether HTMX asked.
    pub fn is_fragment(&self) -> bool {
        self.fragment.is_some()
    }
}

impl<S: Send + Sync> FromRequestParts<S> for RequestContext {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::from_parts(parts))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "only for words such as \"3 minutes ago\"; decides nothing, and tests set RequestTime"
)]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// What HTMX wants to replace. Pages that it restores after "back" are whole pages.
fn fragment(headers: &HeaderMap) -> Option<String> {
    let says = |name: &HeaderName| headers.get(name).is_some_and(|value| value == "true");
    if !says(&HX_REQUEST) || says(&HX_RESTORE) {
        return None;
    }
    let target = headers
        .get(&HX_TARGET)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("content");
    Some(bounded(target))
}

fn bounded(text: &str) -> String {
    text.chars().take(MAX_TEXT).collect()
}

struct Cookies<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Cookies<'a> {
    fn read(headers: &'a HeaderMap) -> Self {
        Self(
            headers
                .get_all(header::COOKIE)
                .iter()
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(';'))
                .filter_map(|pair| pair.trim().split_once('='))
                .collect(),
        )
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(key, _)| *key == name)
            .map(|(_, value)| *value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(headers: &[(&str, &str)]) -> RequestContext {
        let mut request = http::Request::get("/tenants?sort=name");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        RequestContext::from_parts(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn cookies_choose_theme_and_navigation_and_nonsense_is_ignored() {
        let chosen = context(&[("cookie", "a=b; theme=dark"), ("cookie", "nav=folded")]);
        assert_eq!((chosen.theme, chosen.nav_folded), (Theme::Dark, true));
        let other = context(&[("cookie", "theme=<b>; nav; =x")]);
        assert_eq!((other.theme, other.nav_folded), (Theme::Auto, false));
        assert_eq!(
            (other.path.as_str(), other.query.as_str()),
            ("/tenants", "sort=name")
        );
    }

    #[test]
    fn only_htmx_gets_fragments_and_back_gets_the_page() {
        assert_eq!(context(&[("hx-target", "list")]).fragment, None);
        let list = [("hx-request", "true"), ("hx-target", "list")];
        assert_eq!(context(&list).fragment.as_deref(), Some("list"));
        assert_eq!(
            context(&[("hx-request", "true")]).fragment.as_deref(),
            Some("content")
        );
        let back = [
            ("hx-request", "true"),
            ("hx-history-restore-request", "true"),
        ];
        assert_eq!(context(&back).fragment, None);
    }
}
