//! Typed `UUIDv7` identifiers: one type per thing, so that an account's id is never taken for a tenant's.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is not an identifier.
#[derive(Debug, Clone, thiserror::Error)]
#[error("not an id: expected a UUID such as 0198c0de-0000-7000-8000-000000000000")]
pub struct ParseIdError(#[source] uuid::Error);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)+) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// A new identifier; ordered by the time of its making.
            #[expect(clippy::disallowed_methods, reason = "the one place where ids are made")]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }

            /// The identifier that a database row holds.
            pub const fn from_uuid(uuid: Uuid) -> Self {
                Self(uuid)
            }

            /// What a database row holds.
            pub const fn as_uuid(self) -> Uuid {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self).map_err(ParseIdError)
            }
        }
    )+};
}

ids! {
    /// A customer of GOTRS Cloud: who signs in to the console and who pays.
    AccountId;
    /// A helpdesk: one schema, three roles, one runtime.
    TenantId;
    /// One export of a tenant: one archive in the object store.
    ExportId;
    /// A person's session in the console (one family of refresh tokens).
    SessionId;
    /// A key for programs.
    ApiKeyId;
    /// One stored version of one module.
    ModuleVersionId;
    /// An entry of the audit log.
    AuditEventId;
    /// One HTTP request, as in `X-Request-Id`.
    RequestId;
}
