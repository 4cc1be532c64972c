//! Who looks at a page: puts the person, their CSRF token and the frame around the page into the request.

use std::sync::Arc;

use axum::extract::{FromRequestParts as _, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use service_kit::Chain;
use service_kit::pages::{CsrfToken, User};

use super::shell;
use crate::app::AppState;
use crate::http::extract::{Caller, Via};
use crate::service::{accounts, session};

/// Pages know who looks at them, also those that everybody may see. Whoever is not allowed is refused by the handlers' own
/// extractors, which give the reason.
pub(super) async fn recognise(
    State(state): State<AppState>,
    request: Request,
    next: Next,
) -> Response {
    let (mut parts, body) = request.into_parts();
    let mut frame = shell::visitor(&state);
    if let Ok(caller) = Caller::from_request_parts(&mut parts, &state).await
        && let Via::Console(session) = caller.via
    {
        match accounts::find(&state, caller.account).await {
            Ok(Some(account)) => {
                frame = shell::member(&state);
                parts.extensions.insert(User {
                    name: account.organization,
                    detail: account.email,
                });
                parts
                    .extensions
                    .insert(CsrfToken(session::csrf_token(&state, session)));
            }
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(error = %Chain(&error), "the account of a page could not be read");
            }
        }
    }
    parts.extensions.insert(Arc::new(frame));
    next.run(Request::from_parts(parts, body)).await
}
