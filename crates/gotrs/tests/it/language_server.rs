//! `gotrs lsp` as an editor runs it: the built program at the other end of two pipes.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

const URI: &str = "file:///somewhere/laptop.yaml";
/// A wrong word, two characters of two UTF-16 units before it, and a lambda that does not parse.
const BROKEN: &str = "\
module: {name: laptop, singular: Laptop, plural: Laptops, storage: managed}
fields:
  - {name: serial, label: '💻💻', type: strng}
computed_fields:
  - name: shout
    lambda: |
      return item.serial.toUpperCase(;
";

struct Editor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Editor {
    fn start() -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gotrs"))
            .args(["lsp", "--stdio"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            child,
        }
    }

    fn tell(&mut self, message: &Value) {
        let body = message.to_string();
        write!(self.input, "Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        self.input.flush().unwrap();
    }

    fn read(&mut self) -> Value {
        let mut length = 0;
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended");
            match line.trim_end() {
                "" => break,
                line => {
                    let (name, value) = line.split_once(": ").unwrap();
                    assert_eq!(name, "Content-Length");
                    length = value.parse().unwrap();
                }
            }
        }
        let mut body = vec![0; length];
        self.output.read_exact(&mut body).unwrap();
        serde_json::from_slice(&body).unwrap()
    }

    fn ask(&mut self, method: &str, params: &Value) -> Value {
        self.tell(&json!({"jsonrpc": "2.0", "id": method, "method": method, "params": params}));
        let answer = self.read();
        assert_eq!(answer["id"], method, "{answer}");
        answer["result"].clone()
    }

    fn notify(&mut self, method: &str, params: &Value) {
        self.tell(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    fn diagnostics(&mut self, version: i64) -> Vec<Value> {
        let message = self.read();
        assert_eq!(message["method"], "textDocument/publishDiagnostics");
        assert_eq!(message["params"]["uri"], URI);
        assert_eq!(message["params"]["version"], version, "{message}");
        message["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// The exit code, and what it said on standard error. The input stays open until then.
    fn end(mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut said = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut said).unwrap();
        drop(self.input);
        (status.code(), said)
    }
}

fn range(line: u32, start: u32, end: u32) -> Value {
    json!({"start": {"line": line, "character": start}, "end": {"line": line, "character": end}})
}

fn at(line: u32, character: u32) -> Value {
    json!({"textDocument": {"uri": URI}, "position": {"line": line, "character": character}})
}

#[test]
fn an_editor_is_served_from_start_to_exit() {
    let mut editor = Editor::start();
    let result = editor.ask(
        "initialize",
        &json!({"processId": null, "capabilities": {}}),
    );
    assert_eq!(result["serverInfo"]["name"], "gotrs");
    editor.notify("initialized", &json!({}));

    let document = json!({"uri": URI, "languageId": "yaml", "version": 1, "text": BROKEN});
    editor.notify("textDocument/didOpen", &json!({"textDocument": document}));
    let found = editor.diagnostics(1);
    let of = |code: &str| {
        found
            .iter()
            .find(|finding| finding["code"] == code)
            .unwrap_or_else(|| panic!("no {code} in {found:?}"))
    };
    // `strng` stands behind the laptops, which count twice each.
    assert_eq!(of("unknown-type")["range"], range(2, 40, 45));
    assert_eq!(of("unknown-type")["severity"], 1);
    assert_eq!(of("lambda-syntax")["range"]["start"]["line"], 6);
    assert_eq!(found.len(), 2, "{found:?}");

    // While it is typed: a key that is not finished, in a file that is no module yet.
    let change = |version: i64, text: &str| {
        json!({
            "textDocument": {"uri": URI, "version": version},
            "contentChanges": [{"text": text}],
        })
    };
    let typing = "module:\n  name: laptop\n  sto\n";
    editor.notify("textDocument/didChange", &change(2, typing));
    assert!(!editor.diagnostics(2).is_empty());
    let proposals = editor.ask("textDocument/completion", &at(2, 5));
    let storage = proposals
        .as_array()
        .unwrap()
        .iter()
        .find(|proposal| proposal["label"] == "storage")
        .unwrap();
    assert_eq!(storage["textEdit"]["range"], range(2, 2, 5));
    let hover = editor.ask("textDocument/hover", &at(1, 3));
    assert_eq!(hover["range"], range(1, 2, 6));
    let explained = hover["contents"]["value"].as_str().unwrap();
    assert!(explained.contains("Identity"), "{explained}");

    let mended = BROKEN
        .replace("strng", "string")
        .replace("toUpperCase(;", "toUpperCase();");
    editor.notify("textDocument/didChange", &change(3, &mended));
    assert_eq!(editor.diagnostics(3), Vec::<Value>::new());

    editor.tell(&json!({"jsonrpc": "2.0", "id": 9, "method": "textDocument/rename"}));
    assert_eq!(editor.read()["error"]["code"], -32601);
    assert_eq!(editor.ask("shutdown", &Value::Null), Value::Null);
    editor.notify("exit", &Value::Null);
    assert_eq!(editor.end(), (Some(0), String::new()));
}

#[test]
fn what_is_not_the_protocol_ends_it_with_1_and_a_reason() {
    for (bytes, reason) in [
        ("GET / HTTP/1.1\r\n", "Content-Length: 123"),
        ("Content-Length: 99999999\r\n\r\n", "at most 4194304"),
        ("Content-Length: many\r\n\r\n", "many"),
    ] {
        let mut editor = Editor::start();
        // The pipe stays open: it must not wait for more.
        editor.input.write_all(bytes.as_bytes()).unwrap();
        let (code, said) = editor.end();
        assert_eq!(code, Some(1), "{bytes}: {said}");
        assert!(
            said.starts_with("error: ") && said.contains(reason),
            "{said}"
        );
    }
    let mut editor = Editor::start();
    editor.notify("exit", &Value::Null);
    assert_eq!(editor.end().0, Some(1), "exit without shutdown");
}
