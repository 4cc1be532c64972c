//! SQL that a module's author wrote: exactly one SELECT, printed anew from its tree.
//!
//! One wall of several. Behind it stand the lambda role (which can write nothing and read no secrets), READ ONLY
//! transactions, the extended protocol (which takes one statement only) and caps on time, rows and bytes. What each wall holds
//! alone is in `tests/records/sql/statements.txt`.

mod bounds;

use sqlparser::ast::{Query, SetExpr, Statement};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Token, Tokenizer, Word};

/// What the name of an array's type ends in, behind the name of its elements' type.
pub const ARRAY: &str = "[]";

/// Longest statement in bytes.
const MAX_LEN: usize = 20_000;

/// Functions that tenant code may call; what is not here is refused, for nobody knows all of `pg_catalog`.
const FUNCTIONS: &[&str] = &[
    "abs",
    "age",
    "array_agg",
    "array_length",
    "array_to_string",
    "avg",
    "bool_and",
    "bool_or",
    "ceil",
    "ceiling",
    "char_length",
    "character_length",
    "coalesce",
    "concat",
    "concat_ws",
    "count",
    "cume_dist",
    "date",
    "date_part",
    "date_trunc",
    "dense_rank",
    "every",
    "extract",
    "first_value",
    "floor",
    "format",
    "greatest",
    "initcap",
    "json_agg",
    "json_build_object",
    "jsonb_agg",
    "jsonb_array_elements",
    "jsonb_array_elements_text",
    "jsonb_array_length",
    "jsonb_build_object",
    "lag",
    "last_value",
    "lead",
    "least",
    "left",
    "length",
    "lower",
    "lpad",
    "ltrim",
    "make_date",
    "max",
    "md5",
    "min",
    "mod",
    "now",
    "ntile",
    "nullif",
    "overlay",
    "percent_rank",
    "percentile_cont",
    "percentile_disc",
    "position",
    "power",
    "rank",
    "regexp_replace",
    "replace",
    "reverse",
    "right",
    "round",
    "row_number",
    "rpad",
    "rtrim",
    "sign",
    "split_part",
    "sqrt",
    "starts_with",
    "stddev",
    "string_agg",
    "strpos",
    "substr",
    "substring",
    "sum",
    "to_char",
    "to_date",
    "to_number",
    "to_timestamp",
    "translate",
    "trim",
    "trunc",
    "unnest",
    "upper",
    "variance",
    "width_bucket",
];

/// Words that may stand before a parenthesis without being functions.
const BEFORE_PARENTHESIS: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "between",
    "by",
    "case",
    "cast",
    "cross",
    "cube",
    "distinct",
    "else",
    "except",
    "exists",
    "filter",
    "from",
    "group",
    "having",
    "ilike",
    "in",
    "intersect",
    "interval",
    "is",
    "join",
    "lateral",
    "like",
    "limit",
    "materialized",
    "not",
    "numeric",
    "decimal",
    "varchar",
    "char",
    "character",
    "timestamp",
    "time",
    "offset",
    "on",
    "or",
    "over",
    "order",
    "partition",
    "rollup",
    "row",
    "select",
    "sets",
    "similar",
    "some",
    "then",
    "to",
    "union",
    "using",
    "values",
    "when",
    "where",
    "within",
    "window",
    "with",
];

/// Words of statements that write, lock or administer. As identifiers they can be quoted.
const NEVER: &[&str] = &[
    "alter",
    "analyze",
    "begin",
    "call",
    "checkpoint",
    "cluster",
    "comment",
    "commit",
    "copy",
    "create",
    "deallocate",
    "delete",
    "discard",
    "do",
    "drop",
    "execute",
    "explain",
    "grant",
    "insert",
    "into",
    "listen",
    "lock",
    "merge",
    "notify",
    "prepare",
    "reassign",
    // WITH RECURSIVE makes rows out of nothing, for ever.
    "recursive",
    "refresh",
    "reindex",
    "release",
    "reset",
    "revoke",
    "rollback",
    "savepoint",
    "set",
    "share",
    "truncate",
    "unlisten",
    "update",
    "vacuum",
];

/// Words that call a function of the server without a parenthesis.
const OF_THE_SERVER: &[&str] = &[
    "current_catalog",
    "current_role",
    "current_schema",
    "current_user",
    "session_user",
    "system_user",
    "user",
];

/// Checks a query and prints it anew; the error says what is the matter.
pub fn check_query(sql: &str) -> Result<String, String> {
    check_words(sql)?;
    let mut statements = Parser::parse_sql(&PostgreSqlDialect {}, sql)
        .map_err(|error| format!("this is not SQL that is understood: {error}"))?;
    match (statements.pop(), statements.is_empty()) {
        (Some(Statement::Query(query)), true) => {
            check_tree(&query)?;
            reprinted(query.to_string())
        }
        (Some(_), true) => Err("only SELECT is possible here".to_owned()),
        _ => Err("exactly one SELECT is possible here".to_owned()),
    }
}

/// Checks a condition (what stands behind WHERE) and prints it anew.
pub fn check_condition(sql: &str) -> Result<String, String> {
    check_words(sql)?;
    let understood = |error| format!("this is not a condition that is understood: {error}");
    let mut parser = Parser::new(&PostgreSqlDialect {})
        .try_with_sql(sql)
        .map_err(understood)?;
    let condition = parser.parse_expr().map_err(understood)?;
    if parser.peek_token().token != Token::EOF {
        return Err("something stands behind the condition".to_owned());
    }
    reprinted(condition.to_string())
}

/// What the server will read is checked once more: printing must not make of a text what it was not before.
fn reprinted(printed: String) -> Result<String, String> {
    check_words(&printed)?;
    Ok(printed)
}

/// The query with each `$n` cast from text to the type that the server found for it.
pub fn cast_parameters(sql: &str, types: &[String]) -> Result<String, String> {
    let tokens = tokenize(sql)?;
    let mut text = String::with_capacity(sql.len());
    for token in tokens {
        match &token {
            Token::Placeholder(name) => {
                let number: usize = name
                    .trim_start_matches('$')
                    .parse()
                    .map_err(|error| format!("{name} is not a parameter: {error}"))?;
                let kind = number
                    .checked_sub(1)
                    .and_then(|at| types.get(at))
                    .ok_or_else(|| format!("there is no value for {name}"))?;
                let (kind, array) = kind
                    .strip_suffix(ARRAY)
                    .map_or((kind.as_str(), ""), |element| (element, ARRAY));
                let kind = kind.replace('"', "\"\"");
                text.extend([
                    "CAST(CAST(",
                    name,
                    " AS text) AS \"",
                    &kind,
                    "\"",
                    array,
                    ")",
                ]);
            }
            other => text.push_str(&other.to_string()),
        }
    }
    Ok(text)
}

fn tokenize(sql: &str) -> Result<Vec<Token>, String> {
    Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize()
        .map_err(|error| format!("this is not SQL that is understood: {error}"))
}

fn check_words(sql: &str) -> Result<(), String> {
    if sql.len() > MAX_LEN {
        return Err(format!("the statement is longer than {MAX_LEN} bytes"));
    }
    if sql.contains('\0') {
        return Err("the statement contains a character that SQL cannot have".to_owned());
    }
    let tokens: Vec<Token> = tokenize(sql)?
        .into_iter()
        .filter(|token| !matches!(token, Token::Whitespace(_)))
        .collect();
    bounds::check(&tokens)?;
    for (at, token) in tokens.iter().enumerate() {
        let next = tokens.get(at + 1);
        match token {
            Token::Word(word) => check_word(word, next == Some(&Token::LParen))?,
            Token::SemiColon if next.is_some() => {
                return Err("exactly one SELECT is possible here".to_owned());
            }
            // The parser prints these quotes as they are, and the server reads the end of the text there.
            Token::SingleQuotedString(text) if text.contains("\\'") || text.contains("''") => {
                return Err(
                    "a quote behind a backslash or another quote is not possible here".to_owned(),
                );
            }
            // U&"\0070g_authid" is not what it looks like.
            Token::UnicodeStringLiteral(_) => {
                return Err("unicode escapes are not possible here".to_owned());
            }
            Token::NationalStringLiteral(_)
            | Token::EscapedStringLiteral(_)
            | Token::HexStringLiteral(_)
            | Token::SingleQuotedByteStringLiteral(_)
            | Token::DollarQuotedString(_) => {
                return Err("a text stands in plain single quotes here".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

fn check_word(word: &Word, is_called: bool) -> Result<(), String> {
    let name = word.value.to_lowercase();
    let quoted = word.quote_style.is_some();
    if quoted && name.contains('"') {
        return Err("a name with a quote in it is not possible here".to_owned());
    }
    if name.starts_with("pg_")
        || name.starts_with("gotrs_")
        || name == "information_schema"
        || !quoted && OF_THE_SERVER.contains(&name.as_str())
        || name.starts_with("reg") && is_reg_type(&name)
    {
        return Err(format!("{name} belongs to the server and cannot be used"));
    }
    if !quoted && NEVER.contains(&name.as_str()) {
        return Err(format!(
            "{} cannot be used; only reading is possible",
            name.to_uppercase()
        ));
    }
    let allowed = FUNCTIONS.contains(&name.as_str())
        || !quoted && BEFORE_PARENTHESIS.contains(&name.as_str());
    if is_called && !allowed {
        return Err(format!("the function {name} cannot be used"));
    }
    Ok(())
}

fn is_reg_type(name: &str) -> bool {
    matches!(
        name,
        "regclass"
            | "regcollation"
            | "regconfig"
            | "regdictionary"
            | "regnamespace"
            | "regoper"
            | "regoperator"
            | "regproc"
            | "regprocedure"
            | "regrole"
            | "regtype"
    )
}

fn check_tree(query: &Query) -> Result<(), String> {
    if !query.locks.is_empty() || query.for_clause.is_some() {
        return Err("rows cannot be locked".to_owned());
    }
    if let Some(with) = &query.with {
        with.cte_tables
            .iter()
            .try_for_each(|cte| check_tree(&cte.query))?;
    }
    check_set(&query.body)
}

fn check_set(body: &SetExpr) -> Result<(), String> {
    match body {
        SetExpr::Select(select) if select.into.is_some() => {
            Err("SELECT INTO is not possible".to_owned())
        }
        SetExpr::Select(_) | SetExpr::Values(_) => Ok(()),
        SetExpr::Query(query) => check_tree(query),
        SetExpr::SetOperation { left, right, .. } => {
            check_set(left).and_then(|()| check_set(right))
        }
        _ => Err("only SELECT is possible here".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reading_passes_and_is_printed_anew() {
        for (sql, printed) in [
            (
                "select id, name from queue where valid_id = 1 order by name",
                "SELECT id, name FROM queue WHERE valid_id = 1 ORDER BY name",
            ),
            (
                "SELECT count(*) AS n FROM ticket WHERE queue_id = $1",
                "SELECT count(*) AS n FROM ticket WHERE queue_id = $1",
            ),
            (
                "WITH a AS (SELECT 1 AS x) SELECT x FROM a;",
                "WITH a AS (SELECT 1 AS x) SELECT x FROM a",
            ),
            ("SELECT a /* ; DROP */ FROM t -- x", "SELECT a FROM t"),
        ] {
            assert_eq!(check_query(sql).as_deref(), Ok(printed));
        }
        assert_eq!(
            check_condition("valid_id = 1 AND name <> ''").as_deref(),
            Ok("valid_id = 1 AND name <> ''")
        );
    }

    #[test]
    fn everything_else_is_refused() {
        for sql in [
            "",
            "DELETE FROM ticket",
            "SELECT 1; DELETE\tFROM ticket",
            "SELECT 1 INTO x",
            "SELECT * FROM t FOR UPDATE",
            "SELECT * FROM (SELECT * FROM t FOR SHARE) a",
            "WITH d AS (DELETE FROM t RETURNING *) SELECT * FROM d",
            "SELECT pg_sleep(10)",
            "SELECT pg_catalog.pg_sleep(10)",
            "SELECT \"pg_sleep\"(10)",
            "SELECT set_config('statement_timeout','0',false)",
            "SELECT * FROM pg_roles",
            "SELECT * FROM \"pg_authid\"",
            "SELECT * FROM information_schema.tables",
            "SELECT * FROM gotrs_credential",
            "SELECT lo_create(1)",
            "SELECT schema_to_xml('x', true, true, '')",
            "SELECT generate_series(1, 1000000000)",
            "SELECT pg_advisory_lock(1)",
            "NOTIFY x",
            "LISTEN x",
            "COPY t TO '/tmp/x'",
            "EXPLAIN SELECT 1",
            "VALUES (1); SELECT 2",
            "SET ROLE postgres",
            "TABLE pg_roles",
            "SELECT 'pg_authid'::regclass",
            "SELECT U&\"\\0070g_sleep\"(1)",
            "SELECT query_to_xml('select 1', true, true, '')",
            "DO $$ BEGIN END $$",
            "SELECT nextval('ticket_id_seq')",
            "SELECT current_setting('a')",
            "SELECT 1\0",
            // Printed as they are, these texts and names would end at their first quote.
            r"SELECT '\'' || pg_sleep(10) --'",
            r"SELECT '\''; DELETE FROM ticket; --'",
            "SELECT 'a'''' || pg_sleep(10)'",
            r#"SELECT 1 AS "a\"", pg_sleep(10) --""#,
        ] {
            assert!(
                check_query(sql).is_err(),
                "{sql} passed as {:?}",
                check_query(sql)
            );
        }
        for sql in [
            "",
            "1 = 1; DROP TABLE x",
            "1 = 1) OR (pg_sleep(1) IS NULL",
            "1 = 1 ORDER BY 1",
            "id IN (DELETE FROM t RETURNING id)",
            "pg_sleep(1) IS NULL",
        ] {
            assert!(
                check_condition(sql).is_err(),
                "{sql} passed as {:?}",
                check_condition(sql)
            );
        }
        assert!(check_query(&format!("SELECT '{}'", "x".repeat(30_000))).is_err());
    }

    #[test]
    fn parameters_are_cast_from_text() {
        let types = ["int4".to_owned(), "varchar".to_owned()];
        assert_eq!(
            cast_parameters(
                "SELECT a FROM t WHERE a = $1 AND b = $2 AND c = '$1'",
                &types
            )
            .as_deref(),
            Ok(
                "SELECT a FROM t WHERE a = CAST(CAST($1 AS text) AS \"int4\") AND b = CAST(CAST($2 AS text) AS \"varchar\") AND c = '$1'"
            )
        );
        assert!(cast_parameters("SELECT $3", &types).is_err());
        assert_eq!(
            cast_parameters("SELECT a FROM t WHERE a = ANY($1)", &["int4[]".to_owned()]).as_deref(),
            Ok("SELECT a FROM t WHERE a = ANY(CAST(CAST($1 AS text) AS \"int4\"[]))")
        );
    }

    proptest::proptest! {
        #[test]
        fn checking_never_panics(sql in "\\PC{0,80}") {
            let _ = check_query(&sql);
            let _ = check_condition(&sql);
        }
    }
}
