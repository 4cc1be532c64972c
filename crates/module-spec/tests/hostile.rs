//! Files that want to hurt: none panics, each is told apart. What they take is measured in tests/memory.rs and `benches/`.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by it")]

use domain::diagnostic::Diagnostic;
use module_spec::{MAX_BYTES, lsp, parse};
use proptest::prelude::*;

const GOOD: &str = "\
module: {name: m, singular: \"@a.b|C\", plural: M, table: queue, default_sort: name, page_size: 20}
fields:
  - name: name
    type: string
    required: true
    validation: \"^[a-z]+$\"
  - {name: state, type: select, options: [{value: 1, label: one}, two]}
  - {name: group_id, type: select, lookup_table: groups, lookup_condition: valid_id = 1}
computed_fields:
  - name: members
    lambda: |
      const n = db.queryRow('SELECT count(*) AS n FROM users');
      return `<b>${n}</b>`;
features: {search: true, soft_delete: true}
permissions: [view, create]
ui:
  list_columns: [name, members]
  form_sections: [{title: A, fields: [name, state]}]
filters: [{field: state, type: multi_select}]
hooks: {before_save: \"item.name = item.name.trim();\"}
tests: [{name: t, field: members, rows: [{n: 1}], expect: <b>1</b>}]
";

/// Every finding marks something of the text, or the file as a whole.
fn assert_places(source: &str, findings: &[Diagnostic]) {
    let text = source.strip_prefix('\u{feff}').unwrap_or(source);
    let ends_alike = text.replace("\r\n", "\n").replace('\r', "\n");
    let lines: Vec<&str> = ends_alike.split('\n').collect();
    for finding in findings {
        let (line, column, length) = (finding.line, finding.column, finding.length);
        if line == 0 {
            assert_eq!((column, length), (0, 0), "{finding:?}");
            continue;
        }
        let text = lines.get(line as usize - 1);
        let text = text.unwrap_or_else(|| panic!("behind the end: {finding:?}"));
        let most = text.chars().count().max(1);
        assert!(column >= 1 && length >= 1, "{finding:?}");
        assert!(
            (column + length - 1) as usize <= most,
            "{finding:?} in {text:?}"
        );
    }
    for shown in lsp::diagnostics(source, findings, None) {
        assert!(shown.range.start <= shown.range.end, "{shown:?}");
    }
}

/// Asks at some place of a text, and behind its end.
fn ask_the_editor(source: &str, at: prop::sample::Index) {
    let letters: Vec<char> = source.chars().collect();
    let before = &letters[..at.index(letters.len() + 1)];
    let line = before.iter().filter(|letter| **letter == '\n').count();
    let column = before.iter().rev().take_while(|letter| **letter != '\n');
    let column: usize = column.map(|letter| letter.len_utf16()).sum();
    for (line, column) in [(line, column), (line, usize::MAX), (line + 1, 0)] {
        let position = lsp::Position {
            line: u32::try_from(line).unwrap(),
            character: u32::try_from(column).unwrap_or(u32::MAX),
        };
        for proposal in lsp::complete(source, position) {
            let range = proposal.text_edit.range;
            assert!(range.start <= range.end && range.start.line == position.line);
        }
        if let Some(found) = lsp::hover(source, position, Some("docs")) {
            assert!(found.range.start <= found.range.end, "{found:?}");
        }
    }
}

fn error_codes(source: &str) -> Vec<String> {
    let (spec, findings) = parse(source);
    assert_places(source, &findings);
    module_spec::render_text("f.yaml", source, &findings);
    assert_eq!(spec.is_none(), findings.iter().any(Diagnostic::is_error));
    assert!(findings.len() <= 400);
    findings
        .into_iter()
        .filter(Diagnostic::is_error)
        .map(|finding| finding.code)
        .collect()
}

#[test]
fn limits_have_names() {
    let fill = |unit: &str, bytes: usize| unit.repeat(bytes / unit.len());
    let head = "module: {name: m, storage: managed}\n";
    let bomb = {
        let mut text = String::from("a: &a [x,x,x,x,x,x,x,x,x,x]\n");
        for (from, to) in ('a'..'j').zip('b'..) {
            let uses = vec![format!("*{from}"); 10].join(",");
            text = format!("{text}{to}: &{to} [{uses}]\n");
        }
        text
    };
    for (source, code) in [
        (fill("x", MAX_BYTES + 10), "file-too-large"),
        (fill("[", 40_000), "nesting-too-deep"),
        (fill("- ", 40_000), "nesting-too-deep"),
        (fill("{a: ", 40_000), "nesting-too-deep"),
        (bomb, "too-many-values"),
        (
            format!("a: &a {}\nb: [{}]\n", "x".repeat(500_000), "*a,".repeat(3)),
            "too-many-values",
        ),
        (
            format!("[{}]", fill("a,", MAX_BYTES - 10)),
            "too-many-values",
        ),
        (
            format!("{head}fields: [{}]", fill("{name: a, type: int},", 20_000)),
            "list-too-long",
        ),
        (
            format!(
                "{head}fields: [{{name: a, type: select, options: [{}]}}]",
                fill("a,", 9_000)
            ),
            "list-too-long",
        ),
        (
            format!(
                "{head}fields: [{{name: a, type: int}}]\ncomputed_fields: [{{name: b, lambda: \"{}\"}}]",
                fill("return 1;", 70_000)
            ),
            "lambda-too-long",
        ),
        (
            format!("{head}fields: [{{name: a, type: string, pattern: '(x{{1000}}){{1000}}'}}]"),
            "bad-pattern",
        ),
        (
            (0..10_001)
                .map(|n| format!("k{n}: x\n"))
                .collect::<Vec<_>>()
                .concat(),
            "too-many-values",
        ),
        (
            (0..1_001)
                .map(|n| format!("- &a{n} x\n"))
                .collect::<Vec<_>>()
                .concat(),
            "too-many-values",
        ),
        (
            format!(
                "{head}fields: [{}]",
                "{name: a, type: string, pattern: '[a-z]{400}'},".repeat(200)
            ),
            "bad-pattern",
        ),
        ("a: &a [*a]".to_owned(), "yaml-syntax"),
        ("\0".to_owned(), "yaml-syntax"),
        (String::new(), "empty-file"),
    ] {
        let codes = error_codes(&source);
        assert!(codes.iter().any(|found| found == code), "{code}: {codes:?}");
    }
}

#[test]
fn a_mebibyte_of_anything_ends_as_findings() {
    let head = "module: {name: m, storage: managed}\nfields:\n";
    for unit in [
        "a: b\n",
        "- a\n",
        "? a\n",
        "&a a\n",
        "!!a ",
        "\"",
        "'",
        "| \n",
        ">\n a\n",
        "# c\n",
        "\t",
        ": ",
        "- - ",
        "[a, ",
        "{",
        "}",
        ",",
        "%Y\n",
        "---\n",
        "*a ",
        "&a [",
        "日本語 ",
        "\u{feff}",
        "<<: {a: b}\n",
        "key",
        "a: |\n  x\n",
        "\\",
        "\"\\x41\" ",
        "a:\n b:\n",
        "-\n",
    ] {
        let body = unit.repeat((MAX_BYTES - 200) / unit.len());
        error_codes(&body);
        // What the whole of it costs, tests/memory.rs measures.
        let part: String = body.chars().take(100_000).collect();
        error_codes(&format!("{head}{part}"));
        error_codes(&format!(
            "{head}- {{name: a, type: string}}\ncomputed_fields:\n- name: b\n  lambda: |\n    {}",
            body.replace('\n', "\n    ")
                .chars()
                .take(60_000)
                .collect::<String>()
        ));
    }
    let fields: Vec<String> = (0..150)
        .map(|n| format!("- {{name: f{n}, type: string, pattern: '[\\w.-]{{1,90}}\\d'}}\n"))
        .collect();
    assert!(error_codes(&format!("{head}{}", fields.concat())).is_empty());
}

#[test]
fn the_good_file_is_good() {
    assert_eq!(parse(GOOD).1, Vec::new());
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), at: prop::sample::Index) {
        let text = String::from_utf8_lossy(&bytes);
        error_codes(&text);
        ask_the_editor(&text, at);
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,300}", at: prop::sample::Index) {
        error_codes(&text);
        ask_the_editor(&text, at);
    }

    #[test]
    fn yaml_like_text_never_panics(text in "[a-z:{}\\[\\]&*!|>'\"#%@,\\-?\\n\\r \\t<]{0,300}", at: prop::sample::Index) {
        error_codes(&text);
        ask_the_editor(&text, at);
    }

    #[test]
    fn a_mutated_file_never_panics(
        cuts in proptest::collection::vec((0..GOOD.len(), 0..40_usize, "[a-z:{}\\[\\]&*!|>'\"#\\-\\n 0-9]{0,6}"), 1..4),
        at: prop::sample::Index,
    ) {
        let mut text = GOOD.to_owned();
        for (at, length, insert) in cuts {
            let from = at.min(text.len());
            let to = (from + length).min(text.len());
            if text.is_char_boundary(from) && text.is_char_boundary(to) {
                text.replace_range(from..to, &insert);
            }
        }
        let (spec, findings) = parse(&text);
        assert_places(&text, &findings);
        module_spec::render_text("f.yaml", &text, &findings);
        ask_the_editor(&text, at);
        if let Some(spec) = spec {
            for lambda in spec.lambdas() {
                lambda.position(0, 0);
                lambda.position(u32::MAX, u32::MAX);
            }
        }
    }
}
