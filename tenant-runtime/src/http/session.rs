//! Finds out who is asking, once per request, before anything else looks.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderMap, header};
use service_kit::pages;

use crate::app::AppState;
use crate::auth::csrf::CsrfToken;
use crate::auth::secret::OpaqueToken;
use crate::auth::session::ResolveError;
use crate::http::cookies::{self, Cookie};
use crate::http::extract::{Agent, Credential};
use crate::modules::menu;

/// In the request's extensions: who is asking.
#[derive(Debug, Clone)]
pub enum Visitor {
    /// Nobody is signed in.
    Anonymous,
    /// An agent.
    Agent(Agent),
    /// The database did not answer, so nobody knows.
    Unknown,
}

/// Middleware: puts [`Visitor`] and what layouts need into the request.
pub async fn find_visitor(
    State(app): State<AppState>,
    mut request: Request,
    next: Next,
) -> Response {
    if request.uri().path().starts_with("/assets/") {
        return next.run(request).await;
    }
    let visitor = match resolve(request.headers(), &app).await {
        Ok(Some(agent)) => Visitor::Agent(agent),
        Ok(None) => Visitor::Anonymous,
        Err(error) => {
            tracing::error!(error = %service_kit::Chain(&error), "a session could not be looked up");
            Visitor::Unknown
        }
    };
    let extensions = request.extensions_mut();
    match &visitor {
        Visitor::Agent(agent) => {
            if let Credential::Cookie(token) = &agent.credential {
                extensions.insert(pages::CsrfToken(token.as_str().to_owned()));
            }
            extensions.insert(pages::User {
                name: agent.account.name.clone(),
                detail: agent.account.login.clone(),
            });
            extensions.insert(menu::shell(&app, agent.permissions()));
        }
        Visitor::Anonymous | Visitor::Unknown => {
            extensions.insert(menu::plain_shell(&app));
        }
    }
    extensions.insert(visitor);
    next.run(request).await
}

async fn resolve(headers: &HeaderMap, app: &AppState) -> Result<Option<Agent>, ResolveError> {
    if headers.contains_key(header::AUTHORIZATION) {
        // Who sends a token means the token: the cookie is not looked at, and so no CSRF token is asked for.
        let Some(token) = bearer(headers) else {
            return Ok(None);
        };
        let account = app.auth.agent_of_access_token(app, token).await?;
        return Ok(account.map(|account| Agent {
            account,
            credential: Credential::Bearer,
        }));
    }
    let Some(token) = cookies::find(headers, Cookie::AgentSession).and_then(OpaqueToken::parse)
    else {
        return Ok(None);
    };
    let account = app.auth.agent_of_cookie(app, &token).await?;
    Ok(account.map(|account| Agent {
        account,
        credential: Credential::Cookie(CsrfToken::of(&token)),
    }))
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}
