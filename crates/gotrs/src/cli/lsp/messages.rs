//! The shapes of what an editor sends, and of what is sent back.

use module_spec::lsp::Position;
use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};
use serde_json::{Value, json};

/// JSON-RPC: the body is not JSON.
pub(super) const PARSE_ERROR: i64 = -32700;
/// JSON-RPC: the body is not a request.
pub(super) const INVALID_REQUEST: i64 = -32600;
/// JSON-RPC: no such request.
pub(super) const METHOD_NOT_FOUND: i64 = -32601;
/// JSON-RPC: not what the request takes.
pub(super) const INVALID_PARAMS: i64 = -32602;
/// The protocol's `ServerNotInitialized`.
pub(super) const NOT_INITIALIZED: i64 = -32002;

/// The protocol's `MessageType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Error = 1,
    Warning = 2,
}

/// What arrived.
#[derive(Debug, PartialEq)]
pub(super) enum Incoming {
    /// Something that wants an answer.
    Request {
        id: Value,
        method: String,
        params: Value,
    },
    /// Something that does not.
    Notification { method: String, params: Value },
    /// An answer to what was never asked.
    Answer,
}

/// What is wrong with a message, as JSON-RPC tells it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) code: i64,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(code: i64, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
        }
    }
}

impl Incoming {
    pub(super) fn parse(body: &[u8]) -> Result<Self, Fault> {
        let message: Value = serde_json::from_slice(body)
            .map_err(|error| Fault::new(PARSE_ERROR, format!("this is not JSON: {error}")))?;
        let invalid = |text: &str| Fault::new(INVALID_REQUEST, text);
        let Value::Object(mut message) = message else {
            return Err(invalid("a message is a JSON object"));
        };
        let params = message.remove("params").unwrap_or(Value::Null);
        match (message.remove("method"), message.remove("id")) {
            (Some(Value::String(method)), None) => Ok(Self::Notification { method, params }),
            (Some(Value::String(method)), Some(id)) if id.is_string() || id.is_number() => {
                Ok(Self::Request { id, method, params })
            }
            (Some(Value::String(_)), Some(_)) => Err(invalid("an id is a number or a text")),
            (None, Some(_)) => Ok(Self::Answer),
            _ => Err(invalid("a message needs a method")),
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Opened {
    pub(super) text_document: OpenedDocument,
}

#[derive(Debug, Deserialize)]
pub(super) struct OpenedDocument {
    pub(super) uri: String,
    pub(super) version: i64,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Changed {
    pub(super) text_document: VersionedDocument,
    pub(super) content_changes: Vec<Change>,
}

#[derive(Debug, Deserialize)]
pub(super) struct VersionedDocument {
    pub(super) uri: String,
    pub(super) version: i64,
}

#[derive(Debug, Deserialize)]
pub(super) struct Change {
    /// There when only a part changed, which we have told that we do not take.
    pub(super) range: Option<IgnoredAny>,
    pub(super) text: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Closed {
    pub(super) text_document: NamedDocument,
}

/// A place in a document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct At {
    pub(super) text_document: NamedDocument,
    pub(super) position: Position,
}

#[derive(Debug, Deserialize)]
pub(super) struct NamedDocument {
    pub(super) uri: String,
}

/// Understands parameters.
pub(super) fn params<T: DeserializeOwned>(method: &str, params: Value) -> Result<T, Fault> {
    serde_json::from_value(params)
        .map_err(|error| Fault::new(INVALID_PARAMS, format!("parameters of {method}: {error}")))
}

/// The answer to a request.
pub(super) fn answer(id: &Value, result: Result<Value, Fault>) -> Value {
    match result {
        Ok(result) => json!({"jsonrpc": "2.0", "id": id, "result": result}),
        Err(Fault { code, message }) => {
            json!({"jsonrpc": "2.0", "id": id, "error": {"code": code, "message": message}})
        }
    }
}

/// Something that the editor did not ask for.
pub(super) fn notification(method: &str, params: Value) -> Value {
    let mut message = json!({"jsonrpc": "2.0", "method": method});
    if let Some(message) = message.as_object_mut() {
        message.insert("params".to_owned(), params);
    }
    message
}

/// A text that the editor shows to the person.
pub(super) fn show(level: Level, text: &str) -> Value {
    notification(
        "window/showMessage",
        json!({"type": level as u8, "message": text}),
    )
}
