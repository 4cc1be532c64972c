//! What stands in FROM, and under which names.

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Join, JoinConstraint, JoinOperator, ObjectName, Query,
    TableAlias, TableFactor, TableWithJoins,
};

use super::{Printed, Printer, place, with_names};
use crate::Refusal;
use crate::scope::{Name, Source};

impl Printer<'_> {
    pub(super) fn from(&mut self, from: &[TableWithJoins]) -> Printed {
        for (at, item) in from.iter().enumerate() {
            if at == 0 {
                self.word("FROM");
            }
            self.comma(at);
            self.joined(item)?;
        }
        Ok(())
    }

    fn joined(&mut self, item: &TableWithJoins) -> Printed {
        self.relation(&item.relation)?;
        item.joins.iter().try_for_each(|join| self.join(join))
    }

    fn join(&mut self, join: &Join) -> Printed {
        let (word, constraint) = match &join.join_operator {
            JoinOperator::Join(constraint) | JoinOperator::Inner(constraint) => {
                ("JOIN", constraint)
            }
            JoinOperator::Left(constraint) | JoinOperator::LeftOuter(constraint) => {
                ("LEFT JOIN", constraint)
            }
            JoinOperator::Right(constraint) | JoinOperator::RightOuter(constraint) => {
                ("RIGHT JOIN", constraint)
            }
            JoinOperator::FullOuter(constraint) => ("FULL JOIN", constraint),
            JoinOperator::CrossJoin(constraint @ JoinConstraint::None) => {
                ("CROSS JOIN", constraint)
            }
            _ => {
                return Err(Refusal::new("this kind of join is not possible here"));
            }
        };
        if join.global {
            return Err(Refusal::new("this is not SQL of PostgreSQL"));
        }
        if matches!(constraint, JoinConstraint::Natural) {
            self.word("NATURAL");
        }
        self.word(word);
        self.relation(&join.relation)?;
        match constraint {
            JoinConstraint::Natural | JoinConstraint::None => Ok(()),
            JoinConstraint::On(condition) => {
                self.word("ON");
                self.expression(condition)
            }
            JoinConstraint::Using(columns) => {
                self.word("USING");
                self.in_parentheses(|printer| {
                    for (at, column) in columns.iter().enumerate() {
                        printer.comma(at);
                        let name = printer.only_name(column)?;
                        printer.scope.check_name(&name)?;
                        printer.word(name.quoted());
                    }
                    Ok(())
                })
            }
        }
    }

    fn relation(&mut self, relation: &TableFactor) -> Printed {
        match relation {
            TableFactor::Table {
                name,
                alias,
                args: None,
                with_hints,
                version: None,
                with_ordinality: false,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty() && partitions.is_empty() && index_hints.is_empty() => {
                self.table(name, alias.as_ref())
            }
            TableFactor::Table {
                name,
                alias,
                args: Some(arguments),
                with_hints,
                version: None,
                with_ordinality,
                partitions,
                json_path: None,
                sample: None,
                index_hints,
            } if with_hints.is_empty()
                && partitions.is_empty()
                && index_hints.is_empty()
                && arguments.settings.is_none() =>
            {
                let function = self.function_name(name)?;
                let arguments: Vec<&Expr> = plain_arguments(&arguments.args)?;
                self.rows_of(function, &arguments, *with_ordinality, alias.as_ref())
            }
            TableFactor::Function {
                lateral,
                name,
                args,
                with_ordinality,
                alias,
            } => {
                if *lateral {
                    self.word("LATERAL");
                }
                let function = self.function_name(name)?;
                let arguments = plain_arguments(args)?;
                self.rows_of(function, &arguments, *with_ordinality, alias.as_ref())
            }
            TableFactor::UNNEST {
                alias,
                array_exprs,
                with_offset: false,
                with_offset_alias: None,
                with_ordinality,
            } => {
                let arguments: Vec<&Expr> = array_exprs.iter().collect();
                self.rows_of("unnest", &arguments, *with_ordinality, alias.as_ref())
            }
            TableFactor::Derived {
                lateral,
                subquery,
                alias,
                sample: None,
            } => self.derived(*lateral, subquery, alias.as_ref()),
            TableFactor::NestedJoin {
                table_with_joins,
                alias: None,
            } => self.in_parentheses(|printer| printer.joined(table_with_joins)),
            _ => Err(match relation {
                TableFactor::Table { name, .. } => Refusal::at(
                    place::of_name(name),
                    format!("{name} cannot stand in FROM like this"),
                ),
                _ => Refusal::new("this cannot stand in FROM here"),
            }),
        }
    }

    fn table(&mut self, name: &ObjectName, alias: Option<&TableAlias>) -> Printed {
        let names = self.names(name)?;
        let (schema, table) = match names.as_slice() {
            [table] => (None, table),
            [schema, table] => (Some(schema), table),
            _ => {
                return Err(Refusal::at(
                    place::of_name(name),
                    "a table has one name, or two with its schema",
                ));
            }
        };
        let mut source = self.scope.source(schema, table)?;
        if let Some(schema) = schema {
            self.word(schema.quoted());
            self.out.join(".");
        }
        self.word(table.quoted());
        if let Some(alias) = alias {
            let name = self.alias_name(alias)?;
            if !alias.columns.is_empty() {
                return Err(name.refused("columns of a table are renamed behind SELECT, with AS"));
            }
            source.name = name.text;
        }
        self.scope.frame().sources.push(source);
        Ok(())
    }

    fn derived(&mut self, lateral: bool, query: &Query, alias: Option<&TableAlias>) -> Printed {
        // What stands beside it is seen with LATERAL only.
        let mut beside = Vec::new();
        if lateral {
            self.word("LATERAL");
        } else {
            std::mem::swap(&mut beside, &mut self.scope.frame().sources);
        }
        let columns = self.in_parentheses(|printer| printer.query(query))?;
        if !lateral {
            self.scope.frame().sources = beside;
        }
        self.called(columns, alias)
    }

    /// A function in FROM.
    fn rows_of(
        &mut self,
        function: &'static str,
        arguments: &[&Expr],
        with_ordinality: bool,
        alias: Option<&TableAlias>,
    ) -> Printed {
        self.call(function, arguments)?;
        if with_ordinality {
            self.word("WITH ORDINALITY");
        }
        let mut columns = match function {
            "unnest" => vec![function.to_owned(); arguments.len().max(1)],
            // What the server calls their result.
            "jsonb_array_elements" | "jsonb_array_elements_text" => vec!["value".to_owned()],
            _ => vec![function.to_owned()],
        };
        // A single column without a name of its own has the name of the whole.
        if let (Some(alias), [only]) = (alias, columns.as_mut_slice())
            && only != "value"
        {
            only.clone_from(&self.name(&alias.name)?.text);
        }
        if with_ordinality {
            columns.push("ordinality".to_owned());
        }
        if alias.is_none() {
            self.scope.frame().sources.push(Source {
                name: function.to_owned(),
                columns,
                has_hidden: false,
            });
            return Ok(());
        }
        self.called(columns, alias)
    }

    /// What has these columns and perhaps a name.
    fn called(&mut self, columns: Vec<String>, alias: Option<&TableAlias>) -> Printed {
        let mut source = Source {
            name: String::new(),
            columns,
            has_hidden: false,
        };
        if let Some(alias) = alias {
            source.name = self.alias_name(alias)?.text;
            let renamed = self.alias_columns(alias)?;
            source.columns = with_names(source.columns, renamed);
        }
        self.scope.frame().sources.push(source);
        Ok(())
    }

    fn alias_name(&mut self, alias: &TableAlias) -> Result<Name, Refusal> {
        let name = self.name(&alias.name)?;
        if alias.at.is_some() {
            return Err(name.refused("this is not SQL of PostgreSQL"));
        }
        self.word("AS");
        self.word(name.quoted());
        Ok(name)
    }

    pub(super) fn alias_columns(&mut self, alias: &TableAlias) -> Result<Vec<String>, Refusal> {
        let mut renamed = Vec::new();
        if alias.columns.is_empty() {
            return Ok(renamed);
        }
        self.in_parentheses(|printer| {
            for (at, column) in alias.columns.iter().enumerate() {
                printer.comma(at);
                let name = printer.name(&column.name)?;
                if column.data_type.is_some() {
                    return Err(name.refused("a column has no type here"));
                }
                printer.word(name.quoted());
                renamed.push(name.text);
            }
            Ok(())
        })?;
        Ok(renamed)
    }
}

fn plain_arguments(arguments: &[FunctionArg]) -> Result<Vec<&Expr>, Refusal> {
    arguments
        .iter()
        .map(|argument| match argument {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expression)) => Ok(expression),
            other => Err(Refusal::at(
                place::of_argument(other),
                "arguments are plain expressions here",
            )),
        })
        .collect()
}
