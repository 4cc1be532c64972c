//! What the server does, without doing it: messages in, effects out.

use std::collections::HashMap;
use std::sync::Arc;

use domain::diagnostic::Diagnostic;
use module_spec::lsp;
use serde_json::{Value, json};

use super::messages::{
    At, Changed, Closed, Fault, INVALID_REQUEST, Incoming, Level, METHOD_NOT_FOUND,
    NOT_INITIALIZED, Opened, answer, notification, params, show,
};

/// Files that may be open at the same time. Each takes at most as much memory as the longest message.
const MAX_DOCUMENTS: usize = 64;

/// What is to be done.
#[derive(Debug, PartialEq)]
pub(super) enum Effect {
    /// The editor gets this message.
    Send(Value),
    /// A text is checked; [`Server::checked`] takes what is found. There is never more than one on the way.
    Check(Check),
    /// The server ends.
    End(Ending),
}

/// How the editor ended it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// After `shutdown`.
    Orderly,
    /// Without.
    Abrupt,
}

/// A text to be checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Check {
    uri: String,
    revision: u64,
    pub(super) text: Arc<str>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Phase {
    #[default]
    Started,
    Serving,
    ShutDown,
}

#[derive(Debug)]
struct Document {
    text: Arc<str>,
    /// The editor's count, sent back with the findings.
    version: i64,
    /// Our count over all documents: says which text is the newest, also of a file that was closed and opened again.
    revision: u64,
    /// Nobody looks for findings in this text yet.
    unchecked: bool,
}

/// The server's state.
#[derive(Debug, Default)]
pub(super) struct Server {
    phase: Phase,
    documents: HashMap<String, Document>,
    revisions: u64,
    checking: bool,
}

impl Server {
    /// Whether the editor has said `shutdown`.
    pub(super) fn is_shut_down(&self) -> bool {
        self.phase == Phase::ShutDown
    }

    /// What a message leads to.
    pub(super) fn receive(&mut self, body: &[u8]) -> Vec<Effect> {
        let mut effects = match Incoming::parse(body) {
            Ok(Incoming::Request { id, method, params }) => {
                let result = self.request(&method, params);
                vec![Effect::Send(answer(&id, result))]
            }
            Ok(Incoming::Notification { method, params }) => self.notice(&method, params),
            Ok(Incoming::Answer) => Vec::new(),
            Err(fault) => vec![Effect::Send(answer(&Value::Null, Err(fault)))],
        };
        effects.extend(self.next_check());
        effects
    }

    /// Takes the findings of a text; those of an old one are dropped.
    pub(super) fn checked(&mut self, check: &Check, findings: &[Diagnostic]) -> Vec<Effect> {
        self.checking = false;
        let mut effects = Vec::new();
        if let Some(document) = self.documents.get(&check.uri)
            && document.revision == check.revision
        {
            let found = lsp::diagnostics(&check.text, findings, DOCS);
            effects.push(publish(&check.uri, Some(document.version), &found));
        }
        effects.extend(self.next_check());
        effects
    }

    fn request(&mut self, method: &str, given: Value) -> Result<Value, Fault> {
        match (self.phase, method) {
            (Phase::Started, "initialize") => {
                self.phase = Phase::Serving;
                Ok(capabilities())
            }
            (Phase::Started, _) => Err(Fault::new(
                NOT_INITIALIZED,
                format!("`initialize` comes before `{method}`"),
            )),
            (Phase::Serving, "initialize") => Err(Fault::new(
                INVALID_REQUEST,
                "the server is initialized already",
            )),
            (Phase::ShutDown, _) => Err(Fault::new(
                INVALID_REQUEST,
                format!("nothing but `exit` comes after `shutdown`, not `{method}`"),
            )),
            (Phase::Serving, "shutdown") => {
                self.phase = Phase::ShutDown;
                self.documents.clear();
                Ok(Value::Null)
            }
            (Phase::Serving, "textDocument/completion") => {
                let at: At = params(method, given)?;
                Ok(self
                    .text(&at)
                    .map_or(Value::Null, |text| json!(lsp::complete(text, at.position))))
            }
            (Phase::Serving, "textDocument/hover") => {
                let at: At = params(method, given)?;
                Ok(self.text(&at).map_or(Value::Null, |text| {
                    json!(lsp::hover(text, at.position, DOCS))
                }))
            }
            (Phase::Serving, _) => Err(Fault::new(
                METHOD_NOT_FOUND,
                format!("this server does not know `{method}`"),
            )),
        }
    }

    /// Nothing of a file that is not open here: it was one too many, which was told.
    fn text(&self, at: &At) -> Option<&str> {
        let document = self.documents.get(&at.text_document.uri)?;
        Some(&document.text)
    }

    fn notice(&mut self, method: &str, given: Value) -> Vec<Effect> {
        let result = match (self.phase, method) {
            (Phase::ShutDown, "exit") => return vec![Effect::End(Ending::Orderly)],
            (_, "exit") => return vec![Effect::End(Ending::Abrupt)],
            (Phase::Serving, "textDocument/didOpen") => {
                params(method, given).map(|opened| self.open(opened))
            }
            (Phase::Serving, "textDocument/didChange") => {
                params(method, given).map(|changed| self.change(changed))
            }
            (Phase::Serving, "textDocument/didClose") => {
                params(method, given).map(|closed| self.close(&closed))
            }
            // The protocol lets a server pass over what it does not know.
            _ => Ok(Vec::new()),
        };
        // Nobody waits for an answer to a notification, but that one was lost must not be silent.
        result.unwrap_or_else(|fault| {
            vec![Effect::Send(show(
                Level::Error,
                &format!("gotrs: {}", fault.message),
            ))]
        })
    }

    fn open(&mut self, Opened { text_document }: Opened) -> Vec<Effect> {
        let full = self.documents.len() >= MAX_DOCUMENTS;
        if full && !self.documents.contains_key(&text_document.uri) {
            let text = format!(
                "gotrs: {MAX_DOCUMENTS} module files are open; {} is not checked. Close some and open it again.",
                text_document.uri
            );
            return vec![Effect::Send(show(Level::Warning, &text))];
        }
        let document = self.document(text_document.text, text_document.version);
        self.documents.insert(text_document.uri, document);
        Vec::new()
    }

    fn change(&mut self, changed: Changed) -> Vec<Effect> {
        let Changed {
            text_document,
            mut content_changes,
        } = changed;
        if !self.documents.contains_key(&text_document.uri) {
            return Vec::new();
        }
        if content_changes.iter().any(|change| change.range.is_some()) {
            // What we have is no longer what the person sees.
            self.documents.remove(&text_document.uri);
            let text = format!(
                "gotrs: the editor sent a part of {} where the whole text is asked for; it is no longer checked.",
                text_document.uri
            );
            return vec![
                publish(&text_document.uri, None, &[]),
                Effect::Send(show(Level::Error, &text)),
            ];
        }
        if let Some(last) = content_changes.pop() {
            let document = self.document(last.text, text_document.version);
            self.documents.insert(text_document.uri, document);
        }
        Vec::new()
    }

    fn close(&mut self, Closed { text_document }: &Closed) -> Vec<Effect> {
        match self.documents.remove(&text_document.uri) {
            Some(_) => vec![publish(&text_document.uri, None, &[])],
            None => Vec::new(),
        }
    }

    fn document(&mut self, text: String, version: i64) -> Document {
        self.revisions += 1;
        Document {
            text: text.into(),
            version,
            revision: self.revisions,
            unchecked: true,
        }
    }

    /// The text that has waited longest, when no other is being checked. What was typed over in the meantime is gone.
    fn next_check(&mut self) -> Option<Effect> {
        if self.checking {
            return None;
        }
        let (uri, document) = self
            .documents
            .iter_mut()
            .filter(|(_, document)| document.unchecked)
            .min_by_key(|(_, document)| document.revision)?;
        document.unchecked = false;
        self.checking = true;
        Some(Effect::Check(Check {
            uri: uri.clone(),
            revision: document.revision,
            text: Arc::clone(&document.text),
        }))
    }
}

fn capabilities() -> Value {
    json!({
        "capabilities": {
            "positionEncoding": "utf-16",
            // Whole texts: a module file is small, and nothing can get out of step.
            "textDocumentSync": {"openClose": true, "change": 1},
            "completionProvider": {"triggerCharacters": [" ", ".", "[", "{", ","]},
            "hoverProvider": true,
        },
        "serverInfo": {"name": "gotrs", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// No links to explanations: there is no address that every reader can reach.
const DOCS: Option<&str> = None;

fn publish(uri: &str, version: Option<i64>, diagnostics: &[lsp::EditorDiagnostic]) -> Effect {
    let mut params = json!({"uri": uri, "diagnostics": diagnostics});
    if let (Some(params), Some(version)) = (params.as_object_mut(), version) {
        params.insert("version".to_owned(), version.into());
    }
    Effect::Send(notification("textDocument/publishDiagnostics", params))
}

#[cfg(test)]
mod tests;
