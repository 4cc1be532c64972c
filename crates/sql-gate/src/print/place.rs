//! Where things stand in the author's text.
//!
//! The parser's own way to find out goes through the whole tree by recursion, as deep as it is; here it is a walk to the left.

use sqlparser::ast::{Expr, FunctionArg, FunctionArgExpr, ObjectName, ObjectNamePart};
use sqlparser::tokenizer::Location;

use super::expression::left_of;

const NOWHERE: Location = Location { line: 0, column: 0 };

/// The first place in an expression that is known.
pub(super) fn of_expression(expression: &Expr) -> Location {
    let mut expression = expression;
    loop {
        expression = match expression {
            Expr::Identifier(ident) => return ident.span.start,
            Expr::CompoundIdentifier(parts) => {
                return parts.first().map_or(NOWHERE, |part| part.span.start);
            }
            Expr::Value(value) => return value.span.start,
            Expr::TypedString(typed) => return typed.value.span.start,
            Expr::Function(function) => return of_name(&function.name),
            Expr::Case { case_token, .. } => return case_token.0.span.start,
            Expr::Nested(inner)
            | Expr::UnaryOp { expr: inner, .. }
            | Expr::Cast { expr: inner, .. }
            | Expr::Extract { expr: inner, .. }
            | Expr::Ceil { expr: inner, .. }
            | Expr::Floor { expr: inner, .. } => inner,
            Expr::Interval(interval) => &interval.value,
            other => match left_of(other) {
                Some(left) => left,
                None => return NOWHERE,
            },
        };
    }
}

pub(super) fn of_name(name: &ObjectName) -> Location {
    match name.0.first() {
        Some(ObjectNamePart::Identifier(ident)) => ident.span.start,
        Some(ObjectNamePart::Function(part)) => part.name.span.start,
        None => NOWHERE,
    }
}

pub(super) fn of_argument(argument: &FunctionArg) -> Location {
    match argument {
        FunctionArg::Unnamed(argument)
        | FunctionArg::Named { arg: argument, .. }
        | FunctionArg::ExprNamed { arg: argument, .. } => match argument {
            FunctionArgExpr::Expr(expression) => of_expression(expression),
            FunctionArgExpr::QualifiedWildcard(name) => of_name(name),
            FunctionArgExpr::Wildcard | FunctionArgExpr::WildcardWithOptions(_) => NOWHERE,
        },
    }
}
