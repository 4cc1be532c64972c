//! Signing in and out on pages; works without JavaScript.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use service_kit::Problem;
use service_kit::extract::{Form, Query};
use service_kit::pages::{Page, RequestContext};

use crate::app::AppState;
use crate::auth::csrf::CsrfToken;
use crate::auth::secret::OpaqueToken;
use crate::auth::session::{self, Attempt, SignInError};
use crate::http::client::Client;
use crate::http::cookies::{self, Cookie};
use crate::http::extract::Agent;

/// The sign-in page.
#[derive(Debug, Serialize)]
pub struct LoginPage<'a> {
    /// The tenant's name.
    pub tenant: &'a str,
    /// What was typed.
    pub login: &'a str,
    /// Where to go afterwards.
    pub next: &'a str,
    /// Proves that the form came from us.
    pub form_token: &'a str,
    /// Why it did not work.
    pub error: Option<&'a str>,
}

impl Page for LoginPage<'_> {
    const TEMPLATE: &'static str = "pages/login.html";
}

/// Where the form was asked for.
#[derive(Debug, Default, Deserialize)]
pub struct LoginQuery {
    next: Option<String>,
}

/// The form.
#[derive(Debug, Deserialize)]
pub struct LoginForm {
    #[serde(default)]
    csrf_token: String,
    #[serde(default)]
    login: String,
    #[serde(default)]
    password: SecretString,
    next: Option<String>,
}

/// `GET /login`
pub async fn show(
    State(app): State<AppState>,
    agent: Option<Agent>,
    Query(query): Query<LoginQuery>,
    client: Client,
    context: RequestContext,
    headers: HeaderMap,
) -> Response {
    let next = safe_next(query.next.as_deref());
    if agent.is_some() {
        return Redirect::to(next).into_response();
    }
    let door = Door {
        app: &app,
        client: &client,
        context: &context,
        headers: &headers,
    };
    door.show(StatusCode::OK, "", next, None)
}

/// `POST /login`
pub async fn submit(
    State(app): State<AppState>,
    client: Client,
    context: RequestContext,
    headers: HeaderMap,
    Form(given): Form<LoginForm>,
) -> Response {
    let next = safe_next(given.next.as_deref());
    let door = Door {
        app: &app,
        client: &client,
        context: &context,
        headers: &headers,
    };
    let refuse = |status, error: &str| door.show(status, &given.login, next, Some(error));
    let bound = door
        .form_cookie()
        .is_some_and(|cookie| CsrfToken::of(&cookie).matches(&given.csrf_token));
    if !bound {
        return refuse(
            StatusCode::FORBIDDEN,
            "This form was open for too long, or cookies are switched off. Try again.",
        );
    }
    if let Err(wait) = app.auth.limits.check(&given.login, client.address) {
        let seconds = wait.as_secs() + 1;
        let text = format!("Too many attempts. Try again in {seconds} seconds.");
        let mut answer = refuse(StatusCode::TOO_MANY_REQUESTS, &text);
        answer
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        return answer;
    }
    let attempt = Attempt {
        login: &given.login,
        password: &given.password,
        user_agent: client.user_agent.as_deref(),
    };
    match session::sign_in_page(&app, attempt).await {
        Ok(session) => {
            let mut answer = Redirect::to(next).into_response();
            let set = [
                cookies::set(
                    client.transport,
                    Cookie::AgentSession,
                    session.cookie.expose(),
                    None,
                ),
                cookies::clear(client.transport, Cookie::SignInForm),
            ];
            for cookie in set.into_iter().flatten() {
                answer.headers_mut().append(header::SET_COOKIE, cookie);
            }
            answer
        }
        Err(SignInError::Wrong) => refuse(StatusCode::UNAUTHORIZED, "Login or password is wrong."),
        Err(error) => problem(&error).into_response(),
    }
}

/// `POST /logout`
pub async fn sign_out(
    State(app): State<AppState>,
    agent: Option<Agent>,
    client: Client,
) -> Response {
    if let Some(agent) = agent
        && let Err(error) = session::sign_out(&app, agent.account.session).await
    {
        return problem(&error).into_response();
    }
    let mut answer = Redirect::to("/login").into_response();
    if let Some(cookie) = cookies::clear(client.transport, Cookie::AgentSession) {
        answer.headers_mut().append(header::SET_COOKIE, cookie);
    }
    answer
}

/// What a program (or an error page) says about a failed sign-in.
pub fn problem(error: &SignInError) -> Problem {
    match error {
        SignInError::Wrong => Problem::new(
            StatusCode::UNAUTHORIZED,
            "wrong_credentials",
            "Login or password is wrong",
        ),
        SignInError::BadRefreshToken => Problem::new(
            StatusCode::UNAUTHORIZED,
            "bad_refresh_token",
            "The refresh token is not good any more",
        )
        .with_detail("Sign in again. A refresh token is good for one use."),
        SignInError::Database(_) => {
            tracing::error!(error = %service_kit::Chain(error), "somebody could not sign in");
            Problem::unavailable(
                "The database of this helpdesk does not answer. Try again in a moment.",
            )
        }
        SignInError::Blocking(_) | SignInError::Hash(_) | SignInError::Sign(_) => {
            tracing::error!(error = %service_kit::Chain(error), "somebody could not sign in");
            Problem::internal()
        }
    }
}

/// Somebody in front of the form.
struct Door<'a> {
    app: &'a AppState,
    client: &'a Client,
    context: &'a RequestContext,
    headers: &'a HeaderMap,
}

impl Door<'_> {
    fn form_cookie(&self) -> Option<OpaqueToken> {
        cookies::find(self.headers, Cookie::SignInForm).and_then(OpaqueToken::parse)
    }

    fn show(&self, status: StatusCode, login: &str, next: &str, error: Option<&str>) -> Response {
        // The same cookie is kept, so that forms in two tabs both work.
        let (cookie, set) = match self.form_cookie() {
            Some(cookie) => (cookie, None),
            None => {
                let cookie = OpaqueToken::generate();
                let set = cookies::set(
                    self.client.transport,
                    Cookie::SignInForm,
                    cookie.expose(),
                    None,
                );
                (cookie, set)
            }
        };
        let token = CsrfToken::of(&cookie);
        let page = LoginPage {
            tenant: &self.app.tenant.name,
            login,
            next,
            form_token: token.as_str(),
            error,
        };
        let mut answer = self.app.pages.render(&page, self.context);
        if answer.status() == StatusCode::OK {
            *answer.status_mut() = status;
        }
        if let Some(set) = set {
            answer.headers_mut().append(header::SET_COOKIE, set);
        }
        answer
    }
}

/// A path of this host that a sign-in may send the browser to; anything else is `/agent`.
pub fn safe_next(next: Option<&str>) -> &str {
    next.filter(|path| {
        let mut bytes = path.bytes();
        bytes.next() == Some(b'/')
            && !matches!(bytes.next(), None | Some(b'/' | b'\\'))
            && !path.contains('\\')
            && !path.bytes().any(|byte| byte.is_ascii_control())
            && !path.starts_with("/login")
            && !path.starts_with("/logout")
    })
    .unwrap_or("/agent")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn next_is_a_path_of_this_host_or_the_agents_home() {
        for good in ["/admin/queue?page=2", "/agent", "/admin/laptops/3"] {
            assert_eq!(safe_next(Some(good)), good);
        }
        for bad in [
            "/",
            "//evil.example",
            "/\\evil.example",
            "https://evil.example",
            "javascript:alert(1)",
            "/x\r\nSet-Cookie: a=b",
            "/a\\b",
            "/login?next=/login",
            "",
        ] {
            assert_eq!(safe_next(Some(bad)), "/agent", "{bad}");
        }
        assert_eq!(safe_next(None), "/agent");
    }

    proptest! {
        #[test]
        fn next_never_leaves_the_host(text in "[/\\\\a-z:.@?#\\t\\r\\n%]{0,12}") {
            let base = reqwest::Url::parse("http://acme.localhost:8080/login").unwrap();
            let target = base.join(safe_next(Some(&text))).unwrap();
            prop_assert_eq!(target.host_str(), Some("acme.localhost"));
        }
    }
}
