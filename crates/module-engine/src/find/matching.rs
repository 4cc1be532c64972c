//! What a [`Selection`] means for rows in memory; the database has its own way, with the same meaning.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use super::{Order, Selection, Test};

impl Selection {
    /// The rows that are selected, in order. A condition on a column that no row has is taken as met: fixtures name only what
    /// their test needs.
    pub(crate) fn apply<'a>(
        &self,
        rows: impl Iterator<Item = &'a Map<String, Value>> + Clone,
    ) -> Vec<&'a Map<String, Value>> {
        let known: Vec<_> = self
            .conditions
            .iter()
            .filter(|condition| {
                rows.clone()
                    .any(|row| row.contains_key(condition.column.as_str()))
            })
            .collect();
        let mut found: Vec<_> = rows
            .filter(|row| {
                known.iter().all(|condition| {
                    let value = row.get(condition.column.as_str());
                    condition.test.holds(value.unwrap_or(&Value::Null))
                })
            })
            .collect();
        found.sort_by(|a, b| self.compare(a, b));
        if let Some(limit) = self.limit {
            found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        }
        found
    }

    fn compare(&self, a: &Map<String, Value>, b: &Map<String, Value>) -> Ordering {
        self.order
            .iter()
            .map(|Order { column, descending }| {
                let value = |row: &Map<String, Value>| {
                    row.get(column.as_str()).cloned().unwrap_or_default()
                };
                match (value(a), value(b)) {
                    (Value::Null, Value::Null) => Ordering::Equal,
                    (Value::Null, _) => Ordering::Greater,
                    (_, Value::Null) => Ordering::Less,
                    (a, b) if *descending => compare(&b, &a),
                    (a, b) => compare(&a, &b),
                }
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

impl Test {
    fn holds(&self, value: &Value) -> bool {
        if let Self::IsNull(is_null) = self {
            return value.is_null() == *is_null;
        }
        if value.is_null() {
            return false;
        }
        match self {
            Self::Eq(other) => compare(value, other).is_eq(),
            Self::Ne(other) => compare(value, other).is_ne(),
            Self::Gt(other) => compare(value, other).is_gt(),
            Self::Gte(other) => compare(value, other).is_ge(),
            Self::Lt(other) => compare(value, other).is_lt(),
            Self::Lte(other) => compare(value, other).is_le(),
            Self::Like(pattern) => like(pattern, &text(value)),
            Self::In(values) => values.iter().any(|other| compare(value, other).is_eq()),
            Self::NotIn(values) => values.iter().all(|other| compare(value, other).is_ne()),
            Self::IsNull(_) => false,
        }
    }
}

/// Numbers by value, also where one of them is written as a text, as a column of numbers would take it; all else as texts.
fn compare(a: &Value, b: &Value) -> Ordering {
    let number = |value: &Value| match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    if (a.is_number() || b.is_number())
        && let (Some(a), Some(b)) = (number(a), number(b))
    {
        return a.total_cmp(&b);
    }
    text(a).cmp(&text(b))
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

/// One piece of a pattern.
#[derive(PartialEq)]
enum Piece {
    Any,
    One,
    Just(char),
}

/// Whether `text` fits the pattern. Steps back to the last `%` only, so it never takes longer than their product.
fn like(pattern: &str, text: &str) -> bool {
    let mut pieces = Vec::new();
    let mut letters = pattern.chars();
    while let Some(letter) = letters.next() {
        pieces.push(match letter {
            '%' => Piece::Any,
            '_' => Piece::One,
            '\\' => Piece::Just(letters.next().unwrap_or('\\')),
            letter => Piece::Just(letter),
        });
    }
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut piece) = (0_usize, 0_usize);
    // Where to go on when it does not fit: the last `%`, which then takes one character more.
    let mut back: Option<(usize, usize)> = None;
    while let Some(letter) = text.get(at) {
        match pieces.get(piece) {
            Some(Piece::Any) => {
                back = Some((piece, at));
                piece = piece.saturating_add(1);
            }
            Some(Piece::One) => (at, piece) = (at.saturating_add(1), piece.saturating_add(1)),
            Some(Piece::Just(expected)) if expected == letter => {
                (at, piece) = (at.saturating_add(1), piece.saturating_add(1));
            }
            _ => match &mut back {
                Some((any, taken)) => {
                    *taken = taken.saturating_add(1);
                    (at, piece) = (*taken, any.saturating_add(1));
                }
                None => return false,
            },
        }
    }
    pieces.iter().skip(piece).all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::find::selection;

    fn ids(conditions: &Value, order: &Value, limit: &Value) -> Vec<i64> {
        let rows: Vec<Map<String, Value>> = [
            json!({"id": 1, "name": "Raw", "n": 10, "gone": null}),
            json!({"id": 2, "name": "Junk", "n": 9, "gone": "2026-01-01"}),
            json!({"id": 3, "name": "Misc", "n": null, "gone": null}),
        ]
        .into_iter()
        .map(|row| row.as_object().unwrap().clone())
        .collect();
        selection(conditions, order, limit)
            .unwrap()
            .apply(rows.iter())
            .into_iter()
            .map(|row| row["id"].as_i64().unwrap())
            .collect()
    }

    #[test]
    fn conditions_hold_as_in_sql() {
        for (conditions, expected) in [
            (json!(null), vec![1, 2, 3]),
            (json!({"id": 2}), vec![2]),
            (json!({"id": "2"}), vec![2]),
            (json!({"n": {"gt": 9}}), vec![1]),
            (json!({"n": {"ne": 9}}), vec![1]),
            (json!({"n": {"lte": 10, "gte": 10}}), vec![1]),
            (json!({"n": {"lt": 10}}), vec![2]),
            (json!({"gone": null}), vec![1, 3]),
            (json!({"gone": {"is_null": false}}), vec![2]),
            (json!({"id": [1, 3]}), vec![1, 3]),
            (json!({"id": []}), vec![]),
            (json!({"n": {"not_in": [9]}}), vec![1]),
            (json!({"n": {"not_in": []}}), vec![1, 2]),
            (json!({"name": {"like": "%a%"}}), vec![1]),
            (json!({"name": {"like": "_u%"}, "id": 2}), vec![2]),
            (json!({"unknown": 7, "id": 1}), vec![1]),
        ] {
            assert_eq!(
                ids(&conditions, &json!(null), &json!(null)),
                expected,
                "{conditions}"
            );
        }
    }

    #[test]
    fn rows_are_ordered_and_cut() {
        assert_eq!(ids(&json!(null), &json!(["n"]), &json!(null)), [2, 1, 3]);
        assert_eq!(ids(&json!(null), &json!(["-n"]), &json!(null)), [1, 2, 3]);
        assert_eq!(ids(&json!(null), &json!("-id"), &json!(2)), [3, 2]);
        assert_eq!(
            ids(&json!(null), &json!(["gone", "-id"]), &json!(null)),
            [2, 3, 1]
        );
    }

    #[test]
    fn patterns() {
        for (pattern, text, fits) in [
            ("", "", true),
            ("%", "", true),
            ("_", "", false),
            ("a%c", "abcbc", true),
            ("a%c", "abcb", false),
            ("%%a", "ba", true),
            ("a\\%", "a%", true),
            ("a\\%", "ab", false),
            ("a\\", "a\\", true),
            ("ü_", "ü€", true),
        ] {
            assert_eq!(like(pattern, text), fits, "{pattern} {text}");
        }
        assert!(!like(&"%a".repeat(2_000), &"a".repeat(1_999)));
    }
}
