//! The gate for authors' SQL: what passes, passes again as it was printed, and is nothing but reading to somebody who reads it
//! in another way than the gate does.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use sql_gate::{Checked, Readable, Refusal, Relation, check_condition, check_query};

/// The gate reads no longer text; its own printing may be longer.
const MAX_LEN: usize = 4_000;

static READABLE: LazyLock<Readable> = LazyLock::new(|| {
    let mut readable = Readable::of_schema("t_own")
        .with("queue", &["id", "name", "group_id", "comments", "valid_id"])
        .with(
            "ticket",
            &["id", "tn", "title", "queue_id", "user_id", "create_time"],
        )
        .with("t", &["a", "b", "x", "id", "name"]);
    readable.insert(
        "users",
        Relation {
            columns: ["id", "login", "valid_id"].map(str::to_owned).to_vec(),
            has_hidden: true,
        },
    );
    readable
});

/// One for each parameter that there can be, with a name that wants out of its quotes.
static TYPES: LazyLock<Vec<String>> =
    LazyLock::new(|| vec!["te\"xt".to_owned(); usize::from(u16::MAX)]);

fuzz_target!(|sql: &str| {
    if sql.len() > MAX_LEN {
        return;
    }
    check(|sql| check_query(sql, &READABLE), sql, true);
    check(|sql| check_condition(sql, "queue", &READABLE), sql, false);
});

fn check(gate: impl Fn(&str) -> Result<Checked, Refusal>, sql: &str, is_query: bool) {
    let checked = match gate(sql) {
        Ok(checked) => checked,
        Err(refusal) => {
            assert!(!refusal.to_string().is_empty());
            return;
        }
    };
    let text = checked.text();
    assert_eq!(gate(text).as_ref(), Ok(&checked), "printed as {text}");
    only_reads(text, is_query);
    let cast = checked.with_casts(&TYPES).expect("as many as there can be");
    // The cast is ours, but for the name of the type.
    only_reads(&cast.replace("\"te\"\"xt\"", "integer"), is_query);
}

/// Reads a text as PostgreSQL does, word by word.
fn only_reads(text: &str, is_query: bool) {
    let mut rest = text;
    let mut words = Vec::new();
    let mut depth = 0_i32;
    while let Some(first) = rest.chars().next() {
        let (word, behind) = match first {
            '\'' => until_quote(rest, '\'', false),
            'E' if rest[1..].starts_with('\'') => until_quote(&rest[1..], '\'', true),
            '"' => until_quote(rest, '"', false),
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = rest
                    .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                    .unwrap_or(rest.len());
                rest.split_at(end)
            }
            _ => rest.split_at(first.len_utf8()),
        };
        if first.is_ascii_punctuation() && !behind.is_empty() {
            let pair = [first, behind.chars().next().unwrap_or(' ')];
            assert!(
                pair != ['-', '-'] && pair != ['/', '*'],
                "a comment in {text}"
            );
        }
        match first {
            '(' => depth += 1,
            ')' => depth -= 1,
            ';' | '\\' | '\0' => panic!("{first:?} in {text}"),
            _ if !first.is_ascii() => panic!("{first:?} in {text}"),
            _ => {}
        }
        assert!(depth >= 0, "closed more than opened: {text}");
        // Only what is in quotes can be a name; everything else is a word of the gate's own lists.
        if first.is_ascii_alphabetic() && !word.starts_with('\'') {
            words.push(word.to_ascii_lowercase());
        }
        if first == '"' {
            let called = behind.trim_start().starts_with('(');
            // Names before a parenthesis rename columns: `t ("a", "b")`. None of these is a function of the server.
            assert!(
                !(called && (word.starts_with("\"pg_") || word.starts_with("\"set_config"))),
                "{word} is called in {text}"
            );
        }
        rest = behind;
    }
    assert_eq!(depth, 0, "{text}");
    if is_query {
        let opened = text.trim_start_matches(['(', ' ']);
        assert!(
            ["SELECT", "WITH", "VALUES"]
                .iter()
                .any(|word| opened.starts_with(word)),
            "{text}"
        );
    }
    for word in words {
        assert!(!FORBIDDEN.contains(&word.as_str()), "{word} in {text}");
        assert!(
            !["pg_", "gotrs_", "lo_", "reg"]
                .iter()
                .any(|prefix| word.starts_with(prefix))
                || word == "regexp_replace",
            "{word} in {text}"
        );
    }
}

/// A text or name in quotes, and what is behind it. A quote of its own kind is doubled in it.
fn until_quote(text: &str, quote: char, escapes: bool) -> (&str, &str) {
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            if chars.peek().is_some_and(|(_, next)| *next == quote) {
                chars.next();
                continue;
            }
            return text.split_at(at + 1);
        }
    }
    panic!("a quote does not end: {text}");
}

const FORBIDDEN: &[&str] = &[
    "alter",
    "call",
    "copy",
    "create",
    "current_role",
    "current_schema",
    "current_user",
    "delete",
    "do",
    "drop",
    "execute",
    "grant",
    "insert",
    "into",
    "listen",
    "lock",
    "merge",
    "notify",
    "operator",
    "prepare",
    "recursive",
    "reset",
    "revoke",
    "session_user",
    "set",
    "share",
    "show",
    "table",
    "tablesample",
    "truncate",
    "update",
    "user",
    "variadic",
];
