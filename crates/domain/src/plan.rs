//! What a customer pays for, and the ceilings that follow from it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::limits::LambdaLimits;

/// A commercial plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Plan {
    /// To try it out.
    Free,
    /// A team's helpdesk.
    Team,
    /// A company's helpdesk.
    Business,
}

/// A text that names no plan.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown plan; choose free, team or business")]
pub struct ParsePlanError;

impl Plan {
    /// Every plan, cheapest first.
    pub const ALL: [Self; 3] = [Self::Free, Self::Team, Self::Business];

    /// The name as it is written in APIs and resources.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Team => "team",
            Self::Business => "business",
        }
    }

    /// What one lambda invocation may use at most, whatever its module asks for.
    pub const fn lambda_ceiling(self) -> LambdaLimits {
        match self {
            Self::Free => LambdaLimits::DEFAULT,
            Self::Team => LambdaLimits {
                wall_ms: 10_000,
                cpu_ms: 4_000,
                memory_mb: 64,
                ..LambdaLimits::DEFAULT
            },
            Self::Business => LambdaLimits {
                wall_ms: 30_000,
                cpu_ms: 10_000,
                memory_mb: 128,
                queries: 200,
                effects: 200,
                ..LambdaLimits::DEFAULT
            },
        }
    }

    /// How many connections the tenant's runtime role may hold.
    pub const fn runtime_connections(self) -> u16 {
        match self {
            Self::Free => 5,
            Self::Team => 10,
            Self::Business => 20,
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Plan {
    type Err = ParsePlanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|plan| plan.as_str() == text)
            .ok_or(ParsePlanError)
    }
}
