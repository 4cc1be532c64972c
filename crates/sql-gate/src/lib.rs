//! The gate for SQL that a module's author wrote: exactly one SELECT passes, printed anew.
//!
//! A statement is read into a tree ([`sqlparser`]), and the tree is printed by a printer that knows what may be in it: queries,
//! expressions, functions, operators and types from lists, and the relations and columns that the lambda role may see
//! ([`Readable`]). What the printer does not know is refused, so nothing has to be forbidden by name. Every name is printed in
//! quotes, every text with its quotes doubled, and everything else from our own lists: the server reads no word as anything
//! but what it was in the tree. What was printed is read and printed once more, and must come out the same.
//!
//! Pure: no database. One wall of several, docs/security/sandbox.md has the others; what each of them holds alone is in
//! `tenant-runtime/tests/records/sql/statements.txt`.

#![warn(missing_docs)]
#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

mod bounds;
mod checked;
mod lists;
mod print;
mod readable;
mod refusal;
mod scope;

pub use checked::{ARRAY, Checked, MissingParameter};
pub use readable::{Readable, Relation};
pub use refusal::Refusal;

use sqlparser::ast::{Expr, Query};
use sqlparser::dialect::PostgreSqlDialect;
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, TokenWithSpan, Tokenizer};

use bounds::Writer;
use print::Printer;

/// Parser and printer go on with a stack of their own when less than this is left. One step of the parser takes 150 KiB in a
/// debug build, more than what it keeps free by itself.
const STACK_RESERVE: usize = 512 * 1024;

/// Checks a query and prints it anew.
pub fn check_query(sql: &str, readable: &Readable) -> Result<Checked, Refusal> {
    let checked = print_query(sql, readable, Writer::Author)?;
    same_again(
        &checked,
        print_query(checked.text(), readable, Writer::Printer),
    )?;
    Ok(checked)
}

/// Checks a condition on the rows of `table` (what stands behind WHERE) and prints it anew.
pub fn check_condition(sql: &str, table: &str, readable: &Readable) -> Result<Checked, Refusal> {
    let checked = print_condition(sql, table, readable, Writer::Author)?;
    same_again(
        &checked,
        print_condition(checked.text(), table, readable, Writer::Printer),
    )?;
    Ok(checked)
}

/// What the server will read was read and printed once more. Another result means that the parser and our printer do not
/// understand each other.
fn same_again(first: &Checked, second: Result<Checked, Refusal>) -> Result<(), Refusal> {
    if second.is_ok_and(|second| second == *first) {
        return Ok(());
    }
    Err(Refusal::new(
        "this is written in a way that is not understood; write it more plainly",
    ))
}

fn print_query(sql: &str, readable: &Readable, writer: Writer) -> Result<Checked, Refusal> {
    let mut parser = parser(sql, "SQL", writer)?;
    let first = parser.peek_token();
    if !starts_a_query(&first.token) {
        let problem = match first.token {
            Token::EOF => "a SELECT is missing",
            _ => "only SELECT is possible here",
        };
        return Err(Refusal::at(first.span.start, problem));
    }
    let query = parser
        .parse_query()
        .map_err(|error| not_understood("SQL", &error))?;
    if parser.consume_token(&Token::SemiColon) && parser.peek_token().token != Token::EOF {
        let place = parser.peek_token().span.start;
        return Err(Refusal::at(place, "exactly one SELECT is possible here"));
    }
    nothing_behind(&parser, "the statement")?;
    let query: &Query = &query;
    let mut printer = Printer::new(readable);
    printer.query(query)?;
    Ok(printer.finish())
}

fn print_condition(
    sql: &str,
    table: &str,
    readable: &Readable,
    writer: Writer,
) -> Result<Checked, Refusal> {
    let mut parser = parser(sql, "a condition", writer)?;
    let condition: Expr = parser
        .parse_expr()
        .map_err(|error| not_understood("a condition", &error))?;
    nothing_behind(&parser, "the condition")?;
    let mut printer = Printer::new(readable);
    printer.condition(table, &condition)?;
    Ok(printer.finish())
}

fn starts_a_query(token: &Token) -> bool {
    match token {
        Token::LParen => true,
        Token::Word(word) => {
            word.quote_style.is_none()
                && ["select", "values", "with"].contains(&word.value.to_lowercase().as_str())
        }
        _ => false,
    }
}

fn nothing_behind(parser: &Parser<'_>, what: &str) -> Result<(), Refusal> {
    match parser.peek_token() {
        TokenWithSpan {
            token: Token::EOF, ..
        } => Ok(()),
        other => Err(Refusal::at(
            other.span.start,
            format!("something stands behind {what}: {}", other.token),
        )),
    }
}

/// A parser over the tokens of a text whose size is bounded.
fn parser(sql: &str, what: &str, writer: Writer) -> Result<Parser<'static>, Refusal> {
    recursive::set_minimum_stack_size(STACK_RESERVE);
    bounds::check_text(sql, writer)?;
    let tokens = Tokenizer::new(&PostgreSqlDialect {}, sql)
        .tokenize_with_location()
        .map_err(|error| {
            Refusal::at(
                error.location,
                format!("this is not {what} that is understood: {}", error.message),
            )
        })?;
    bounds::check_tokens(&tokens, writer)?;
    Ok(Parser::new(&PostgreSqlDialect {}).with_tokens_with_locations(tokens))
}

fn not_understood(what: &str, error: &ParserError) -> Refusal {
    let text = match error {
        ParserError::TokenizerError(text) | ParserError::ParserError(text) => text.as_str(),
        ParserError::RecursionLimitExceeded => "it is nested too deeply",
    };
    Refusal::of_parser(&format!("this is not {what} that is understood: {text}"))
}

#[cfg(test)]
mod tests;
