//! How large a statement may be.
//!
//! The tree of a statement is made and dropped by recursion, so its depth is bounded before it is built: `1+1+1+...` is one level
//! per sign, and parentheses are bounded by the parser itself.
//!
//! What no look at the text can bound is how much data a query touches: a join of everything with everything, or `string_agg`
//! over it. That ends at the statement timeout, at `temp_file_limit` and at the server's own limit for one value.

use sqlparser::keywords::Keyword;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use crate::Refusal;

/// Longest statement in bytes.
const MAX_LEN: usize = 20_000;
/// Most words, signs and values.
const MAX_TOKENS: usize = 4_000;
/// Most keywords and operators: each can be one level of the tree.
const MAX_LEVELS: usize = 1_000;
/// Most `[]`: each is one level of a type, which costs the parser far more than a level of an expression.
const MAX_ARRAY_TYPES: usize = 50;

/// Who wrote the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Writer {
    /// The author.
    Author,
    /// Our printer, from what an author wrote: with quotes, spaces and an AS here and there it is longer, and not without bounds.
    Printer,
}

impl Writer {
    fn most(self, of_author: usize) -> usize {
        match self {
            Self::Author => of_author,
            Self::Printer => of_author.saturating_mul(4),
        }
    }
}

pub(crate) fn check_text(sql: &str, writer: Writer) -> Result<(), Refusal> {
    if sql.len() > writer.most(MAX_LEN) {
        return Err(Refusal::new(format!(
            "the statement is longer than {MAX_LEN} bytes"
        )));
    }
    if sql.contains('\0') {
        return Err(Refusal::new(
            "the statement contains a character that SQL cannot have",
        ));
    }
    Ok(())
}

pub(crate) fn check_tokens(tokens: &[TokenWithSpan], writer: Writer) -> Result<(), Refusal> {
    let tokens = || {
        tokens
            .iter()
            .map(|token| &token.token)
            .filter(|token| !matches!(token, Token::Whitespace(_)))
    };
    if tokens().count() > writer.most(MAX_TOKENS) {
        return Err(Refusal::new(format!(
            "the statement has more than {MAX_TOKENS} words and signs"
        )));
    }
    if tokens().filter(|token| may_nest(token)).count() > writer.most(MAX_LEVELS) {
        return Err(Refusal::new(format!(
            "the statement has more than {MAX_LEVELS} keywords and operators"
        )));
    }
    let mut before = None;
    let array_types = tokens()
        .filter(|&token| {
            before.replace(token) == Some(&Token::LBracket) && *token == Token::RBracket
        })
        .count();
    if array_types > MAX_ARRAY_TYPES {
        return Err(Refusal::new(format!(
            "the statement has more than {MAX_ARRAY_TYPES} array types"
        )));
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
