//! Requests to the guest and its replies.

use domain::limits::LambdaLimits;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::call::{Failure, Item};
use crate::host::{Tenant, User};

#[derive(Serialize)]
pub(crate) struct Request<'a> {
    pub(crate) entropy: [u8; 32],
    pub(crate) user: Option<User>,
    pub(crate) tenant: Tenant,
    pub(crate) limits: ResultLimits,
    #[serde(flatten)]
    pub(crate) body: Body<'a>,
}

#[derive(Serialize)]
#[serde(tag = "call", rename_all = "lowercase")]
pub(crate) enum Body<'a> {
    Cells {
        lambdas: Vec<Source<'a>>,
        columns: Vec<&'a str>,
        rows: Vec<Vec<Option<&'a Value>>>,
    },
    Hook {
        lambda: &'a str,
        item: &'a Item,
    },
    Value {
        lambda: &'a str,
        item: &'a Item,
        /// What the lambda sees beside `item`, by name.
        context: Context<'a>,
    },
    Conditions {
        lambdas: Vec<Source<'a>>,
        item: &'a Item,
    },
    Check {
        lambdas: Vec<Source<'a>>,
    },
}

/// What a lambda of an event, an action or a schedule is about. The keys are globals of the guest.
#[derive(Default, Serialize)]
pub(crate) struct Context<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) event: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) items: Option<&'a [Item]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) input: Option<&'a Item>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<&'a str>,
}

#[derive(Serialize)]
pub(crate) struct Source<'a> {
    pub(crate) name: &'a str,
    #[serde(rename = "source")]
    pub(crate) code: &'a str,
    pub(crate) wanted: bool,
}

#[derive(Serialize)]
pub(crate) struct ResultLimits {
    bytes: u32,
    nesting: u32,
}

impl ResultLimits {
    /// A hook answers with the record, which may be as large as it was.
    pub(crate) fn new(limits: &LambdaLimits, body: &Body<'_>) -> Self {
        let given = match body {
            Body::Hook { item, .. } => serde_json::to_vec(item).map_or(0, |json| json.len()),
            Body::Cells { .. }
            | Body::Value { .. }
            | Body::Conditions { .. }
            | Body::Check { .. } => 0,
        };
        let given = u32::try_from(given).unwrap_or(u32::MAX);
        Self {
            bytes: limits.result_bytes.saturating_add(given),
            nesting: limits.nesting,
        }
    }
}

/// Reply to [`Body::Cells`].
#[derive(Deserialize)]
pub(crate) struct CellsReply {
    pub(crate) cells: Vec<Vec<ValueReply>>,
}

/// Reply to [`Body::Conditions`]: booleans.
#[derive(Deserialize)]
pub(crate) struct ConditionsReply {
    pub(crate) conditions: Vec<ValueReply>,
}

/// One cell; also the reply to [`Body::Value`].
#[derive(Deserialize)]
pub(crate) enum ValueReply {
    #[serde(rename = "v")]
    Value(Value),
    #[serde(rename = "e")]
    Error(Thrown),
    #[serde(rename = "l")]
    Limit(ResultLimit),
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResultLimit {
    Bytes,
    Nesting,
}

/// Reply to [`Body::Hook`].
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum HookReply {
    Done { item: Item, failures: Vec<Failure> },
    Other(ValueReply),
}

/// Reply to [`Body::Check`].
#[derive(Deserialize)]
pub(crate) struct CheckReply {
    pub(crate) checked: Vec<Option<Thrown>>,
}

/// What a lambda threw.
#[derive(Deserialize)]
pub(crate) struct Thrown {
    /// Class, when it was an error at all.
    pub(crate) name: Option<String>,
    pub(crate) message: String,
    pub(crate) stack: String,
}
