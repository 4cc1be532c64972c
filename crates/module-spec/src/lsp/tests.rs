#![expect(clippy::indexing_slicing, reason = "a test fails by it")]

use super::*;

/// The labels offered at `|`.
fn offered(text: &str) -> Vec<String> {
    let (source, position) = cursor(text);
    complete(&source, position)
        .into_iter()
        .map(|proposal| proposal.label)
        .collect()
}

fn cursor(text: &str) -> (String, Position) {
    let at = text.find('¦').unwrap();
    let before = text.get(..at).unwrap();
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap().encode_utf16().count();
    let position = Position {
        line: u32::try_from(line).unwrap(),
        character: u32::try_from(column).unwrap(),
    };
    (text.replace('¦', ""), position)
}

#[test]
fn keys_that_are_not_there_yet_are_offered() {
    for (text, has, has_not) in [
        ("¦", "module", "name"),
        ("module: {name: m}\nfi¦\n", "fields", "module"),
        ("module:\n  name: m\n  ¦\n", "storage", "name"),
        ("module:\n  name: m\n  st¦\nfields:\n", "storage", "name"),
        ("fields:\n  - name: a\n    ¦\n", "type", "name"),
        ("fields:\n- name: a\n  la¦\n- name: b\n", "label", "name"),
        ("fields:\n- ¦\n", "name", "module"),
        ("fields:\n  - {name: a, ¦}\n", "type", "name"),
        ("fields: [{name: a, ty¦", "type", "name"),
        ("fields:\n  - name: a\n    access:\n      ¦", "read", "name"),
        ("fields: [\n  {name: a,\n   ¦", "type", "name"),
        ("fields:\n- na¦me: a\n", "name", "module"),
        ("module: {menu: {¦", "group", "name"),
        (
            "ui:\n  form_sections:\n  - title: \"x: y\"\n    ¦",
            "fields",
            "title",
        ),
    ] {
        let labels = offered(text);
        assert!(
            labels.iter().any(|label| label == has),
            "{text}: {labels:?}"
        );
        assert!(
            labels.iter().all(|label| label != has_not),
            "{text}: {labels:?}"
        );
    }
}

#[test]
fn values_are_offered_where_they_are_known() {
    let fields = "fields:\n- {name: serial, type: string}\n- name: ort\n  type: select\n";
    for (text, has) in [
        ("module:\n  storage: ¦", "managed"),
        ("fields:\n- name: a\n  type: str¦\n", "string"),
        ("fields:\n- {name: a, type: ¦", "string"),
        ("fields:\n- {name: a, required: t¦}", "true"),
        ("permissions: [view, ¦]", "delete"),
        ("permissions:\n- ¦", "delete"),
        ("events:\n- on: ¦", "ticket.created"),
        ("events:\n- on: ticket.cr¦\n", "ticket.created"),
        ("events:\n- on: [ticket.created, ¦]\n", "record.saved"),
        ("events:\n- on:\n  - ¦\n", "article.added"),
        ("tests:\n- {name: a, event: art¦", "article.added"),
        (
            "tests:\n- name: a\n  expect_effects:\n  - ti¦",
            "tickets.update",
        ),
        (
            "actions:\n- {name: retire, lambda: return 1}\ntests:\n- name: a\n  action: ¦",
            "retire",
        ),
        (&format!("{fields}module:\n  default_sort: ¦"), "serial"),
        (
            &format!("computed_fields:\n- {{name: c, lambda: return item.s¦}}\n{fields}"),
            "serial",
        ),
        (
            &format!("{fields}- name: c\n  visible_when: item.¦\n"),
            "ort",
        ),
        (&format!("{fields}ui:\n  list_columns: [ort, ¦"), "serial"),
        (&format!("{fields}ui:\n  list_columns:\n  - ¦"), "ort"),
        (
            &format!("computed_fields:\n- name: c\n  lambda: |\n    return item.s¦ + 1\n{fields}"),
            "serial",
        ),
    ] {
        let labels = offered(text);
        assert!(
            labels.iter().any(|label| label == has),
            "{text}: {labels:?}"
        );
    }
    assert_eq!(offered("fields:\n- name: a\n  label: ¦"), [""; 0]);
    assert_eq!(offered("# ¦"), [""; 0]);
}

#[test]
fn a_proposal_replaces_the_word_that_is_being_written() {
    let (source, position) = cursor("module: {singular: \"日本𝄞\", st¦}");
    let all = complete(&source, position);
    let storage = all.iter().find(|one| one.label == "storage").unwrap();
    assert_eq!(storage.text_edit.new_text, "storage: ");
    assert_eq!(storage.text_edit.range.end, position);
    assert_eq!(
        position.character - storage.text_edit.range.start.character,
        2
    );
    let json = serde_json::to_value(storage).unwrap();
    assert_eq!(json["kind"], 10);
    assert_eq!(json["documentation"]["kind"], "markdown");
}

#[test]
fn hover_explains_keys_and_values() {
    for (text, expected) in [
        ("module:\n  na¦me: m\n", "**name** (required)"),
        ("module: {stor¦age: managed", "**storage**"),
        ("module: {storage: man¦aged", "`managed`: "),
        (
            "fields:\n- type: st¦ring\n",
            "`string`: One line of text.\n\n**type** (required)",
        ),
        ("fields:\n- {name: a, type: da¦te}\n", "`date`: A day."),
        (
            "events:\n- on: ticket.cre¦ated\n",
            "`ticket.created`: A ticket was opened.",
        ),
        (
            "events:\n- on: [record.saved, ticket.cre¦ated]\n",
            "`ticket.created`: ",
        ),
        (
            "permissions:\n- view\n- up¦date\n",
            "`update`: Change records.",
        ),
        ("permissions: [¦view]", "`view`: See records."),
    ] {
        let (source, position) = cursor(text);
        let found = hover(&source, position, None).unwrap_or_else(|| panic!("nothing for {text}"));
        assert!(found.contents.value.starts_with(expected), "{found:?}");
        assert!(found.range.start <= position && position <= found.range.end);
    }
    let (source, position) = cursor("module:\n  unknown¦: m\n");
    assert_eq!(hover(&source, position, None), None);
    let (source, position) = cursor("permissions: [view, no¦thing]");
    assert_eq!(hover(&source, position, None), None);
    let (source, position) = cursor("even¦ts: []");
    let text = hover(&source, position, None).unwrap().contents.value;
    assert!(
        text.ends_with("Not supported yet: this version never runs them."),
        "{text}"
    );
}

#[test]
fn links_lead_to_anchors_that_exist() {
    let docs = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/modules");
    let page = |name: &str| std::fs::read_to_string(docs.join(name)).unwrap();
    let (reference, codes) = (page("reference.md"), page("diagnostics.md"));
    let has = |page: &str, anchor: &str| page.contains(&format!("<a id=\"{anchor}\"></a>"));
    let mut anchors = std::collections::BTreeSet::new();
    for table in crate::keys::ALL {
        for key in table.keys {
            let anchor = table.anchor(key.name);
            assert!(has(&reference, &anchor), "{anchor}");
            assert!(anchors.insert(anchor), "twice: {}", key.name);
        }
    }
    let (source, position) = cursor("module:\n  name: m\nfields:\n- t¦ype: strng\n");
    let text = hover(&source, position, Some("https://docs.example/m"))
        .unwrap()
        .contents
        .value;
    assert!(
        text.ends_with("[Reference](https://docs.example/m/reference.md#fields-type)"),
        "{text}"
    );
    for finding in diagnostics(
        &source,
        &crate::parse(&source).1,
        Some("https://docs.example/m"),
    ) {
        let href = finding.code_description.unwrap().href;
        let anchor = href
            .strip_prefix("https://docs.example/m/diagnostics.md#")
            .unwrap();
        assert!(has(&codes, anchor), "{href}");
    }
}

#[test]
fn findings_have_ranges_in_utf16_units() {
    let source =
        "module: {name: m, storage: managed}\nfields:\n- {label: \"𝄞ü\", name: a, type: strng}\n";
    let (_, findings) = crate::parse(source);
    let shown = diagnostics(source, &findings, Some("https://docs.example"));
    let json = serde_json::to_value(&shown[0]).unwrap();
    assert_eq!(
        json["range"],
        serde_json::json!({"start": {"line": 2, "character": 32}, "end": {"line": 2, "character": 37}})
    );
    assert_eq!(
        (&json["severity"], &json["code"]),
        (&1.into(), &"unknown-type".into())
    );
    assert_eq!(
        json["codeDescription"]["href"],
        "https://docs.example/diagnostics.md#unknown-type"
    );
    let plain = serde_json::to_value(&diagnostics(source, &findings, None)[0]).unwrap();
    assert_eq!(plain.get("codeDescription"), None);
    assert_eq!(json["data"]["path"], "fields[0].type");
}

proptest::proptest! {
    #[test]
    fn nothing_that_is_typed_makes_it_panic(
        text in "(module|fields|name|lambda|item\\.|[:{}\\[\\],|>'\"#&*! \\-\\n𝄞ü]){0,60}",
        line in 0..20_u32,
        character in 0..40_u32,
    ) {
        let position = Position { line, character };
        for proposal in complete(&text, position) {
            let range = proposal.text_edit.range;
            assert!(range.start <= range.end && range.end.line == line);
        }
        if let Some(found) = hover(&text, position, Some("x")) {
            assert!(found.range.start <= found.range.end && found.range.end.line == line);
        }
    }
}
