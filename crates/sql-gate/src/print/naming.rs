//! What the server calls a column that its author gave no name.

use sqlparser::ast::{DataType, Expr, ObjectNamePart, SelectItem, SetExpr, TrimWhereField};

/// The name of a column without AS, as the server would choose it.
pub(super) fn name_of(expression: &Expr) -> String {
    match found(expression) {
        Some(Found::Own(name) | Found::Makeshift(name)) => name,
        None => "?column?".to_owned(),
    }
}

enum Found {
    /// Of a column or a function.
    Own(String),
    /// Of what was done to it, where there is no better one: a cast around it counts more.
    Makeshift(String),
}

fn found(expression: &Expr) -> Option<Found> {
    let mut expression = expression;
    let mut outermost_type = None;
    loop {
        expression = match expression {
            Expr::Nested(inner) | Expr::Collate { expr: inner, .. } => inner,
            Expr::CompoundFieldAccess { root, .. } => root,
            Expr::Cast {
                expr, data_type, ..
            } => {
                outermost_type = outermost_type.or(Some(data_type));
                expr
            }
            other => {
                return match (of_simple(other), outermost_type.and_then(of_type)) {
                    (Some(Found::Own(name)), _) => Some(Found::Own(name)),
                    (_, Some(name)) => Some(Found::Makeshift(name)),
                    (found, None) => found,
                };
            }
        };
    }
}

fn of_simple(expression: &Expr) -> Option<Found> {
    let word = match expression {
        Expr::Identifier(ident) => return Some(Found::Own(folded(ident))),
        Expr::CompoundIdentifier(parts) => return parts.last().map(folded).map(Found::Own),
        Expr::Function(function) => {
            return match function.name.0.last() {
                Some(ObjectNamePart::Identifier(ident)) => Some(Found::Own(folded(ident))),
                _ => None,
            };
        }
        Expr::Case { else_result, .. } => {
            return Some(match else_result.as_deref().and_then(found) {
                Some(Found::Own(name)) => Found::Own(name),
                _ => Found::Makeshift("case".to_owned()),
            });
        }
        Expr::Subquery(query) => {
            return match query.body.as_ref() {
                SetExpr::Select(select) => match select.projection.first()? {
                    SelectItem::ExprWithAlias { alias, .. } => Some(Found::Own(folded(alias))),
                    SelectItem::UnnamedExpr(expression) => found(expression),
                    _ => None,
                },
                _ => None,
            };
        }
        Expr::TypedString(typed) => return of_type(&typed.data_type).map(Found::Makeshift),
        Expr::Interval(_) => return Some(Found::Makeshift("interval".to_owned())),
        Expr::Exists { .. } => "exists",
        Expr::Array(_) => "array",
        Expr::Extract { .. } => "extract",
        Expr::Position { .. } => "position",
        Expr::Overlay { .. } => "overlay",
        Expr::Substring { .. } => "substring",
        Expr::Trim { trim_where, .. } => match trim_where {
            None | Some(TrimWhereField::Both) => "btrim",
            Some(TrimWhereField::Leading) => "ltrim",
            Some(TrimWhereField::Trailing) => "rtrim",
        },
        Expr::Ceil { .. } => "ceil",
        Expr::Floor { .. } => "floor",
        Expr::AtTimeZone { .. } => "timezone",
        _ => return None,
    };
    Some(Found::Own(word.to_owned()))
}

fn folded(ident: &sqlparser::ast::Ident) -> String {
    match ident.quote_style {
        None => ident.value.to_ascii_lowercase(),
        Some(_) => ident.value.clone(),
    }
}

/// The server's own name of a type.
fn of_type(kind: &DataType) -> Option<String> {
    let name = crate::lists::data_type(kind)?;
    let name = name.split('(').next()?.trim_end_matches("[]");
    let zoned = matches!(kind, DataType::Time(..) | DataType::Timestamp(..))
        && crate::lists::data_type(kind)?.ends_with("zone");
    Some(match name.split(' ').next()? {
        "smallint" => "int2".to_owned(),
        "integer" => "int4".to_owned(),
        "bigint" => "int8".to_owned(),
        "real" => "float4".to_owned(),
        "double" => "float8".to_owned(),
        "boolean" => "bool".to_owned(),
        "char" => "bpchar".to_owned(),
        name @ ("time" | "timestamp") if zoned => format!("{name}tz"),
        name => name.to_owned(),
    })
}
