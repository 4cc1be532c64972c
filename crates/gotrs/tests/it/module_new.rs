//! `gotrs module new` as scripts call it, and the small commands beside it.

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// Runs it without a terminal: exit code, standard output and standard error.
fn gotrs(folder: &Path, arguments: &[&str]) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_gotrs"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("GOTRS_OUTPUT")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    (
        output.status.code().unwrap(),
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
fn a_new_module_is_good_at_once_and_never_written_over() {
    let folder = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| gotrs(folder.path(), arguments);
    let (code, out, err) = run(&["module", "new", "laptop", "--yes"]);
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    assert!(out.contains("gotrs module test laptop.yaml"), "{out}");
    let (code, out, _) = run(&["module", "check", "laptop.yaml"]);
    assert_eq!((code, out.as_str()), (0, "laptop.yaml: good\n"));
    let (code, out, _) = run(&["module", "test", "laptop.yaml"]);
    assert_eq!((code, out.contains("2 tests passed")), (0, true), "{out}");

    let before = std::fs::read(folder.path().join("laptop.yaml")).unwrap();
    let (code, _, err) = run(&["module", "new", "laptop", "--yes"]);
    assert_eq!((code, err.contains("--file")), (1, true), "{err}");
    assert_eq!(
        std::fs::read(folder.path().join("laptop.yaml")).unwrap(),
        before
    );

    // Every answer is a flag: nobody is asked, without --yes.
    let (code, out, err) = run(&[
        "module",
        "new",
        "phone",
        "--singular",
        "Phone",
        "--plural",
        "Phones",
        "--menu",
        "Assets",
        "--portal",
        "admin,agent",
        "--field",
        "number,bought:date",
        "--file",
        "other.yaml",
        "--output",
        "json",
    ]);
    assert_eq!(code, 0, "{err}");
    let document: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(
        (&document["name"], &document["file"]),
        (&"phone".into(), &"other.yaml".into())
    );

    for (arguments, help) in [
        (&["Lap Top", "--yes"][..], "`lap_top` would do"),
        (&["", "--yes"], "a good name is `laptop`"),
        (&["tablet"], "pass --singular, or --yes"),
        (&[], "pass NAME"),
        (
            &["tablet", "--yes", "--field", "Serial No"],
            "`serial_no` would do",
        ),
        (
            &["tablet", "--yes", "--field", "a:strng"],
            "string, text, integer",
        ),
        (&["tablet", "--yes", "--portal", "boss"], "customer"),
    ] {
        let arguments: Vec<&str> = ["module", "new"].iter().chain(arguments).copied().collect();
        let (code, _, err) = run(&arguments);
        assert_eq!(
            (code, err.contains(help)),
            (2, true),
            "{arguments:?}: {err}"
        );
    }
    assert!(!folder.path().join("tablet.yaml").exists());
}

#[test]
fn the_schema_and_the_completion_scripts_are_those_of_this_program() {
    let folder = tempfile::tempdir().unwrap();
    let (code, out, _) = gotrs(folder.path(), &["module", "schema"]);
    let schema: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((code, &schema), (0, &module_spec::json_schema()));
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let (code, script, err) = gotrs(folder.path(), &["completion", shell]);
        assert_eq!(code, 0, "{shell}: {err}");
        for word in ["lsp", "singular", "schema"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}
