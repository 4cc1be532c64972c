//! Calls of functions, with the bounds of those that make much out of little.

use domain::spelling::nearest;
use sqlparser::ast::{
    DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArgumentClause,
    FunctionArgumentList, FunctionArguments, ObjectName, Value, WindowFrame, WindowFrameBound,
    WindowFrameUnits, WindowSpec, WindowType,
};
use sqlparser::tokenizer::Location;

use super::{Printed, Printer, place};
use crate::Refusal;
use crate::lists::{self, MAX_PADDED};
use crate::scope::Name;

impl Printer<'_> {
    pub(super) fn function(&mut self, function: &Function) -> Printed {
        if function.uses_odbc_syntax
            || !matches!(function.parameters, FunctionArguments::None)
            || function.null_treatment.is_some()
        {
            return Err(Refusal::at(
                place::of_name(&function.name),
                "this is not a call that is understood",
            ));
        }
        match &function.args {
            FunctionArguments::None => {
                let name = self.only_name(&function.name)?;
                let bare = lists::bare_function(&name.text).ok_or_else(|| unknown(&name))?;
                self.word(bare);
            }
            FunctionArguments::Subquery(query) => {
                let name = self.only_name(&function.name)?;
                if name.text != "array" {
                    return Err(unknown(&name));
                }
                self.word("ARRAY");
                self.in_parentheses(|printer| printer.query(query))?;
            }
            FunctionArguments::List(list) => {
                let name = self.function_name(&function.name)?;
                self.called_with(name, list, function)?;
            }
        }
        if !function.within_group.is_empty() {
            self.word("WITHIN GROUP");
            self.in_parentheses(|printer| {
                printer.word("ORDER BY");
                printer.order_keys(&function.within_group)
            })?;
        }
        if let Some(condition) = &function.filter {
            self.word("FILTER");
            self.in_parentheses(|printer| {
                printer.word("WHERE");
                printer.expression(condition)
            })?;
        }
        match &function.over {
            None => Ok(()),
            Some(WindowType::WindowSpec(specification)) => {
                self.word("OVER");
                self.window(specification)
            }
            Some(WindowType::NamedWindow(window)) => {
                let window = self.name(window)?;
                self.word("OVER");
                self.word(window.quoted());
                Ok(())
            }
        }
    }

    /// The function of this name, if authors may call it.
    pub(super) fn function_name(&self, name: &ObjectName) -> Result<&'static str, Refusal> {
        let names = self.names(name)?;
        let [only] = names.as_slice() else {
            return Err(Refusal::at(
                place::of_name(name),
                format!("the function {name} cannot be used"),
            ));
        };
        lists::function(&only.text).ok_or_else(|| unknown(only))
    }

    fn called_with(
        &mut self,
        name: &'static str,
        list: &FunctionArgumentList,
        function: &Function,
    ) -> Printed {
        let mut expressions = Vec::new();
        for argument in &list.args {
            if let FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) = argument {
                expressions.push(expression);
            }
        }
        check_growth(name, &expressions, place::of_name(&function.name))?;
        self.word(name);
        self.out.join("(");
        match list.duplicate_treatment {
            None => {}
            Some(DuplicateTreatment::Distinct) => self.word("DISTINCT"),
            Some(DuplicateTreatment::All) => self.word("ALL"),
        }
        for (at, argument) in list.args.iter().enumerate() {
            self.comma(at);
            match argument {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => {
                    self.expression(expression)?;
                }
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) if name == "count" => {
                    self.word("*");
                }
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(source)) => {
                    self.all_of(source)?;
                }
                other => {
                    return Err(Refusal::at(
                        place::of_argument(other),
                        format!("an argument of {name} is not understood"),
                    ));
                }
            }
        }
        for clause in &list.clauses {
            let FunctionArgumentClause::OrderBy(keys) = clause else {
                return Err(Refusal::at(
                    place::of_name(&function.name),
                    format!("the arguments of {name} are not understood"),
                ));
            };
            self.word("ORDER BY");
            self.order_keys(keys)?;
        }
        self.out.close(")");
        Ok(())
    }

    /// A call with plain arguments.
    pub(super) fn call(&mut self, name: &'static str, arguments: &[&Expr]) -> Printed {
        if let Some(first) = arguments.first() {
            check_growth(name, arguments, place::of_expression(first))?;
        } else if ["lpad", "rpad", "format"].contains(&name) {
            return Err(Refusal::new(format!("{name} has arguments")));
        }
        self.word(name);
        self.out.join("(");
        for (at, argument) in arguments.iter().enumerate() {
            self.comma(at);
            self.expression(argument)?;
        }
        self.out.close(")");
        Ok(())
    }

    pub(super) fn window(&mut self, window: &WindowSpec) -> Printed {
        self.in_parentheses(|printer| {
            if let Some(name) = &window.window_name {
                let name = printer.name(name)?;
                printer.word(name.quoted());
            }
            if !window.partition_by.is_empty() {
                printer.word("PARTITION BY");
                printer.list(&window.partition_by)?;
            }
            if !window.order_by.is_empty() {
                printer.word("ORDER BY");
                printer.order_keys(&window.order_by)?;
            }
            window
                .window_frame
                .as_ref()
                .map_or(Ok(()), |frame| printer.window_frame(frame))
        })
    }

    fn window_frame(&mut self, frame: &WindowFrame) -> Printed {
        self.word(match frame.units {
            WindowFrameUnits::Rows => "ROWS",
            WindowFrameUnits::Range => "RANGE",
            WindowFrameUnits::Groups => "GROUPS",
        });
        match &frame.end_bound {
            None => self.window_bound(&frame.start_bound),
            Some(end) => {
                self.word("BETWEEN");
                self.window_bound(&frame.start_bound)?;
                self.word("AND");
                self.window_bound(end)
            }
        }
    }

    fn window_bound(&mut self, bound: &WindowFrameBound) -> Printed {
        let (distance, word) = match bound {
            WindowFrameBound::CurrentRow => {
                self.word("CURRENT ROW");
                return Ok(());
            }
            WindowFrameBound::Preceding(distance) => (distance, "PRECEDING"),
            WindowFrameBound::Following(distance) => (distance, "FOLLOWING"),
        };
        match distance {
            None => self.word("UNBOUNDED"),
            Some(distance) => self.expression(distance)?,
        }
        self.word(word);
        Ok(())
    }
}

fn unknown(name: &Name) -> Refusal {
    let meant = nearest(&name.text, lists::functions())
        .map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
    name.refused(format!("the function {name} cannot be used{meant}"))
}

/// A few letters of `lpad` or `format` can ask for a gigabyte.
fn check_growth(name: &str, arguments: &[&Expr], place: Location) -> Printed {
    let (is_bounded, rule) = match name {
        "lpad" | "rpad" => (
            arguments
                .get(1)
                .is_some_and(|length| is_number_up_to(length, MAX_PADDED)),
            format!("the length of {name} is a number up to {MAX_PADDED}, written as such"),
        ),
        "format" => (
            arguments.first().is_some_and(|pattern| is_pattern(pattern)),
            "the pattern of format is a text with %s, %I, %L or %1$s, without widths".to_owned(),
        ),
        _ => return Ok(()),
    };
    if is_bounded {
        return Ok(());
    }
    Err(Refusal::at(place, rule))
}

fn is_number_up_to(expression: &Expr, most: u64) -> bool {
    match expression {
        Expr::Value(value) => match &value.value {
            Value::Number(digits, false) => digits.parse::<u64>().is_ok_and(|value| value <= most),
            _ => false,
        },
        _ => false,
    }
}

/// Whether it is a pattern of `format` in which no width is given: `%1000000000s` is a text of a gigabyte.
fn is_pattern(expression: &Expr) -> bool {
    let Expr::Value(value) = expression else {
        return false;
    };
    let (Value::SingleQuotedString(pattern) | Value::EscapedStringLiteral(pattern)) = &value.value
    else {
        return false;
    };
    let mut rest = pattern.as_str();
    while let Some((_, specifier)) = rest.split_once('%') {
        let digits = specifier.bytes().take_while(u8::is_ascii_digit).count();
        let (_, specifier) = specifier.split_at(digits);
        let kind = match (digits, specifier.strip_prefix('$')) {
            (0, None) => specifier,
            (1.., Some(kind)) => kind,
            _ => return false,
        };
        match kind.strip_prefix(['s', 'I', 'L', '%']) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
    true
}
