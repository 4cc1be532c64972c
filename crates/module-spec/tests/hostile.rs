//! Files that want to hurt: none panics, each is told apart. How long they take is measured in `benches/`.

use module_spec::{MAX_BYTES, parse};
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

fn error_codes(source: &str) -> Vec<String> {
    let (spec, findings) = parse(source);
    let lines = source.split(['\n', '\r']).count() + 1;
    for finding in &findings {
        assert!(finding.line as usize <= lines, "{finding:?}");
        assert!(
            finding.line == 0 || finding.column > 0 && finding.length > 0,
            "{finding:?}"
        );
    }
    assert_eq!(
        spec.is_none(),
        findings
            .iter()
            .any(domain::diagnostic::Diagnostic::is_error)
    );
    assert!(findings.len() <= 400);
    findings
        .into_iter()
        .filter(domain::diagnostic::Diagnostic::is_error)
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
        error_codes(&format!("{head}{body}"));
        error_codes(&format!(
            "{head}- {{name: a, type: string}}\ncomputed_fields:\n- name: b\n  lambda: |\n    {}",
            body.replace('\n', "\n    ")
                .chars()
                .take(60_000)
                .collect::<String>()
        ));
    }
    let fields: Vec<String> = (0..300)
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
    fn arbitrary_text_never_panics(text in "\\PC{0,300}") {
        error_codes(&text);
    }

    #[test]
    fn yaml_like_text_never_panics(text in "[a-z:{}\\[\\]&*!|>'\"#%@,\\-?\\n \\t<]{0,300}") {
        error_codes(&text);
    }

    #[test]
    fn a_mutated_file_never_panics(
        cuts in proptest::collection::vec((0..GOOD.len(), 0..40_usize, "[a-z:{}\\[\\]&*!|>'\"#\\-\\n 0-9]{0,6}"), 1..4),
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
        module_spec::render_text("f.yaml", &text, &findings);
        if let Some(spec) = spec {
            for lambda in spec.lambdas() {
                lambda.position(0, 0);
                lambda.position(u32::MAX, u32::MAX);
            }
        }
    }
}
