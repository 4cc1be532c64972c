//! The token by which a tenant's runtime identifies itself to the control plane.

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
