//! Who is asking, as extractors: a handler that takes one of them cannot forget to check.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;
use service_kit::Problem;

use crate::auth::csrf::CsrfToken;
use crate::auth::permission::{ADMIN_GROUP, PermissionSet};
use crate::auth::session::AgentAccount;
use crate::http::session::Visitor;

/// How the request proved who sends it.
#[derive(Debug, Clone)]
pub enum Credential {
    /// The session cookie: a browser, so unsafe requests need this token (checked before any handler runs).
    Cookie(CsrfToken),
    /// An access token in `Authorization`.
    Bearer,
}

/// A signed-in agent. As an extractor it refuses with 401, which a page turns into the way to the sign-in form.
#[derive(Debug, Clone)]
pub struct Agent {
    /// Who, and what they may do.
    pub account: Arc<AgentAccount>,
    /// How they proved it.
    pub credential: Credential,
}

impl Agent {
    /// `users.id`.
    pub fn id(&self) -> i32 {
        self.account.id
    }

    /// What they may do.
    pub fn permissions(&self) -> &PermissionSet {
        &self.account.permissions
    }
}

/// An agent with `rw` on the group `admin`.
#[derive(Debug, Clone)]
pub struct AdminAgent(pub Agent);

impl<S: Sync> FromRequestParts<S> for Agent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        match parts.extensions.get::<Visitor>() {
            Some(Visitor::Agent(agent)) => Ok(agent.clone()),
            Some(Visitor::Anonymous) | None => Err(Problem::unauthorized()),
            Some(Visitor::Unknown) => Err(Problem::unavailable(
                "The database of this helpdesk does not answer. Try again in a moment.",
            )),
        }
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Agent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Option<Self>, Infallible> {
        Ok(match parts.extensions.get::<Visitor>() {
            Some(Visitor::Agent(agent)) => Some(agent.clone()),
            _ => None,
        })
    }
}

impl<S: Sync> FromRequestParts<S> for AdminAgent {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let agent = <Agent as FromRequestParts<S>>::from_request_parts(parts, state).await?;
        if agent.permissions().is_admin() {
            Ok(Self(agent))
        } else {
            Err(Problem::forbidden(format!(
                "This needs the permission rw on the group \"{ADMIN_GROUP}\". Ask an administrator for it."
            )))
        }
    }
}
