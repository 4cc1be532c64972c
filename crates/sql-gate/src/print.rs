//! Prints the trees that may pass; refuses every other one.

mod call;
mod expression;
mod from;
mod naming;
mod place;

use recursive::recursive;
use sqlparser::ast::{
    Cte, CteAsMaterialized, Distinct, Expr, GroupByExpr, Ident, LimitClause, NamedWindowExpr,
    ObjectName, ObjectNamePart, OffsetRows, OrderBy, OrderByExpr, OrderByKind, Query, Select,
    SelectFlavor, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, SetOperator, SetQuantifier,
    Values, WildcardAdditionalOptions, With,
};

use self::naming::name_of;
use crate::checked::{Checked, Text};
use crate::scope::{Name, Scope};
use crate::{Readable, Refusal};

/// Most columns of an answer: `*` of many tables is a list, too.
const MAX_COLUMNS: usize = 2_000;

type Printed = Result<(), Refusal>;

/// Writes one statement.
pub(crate) struct Printer<'r> {
    scope: Scope<'r>,
    out: Text,
}

impl<'r> Printer<'r> {
    pub(crate) fn new(readable: &'r Readable) -> Self {
        Self {
            scope: Scope::new(readable),
            out: Text::default(),
        }
    }

    pub(crate) fn finish(self) -> Checked {
        self.out.finish()
    }

    /// A condition on the rows of a table.
    pub(crate) fn condition(&mut self, table: &str, condition: &Expr) -> Printed {
        let source = self
            .scope
            .source(None, &Name::of(&Ident::with_quote('"', table))?)?;
        self.scope.enter();
        self.scope.frame().sources.push(source);
        self.expression(condition)?;
        self.scope.leave();
        Ok(())
    }

    /// A query with everything around its SELECT; gives the names of its columns.
    #[recursive]
    pub(crate) fn query(&mut self, query: &Query) -> Result<Vec<String>, Refusal> {
        if !query.locks.is_empty() {
            return Err(Refusal::new("rows cannot be locked"));
        }
        if query.for_clause.is_some()
            || query.settings.is_some()
            || query.format_clause.is_some()
            || !query.pipe_operators.is_empty()
        {
            return Err(Refusal::new("this is not SQL of PostgreSQL"));
        }
        self.scope.enter();
        if let Some(with) = &query.with {
            self.with(with)?;
        }
        let columns = self.body(&query.body)?;
        self.scope.frame().outputs.clone_from(&columns);
        if let Some(order_by) = &query.order_by {
            self.order_by(order_by)?;
        }
        if let Some(limit) = &query.limit_clause {
            self.limit(limit)?;
        }
        if let Some(fetch) = &query.fetch {
            if fetch.percent {
                return Err(Refusal::new("FETCH takes a number of rows"));
            }
            self.word("FETCH FIRST");
            if let Some(quantity) = &fetch.quantity {
                self.expression(quantity)?;
            }
            self.word(if fetch.with_ties {
                "ROWS WITH TIES"
            } else {
                "ROWS ONLY"
            });
        }
        self.scope.leave();
        Ok(columns)
    }

    fn with(&mut self, with: &With) -> Printed {
        if with.recursive {
            // It makes rows out of nothing, for ever.
            return Err(Refusal::at(
                with.with_token.0.span.start,
                "WITH RECURSIVE is not possible here",
            ));
        }
        self.word("WITH");
        for (at, cte) in with.cte_tables.iter().enumerate() {
            self.comma(at);
            self.cte(cte)?;
        }
        Ok(())
    }

    fn cte(&mut self, cte: &Cte) -> Printed {
        let name = self.name(&cte.alias.name)?;
        if name.belongs_to_the_server() {
            return Err(name.refused(format!("{name} belongs to the server and cannot be used")));
        }
        if cte.from.is_some() {
            return Err(name.refused("this is not SQL of PostgreSQL"));
        }
        self.word(name.quoted());
        let renamed = self.alias_columns(&cte.alias)?;
        self.word(match cte.materialized {
            None => "AS",
            Some(CteAsMaterialized::Materialized) => "AS MATERIALIZED",
            Some(CteAsMaterialized::NotMaterialized) => "AS NOT MATERIALIZED",
        });
        let columns = self.in_parentheses(|printer| printer.query(&cte.query))?;
        let columns = with_names(columns, renamed);
        self.scope.frame().with.push((name.text, columns));
        Ok(())
    }

    /// SELECT, VALUES, and what puts several together.
    fn body(&mut self, body: &SetExpr) -> Result<Vec<String>, Refusal> {
        // `a UNION b UNION c ...` leans to the left: a list, not a depth.
        let mut operations = Vec::new();
        let mut first = body;
        while let SetExpr::SetOperation {
            left,
            op,
            set_quantifier,
            right,
        } = first
        {
            operations.push((op, set_quantifier, right));
            first = left;
        }
        if operations.is_empty() {
            return self.operand(first);
        }
        let columns = self.framed_operand(first)?;
        for (operator, quantifier, right) in operations.into_iter().rev() {
            self.word(match operator {
                SetOperator::Union => "UNION",
                SetOperator::Except => "EXCEPT",
                SetOperator::Intersect => "INTERSECT",
                SetOperator::Minus => return Err(Refusal::new("MINUS is written EXCEPT here")),
            });
            match quantifier {
                SetQuantifier::None => {}
                SetQuantifier::All => self.word("ALL"),
                SetQuantifier::Distinct => self.word("DISTINCT"),
                SetQuantifier::ByName
                | SetQuantifier::AllByName
                | SetQuantifier::DistinctByName => {
                    return Err(Refusal::new("BY NAME is not possible here"));
                }
            }
            match right.as_ref() {
                // INTERSECT binds more tightly than what it stands behind.
                nested @ SetExpr::SetOperation { .. } => {
                    self.scope.enter();
                    self.body(nested)?;
                    self.scope.leave();
                }
                one => {
                    self.framed_operand(one)?;
                }
            }
        }
        Ok(columns)
    }

    fn framed_operand(&mut self, operand: &SetExpr) -> Result<Vec<String>, Refusal> {
        self.scope.enter();
        let columns = self.operand(operand)?;
        self.scope.leave();
        Ok(columns)
    }

    fn operand(&mut self, operand: &SetExpr) -> Result<Vec<String>, Refusal> {
        match operand {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Values(values) => self.values(values),
            SetExpr::Query(query) => self.in_parentheses(|printer| printer.query(query)),
            SetExpr::SetOperation { .. } => self.body(operand),
            SetExpr::Table(_) => Err(Refusal::new("TABLE is written SELECT * FROM here")),
            SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => {
                Err(Refusal::new("only SELECT is possible here"))
            }
        }
    }

    fn values(&mut self, values: &Values) -> Result<Vec<String>, Refusal> {
        if values.explicit_row || values.value_keyword {
            return Err(Refusal::new("this is not SQL of PostgreSQL"));
        }
        self.word("VALUES");
        for (at, row) in values.rows.iter().enumerate() {
            self.comma(at);
            self.in_parentheses(|printer| printer.list(&row.content))?;
        }
        let width = values.rows.first().map_or(0, |row| row.content.len());
        Ok((1..=width).map(|at| format!("column{at}")).collect())
    }

    fn select(&mut self, select: &Select) -> Result<Vec<String>, Refusal> {
        check_form(select)?;
        // FROM says which names there are, and the columns of the answer can be named before them.
        let from = self.aside(|printer| printer.from(&select.from))?;
        let mut columns = Vec::new();
        let items = self.aside(|printer| {
            columns = printer.items(&select.projection)?;
            Ok(())
        })?;
        self.word("SELECT");
        match &select.distinct {
            None | Some(Distinct::All) => {}
            Some(Distinct::Distinct) => self.word("DISTINCT"),
            Some(Distinct::On(expressions)) => {
                self.word("DISTINCT ON");
                self.with_outputs(&columns, |printer| {
                    printer.in_parentheses(|printer| printer.list(expressions))
                })?;
            }
        }
        self.out.append(items);
        self.out.append(from);
        if let Some(condition) = &select.selection {
            self.word("WHERE");
            self.expression(condition)?;
        }
        self.with_outputs(&columns, |printer| printer.group_by(&select.group_by))?;
        if let Some(condition) = &select.having {
            self.word("HAVING");
            self.expression(condition)?;
        }
        for (at, window) in select.named_window.iter().enumerate() {
            if at == 0 {
                self.word("WINDOW");
            }
            self.comma(at);
            let NamedWindowExpr::WindowSpec(specification) = &window.1 else {
                return Err(Refusal::new("a window is written in parentheses here"));
            };
            let name = self.name(&window.0)?;
            self.word(name.quoted());
            self.word("AS");
            self.window(specification)?;
        }
        Ok(columns)
    }

    /// Where columns of the answer can be named beside those of FROM.
    fn with_outputs(
        &mut self,
        columns: &[String],
        write: impl FnOnce(&mut Self) -> Printed,
    ) -> Printed {
        let outputs = std::mem::replace(&mut self.scope.frame().outputs, columns.to_vec());
        write(self)?;
        self.scope.frame().outputs = outputs;
        Ok(())
    }

    fn items(&mut self, items: &[SelectItem]) -> Result<Vec<String>, Refusal> {
        let mut columns = Vec::new();
        for (at, item) in items.iter().enumerate() {
            self.comma(at);
            columns.extend(self.item(item)?);
            if columns.len() > MAX_COLUMNS {
                return Err(Refusal::new(format!(
                    "an answer has at most {MAX_COLUMNS} columns"
                )));
            }
        }
        Ok(columns)
    }

    fn item(&mut self, item: &SelectItem) -> Result<Vec<String>, Refusal> {
        match item {
            SelectItem::UnnamedExpr(expression) => {
                self.expression(expression)?;
                Ok(vec![name_of(expression)])
            }
            SelectItem::ExprWithAlias { expr, alias } => {
                self.expression(expr)?;
                let name = self.name(alias)?;
                self.word("AS");
                self.word(name.quoted());
                Ok(vec![name.text])
            }
            SelectItem::Wildcard(options) if is_plain(options) => {
                let columns = self.scope.all()?;
                self.word("*");
                Ok(columns)
            }
            SelectItem::QualifiedWildcard(
                SelectItemQualifiedWildcardKind::ObjectName(name),
                options,
            ) if is_plain(options) => self.all_of(name),
            SelectItem::Wildcard(_)
            | SelectItem::QualifiedWildcard(..)
            | SelectItem::ExprWithAliases { .. } => Err(Refusal::new(
                "this is not a list of columns that is understood",
            )),
        }
    }

    /// `source.*`.
    fn all_of(&mut self, name: &ObjectName) -> Result<Vec<String>, Refusal> {
        let [source] = self.names(name)?.try_into().map_err(|_names| {
            Refusal::at(place::of_name(name), "only one name stands before .* here")
        })?;
        let columns = self.scope.all_of(&source)?;
        self.word(source.quoted());
        self.out.join(".");
        self.word("*");
        Ok(columns)
    }

    fn group_by(&mut self, group_by: &GroupByExpr) -> Printed {
        match group_by {
            GroupByExpr::Expressions(expressions, modifiers) if modifiers.is_empty() => {
                if !expressions.is_empty() {
                    self.word("GROUP BY");
                    self.list(expressions)?;
                }
                Ok(())
            }
            _ => Err(Refusal::new("GROUP BY lists expressions here")),
        }
    }

    fn order_by(&mut self, order_by: &OrderBy) -> Printed {
        let OrderByKind::Expressions(keys) = &order_by.kind else {
            return Err(Refusal::new("ORDER BY lists expressions here"));
        };
        if order_by.interpolate.is_some() {
            return Err(Refusal::new("this is not SQL of PostgreSQL"));
        }
        self.word("ORDER BY");
        self.order_keys(keys)
    }

    fn order_keys(&mut self, keys: &[OrderByExpr]) -> Printed {
        for (at, key) in keys.iter().enumerate() {
            self.comma(at);
            self.expression(&key.expr)?;
            if key.with_fill.is_some() {
                return Err(Refusal::new("this is not SQL of PostgreSQL"));
            }
            match &key.options.sort {
                None => {}
                Some(sqlparser::ast::OrderBySort::Asc) => self.word("ASC"),
                Some(sqlparser::ast::OrderBySort::Desc) => self.word("DESC"),
                Some(sqlparser::ast::OrderBySort::Using(_)) => {
                    return Err(Refusal::at(
                        place::of_expression(&key.expr),
                        "the order is ASC or DESC here",
                    ));
                }
            }
            match key.options.nulls_first {
                None => {}
                Some(true) => self.word("NULLS FIRST"),
                Some(false) => self.word("NULLS LAST"),
            }
        }
        Ok(())
    }

    fn limit(&mut self, limit: &LimitClause) -> Printed {
        let LimitClause::LimitOffset {
            limit,
            offset,
            limit_by,
        } = limit
        else {
            return Err(Refusal::new("LIMIT and OFFSET are two words here"));
        };
        if !limit_by.is_empty() {
            return Err(Refusal::new("this is not SQL of PostgreSQL"));
        }
        if let Some(limit) = limit {
            self.word("LIMIT");
            self.expression(limit)?;
        }
        if let Some(offset) = offset {
            self.word("OFFSET");
            self.expression(&offset.value)?;
            match offset.rows {
                OffsetRows::None => {}
                OffsetRows::Row | OffsetRows::Rows => self.word("ROWS"),
            }
        }
        Ok(())
    }

    // What everything above is made of.

    fn word(&mut self, word: impl Into<String>) {
        self.out.word(word);
    }

    /// The comma before all but the first.
    fn comma(&mut self, at: usize) {
        if at > 0 {
            self.out.close(",");
        }
    }

    fn in_parentheses<T>(
        &mut self,
        inside: impl FnOnce(&mut Self) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        self.out.open("(");
        let inside = inside(self)?;
        self.out.close(")");
        Ok(inside)
    }

    /// Written for later.
    fn aside(&mut self, write: impl FnOnce(&mut Self) -> Printed) -> Result<Text, Refusal> {
        let before = std::mem::take(&mut self.out);
        write(self)?;
        Ok(std::mem::replace(&mut self.out, before))
    }

    #[expect(
        clippy::unused_self,
        reason = "reads like its neighbours at every place where a name is taken"
    )]
    fn name(&self, ident: &Ident) -> Result<Name, Refusal> {
        Name::of(ident)
    }

    fn names(&self, name: &ObjectName) -> Result<Vec<Name>, Refusal> {
        name.0
            .iter()
            .map(|part| match part {
                ObjectNamePart::Identifier(ident) => self.name(ident),
                ObjectNamePart::Function(_) => Err(Refusal::at(
                    place::of_name(name),
                    "this is not SQL of PostgreSQL",
                )),
            })
            .collect()
    }

    fn only_name(&self, name: &ObjectName) -> Result<Name, Refusal> {
        let [only] = self.names(name)?.try_into().map_err(|_names| {
            Refusal::at(place::of_name(name), "a name without dots stands here")
        })?;
        Ok(only)
    }
}

/// What SELECT of other servers has, and INTO.
fn check_form(select: &Select) -> Printed {
    if select.into.is_some() {
        return Err(Refusal::at(
            select.select_token.0.span.start,
            "SELECT INTO is not possible here",
        ));
    }
    let is_plain = select.optimizer_hints.is_empty()
        && select.select_modifiers.is_none()
        && select.top.is_none()
        && select.exclude.is_none()
        && select.lateral_views.is_empty()
        && select.prewhere.is_none()
        && select.connect_by.is_empty()
        && select.cluster_by.is_empty()
        && select.distribute_by.is_empty()
        && select.sort_by.is_empty()
        && select.qualify.is_none()
        && select.value_table_mode.is_none()
        && select.flavor == SelectFlavor::Standard;
    if !is_plain {
        return Err(Refusal::at(
            select.select_token.0.span.start,
            "this is not SQL of PostgreSQL",
        ));
    }
    Ok(())
}

fn is_plain(options: &WildcardAdditionalOptions) -> bool {
    options.opt_ilike.is_none()
        && options.opt_exclude.is_none()
        && options.opt_except.is_none()
        && options.opt_replace.is_none()
        && options.opt_rename.is_none()
        && options.opt_alias.is_none()
}

/// The first columns by their new names.
fn with_names(columns: Vec<String>, renamed: Vec<String>) -> Vec<String> {
    let kept = columns.into_iter().skip(renamed.len());
    renamed.into_iter().chain(kept).collect()
}
