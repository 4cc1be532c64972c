use serde_json::json;

use super::*;

fn field(rest: &str) -> Field {
    let source = format!("module: {{name: m, storage: managed}}\nfields: [{{name: f, {rest}}}]\n");
    let (spec, findings) = module_spec::parse(&source);
    let spec = spec.unwrap_or_else(|| panic!("{findings:?}"));
    spec.field("f").unwrap().clone()
}

#[test]
fn values_are_checked_by_type_and_rule() {
    for (rest, given, expected) in [
        (
            "type: string, required: true",
            json!("  a b "),
            Ok(json!("a b")),
        ),
        (
            "type: string, required: true",
            json!("  "),
            Err("This is required."),
        ),
        (
            "type: string, required: true",
            json!(null),
            Err("This is required."),
        ),
        ("type: string", json!(7), Ok(json!(7))),
        (
            "type: string",
            json!({"a": 1}),
            Err("This must be a single value."),
        ),
        (
            "type: string",
            json!("a\u{0}b"),
            Err("This contains a character that cannot be stored."),
        ),
        (
            "type: string, max_length: 3",
            json!("äöüß"),
            Err("This may have at most 3 characters; it has 4."),
        ),
        (
            "type: string, pattern: '[a-z]+'",
            json!("abc1"),
            Err("This does not have the expected form."),
        ),
        (
            "type: string, validation: '^[a-z]'",
            json!("abc1"),
            Ok(json!("abc1")),
        ),
        ("type: textarea", json!(" a\r\nb "), Ok(json!(" a\nb "))),
        ("type: integer", json!(" 12 "), Ok(json!(12))),
        (
            "type: integer",
            json!("1.5"),
            Err("This must be a whole number."),
        ),
        (
            "type: integer",
            json!("99999999999999999999"),
            Err("This must be a whole number."),
        ),
        (
            "type: integer, min: 3",
            json!(2),
            Err("This must be at least 3."),
        ),
        (
            "type: range, min: 0, max: 1, step: 0.1",
            json!("0.3"),
            Ok(json!("0.3")),
        ),
        (
            "type: range, min: 0, max: 1, step: 0.1",
            json!("0.35"),
            Err("This must be a multiple of 0.1."),
        ),
        ("type: decimal", json!("10,50"), Ok(json!("10.50"))),
        ("type: decimal", json!("NaN"), Err("This must be a number.")),
        (
            "type: decimal, max: 5",
            json!(6),
            Err("This must be at most 5."),
        ),
        ("type: bool", json!("on"), Ok(json!(true))),
        ("type: bool", json!(0), Ok(json!(false))),
        ("type: bool", json!("maybe"), Err("This must be yes or no.")),
        (
            "type: date",
            json!("2026-02-29"),
            Err("This must be a date such as 2026-01-31."),
        ),
        ("type: date", json!("2024-02-29"), Ok(json!("2024-02-29"))),
        (
            "type: date, min: '2026-01-01'",
            json!("2025-12-31"),
            Err("This must not be before 2026-01-01."),
        ),
        (
            "type: datetime",
            json!("2026-01-31T14:05"),
            Ok(json!("2026-01-31T14:05:00")),
        ),
        (
            "type: datetime",
            json!("2026-01-31T14:05:00+02:00"),
            Ok(json!("2026-01-31T12:05:00")),
        ),
        (
            "type: datetime, max: '2026-01-31'",
            json!("2026-01-31 23:59"),
            Ok(json!("2026-01-31T23:59:00")),
        ),
        (
            "type: time",
            json!("25:00"),
            Err("This must be a time such as 14:05."),
        ),
        (
            "type: email",
            json!("ann@example.com"),
            Ok(json!("ann@example.com")),
        ),
        (
            "type: email",
            json!("ann@@example"),
            Err("This must be an e-mail address such as ann@example.com."),
        ),
        (
            "type: email",
            json!("ann @example.com"),
            Err("This must be an e-mail address such as ann@example.com."),
        ),
        (
            "type: url",
            json!("javascript:alert(1)"),
            Err("This must be a web address such as https://example.com."),
        ),
        (
            "type: url",
            json!("https://example.com/a?b"),
            Ok(json!("https://example.com/a?b")),
        ),
        (
            "type: tel",
            json!("call me"),
            Err("This must be a telephone number such as +49 30 123456."),
        ),
        (
            "type: color",
            json!("red"),
            Err("This must be a colour such as #3b82f6."),
        ),
        ("type: select, options: [1, two]", json!("1"), Ok(json!(1))),
        (
            "type: select, options: [1, two]",
            json!("3"),
            Err("Choose one of the options."),
        ),
        (
            "type: select, multiple: true, options: [1, two]",
            json!(["two", "", "1"]),
            Ok(json!(["two", 1])),
        ),
        (
            "type: select, options: [1, two]",
            json!(["1", "two"]),
            Ok(json!("two")),
        ),
    ] {
        let field = field(rest);
        let found = convert(&field, &given);
        assert_eq!(found, expected.map_err(str::to_owned), "{rest}: {given}");
        if let Ok(value) = found {
            assert_eq!(convert(&field, &value), Ok(value), "again: {rest}");
        }
    }
}

#[test]
fn people_read_words_where_the_database_has_signs() {
    for (rest, raw, expected) in [
        ("type: bool", json!(1), "Yes"),
        ("type: bool", json!(2), "No"),
        ("type: bool", json!(null), ""),
        ("type: decimal", json!("10.50"), "10.50"),
        (
            "type: datetime",
            json!("2026-01-31T14:05:09"),
            "2026-01-31 14:05",
        ),
        (
            "type: select, options: [{value: 1, label: One}]",
            json!(1),
            "One",
        ),
        ("type: string, display_map: {a: Alpha}", json!("a"), "Alpha"),
        ("type: password", json!("secret"), ""),
        (
            "type: select, multiple: true, options: [1, 2]",
            json!([1, 2]),
            "1, 2",
        ),
    ] {
        assert_eq!(display(&field(rest), &raw), expected, "{rest}");
    }
}

#[test]
fn booleans_and_lists_take_the_form_of_their_column() {
    assert_eq!(to_sql(&json!(true), "int2").as_deref(), Some("1"));
    assert_eq!(to_sql(&json!(true), "bool").as_deref(), Some("true"));
    assert_eq!(
        to_sql(&json!(["a", 1]), "jsonb").as_deref(),
        Some(r#"["a",1]"#)
    );
    assert_eq!(to_sql(&json!(["a", 1]), "varchar").as_deref(), Some("a,1"));
    assert_eq!(to_sql(&json!(null), "jsonb"), None);
}

proptest::proptest! {
    #[test]
    fn converting_never_panics(text in "\\PC{0,40}") {
        for kind in FieldType::SPELLINGS {
            if !matches!(kind.0, "select" | "radio") {
                let _ = convert(&field(&format!("type: {}", kind.0)), &json!(text));
                let _ = display(&field(&format!("type: {}", kind.0)), &json!(text));
            }
        }
    }
}
