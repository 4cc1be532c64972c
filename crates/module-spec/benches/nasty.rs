//! Files of one mebibyte that cost a parser as much as possible, and a large good one.

use module_spec::MAX_BYTES;

const HEAD: &str = "module: {name: m, storage: managed}\nfields:\n";

fn fill(unit: &str) -> String {
    unit.repeat(MAX_BYTES / unit.len())
}

/// As many numbered units behind `head` as there is room for.
fn numbered(head: &str, most: usize, unit: impl Fn(usize) -> String) -> String {
    let mut file = head.to_owned();
    for number in 0..most {
        let next = unit(number);
        if file.len() + next.len() > MAX_BYTES {
            break;
        }
        file.push_str(&next);
    }
    file
}

/// A good module of nearly a mebibyte: every field and computed field that there may be, with help and code.
fn realistic() -> String {
    let fields = numbered(HEAD, 299, |n| {
        format!(
            "  - name: field_{n}\n    type: string\n    label: \"@laptop.field_{n}|Field number {n}\"\n    required: true\n    max_length: 200\n    \
             validation: '^[A-Za-z0-9 ]+$'\n    help: {}\n    display_map: {{a: First, b: Second, c: Third}}\n",
            "What people should know before they enter something here. ".repeat(8)
        )
    });
    let body = "      const open = item.field_1 ? item.field_1.length : 0;\n      // A remark for the next author.\n      if (open > 3) return html`<b>${open}</b>`;\n";
    let computed = numbered("computed_fields:\n", 300, |n| {
        format!(
            "  - name: computed_{n}\n    label: Computed {n}\n    lambda: |\n{}      return open;\n",
            body.repeat(18)
        )
    });
    let mut file = fields;
    for line in computed.split_inclusive('\n') {
        file.push_str(line);
    }
    while file.len() > MAX_BYTES {
        let end = file.rfind("  - name: computed_").unwrap_or(0);
        file.truncate(end);
    }
    file
}

/// The largest regular expression of its form that is accepted.
fn largest_pattern() -> String {
    let sizes = (1..400).map(|n| format!("(?:[a-y0-9]{{3}}z|é){{{n}}}"));
    let is_good = |pattern: &String| {
        module_spec::parse(&format!(
            "{HEAD}- {{name: f, type: string, pattern: '{pattern}'}}\n"
        ))
        .0
        .is_some()
    };
    sizes.take_while(is_good).last().unwrap_or_default()
}

/// Name and text of each.
pub(crate) fn inputs() -> Vec<(&'static str, String)> {
    let largest = largest_pattern();
    let mut inputs = vec![
        ("realistic", realistic()),
        ("flow nesting", fill("[")),
        ("block nesting", fill("- ")),
        (
            "nesting within the limit",
            fill(&format!("- {}a{}\n", "[".repeat(60), "]".repeat(60))),
        ),
        ("plain items", fill("- a\n")),
        (
            "flow items",
            format!("[{}]", "a,".repeat(MAX_BYTES / 2 - 1)),
        ),
        ("one key", fill("a: b\n")),
        (
            "many keys",
            numbered("", usize::MAX, |n| format!("k{n}: v\n")),
        ),
        (
            "many flow keys",
            format!(
                "{{{}}}",
                numbered("", usize::MAX, |n| format!("k{n}: v,"))
                    .split_at(MAX_BYTES - 20)
                    .0
            ),
        ),
        ("complex keys", fill("? a\n")),
        (
            "anchors",
            numbered("", usize::MAX, |n| format!("- &a{n} x\n")),
        ),
        (
            "aliases",
            format!("- &a x\n{}", "- *a\n".repeat(MAX_BYTES / 5 - 4)),
        ),
        (
            "aliases of a list",
            format!("- &a [{}]\n{}", "x,".repeat(900), "- *a\n".repeat(200_000)),
        ),
        (
            "merges",
            numbered("", usize::MAX, |n| {
                format!("k{n}: &b{n} {{a{n}: 1, <<: {{b: 1}}}}\n")
            }),
        ),
        (
            "merges of one",
            format!(
                "- &b {{{}}}\n{}",
                numbered("", 2_000, |n| format!("k{n}: 1,")),
                "- {<<: *b}\n".repeat(90_000)
            ),
        ),
        (
            "merges in a row",
            format!(
                "base: &b {{{}}}\nall:\n{}",
                numbered("", 1_000, |n| format!("k{n}: 1,")),
                "  <<: *b\n".repeat(100_000)
            ),
        ),
        (
            "one long text",
            format!("module: {}", "x".repeat(MAX_BYTES - 20)),
        ),
        (
            "one long quoted text",
            format!("module: \"{}\"", "x".repeat(MAX_BYTES - 20)),
        ),
        (
            "escapes",
            format!("module: \"{}\"", "\\x41".repeat(MAX_BYTES / 4 - 20)),
        ),
        (
            "quotes",
            format!("module: '{}'", "''".repeat(MAX_BYTES / 2 - 20)),
        ),
        (
            "literal",
            format!("module: |\n{}", "  x\n".repeat(MAX_BYTES / 4 - 20)),
        ),
        (
            "folded",
            format!("module: >\n{}", "  x\n\n".repeat(MAX_BYTES / 5 - 20)),
        ),
        ("blank lines", fill("\n")),
        ("comments", fill("# c\n")),
        ("tabs", fill("\t")),
        ("tags", fill("!!a ")),
        (
            "wide letters",
            format!("module: {}", "日".repeat(MAX_BYTES / 3 - 20)),
        ),
        ("byte order marks", fill("\u{feff}")),
        ("documents", fill("---\n")),
        (
            "unclosed quote",
            format!("\"{}", "a\n".repeat(MAX_BYTES / 2 - 4)),
        ),
        (
            "unknown keys of fields",
            numbered(HEAD, usize::MAX, |n| {
                format!("- {{a{n}: 1, b{n}: 2, c{n}: 3, d{n}: 4}}\n")
            }),
        ),
        (
            "unknown long keys",
            numbered(HEAD, 300, |n| {
                format!("- {{{}{n}: 1}}\n", "nme".repeat(1_000))
            }),
        ),
        (
            "wrong types",
            numbered(HEAD, usize::MAX, |_| {
                "- {name: [], type: {}, label: [], options: 1, min: [], access: 1}\n".to_owned()
            }),
        ),
        (
            "many fields",
            numbered(HEAD, usize::MAX, |n| {
                format!("- {{name: f{n}, type: int}}\n")
            }),
        ),
        (
            "patterns",
            numbered(HEAD, 300, |n| {
                format!(
                    "- {{name: f{n}, type: string, validation: '(a{{1,40}}|[b-y]{{3,90}}){{1,3}}z', pattern: '[\\w.-]{{1,90}}\\d'}}\n"
                )
            }),
        ),
        (
            "patterns at the limit",
            numbered(HEAD, 300, |n| {
                format!(
                    "- {{name: f{n}, type: string, validation: '{largest}', pattern: '{largest}'}}\n"
                )
            }),
        ),
        (
            "patterns that are too large",
            numbered(HEAD, 300, |n| {
                format!(
                    "- {{name: f{n}, type: string, validation: '((a{{100}}){{100}}){{100}}'}}\n"
                )
            }),
        ),
        (
            "options",
            numbered(HEAD, 300, |n| {
                format!(
                    "- {{name: f{n}, type: select, options: [{}]}}\n",
                    "a,".repeat(1_500)
                )
            }),
        ),
        (
            "columns of nothing",
            format!(
                "{HEAD}- {{name: a, type: int}}\nui:\n  list_columns: [{}]\n",
                numbered("", 90_000, |n| format!("nothing{n},"))
            ),
        ),
        (
            "expressions",
            numbered(HEAD, 300, |n| {
                format!(
                    "- {{name: f{n}, type: int, visible_when: '{}'}}\n",
                    "item.a && ".repeat(300)
                )
            }),
        ),
        (
            "lambdas in quotes",
            numbered(
                &format!("{HEAD}- {{name: a, type: int}}\ncomputed_fields:\n"),
                16,
                |n| {
                    format!(
                        "- {{name: c{n}, lambda: \"{}\"}}\n",
                        "\\x3b\\n".repeat(10_000)
                    )
                },
            ),
        ),
        (
            "lambdas of one alias",
            format!(
                "{HEAD}- {{name: a, type: int}}\ncomputed_fields:\n- {{name: x, lambda: &l '{}'}}\n{}",
                "\n\n".repeat(1_500),
                numbered("", 299, |n| format!("- {{name: c{n}, lambda: *l}}\n"))
            ),
        ),
        (
            "lambdas of line breaks",
            numbered(
                &format!("{HEAD}- {{name: a, type: int}}\ncomputed_fields:\n"),
                16,
                |n| format!("- name: c{n}\n  lambda: |\n{}", "   ;\n".repeat(12_000)),
            ),
        ),
    ];
    inputs.retain(|(_, text)| text.len() <= MAX_BYTES + 20);
    inputs
}
