//! Where a piece of code stands: whatever style the author chose, its line and column are those of the file.
#![expect(clippy::unwrap_used, reason = "a test fails by it")]

use domain::diagnostic::Diagnostic;
use module_spec::{Lambda, ModuleSpec, parse, render_text};

const HEAD: &str = "module: {name: m, storage: managed}\nfields: [{name: a, type: string}]\ncomputed_fields:\n- name: c\n";

/// A lambda in every style; `BAD` is what an error would be about. What begins with `lambda:` stands in a computed field.
const STYLES: &[(&str, &str)] = &[
    ("plain", "  lambda: return BAD;\n"),
    ("plain below its key", "  lambda:\n    return BAD;\n"),
    (
        "plain over lines",
        "  lambda: return\n    item.a +\n      BAD;\n",
    ),
    (
        "plain over blank lines",
        "  lambda: return\n\n\n    1 + BAD;\n",
    ),
    (
        "plain behind wide letters",
        "  lambda: return '日本語𝄞' + BAD;\n",
    ),
    ("single quotes", "  lambda: 'return BAD;'\n"),
    (
        "single quotes in it",
        "  lambda: 'return ''it''''s'' + BAD;'\n",
    ),
    (
        "single quotes over lines",
        "  lambda: 'return ''a'' +\n\n\n      BAD;\n      '\n",
    ),
    ("double quotes", "  lambda: \"return BAD;\"\n"),
    (
        "escapes",
        r#"  lambda: "return \"a\\b\" +\t\/\x41\u00e4\U0001F600\e\_\N + BAD;""#,
    ),
    (
        "escaped line breaks in it",
        r#"  lambda: "const a = 1;\n\nreturn a +\r\n BAD;""#,
    ),
    (
        "double quotes over lines",
        "  lambda: \"return\n    'a' +\n\n    BAD;\"\n",
    ),
    (
        "an escaped line end",
        "  lambda: \"return \\\n    'a' + \\\n    \\  BAD;\"\n",
    ),
    (
        "literal",
        "  lambda: |\n    const a = 1;\n    return a + BAD;\n",
    ),
    (
        "literal, deeper",
        "  lambda: |\n      if (a) {\n        return BAD;\n      }\n",
    ),
    ("literal, stripped", "  lambda: |-\n    return BAD;\n\n\n"),
    ("literal, kept", "  lambda: |+\n    return BAD;\n\n\n"),
    (
        "literal with indentation",
        "  lambda: |2\n      return BAD;\n    return 1;\n",
    ),
    (
        "literal with indentation, stripped",
        "  lambda: |2-\n      return BAD;\n",
    ),
    (
        "literal, kept with indentation",
        "  lambda: |+1 # so\n    return BAD;\n",
    ),
    (
        "literal below blank lines",
        "  lambda: |\n\n\n    // one\n\n    return BAD;\n",
    ),
    (
        "literal with a remark",
        "  lambda: | # BA D\n    return BAD;\n",
    ),
    (
        "literal with tabs",
        "  lambda: |\n    \tif (a)\n    \t\treturn\tBAD;\n",
    ),
    (
        "literal with an anchor and a tag",
        "  lambda: &l !!str |\n    return BAD;\n",
    ),
    (
        "literal at the end of the file",
        "  lambda: |\n    return BAD;",
    ),
    ("folded", "  lambda: >\n    return\n    1 +\n    BAD;\n"),
    (
        "folded, deeper",
        "  lambda: >\n    return\n      1 +\n        2 +\n    BAD;\n",
    ),
    (
        "folded, blank lines",
        "  lambda: >\n\n    const a = 1;\n\n\n    return\n    BAD;\n",
    ),
    ("folded, stripped", "  lambda: >-\n    return BAD;\n\n"),
    (
        "folded, kept, with indentation",
        "  lambda: >+2\n      return\n      BAD;\n\n",
    ),
    ("flow", "  lambda: return BAD\n  show_in_list: true\n"),
    ("an anchor", "  lambda: &l return BAD;\n"),
    ("a tag", "  lambda: !!str 'return BAD;'\n"),
    ("a key in quotes", "  \"lambda\": return BAD;\n"),
    ("a tab behind the colon", "  lambda:\treturn BAD;\n"),
    ("an explicit key", "  ? lambda\n  : return BAD;\n"),
];

fn good(file: &str) -> ModuleSpec {
    let (spec, findings) = parse(file);
    assert!(
        !findings.iter().any(Diagnostic::is_error),
        "{}",
        render_text("f", file, &findings)
    );
    spec.unwrap()
}

/// Line and column, from 1 and in characters, of the only `BAD` of a text.
fn place(text: &str) -> (u32, u32) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let normal = text.replace("\r\n", "\n").replace('\r', "\n");
    let before = normal.split("BAD").next().unwrap();
    assert_eq!(normal.matches("BAD").count(), 1, "{text}");
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    (u32::try_from(line).unwrap(), u32::try_from(column).unwrap())
}

#[track_caller]
fn assert_place(file: &str, lambda: &Lambda, what: &str) {
    let source = lambda.source();
    // JavaScript ends lines at CR and CR LF too, but counts here are of LF, as the engine gives them.
    let before = source.split("BAD").next().unwrap();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap().chars().count() + 1;
    let code = (u32::try_from(line).unwrap(), u32::try_from(column).unwrap());
    assert_eq!(
        lambda.position(code.0, code.1),
        place(file),
        "{what}: {code:?} of {source:?} in\n{file}"
    );
}

#[test]
fn an_error_is_where_the_author_wrote_it() {
    for (what, lambda) in STYLES {
        let file = format!("{HEAD}{lambda}");
        for (ends, file) in [
            ("LF", file.clone()),
            ("CR LF", file.replace('\n', "\r\n")),
            ("CR", file.replace('\n', "\r")),
            ("with a byte order mark", format!("\u{feff}{file}")),
            (
                "behind remarks",
                format!("# 日本\n%YAML 1.2\n---\n{file}").replace("# 日本\n", ""),
            ),
        ] {
            let spec = good(&file);
            let lambda = spec.computed_field("c").unwrap().lambda();
            assert_place(&file, lambda, &format!("{what}, {ends}"));
        }
    }
}

#[test]
fn an_error_in_an_expression_is_where_the_author_wrote_it() {
    for (what, lambda) in STYLES {
        // The styles whose code is an expression.
        let Some(expression) = lambda
            .strip_prefix("  lambda:")
            .filter(|text| text.contains("return BAD;"))
        else {
            continue;
        };
        let expression = expression.replace("return BAD;", "item.a + BAD");
        if expression.contains("const")
            || expression.contains("return")
            || expression.contains("if (")
        {
            continue;
        }
        let file = format!(
            "module: {{name: m, storage: managed}}\nfields:\n- name: a\n  type: string\n  visible_when:{expression}"
        );
        let spec = good(&file);
        assert_place(
            &file,
            spec.field("a").unwrap().visible_when().unwrap(),
            what,
        );
    }
}

#[test]
fn in_flow_style_and_on_the_first_line() {
    let file = "{module: {name: m, storage: managed}, fields: [{name: a, type: string}], computed_fields: [{name: c, lambda: \"return [1,2] + BAD\"}]}";
    assert_place(
        file,
        good(file).computed_field("c").unwrap().lambda(),
        "one line",
    );
    let file = format!("\u{feff}{file}");
    assert_place(
        &file,
        good(&file).computed_field("c").unwrap().lambda(),
        "with a byte order mark",
    );
}

#[test]
fn what_is_used_again_stands_where_it_was_written() {
    for rest in [
        "  lambda: &l |\n    return 1;\n    return BAD;\n- name: d\n  lambda: *l\n",
        "  lambda: &l \"return '\\t' +\n    BAD;\"\n- name: d\n  lambda: *l\n",
    ] {
        let file = format!("{HEAD}{rest}");
        let spec = good(&file);
        for name in ["c", "d"] {
            assert_place(&file, spec.computed_field(name).unwrap().lambda(), name);
        }
    }
    for merged in [
        "  <<: *base\n",
        "  <<: [*base]\n",
        "  <<: [{label: x}, *base]\n",
    ] {
        let file = format!(
            "{}- &base\n  name: c\n  lambda: 'return ''a''\n    + BAD;'\n- name: d\n{merged}",
            HEAD.strip_suffix("- name: c\n").unwrap()
        );
        let spec = good(&file);
        assert_place(&file, spec.computed_field("d").unwrap().lambda(), merged);
        assert_eq!(
            spec.computed_field("d").unwrap().lambda().path(),
            "computed_fields[1].lambda"
        );
    }
}
