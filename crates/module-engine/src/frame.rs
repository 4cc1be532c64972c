//! Requests to the guest and its replies.

use std::borrow::Cow;
use std::fmt;

use domain::limits::LambdaLimits;
use serde::de::{Error as _, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use crate::call::{Failure, Item};
use crate::guest_json;
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
        /// Whether one of them may leave a global variable behind.
        leaves: bool,
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
    /// Whether its result belongs into the reply.
    pub(crate) wanted: bool,
    /// Whether another lambda of the request reads its result.
    pub(crate) read: bool,
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
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) enum ValueReply {
    Value(Value),
    Error(Thrown),
    Limit(ResultLimit),
}

/// Null, a boolean, a number and a text stand for themselves. An object has one key: `v` with a value, `j` with the JSON text of one
/// (the guest writes an object down as soon as it has it), `e` with an error, or `l` with a limit.
impl<'de> Deserialize<'de> for ValueReply {
    fn deserialize<D: Deserializer<'de>>(reply: D) -> Result<Self, D::Error> {
        reply.deserialize_any(ReplyVisitor)
    }
}

struct ReplyVisitor;

impl<'de> Visitor<'de> for ReplyVisitor {
    type Value = ValueReply;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, or an object with one of v, j, e and l")
    }

    fn visit_unit<E>(self) -> Result<ValueReply, E> {
        Ok(ValueReply::Value(Value::Null))
    }

    fn visit_bool<E>(self, value: bool) -> Result<ValueReply, E> {
        Ok(ValueReply::Value(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<ValueReply, E> {
        Ok(ValueReply::Value(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<ValueReply, E> {
        Ok(ValueReply::Value(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<ValueReply, E> {
        Ok(ValueReply::Value(value.into()))
    }

    fn visit_str<E>(self, value: &str) -> Result<ValueReply, E> {
        Ok(ValueReply::Value(value.into()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<ValueReply, A::Error> {
        let reply = match object.next_key()? {
            Some(Kind::Value) => ValueReply::Value(object.next_value()?),
            Some(Kind::Text) => {
                let text: Cow<'de, str> = object.next_value()?;
                ValueReply::Value(guest_json::read(text.as_bytes()).map_err(A::Error::custom)?)
            }
            Some(Kind::Error) => ValueReply::Error(object.next_value()?),
            Some(Kind::Limit) => ValueReply::Limit(object.next_value()?),
            None => return Err(A::Error::custom("an object without a key")),
        };
        match object.next_key::<Kind>()? {
            None => Ok(reply),
            Some(_) => Err(A::Error::custom("an object with more than one key")),
        }
    }
}

#[derive(Deserialize)]
enum Kind {
    #[serde(rename = "v")]
    Value,
    #[serde(rename = "j")]
    Text,
    #[serde(rename = "e")]
    Error,
    #[serde(rename = "l")]
    Limit,
}

#[derive(Deserialize)]
#[cfg_attr(test, derive(Debug, PartialEq))]
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
#[cfg_attr(test, derive(Debug, PartialEq))]
pub(crate) struct Thrown {
    /// Class, when it was an error at all.
    pub(crate) name: Option<String>,
    pub(crate) message: String,
    pub(crate) stack: String,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_cell_is_a_value_or_says_what_it_is() {
        let thrown = r#"{"name":null,"message":"m","stack":""}"#;
        for (json, expected) in [
            ("null", ValueReply::Value(json!(null))),
            ("true", ValueReply::Value(json!(true))),
            ("-1", ValueReply::Value(json!(-1))),
            ("1.5", ValueReply::Value(json!(1.5))),
            (r#""a\n\ud800""#, ValueReply::Value(json!("a\n\u{fffd}"))),
            (r#"{"v":{"v":1}}"#, ValueReply::Value(json!({"v": 1}))),
            (
                r#"{"j":"{\"a\":\"\\n\\ud800\"}"}"#,
                ValueReply::Value(json!({"a": "\n\u{fffd}"})),
            ),
            (r#"{"l":"bytes"}"#, ValueReply::Limit(ResultLimit::Bytes)),
            (
                &format!("{{\"e\":{thrown}}}"),
                ValueReply::Error(serde_json::from_str(thrown).unwrap()),
            ),
        ] {
            let reply: ValueReply = guest_json::read(json.as_bytes()).unwrap();
            assert_eq!(reply, expected, "{json}");
        }
    }

    #[test]
    fn what_the_guest_would_not_say_is_an_error() {
        for json in [
            "{}",
            "[]",
            r#"{"x":1}"#,
            r#"{"v":1,"v":2}"#,
            r#"{"v":1,"l":"bytes"}"#,
            r#"{"j":"{"}"#,
            r#"{"j":1}"#,
            r#"{"l":"else"}"#,
            r#"{"e":"text"}"#,
        ] {
            assert!(
                guest_json::read::<ValueReply>(json.as_bytes()).is_err(),
                "{json}"
            );
        }
    }
}
