//! Expressions.
//!
//! No parentheses are added or left out: the server groups what the author wrote by its own precedence.

use recursive::recursive;
use sqlparser::ast::{
    AccessExpr, Array, CaseWhen, CastKind, CeilFloorKind, DataType, DateTimeField, Expr,
    ExtractSyntax, Ident, Interval, ObjectName, Subscript, TrimWhereField, Value,
};

use super::{Printed, Printer, place};
use crate::Refusal;
use crate::lists;

impl Printer<'_> {
    pub(super) fn list(&mut self, expressions: &[Expr]) -> Printed {
        for (at, expression) in expressions.iter().enumerate() {
            self.comma(at);
            self.expression(expression)?;
        }
        Ok(())
    }

    #[recursive]
    pub(super) fn expression(&mut self, expression: &Expr) -> Printed {
        // `1 + 1 + 1 ...`, `a::x::y ...` lean to the left: a list, not a depth.
        let mut around = Vec::new();
        let mut first = expression;
        while let Some(left) = left_of(first) {
            around.push(first);
            first = left;
        }
        self.head(first)?;
        around
            .into_iter()
            .rev()
            .try_for_each(|expression| self.tail(expression))
    }

    /// What stands behind the leftmost operand of an expression.
    fn tail(&mut self, expression: &Expr) -> Printed {
        match expression {
            Expr::BinaryOp { op, right, .. } => {
                let Some(operator) = lists::binary_operator(op) else {
                    return Err(Refusal::at(
                        place::of_expression(right),
                        format!("the operator {op} cannot be used"),
                    ));
                };
                self.word(operator);
                self.expression(right)
            }
            Expr::IsNull(_) => self.constant("IS NULL"),
            Expr::IsNotNull(_) => self.constant("IS NOT NULL"),
            Expr::IsTrue(_) => self.constant("IS TRUE"),
            Expr::IsNotTrue(_) => self.constant("IS NOT TRUE"),
            Expr::IsFalse(_) => self.constant("IS FALSE"),
            Expr::IsNotFalse(_) => self.constant("IS NOT FALSE"),
            Expr::IsUnknown(_) => self.constant("IS UNKNOWN"),
            Expr::IsNotUnknown(_) => self.constant("IS NOT UNKNOWN"),
            Expr::IsDistinctFrom(_, right) => self.then("IS DISTINCT FROM", right),
            Expr::IsNotDistinctFrom(_, right) => self.then("IS NOT DISTINCT FROM", right),
            Expr::InList { list, negated, .. } => {
                self.negatable(*negated, "IN");
                self.in_parentheses(|printer| printer.list(list))
            }
            Expr::InSubquery {
                subquery, negated, ..
            } => {
                self.negatable(*negated, "IN");
                self.subquery(subquery)
            }
            Expr::Between {
                negated, low, high, ..
            } => {
                self.negatable(*negated, "BETWEEN");
                self.expression(low)?;
                self.then("AND", high)
            }
            Expr::Like {
                negated,
                any: false,
                pattern,
                escape_char,
                ..
            } => self.like(*negated, "LIKE", pattern, escape_char.as_deref()),
            Expr::ILike {
                negated,
                any: false,
                pattern,
                escape_char,
                ..
            } => self.like(*negated, "ILIKE", pattern, escape_char.as_deref()),
            Expr::SimilarTo {
                negated,
                pattern,
                escape_char,
                ..
            } => self.like(*negated, "SIMILAR TO", pattern, escape_char.as_deref()),
            Expr::AnyOp {
                compare_op, right, ..
            } => self.quantified(compare_op, "ANY", right),
            Expr::AllOp {
                compare_op, right, ..
            } => self.quantified(compare_op, "ALL", right),
            Expr::Cast { data_type, .. } => {
                self.out.join("::");
                self.data_type(data_type, expression)
            }
            Expr::AtTimeZone { time_zone, .. } => self.then("AT TIME ZONE", time_zone),
            Expr::Collate { collation, .. } => self.collate(collation),
            Expr::CompoundFieldAccess { access_chain, .. } => access_chain
                .iter()
                .try_for_each(|access| self.access(access)),
            other => Err(refused(other)),
        }
    }

    /// An expression that begins with a word of its own.
    fn head(&mut self, expression: &Expr) -> Printed {
        match expression {
            Expr::Identifier(ident) => self.column(ident),
            Expr::CompoundIdentifier(parts) => self.qualified_column(parts, expression),
            Expr::Value(value) => self.value(&value.value, expression),
            Expr::Nested(inner) => self.in_parentheses(|printer| printer.expression(inner)),
            Expr::UnaryOp { op, expr } => {
                let Some(operator) = lists::unary_operator(*op) else {
                    return Err(Refusal::at(
                        place::of_expression(expr),
                        format!("the operator {op} cannot be used"),
                    ));
                };
                self.then(operator, expr)
            }
            Expr::Function(function) => self.function(function),
            Expr::Case {
                operand,
                conditions,
                else_result,
                ..
            } => self.case(operand.as_deref(), conditions, else_result.as_deref()),
            Expr::Exists { subquery, negated } => {
                self.negatable(*negated, "EXISTS");
                self.subquery(subquery)
            }
            Expr::Subquery(query) => self.subquery(query),
            Expr::Tuple(items) => self.in_parentheses(|printer| printer.list(items)),
            Expr::GroupingSets(sets) => self.sets("GROUPING SETS", sets),
            Expr::Cube(sets) => self.sets("CUBE", sets),
            Expr::Rollup(sets) => self.sets("ROLLUP", sets),
            Expr::Array(array) if array.named => {
                self.word("ARRAY");
                self.array(array)
            }
            Expr::Cast {
                kind: CastKind::Cast,
                expr,
                data_type,
                format: None,
            } => self.cast(expr, data_type, expression),
            Expr::Interval(interval) => self.interval(interval, expression),
            Expr::TypedString(typed) if !typed.uses_odbc_syntax => {
                self.data_type(&typed.data_type, expression)?;
                self.value(&typed.value.value, expression)
            }
            _ => self.grammar_call(expression),
        }
    }

    /// Calls with words between their arguments.
    fn grammar_call(&mut self, expression: &Expr) -> Printed {
        match expression {
            Expr::Extract {
                field,
                syntax: ExtractSyntax::From,
                expr,
            } => {
                let field = time_field(field, expression)?;
                self.call_of("extract", |printer| {
                    printer.word(field);
                    printer.then("FROM", expr)
                })
            }
            Expr::Ceil {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.call("ceil", &[expr]),
            Expr::Floor {
                expr,
                field: CeilFloorKind::DateTimeField(DateTimeField::NoDateTime),
            } => self.call("floor", &[expr]),
            Expr::Position { expr, r#in } => self.call_of("position", |printer| {
                printer.expression(expr)?;
                printer.then("IN", r#in)
            }),
            Expr::Substring { .. } => self.substring(expression),
            Expr::Trim {
                trim_where,
                trim_what,
                expr,
                trim_characters,
            } => self.call_of("trim", |printer| {
                printer.trimmed(*trim_where, trim_what.as_deref())?;
                printer.expression(expr)?;
                for character in trim_characters.iter().flatten() {
                    printer.comma(1);
                    printer.expression(character)?;
                }
                Ok(())
            }),
            Expr::Overlay {
                expr,
                overlay_what,
                overlay_from,
                overlay_for,
            } => self.call_of("overlay", |printer| {
                printer.expression(expr)?;
                printer.then("PLACING", overlay_what)?;
                printer.then("FROM", overlay_from)?;
                overlay_for
                    .as_ref()
                    .map_or(Ok(()), |length| printer.then("FOR", length))
            }),
            other => Err(refused(other)),
        }
    }

    fn substring(&mut self, expression: &Expr) -> Printed {
        let Expr::Substring {
            expr,
            substring_from,
            substring_for,
            special,
            shorthand,
        } = expression
        else {
            return Err(refused(expression));
        };
        let name = if *shorthand { "substr" } else { "substring" };
        self.call_of(name, |printer| {
            printer.expression(expr)?;
            for (word, argument) in [("FROM", substring_from), ("FOR", substring_for)] {
                let Some(argument) = argument else { continue };
                if *special {
                    printer.comma(1);
                } else {
                    printer.word(word);
                }
                printer.expression(argument)?;
            }
            Ok(())
        })
    }

    fn trimmed(&mut self, place: Option<TrimWhereField>, what: Option<&Expr>) -> Printed {
        match place {
            None => {}
            Some(TrimWhereField::Both) => self.word("BOTH"),
            Some(TrimWhereField::Leading) => self.word("LEADING"),
            Some(TrimWhereField::Trailing) => self.word("TRAILING"),
        }
        if let Some(what) = what {
            self.expression(what)?;
        }
        if what.is_some() || place.is_some() {
            self.word("FROM");
        }
        Ok(())
    }

    fn call_of(
        &mut self,
        name: &'static str,
        arguments: impl FnOnce(&mut Self) -> Printed,
    ) -> Printed {
        self.word(name);
        self.out.join("(");
        arguments(self)?;
        self.out.close(")");
        Ok(())
    }

    fn column(&mut self, ident: &Ident) -> Printed {
        let name = self.name(ident)?;
        self.scope.check_name(&name)?;
        self.word(name.quoted());
        Ok(())
    }

    fn qualified_column(&mut self, parts: &[Ident], expression: &Expr) -> Printed {
        let names = parts
            .iter()
            .map(|part| self.name(part))
            .collect::<Result<Vec<_>, _>>()?;
        match names.as_slice() {
            [source, column] => self.scope.check_column(source, column)?,
            [schema, source, column] => {
                self.scope.check_schema(schema)?;
                self.scope.check_column(source, column)?;
            }
            _ => {
                return Err(Refusal::at(
                    place::of_expression(expression),
                    "a column has at most three names",
                ));
            }
        }
        for (at, name) in names.iter().enumerate() {
            if at > 0 {
                self.out.join(".");
            }
            self.word(name.quoted());
        }
        Ok(())
    }

    fn value(&mut self, value: &Value, expression: &Expr) -> Printed {
        match value {
            Value::Number(digits, false) if is_number(digits) => self.word(digits.as_str()),
            Value::SingleQuotedString(text) | Value::EscapedStringLiteral(text) => {
                self.word(quoted_text(text));
            }
            Value::Boolean(true) => self.word("true"),
            Value::Boolean(false) => self.word("false"),
            Value::Null => self.word("NULL"),
            Value::Placeholder(name) => {
                let number = name
                    .strip_prefix('$')
                    .filter(|digits| !digits.starts_with(['0', '+']))
                    .and_then(|digits| digits.parse::<u16>().ok());
                let Some(number) = number else {
                    return Err(Refusal::at(
                        place::of_expression(expression),
                        format!("{name} is not a parameter; write $1, $2 and so on"),
                    ));
                };
                self.out.parameter(number);
            }
            _ => {
                return Err(Refusal::at(
                    place::of_expression(expression),
                    "a text stands in plain single quotes here",
                ));
            }
        }
        Ok(())
    }

    fn case(
        &mut self,
        operand: Option<&Expr>,
        conditions: &[CaseWhen],
        otherwise: Option<&Expr>,
    ) -> Printed {
        self.word("CASE");
        if let Some(operand) = operand {
            self.expression(operand)?;
        }
        for branch in conditions {
            self.then("WHEN", &branch.condition)?;
            self.then("THEN", &branch.result)?;
        }
        if let Some(otherwise) = otherwise {
            self.then("ELSE", otherwise)?;
        }
        self.constant("END")
    }

    fn cast(&mut self, inner: &Expr, kind: &DataType, expression: &Expr) -> Printed {
        self.call_of("CAST", |printer| {
            printer.expression(inner)?;
            printer.word("AS");
            printer.data_type(kind, expression)
        })
    }

    fn data_type(&mut self, kind: &DataType, expression: &Expr) -> Printed {
        let Some(printed) = lists::data_type(kind) else {
            // Printing any type would follow `integer[][][]...` by recursion.
            let problem = match kind {
                DataType::Char(Some(_)) | DataType::Character(Some(_)) => {
                    format!("char has at most {} characters here", lists::MAX_PADDED)
                }
                DataType::Custom(name, _) => format!("the type {name} cannot be used"),
                _ => "this type cannot be used".to_owned(),
            };
            return Err(Refusal::at(place::of_expression(expression), problem));
        };
        self.word(printed);
        Ok(())
    }

    fn interval(&mut self, interval: &Interval, expression: &Expr) -> Printed {
        let Expr::Value(value) = interval.value.as_ref() else {
            return Err(refused(expression));
        };
        if interval.leading_precision.is_some() || interval.fractional_seconds_precision.is_some() {
            return Err(refused(expression));
        }
        if !matches!(
            value.value,
            Value::SingleQuotedString(_) | Value::EscapedStringLiteral(_)
        ) {
            return Err(refused(expression));
        }
        self.word("INTERVAL");
        self.value(&value.value, expression)?;
        if let Some(field) = &interval.leading_field {
            self.word(time_field(field, expression)?);
        }
        if let Some(field) = &interval.last_field {
            self.word("TO");
            self.word(time_field(field, expression)?);
        }
        Ok(())
    }

    /// What stands in brackets behind ARRAY; rows of a matrix stand in brackets alone.
    fn array(&mut self, array: &Array) -> Printed {
        self.out.join("[");
        for (at, element) in array.elem.iter().enumerate() {
            self.comma(at);
            match element {
                Expr::Array(row) if !row.named => {
                    self.out.open("");
                    self.array(row)?;
                }
                other => self.expression(other)?,
            }
        }
        self.out.close("]");
        Ok(())
    }

    fn access(&mut self, access: &AccessExpr) -> Printed {
        match access {
            AccessExpr::Subscript(Subscript::Index { index }) => {
                self.out.join("[");
                self.expression(index)?;
            }
            AccessExpr::Subscript(Subscript::Slice {
                lower_bound,
                upper_bound,
                stride: None,
            }) => {
                self.out.join("[");
                if let Some(bound) = lower_bound {
                    self.expression(bound)?;
                }
                self.word(":");
                if let Some(bound) = upper_bound {
                    self.expression(bound)?;
                }
            }
            // `row.name` can be a call of any function that takes a row.
            AccessExpr::Dot(_) | AccessExpr::Subscript(Subscript::Slice { .. }) => {
                return Err(Refusal::new("only [ ] can stand behind an expression here"));
            }
        }
        self.out.close("]");
        Ok(())
    }

    fn collate(&mut self, collation: &ObjectName) -> Printed {
        let name = self.only_name(collation)?;
        self.word("COLLATE");
        self.word(name.quoted());
        Ok(())
    }

    fn like(
        &mut self,
        negated: bool,
        word: &'static str,
        pattern: &Expr,
        escape: Option<&Expr>,
    ) -> Printed {
        self.negatable(negated, word);
        self.expression(pattern)?;
        escape.map_or(Ok(()), |escape| self.then("ESCAPE", escape))
    }

    fn quantified(
        &mut self,
        operator: &sqlparser::ast::BinaryOperator,
        word: &'static str,
        right: &Expr,
    ) -> Printed {
        let Some(operator) = lists::binary_operator(operator) else {
            return Err(Refusal::at(
                place::of_expression(right),
                "this operator cannot be used",
            ));
        };
        self.word(operator);
        self.word(word);
        match right {
            Expr::Subquery(query) => self.subquery(query),
            other => self.in_parentheses(|printer| printer.expression(other)),
        }
    }

    fn sets(&mut self, word: &'static str, sets: &[Vec<Expr>]) -> Printed {
        self.word(word);
        self.in_parentheses(|printer| {
            for (at, set) in sets.iter().enumerate() {
                printer.comma(at);
                match set.as_slice() {
                    [one] => printer.expression(one)?,
                    several => printer.in_parentheses(|printer| printer.list(several))?,
                }
            }
            Ok(())
        })
    }

    fn subquery(&mut self, query: &sqlparser::ast::Query) -> Printed {
        self.in_parentheses(|printer| printer.query(query))?;
        Ok(())
    }

    fn negatable(&mut self, negated: bool, word: &'static str) {
        if negated {
            self.word("NOT");
        }
        self.word(word);
    }

    fn then(&mut self, word: &'static str, expression: &Expr) -> Printed {
        self.word(word);
        self.expression(expression)
    }

    #[expect(
        clippy::unnecessary_wraps,
        reason = "one kind of answer for every kind of expression"
    )]
    fn constant(&mut self, words: &'static str) -> Printed {
        self.word(words);
        Ok(())
    }
}

/// The operand with which an expression begins, when it begins with one.
pub(super) fn left_of(expression: &Expr) -> Option<&Expr> {
    match expression {
        Expr::BinaryOp { left, .. } | Expr::AnyOp { left, .. } | Expr::AllOp { left, .. } => {
            Some(left)
        }
        Expr::IsNull(inner)
        | Expr::IsNotNull(inner)
        | Expr::IsTrue(inner)
        | Expr::IsNotTrue(inner)
        | Expr::IsFalse(inner)
        | Expr::IsNotFalse(inner)
        | Expr::IsUnknown(inner)
        | Expr::IsNotUnknown(inner)
        | Expr::IsDistinctFrom(inner, _)
        | Expr::IsNotDistinctFrom(inner, _) => Some(inner),
        Expr::InList { expr, .. }
        | Expr::InSubquery { expr, .. }
        | Expr::Between { expr, .. }
        | Expr::Like { expr, .. }
        | Expr::ILike { expr, .. }
        | Expr::SimilarTo { expr, .. }
        | Expr::Collate { expr, .. } => Some(expr),
        Expr::Cast {
            kind: CastKind::DoubleColon,
            expr,
            format: None,
            ..
        } => Some(expr),
        Expr::AtTimeZone { timestamp, .. } => Some(timestamp),
        Expr::CompoundFieldAccess { root, .. } => Some(root),
        _ => None,
    }
}

fn refused(expression: &Expr) -> Refusal {
    Refusal::at(
        place::of_expression(expression),
        "this expression is not possible here",
    )
}

fn time_field(field: &DateTimeField, expression: &Expr) -> Result<&'static str, Refusal> {
    lists::time_field(field).ok_or_else(|| {
        Refusal::at(
            place::of_expression(expression),
            format!("{field} is no part of a time here"),
        )
    })
}

/// Digits, a point, an exponent.
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = text
        .split_once(['e', 'E'])
        .map_or((text, None), |(mantissa, exponent)| {
            (mantissa, Some(exponent))
        });
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    (digits(whole) || whole.is_empty() && digits(fraction))
        && (fraction.is_empty() || digits(fraction))
        && exponent
            .is_none_or(|exponent| digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent)))
}

/// A text as the server reads it whatever its settings are: a backslash means something in plain quotes with old ones.
fn quoted_text(text: &str) -> String {
    let doubled = text.replace('\'', "''");
    if doubled.contains('\\') {
        format!("E'{}'", doubled.replace('\\', "\\\\"))
    } else {
        format!("'{doubled}'")
    }
}
