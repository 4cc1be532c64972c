//! What the control plane does, one file per use case. The API and the pages call the same functions.

pub mod accounts;
pub mod api_keys;
pub mod audit;
pub mod exports;
pub mod mailbox;
pub mod modules;
pub mod session;
pub mod signup;
pub mod tenants;

use service_kit::Problem;

use crate::rate_limit::TooMany;

impl From<TooMany> for Problem {
    fn from(refused: TooMany) -> Self {
        Self::too_many_requests(refused.retry_after)
    }
}
