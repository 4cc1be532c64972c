//! Counters in JavaScript, without moving a line.

use oxc_allocator::{Allocator, ArenaVec};
use oxc_ast::ast::{
    ArrowFunctionBody, ArrowFunctionExpression, ConditionalExpression, DoWhileStatement,
    Expression, ForInStatement, ForOfStatement, ForStatement, FunctionBody, IfStatement,
    LabeledStatement, LogicalExpression, Program, Statement, WhileStatement, WithStatement,
};
use oxc_ast_visit::VisitJs;
use oxc_parser::Parser;
use oxc_span::{GetSpan as _, SourceType, Span};
use oxc_syntax::operator::LogicalOperator;

/// What is put around a lambda, as the guest does it: `return` is allowed then.
const HEAD: &str = "(function (item) {\n";
const TAIL: &str = "\n})";

/// What a counter asks the translation of, followed by its number: a call of the host that changes nothing and is not limited.
pub(crate) const KEY: &str = "gotrs-coverage:";

/// A function body that says which of its parts ran.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Counted {
    /// The code.
    pub(crate) code: String,
    /// Line and column (from 1, in characters) of what each counter counts in the code as it was; the first counter has the
    /// number that was asked for, the next the number behind it.
    pub(crate) places: Vec<(u32, u32)>,
}

/// Puts a counter before each statement and into each branch of an expression. The first counter has the number `first`.
pub(crate) fn instrument(body: &str, first: usize) -> Result<Counted, String> {
    let wrapped = format!("{HEAD}{body}{TAIL}");
    let allocator = Allocator::default();
    let parsed = Parser::new(&allocator, &wrapped, SourceType::script()).parse();
    if let Some(problem) = parsed.diagnostics.iter().next() {
        return Err(problem.to_string());
    }
    let Some(function) = only_function(&parsed.program) else {
        return Err("it is more than one function body".to_owned());
    };
    let mut counters = Counters {
        name: unused_name(body),
        first,
        starts: Vec::new(),
        insertions: Vec::new(),
    };
    counters.visit_statements(&function.statements);
    if counters.starts.is_empty() {
        return Ok(Counted {
            code: body.to_owned(),
            places: Vec::new(),
        });
    }
    let places = places(&wrapped, &counters.starts);
    // A directive such as 'use strict' must stay the first thing.
    let begins = function
        .directives
        .last()
        .map_or(HEAD.len(), |last| last.span.end as usize);
    let definition = counters.definition();
    Ok(Counted {
        code: assemble(&wrapped, begins, &definition, counters.insertions),
        places,
    })
}

/// The body of the one function that the text consists of.
fn only_function<'p, 'a>(program: &'p Program<'a>) -> Option<&'p FunctionBody<'a>> {
    let [Statement::ExpressionStatement(statement)] = &program.body[..] else {
        return None;
    };
    let Expression::ParenthesizedExpression(inner) = &statement.expression else {
        return None;
    };
    match &inner.expression {
        Expression::FunctionExpression(function) => function.body.as_deref(),
        _ => None,
    }
}

/// A name that the lambda does not have, so that it cannot be hidden by one of its own.
fn unused_name(body: &str) -> String {
    let mut name = "$ran".to_owned();
    while body.contains(&name) {
        name.push('$');
    }
    name
}

/// The author's text (the part of `wrapped` between head and tail) with what is inserted.
fn assemble(
    wrapped: &str,
    begins: usize,
    definition: &str,
    mut insertions: Vec<Insertion>,
) -> String {
    // Where one thing ends and the next begins, the end comes first; otherwise as found: outer before inner for beginnings, inner
    // before outer for ends.
    insertions.sort_by_key(|insertion| (insertion.at, insertion.opens));
    let mut code = String::with_capacity(wrapped.len().saturating_mul(2));
    let mut copied = HEAD.len();
    let mut copy = |code: &mut String, until: usize| {
        code.push_str(wrapped.get(copied..until).unwrap_or_default());
        copied = until;
    };
    copy(&mut code, begins);
    code.push_str(definition);
    for insertion in insertions {
        copy(&mut code, insertion.at);
        code.push_str(&insertion.text);
    }
    copy(&mut code, wrapped.len().saturating_sub(TAIL.len()));
    code
}

/// Lines and columns of offsets.
fn places(wrapped: &str, starts: &[usize]) -> Vec<(u32, u32)> {
    let lines: Vec<usize> = std::iter::once(0)
        .chain(
            wrapped
                .match_indices('\n')
                .map(|(at, _)| at.saturating_add(1)),
        )
        .collect();
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    starts
        .iter()
        .map(|&start| {
            // The head is line 1: what is line 2 here is the author's first.
            let line = lines.partition_point(|&begins| begins <= start);
            let begins = lines.get(line.saturating_sub(1)).copied().unwrap_or(0);
            let before = wrapped.get(begins..start).unwrap_or_default();
            let column = before.chars().count().saturating_add(1);
            (count(line.saturating_sub(1)), count(column))
        })
        .collect()
}

struct Insertion {
    at: usize,
    /// Whether something begins here; otherwise something ends.
    opens: bool,
    text: String,
}

struct Counters {
    name: String,
    first: usize,
    /// Where what each counter counts begins.
    starts: Vec<usize>,
    insertions: Vec<Insertion>,
}

impl Counters {
    /// What counters call: it asks the host at most once for each.
    fn definition(&self) -> String {
        format!(
            ";const {}=((ask,ran)=>(at)=>{{if(!ran[at]){{ran[at]=1;ask('{KEY}'+at)}}}})(globalThis.t,[]);",
            self.name
        )
    }

    /// A new counter for what stands there, as a call.
    fn call(&mut self, span: Span) -> String {
        let number = self.first.saturating_add(self.starts.len());
        self.starts.push(span.start as usize);
        format!("{}({number})", self.name)
    }

    fn open(&mut self, span: Span, text: String) {
        self.insertions.push(Insertion {
            at: span.start as usize,
            opens: true,
            text,
        });
    }

    fn close(&mut self, span: Span, text: &str) {
        self.insertions.push(Insertion {
            at: span.end as usize,
            opens: false,
            text: text.to_owned(),
        });
    }

    /// An expression that is not always evaluated.
    fn branch(&mut self, expression: &Expression<'_>) {
        let span = expression.span();
        let call = self.call(span);
        self.open(span, format!("({call},"));
        self.visit_expression(expression);
        self.close(span, ")");
    }

    /// What follows `if`, `else` or the head of a loop: braces are put around a single statement.
    fn body(&mut self, statement: &Statement<'_>) {
        if !is_counted(statement) {
            self.visit_statement(statement);
            return;
        }
        let span = statement.span();
        let call = self.call(span);
        self.open(span, format!("{{{call};"));
        self.visit_statement(statement);
        self.close(span, "}");
    }
}

/// Whether a statement itself is something that runs; of a block, its statements are.
fn is_counted(statement: &Statement<'_>) -> bool {
    !matches!(
        statement,
        Statement::BlockStatement(_)
            | Statement::EmptyStatement(_)
            | Statement::FunctionDeclaration(_)
    )
}

impl<'a> VisitJs<'a> for Counters {
    fn visit_statements(&mut self, statements: &ArenaVec<'a, Statement<'a>>) {
        for statement in statements {
            if is_counted(statement) {
                let span = statement.span();
                let call = self.call(span);
                // The one before may end without a semicolon.
                self.open(span, format!(";{call};"));
            }
            self.visit_statement(statement);
        }
    }

    fn visit_if_statement(&mut self, it: &IfStatement<'a>) {
        self.visit_expression(&it.test);
        self.body(&it.consequent);
        if let Some(alternate) = &it.alternate {
            self.body(alternate);
        }
    }

    fn visit_while_statement(&mut self, it: &WhileStatement<'a>) {
        self.visit_expression(&it.test);
        self.body(&it.body);
    }

    fn visit_do_while_statement(&mut self, it: &DoWhileStatement<'a>) {
        self.body(&it.body);
        self.visit_expression(&it.test);
    }

    fn visit_for_statement(&mut self, it: &ForStatement<'a>) {
        if let Some(init) = &it.init {
            self.visit_for_statement_init(init);
        }
        if let Some(test) = &it.test {
            self.visit_expression(test);
        }
        if let Some(update) = &it.update {
            self.visit_expression(update);
        }
        self.body(&it.body);
    }

    fn visit_for_in_statement(&mut self, it: &ForInStatement<'a>) {
        self.visit_for_statement_left(&it.left);
        self.visit_expression(&it.right);
        self.body(&it.body);
    }

    fn visit_for_of_statement(&mut self, it: &ForOfStatement<'a>) {
        self.visit_for_statement_left(&it.left);
        self.visit_expression(&it.right);
        self.body(&it.body);
    }

    fn visit_with_statement(&mut self, it: &WithStatement<'a>) {
        self.visit_expression(&it.object);
        self.body(&it.body);
    }

    fn visit_labeled_statement(&mut self, it: &LabeledStatement<'a>) {
        // Braces between a label and its loop would make `continue` with that label an error.
        self.visit_statement(&it.body);
    }

    fn visit_conditional_expression(&mut self, it: &ConditionalExpression<'a>) {
        self.visit_expression(&it.test);
        self.branch(&it.consequent);
        self.branch(&it.alternate);
    }

    fn visit_logical_expression(&mut self, it: &LogicalExpression<'a>) {
        self.visit_expression(&it.left);
        // `?? null` is how a condition becomes a function body, and nothing that could be tested.
        match (&it.operator, &it.right) {
            (LogicalOperator::Coalesce, Expression::NullLiteral(_)) => {}
            _ => self.branch(&it.right),
        }
    }

    fn visit_arrow_function_expression(&mut self, it: &ArrowFunctionExpression<'a>) {
        self.visit_formal_parameters(&it.params);
        match &it.body {
            ArrowFunctionBody::FunctionBody(body) => self.visit_function_body(body),
            body => self.branch(body.to_expression()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(body: &str) -> Vec<u32> {
        instrument(body, 0)
            .unwrap()
            .places
            .into_iter()
            .map(|(line, _)| line)
            .collect()
    }

    #[test]
    fn each_statement_and_each_branch_has_its_line() {
        for (body, expected) in [
            ("return 1", &[1][..]),
            ("const a = 1\nreturn a", &[1, 2]),
            ("if (item.a)\n  return 1;\nelse\n  return 2;", &[1, 2, 4]),
            ("if (item.a) {\n  return 1;\n}\nreturn 2;", &[1, 2, 4]),
            (
                "for (const a of [1])\n  f(a);\nfunction f() {\n  return 1;\n}",
                &[1, 2, 4],
            ),
            ("return item.a ?\n  1 :\n  2", &[1, 2, 3]),
            ("return [1].map((a) =>\n  a + 1)", &[1, 2]),
            (
                "switch (item.a) {\ncase 1:\n  return 1;\ndefault:\n  return 2;\n}",
                &[1, 3, 5],
            ),
            ("'use strict';\nreturn 1", &[2]),
            (
                "a: for (;;)\n  break a;\nreturn item.b &&\n  1",
                &[1, 2, 3, 4],
            ),
            ("return (item.a\n) ?? null;", &[1]),
            ("// nothing\n;", &[]),
            (
                "const o = {\n  get a() {\n    return 1\n  },\n}\nreturn o.a",
                &[1, 3, 6],
            ),
        ] {
            assert_eq!(lines(body), expected, "{body}");
        }
    }

    #[test]
    fn columns_are_characters() {
        let counted = instrument("const é = 'ü'; return é ? 1 : 2", 7).unwrap();
        assert_eq!(counted.places, [(1, 1), (1, 16), (1, 27), (1, 31)]);
        assert!(counted.code.contains("$ran(10)"), "{}", counted.code);
    }

    #[test]
    fn lines_stay_and_names_do_not_collide() {
        let body = "const $ran = 1;\n\nreturn $ran$ => $ran;";
        let counted = instrument(body, 0).unwrap();
        assert_eq!(counted.code.lines().count(), 3);
        assert!(
            counted.code.starts_with(";const $ran$$="),
            "{}",
            counted.code
        );
    }

    #[test]
    fn what_is_no_function_body_is_left_to_others() {
        for body in [
            "return (",
            "}); f(); (function () {",
            "return 1 }, function () { return 2",
        ] {
            assert!(instrument(body, 0).is_err(), "{body}");
        }
    }
}
