//! The text of a new module file.

use serde_json::{Value, json};

use super::answers::{Answers, FieldAnswer, FieldKind};

/// Words that YAML, of whatever version, does not take for text.
const NO_TEXT: &[&str] = &["true", "false", "null", "yes", "no", "on", "off", "y", "n"];
/// What the computed field is called, if no field is.
const COMPUTED: &str = "summary";

/// Writes it.
pub(super) fn render(answers: &Answers) -> String {
    let Answers {
        name,
        singular,
        plural,
        menu,
        portals,
        fields,
        file,
    } = answers;
    let portals: Vec<&str> = portals.iter().map(|portal| portal.word()).collect();
    let file = comment(file);
    let mut text = format!(
        "\
# Everything about the module {name}: its table, its pages and its code. All keys: docs/modules/reference.md
#   gotrs module check {file}        shows what is wrong
#   gotrs module test {file}         runs the tests at the end of this file
#   gotrs module push TENANT {file}  makes it live, without a restart
module:
  name: {}
  singular: {}
  plural: {}
  # The module owns its table, which is made from the fields below and follows them.
  storage: managed
  # Where it stands in the menu; smaller is higher.
  menu: {{group: {}, order: 100}}
  # Whose pages show it: admin, agent, customer.
  portals: [{}]

# What a record has, in the order in which it is shown. `label` says what a field is called if its name does not.
fields:
",
        scalar(name.as_str()),
        scalar(singular.as_str()),
        scalar(plural.as_str()),
        quoted(menu.as_str()),
        portals.join(", "),
    );
    for (position, field) in fields.iter().enumerate() {
        text.push_str(&field_lines(field, position == 0));
    }
    if let Some(field) = fields.first() {
        text.push_str(&computed_lines(field, &free_name(fields)));
    }
    text
}

fn field_lines(field: &FieldAnswer, first: bool) -> String {
    let mut text = format!(
        "  - name: {}\n    type: {}\n",
        scalar(&field.name),
        field.kind.word()
    );
    if first {
        text.push_str("    required: true\n    sortable: true\n");
    }
    if field.kind.is_text() {
        text.push_str("    searchable: true\n");
    }
    text
}

fn computed_lines(field: &FieldAnswer, computed: &str) -> String {
    let sample = sample(field.kind);
    let shown = match &sample {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let FieldAnswer { name, .. } = field;
    format!(
        "
# Columns that are computed when a record is shown: JavaScript in a sandbox, where `item` is the record. More: docs/modules/lambdas.md
computed_fields:
  - name: {computed}
    show_in_list: true
    lambda: |
      if (item.{name} === null) return '-';
      // The html tag makes what is put into it harmless.
      return html`<strong>${{item.{name}}}</strong>`;

# They run at every upload: a module that fails them does not become live.
tests:
  - name: the {computed} shows {name}
    field: {computed}
    item: {{{}: {sample}}}
    expect: {}
  - name: the {computed} of nothing is a dash
    field: {computed}
    item: {{}}
    expect: \"-\"
",
        quoted(name),
        quoted(&format!("<strong>{shown}</strong>")),
    )
}

/// A value of the kind, for the test.
fn sample(kind: FieldKind) -> Value {
    match kind {
        FieldKind::String | FieldKind::Text => json!("A 1001"),
        FieldKind::Integer => json!(42),
        FieldKind::Decimal => json!(12.5),
        FieldKind::Bool => json!(true),
        FieldKind::Date => json!("2026-01-31"),
        FieldKind::Datetime => json!("2026-01-31T09:30:00Z"),
        FieldKind::Email => json!("ann@example.org"),
        FieldKind::Url => json!("https://example.org"),
    }
}

/// A name for the computed field that no field has.
fn free_name(fields: &[FieldAnswer]) -> String {
    let taken = |name: &str| fields.iter().any(|field| field.name == name);
    let mut name = COMPUTED.to_owned();
    let mut number = 1_usize;
    while taken(&name) {
        number += 1;
        name = format!("{COMPUTED}_{number}");
    }
    name
}

/// A text as YAML in a block: as it is where that is the same, otherwise in quotes.
fn scalar(text: &str) -> String {
    let plain = text.starts_with(|letter: char| letter.is_ascii_alphabetic())
        && text
            .chars()
            .all(|letter| letter.is_ascii_alphanumeric() || matches!(letter, ' ' | '_' | '-'))
        && !text.ends_with(' ')
        && !NO_TEXT.contains(&text.to_ascii_lowercase().as_str());
    if plain { text.to_owned() } else { quoted(text) }
}

/// A text in quotes: JSON's are YAML's.
fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A path in a comment: nothing in it may end the line.
fn comment(path: &str) -> String {
    path.chars()
        .map(|letter| match letter {
            '\u{2028}' | '\u{2029}' => '\u{fffd}',
            letter if letter.is_control() => '\u{fffd}',
            letter => letter,
        })
        .collect()
}
