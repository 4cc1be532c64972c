//! The words that the printer knows. What is printed comes from here, never from the author's text.

use sqlparser::ast::{
    ArrayElemTypeDef, BinaryOperator, CharacterLength, DataType, DateTimeField, ExactNumberInfo,
    TimezoneInfo, UnaryOperator,
};

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
    "row",
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

/// Functions that are written without parentheses. None that tells who is asking, or where.
const BARE_FUNCTIONS: &[&str] = &[
    "current_date",
    "current_time",
    "current_timestamp",
    "localtime",
    "localtimestamp",
];

/// Longest text that `lpad`, `rpad` and `char(n)` fill up to.
pub(crate) const MAX_PADDED: u64 = 1_000;

pub(crate) fn function(name: &str) -> Option<&'static str> {
    FUNCTIONS.iter().find(|known| **known == name).copied()
}

pub(crate) fn functions() -> impl Iterator<Item = &'static str> {
    FUNCTIONS.iter().copied()
}

pub(crate) fn bare_function(name: &str) -> Option<&'static str> {
    BARE_FUNCTIONS.iter().find(|known| **known == name).copied()
}

pub(crate) fn binary_operator(operator: &BinaryOperator) -> Option<&'static str> {
    use BinaryOperator as Op;
    Some(match operator {
        Op::Plus => "+",
        Op::Minus => "-",
        Op::Multiply => "*",
        Op::Divide => "/",
        Op::Modulo => "%",
        Op::StringConcat => "||",
        Op::Gt => ">",
        Op::Lt => "<",
        Op::GtEq => ">=",
        Op::LtEq => "<=",
        Op::Eq => "=",
        Op::NotEq => "<>",
        Op::And => "AND",
        Op::Or => "OR",
        Op::BitwiseOr => "|",
        Op::BitwiseAnd => "&",
        Op::PGBitwiseXor => "#",
        Op::PGBitwiseShiftLeft => "<<",
        Op::PGBitwiseShiftRight => ">>",
        Op::PGExp => "^",
        Op::PGOverlap => "&&",
        Op::PGRegexMatch => "~",
        Op::PGRegexIMatch => "~*",
        Op::PGRegexNotMatch => "!~",
        Op::PGRegexNotIMatch => "!~*",
        Op::PGLikeMatch => "~~",
        Op::PGILikeMatch => "~~*",
        Op::PGNotLikeMatch => "!~~",
        Op::PGNotILikeMatch => "!~~*",
        Op::PGStartsWith => "^@",
        Op::Arrow => "->",
        Op::LongArrow => "->>",
        Op::HashArrow => "#>",
        Op::HashLongArrow => "#>>",
        Op::AtArrow => "@>",
        Op::ArrowAt => "<@",
        Op::Question => "?",
        Op::QuestionAnd => "?&",
        Op::QuestionPipe => "?|",
        Op::Overlaps => "OVERLAPS",
        _ => return None,
    })
}

pub(crate) fn unary_operator(operator: UnaryOperator) -> Option<&'static str> {
    Some(match operator {
        UnaryOperator::Plus => "+",
        UnaryOperator::Minus => "-",
        UnaryOperator::Not => "NOT",
        UnaryOperator::BitwiseNot => "~",
        _ => return None,
    })
}

/// Parts of a time: of `extract` and of intervals.
pub(crate) fn time_field(field: &DateTimeField) -> Option<&'static str> {
    use DateTimeField as Field;
    Some(match field {
        Field::Century => "CENTURY",
        Field::Day => "DAY",
        Field::Decade => "DECADE",
        Field::Dow => "DOW",
        Field::Doy => "DOY",
        Field::Epoch => "EPOCH",
        Field::Hour => "HOUR",
        Field::Isodow => "ISODOW",
        Field::Isoyear => "ISOYEAR",
        Field::Julian => "JULIAN",
        Field::Microseconds => "MICROSECONDS",
        Field::Millennium => "MILLENNIUM",
        Field::Milliseconds => "MILLISECONDS",
        Field::Minute => "MINUTE",
        Field::Month => "MONTH",
        Field::Quarter => "QUARTER",
        Field::Second => "SECOND",
        Field::Timezone => "TIMEZONE",
        Field::TimezoneHour => "TIMEZONE_HOUR",
        Field::TimezoneMinute => "TIMEZONE_MINUTE",
        Field::Week(None) => "WEEK",
        Field::Year => "YEAR",
        _ => return None,
    })
}

/// A type as it is printed; `None` for what is no type of plain values. The types that look names up are not.
pub(crate) fn data_type(kind: &DataType) -> Option<String> {
    let plain = |name: &str| Some(name.to_owned());
    match kind {
        DataType::SmallInt(None) | DataType::Int2(None) => plain("smallint"),
        DataType::Int(None) | DataType::Int4(None) | DataType::Integer(None) => plain("integer"),
        DataType::BigInt(None) | DataType::Int8(None) => plain("bigint"),
        DataType::Numeric(size) | DataType::Decimal(size) | DataType::Dec(size) => {
            Some(match size {
                ExactNumberInfo::None => "numeric".to_owned(),
                ExactNumberInfo::Precision(digits) => format!("numeric({digits})"),
                ExactNumberInfo::PrecisionAndScale(digits, scale) => {
                    format!("numeric({digits}, {scale})")
                }
            })
        }
        DataType::Real | DataType::Float4 => plain("real"),
        DataType::Float(ExactNumberInfo::None)
        | DataType::Float8
        | DataType::Double(ExactNumberInfo::None)
        | DataType::DoublePrecision => plain("double precision"),
        DataType::Bool | DataType::Boolean => plain("boolean"),
        DataType::Text => plain("text"),
        DataType::Varchar(length)
        | DataType::CharacterVarying(length)
        | DataType::CharVarying(length) => sized("varchar", length.as_ref(), u64::MAX),
        DataType::Char(length) | DataType::Character(length) => {
            sized("char", length.as_ref(), MAX_PADDED)
        }
        DataType::Date => plain("date"),
        DataType::Time(precision, zone) => Some(timed("time", *precision, *zone)),
        DataType::Timestamp(precision, zone) => Some(timed("timestamp", *precision, *zone)),
        DataType::Interval {
            fields: None,
            precision: None,
        } => plain("interval"),
        DataType::JSON => plain("json"),
        DataType::JSONB => plain("jsonb"),
        DataType::Uuid => plain("uuid"),
        DataType::Array(ArrayElemTypeDef::SquareBracket(inner, None)) => {
            // The parser reads `integer[][]` by a loop of its own: more than two are no array of plain values.
            let inner = match inner.as_ref() {
                DataType::Array(ArrayElemTypeDef::SquareBracket(innermost, None)) => {
                    format!("{}[]", array_element(innermost)?)
                }
                one => array_element(one)?,
            };
            Some(format!("{inner}[]"))
        }
        _ => None,
    }
}

fn array_element(kind: &DataType) -> Option<String> {
    match kind {
        DataType::Array(_) => None,
        one => data_type(one),
    }
}

fn sized(name: &str, length: Option<&CharacterLength>, most: u64) -> Option<String> {
    match length {
        None => Some(name.to_owned()),
        Some(CharacterLength::IntegerLength { length, unit: None }) if *length <= most => {
            Some(format!("{name}({length})"))
        }
        Some(_) => None,
    }
}

fn timed(name: &str, precision: Option<u64>, zone: TimezoneInfo) -> String {
    let precision = precision.map_or_else(String::new, |digits| format!("({digits})"));
    let zone = match zone {
        TimezoneInfo::None | TimezoneInfo::WithoutTimeZone => "",
        TimezoneInfo::WithTimeZone | TimezoneInfo::Tz => " with time zone",
    };
    format!("{name}{precision}{zone}")
}
