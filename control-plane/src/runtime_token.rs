//! The token by which a tenant's runtime identifies itself to the control plane.

use async_trait::async_trait;
use domain::id::TenantId;
use secrecy::SecretString;

use crate::keys::{Keys, Purpose};
use crate::token;

/// What every runtime token begins with, so that one found in a log is recognised.
pub const PREFIX: &str = "gotrs_rt_";

/// The token of a tenant's runtime; always the same for the same key.
pub fn issue(keys: &Keys, tenant: TenantId) -> SecretString {
    token::sign_id(keys, Purpose::RuntimeToken, PREFIX, tenant.as_uuid())
}

/// Whose runtime shows this token; `None` when it is not one of ours.
pub fn verify(keys: &Keys, text: &str) -> Option<TenantId> {
    token::verify_id(keys, Purpose::RuntimeToken, PREFIX, text).map(TenantId::from_uuid)
}

/// Says whose runtime shows a token. On one machine the control plane has made it itself; in a cluster the API server has.
#[async_trait]
pub trait RuntimeTokens: Send + Sync + 'static {
    /// The tenant; `None` for a token that is none, or nobody's.
    async fn tenant(&self, token: &str) -> Result<Option<TenantId>, VerifyTokenError>;
}

/// Whether a token is good cannot be said now; try again.
#[derive(Debug, thiserror::Error)]
#[error("whose token it is cannot be found out now")]
pub struct VerifyTokenError(#[source] pub anyhow::Error);

/// Tokens that [`issue`] made.
pub struct SignedTokens(pub Keys);

#[async_trait]
impl RuntimeTokens for SignedTokens {
    async fn tenant(&self, token: &str) -> Result<Option<TenantId>, VerifyTokenError> {
        Ok(verify(&self.0, token))
    }
}
