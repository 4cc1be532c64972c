//! Who calls and what they may touch, as types: a handler that takes [`TenantAccess`] cannot forget to ask.

use std::convert::Infallible;
use std::marker::PhantomData;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use axum::extract::{ConnectInfo, FromRequestParts, RawPathParams};
use domain::id::{AccountId, SessionId};
use domain::name::TenantSlug;
use http::request::Parts;
use http::{HeaderMap, header};
use service_kit::Problem;

use super::cookie::Cookie;
use crate::app::AppState;
use crate::config::Settings;
use crate::db::tenant::Tenant;
use crate::service::api_keys::{self, ApiKey, Scope};
use crate::service::session;
use crate::service::tenants;

/// An authenticated account.
#[derive(Debug, Clone)]
pub struct Caller {
    /// Which.
    pub account: AccountId,
    /// How it proved that.
    pub via: Via,
}

/// How a caller is authenticated.
#[derive(Debug, Clone)]
pub enum Via {
    /// An access token of a session.
    AccessToken(SessionId),
    /// The cookie of a person in the console; on unsafe methods with the CSRF token.
    Console(SessionId),
    /// A key of a program.
    ApiKey(ApiKey),
}

impl Caller {
    /// For the audit log.
    pub fn actor(&self) -> String {
        match &self.via {
            Via::AccessToken(session) | Via::Console(session) => format!("session {session}"),
            Via::ApiKey(key) => format!("api_key {}", key.id),
        }
    }

    /// The session, unless a key is used.
    pub const fn session(&self) -> Option<SessionId> {
        match &self.via {
            Via::AccessToken(session) | Via::Console(session) => Some(*session),
            Via::ApiKey(_) => None,
        }
    }

    fn permit(&self, scope: Option<Scope>) -> Result<(), Problem> {
        match (&self.via, scope) {
            (Via::AccessToken(_) | Via::Console(_), _) => Ok(()),
            (Via::ApiKey(key), Some(scope)) if key.scopes.contains(&scope) => Ok(()),
            (Via::ApiKey(_), Some(scope)) => Err(Problem::forbidden(format!(
                "This API key lacks the scope {scope}; make one that has it."
            ))),
            (Via::ApiKey(_), None) => Err(Problem::forbidden(
                "API keys cannot do this; sign in as a person.",
            )),
        }
    }
}

impl FromRequestParts<AppState> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        // Several extractors and a middleware may ask in one request.
        if let Some(caller) = parts.extensions.get::<Self>() {
            return Ok(caller.clone());
        }
        let caller = match bearer(&parts.headers) {
            Some(token) => by_bearer(state, token).await?,
            None => by_cookie(state, parts).await?,
        };
        state.limits.check_call(caller.account)?;
        parts.extensions.insert(caller.clone());
        Ok(caller)
    }
}

/// The token of `Authorization: Bearer`.
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

async fn by_bearer(state: &AppState, token: &str) -> Result<Caller, Problem> {
    let caller = if token.starts_with(api_keys::PREFIX) {
        api_keys::authenticate(state, token)
            .await?
            .map(|key| Caller {
                account: key.account,
                via: Via::ApiKey(key),
            })
    } else {
        session::authenticate_access_token(state, token)
            .await?
            .map(|live| Caller {
                account: live.account,
                via: Via::AccessToken(live.id),
            })
    };
    caller.ok_or_else(Problem::unauthorized)
}

async fn by_cookie(state: &AppState, parts: &Parts) -> Result<Caller, Problem> {
    let cookie = Cookie::Session
        .read(&parts.headers, &state.settings.public_url)
        .ok_or_else(Problem::unauthorized)?;
    let live = session::authenticate_cookie(state, &cookie)
        .await?
        .ok_or_else(Problem::unauthorized)?;
    if !parts.method.is_safe() {
        let token = parts
            .headers
            .get("x-csrf-token")
            .and_then(|value| value.to_str().ok());
        session::check_csrf(state, live.id, token.unwrap_or_default())?;
    }
    Ok(Caller {
        account: live.account,
        via: Via::Console(live.id),
    })
}

/// What a call needs; implemented by the marker types below.
pub trait Permission: Send + Sync + 'static {
    /// The scope that an API key needs; `None` where only a signed-in person will do.
    const SCOPE: Option<Scope>;
}

macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $scope:expr;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy)]
        pub struct $name;

        impl Permission for $name {
            const SCOPE: Option<Scope> = $scope;
        }
    )+};
}

permissions! {
    /// To see tenants and their state.
    ReadTenants = Some(Scope::TenantsRead);
    /// To suspend, resume, delete.
    WriteTenants = Some(Scope::TenantsWrite);
    /// To make exports and download them.
    ExportTenants = Some(Scope::TenantsExport);
    /// To see modules and their state.
    ReadModules = Some(Scope::ModulesRead);
    /// To upload, roll back, delete modules.
    WriteModules = Some(Scope::ModulesWrite);
    /// To see the audit log.
    ReadAudit = Some(Scope::AuditRead);
    /// Only for a person.
    SignedIn = None;
}

/// A caller that has a permission.
#[derive(Debug, Clone)]
pub struct Authorized<P> {
    /// Who.
    pub caller: Caller,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequestParts<AppState> for Authorized<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, state).await?;
        caller.permit(P::SCOPE)?;
        Ok(Self {
            caller,
            permission: PhantomData,
        })
    }
}

/// The tenant that the path names by `{slug}`, and a caller who is a member of it and has a permission. The tenant of
/// somebody else is 404, as one that does not exist.
#[derive(Debug, Clone)]
pub struct TenantAccess<P> {
    /// Who.
    pub caller: Caller,
    /// Which.
    pub tenant: Tenant,
    permission: PhantomData<P>,
}

impl<P: Permission> FromRequestParts<AppState> for TenantAccess<P> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Problem> {
        let Authorized { caller, .. } = Authorized::<P>::from_request_parts(parts, state).await?;
        let params = RawPathParams::from_request_parts(parts, state)
            .await
            .map_err(|_not_utf8| no_such_tenant())?;
        let slug: TenantSlug = params
            .iter()
            .find(|(name, _)| *name == "slug")
            .and_then(|(_, value)| value.parse().ok())
            .ok_or_else(no_such_tenant)?;
        let tenant = tenants::find_for(state, caller.account, &slug)
            .await?
            .ok_or_else(no_such_tenant)?;
        Ok(Self {
            caller,
            tenant,
            permission: PhantomData,
        })
    }
}

fn no_such_tenant() -> Problem {
    Problem::not_found("You have no tenant of this name.")
}

/// The address that a request comes from, for limits and logs.
#[derive(Debug, Clone, Copy)]
pub struct ClientAddress(pub IpAddr);

impl FromRequestParts<AppState> for ClientAddress {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, Infallible> {
        Ok(client_address(parts, &state.settings))
    }
}

/// The peer, or what a trusted router in front of us says about it.
fn client_address(parts: &Parts, settings: &Settings) -> ClientAddress {
    let peer = parts
        .extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |info| info.0.ip());
    ClientAddress(settings.trusted_proxies.client(peer, &parts.headers))
}
