#![expect(clippy::indexing_slicing, reason = "a test fails by it")]

use domain::diagnostic::Severity;
use proptest::prelude::*;

use super::super::messages::{INVALID_PARAMS, PARSE_ERROR};
use super::*;

const URI: &str = "file:///modules/laptop.yaml";

fn tell(server: &mut Server, message: &Value) -> Vec<Effect> {
    server.receive(message.to_string().as_bytes())
}

fn ask(server: &mut Server, method: &str, params: &Value) -> Value {
    let request = json!({"jsonrpc": "2.0", "id": "q", "method": method, "params": params});
    let mut effects = tell(server, &request);
    assert_eq!(effects.len(), 1, "{method}: {effects:?}");
    match effects.remove(0) {
        Effect::Send(answer) => {
            assert_eq!(answer["id"], "q");
            answer
        }
        other => panic!("{method}: {other:?}"),
    }
}

fn serving() -> Server {
    let mut server = Server::default();
    let answer = ask(&mut server, "initialize", &json!({"capabilities": {}}));
    assert_eq!(
        answer["result"]["capabilities"]["textDocumentSync"]["change"],
        1
    );
    assert_eq!(
        tell(&mut server, &json!({"method": "initialized", "params": {}})),
        []
    );
    server
}

fn opened(uri: &str, version: i64, text: &str) -> Value {
    let document = json!({"uri": uri, "languageId": "yaml", "version": version, "text": text});
    json!({"method": "textDocument/didOpen", "params": {"textDocument": document}})
}

fn changed(uri: &str, version: i64, text: &str) -> Value {
    json!({"method": "textDocument/didChange", "params": {
        "textDocument": {"uri": uri, "version": version},
        "contentChanges": [{"text": "typed over"}, {"text": text}],
    }})
}

fn closed(uri: &str) -> Value {
    json!({"method": "textDocument/didClose", "params": {"textDocument": {"uri": uri}}})
}

fn the_check(effects: &[Effect]) -> Check {
    match effects {
        [Effect::Check(check)] => check.clone(),
        other => panic!("{other:?}"),
    }
}

fn finding(line: u32) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code: "unknown-type".to_owned(),
        message: "no such type".to_owned(),
        help: None,
        line,
        column: 1,
        length: 2,
        path: String::new(),
    }
}

fn published(effect: &Effect) -> &Value {
    match effect {
        Effect::Send(message) if message["method"] == "textDocument/publishDiagnostics" => {
            &message["params"]
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_order_of_the_protocol_is_kept() {
    let mut server = Server::default();
    let at = json!({"textDocument": {"uri": URI}, "position": {"line": 0, "character": 0}});
    assert_eq!(
        ask(&mut server, "textDocument/hover", &at)["error"]["code"],
        NOT_INITIALIZED
    );
    assert_eq!(tell(&mut server, &opened(URI, 1, "x")), [], "too early");
    let mut server = serving();
    for (method, code) in [
        ("initialize", INVALID_REQUEST),
        ("textDocument/rename", METHOD_NOT_FOUND),
        ("workspace/executeCommand", METHOD_NOT_FOUND),
        ("textDocument/hover", INVALID_PARAMS),
    ] {
        assert_eq!(ask(&mut server, method, &json!({}))["error"]["code"], code);
    }
    assert_eq!(tell(&mut server, &json!({"method": "$/setTrace"})), []);
    assert_eq!(tell(&mut server, &json!({"id": 7, "result": null})), []);
    let answer = ask(&mut server, "shutdown", &Value::Null);
    assert_eq!(answer.get("result"), Some(&Value::Null));
    assert!(server.is_shut_down());
    assert_eq!(
        ask(&mut server, "textDocument/hover", &at)["error"]["code"],
        INVALID_REQUEST
    );
    let exit = json!({"method": "exit"});
    assert_eq!(tell(&mut server, &exit), [Effect::End(Ending::Orderly)]);
    assert_eq!(tell(&mut serving(), &exit), [Effect::End(Ending::Abrupt)]);
    assert_eq!(
        tell(&mut Server::default(), &exit),
        [Effect::End(Ending::Abrupt)]
    );
}

#[test]
fn what_is_no_request_is_answered_without_an_id() {
    for (body, code) in [
        ("{", PARSE_ERROR),
        ("", PARSE_ERROR),
        ("[]", INVALID_REQUEST),
        ("{}", INVALID_REQUEST),
        ("{\"method\": 1}", INVALID_REQUEST),
        ("{\"method\": \"shutdown\", \"id\": null}", INVALID_REQUEST),
    ] {
        let effects = serving().receive(body.as_bytes());
        let [Effect::Send(answer)] = &effects[..] else {
            panic!("{body}: {effects:?}");
        };
        assert_eq!(
            (&answer["id"], &answer["error"]["code"]),
            (&Value::Null, &code.into())
        );
    }
}

#[test]
fn the_newest_text_wins() {
    let mut server = serving();
    let first = the_check(&tell(&mut server, &opened(URI, 1, "one")));
    assert_eq!(tell(&mut server, &changed(URI, 2, "two")), []);
    assert_eq!(tell(&mut server, &changed(URI, 3, "three")), []);
    let second = the_check(&server.checked(&first, &[finding(1)]));
    assert_eq!(&*second.text, "three", "and nothing is told of the first");
    let effects = server.checked(&second, &[finding(1)]);
    assert_eq!(effects.len(), 1);
    let told = published(&effects[0]);
    assert_eq!((&told["uri"], &told["version"]), (&URI.into(), &3.into()));
    let finding = &told["diagnostics"][0];
    assert_eq!(finding["code"], "unknown-type");
    assert_eq!(finding["range"]["end"], json!({"line": 0, "character": 2}));
    assert_eq!(finding.get("codeDescription"), None);
}

#[test]
fn files_wait_in_turn_and_closed_ones_are_forgotten() {
    let mut server = serving();
    let first = the_check(&tell(&mut server, &opened("a", 1, "a")));
    assert_eq!(tell(&mut server, &opened("b", 1, "b")), []);
    assert_eq!(tell(&mut server, &opened("c", 1, "c")), []);
    let effects = tell(&mut server, &closed("b"));
    assert_eq!(published(&effects[0])["diagnostics"], json!([]));
    assert_eq!(tell(&mut server, &closed("b")), []);
    let effects = server.checked(&first, &[]);
    assert_eq!(published(&effects[0])["uri"], "a");
    let third = the_check(&effects[1..]);
    assert_eq!(&*third.text, "c");
    // Closed and opened again while it is checked: the old findings are not those of the new text, whatever its version.
    tell(&mut server, &closed("c"));
    assert_eq!(tell(&mut server, &opened("c", 1, "new")), []);
    let again = the_check(&server.checked(&third, &[finding(1)]));
    assert_eq!(&*again.text, "new");
}

#[test]
fn completion_and_hover_see_the_text_as_it_is() {
    let mut server = serving();
    let text = "module:\n  name: laptop\n  sto\n";
    tell(&mut server, &opened(URI, 1, "module: {}\n"));
    tell(&mut server, &changed(URI, 2, text));
    let at = |line: u32, character: u32| json!({"textDocument": {"uri": URI}, "position": {"line": line, "character": character}});
    let answer = ask(&mut server, "textDocument/completion", &at(2, 5));
    let labels: Vec<&str> = answer["result"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| item["label"].as_str().unwrap())
        .collect();
    assert!(
        labels.contains(&"storage") && !labels.contains(&"name"),
        "{labels:?}"
    );
    let answer = ask(&mut server, "textDocument/hover", &at(1, 3));
    assert_eq!(answer["result"]["contents"]["kind"], "markdown");
    let answer = ask(&mut server, "textDocument/hover", &at(99, 0));
    assert_eq!(answer["result"], Value::Null);
    let elsewhere = json!({"textDocument": {"uri": "x"}, "position": {"line": 0, "character": 0}});
    let answer = ask(&mut server, "textDocument/completion", &elsewhere);
    assert_eq!(answer["result"], Value::Null);
}

#[test]
fn one_file_too_many_is_told_and_the_others_go_on() {
    let mut server = serving();
    for number in 0..MAX_DOCUMENTS {
        tell(&mut server, &opened(&number.to_string(), 1, "x"));
    }
    let effects = tell(&mut server, &opened("extra", 1, "x"));
    let [Effect::Send(message)] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(message["method"], "window/showMessage");
    assert!(
        message["params"]["message"]
            .as_str()
            .unwrap()
            .contains("extra")
    );
    assert_eq!(tell(&mut server, &changed("extra", 2, "y")), []);
    assert_eq!(tell(&mut server, &opened("0", 2, "again")), []);
    assert_eq!(server.documents.len(), MAX_DOCUMENTS);
}

#[test]
fn lost_notifications_are_told() {
    let mut server = serving();
    tell(&mut server, &opened(URI, 1, "module: {}\n"));
    let range = json!({"start": {"line": 0, "character": 0}, "end": {"line": 0, "character": 1}});
    let partial = json!({"method": "textDocument/didChange", "params": {
        "textDocument": {"uri": URI, "version": 2},
        "contentChanges": [{"range": range, "text": "x"}],
    }});
    let effects = tell(&mut server, &partial);
    assert_eq!(published(&effects[0])["diagnostics"], json!([]));
    let Effect::Send(message) = &effects[1] else {
        panic!("{effects:?}");
    };
    assert_eq!(message["params"]["type"], 1);
    let effects = tell(
        &mut server,
        &json!({"method": "textDocument/didOpen", "params": {}}),
    );
    let Effect::Send(message) = &effects[0] else {
        panic!("{effects:?}");
    };
    let text = message["params"]["message"].as_str().unwrap();
    assert!(text.contains("textDocument/didOpen"), "{text}");
}

#[derive(Debug, Clone)]
enum Step {
    Open(u8),
    Change(u8),
    Close(u8),
    Finish,
}

proptest! {
    /// Whatever the order: one check at a time, and at the end every open file has the findings of its last text.
    #[test]
    fn every_last_text_is_checked(steps in prop::collection::vec(prop_oneof![
        (0_u8..3).prop_map(Step::Open),
        (0_u8..3).prop_map(Step::Change),
        (0_u8..3).prop_map(Step::Close),
        Just(Step::Finish),
    ], 0..60)) {
        let mut server = serving();
        let (mut running, mut texts, mut told) = (None, HashMap::new(), HashMap::new());
        let drained = steps.len() + 8;
        for (count, step) in steps.into_iter().chain(std::iter::repeat_n(Step::Finish, 8)).enumerate() {
            let text = format!("# {count}");
            let version = i64::try_from(count).unwrap();
            let effects = match step {
                Step::Open(file) => {
                    texts.insert(file.to_string(), version);
                    tell(&mut server, &opened(&file.to_string(), version, &text))
                }
                Step::Change(file) => {
                    texts.entry(file.to_string()).and_modify(|last| *last = version);
                    tell(&mut server, &changed(&file.to_string(), version, &text))
                }
                Step::Close(file) => {
                    texts.remove(&file.to_string());
                    tell(&mut server, &closed(&file.to_string()))
                }
                Step::Finish => match running.take() {
                    Some(check) => server.checked(&check, &[]),
                    None => Vec::new(),
                },
            };
            for effect in &effects {
                if let Effect::Check(check) = effect {
                    prop_assert!(running.replace(check.clone()).is_none(), "two at a time");
                    continue;
                }
                let params = published(effect);
                let uri = params["uri"].as_str().unwrap().to_owned();
                match params["version"].as_i64() {
                    Some(version) => told.insert(uri, version),
                    None => told.remove(&uri),
                };
            }
        }
        prop_assert!(running.is_none(), "after {drained} steps");
        prop_assert_eq!(told, texts);
    }

    #[test]
    fn any_bytes_are_answered(body: Vec<u8>) {
        serving().receive(&body);
    }
}
