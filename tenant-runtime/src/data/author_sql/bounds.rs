//! How large a statement may be, and how large a text its functions may make out of little.
//!
//! The tree of a statement is printed and dropped by recursion, so its depth is bounded before it is built: `1+1+1+...` is one level
//! per sign, and parentheses are bounded by the parser itself.
//!
//! What no look at the text can bound is how much data a query touches: a join of everything with everything, or `string_agg`
//! over it. That ends at the statement timeout, at `temp_file_limit` and at the server's own limit for one value.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::Token;

/// Most words, signs and values.
const MAX_TOKENS: usize = 4_000;
/// Most keywords and operators: each can be one level of the tree.
const MAX_LEVELS: usize = 1_000;
/// Longest text that `lpad` and `rpad` fill up to.
const MAX_PADDED: u32 = 1_000;

/// Checks a statement's tokens (without white space).
pub(super) fn check(tokens: &[Token]) -> Result<(), String> {
    if tokens.len() > MAX_TOKENS {
        return Err(format!(
            "the statement has more than {MAX_TOKENS} words and signs"
        ));
    }
    if tokens.iter().filter(|token| may_nest(token)).count() > MAX_LEVELS {
        return Err(format!(
            "the statement has more than {MAX_LEVELS} keywords and operators"
        ));
    }
    for (at, token) in tokens.iter().enumerate() {
        let Token::Word(word) = token else { continue };
        let called = tokens.get(at + 1) == Some(&Token::LParen);
        let arguments = tokens.get(at + 2..).unwrap_or_default();
        if !called {
            continue;
        }
        match word.value.to_lowercase().as_str() {
            name @ ("lpad" | "rpad") => check_padding(name, arguments)?,
            "format" => check_format(arguments)?,
            _ => {}
        }
    }
    Ok(())
}

/// Names, values and what separates them stand side by side; everything else can stand around what came before it.
fn may_nest(token: &Token) -> bool {
    match token {
        Token::Word(word) => word.keyword != Keyword::NoKeyword,
        Token::Comma
        | Token::Period
        | Token::LParen
        | Token::RParen
        | Token::SemiColon
        | Token::Number(..)
        | Token::SingleQuotedString(_)
        | Token::Placeholder(_) => false,
        _ => true,
    }
}

/// The second argument is the length: a number in the open.
fn check_padding(name: &str, arguments: &[Token]) -> Result<(), String> {
    let refused =
        || format!("the length of {name} is a number up to {MAX_PADDED}, written as such");
    let mut depth = 0_usize;
    for (at, token) in arguments.iter().enumerate() {
        match token {
            Token::LParen | Token::LBracket => depth += 1,
            Token::RParen | Token::RBracket if depth == 0 => break,
            Token::RParen | Token::RBracket => depth -= 1,
            Token::Comma if depth == 0 => {
                return match arguments.get(at + 1..at + 3) {
                    Some([Token::Number(length, _), Token::Comma | Token::RParen])
                        if length
                            .parse::<u32>()
                            .is_ok_and(|length| length <= MAX_PADDED) =>
                    {
                        Ok(())
                    }
                    _ => Err(refused()),
                };
            }
            _ => {}
        }
    }
    Err(refused())
}

/// `%1000000000s` is a text of a gigabyte: the pattern stands in the open and has no widths.
fn check_format(arguments: &[Token]) -> Result<(), String> {
    let refused =
        || "the pattern of format is a text with %s, %I, %L or %1$s, without widths".to_owned();
    let Some(
        [
            Token::SingleQuotedString(pattern),
            Token::Comma | Token::RParen,
        ],
    ) = arguments.get(..2)
    else {
        return Err(refused());
    };
    let mut rest = pattern.as_str();
    while let Some((_, spec)) = rest.split_once('%') {
        let digits = spec.chars().take_while(char::is_ascii_digit).count();
        let (_, spec) = spec.split_at(digits);
        let kind = match (digits, spec.strip_prefix('$')) {
            (0, None) => spec,
            (1.., Some(kind)) => kind,
            _ => return Err(refused()),
        };
        rest = kind
            .strip_prefix(['s', 'I', 'L', '%'])
            .ok_or_else(refused)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crate::data::author_sql::{check_condition, check_query};

    #[test]
    fn texts_that_grow_by_a_number_are_bounded() {
        for sql in [
            "SELECT lpad(name, 10) FROM queue",
            "SELECT rpad(coalesce(name, 'a'), 1000, '-') FROM queue",
            "SELECT lpad(id::text, 8, '0') FROM queue",
            "SELECT format('%s of %1$s, %I %L, 100 %%', name, id) FROM queue",
            "SELECT format('nothing')",
        ] {
            check_query(sql).unwrap();
        }
        for sql in [
            "SELECT lpad(name, 1001) FROM queue",
            "SELECT rpad('a', 1000000000)",
            "SELECT \"lpad\"('a', 1000000000)",
            "SELECT lpad('a', 10 * 100000000)",
            "SELECT lpad('a', id) FROM queue",
            "SELECT lpad('a', (9999999))",
            "SELECT lpad('a', 1e9)",
            "SELECT lpad('a', $1)",
            "SELECT lpad('a')",
            "SELECT lpad('a', 10::int)",
            "SELECT format('%1000000000s', 'x')",
            "SELECT format('%-1000000000s', 'x')",
            "SELECT format('%*s', 1000000000, 'x')",
            "SELECT format('%1$*2$s', 'x', 1000000000)",
            "SELECT format('%1$1000000000s', 'x')",
            "SELECT format('%', 'x')",
            "SELECT format('%1', 'x')",
            "SELECT format('%1' || '000000000s', 'x')",
            "SELECT format(name, 'x') FROM queue",
            "SELECT format($1, 'x')",
            "SELECT format(VARIADIC '{a}'::text[])",
        ] {
            assert!(check_query(sql).is_err(), "{sql}");
        }
    }

    /// Threads of lambdas have 2 MiB, of which the sandbox may be using half.
    #[test]
    fn deep_and_long_statements_do_not_overflow_a_small_stack() {
        let thread = std::thread::Builder::new().stack_size(768 * 1024);
        let checked = thread.spawn(|| {
            for (head, part, tail) in [
                ("1", "+1", ""),
                ("1", "||1", ""),
                ("1", "::int", ""),
                ("1", " ISNULL", ""),
                ("1", " IS NULL", ""),
                ("a", " COLLATE \"C\"", ""),
                ("a", "->1", ""),
                ("a", "[1]", ""),
                ("a", ".b", ""),
                ("", "- ", "1"),
                ("", "NOT ", "true"),
                ("1", " OR a = 1", ""),
                ("1", " BETWEEN 1 AND 2", ""),
                ("1", " IN (1)", ""),
                ("a", " AT TIME ZONE 'x'", ""),
                ("1", " LIKE 'a'", ""),
                ("", "(", "1"),
                ("", "coalesce(", "1"),
                ("", "CASE WHEN 1=1 THEN ", "1"),
                ("", "ARRAY[", "1"),
                ("", "(SELECT ", "1"),
                ("1", ",1", ""),
                ("1", " UNION SELECT 1", ""),
                ("1 FROM a", " JOIN b ON 1=1", ""),
                ("1 FROM a", ", LATERAL (SELECT 1) b", ""),
                ("1", " FROM (SELECT 1", ""),
            ] {
                for times in [10, 45, 300, 490, 900, 1_990, 3_000, 6_000] {
                    let text = format!("{head}{}{tail}", part.repeat(times));
                    // What matters is that an answer comes at all.
                    let query = check_query(&format!("SELECT {text}"));
                    let condition = check_condition(&text);
                    assert!(
                        times < 6_000 || query.is_err() && condition.is_err(),
                        "{part}"
                    );
                }
            }
            let sum = |times| format!("SELECT 1{}", "+1".repeat(times));
            check_query(&sum(900)).unwrap();
            assert!(check_query(&sum(1_100)).is_err());
            let list = |times| format!("SELECT 1 WHERE 1 IN (1{})", ",1".repeat(times));
            check_query(&list(1_900)).unwrap();
            assert!(check_query(&list(2_000)).is_err());
        });
        checked.unwrap().join().unwrap();
    }
}
