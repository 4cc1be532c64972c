use std::io::{Cursor, Empty, Sink};

use clap::{Parser, ValueEnum as _};
use control_plane::modules::{Tests, check_source, start_engine};

use super::answers::FieldKind;
use super::*;
use crate::cli::output::Format;
use crate::cli::output::tests::captured;
use module_engine::config::SandboxArgs;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: NewArgs,
}

fn args(folder: &Path, words: &[&str]) -> NewArgs {
    let file = folder.join("new.yaml").display().to_string();
    let words = ["new", "--file", &file]
        .into_iter()
        .chain(words.iter().copied());
    Line::try_parse_from(words).unwrap().args
}

const USUAL: Way<'_, Empty, Sink> = Way::Usual;
const NOBODY: Way<'_, Empty, Sink> = Way::Nobody;

fn written(words: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let (mut output, ..) = captured(Format::Text);
    create_by(args(folder.path(), words), USUAL, &mut output).unwrap();
    std::fs::read_to_string(folder.path().join("new.yaml")).unwrap()
}

#[test]
fn every_set_of_answers_gives_a_module_without_findings_whose_tests_pass() {
    let engine = start_engine(&SandboxArgs::default()).unwrap();
    let mut sets: Vec<Vec<String>> = [
        &["laptop"][..],
        &["big-laptop_2"],
        &["no"],
        &["null"],
        &["constructor", "--field", "constructor,prototype,class"],
        &["a", "--field", "summary", "--field", "summary_2:date"],
        &["a", "--field", "true,null:bool,no:integer"],
        &["a", "--field", "select,order,user"],
        &[
            "a",
            "--portal",
            "agent,customer",
            "--menu",
            "Things: {all}, [of] #them",
        ],
        &[&"x".repeat(50), "--field", &"y".repeat(50)],
    ]
    .iter()
    .map(|set| set.iter().map(ToString::to_string).collect())
    .collect();
    for label in [
        "yes",
        "NULL",
        "~",
        "1",
        "1.5",
        "- a",
        "a: b",
        "a #b",
        "#a",
        "'",
        "\"",
        "\\",
        "{a}",
        "[a",
        "| x",
        "> x",
        "&a",
        "*a",
        "!a",
        "%a",
        "`a`",
        "${a}",
        "<b>",
        "Größe 💻",
        "a, b",
        "---",
        "...",
        "? a",
        ":",
        "2026-01-01",
    ] {
        sets.push(
            ["a", "--singular", label, "--plural", label, "--menu", label]
                .map(str::to_owned)
                .to_vec(),
        );
    }
    for kind in FieldKind::value_variants() {
        sets.push(vec![
            "a".to_owned(),
            "--field".to_owned(),
            format!("first:{}", kind.word()),
        ]);
    }
    for set in sets {
        // A label may begin with a hyphen: said with an equals sign.
        let mut words: Vec<String> = Vec::new();
        for word in &set {
            match words.last_mut() {
                Some(flag) if flag.starts_with("--") && !flag.contains('=') => {
                    flag.push('=');
                    flag.push_str(word);
                }
                _ => words.push(word.clone()),
            }
        }
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let source = written(&words);
        let report = check_source(&engine, None, &source, Tests::Run);
        assert!(
            report.diagnostics.is_empty(),
            "{set:?}: {:?}\n{source}",
            report.diagnostics
        );
        assert_eq!(report.tests.len(), 2, "{set:?}");
        assert!(
            report.tests.iter().all(|test| test.passed),
            "{set:?}: {:?}",
            report.tests
        );
        let spec = report.spec().unwrap();
        if let Some(at) = set.iter().position(|word| word == "--singular") {
            assert_eq!(spec.singular().display(), &set[at + 1]);
        }
    }
}

#[test]
fn it_looks_like_something_to_go_on_with() {
    let source = written(&["laptop", "--field", "serial,price:decimal"]);
    let source: Vec<&str> = source
        .lines()
        .filter(|line| !line.starts_with('#'))
        .collect();
    insta::assert_snapshot!(source.join("\n"));
}

#[test]
fn a_person_is_asked_for_what_was_not_said_until_it_is_good() {
    let folder = tempfile::tempdir().unwrap();
    let (mut output, out, _) = captured(Format::Text);
    let mut input =
        Cursor::new("Lap Top\nlap_top\n\nLap tops\nboss\nagent\nSerial\nserial, price:decimal\n");
    let mut prompts = Vec::new();
    let way = Way::Ask(Dialogue::new(&mut input, &mut prompts));
    create_by(args(folder.path(), &["--menu", "Assets"]), way, &mut output).unwrap();
    let prompts = String::from_utf8(prompts).unwrap();
    for said in [
        "`lap_top` would do",
        "[Lap Top]",
        "[Lap Tops]",
        "boss",
        "`serial` would do",
    ] {
        assert!(prompts.contains(said), "{said}: {prompts}");
    }
    assert!(!prompts.contains("Heading"), "it was said: {prompts}");
    assert!(out.text().contains("written"), "{}", out.text());
    let source = std::fs::read_to_string(folder.path().join("new.yaml")).unwrap();
    for line in [
        "name: lap_top",
        "singular: Lap Top",
        "plural: Lap tops",
        "portals: [agent]",
        "name: price",
    ] {
        assert!(source.contains(line), "{line}: {source}");
    }
}

#[test]
fn what_cannot_be_done_writes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new.yaml");
    let refused = |words: &[&str], way| {
        let (mut output, ..) = captured(Format::Text);
        create_by(args(folder.path(), words), way, &mut output).unwrap_err()
    };
    for (words, way, said) in [
        (&[][..], NOBODY, "NAME"),
        (&[], USUAL, "NAME"),
        (&["laptop"], NOBODY, "--singular, or --yes for \"Laptop\""),
        (&["laptop", "--field", "a,a"], USUAL, "nothing was written"),
    ] {
        let error = refused(words, way);
        assert_eq!(error.exit_code(), 2, "{words:?}");
        assert!(error.to_string().contains(said), "{words:?}: {error}");
    }
    let (mut output, ..) = captured(Format::Text);
    let (mut input, mut prompts) = (Cursor::new("laptop\nLap"), Vec::new());
    let way = Way::Ask(Dialogue::new(&mut input, &mut prompts));
    assert!(create_by(args(folder.path(), &[]), way, &mut output).is_err());
    assert!(!file.exists());

    std::fs::write(&file, "mine").unwrap();
    let error = refused(&["laptop"], USUAL);
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("--file"), "{error}");
    assert!(matches!(
        write_new(&file, "theirs"),
        Err(CliError::Exists { .. })
    ));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}
