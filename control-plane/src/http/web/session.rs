//! Starting and ending a browser's session.

use axum::response::{IntoResponse as _, Redirect, Response};
use domain::id::AccountId;
use http::header;
use service_kit::Problem;

use crate::app::AppState;
use crate::http::cookie::Cookie;
use crate::service::session::{self, SESSION_LIFETIME};

/// Signs a person in and sends them to `place`.
pub(super) async fn start(
    state: &AppState,
    account: AccountId,
    place: &str,
) -> Result<Response, Problem> {
    let session = session::start_console(state, account).await?;
    let cookie = Cookie::Session.set(
        &state.settings.public_url,
        &session.cookie,
        SESSION_LIFETIME,
    );
    Ok(([(header::SET_COOKIE, cookie)], Redirect::to(place)).into_response())
}

/// Forgets the session in the browser and sends the person to `place`.
pub(super) fn forget(state: &AppState, place: &str) -> Response {
    let cookie = Cookie::Session.clear(&state.settings.public_url);
    ([(header::SET_COOKIE, cookie)], Redirect::to(place)).into_response()
}

/// A place of ours that a link may name; anything that leads elsewhere becomes `otherwise`.
pub(super) fn own_place<'a>(wanted: &'a str, otherwise: &'a str) -> &'a str {
    let is_path = wanted.starts_with('/') && !wanted.starts_with("//");
    let is_plain = wanted.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if is_path && is_plain {
        wanted
    } else {
        otherwise
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_away() {
        assert_eq!(own_place("/tenants/acme?tab=1", "/"), "/tenants/acme?tab=1");
        for bad in [
            "",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/a\r\nSet-Cookie: x",
            "javascript:alert(1)",
        ] {
            assert_eq!(own_place(bad, "/tenants"), "/tenants", "{bad:?}");
        }
    }
}
